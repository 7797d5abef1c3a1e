"""Find what an interrupted run has done, and resume from it if all that decides the bytes is the same."""

import hashlib
import json
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.duplicates import prints_name
from pipeline.output.publish import PUBLISHING, UNFINISHED, clear_final, kept, take_back
from pipeline.output.repeats import pages_name
from pipeline.output.reports import (
    CHOSEN,
    ENCODED,
    REDIRECTS,
    REPORTS,
    UnitReport,
    ids_name,
    numbered,
    read_report,
    unit_file,
    units_kept,
)
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.source import Mixture
from pipeline.storage import FILES_AT_ONCE, Place
from wikilm.shards.format import MANIFEST, SPLITS, articles_name, shard_name
from wikilm.shards.manifest import FORMAT, TokenizerEntry

PLAN = "plan.json"
LIBRARIES = ("lxml", "mwparserfromhell", "numpy", "pyarrow", "pydantic")  # that have a say in the bytes


def plan_record(
    mixture: Mixture,
    reading: SourceSettings,
    split: SplitSettings,
    shards: ShardsSettings,
    tokenizer: TokenizerEntry,
) -> dict[str, Any]:
    """Record all that decides the bytes of a run: what may be resumed has the same record.

    Not in it: where the source lies, the runner, the engine that encodes (both give the same ids), and
    `max_dead_fraction`, so that a run that failed by it can be finished with another.
    """
    return {
        "format": FORMAT,
        "source": mixture.entry.model_dump(mode="json"),
        **mixture.record(),
        "settings": {
            "source": reading.model_dump(mode="json", exclude={"path", "address", "mixture", "contact", "mirror"}),
            "split": split.model_dump(mode="json"),
            "shards": shards.model_dump(mode="json", exclude={"max_dead_fraction"}),
        },
        "tokenizer": tokenizer.model_dump(mode="json"),
        "code": {
            "pipeline": code_digest(),
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
    }


@cache
def code_digest() -> str:
    """Hash the files of `pipeline` and `wikilm`, as hex sha256: changed code never resumes other code's work."""
    root = Path(__file__).parents[2]
    found = (path for package in ("pipeline", "wikilm") for path in (root / package).rglob("*.*"))
    paths = (path for path in found if path.suffix in (".py", ".toml"))  # data that decides the bytes is TOML
    files = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        if "__pycache__" not in path.parts and not path.name.startswith("."):
            digest.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


def begin(output: Place, record: Mapping[str, Any]) -> tuple[Place, list[str]]:
    """Open the work folder of a run, with what an earlier run with the same record did; others' are removed.

    Its name is the record's digest, so that a worker of another run that is still alive somewhere on a cluster never
    writes into it.

    Returns:
        The folder, and a line for each other run whose work was removed.
    """
    name = _digest(record)
    work = output.inside(f"{UNFINISHED}/{name}")
    notes = []
    for other in output.folders(UNFINISHED):
        if other == name:
            continue
        there = output.inside(f"{UNFINISHED}/{other}")
        if kept(there):
            notes.append(f"what an earlier run left unfinished is removed: {_difference(there, record)}")
        output.remove(f"{UNFINISHED}/{other}")
    take_back(work, output)
    if MANIFEST not in output.names():
        clear_final(output)
    if PLAN not in work.names():
        work.write(PLAN, _data(record))
    return work, notes


def finished(work: Place, units: int, folder: str = REPORTS) -> list[UnitReport]:
    """Return the reports of units whose files are what the reports say; remove all other reports.

    Every byte of these files is read.

    Args:
        work: where an earlier run may have worked.
        units: of the source.
        folder: of the reports: of units that are done, or ENCODED.
    """
    sizes = work.sizes()

    def checked(number: int) -> UnitReport | None:
        report = read_report(work, number, folder)
        if report is not None and _is_of(report, number, units, folder) and _is_whole(work, report, sizes):
            return report
        work.remove(unit_file(folder, number))
        return None

    with ThreadPoolExecutor(FILES_AT_ONCE) as threads:
        return [report for report in threads.map(checked, numbered(work, folder)) if report is not None]


def unfinished(output: Place, record: Mapping[str, Any]) -> tuple[int, bool]:
    """Count the units that an earlier run left in `output`, and say whether a run with this record would keep them.

    The source's checksums are not compared where the record has none, since that takes reading the whole source.
    """
    done, same = 0, False
    for name in output.folders(UNFINISHED):
        there = output.inside(f"{UNFINISHED}/{name}")
        if PUBLISHING in there.names() or kept(there):
            done, same = units_kept(there), not _differing(there, record)
        if same:
            break
    return done, same


def forget(work: Place) -> None:
    """Remove what was done: it cannot be resumed."""
    for folder in (REPORTS, ENCODED, CHOSEN, REDIRECTS):
        work.remove(folder)


def _is_of(report: UnitReport, number: int, units: int, folder: str) -> bool:
    """Return whether a report is of this unit, and names all of its files and no other."""
    shards = [shard_name(split, number, units) for split in SPLITS]
    tables = [articles_name(split, number, units) for split in SPLITS]
    files = [*shards, *tables, pages_name(number)]
    if folder == ENCODED:
        files = [pages_name(number), ids_name(number), prints_name(number)]
    return report.unit == number < units and [file.path for file in report.files] == files


def _is_whole(work: Place, report: UnitReport, sizes: Mapping[str, int]) -> bool:
    """Return whether a unit's files have the size and the bytes that its report says."""
    if any(sizes.get(file.path) != file.bytes for file in report.files):
        return False
    return all(work.sha256(file.path) == file.sha256 for file in report.files)


def _data(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(_data(record)).hexdigest()[:16]


def _differing(there: Place, record: Mapping[str, Any]) -> list[str]:
    """Return the parts of the record that differ from those in an earlier run's work folder."""
    try:
        earlier = json.loads(there.read(PLAN))
        if not record["source"]["checksum"]:
            earlier, record = _without_checksums(earlier), _without_checksums(record)
        return [key for key in {**record, **earlier} if earlier.get(key) != record.get(key)]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ["plan"]


def _difference(there: Place, record: Mapping[str, Any]) -> str:
    return f"it had other {' and '.join(_differing(there, record))}"


def _without_checksums(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as it would be if nothing of the sources were hashed."""
    bare: dict[str, Any] = json.loads(json.dumps(record))
    for source in (bare["source"], *(entry["source"] for entry in bare.get("mixture", ()))):
        for entry in (source, *source["files"]):
            entry["checksum"] = ""
    return bare
