"""Memory that a step has freed stays with the process, unless a user has settled that otherwise."""

import os
import subprocess
import sys

import pytest

from train.hosts.memory import SETTINGS

SCRIPT = """
import sys
from pathlib import Path

from train.hosts.memory import keep_freed_memory

def resident():  # pages
    return int(Path("/proc/self/statm").read_text().split()[1])

kept = keep_freed_memory() if sys.argv[1] == "keep" else False
before = resident()
block = bytes(1) * 2**27
held = resident() - before
del block
print(kept, (resident() - before) / held)
"""


def share_kept(asked: str, **settings: str) -> tuple[bool, float]:
    """Whether it was said that memory is kept, and which share of 128 MiB is, once they are freed."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    command = [sys.executable, "-c", SCRIPT, asked]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    kept, share = done.stdout.split()
    return kept == "True", float(share)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_stays_where_the_c_library_can_keep_it() -> None:
    kept, share = share_kept("keep")
    if not kept:
        pytest.skip("the C library here has no mallopt")
    assert share > 0.9
    assert share_kept("no")[1] < 0.1


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_users_stays(name: str) -> None:
    assert (
        share_kept("keep", **{name: "glibc.malloc.arena_max=4" if name == "GLIBC_TUNABLES" else "1000000"})[0] is False
    )
