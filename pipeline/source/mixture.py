"""Plan all sources of a run, each of another wiki, as one list of work units; mostly there is one source."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pipeline.articles import ONLY, Site, Wiki
from pipeline.settings import Member, SourceSettings
from pipeline.source import dump
from pipeline.source.listing import find_files
from pipeline.source.plan import Source, WorkUnit, open_source, plan
from pipeline.storage import File
from wikilm.errors import RunError, UsageError
from wikilm.shards import Counts, LimitsEntry, SiteEntry, SourceEntry, WikiEntry
from wikilm.terminal import visible


@dataclass(frozen=True)
class Mixture:
    """The sources of a run, in the alphabetical order of their wikis, in whatever order they were named.

    Attributes:
        sources: each as it is planned by itself.
        paths: of each source, as the user named it.
        wikis: of each source.
    """

    sources: tuple[Source, ...]
    paths: tuple[str, ...]
    wikis: tuple[Wiki, ...] = (ONLY,)

    @cached_property
    def units(self) -> tuple[WorkUnit, ...]:
        """The units of all sources, source after source, numbered through."""
        units = ((unit, wiki) for source, wiki in zip(self.sources, self.wikis, strict=True) for unit in source.units)
        return tuple(replace(unit, number=number, wiki=wiki) for number, (unit, wiki) in enumerate(units))

    @property
    def is_plain(self) -> bool:
        """Whether it is all of one source: nothing that is written then speaks of a mixture."""
        return self.wikis == (ONLY,)

    @property
    def is_wikitext(self) -> bool:
        """Whether any texts need cleaning."""
        return any(source.is_wikitext for source in self.sources)

    @property
    def limits(self) -> LimitsEntry:
        """How all of them are cut and read, but for the columns of each of several."""
        limits = self.sources[0].limits
        return limits if self.is_plain else limits.model_copy(update={"columns": None})

    @property
    def files(self) -> set[File]:
        """Every file that is read, indexes aside."""
        return {file for source in self.sources for file in source.files}

    @property
    def entry(self) -> SourceEntry:
        """What the manifest says of all sources together: of one, all; of several, their sums.

        The checksum of several is the sha256 of a line for each: its own checksum, and the name of its wiki.
        """
        entries = [source.entry for source in self.sources]
        if len(entries) == 1:
            return entries[0]
        lines = "".join(
            f"{entry.checksum}  {wiki.name}\n".removeprefix("sha256:")
            for entry, wiki in zip(entries, self.wikis, strict=True)
        )
        known = all(entry.checksum for entry in entries)
        return SourceEntry(
            name=" + ".join(wiki.name for wiki in self.wikis),
            kind="mixture",
            bytes=sum(entry.bytes for entry in entries),
            checksum=f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}" if known else "",
            units=len(self.units),
            files=[],
        )

    @property
    def site_entry(self) -> SiteEntry:
        """Whose wiki it is, for the manifest; of several, nothing."""
        return site_entry(self.sources[0].site if len(self.sources) == 1 else Site())

    def entries(self, counts: Sequence[Counts]) -> list[WikiEntry] | None:
        """Describe the wikis for the manifest, each with its line of the ledger; None where the mixture is plain."""
        if self.is_plain:
            return None
        return [
            WikiEntry(
                wiki=wiki.name or source.site.wiki,
                share=wiki.share,
                source=source.entry,
                site=site_entry(source.site),
                counts=line,
                columns=source.limits.columns,
            )
            for source, wiki, line in zip(self.sources, self.wikis, counts, strict=True)
        ]

    def record(self) -> dict[str, Any]:
        """Return what of it decides the bytes, as JSON, beside `entry`: nothing where the mixture is plain."""
        if self.is_plain:
            return {}
        pairs = zip(self.sources, self.wikis, strict=True)
        return {
            "mixture": [
                {
                    "wiki": wiki.name,
                    "share": wiki.share,
                    "source": source.entry.model_dump(mode="json"),
                    "columns": source.limits.columns,
                }
                for source, wiki in pairs
            ]
        }


def open_mixture(settings: SourceSettings, *, hashed: bool = True) -> Mixture:
    """Look up and plan every source that the settings name (see `open_source`).

    Raises:
        UsageError: nothing is there, one of several has no page, or a dump is given columns.
        RunError: a source is damaged, does not say of which wiki it is, or is of the same wiki as another.
    """
    members = settings.members
    opened = [(member, open_source(settings.of(member), hashed=hashed)) for member in members]
    _check_columns(settings, opened)
    if len(members) == 1:
        return Mixture((opened[0][1],), (members[0].path,), (Wiki(share=members[0].share),))
    named: dict[str, tuple[Member, Source]] = {}
    for member, source in opened:
        name = _name(member, source)
        if name in named:
            raise RunError(
                f"{member.path}: is of {visible(name)}, and so is {named[name][0].path}; put the files of a wiki into "
                "one folder, and name that once"
            )
        named[name] = (member, source)
    names = sorted(named)  # so that the order in which they are named has no say
    return Mixture(
        tuple(named[name][1] for name in names),
        tuple(named[name][0].path for name in names),
        tuple(Wiki(number, name, named[name][0].share) for number, name in enumerate(names)),
    )


def _check_columns(settings: SourceSettings, opened: Sequence[tuple[Member, Source]]) -> None:
    """Refuse columns of dumps: those of one of them, and those of all sources if no other has columns."""
    for member, source in opened:
        if source.is_wikitext and member.columns:
            raise UsageError(f"{member.path}: is a dump, which has no columns; leave its --columns (columns) out")
    if settings.columns and all(source.is_wikitext for _, source in opened):
        names = " and ".join(member.path for member, _ in opened)
        raise UsageError(f"{names}: a dump has no columns; leave --columns (source.columns) out")


def _name(member: Member, source: Source) -> str:
    """Return what the wiki of one of several sources is called: as it says itself, where the user does not."""
    if not source.units:
        raise UsageError(f"{member.path}: this source has no page; name another, or leave it out")
    if name := member.wiki or source.site.wiki:
        return name
    raise RunError(
        f"{member.path}: does not say of which wiki it is (a dump does in its siteinfo, Parquet in a column 'url'); "
        "name it in params.yaml: source.mixture: [{path: …, wiki: NAME}, …]"
    )


def site_entry(site: Site) -> SiteEntry:
    """Say for the manifest whose wiki it is."""
    return SiteEntry(**{name: getattr(site, name) for name in SiteEntry.model_fields})


def member_of(settings: SourceSettings, wiki: str | None) -> SourceSettings:
    """Return the settings of the one source that is of a wiki.

    Args:
        settings: of one source or several.
        wiki: the name of its database, such as enwiki; may be None where there is one source.

    Raises:
        UsageError: no source is of this wiki, or there are several and none was named.
    """
    if len(settings.members) == 1 and wiki is None:
        return settings.of(settings.members[0])
    named = [(member.wiki or wiki_of(settings.of(member)), member) for member in settings.members]
    for name, member in named:
        if wiki is not None and name == wiki:
            return settings.of(member)
    names = ", ".join(visible(name) or f"unknown ({member.path})" for name, member in named)
    if wiki is None:
        raise UsageError(f"there are several sources; say with --wiki which of them: {names}")
    raise UsageError(f"--wiki {wiki}: no source is of this wiki; there are {names}")


def wiki_of(settings: SourceSettings) -> str:
    """Tell whose wiki a source is, from the beginning of its first file."""
    found = find_files(settings)
    if found.kind == "multistream":  # its header says so, without its index
        return dump.plan_whole(found.files[0].file, "xml.bz2")[0].wiki
    return plan(replace(found, files=found.files[:1]), settings)[0].wiki
