"""Keep what must be fetched or built once for the local Flink cluster in one folder, which has all of it or nothing."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT = 3  # versions of one thing that stay in the cache; older ones make room


def cache_folder() -> Path:
    """$WIKILM_CACHE, else ~/.cache/wikilm."""
    return Path(os.environ.get("WIKILM_CACHE") or Path.home() / ".cache" / "wikilm").absolute()


def made_once(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `name-key` of the cache, made by `make` where it is not there yet.

    `make` fills a folder under a temporary name, which gets its final name only when `make` returns, so that a
    folder with a final name is always whole. Two that ask at the same time: one makes it, the other waits.

    Args:
        name: of the thing.
        key: what tells one version of it from another; the same key, the same content.
        make: fills the folder that it is given.
    """
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    final = root / f"{name}-{key}"
    with _only_one(root / f".{name}.lock"):
        if not final.exists():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as parent:
                made = Path(parent) / final.name
                made.mkdir()
                make(made)
                made.rename(final)
        os.utime(final)
        versions = sorted(root.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in versions[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return final


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
