"""A run resumes what was done with the same inputs, settings and code, and makes anew all that is not whole."""

import hashlib

import pytest

from pipeline.articles.site import Site
from pipeline.output.publish import UNFINISHED
from pipeline.output.reports import UnitReport, read_reports
from pipeline.output.resume import begin, code_digest, finished, plan_record, unfinished
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings
from pipeline.source import Mixture, Source
from pipeline.storage.place import Place
from pipeline.unit.batch import NOTHING
from wikilm.shards.manifest import FileEntry, LimitsEntry, ShardEntry, SourceEntry, TokenizerEntry

FILE = {"name": "x.xml", "bytes": 9, "checksum": "sha256:0"}
SOURCE = {"name": "x.xml", "kind": "xml", "bytes": 9, "checksum": "sha256:0", "units": 3, "files": [FILE]}
READING = {"path": "/a/x.xml", "unit_bytes": 700}
SPLIT = {"seed": 0, "validation_fraction": 0.1}
SHARDS = {"chunk_tokens": 16, "chunking": "pack", "max_dead_fraction": 0.1}
LIMITS = LimitsEntry(unit_bytes=700, max_page_bytes=4096, max_page_seconds=1.0)
TOKENIZER = {"sha256": "0" * 64, "vocab_size": 300, "end_of_text_id": 0, "mask_id": 1}


def record(**changed):
    parts = [
        kind(**{**values, **changed.get(name, {})})
        for name, kind, values in (
            ("source", SourceEntry, SOURCE), ("reading", SourceSettings, READING), ("split", SplitSettings, SPLIT),
            ("shards", ShardsSettings, SHARDS), ("tokenizer", TokenizerEntry, TOKENIZER),
        )
    ]  # fmt: skip
    mixture = Mixture((Source(parts[0], (), Site(), True, LIMITS),), ("/a/x.xml",))
    return plan_record(mixture, *parts[1:])


def entry(work: Place, path: str) -> dict[str, object]:
    data = work.read(path)
    return {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def done(work: Place, number: int):
    """What a worker leaves of a unit that it is done with."""
    shards = []
    for split in ("train", "validation"):
        path = f"{split}/data-{number:05d}-of-00003.arrow"
        work.write(path, f"{split} {number}".encode())
        shards.append(ShardEntry(**entry(work, path), split=split, unit=number, rows=0, tokens=0))
    tables = []
    for split in ("train", "validation"):
        path = f"articles/{split}-{number:05d}-of-00003.arrow"
        work.write(path, b"articles")
        tables.append(FileEntry(**entry(work, path)))
    pages = f"pages/{number:05d}.arrow"
    work.write(pages, b"pages")
    report = UnitReport(
        unit=number,
        counts=NOTHING,
        shards=shards,
        articles=tables,
        pages=FileEntry(**entry(work, pages)),
        dead_letters=[],
    )
    work.write(f"reports/{number:05d}.json", report.model_dump_json().encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"source": {"checksum": "sha256:1"}},
        {"source": {"units": 4}},
        {"reading": {"unit_bytes": 800}},
        {"reading": {"max_page_bytes": 5000}},
        {"split": {"seed": 1}},
        {"split": {"take": (1, 1)}},
        {"shards": {"chunk_tokens": 32}},
        {"tokenizer": {"sha256": "1" * 64}},
        {"code": {}},
    ],
)
def test_what_decides_the_bytes_gets_a_work_folder_of_its_own_and_the_others_go_with_a_word(
    tmp_path, monkeypatch, changed
):
    output = Place(str(tmp_path))
    first, notes = begin(output, record())
    done(first, 0)
    assert notes == []
    if "code" in changed:
        monkeypatch.setattr("pipeline.output.resume.code_digest", lambda: "other")
    second, [note] = begin(output, record(**changed))
    [part] = [{"reading": "settings", "split": "settings", "shards": "settings"}.get(name, name) for name in changed]
    assert note == f"what an earlier run left unfinished is removed: it had other {part}"
    assert output.folders(UNFINISHED) == [second.path.name] != [first.path.name]
    assert finished(second, 3) == []


@pytest.mark.parametrize(
    "changed",
    [{}, {"reading": {"path": "/b/x.xml", "contact": "a@b.c"}}, {"shards": {"max_dead_fraction": 0.5}}],
)
def test_what_does_not_decide_the_bytes_is_gone_on_from(tmp_path, changed):
    output = Place(str(tmp_path))
    work, _ = begin(output, record())
    for number in (2, 0):
        done(work, number)
    again, notes = begin(output, record(**changed))
    assert (again, notes) == (work, [])
    assert [report.unit for report in finished(work, 3)] == [0, 2]
    assert [report.unit for report in read_reports(work)] == [0, 2]
    assert unfinished(output, record(**changed)) == (2, True)
    assert unfinished(output, record(source={"checksum": "", "files": [FILE | {"checksum": ""}]})) == (2, True)
    assert unfinished(output, record(source={"files": [FILE | {"checksum": "sha256:1"}]})) == (2, False)
    assert unfinished(output, record(split={"seed": 1})) == (2, False)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("train/data-00001-of-00003.arrow", None),
        ("train/data-00001-of-00003.arrow", b"train 2"),  # the same size
        ("validation/data-00001-of-00003.arrow", b"validation"),
        ("articles/train-00001-of-00003.arrow", b"Articles"),
        ("reports/00001.json", b"{"),
        ("reports/00001.json", b""),
    ],
)
def test_a_unit_whose_files_are_not_what_its_report_says_is_made_again(tmp_path, path, data):
    work, _ = begin(Place(str(tmp_path)), record())
    for number in range(3):
        done(work, number)
    work.remove(path)
    if data is not None:
        work.write(path, data)
    assert [report.unit for report in finished(work, 3)] == [0, 2]
    assert work.names("reports") == ["00000.json", "00002.json"]


def test_files_that_a_worker_was_writing_are_no_reports(tmp_path):
    work, _ = begin(Place(str(tmp_path)), record())
    done(work, 1)
    work.write("reports/.00002.json.0123", b"{")
    assert [report.unit for report in finished(work, 3)] == [1]
    assert [report.unit for report in read_reports(work)] == [1]


@pytest.mark.parametrize(
    "changed",
    [
        {"unit": 2},
        {"shards": []},
        {"articles": []},
        {"shards": lambda report: report.shards[::-1]},
        {"articles": lambda report: [report.shards[0], report.articles[1]]},
    ],
)
def test_a_report_that_names_other_files_than_those_of_its_unit_is_not_believed(tmp_path, changed):
    work, _ = begin(Place(str(tmp_path)), record())
    for number in (0, 1):
        done(work, number)
    [_, report] = read_reports(work)
    update = {name: value(report) if callable(value) else value for name, value in changed.items()}
    work.write("reports/00001.json", report.model_copy(update=update).model_dump_json().encode())
    assert [report.unit for report in finished(work, 3)] == [0]


def test_files_beside_the_reports_are_no_obstacle(tmp_path):
    work, _ = begin(Place(str(tmp_path)), record())
    done(work, 1)
    for name in ("1.json", "000001.json", "x.json", ".json", "\u0661.json"):
        work.write(f"reports/{name}", b"{")
    (work.path / "reports/00002.json").symlink_to("nowhere")
    assert [report.unit for report in finished(work, 3)] == [1]
    assert [report.unit for report in read_reports(work)] == [1]


def test_the_code_has_one_digest():
    assert code_digest() == code_digest.__wrapped__()
    assert len(code_digest()) == 64
