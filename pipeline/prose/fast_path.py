"""Decide when the compiled path of cleaning pays, and compile it once per machine.

Compiling takes 25 s of CPU on a server and 45 on a laptop. In that time the reference path cleans 100 MB of wikitext,
to the same bytes. So single pages and small sources take the reference path, and only a large source compiles.
"""

import contextlib
import fcntl
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from pipeline.articles import Site
from wikilm.errors import RunError, reason

LOAD_AFTER = 4_000_000  # characters that the reference path cleans while numba loads what is compiled
COMPILE_AFTER = 64_000_000  # and while numba compiles, which the rest of the source must make up for
LARGE_SOURCE = 15_000_000  # bytes of bz2 that hold about COMPILE_AFTER characters
PAYS = "WIKILM_COMPILED_PAYS"  # the environment variable by which workers know that the source is large
QUIET_SECONDS, EACH_SECONDS = 2.0, 5.0  # of compiling before the first line about it, and between two lines
_WARM_UP = "'''a''' [[b|c]] {{d}}&amp; x\n== e =="  # a page that calls each compiled function


class CompilerError(RunError):
    """Numba cannot load or compile the cleaner: no page is at fault, and every page would meet the same error."""


@dataclass
class _Seen:
    """How many characters this process has cleaned by the reference path."""

    characters: int = 0


_seen = _Seen()
_turn = threading.RLock()


def fast_path(characters: int) -> ModuleType | None:
    """Return the compiled path if it pays for this process by now, else None.

    Args:
        characters: of the page that comes next.

    Raises:
        CompilerError: see `compiled`.
    """
    with _turn:
        if PAYS in os.environ or _compiled.cache_info().currsize:
            return _compiled()
        _seen.characters += characters
        if _seen.characters < LOAD_AFTER or (_seen.characters < COMPILE_AFTER and not _is_compiled()):
            return None
        return _compiled()


def prepare(is_wikitext: bool, stored_bytes: int) -> None:
    """Compile for a source large enough, before its workers start, so that they find it done and load it at once.

    Raises:
        CompilerError: see `compiled`.
    """
    if is_wikitext and stored_bytes >= LARGE_SOURCE and (_is_compiled() or compiled()):
        os.environ[PAYS] = "1"


def compiled() -> ModuleType | None:
    """Return the compiled path, compiled now if need be; None, with a note on stderr, where there is no compiler.

    Raises:
        CompilerError: there is a compiler, and it fails.
    """
    with _turn:
        return _compiled()


@cache
def _compiled() -> ModuleType | None:
    page = _loaded()
    if page is not None:
        with _as_compiler_error(), _one_process(page.cache_folder()), _progress_shown():
            text, _ = page.cut_page(_WARM_UP, Site())
            page.page_lines(text, lambda line: [(0, line)])
    return page


@cache
def _is_compiled() -> bool:
    page = _loaded()
    return page is not None and page.is_compiled()


@cache
def _loaded() -> ModuleType | None:
    """Return the compiled path, not yet compiled; None, with a note on stderr, where there is no compiler."""
    page = _load()
    if isinstance(page, ModuleType):
        return page
    print(f"note: text is cleaned several times more slowly: {page}", file=sys.stderr)
    return None


def _load() -> ModuleType | str:
    """Return the compiled path, or why there is none."""
    try:
        importlib.import_module("numba")
    except Exception as error:  # it is not there, or not made for this version of Python or numpy
        return f"numba cannot be imported ({reason(error)})"
    with _as_compiler_error():
        try:
            page = importlib.import_module("pipeline.prose.compiled.page")
        except RuntimeError:  # what numba raises where it can write neither beside the modules nor in the user's cache
            return "numba has no folder for what it compiles; set NUMBA_CACHE_DIR to one"
        return page if page.has_compiler() else "NUMBA_DISABLE_JIT is set"


@contextlib.contextmanager
def _as_compiler_error() -> Iterator[None]:
    """Turn an error into a CompilerError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        way_out = "set NUMBA_DISABLE_JIT=1 to do without it, several times more slowly"
        if isinstance(error, OSError):  # the compiler is sound, but there is no room for what it makes
            way_out = f"set NUMBA_CACHE_DIR to a folder with room, or {way_out}"
        what = f"{type(error).__name__}: {reason(error)}"
        raise CompilerError(f"numba cannot compile the cleaner of wikitext ({what}); {way_out}") from error


@contextlib.contextmanager
def _one_process(folder: Path) -> Iterator[None]:
    """Make other processes wait, which then load what this one compiles."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a folder without locks: each process compiles for itself, as numba allows
            lock = stack.enter_context((folder / ".compiling").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _progress_shown() -> Iterator[None]:
    """Print a line on stderr every few seconds, once it is clear that numba compiles and does not just load."""
    done, terminal, start = threading.Event(), sys.stderr, time.monotonic()

    def tell() -> None:
        seconds = QUIET_SECONDS
        while not done.wait(seconds):
            so_far = f"{time.monotonic() - start:.0f} s so far; it takes 25 to 45 s of one core"
            print(f"note: compiling the cleaner of wikitext, once on this machine: {so_far}", file=terminal)
            seconds = EACH_SECONDS

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
