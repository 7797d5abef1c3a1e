"""A set of shards gets its final names whole or not at all, and nothing of anybody else's is removed."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

import pipeline.storage.store_writer
from pipeline.output.publish import LOCK, UNFINISHED, kept, publish, take_back, work_folder
from pipeline.storage.lock import Holder
from pipeline.storage.place import Place
from tests.helpers.s3 import s3_server
from wikilm.errors import UsageError

SET = {
    "train/x.arrow", "validation/x.arrow", "articles/x.arrow", "dataset_dict.json", "dead_letters.jsonl", "README.md",
    "manifest.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def bucket():
    with s3_server("shards") as url:
        yield url


@pytest.fixture(params=["folder", "store"])
def output(request, tmp_path, bucket, monkeypatch) -> Place:
    monkeypatch.setattr(pipeline.storage.store_writer, "SETTLE_SECONDS", 0.0)
    return Place(str(tmp_path / "out") if request.param == "folder" else f"{bucket}/{os.urandom(8).hex()}")


def work_of(output: Place, run: str = "run") -> Place:
    return output.inside(f"{UNFINISHED}/{run}")


def fill(output: Place, mark: str, run: str = "run") -> Place:
    """A work folder with a whole set of shards and the report of a unit that is done."""
    work = work_of(output, run)
    for name in (*SET, "reports/00000.json", "plan.json"):
        work.write(name, whole(mark))
    return work


def whole(mark: str) -> bytes:
    """What passes for a manifest, and says whose it is."""
    return json.dumps({"format": 2, "counts": {}, "shards": [mark]}).encode()


def contents(output: Place) -> dict[str, str]:
    return {name: marked(output.read(name)) for name in output.sizes()}


def marked(data: bytes) -> str:
    try:
        return json.loads(data)["shards"][0]
    except (ValueError, TypeError, KeyError):
        return data.decode()


def make(output: Place, mark: str):
    with work_folder(output):
        publish(fill(output, mark), output)


def test_what_is_published_replaces_the_whole_earlier_set(output):
    make(output, "first")
    output.write("train/another.arrow", b"of the first")
    make(output, "second")
    assert contents(output) == dict.fromkeys(SET, "second")


def test_a_failure_before_anything_is_done_leaves_the_earlier_set_or_nothing_at_all(output):
    def fail():
        with work_folder(output):
            work_of(output).write("train/half.arrow", b"")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not output.sizes()
    assert not (output.is_local and output.path.exists())
    make(output, "whole")
    with pytest.raises(RuntimeError):
        fail()
    assert contents(output) == dict.fromkeys(SET, "whole")


def test_a_failure_keeps_what_is_done_and_the_earlier_set(output):
    def fail():
        with work_folder(output):
            fill(output, "second")
            raise RuntimeError

    make(output, "first")
    with pytest.raises(RuntimeError):
        fail()
    there = contents(output)
    assert {name: there[name] for name in SET} == dict.fromkeys(SET, "first")
    assert f"{UNFINISHED}/run/reports/00000.json" in there
    assert output.names(UNFINISHED) == []  # the lock is gone
    with work_folder(output):
        publish(work_of(output), output)
    assert contents(output) == dict.fromkeys(SET, "second")


def test_a_failure_while_publishing_leaves_no_final_name_and_all_that_was_done(output, monkeypatch):
    def fails(self, other, name):
        if name == "dead_letters.jsonl":
            raise OSError("no")
        moved(self, other, name)

    moved = Place.move_from
    make(output, "first")
    with work_folder(output):
        fill(output, "second")
        monkeypatch.setattr(Place, "move_from", fails)
        with pytest.raises(OSError, match="no"):
            publish(work_of(output), output)
    assert (output.names(), output.folders()) == ([], [UNFINISHED])
    monkeypatch.undo()
    with work_folder(output):
        publish(work_of(output), output)
    assert contents(output) == dict.fromkeys(SET, "second")


def test_what_another_run_has_taken_over_in_a_store_is_not_cleared(bucket, monkeypatch):
    monkeypatch.setattr(pipeline.storage.store_writer, "SETTLE_SECONDS", 0.0)
    output = Place(f"{bucket}/{os.urandom(8).hex()}")
    theirs = Holder.this_process().data()

    def fail():
        with work_folder(output):
            output.write(LOCK, theirs)
            work_of(output, "theirs").write("plan.json", b"{}")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert contents(output) == {LOCK: theirs.decode(), f"{UNFINISHED}/theirs/plan.json": "{}"}


def test_the_lock_is_the_last_to_go(output):
    with work_folder(output):
        publish(fill(output, "first"), output)
        assert (output.names(UNFINISHED), output.folders(UNFINISHED)) == (["lock"], [])
    assert UNFINISHED not in output.folders()


def test_the_device_holds_the_names_of_all_files_before_the_manifest_has_its_own(tmp_path, monkeypatch):
    output, synced = Place(str(tmp_path)), []
    monkeypatch.setattr(Place, "sync", lambda place: synced.append((Path(place.url).name, place.names())))
    with work_folder(output):
        publish(fill(output, "first"), output)
    before = {name for name, _ in synced[:-1]}
    assert {"train", "validation", "articles", tmp_path.name} <= before
    assert not any("manifest.json" in names for _, names in synced[:-1])
    assert "manifest.json" in synced[-1][1]


STEPS = 20  # more than a publish takes: the last children end well


@pytest.mark.parametrize("earlier", [None, "first"])
def test_a_publish_that_is_killed_at_any_step_vouches_for_no_mixture_and_is_done_again(tmp_path, earlier):
    ended = []
    for step in range(STEPS):
        output = Place(str(tmp_path / str(step)))
        if earlier:
            make(output, earlier)
        ended.append(killed_after(step, output))
        there = contents(output)
        if "manifest.json" in there:
            assert {there.get(name) for name in SET} == {there["manifest.json"]}
        if ended[-1]:
            continue
        with work_folder(output):
            assert kept(work_of(output))
            take_back(work_of(output), output)
            assert {marked(work_of(output).read(name)) for name in SET - {"manifest.json"}} == {"second"}
            fill(output, "second")
            publish(work_of(output), output)
        assert contents(output) == dict.fromkeys(SET, "second")
    assert ended[0] is False
    assert ended[-1] is True


def killed_after(step: int, output: Place) -> bool:
    """Publish in a process that is killed before its `step`th change of the folder; whether it came to its end."""
    child = os.fork()
    if child == 0:
        changes = iter(range(step))

        def dies_in_time(function):
            def changed(*arguments):
                if next(changes, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments)

            return changed

        for name in ("move_from", "remove"):
            setattr(Place, name, dies_in_time(getattr(Place, name)))
        with contextlib.suppress(BaseException):
            output.path.mkdir(exist_ok=True)
            publish(fill(output, "second"), output)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


@pytest.mark.parametrize("foreign", ["thesis.txt", "train"])
def test_a_folder_that_holds_something_else_is_refused_and_kept(output, foreign):
    output.write(foreign, b"mine")
    with pytest.raises(UsageError, match=rf"'{foreign}'.*--output"), work_folder(output):
        pass
    assert contents(output) == {foreign: "mine"}
    if output.is_local:
        with pytest.raises(UsageError, match="is not a folder"), work_folder(output.inside(foreign)):
            pass


def test_something_else_beside_a_finished_set_is_refused_too(output):
    make(output, "x")
    output.write("notes.md", b"mine")
    with pytest.raises(UsageError, match=r"notes\.md"), work_folder(output):
        pass


def test_two_runs_never_write_to_one_folder(output):
    with work_folder(output):
        fill(output, "first")
        with pytest.raises(UsageError, match=rf"another run .*process {os.getpid()}"), work_folder(output):
            pass
        publish(work_of(output), output)
    assert contents(output) == dict.fromkeys(SET, "first")


@pytest.mark.parametrize("content", ['{"name": "an app"}', "[1]", "no JSON"])
def test_a_folder_with_another_program_s_manifest_is_refused_and_kept(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    (tmp_path / "README.md").write_text("mine")
    with (
        pytest.raises(UsageError, match="holds something that is not a set of shards"),
        work_folder(Place(str(tmp_path))),
    ):
        pass
    assert (tmp_path / "README.md").read_text() == "mine"
