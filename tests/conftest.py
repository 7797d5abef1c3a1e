"""Settle what holds for all tests: property-based ones draw the same examples every time in CI, and new ones elsewhere.

No example has a time limit. Each process computes on one core, since there may be as many of them as cores.
"""

import os
import signal
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Put back the handlers of signals: a command that a test runs in this process sets some for good."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A process for each core there is; each imports torch and Beam, so that more than eight gain little."""
    from wikilm.cores import cores

    return min(cores(), 8)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a test by its parameter's name where the value is bytes.

    gzip writes the time into them, and then two processes of pytest-xdist know the same test by different names.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="module")
def one_cpu_thread() -> Iterator[None]:
    """Compute on one CPU thread, as the processes that tests start do, so that all of them give the same bytes."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("OMP_NUM_THREADS", "1")  # whatever it was: the processes that a test starts take it over
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


# What follows is made once for all tests, by tests/helpers: a test that changes any of it copies it first. Packages are
# imported where they are needed, since torch takes seconds.


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tokenizer of 400 entries."""
    from tests.helpers.tokenizers import make_tokenizer

    folder = tmp_path_factory.mktemp("tiny") / "tokenizer"
    make_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_shards(tiny_tokenizer: Path) -> Path:
    """A folder of shards, made with that tokenizer: 24 rows of 32 tokens to train on, 6 to validate on."""
    from tests.helpers.shards import make_shards

    folder = tiny_tokenizer.with_name("shards")
    make_shards(folder, tiny_tokenizer)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_tokenizer: Path, tiny_shards: Path) -> Path:
    """A folder with `tokenizer`, `shards`, and untrained models of 48 positions, `causal` and `masked`."""
    from transformers import AutoTokenizer

    from tests.helpers.models import make_causal, make_masked

    root, tokenizer = tiny_tokenizer.parent, AutoTokenizer.from_pretrained(tiny_tokenizer)
    make_causal(root / "causal", tokenizer, positions=48)
    make_masked(root / "masked", tokenizer, positions=48)
    return root
