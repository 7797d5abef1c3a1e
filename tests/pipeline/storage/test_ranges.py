"""A stream of ranges reads as the file itself would, a bounded block at a time, and the next one meanwhile."""

import io
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage import ranges
from pipeline.storage.ranges import RangeReader, ReadAhead
from tests.helpers.waiting import MINUTES
from wikilm.errors import RunError

DATA = bytes(range(256)) * 4
STEPS = st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 300)), max_size=8)


@given(steps=STEPS, end=st.integers(0, len(DATA)), block=st.integers(1, 300), buffer=st.integers(1, 300))
def test_any_reads_give_the_bytes_of_the_file_up_to_where_the_stream_ends(
    steps: list[tuple[int, int]], end: int, block: int, buffer: int
) -> None:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return DATA[start:stop]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "BLOCK_BYTES", block)
        plain = io.BytesIO(DATA[:end])
        exact = RangeReader(fetch, end)
        ahead = io.BufferedReader(RangeReader(ReadAhead(fetch, end), end), buffer)
        for place, length in steps:
            for stream in (plain, exact, ahead):
                stream.seek(place)
            wanted = plain.read(length)
            assert exact.read(length) == wanted
            assert ahead.read(length) == wanted
    assert all(0 <= start < stop <= end and stop - start <= block for start, stop in asked)


def test_the_next_block_is_fetched_while_the_reader_has_one_and_one_at_a_time() -> None:
    began, at_once = threading.Semaphore(0), threading.Semaphore(1)

    def fetch(start: int, stop: int) -> bytes:
        assert at_once.acquire(blocking=False)
        began.release()
        time.sleep(0.002)
        at_once.release()
        return DATA[start:stop]

    stream = io.BufferedReader(RangeReader(ReadAhead(fetch, 250), 250), 100)
    assert stream.read(10) == DATA[:10]
    for _ in range(2):
        assert began.acquire(timeout=MINUTES)
    assert stream.read() == DATA[10:250]
    assert began.acquire(timeout=MINUTES)
    assert not began.acquire(blocking=False), "nothing is fetched from the end on"


def test_what_goes_wrong_ahead_is_told_when_its_block_is_read() -> None:
    def fetch(start: int, stop: int) -> bytes:
        if start >= 100:
            raise RunError("gone")
        return DATA[start:stop]

    stream = io.BufferedReader(RangeReader(ReadAhead(fetch, 250), 250), 100)
    assert stream.read(100) == DATA[:100]
    with pytest.raises(RunError, match="gone"):
        stream.read(1)
