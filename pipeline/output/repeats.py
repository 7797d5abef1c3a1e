"""Find the pages that occur more than once in the source of a wiki, of which only the newest revision counts.

Every unit writes down which pages it has read, 24 bytes each. They are compared when all units are done, so that a
source without repeats, as nearly all are, is read once. Units that have an older revision are made again without it.
"""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.output.reports import REPEATS, UnitReport, unit_file
from pipeline.storage.place import Place
from wikilm.shards import REPEATED

AT_ONCE = 4_000_000  # pages that are compared in one go, some 300 MB; more are taken in parts, by their page ids
_COLUMNS = ("page_id", "timestamp", "position")
IDENTITY_COLUMNS = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _COLUMNS])


def pages_name(unit: int) -> str:
    """Name the file in which a unit writes down which pages it has read."""
    return f"pages/{unit:05d}.arrow"


def find_repeats(work: Place, reports: Sequence[UnitReport]) -> dict[int, NDArray[np.int64]]:
    """Find, by unit, the positions of pages of which there is a newer revision: int64, sorted.

    The same page id in two wikis is two pages. Of two with the same timestamp, or without any, the later one in the
    source is the newer one.
    """
    found: dict[int, list[NDArray[np.int64]]] = {}
    for wiki in sorted({report.wiki for report in reports}):
        of_wiki = [report for report in reports if report.wiki == wiki]
        parts = max(1, -(-sum(report.counts.pages for report in of_wiki) // AT_ONCE))
        for part in range(parts):
            for unit, positions in _older(_identities(work, of_wiki, parts, part)):
                found.setdefault(unit, []).append(positions)
    return {unit: np.sort(np.concatenate(positions)) for unit, positions in sorted(found.items())}


def write_repeats(work: Place, repeats: dict[int, NDArray[np.int64]]) -> None:
    """Tell the workers which pages to leave out."""
    for unit, positions in repeats.items():
        work.write(unit_file(REPEATS, unit), json.dumps(positions.tolist()).encode())


def read_repeats(work: Place, unit: int) -> NDArray[np.int64]:
    """Return the positions of the pages of a unit that are to be left out: int64, sorted."""
    try:
        return np.array(json.loads(work.read(unit_file(REPEATS, unit))), np.int64)
    except FileNotFoundError:
        return np.empty(0, np.int64)


def stale(report: UnitReport, repeats: dict[int, NDArray[np.int64]]) -> bool:
    """Return whether a unit was made before it was known which of its pages are repeated."""
    return report.counts.left_out.get(REPEATED, 0) != len(repeats.get(report.unit, ()))


def _identities(
    work: Place, reports: Sequence[UnitReport], parts: int, part: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return page ids, timestamps, units and positions of those pages whose id is in one part of all ids."""
    columns: list[tuple[NDArray[np.int64], ...]] = [tuple(np.empty(0, np.int64) for _ in range(4))]
    for report in reports:
        table = pa.ipc.open_stream(work.read(pages_name(report.unit))).read_all()
        ids, timestamps, positions = (table[name].to_numpy() for name in IDENTITY_COLUMNS.names)
        here = ids % parts == part
        units = np.full(int(np.count_nonzero(here)), report.unit, np.int64)
        columns.append((ids[here], timestamps[here], units, positions[here]))
    page_ids, timestamps, units, positions = (np.concatenate(column) for column in zip(*columns, strict=True))
    return page_ids, timestamps, units, positions


def _older(
    identities: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    page_ids, timestamps, units, positions = identities
    order = np.lexsort((positions, units, timestamps, page_ids))
    has_newer = np.flatnonzero(page_ids[order][:-1] == page_ids[order][1:])
    older = order[has_newer]
    for unit in np.unique(units[older]):
        yield int(unit), positions[older][units[older] == unit]
