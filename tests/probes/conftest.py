"""The tiny models, loaded once for all tests of the probes; what changes a model loads a copy of its folder."""

from pathlib import Path

import pytest

from probes.model.loading import LoadedModel, load


@pytest.fixture(scope="session")
def causal(tiny: Path) -> LoadedModel:
    """A tiny GPT-2."""
    return load(str(tiny / "causal"))


@pytest.fixture(scope="session")
def masked(tiny: Path) -> LoadedModel:
    """A tiny BERT."""
    return load(str(tiny / "masked"))
