"""Write and read the reports of work units, small files in the work folder: all that comes back from a worker.

WORK/reports/00012.json   what unit 12 did; written last, so that where it is, the unit's files are
WORK/encoded/00012.json   where copies are left out: what was done of unit 12 until they are known (see unit/encoded.py)
WORK/chosen/00012.json    the articles that unit 12 may have among those that `take` takes
WORK/redirects/00012.json  the redirects between templates in unit 12, where `template_redirects` asks for them
WORK/pages/00012.arrow    the identities of the pages of unit 12 (see repeats.py)
WORK/repeated/00012.json  the positions of those of its pages of which there is a newer one
"""

from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.storage.place import FILES_AT_ONCE, Place
from wikilm.shards import Counts, FileEntry, ShardEntry

REPORTS, ENCODED, CHOSEN, REPEATS, REDIRECTS = "reports", "encoded", "chosen", "repeated", "redirects"


class DeadLetterRecord(BaseModel):
    """A page that could not be read or cleaned: a line of dead_letters.jsonl, enough to look at it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page_id: int | None
    title: str
    where: str
    error: str


class UnitReport(BaseModel):
    """What one work unit did; where copies are left out, also what it did until they are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: int
    wiki: int = 0  # its number
    counts: Counts
    shards: list[ShardEntry]
    articles: list[FileEntry]
    dead_letters: list[DeadLetterRecord]
    pages: FileEntry | None = None  # the identities of its pages, which stay in the work folder
    encoded: list[FileEntry] = Field(default=[], description="its token ids and prints, which stay there, too")

    @property
    def files(self) -> list[FileEntry]:
        """All files of the unit."""
        return [*self.shards, *self.articles, *([self.pages] if self.pages else []), *self.encoded]


def write_report(work: Place, report: UnitReport, folder: str = REPORTS) -> None:
    """Write the report of a unit, which says that the unit is done, or encoded."""
    work.write(unit_file(folder, report.unit), report.model_dump_json().encode())


def read_report(work: Place, number: int, folder: str = REPORTS) -> UnitReport | None:
    """Read the report of a unit; None if there is none, or none that can be read."""
    try:
        return UnitReport.model_validate_json(work.read(unit_file(folder, number)))
    except (ValidationError, FileNotFoundError):  # a link that leads nowhere
        return None


def read_reports(work: Place, folder: str = REPORTS) -> list[UnitReport]:
    """Read the reports of all units that are done, in the order of the source, but for those that cannot be read."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as threads:
        found = threads.map(lambda number: read_report(work, number, folder), numbered(work, folder))
        return sorted((report for report in found if report is not None), key=lambda report: report.unit)


def units_kept(work: Place) -> int:
    """Count the units of which a later run can take up what was done: all of it, or up to their token ids."""
    return len({*numbered(work, REPORTS), *numbered(work, ENCODED)})


def unit_file(folder: str, number: int) -> str:
    """Name a unit's file in a folder of a work place."""
    return f"{folder}/{number:05d}.json"


def ids_name(unit: int) -> str:
    """Name the file of a unit's token ids, article by article, in a work place."""
    return f"ids/{unit:05d}.arrow"


def numbered(work: Place, folder: str) -> list[int]:
    """List the units that have a file in a folder of a work place; a file that is not whole has another name."""
    found = {name: name.removesuffix(".json") for name in work.names(folder)}
    numbers = {name: int(stem) for name, stem in found.items() if stem.isascii() and stem.isdecimal()}
    return [number for name, number in numbers.items() if unit_file(folder, number) == f"{folder}/{name}"]
