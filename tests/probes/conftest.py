"""The tiny models, loaded once for all tests of the probes; what changes a model loads a copy of its folder."""

from collections.abc import Callable
from functools import cache
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


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LoadedModel]:
    """Return a tiny random model of a family of `tests.helpers.families`, made when it is first asked for."""
    from tests.helpers.families import make_family

    root = tmp_path_factory.mktemp("families")

    @cache
    def loaded(name: str) -> LoadedModel:
        make_family(root / name, name)
        return load(str(root / name))

    return loaded
