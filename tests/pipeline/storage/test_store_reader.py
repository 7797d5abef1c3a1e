"""Files of an object store are read in ranges, each of them whole."""

import fsspec
import pytest

from pipeline.storage import store_reader
from wikilm.errors import RunError


def test_a_store_that_sends_too_little_is_asked_again_and_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_reader.time, "sleep", lambda seconds: None)
    fsspec.filesystem("memory").pipe("/a.bin", b"x" * 100)
    fetch = store_reader.range_fetcher(store_reader.describe("memory://a.bin"))
    assert fetch(90, 100) == b"x" * 10
    with pytest.raises(RunError, match="10 of 20 bytes came"):
        fetch(90, 110)
