"""A checkpoint that is written beside the training is that of its step, and an error of the write ends the run."""

import threading
from pathlib import Path

import pytest
import torch

import train.saved.saving
from train.saved.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from train.saved.saving import Saver

CPU = torch.device("cpu")


def checkpoint(step: int, value: float = 1.0) -> Checkpoint:
    state = {"step": step, "losses": [value], "history": []}
    return Checkpoint(step, {"a": torch.full((4, 3), value).T}, {"a/momentum": torch.full((2,), value)}, state)


@pytest.mark.parametrize("beside", [False, True])
def test_what_is_saved_can_be_resumed_from(tmp_path: Path, beside: bool) -> None:
    with Saver(tmp_path, CPU, beside) as saver:
        saver.save(checkpoint(1, 1.0))
        saver.save(checkpoint(2, 2.0))
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.state["losses"]) == (2, [2.0])
    assert found.model["a"].equal(torch.full((3, 4), 2.0))
    assert found.optimizer["a/momentum"].equal(torch.full((2,), 2.0))


def test_a_write_has_the_same_bytes_beside_the_training_as_without(tmp_path: Path) -> None:
    files = []
    for beside in (False, True):
        with Saver(tmp_path / str(beside) / "run", CPU, beside) as saver:
            saver.save(checkpoint(7, 0.5))
        folder = tmp_path / str(beside) / "run" / "step-00000007"
        files.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert files[0] == files[1]


def test_updates_after_the_save_change_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    updated = threading.Event()

    def write_late(run: Path, given: Checkpoint) -> Path:
        assert updated.wait(timeout=60)
        return save_checkpoint(run, given)

    monkeypatch.setattr(train.saved.saving, "save_checkpoint", write_late)
    live = checkpoint(1, 1.0)
    with Saver(tmp_path, CPU, beside=True) as saver:
        saver.save(live)
        live.model["a"].zero_()
        live.optimizer["a/momentum"].zero_()
        updated.set()
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.model["a"].min() == found.optimizer["a/momentum"].min() == 1.0


def fail(run: Path, given: Checkpoint) -> Path:
    raise OSError(28, "No space left on device", str(run))


@pytest.mark.parametrize("then", ["check", "join", "save", "end"])
def test_a_failed_write_is_raised_by_whatever_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    def run() -> None:
        with Saver(tmp_path, CPU, beside=True) as saver:
            saver.save(checkpoint(1))
            if then == "check":
                while True:  # until the thread has failed
                    saver.check()
            elif then == "join":
                saver.join()
            elif then == "save":
                saver.save(checkpoint(2))

    monkeypatch.setattr(train.saved.saving, "save_checkpoint", fail)
    with pytest.raises(OSError, match="No space left"):
        run()


def test_another_error_ends_the_run_once_the_write_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge() -> None:
        with Saver(tmp_path, CPU, beside=True) as saver:
            saver.save(checkpoint(1))
            raise ZeroDivisionError

    monkeypatch.setattr(train.saved.saving, "save_checkpoint", fail)
    with pytest.raises(ZeroDivisionError):
        diverge()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("save")]
