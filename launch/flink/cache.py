"""Keep what must be fetched or built once for the local Flink cluster in one folder, which has all of it or nothing."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wikilm.errors import RunError

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


def call(command: Sequence[str | Path], doing: str, way_out: str, *, cwd: Path | None = None) -> str:
    """Run a program that must succeed, and give its stdout.

    Raises:
        RunError: it fails; the error holds the last line that it said, what it was `doing` and the `way_out`.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()]
        why = (errors or said or [f"exit status {done.returncode}"])[0]
        raise RunError(f"{doing} failed: {why}; {way_out}")
    return done.stdout


def program(name: str, *, variable: str, package: str, at: Sequence[Path] = ()) -> str:
    """The path of a program that the machine must have.

    Args:
        name: of the program.
        variable: environment variable that may name it instead.
        package: what to install when it is missing.
        at: places to look at besides the PATH.

    Raises:
        RunError: it is nowhere.
    """
    named = os.environ.get(variable)
    found = named or shutil.which(name) or next((str(path) for path in at if path.is_file()), None)
    if not found:
        raise RunError(f"{name} is not on the PATH, and the Flink cluster needs it; {package}, or set {variable}")
    return found


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
