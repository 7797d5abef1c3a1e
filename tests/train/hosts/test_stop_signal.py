"""The first signal asks a run to end, a second Ctrl-C ends it, and afterwards signals are what they were."""

import signal
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from train.hosts.stop_signal import Stopped, StopSignal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_remembered_and_the_block_goes_on(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with StopSignal().caught() as stop:
        assert stop.number is None
        signal.raise_signal(number)
        assert stop.number == number
    assert [signal.getsignal(each) for each in SIGNALS] == before


TWICE = """
import signal, sys
from train.hosts.stop_signal import StopSignal
with StopSignal(launched=sys.argv[2] == "launched").caught() as stop:
    signal.raise_signal(int(sys.argv[1]))
    signal.raise_signal(signal.SIGTERM)  # only asks again
    signal.raise_signal(signal.SIGINT)
    print(stop.number)
"""


def twice(first: int, who: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TWICE, str(int(first)), who, *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.parametrize(
    ("first", "flag", "without"), [(*SIGNALS[:1], "", ""), (SIGNALS[1], "--fresh", ", without --fresh,")]
)
def test_a_second_ctrl_c_ends_the_process_at_once_in_one_line(first: signal.Signals, flag: str, without: str) -> None:
    done = twice(first, "by hand", flag)
    assert (done.returncode, done.stdout) == (130, "")
    then = f"the same command{without} goes on from the last checkpoint, if there is one"
    assert done.stderr == f"train: error: interrupted; {then}\n"


@pytest.mark.parametrize("first", SIGNALS)
def test_where_a_launcher_decides_when_to_end_at_once_the_first_signal_counts(first: signal.Signals) -> None:
    done = twice(first, "launched")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{int(first)}\n", "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_ends_with_the_status_of_shells_and_says_where_it_was_saved(number: int, status: int) -> None:
    error = Stopped(number, 42)
    assert error.exit_status == status
    assert f"stopped by {signal.Signals(number).name}, saved at step 42" in str(error)
