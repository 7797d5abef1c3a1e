"""What numba compiles also runs as plain Python, for a debugger, and does the same there."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers import ROOT


def test_the_compiled_steps_do_the_same_as_plain_python() -> None:
    here = Path(__file__).parent
    steps = [str(here / f"test_{step}.py") for step in ("tokens", "cut", "marks", "lines", "holes")]
    line = [sys.executable, "-W", "error::RuntimeWarning", "-m", "pytest", "-q", "-p", "no:cacheprovider", *steps]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
