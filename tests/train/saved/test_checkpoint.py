"""What was saved is found again; the half-written and the damaged are no checkpoint."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from tests.helpers.limits import files_of_at_most
from train.saved.checkpoint import (
    CHECKPOINTS_KEPT,
    Checkpoint,
    clear_unfinished,
    newest_checkpoint,
    remove_run,
    save_checkpoint,
    take_over,
)


def checkpoint(step: int) -> Checkpoint:
    weights = torch.arange(12.0).reshape(3, 4) * step
    return Checkpoint(step, {"w": weights, "transposed": weights.T}, {"w/momentum": weights}, {"step": step, "x": 0.1})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_checkpoint_comes_back_bit_by_bit(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    save_checkpoint(tmp_path, checkpoint(2))
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 2
    assert found.state == {"step": 2, "x": 0.1}
    assert torch.equal(found.model["transposed"], checkpoint(2).model["transposed"])
    assert torch.equal(found.optimizer["w/momentum"], checkpoint(2).optimizer["w/momentum"])


def test_only_the_newest_are_kept_and_nothing_else_lies_about(tmp_path: Path) -> None:
    for step in range(1, 6):
        save_checkpoint(tmp_path, checkpoint(step))
    assert CHECKPOINTS_KEPT >= 2
    assert names(tmp_path) == [f"step-{step:08d}" for step in range(6 - CHECKPOINTS_KEPT, 6)]
    assert names(tmp_path / "step-00000005") == [
        *("hashes.json", "model.safetensors", "optimizer.safetensors", "state.json")
    ]


def test_no_run_has_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "hashes.json"])
@pytest.mark.parametrize("harm", ["cut", "flip", "remove"])
def test_a_damaged_checkpoint_is_passed_over_for_the_older_whole_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, harm: str
) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    path = save_checkpoint(tmp_path, checkpoint(2)) / name
    content = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "flip":
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "step-00000002" in told
    assert "skipping it for an older checkpoint\n" in told
    shutil.rmtree(tmp_path / "step-00000001")
    assert newest_checkpoint(tmp_path) is None
    assert "skipping it without an older one to resume from\n" in capsys.readouterr().err


def test_a_checkpoint_of_another_run_is_passed_over_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "ours", checkpoint(1))
    copied = save_checkpoint(tmp_path / "theirs", checkpoint(2))
    shutil.copytree(copied, tmp_path / "ours" / copied.name)
    found = newest_checkpoint(tmp_path / "ours")
    assert found is not None
    assert found.step == 1
    assert "step-00000002: is a checkpoint of another run (theirs); skipping it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"), [("step-00000002", "is a file, and no checkpoint"), ("step-x", "its name says no step")]
)
def test_what_is_in_a_checkpoints_place_is_passed_over_with_its_reason_and_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    path = save_checkpoint(tmp_path, checkpoint(1))
    if name == "step-x":
        shutil.copytree(path, tmp_path / name)
    else:
        (tmp_path / name).write_text("mine")
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    assert f"{name}: {reason}; skipping it" in capsys.readouterr().err
    save_checkpoint(tmp_path, checkpoint(2))
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 2
    assert not list(tmp_path.glob(".*"))


def test_a_run_takes_over_the_newest_whole_checkpoint_of_another(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path / "old", checkpoint(step))
    (tmp_path / "old" / "step-00000002" / "state.json").write_text("{}")
    assert take_over(tmp_path / "new", tmp_path / "old") == 1
    found = newest_checkpoint(tmp_path / "new")
    assert found is not None
    assert torch.equal(found.model["w"], checkpoint(1).model["w"])
    assert names(tmp_path) == ["new"]


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"model.safetensors": 3}'])
def test_hashes_that_are_no_hashes_are_damage(tmp_path: Path, content: str) -> None:
    (save_checkpoint(tmp_path, checkpoint(1)) / "hashes.json").write_text(content)
    assert newest_checkpoint(tmp_path) is None


def test_what_a_killed_run_left_half_written_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    left = tmp_path / ".step-00000002.unfinished"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    clear_unfinished(tmp_path)
    assert names(tmp_path) == ["step-00000001"]


def test_a_full_device_is_named_and_older_checkpoints_stand(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    large = Checkpoint(2, {"w": torch.zeros(100_000)}, {}, {})
    with files_of_at_most(10_000), pytest.raises(OSError, match="step-00000002") as failed:
        save_checkpoint(tmp_path, large)
    assert (failed.value.errno, failed.value.filename) == (errno.EFBIG, str(tmp_path / "step-00000002"))
    assert names(tmp_path) == ["step-00000001"]
    assert newest_checkpoint(tmp_path) is not None


def test_a_finished_runs_state_goes_but_not_that_of_others(tmp_path: Path) -> None:
    for run in ("aaa", "bbb"):
        save_checkpoint(tmp_path / "runs" / run, checkpoint(1))
    remove_run(tmp_path / "runs" / "aaa")
    assert names(tmp_path / "runs") == ["bbb"]
    remove_run(tmp_path / "runs" / "bbb")
    assert not (tmp_path / "runs").exists()


def test_nothing_in_a_checkpoint_is_pickled(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, checkpoint(1))
    for name in os.listdir(path):
        content = (path / name).read_bytes()
        if name.endswith(".json"):
            json.loads(content)
        else:
            length = int.from_bytes(content[:8], "little")
            assert set(json.loads(content[8 : 8 + length])) <= {"w", "transposed", "w/momentum", "__metadata__"}
