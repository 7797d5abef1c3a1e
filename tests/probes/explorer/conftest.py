"""The tiny models with their shards and an index, as a library and as a running explorer."""

from collections.abc import Iterator

import pytest

from probes.explorer.library import Library, open_shelf
from probes.settings import FillMaskSettings, GenerationSettings, TraceSettings
from probes.trace import build_index
from tests.helpers.explorer import Explorer, explorer_of


@pytest.fixture(scope="package")
def library(tiny, causal, masked, tmp_path_factory) -> Library:
    """All that can be asked: a causal model as number 0, a masked one as 1."""
    index = tmp_path_factory.mktemp("explorer") / "index"
    build_index(tiny / "shards", index, part_tokens=1 << 20)
    shelf = open_shelf(tiny / "shards", index)
    return Library((causal, masked), shelf, FillMaskSettings(), GenerationSettings(), TraceSettings(min_tokens=3))


@pytest.fixture(scope="package")
def explorer(library) -> Iterator[Explorer]:
    """The page of that library."""
    with explorer_of(library) as running:
        yield running
