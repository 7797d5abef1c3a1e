"""The record of a run is the order in which its rows were fed, by any number of processes, killed or not."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.training import TrainingInputs, train
from train.plan.batch import Order
from train.plan.plan import make_plan
from train.rows.exposures import exposures_of
from train.rows.feed import Feed
from wikilm.exposures import EXPOSURES, SCHEMA, read_exposures

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
CPU = torch.device("cpu")


@given(
    rows=st.integers(1, 40), batch_size=st.integers(1, 40), seed=st.integers(0, 9), steps=st.integers(1, 30),
    batch=st.integers(1, 100),
)  # fmt: skip
def test_each_line_is_a_row_of_its_step_whatever_the_batches(
    rows: int, batch_size: int, seed: int, steps: int, batch: int
) -> None:
    batches = list(exposures_of(Order(rows, batch_size, seed), steps, batch))
    assert all(len(one) <= max(batch, batch_size) for one in batches)
    table = pa.Table.from_batches(batches, SCHEMA).to_pydict()
    order = Order(rows, batch_size, seed)
    told = [order.rows_of_step(step) for step in range(1, steps + 1)]
    assert table["step"] == [step for step in range(1, steps + 1) for _ in range(batch_size)]
    assert table["epoch"] == np.concatenate([epochs for epochs, _ in told]).tolist()
    assert table["row"] == np.concatenate([indices for _, indices in told]).tolist()
    for epoch in range(max(table["epoch"])):
        assert sorted(row for row, of in zip(table["row"], table["epoch"], strict=True) if of == epoch) == [
            *range(rows)
        ]


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What each feed hands to a model: the step, and its rows."""
    seen: list[tuple[Any, ...]] = []
    before = Feed.training_parts

    def recorded(self: Feed, step: int) -> Any:
        parts = before(self, step)
        seen.extend((step, tuple(row)) for part in parts for row in part.inputs[0].tolist())
        return parts

    monkeypatch.setattr(Feed, "training_parts", recorded)
    return seen


def test_it_is_what_was_fed_also_where_the_run_was_resumed(
    tiny: Path, tmp_path: Path, fed: list[tuple[Any, ...]]
) -> None:
    inputs = TrainingInputs(tiny / "shards", tiny / "tokenizer")
    arguments = inputs.arguments(tmp_path, exposures=True, batch_size=5, epochs=2)
    train([*arguments, "--max-steps", "3"])
    train(arguments)
    table = pq.read_table(tmp_path / "model" / EXPOSURES)
    assert table.schema.remove_metadata() == SCHEMA
    plan = planned(tiny, tmp_path)
    rows = plan.shards.rows("train").take(table["row"].to_numpy())
    assert [(step, tuple(row)) for step, row in zip(table["step"].to_pylist(), rows.tolist(), strict=True)] == fed
    whole = (tmp_path / "model" / EXPOSURES).read_bytes()
    train(inputs.arguments(tmp_path / "undisturbed", exposures=True, batch_size=5, epochs=2))
    assert (tmp_path / "undisturbed" / "model" / EXPOSURES).read_bytes() == whole
    found = read_exposures(tmp_path / "model", plan.order.rows)
    assert found.counts.sum() == len(table)
    assert set(found.counts) <= {2, 3}


def planned(tiny: Path, folder: Path) -> Any:
    return make_plan(
        objective="causal", params=folder / "params.yaml", shards=tiny / "shards", tokenizer=tiny / "tokenizer",
        output=folder / "model", max_steps=None, runs=None, metrics=None,
    )  # fmt: skip


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_processes_of_a_run_feed_together_what_it_says(tiny: Path, tmp_path: Path, processes: int) -> None:
    TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path, batch_size=7, gradient_accumulation=2)
    plan = planned(tiny, tmp_path)
    feeds = [Feed(plan, process, processes, CPU) for process in range(processes)]
    (batch,) = exposures_of(plan.order, 8)
    for step in range(1, 9):
        rows = batch.column("row").to_numpy()[batch.column("step").to_numpy() == step]
        fed = [part.inputs[0] for feed in feeds for part in feed.training_parts(step)]
        assert torch.equal(torch.cat(fed), torch.from_numpy(plan.shards.rows("train").take(rows)))


def test_without_the_setting_there_is_no_record(tiny: Path, tmp_path: Path) -> None:
    train(
        [*TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path, exposures=False), "--max-steps", "1"]
    )
    assert not (tmp_path / "model" / EXPOSURES).exists()
