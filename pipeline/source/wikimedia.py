"""Find the files of a finished dump by a name such as wikimedia:ltgwiki/20260101, in Wikimedia's own listings.

MIRROR/ltgwiki/20260101/dumpstatus.json                                    job, status, files with size and sha1
MIRROR/other/mediawiki_content_current/ltgwiki/2026-01-01/xml/bzip2/       _SUCCESS, SHA256SUMS, parts without index
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, Field, ValidationError

from pipeline.source.dump_index import index_name
from pipeline.storage import NotThereError, fetch_text
from wikilm.errors import RunError, UsageError, first_fault

JOBS = ("articlesmultistreamdumprecombine", "articlesmultistreamdump")  # large wikis have both: one file, and parts
CONTENT = "other/mediawiki_content_current"
NAME = re.compile("wikimedia:([a-z][a-z0-9_]{1,60})/(latest|[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})")
_FILE = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,250}")
_SUM = re.compile("([0-9a-f]{64})  ?\\*?(?:\\./)?(.+)")
_MANY_DATES = 12  # of `latest`, looked at from the newest on


@dataclass(frozen=True)
class Listed:
    """A file that a folder or listing names; size and checksum where that says them."""

    name: str
    url: str
    bytes: int | None = None
    checksum: str = ""


class _File(BaseModel):
    size: int = Field(gt=0)
    sha1: str = Field(pattern="^[0-9a-f]{40}$")


class _Job(BaseModel):
    status: str
    files: dict[Annotated[str, Field(pattern=f"^{_FILE.pattern}$")], dict[str, object]] = {}


class _Status(BaseModel):
    jobs: dict[str, _Job]


def find(path: str, mirror: str, contact: str) -> tuple[str, list[Listed]]:
    """Find the name of a dump, and the files that make it up.

    `latest` is the newest date that is finished; of both layouts on one date, the one with an index.

    Raises:
        UsageError: the name is none.
        RunError: there is no finished dump; says what was found.
    """
    name = NAME.fullmatch(path)
    if not name:
        raise UsageError(f"{path[:200]}: is not wikimedia:WIKI/DATE or wikimedia:WIKI/latest")
    wiki, date = name[1], name[2]
    seen = []
    for folder in _folders(wiki, date, mirror, contact):
        listed, state = _content(folder, contact) if f"/{CONTENT}/" in folder else _classic(folder, contact)
        if listed:
            names = [one.name for one in listed]
            return (names[0] if len(names) == 1 else f"{wiki}-{_digits(folder)}"), listed
        seen.append(f"{folder.removeprefix(mirror)}: {state}")
    found = "; ".join(seen) or f"neither /{wiki}/ nor /{CONTENT}/{wiki}/ has any date"
    raise RunError(f"{path}: {mirror} has no finished dump of that name: {found}; try another date")


def links(html: str) -> list[str]:
    """Return the names in the listing of a folder: links to what lies right in it, and nothing else, each once."""
    return [name for name in _names(html) if _FILE.fullmatch(name.removesuffix("/"))]


def odd_links(html: str) -> list[str]:
    """Return the names in it that `links` does not take, since they cannot stand in an address as they are."""
    names = (name for name in _names(html) if "/" not in name.removesuffix("/"))
    return [name for name in names if not _FILE.fullmatch(name.removesuffix("/"))]


def _names(html: str) -> list[str]:
    parser = _Links()
    parser.feed(html)
    return list(dict.fromkeys(parser.found))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep where a link leads."""
        if tag == "a":
            self.found += [unquote(value).removeprefix("./") for key, value in attrs if key == "href" and value]


def _folders(wiki: str, date: str, mirror: str, contact: str) -> Iterator[str]:
    """Yield the folders where a dump may lie, the likeliest first."""
    classic, content = f"{mirror}/{wiki}/", f"{mirror}/{CONTENT}/{wiki}/"
    if date != "latest":
        digits = date.replace("-", "")
        if "-" not in date:
            yield f"{classic}{digits}/"
        yield f"{content}{digits[:4]}-{digits[4:6]}-{digits[6:]}/"
        return
    dated = [f"{classic}{name}" for name in _dates(classic, "[0-9]{8}/", contact)]
    dated += [f"{content}{name}" for name in _dates(content, "[0-9]{4}-[0-9]{2}-[0-9]{2}/", contact)]
    yield from sorted(dated, key=lambda folder: (_digits(folder), f"/{CONTENT}/" not in folder), reverse=True)[
        :_MANY_DATES
    ]


def _dates(url: str, pattern: str, contact: str) -> list[str]:
    try:
        return [name for name in links(fetch_text(url, contact)) if re.fullmatch(pattern, name)]
    except NotThereError:
        return []


def _digits(folder: str) -> str:
    return folder.rstrip("/").rsplit("/", 1)[1].replace("-", "")


def _classic(folder: str, contact: str) -> tuple[list[Listed], str]:
    """Return the files of a finished job of the classic dumps, or none and why."""
    url = f"{folder}dumpstatus.json"
    try:
        status = _Status.model_validate(json.loads(fetch_text(url, contact)))
    except NotThereError:
        return [], "no dumpstatus.json"
    except (ValidationError, ValueError, RecursionError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise RunError(f"{url}: is no status of a dump: {detail}; try another date or mirror") from None
    for job in JOBS:
        if job in status.jobs and status.jobs[job].status == "done":
            return _multistream(folder, url, job, status.jobs[job]), ""
    states = ", ".join(f"{job} is {status.jobs[job].status[:40]!r}" for job in JOBS if job in status.jobs)
    return [], states or f"no job {JOBS[1]}"


def _multistream(folder: str, url: str, job: str, found: _Job) -> list[Listed]:
    listed = []
    for name in found.files:
        index = index_name(name)
        if index is None:
            continue
        if index not in found.files:
            raise RunError(f"{url}: {job} has no {index}, which belongs to {name}; try another date")
        try:
            file = _File.model_validate(found.files[name])
        except ValidationError as error:
            raise RunError(f"{url}: {name}: {first_fault(error)}; try another date or mirror") from None
        listed.append(Listed(name, folder + name, file.size, f"sha1:{file.sha1}"))
    if not listed:
        raise RunError(f"{url}: {job} is done, but names no multistream file; try another date")
    return listed


def _content(folder: str, contact: str) -> tuple[list[Listed], str]:
    """Return the files of a finished content export, or none and why."""
    folder = f"{folder}xml/bzip2/"
    for needed in ("_SUCCESS", "SHA256SUMS"):
        try:
            sums = fetch_text(folder + needed, contact)
        except NotThereError:
            return [], f"no {needed}"
    listed = []
    for line in filter(None, sums.splitlines()):
        found = _SUM.fullmatch(line.rstrip())
        if not found or not _FILE.fullmatch(found[2]):
            raise RunError(f"{folder}SHA256SUMS: a line is no sha256 and file name; try another date or mirror")
        if found[2].endswith(".xml.bz2"):
            listed.append(Listed(found[2], folder + found[2], None, f"sha256:{found[1]}"))
    return listed, "SHA256SUMS names no .xml.bz2"
