"""Of the pages with one id all but the newest are repeated, the last of those that are as new."""

import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.output import repeats
from pipeline.output.repeats import find_repeats, pages_name
from pipeline.output.reports import UnitReport
from pipeline.output.shard_file import ArrowFile
from pipeline.storage.place import Place
from pipeline.unit.batch import NOTHING


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=8), min_size=1, max_size=4),
    st.integers(1, 30),
)
def test_what_is_repeated_does_not_depend_on_how_many_are_compared_at_once(
    units: list[list[tuple[int, int]]], at_once: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "AT_ONCE", at_once)
        work, reports = Place(folder), []
        for unit, pages in enumerate(units):
            columns = [[p for p, _ in pages], [t for _, t in pages], list(range(len(pages)))]
            with work.create(pages_name(unit)) as file:
                stored = ArrowFile(pages_name(unit), file, repeats.IDENTITY_COLUMNS)
                stored.append(columns)
                entry = stored.close()
            counts = NOTHING.model_copy(update={"pages": len(pages)})
            reports.append(UnitReport(unit=unit, counts=counts, shards=[], articles=[], pages=entry, dead_letters=[]))
        found = find_repeats(work, reports)
    every = [(page_id, time, unit, at) for unit, pages in enumerate(units) for at, (page_id, time) in enumerate(pages)]
    newest = {max(p for p in every if p[0] == page_id) for page_id in {p[0] for p in every}}
    expected = {(unit, at) for page_id, time, unit, at in every if (page_id, time, unit, at) not in newest}
    assert {(unit, at) for unit, positions in found.items() for at in positions.tolist()} == expected
    assert all(positions.tolist() == sorted(positions.tolist()) for positions in found.values())
