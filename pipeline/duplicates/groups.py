"""Group articles by the pairs that are alike, and say of each group which one is kept.

A group is a connected component: who is like one of it belongs to it. Of a group the article with the lowest page id is
kept, the oldest page: the choice depends on nothing but the articles, not on their order in the source, nor on the
runner, the split or the tokenizer. Memory grows with the articles that are like others, some 60 bytes each.

WORK/copies/00012.arrow   the articles of unit 12 that are left out, in their order; no file where there are none
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.duplicates.matches import Comparison, Numbers, Pairs, read_matches
from pipeline.duplicates.prints import bytes_of
from pipeline.storage import Place
from wikilm.shards import DUPLICATE, NEAR_DUPLICATE

AT_ONCE = 200_000  # copies that are written down in one go, some 200 MB
COPY_COLUMNS = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in {
            "row": pa.int64(),  # among the unit's articles that have a text
            "text_bytes": pa.int64(),
            "page_id": pa.int64(),
            "title": pa.string(),
            "reason": pa.string(),
            "kept_page_id": pa.int64(),
            "kept_title": pa.string(),
            "kept_unit": pa.int64(),
            "similarity": pa.float64(),
        }.items()
    ]
)
NO_COPIES = COPY_COLUMNS.empty_table()
TOLD = ("page_id", "title", "reason", "kept_page_id", "kept_title", "similarity")  # of a copy, to the user


def write_copies(comparison: Comparison) -> int:
    """Write down, for each unit, which of its articles are left out, and for which others. Returns how many."""
    copies, kept = _copies(comparison)
    bounds = np.searchsorted(copies, comparison.starts)
    some: list[int] = []
    for unit in np.flatnonzero(np.diff(bounds)).tolist():
        some.append(unit)
        if bounds[unit + 1] - bounds[some[0]] >= AT_ONCE:
            _write_some(comparison, some, copies, kept, bounds)
            some = []
    if some:
        _write_some(comparison, some, copies, kept, bounds)
    return len(copies)


def read_copies(work: Place, unit: int) -> pa.Table:
    """Read which articles of a unit are left out (see COPY_COLUMNS)."""
    try:
        return pa.ipc.open_stream(work.read(_copies_name(unit))).read_all()
    except FileNotFoundError:
        return NO_COPIES


def lines(work: Place, wikis: Sequence[str]) -> Iterator[str]:
    """Yield a line of JSON for each article that is left out; an empty line if there are none (see dead letters).

    Args:
        work: where the copies are.
        wikis: the name of the wiki of each unit; empty where there is one wiki, which then is not named.
    """
    any_copy = False
    for unit, wiki in enumerate(wikis):
        for copy in read_copies(work, unit).select([*TOLD, "kept_unit"]).to_pylist():
            any_copy = True
            kept = wikis[copy.pop("kept_unit")]
            named = {"wiki": wiki, **copy, "kept_wiki": kept} if wiki else copy
            yield json.dumps(named, ensure_ascii=False) + "\n"
    if not any_copy:
        yield "\n"


def _copies(comparison: Comparison) -> Pairs:
    """Return the articles that are left out, sorted, and those that are kept in their place."""
    members = np.empty(0, np.int64)
    for later, earlier in read_matches(comparison):
        members = np.union1d(members, np.union1d(later, earlier))
    by_number = comparison.column("page_id", members).to_numpy() if len(members) else members
    order = np.lexsort((members, by_number))  # by page id; of several wikis, two may have the same
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))

    def edges() -> Iterator[Pairs]:
        for later, earlier in read_matches(comparison):
            yield ranks[np.searchsorted(members, later)], ranks[np.searchsorted(members, earlier)]

    first = members[order][components(len(members), edges)[ranks]]
    return members[first != members], first[first != members]


def components(count: int, edges: Any) -> Numbers:
    """Return, of each node of a graph, the smallest node of its connected component: int64 [count].

    Args:
        count: of nodes, which are numbered from 0.
        edges: called once or more; yields edges, some at a time, as two arrays of nodes.
    """
    labels = np.arange(count)
    changed = True
    while changed:
        changed = False
        for ones, others in edges():
            low, high = np.minimum(labels[ones], labels[others]), np.maximum(labels[ones], labels[others])
            apart = low != high
            if apart.any():
                changed = True
                np.minimum.at(labels, high[apart], low[apart])
                while not np.array_equal(labels, above := labels[labels]):
                    labels = above
    return labels


def _write_some(comparison: Comparison, units: list[int], copies: Numbers, kept: Numbers, bounds: Numbers) -> None:
    """Write the files of units that follow each other."""
    here = slice(int(bounds[units[0]]), int(bounds[units[-1] + 1]))
    columns = _described(comparison, copies[here], kept[here])
    for unit in units:
        part = slice(int(bounds[unit]) - here.start, int(bounds[unit + 1]) - here.start)
        rows = copies[here][part] - comparison.starts[unit]
        table = pa.table([rows, *(column[part] for column in columns)], schema=COPY_COLUMNS)
        with comparison.work.create(_copies_name(unit)) as file, pa.ipc.new_stream(file, COPY_COLUMNS) as stream:
            stream.write_table(table)


def _described(comparison: Comparison, copies: Numbers, kept: Numbers) -> list[Any]:
    """Return all columns of copies but their rows."""
    distinct, which = np.unique(kept, return_inverse=True)

    def of_both(name: str) -> tuple[Any, Any]:
        return comparison.column(name, copies), comparison.column(name, distinct)

    digests, of_kept = map(bytes_of, of_both("digest"))
    same = (digests == of_kept[which]).all(axis=1)
    similarity = np.ones(len(copies))
    if comparison.shards.deduplicate == "near":
        values, of_kept = map(bytes_of, of_both("values"))
        similarity = np.round((values == of_kept[which]).mean(axis=1), 4)
    titles, kept_titles = of_both("title")
    page_ids, kept_ids = of_both("page_id")
    return [
        comparison.column("text_bytes", copies), page_ids, titles, _reasons(same), kept_ids.take(pa.array(which)),
        kept_titles.take(pa.array(which)), np.searchsorted(comparison.starts, kept, side="right") - 1, similarity,
    ]  # fmt: skip


def _reasons(same: NDArray[np.bool_]) -> pa.Array:
    return pa.array(np.where(same, DUPLICATE, NEAR_DUPLICATE).tolist(), pa.string())


def _copies_name(unit: int) -> str:
    return f"copies/{unit:05d}.arrow"
