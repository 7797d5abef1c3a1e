"""Shards that a test may damage."""

import shutil
from pathlib import Path

import pytest

from wikilm.shards import Manifest, read_manifest


@pytest.fixture
def shards(tiny_shards: Path, tmp_path: Path) -> tuple[Path, Manifest]:
    """A copy of the tiny shards: their folder, and its manifest."""
    folder = shutil.copytree(tiny_shards, tmp_path / "shards")
    return folder, read_manifest(folder)
