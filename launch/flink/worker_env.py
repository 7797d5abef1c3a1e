"""Make a virtual environment with nothing but the wheel of this repository: what a remote Beam worker would have."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from launch.flink.cache import made_once
from launch.programs import call, program
from pipeline.storage import loopback_direct

REPOSITORY = Path(__file__).parents[2]
WAY_OUT = "see that uv can reach its registry, then run again"


def worker_python() -> Path:
    """The Python of an environment that holds the built wheel with its `pipeline` extra, in the versions of the lock.

    It is kept in the cache, by the hash of wheel, lock and Python: a change of the code makes a new one.

    Raises:
        RunError: uv is missing or fails, or a package has another hash than requirements.lock says.
    """
    uv = program("uv", variable="UV", package="make setup brings one", at=[REPOSITORY / ".venv-uv" / "bin" / "uv"])
    with tempfile.TemporaryDirectory() as built:
        call([uv, "build", "--quiet", "--wheel", "--out-dir", built, REPOSITORY], "building the wheel", WAY_OUT)
        (wheel,) = Path(built).glob("*.whl")
        lock = REPOSITORY / "requirements.lock"
        key = hashlib.sha256(wheel.read_bytes() + lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
        folder = made_once("worker", key, lambda new: _install(uv, wheel, lock, new))
    return folder / "bin" / "python"


def _install(uv: str, wheel: Path, lock: Path, folder: Path) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    venv = ("venv", "--quiet", "--allow-existing", "--relocatable", "--python", python)
    call([uv, *venv, folder], "making the workers' environment", WAY_OUT)
    # The lock as constraints, not as requirements: its versions and hashes, but only for what the pipeline needs.
    install = ("pip", "install", "--quiet", "--verify-hashes", "--constraint", str(lock), "--python", str(folder))
    call([uv, *install, f"wikilm[pipeline] @ {wheel.as_uri()}"], "installing the wheel for the workers", WAY_OUT)


def environment(python: Path, work: Path) -> dict[str, str]:
    """Environment variables of a worker pool: the caller's, but for what would let another Python's packages in.

    Args:
        python: of the workers' environment.
        work: a folder for temporary files.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    # Beam's pool starts its workers as `python`, in the current folder: it must be this one, and no folder's modules.
    path = f"{python.parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | loopback_direct(kept) | {"PATH": path, "PYTHONSAFEPATH": "1", "TMPDIR": str(work)}
