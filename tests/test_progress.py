import io
import time

import pipeline.progress
from pipeline.progress import Progress, line, watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def done(folder, *numbers: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"{number:05d}.json").write_text("{}")


def test_units_and_bytes_are_those_whose_files_are_there(tmp_path):
    assert watched([tmp_path / "a", tmp_path / "b"], [10, 20, 30]) == (0, 0)
    done(tmp_path / "a", 0, 2)
    done(tmp_path / "b", 1)
    (tmp_path / "b" / ".00002.json.half").write_text("")
    assert watched([tmp_path / "a", tmp_path / "b"], [10, 20, 30]) == (3, 60)


def test_a_line_tells_units_rate_and_time_left():
    assert line(3, 12, 25_000_000, 100_000_000, 10.0) == "shards: 3/12 units, 2.50 MB/s of source, 00:30 left"
    assert line(0, 12, 0, 100, 0.0) == "shards: 0/12 units, 0.00 MB/s of source, ? left"


def test_a_terminal_gets_a_bar_that_ends_full(tmp_path):
    stream = Terminal()
    with Progress([tmp_path / "a"], [1000, 3000], stream):
        done(tmp_path / "a", 0, 1)
    assert "2/2 units" in stream.getvalue()
    assert "100%" in stream.getvalue()


def test_a_log_gets_a_line_now_and_then_and_a_short_run_none(tmp_path, monkeypatch):
    with Progress([tmp_path / "a"], [1000], stream := io.StringIO()):
        done(tmp_path / "a", 0)
    assert stream.getvalue() == ""
    monkeypatch.setattr(pipeline.progress, "LINE_SECONDS", 0.05)
    monkeypatch.setattr(pipeline.progress, "POLL_SECONDS", 0.01)
    with Progress([tmp_path / "a"], [1000, 1000], stream):
        time.sleep(0.3)
    assert all(text.startswith("shards: 1/2 units") for text in stream.getvalue().splitlines())
    assert 1 <= len(stream.getvalue().splitlines()) < 20
