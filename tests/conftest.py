"""What all tests share: property-based tests draw the same examples every time in CI, and new ones elsewhere.

No example has a time limit. Each process computes on one core, since there may be as many of them as cores.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("everyday", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("everyday"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "everyday")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; children inherit it

# Servers of the tests are on the loopback, whatever proxy this machine is told to use.
for name in ("no_proxy", "NO_PROXY"):
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))

# A shell starts what runs in the background with SIGINT ignored, and children inherit that; some tests press Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A process for each core there is; each imports torch and Beam, so that more than eight gain little."""
    from wikilm.cores import cores

    return min(cores(), 8)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tokenizer`, `causal`, `masked` and `shards`, as tests/models.py and tests/shards.py make them.

    Tests that change any of it copy it first.
    """
    from tests.helpers.models import make_causal, make_masked, make_tokenizer
    from tests.helpers.shards import make_shards

    root = tmp_path_factory.mktemp("tiny")
    tokenizer = make_tokenizer(root / "tokenizer")
    make_causal(root / "causal", tokenizer, positions=48)
    make_masked(root / "masked", tokenizer, positions=48)
    make_shards(root / "shards", root / "tokenizer")
    return root
