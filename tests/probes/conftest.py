"""Models and indexes, made once for all tests of the probes; what changes a model loads a copy of its folder."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from probes.model.loading import LoadedModel, load
from probes.trace import Index, build_index, open_index
from tests.helpers.shards import make_shards


@pytest.fixture(scope="session")
def causal(tiny: Path) -> LoadedModel:
    """A tiny GPT-2."""
    return load(str(tiny / "causal"))


@pytest.fixture(scope="session")
def masked(tiny: Path) -> LoadedModel:
    """A tiny BERT."""
    return load(str(tiny / "masked"))


@pytest.fixture(scope="session")
def make_index(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> Callable[..., Index]:
    """How to make shards of rows of ids, and an index of them in parts of some tokens."""

    def make(train: np.ndarray, validation: np.ndarray, part_tokens: int = 1 << 20) -> Index:
        folder = tmp_path_factory.mktemp("rows")
        make_shards(folder / "shards", tiny_tokenizer, train, validation)
        build_index(folder / "shards", folder / "index", part_tokens)
        return open_index(folder / "index", folder / "shards")

    return make


@pytest.fixture(scope="session")
def tiny_index(tmp_path_factory: pytest.TempPathFactory, tiny_shards: Path) -> Index:
    """The index of the tiny shards, in several parts."""
    folder = tmp_path_factory.mktemp("tiny") / "index"
    build_index(tiny_shards, folder, 200)
    return open_index(folder, tiny_shards)


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
