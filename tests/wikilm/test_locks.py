"""One process at a time has a lock, whose file says who; it is free when that process ends, however it does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers import ROOT
from wikilm.errors import UsageError
from wikilm.locks import beside, exclusive

HOLD = """
import sys
from pathlib import Path
from wikilm.locks import exclusive
with exclusive(Path(sys.argv[1]), "taken", "wait"):
    print("held", flush=True)
    input()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the lock; it gives it back when its stdin ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with held(path) as first:
        told = rf"^in use \(host .*, process {first.pid}, since .* UTC\): wait for it$"
        with pytest.raises(UsageError, match=told), exclusive(path, "in use", "wait for it"):
            pass
        assert path.exists()


def test_a_killed_process_leaves_the_lock_free_and_an_ended_one_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path) as first:
        first.kill()
        first.wait()
        assert path.exists()
        with exclusive(path, "in use", "wait"):
            assert path.read_text().startswith("host ")
    assert not path.exists()


def test_a_folder_that_has_become_read_only_hides_no_error_of_what_failed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted", "the lock")

    with pytest.raises(ValueError, match="what failed"), exclusive(tmp_path / "lock", "", ""):  # noqa: PT012
        monkeypatch.setattr(Path, "unlink", refuse)
        raise ValueError("what failed")


def test_a_folders_lock_is_beside_it_since_it_may_be_replaced(tmp_path: Path) -> None:
    assert beside(tmp_path / "model") == tmp_path / ".model.lock"


@pytest.mark.parametrize("processes", [4])
def test_of_many_at_once_exactly_one_has_it(tmp_path: Path, processes: int) -> None:
    """Each process adds one to a number, again and again: nothing is lost."""
    script = """
import sys
from pathlib import Path
from wikilm.errors import UsageError
from wikilm.locks import exclusive
count, done = Path(sys.argv[1]) / "count", 0
while done < 50:
    try:
        with exclusive(Path(sys.argv[1]) / "lock", "", ""):
            count.write_text(str(int(count.read_text()) + 1))
            done += 1
    except UsageError:
        pass
"""
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", script, str(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(processes)]
    assert [process.wait() for process in running] == [0] * processes
    assert (tmp_path / "count").read_text() == str(50 * processes)


def test_a_folder_has_one_lock_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path / "disk")
    assert {beside(path) for path in (tmp_path / "link", tmp_path / "disk", Path())} == {tmp_path / ".disk.lock"}
