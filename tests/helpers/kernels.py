"""Ask how far the GPU kernels are from torch, in a process that interprets them."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

ROUNDING = {"torch.float32": 1e-6, "torch.float16": 2e-3}


def distances(what: str) -> dict[str, Any]:
    """What `tests.helpers.interpreted_kernels` prints of its argument; skips the test where there is no Triton."""
    if find_spec("triton") is None:
        pytest.skip("torch brings no Triton for this machine")
    command = [sys.executable, "-m", "tests.helpers.interpreted_kernels", what]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))
