"""A record of exposures says how often and when last each row was seen, at any step; a damaged one is told."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wikilm.errors import RunError
from wikilm.exposures import EXPOSURES, NEVER, SCHEMA, read_exposures, write_exposures

ROWS = 5


def batch(steps: list[list[int]], first: int = 1) -> pa.RecordBatch:
    """The rows of some steps."""
    lines = [(step, row) for step, rows in enumerate(steps, first) for row in rows]
    columns = [[step for step, _ in lines], [0] * len(lines), [row for _, row in lines]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


@given(
    steps=st.lists(st.lists(st.integers(0, ROWS - 1), max_size=4), max_size=9),
    cut=st.integers(0, 9), until=st.none() | st.integers(0, 10),
)  # fmt: skip
def test_counts_and_last_steps_are_those_of_the_steps_so_far(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[int]], cut: int, until: int | None
) -> None:
    folder = tmp_path_factory.mktemp("model")
    write_exposures(folder, [batch(steps[:cut]), batch(steps[cut:], cut + 1)])
    seen = [(step, row) for step, rows in enumerate(steps, 1) for row in rows if until is None or step <= until]
    found = read_exposures(folder, ROWS, until)
    assert found.counts.tolist() == [sum(row == one for _, one in seen) for row in range(ROWS)]
    assert found.last_steps.tolist() == [
        max((step for step, one in seen if one == row), default=NEVER) for row in range(ROWS)
    ]


def test_what_is_no_record_of_these_shards_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"exposures.parquet: no such file.*exposures \(or masked\) to true"):
        read_exposures(tmp_path, ROWS)
    write_exposures(tmp_path, [batch([[ROWS]])])
    with pytest.raises(RunError, match="names row 5, but there are 5"):
        read_exposures(tmp_path, ROWS)
    path = tmp_path / EXPOSURES
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match="cannot be read"):
        read_exposures(tmp_path, ROWS)
    pq.write_table(pa.table({"step": np.arange(3)}), path)
    with pytest.raises(RunError, match="other columns than step, epoch, row"):
        read_exposures(tmp_path, ROWS)
