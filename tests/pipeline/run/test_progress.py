"""The bar shows what is done of a run, at what rate, and how long the rest takes."""

import io
import time

import pytest

import pipeline.run.progress
from pipeline.output.reports import UnitReport
from pipeline.run.progress import Progress, Seen, line
from pipeline.storage.place import Place
from pipeline.unit.batch import NOTHING
from tests.helpers.waiting import wait_until
from wikilm.shards import FileEntry


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["folder", "store"])
def work(request, tmp_path) -> Place:
    return Place(str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}")


def done(work: Place, *numbers: int, tokens: int = 100) -> None:
    for number in numbers:
        report = UnitReport(
            unit=number, counts=NOTHING.model_copy(update={"tokens": tokens}), shards=[], articles=[],
            pages=FileEntry(path="pages/00000.arrow", bytes=0, sha256="0" * 64), dead_letters=[],
        )  # fmt: skip
        work.write(f"reports/{number:05d}.json", report.model_dump_json().encode())


def test_units_bytes_and_tokens_are_those_of_the_files_that_are_there(work):
    seen = Seen(work, [10, 20, 30])
    seen.look()
    assert (seen.units, seen.bytes, seen.tokens) == (0, 0, {})
    done(work, 0, 2)
    work.write("chosen/00001.json", b"{}")
    work.write("reports/.00001.json.half", b"")
    work.write("reports/00001.json", b"{")  # not whole, or not one of ours
    work.write("reports/00009.json", b"{}")
    seen.look()
    assert (seen.units, seen.bytes, seen.tokens) == (3, 60, {0: 100, 2: 100})


def test_a_line_tells_units_rates_and_time_left():
    assert (
        line(3, 12, 25_000_000, 100_000_000, 25_000_000, 5_000_000, 10.0)
        == "shards: 3/12 units, 2.50 MB/s of source, 500k tokens/s, 00:30 left"
    )
    counted = line(3, 12, 25_000_000, 100_000_000, 25_000_000, 0, 10.0, "words")
    assert counted == "words: 3/12 units, 2.50 MB/s of source, 00:30 left"
    assert line(0, 12, 0, 100, 0, 0, 0.0) == "shards: 0/12 units, 0.00 MB/s of source, 0.00 tokens/s, ? left"


def test_the_rate_and_the_time_left_are_of_this_run_not_of_one_that_it_goes_on_from():
    text = line(9, 10, 90_000_000, 100_000_000, 10_000_000, 20_000_000, 10.0)
    assert "1.00 MB/s of source, 2.00M tokens/s, 00:10 left" in text


def test_a_terminal_gets_a_bar_that_ends_full_also_when_it_begins_in_the_middle(work):
    done(work, 0)
    stream = Terminal()
    with Progress(work, [1000, 3000], stream=stream):
        done(work, 1)
    assert "25%" in stream.getvalue().split("\r")[1]
    assert "2/2 units" in stream.getvalue()
    assert "100%" in stream.getvalue()


def test_a_log_gets_a_line_now_and_then_and_a_short_run_none(work, monkeypatch):
    monkeypatch.setattr(pipeline.run.progress, "LINE_SECONDS", 3600.0)
    with Progress(work, [1000], stream=(stream := io.StringIO())):
        done(work, 0)
    assert stream.getvalue() == ""
    for name, seconds in (("LINE_SECONDS", 0.05), ("POLL_SECONDS", 0.001), ("REMOTE_POLL_SECONDS", 0.001)):
        monkeypatch.setattr(pipeline.run.progress, name, seconds)
    began = time.monotonic()
    with Progress(work, [1000, 1000], stream=stream):
        wait_until(lambda: stream.getvalue().count("\n") >= 3, "a third line")
    lines, most = stream.getvalue().splitlines(), (time.monotonic() - began) / 0.05
    assert all(text.startswith("shards: 1/2 units") for text in lines)
    assert len(lines) <= most


def test_a_store_out_of_reach_costs_no_run(work, monkeypatch):
    def fails(*_):
        raise OSError("no connection")

    seen = Seen(work, [1])
    monkeypatch.setattr(Place, "names", fails)
    seen.look()
    assert seen.units == 0
