"""What is interrupted says how to go on: by the same command, but without a --fresh, which would begin anew."""

import errno
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from train import launch
from train.hosts.processes import ProcessDied
from train.hosts.stop_signal import Stopped
from train.saved import failed_files_told
from wikilm.errors import RunError


def full(run: Path) -> Exception:
    """What is told where a device is full."""
    with pytest.raises(RunError) as told, failed_files_told(run):
        raise OSError(errno.ENOSPC, "no space")
    return told.value


def killed() -> Exception:
    """What a launcher tells of a process that was killed."""
    with pytest.raises(RunError) as told:
        launch._status(-signal.SIGKILL, "process 1")
    return told.value


WAYS: dict[str, Callable[[Path], Exception]] = {
    "stopped": lambda run: Stopped(signal.SIGTERM, 3), "died": ProcessDied, "full": full,
    "launcher ended": lambda run: launch.Stopped(signal.SIGINT), "killed": lambda run: killed(),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_command_that_goes_on_is_the_same_one_without_fresh(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "--objective", "causal"])
    assert "without" not in str(WAYS[way](tmp_path))
    monkeypatch.setattr(sys, "argv", ["train", "--fresh", "--objective", "causal"])
    assert "the same command" in (told := str(WAYS[way](tmp_path)))
    assert ", without --fresh," in told
