"""The best weights of a run are there whenever a checkpoint names them, wherever it was killed, and none pile up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.training import make_settings
from train.runs import saved_steps
from train.saved.checkpoint import (
    CHECKPOINTS_KEPT,
    Checkpoint,
    clear_unfinished,
    newest_checkpoint,
    save_checkpoint,
    states,
    take_over,
)
from train.saved.kept import BEST, KEPT, Keeper, load_weights, lowest_step, save_weights

LOSSES = st.lists(st.sampled_from([1.0, 2.0, 3.0, float("nan")]), min_size=1, max_size=12)
MOMENTS = ("trained", "kept", "best written", "saved")


def weights(step: int) -> dict[str, Tensor]:
    return {"w": torch.full((3,), float(step))}


def trained(run: Path, losses: list[float], save_every: int, every: int | None) -> Iterator[tuple[int, str]]:
    """Go on from the newest checkpoint, validating after each step; stop anywhere, as a killed run does."""
    clear_unfinished(run)
    found = newest_checkpoint(run)
    history = list(found.state["history"]) if found else []
    keeper = Keeper(run, make_settings("causal", keep_every_steps=every))
    for step in range(len(history) + 1, len(losses) + 1):
        history.append({"step": step, "validation_loss": losses[step - 1]})
        yield step, "trained"
        if keeper.wants(step, history):
            keeper.keep(step, history, weights(step))
        yield step, "kept"
        if step % save_every == 0 or step == len(losses):
            keeper.write_best()
            yield step, "best written"
            save_checkpoint(run, Checkpoint(step, weights(step), {}, {"history": history}))
            yield step, "saved"


@settings(max_examples=25)  # each syncs dozens of folders
@given(
    losses=LOSSES, save_every=st.integers(1, 4), every=st.integers(1, 4),
    kills=st.lists(st.tuples(st.integers(1, 12), st.sampled_from(MOMENTS)), max_size=4),
)  # fmt: skip
def test_wherever_it_is_killed_the_best_weights_are_those_of_the_lowest_loss(
    tmp_path_factory: pytest.TempPathFactory,
    losses: list[float],
    save_every: int,
    every: int,
    kills: list[tuple[int, str]],
) -> None:
    run = tmp_path_factory.mktemp("runs") / "run"
    for kill in [*kills, None]:
        for moment in trained(run, losses, save_every, every):
            if moment == kill:
                break
        named = {lowest_step(state["history"]) for state in states(run)}
        assert len(named) <= CHECKPOINTS_KEPT
        for step in named:
            assert step is not None
            found = load_weights(run / BEST, step)
            assert found is not None
            assert torch.equal(found["w"], weights(step)["w"])
    assert set(saved_steps(run / BEST)) == named
    assert saved_steps(run / KEPT) == list(range(every, len(losses) + 1, every))


def test_weights_that_are_damaged_or_missing_are_told_and_not_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path, 5, weights(5))
    path = tmp_path / "step-00000005" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert load_weights(tmp_path, 5) is None
    assert "step-00000005: model.safetensors is not what was written" in capsys.readouterr().err
    assert load_weights(tmp_path, 6) is None
    assert "step-00000006: was not kept" in capsys.readouterr().err
    (tmp_path / "step-00000005" / "hashes.json").write_text("[]")
    assert load_weights(tmp_path, 5) is None
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_takes_over_what_another_one_kept(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for _ in trained(old, [3.0, 1.0, 2.0], 3, 2):
        pass
    assert take_over(new, old) == 3
    assert not old.exists()
    for place in (BEST, KEPT):
        found = load_weights(new / place, 2)
        assert found is not None
        assert torch.equal(found["w"], weights(2)["w"])
