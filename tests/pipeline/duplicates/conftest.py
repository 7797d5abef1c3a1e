"""Settings of near duplicates."""

import pytest

from pipeline.settings import ShardsSettings


@pytest.fixture
def near() -> ShardsSettings:
    return ShardsSettings(chunk_tokens=16, chunking="pack", max_dead_fraction=0.1, deduplicate="near")
