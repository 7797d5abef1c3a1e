"""Commands that a proof runs end with it, and none begins afterwards."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from tests.helpers.waiting import is_alive, wait_until
from train.proof.commands import call, ended_together
from wikilm.errors import RunError

# Starts another process, writes both numbers, and waits for the signal, at which it says a word
COMMAND = """
import os, signal, subprocess, sys
def stop(*_):
    print("first", "saved", sep="\\n", file=sys.stderr)
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {other.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
while True:
    signal.pause()
"""


def test_the_status_and_the_last_line_are_told() -> None:
    told = "import sys; print('one', 'two', sep='\\n', file=sys.stderr); sys.exit(3)"
    with ended_together():
        assert call([sys.executable, "-c", told], os.environ) == (3, "two")


def test_what_makes_the_block_end_ends_the_commands_with_all_that_they_started(tmp_path: Path) -> None:
    pids, found = tmp_path / "pids", []
    thread = threading.Thread(target=lambda: found.append(call([sys.executable, "-c", COMMAND, str(pids)], os.environ)))
    with pytest.raises(KeyboardInterrupt), ended_together():  # noqa: PT012
        thread.start()
        wait_until(pids.exists)
        raise KeyboardInterrupt
    thread.join()
    assert found == [(7, "saved")]
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: not is_alive(pid))
    with pytest.raises(RunError, match="before it began"):
        call([sys.executable, "-c", ""], os.environ)
    with ended_together():
        assert call([sys.executable, "-c", ""], os.environ) == (0, "")


def test_a_command_in_the_main_thread_ends_with_the_wait_for_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def interrupt() -> None:
        wait_until(pids.exists)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt), ended_together():
        call([sys.executable, "-c", COMMAND, str(pids)], os.environ)
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: not is_alive(pid))
