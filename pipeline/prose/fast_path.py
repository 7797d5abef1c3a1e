"""Decide when the compiled cleaner of wikitext is worth its compilation, and compile it once on a machine.

To compile takes 25 s of CPU on a server and 45 on a laptop. The slow path cleans 100 MB of wikitext in that time and
gives the same bytes. So single pages and small sources go the slow way, and only who has a lot to clean compiles.
"""

import contextlib
import fcntl
import importlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from pipeline.articles.site import Site
from wikilm.errors import RunError, reason

LOAD_AFTER = 4_000_000  # characters that are cleaned in the time in which numba loads what has been compiled
COMPILE_AFTER = 64_000_000  # and in that of compiling, which the rest of the source must save again
LARGE_SOURCE = 15_000_000  # stored bytes, bz2, of about as much
QUIET_SECONDS, EACH_SECONDS = 2.0, 5.0  # of compiling before it is told of, and between two lines of it
EVERY_STEP = "'''a''' [[b|c]] {{d}}&amp; x\n== e =="  # a page for which each compiled function is called


class CompilerError(RunError):
    """Numba fails to load or compile the cleaner: no page is at fault, and every page would meet the same."""


@dataclass
class _Seen:
    """How much this process has cleaned without the compiled path."""

    characters: int = 0


_seen = _Seen()
_turn = threading.RLock()


def fast_path(characters: int) -> ModuleType | None:
    """The compiled path if it pays by now for this process, which has so many characters more to clean, else None.

    Raises:
        CompilerError: see `compiled`.
    """
    with _turn:
        if _compiled.cache_info().currsize:
            return _compiled()
        _seen.characters += characters
        if _seen.characters < LOAD_AFTER or (_seen.characters < COMPILE_AFTER and not _is_compiled()):
            return None
        return _compiled()


def prepare(is_wikitext: bool, stored_bytes: int) -> None:
    """Compile ahead for a source so large that it pays, so that its workers find it done.

    Raises:
        CompilerError: see `compiled`.
    """
    if is_wikitext and stored_bytes >= LARGE_SOURCE:
        compiled()


def compiled() -> ModuleType | None:
    """The compiled path, compiled now if need be; None, and a note, on a machine without a compiler.

    Raises:
        CompilerError: there is one, and it fails.
    """
    with _turn:
        return _compiled()


@cache
def _compiled() -> ModuleType | None:
    page = _loaded()
    if page is not None:
        with _failure_told(), _only_one(page.cache_folder()), _told():
            text, _ = page.cut_page(EVERY_STEP, Site())
            page.page_lines(text, lambda line: [(0, line)])
    return page


@cache
def _is_compiled() -> bool:
    page = _loaded()
    return page is not None and page.is_compiled()


@cache
def _loaded() -> ModuleType | None:
    """The compiled path, not yet compiled; None, and a note, where the reference path takes its place."""
    page = _load()
    if isinstance(page, ModuleType):
        return page
    print(f"note: text is cleaned several times more slowly: {page}", file=sys.stderr)
    return None


def _load() -> ModuleType | str:
    """The compiled path, or why there is none."""
    try:
        importlib.import_module("numba")
    except Exception as error:  # it is not there, or not made for this version of Python or numpy
        return f"numba cannot be imported ({reason(error)})"
    with _failure_told():
        try:
            page = importlib.import_module("pipeline.prose.compiled.page")
        except RuntimeError:  # what numba raises where it can write neither beside the modules nor in the user's cache
            return "numba has no folder for what it compiles; set NUMBA_CACHE_DIR to one"
        return page if page.has_compiler() else "NUMBA_DISABLE_JIT is set"


@contextlib.contextmanager
def _failure_told() -> Iterator[None]:
    """Make an error within one that is told from those of a page."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        way_out = "set NUMBA_DISABLE_JIT=1 to do without it, several times more slowly"
        what = f"{type(error).__name__}: {reason(error)}"
        raise CompilerError(f"numba cannot compile the cleaner of wikitext ({what}); {way_out}") from error


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Have other processes wait meanwhile, which then load what this one has compiled."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a folder without locks: each compiles for itself, as numba allows
            lock = stack.enter_context((folder / ".compiling").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say on stderr that it is being compiled, and for how long, from when it is clear that it is."""
    done, terminal, start = threading.Event(), sys.stderr, time.monotonic()

    def tell() -> None:
        seconds = QUIET_SECONDS
        while not done.wait(seconds):
            so_far = f"{time.monotonic() - start:.0f} s so far (25 on a server, 45 on a laptop)"
            print(f"note: compiling the cleaner of wikitext, once on this machine: {so_far}", file=terminal)
            seconds = EACH_SECONDS

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
