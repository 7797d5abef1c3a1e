"""Record which rows went into which step, out of the order that fed them.

A step's rows are a function of the run's seed and the step alone, whichever process took them and however often the run
was resumed (see batch.py). So the record of all steps is written at the export: no part of it could be lost before.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from train.plan import Order
from wikilm.exposures import SCHEMA

BATCH = 2**20  # rows of a batch and of a row group, about: the memory that a record of any length takes


def exposures_of(order: Order, steps: int, batch: int = BATCH) -> Iterator[pa.RecordBatch]:
    """Yield the record of steps 1 to `steps`, in the order in which their rows were fed."""
    at_once = max(1, batch // order.batch_size)
    for first in range(1, steps + 1, at_once):
        taken = range(first, min(first + at_once, steps + 1))
        epochs, rows = (np.concatenate(parts) for parts in zip(*map(order.rows_of_step, taken), strict=True))
        numbers = np.repeat(np.array(taken, dtype=np.int64), order.batch_size)
        yield pa.record_batch([numbers, epochs.astype(np.int32), rows], schema=SCHEMA)
