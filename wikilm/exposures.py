"""Read the record of a training that says which rows of the shards went into which step: exposures.parquet.

    from wikilm.exposures import read_exposures
    seen = read_exposures(Path("models/causal"), rows=470, until=100)
    seen.counts[7], seen.last_steps[7]  # how often row 7 had been seen after step 100, and when last

A row's number is its place in the split `train` of the shards, in the order of their manifest, from 0 on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from wikilm.errors import RunError
from wikilm.files import new_file

EXPOSURES = "exposures.parquet"
# One line for each row of each step, in the order in which they were fed; steps count from 1, epochs and rows from 0
SCHEMA = pa.schema([("step", pa.int64()), ("epoch", pa.int32()), ("row", pa.int64())])
NEVER = 0  # the last step of a row that has not been seen


@dataclass(frozen=True)
class Exposures:
    """How often each row has been seen, and in which step last; int64 [rows] each."""

    counts: npt.NDArray[np.int64]
    last_steps: npt.NDArray[np.int64]  # NEVER for a row that has not been seen


def read_exposures(model: Path, rows: int, until: int | None = None) -> Exposures:
    """Return what a model had seen of each row, batch by batch of the record.

    Args:
        model: its folder.
        rows: in the split `train` of the shards that it was trained on.
        until: the last step that counts, such as that of a copy in `steps/` or `best/`; None for all.

    Raises:
        RunError: there is no record, it is damaged, or is of other shards.
    """
    path = model / EXPOSURES
    counts, last_steps = np.zeros(rows, np.int64), np.full(rows, NEVER, np.int64)
    for steps, seen in _batches(path):
        if until is not None:
            seen, steps = seen[steps <= until], steps[steps <= until]
        if len(seen) and not 0 <= seen.min() <= seen.max() < rows:
            raise RunError(f"{path}: names row {seen.max()}, but there are {rows}; name the shards it was trained on")
        counts += np.bincount(seen, minlength=rows)
        np.maximum.at(last_steps, seen, steps)
    return Exposures(counts, last_steps)


def _batches(path: Path) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the steps and rows of a record."""
    try:
        with pq.ParquetFile(path) as file:
            if file.schema_arrow.remove_metadata() != SCHEMA:
                raise RunError(f"{path}: holds other columns than {', '.join(SCHEMA.names)}; train again to make it")
            for batch in file.iter_batches(columns=["step", "row"]):
                yield batch.column("step").to_numpy(), batch.column("row").to_numpy()
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file: the training kept no record; set pretrain.causal.exposures (or masked) to true"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: cannot be read: {error}; train again to make it") from None


def write_exposures(model: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a record, whole or not at all; the same bytes for the same batches.

    Raises:
        OSError: it cannot be written.
    """
    with new_file(model / EXPOSURES) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
