"""Run the programs that a machine must have, and say which is missing."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from wikilm.errors import RunError


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
        raise RunError(f"{name} is not on the PATH, and is needed here; {package}, or set {variable}")
    return found
