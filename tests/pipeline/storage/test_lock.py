import contextlib
import json
import os
import subprocess
import sys
import threading

import pytest

import pipeline.storage.lock
import pipeline.storage.store_writer
from pipeline.storage.lock import Holder, exclusive, holder_of
from pipeline.storage.place import Place
from tests.helpers.waiting import MINUTES, wait_until
from wikilm.errors import RunError, UsageError


@pytest.fixture(params=["flock", "file", "store"])
def output(request, tmp_path, monkeypatch) -> Place:
    monkeypatch.setattr(pipeline.storage.store_writer, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(pipeline.storage.lock, "BEAT_SECONDS", 0.05)
    if request.param == "file":
        monkeypatch.setattr(pipeline.storage.lock, "_flock", lambda *_: None)  # as on a file system without locks
    return Place(f"memory://{tmp_path.name}" if request.param == "store" else str(tmp_path))


def hold(output: Place, held: threading.Event, stop: threading.Event):
    with exclusive(output, "lock"):
        held.set()
        stop.wait(MINUTES)


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_second_run_is_refused_and_told_who_the_first_is_until_that_one_ends(output):
    held, stop = threading.Event(), threading.Event()
    first = threading.Thread(target=hold, args=(output, held, stop))
    first.start()
    assert held.wait(MINUTES)
    with (
        pytest.raises(UsageError, match=rf"another run .*host .*, process {os.getpid()}, since 20.*--output"),
        exclusive(output, "lock"),
    ):
        pass
    stop.set()
    first.join()
    with exclusive(output, "lock"):
        assert holder_of(output, "lock") is not None
    assert output.names() == []


def test_a_dead_runs_lock_is_taken_over(output):
    dead = Holder.this_process().model_copy(update={"pid": dead_process(), "token": "its"})
    output.write("lock", dead.data())
    with exclusive(output, "lock"):
        assert holder_of(output, "lock").pid == os.getpid()
    assert output.names() == []


@pytest.mark.parametrize("output", ["file", "store"], indirect=True)
def test_a_lock_of_another_host_is_taken_over_only_after_silence(output, monkeypatch):
    other = Holder.this_process().model_copy(update={"host": "elsewhere", "processes": "elsewhere", "token": "its"})
    output.write("lock", other.data())
    with pytest.raises(UsageError, match="host elsewhere"), exclusive(output, "lock"):
        pass
    monkeypatch.setattr(pipeline.storage.lock, "DEAD_SECONDS", 0.0)
    with monkeypatch.context() as patch:  # its clock is wrong, it is not dead: it beats while the other waits
        patch.setattr(pipeline.storage.lock.time, "sleep", lambda _: output.write("lock", other.data()))
        with pytest.raises(UsageError, match="host elsewhere"), exclusive(output, "lock"):
            pass
    with exclusive(output, "lock") as lock:
        lock.check()
    assert output.names() == []


@pytest.mark.parametrize("output", ["file", "store"], indirect=True)
def test_a_run_whose_lock_was_taken_over_notices_and_leaves_it_to_the_other(output):
    with exclusive(output, "lock") as lock:
        first = holder_of(output, "lock").beat
        wait_until(lambda: holder_of(output, "lock").beat > first, "a beat")
        lock.check()  # its own beats are no takeover
        theirs = Holder.this_process().data()

        def taken_over() -> bool:  # a beat that was under way may overwrite it once
            output.write("lock", theirs)
            return lock._lost.is_set()

        wait_until(taken_over)
        output.write("lock", theirs)
        with pytest.raises(RunError, match="took this folder over"):
            lock.check()
    assert output.read("lock") == theirs
    output.remove("lock")


@pytest.mark.parametrize("output", ["file", "store"], indirect=True)
def test_a_run_that_slept_through_its_beats_notices_a_takeover_at_once(output, monkeypatch):
    monkeypatch.setattr(pipeline.storage.lock, "BEAT_SECONDS", 100.0)
    with exclusive(output, "lock") as lock:
        lock.check()
        output.write("lock", Holder.this_process().data())
        with pytest.raises(RunError, match="took this folder over"):
            lock.check()
    output.remove("lock")


@pytest.mark.parametrize("output", ["file", "store"], indirect=True)
@pytest.mark.parametrize("beat", [1e12, float("inf"), float("nan")])
def test_a_dead_run_whose_clock_was_ahead_holds_nothing_for_ever(output, beat):
    other = Holder.this_process().model_copy(update={"processes": "elsewhere", "beat": beat})
    output.write("lock", json.dumps(other.model_dump()).encode())
    with exclusive(output, "lock"):
        pass


def test_a_lock_file_that_cannot_be_read_is_no_obstacle_for_ever(output):
    output.write("lock", b"\xff{")
    with exclusive(output, "lock"):
        pass
    assert output.names() == []


@pytest.mark.parametrize("output", ["file", "store"], indirect=True)
def test_of_many_runs_that_begin_at_once_one_has_the_lock(output):
    had, refused = [], []
    together = threading.Barrier(6)

    def begin(number: int):
        together.wait(MINUTES)
        with contextlib.suppress(UsageError):
            with exclusive(output, "lock"):
                had.append(number)
                wait_until(lambda: len(had) + len(refused) == 6, "an answer to all six")
            return
        refused.append(number)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(had), len(refused)) == (1, 5)
