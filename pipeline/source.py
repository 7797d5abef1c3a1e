"""Section `source` of params.yaml in, a plan of work units out; one unit in, its pages out."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline import dump, parquet
from pipeline.article import Article, DeadLetter, Dropped
from pipeline.command import UsageError
from pipeline.files import checksum, locate, size_of
from pipeline.index import index_name
from pipeline.settings import SourceSettings
from pipeline.shard_format import SourceEntry
from pipeline.site import Site

Part = dump.Streams | dump.WholeFile | parquet.RowGroups


@dataclass(frozen=True)
class WorkUnit:
    """A slice of the source that is read on its own; small, and the same whatever the runner and its workers."""

    number: int  # from 0, in the order of the source
    parts: tuple[Part, ...]
    bytes: int  # as stored


@dataclass(frozen=True)
class Source:
    """A source as planned: what the manifest says of it, its units, its wiki, and whether its texts need cleaning."""

    entry: SourceEntry
    units: tuple[WorkUnit, ...]
    site: Site
    is_wikitext: bool


def open_source(settings: SourceSettings) -> Source:
    """Look at the source and plan its units; reads every byte once, for the checksum.

    Raises:
        UsageError: nothing is there, or its name is of no kind that can be read.
        RunError: it is damaged, as far as the plan can see (see `dump.plan_multistream`, `parquet.plan`).
    """
    path = locate(settings.path)
    kind = kind_of(path)
    if kind == "parquet":
        files = parquet.files_of(path)
        return _source(path, kind, files, parquet.plan(files, settings.unit_bytes), Site(), is_wikitext=False)
    if kind == "multistream":
        site, parts = dump.plan_multistream(path, settings.unit_bytes)
        return _source(path, kind, [path], parts, site)
    site, whole = dump.plan_whole(path, kind)
    return _source(path, kind, [path], [(whole,)], site)


def read_unit(unit: WorkUnit, site: Site) -> Iterator[Article | Dropped | DeadLetter]:
    """The pages of one unit, in the order of the source; what is wrong with one page costs that page alone.

    Raises:
        RunError: the file is cut or damaged, or is not what was planned (met while reading, maybe at the end).
    """
    for part in unit.parts:
        if isinstance(part, parquet.RowGroups):
            yield from parquet.read(part)
        else:
            yield from dump.read(part, site)


def kind_of(path: str) -> str:
    """The kind of source that a path's name says, as in `SourceEntry.kind`.

    Raises:
        UsageError: it says none.
    """
    name = os.path.basename(path).lower()
    if os.path.isdir(path) or name.endswith(".parquet"):
        return "parquet"
    if index_name(name) is not None:
        return "multistream"
    # Dumps in several files are called *.xml-p1p41242.bz2.
    if ".xml" in name:
        for suffix, kind in ((".bz2", "xml.bz2"), (".gz", "xml.gz"), (".xml", "xml")):
            if name.endswith(suffix):
                return kind
    raise UsageError(f"source.path: {path}: cannot tell its kind; known are .xml, .xml.bz2, .xml.gz and .parquet")


def _source(
    path: str, kind: str, files: list[str], parts: Sequence[tuple[Part, ...]], site: Site, is_wikitext: bool = True
) -> Source:
    units = tuple(WorkUnit(number, some, sum(part.bytes for part in some)) for number, some in enumerate(parts))
    entry = SourceEntry.model_validate(
        {
            "name": os.path.basename(path),
            "kind": kind,
            "bytes": sum(size_of(file) for file in files),
            "checksum": checksum(files, root=path),
            "units": len(units),
        }
    )
    return Source(entry, units, site, is_wikitext)
