"""Keep loaded encoders for the threads of a process."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from pipeline.tokens.encoder import Encoder
from wikilm.errors import RunError

_LENT: dict[tuple[Path, str], tuple[Encoder, list[Encoder]]] = {}  # the first of its kind, and those not in use

_LOADING = threading.Lock()


def lend(encoder: Encoder, folder: Path) -> None:
    """Let `borrowed_encoder` give out this one, which is loaded already, and none that was loaded before."""
    _LENT[folder, encoder.engine] = encoder, [encoder]


@contextlib.contextmanager
def borrowed_encoder(folder: Path, engine: str) -> Iterator[Encoder]:
    """An encoder of this process, for one thread at a time: where all that there are have been lent, another is made.

    Threads that share one wait for each other: gigatoken remembers the words it has met, under a lock.

    Raises:
        RunError: this worker cannot encode with the engine that the driver has settled on.
    """
    with _LOADING:
        if (folder, engine) not in _LENT:
            encoder = Encoder(folder, engine)
            if encoder.engine != engine:
                raise RunError(f"{folder}: this worker cannot encode with {engine}: {encoder.note}")
            lend(encoder, folder)
    first, idle = _LENT[folder, engine]
    try:
        encoder = idle.pop()
    except IndexError:
        encoder = first.twin()
    try:
        yield encoder
    finally:
        idle.append(encoder)
