"""Keep the encoders that a process has loaded, and lend each to one thread at a time.

Threads that shared one would wait for each other: gigatoken remembers the words it has met, under a lock.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.tokens.encoder import Encoder
from wikilm.errors import RunError
from wikilm.shards import TokenizerEntry


@dataclass(frozen=True)
class EncoderSpec:
    """The encoder of a run, as its driver has settled on it; every worker must come to the same."""

    folder: Path
    engine: str
    entry: TokenizerEntry


_POOL: dict[EncoderSpec, tuple[Encoder, list[Encoder]]] = {}  # the first of its kind, and those not in use
_LOADING = threading.Lock()


def put(loaded: Encoder, spec: EncoderSpec) -> None:
    """Keep an encoder that is loaded already, in place of any that was."""
    _POOL[spec] = loaded, [loaded]


@contextlib.contextmanager
def encoder(spec: EncoderSpec) -> Iterator[Encoder]:
    """Lend an encoder to one thread while the block runs; where all are in use, another is made.

    Raises:
        RunError: this process cannot encode with the engine of the run, or finds another tokenizer in the folder.
    """
    with _LOADING:
        if spec not in _POOL:
            put(_loaded(spec), spec)
    first, idle = _POOL[spec]
    try:
        lent = idle.pop()
    except IndexError:
        lent = first.copy_for_thread()
    try:
        yield lent
    finally:
        idle.append(lent)


def _loaded(spec: EncoderSpec) -> Encoder:
    loaded = Encoder(spec.folder, spec.engine)
    if loaded.engine != spec.engine:
        raise RunError(f"{spec.folder}: this worker cannot encode with {spec.engine}: {loaded.note}")
    if loaded.entry != spec.entry:
        raise RunError(f"{spec.folder}: the tokenizer is not the one that the run began with; run again")
    return loaded
