"""Plan a source as work units, each of which is read on its own, and say for the manifest what the source is."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.articles import ONLY, Page, Pages, Site, Wiki
from pipeline.settings import SourceSettings
from pipeline.source import dump, jsonl, parquet
from pipeline.source.listing import SourceFile, SourceFiles, find_files
from pipeline.storage import File, checksums
from wikilm.errors import RunError
from wikilm.shards.manifest import LimitsEntry, SourceEntry


class Part(Protocol):
    """A slice of one file of the source, of whatever kind.

    Reading raises RunError where the file is cut or damaged, or is not what was planned: maybe only at its end.
    """

    @property
    def file(self) -> File:
        """The file that it is a slice of."""

    @property
    def stored_bytes(self) -> int:
        """Its size as it is stored, compressed."""

    def pages(self, site: Site, max_page_bytes: int) -> Iterator[Page]:
        """Yield the pages in the order of the source; what is wrong with one page costs that page alone."""

    def pages_with_xml(self, site: Site, max_page_bytes: int) -> Iterator[tuple[Page, bytes]]:
        """Yield the same pages, each with its XML, which is empty where there is none."""

    def batches(self, site: Site, max_page_bytes: int) -> Iterator[Pages]:
        """Yield the same pages, some at a time, articles column by column."""

    def template_redirects(self, site: Site) -> Iterator[tuple[str, str]]:
        """Yield the templates in it that are redirects to others: (name, name of the other)."""


@dataclass(frozen=True)
class WorkUnit:
    """A slice of the source that is read on its own; small, and the same whatever the runner and its workers."""

    number: int  # from 0, in the order of the source
    parts: tuple[Part, ...]
    bytes: int  # as stored
    max_page_bytes: int
    wiki: Wiki = ONLY

    def pages(self, site: Site) -> Iterator[Page]:
        """Yield the pages of the unit, one by one (see `Part`)."""
        return itertools.chain.from_iterable(part.pages(site, self.max_page_bytes) for part in self.parts)

    def batches(self, site: Site) -> Iterator[Pages]:
        """Yield the pages of the unit, some at a time (see `Part`)."""
        return itertools.chain.from_iterable(part.batches(site, self.max_page_bytes) for part in self.parts)

    def template_redirects(self, site: Site) -> Iterator[tuple[str, str]]:
        """Yield the templates in the unit that are redirects to others (see `Part`)."""
        return itertools.chain.from_iterable(part.template_redirects(site) for part in self.parts)


@dataclass(frozen=True)
class Source:
    """A source as planned: what the manifest says of it, its units, its wiki, and whether its texts need cleaning."""

    entry: SourceEntry
    units: tuple[WorkUnit, ...]
    site: Site
    is_wikitext: bool
    limits: LimitsEntry

    @property
    def files(self) -> set[File]:
        """Every file that is read, indexes aside."""
        return {part.file for unit in self.units for part in unit.parts}


def open_source(settings: SourceSettings, *, hashed: bool = True) -> Source:
    """Look the source up and plan its units; local files are read once for their checksums, remote ones are not.

    Without `hashed` no checksum of a local file is made: it is "".

    Raises:
        UsageError: nothing is there, or its name is of no kind that can be read (see `listing.find_files`).
        RunError: it is damaged, as far as the plan can see (see `dump.plan_multistream`, `parquet.plan`, `jsonl.plan`).
    """
    found = find_files(settings)
    site, parts = plan(found, settings)
    limits = LimitsEntry(
        unit_bytes=settings.unit_bytes,
        max_page_bytes=settings.max_page_bytes,
        max_page_seconds=settings.max_page_seconds,
        namespaces=list(settings.namespaces) if settings.namespaces != (0,) else None,
        templates=settings.templates or None,
        template_redirects=settings.template_redirects or None,
        formulas=settings.formulas if settings.formulas != "drop" else None,
        columns=(None if found.is_wikitext else _columns(settings)) or None,
    )
    units = tuple(
        WorkUnit(number, some, sum(part.stored_bytes for part in some), limits.max_page_bytes)
        for number, some in enumerate(parts)
    )
    return Source(entry_of(found, len(units), hashed=hashed), units, site, found.is_wikitext, limits)


def plan(found: SourceFiles, settings: SourceSettings) -> tuple[Site, Sequence[tuple[Part, ...]]]:
    """Plan the parts of the units of a source, file by file in their order, and read whose wiki it is.

    Raises:
        RunError: a file is damaged, or they are of several wikis.
    """
    columns = _columns(settings)
    if found.is_jsonl:
        return jsonl.plan([(one.file, found.kind) for one in found.files], settings.unit_bytes, columns)
    if not found.is_wikitext:
        return parquet.plan([one.file for one in found.files], settings.unit_bytes, columns)
    units: list[tuple[Part, ...]] = []
    sites: list[Site] = []
    for one in found.files:
        site, parts = plan_dump(one, found.kind, settings.unit_bytes)
        sites.append(site)
        units += [(part,) for part in parts]
        if site.database != sites[0].database:
            first = found.files[0].file
            raise RunError(
                f"{one.file.url}: is of {site.database!r}, but {first.name} of {sites[0].database!r}; "
                "put each wiki's files into a folder of their own, and name both with --source"
            )
    return as_asked(sites[0], settings), units


def as_asked(site: Site, settings: SourceSettings) -> Site:
    """Return a wiki as its pages are to be read: with what its dump does not say, but the user."""
    return replace(site, content=settings.namespaces, formulas=settings.formulas)


def _columns(settings: SourceSettings) -> dict[str, str]:
    """Return `source.columns` in one order, whatever order they were given in: the manifest has it."""
    return {str(what): name for what, name in sorted(settings.columns.items())}


def plan_dump(one: SourceFile, kind: str, unit_bytes: int) -> tuple[Site, Sequence[dump.Streams | dump.WholeFile]]:
    """Plan the parts of one dump file: runs of streams where it has an index, or else the whole; also its wiki."""
    if one.index is not None:
        return dump.plan_multistream(one.file, one.index, unit_bytes)
    site, whole = dump.plan_whole(one.file, kind)
    return site, [whole]


def entry_of(found: SourceFiles, units: int, *, hashed: bool) -> SourceEntry:
    """Describe a source for the manifest; with `hashed`, every byte of its local files is read for their checksums."""
    local = checksums([one.file for one in found.files if one.file.is_local]) if hashed else {}
    files = [
        {"name": one.name, "bytes": one.file.bytes, "checksum": one.checksum or local.get(one.file, "")}
        for one in found.files
    ]
    sums = [str(file["checksum"]) for file in files]
    same = {checksum: file["name"] for file, checksum in zip(files, sums, strict=True) if checksum.startswith("sha")}
    for file, checksum in zip(files, sums, strict=True):
        if same.get(checksum, file["name"]) != file["name"]:
            raise RunError(f"{found.name}: {file['name']} and {same[checksum]} are the same file; keep one of them")
    is_one = len(sums) == 1 or (len(set(sums)) == 1 and sums[0].startswith("revision:"))
    # As `sha256sum` prints them, so that the sum over local files can be made by hand.
    lines = "".join(f"{file['checksum']}  {file['name']}\n".removeprefix("sha256:") for file in files)
    together = sums[0] if is_one else f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
    return SourceEntry.model_validate(
        {
            "name": found.name,
            "kind": found.kind,
            "bytes": sum(one.file.bytes for one in found.files),
            "checksum": together if all(sums) else "",
            "units": units,
            "files": files,
        }
    )
