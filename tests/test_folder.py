import fcntl
import os

import pytest

from pipeline.command import UsageError
from pipeline.folder import FINAL, publish, work_folder


def fill(work, mark: str):
    for name in ("train", "validation"):
        (work / name).mkdir()
        (work / name / "state.json").write_text(mark)
    (work / "dead_letters.jsonl").write_text(mark)
    (work / "new").write_text(mark)
    return work / "new"


def fail_in(folder):
    with work_folder(folder) as work:
        fill(work, "half")
        raise RuntimeError


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_published_replaces_the_whole_earlier_set(tmp_path):
    for mark in ("first", "second"):
        with work_folder(tmp_path / "out") as work:
            publish(work, tmp_path / "out", fill(work, mark))
            (work / "rest").write_text("not wanted")
    assert names(tmp_path / "out") == set(FINAL)
    assert (tmp_path / "out" / "train" / "state.json").read_text() == "second"
    assert (tmp_path / "out" / "manifest.json").read_text() == "second"


def test_a_failure_before_publishing_leaves_the_earlier_set_or_nothing_at_all(tmp_path):
    with pytest.raises(RuntimeError):
        fail_in(tmp_path / "new")
    assert names(tmp_path) == set()
    with work_folder(tmp_path / "old") as work:
        publish(work, tmp_path / "old", fill(work, "whole"))
    with pytest.raises(RuntimeError):
        fail_in(tmp_path / "old")
    assert names(tmp_path / "old") == set(FINAL)
    assert (tmp_path / "old" / "train" / "state.json").read_text() == "whole"


def test_a_failure_while_publishing_leaves_no_final_name(tmp_path):
    with work_folder(tmp_path / "out") as work:
        fill(work, "x")
        with pytest.raises(FileNotFoundError):
            publish(work, tmp_path / "out", work / "no manifest")
    assert names(tmp_path) == set()


def test_what_a_killed_run_left_is_cleared(tmp_path):
    left = tmp_path / "out" / ".unfinished" / "train"
    left.mkdir(parents=True)
    (left / "data.arrow").write_text("half")
    (tmp_path / "out" / "train").mkdir()  # it was killed while it published
    with work_folder(tmp_path / "out") as work:
        assert names(work) == set()
        publish(work, tmp_path / "out", fill(work, "x"))
    assert names(tmp_path / "out") == set(FINAL)


@pytest.mark.parametrize("foreign", ["thesis.txt", "train"])
def test_a_folder_that_holds_something_else_is_refused_and_kept(tmp_path, foreign):
    (tmp_path / foreign).write_text("mine")
    with pytest.raises(UsageError, match=f"'{foreign}'.*--output"), work_folder(tmp_path):
        pass
    assert (tmp_path / foreign).read_text() == "mine"
    with pytest.raises(UsageError, match="is not a folder"), work_folder(tmp_path / foreign):
        pass


def test_something_else_beside_a_finished_set_is_refused_too(tmp_path):
    with work_folder(tmp_path) as work:
        publish(work, tmp_path, fill(work, "x"))
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.md"), work_folder(tmp_path):
        pass


def test_two_runs_never_write_to_one_folder(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="another run is writing"), work_folder(tmp_path):
        pass
    os.close(descriptor)
