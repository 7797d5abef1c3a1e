"""Make environments with more packages than the tests' own."""

import site
import subprocess
import sys
from pathlib import Path

import pytest


def environment_above(folder: Path, lock: Path) -> Path:
    """Make a virtual environment of the packages in a lock, before those of the tests' own; return its `bin`.

    Skips the test where the package registry is out of reach.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "below.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run([*install, "--requirement", lock], capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        pytest.skip(f"{lock.name} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin"
