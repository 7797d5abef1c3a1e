"""The processes of a run share its rows: each is fed once, and masked alike however many share them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.shards import make_rows
from tests.helpers.training import planned
from train.rows.feed import Feed, Part
from train.settings import OBJECTIVES, Objective

CPU = torch.device("cpu")


def rows_of(parts: Iterator[Part] | list[Part]) -> list[list[int]]:
    return [row for part in parts for row in part.inputs[0].tolist()]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_validation_row_is_fed_once_and_masked_alike(
    tiny: Path, tmp_path: Path, objective: Objective, processes: int
) -> None:
    plan = planned(tiny, tmp_path, objective)
    shared = [rows_of(Feed(plan, process, processes, CPU).validation_parts()) for process in range(processes)]
    alone = rows_of(Feed(plan, 0, 1, CPU).validation_parts())
    assert sorted(row for rows in shared for row in rows) == sorted(alone)
    if objective == "causal":
        assert alone == make_rows(tiny / "tokenizer", 6, seed=2).tolist()


@pytest.mark.parametrize(("processes", "parts"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)])
def test_validation_takes_no_more_rows_at_once_than_training(
    tiny: Path, tmp_path: Path, processes: int, parts: int
) -> None:
    plan = planned(tiny, tmp_path, "causal", gradient_accumulation=parts)
    for process in range(processes):
        feed = Feed(plan, process, processes, CPU)
        most = max(len(part.inputs[0]) for part in feed.training_parts(1))
        assert max(len(part.inputs[0]) for part in feed.validation_parts()) <= most


def test_a_limit_on_validation_rows_takes_them_from_the_whole_split(tiny: Path, tmp_path: Path) -> None:
    plan = planned(tiny, tmp_path, "causal", validation_rows=3)
    every = make_rows(tiny / "tokenizer", 6, seed=2)
    assert rows_of(Feed(plan, 0, 1, CPU).validation_parts()) == every[::2].tolist()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_is_the_same_rows_in_however_many_parts_and_processes(
    tiny: Path, tmp_path: Path, objective: Objective
) -> None:
    whole = rows_of(Feed(planned(tiny, tmp_path / "1", objective), 0, 1, CPU).training_parts(3))
    in_parts = planned(tiny, tmp_path / "2", objective, gradient_accumulation=2)
    parts = [part for process in range(2) for part in Feed(in_parts, process, 2, CPU).training_parts(3)]
    assert len(parts) == 4
    assert rows_of(parts) == whole


def test_targets_are_what_stands_at_their_positions(tiny: Path, tmp_path: Path) -> None:
    rows = make_rows(tiny / "tokenizer", 6, seed=2)
    (batch,) = Feed(planned(tiny, tmp_path, "masked", batch_size=6), 0, 1, CPU).validation_parts()
    ids, positions, targets = (tensor.numpy() for tensor in batch.inputs)
    assert batch.targets == len(targets)
    assert rows.reshape(-1)[positions].tolist() == targets.tolist()
    unmasked = np.ones(rows.size, bool)
    unmasked[positions] = False
    assert (ids.reshape(-1)[unmasked] == rows.reshape(-1)[unmasked]).all()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_filled_up_parts_are_of_one_shape_and_hold_what_they_would_hold_otherwise(
    tiny: Path, tmp_path: Path, objective: Objective, processes: int
) -> None:
    plan = planned(tiny, tmp_path, objective, batch_size=5, gradient_accumulation=2)
    shapes = set()
    for process in range(processes):
        filled = Feed(plan, process, processes, CPU, one_shape=True)
        plain = Feed(plan, process, processes, CPU)
        pairs = [
            *zip(filled.training_parts(1), plain.training_parts(1), strict=True),
            *zip(filled.validation_parts(), plain.validation_parts(), strict=True),
        ]
        for full, part in pairs:
            shapes.add(tuple(tensor.shape for tensor in full.inputs))
            assert full.targets == part.targets == len(part.inputs[1])
            for more, tensor in zip(full.inputs, part.inputs, strict=True):
                assert more[: len(tensor)].equal(tensor)
    assert len(shapes) == 1
