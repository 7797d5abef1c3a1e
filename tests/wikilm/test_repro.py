"""`wikilm repro` runs what has changed, side by side where it can, and says what a person wants to know."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.dvcfile import Lockfile

from tests.helpers import ROOT
from tests.helpers.waiting import is_alive, wait_until
from wikilm.dvc_lock import lock_note
from wikilm.errors import RunError
from wikilm.repro import changed_stages, needed_stages, reproduce_one
from wikilm.stage_process import _lines

STAGES = """stages:
  tokenizer:
    cmd:
    - echo making a >&2
    - echo a > a
    - echo '{"made":"a"}'
    outs: [a]
  train:
    foreach: [x, y]
    do:
      # each waits for the other, so that only side by side do they end
      cmd:
      - touch ${item}.began; until [ -e x.began ] && [ -e y.began ]; do :; done
      - cat a > ${item}; echo answer of ${item}
      deps: [a]
      outs: ["${item}"]
  report:
    cmd: cat x y > both
    deps: [x, y]
    outs: [both]
"""
# The command, with no section to check: these projects have other parameters than the real one.
RUN = (
    "import sys, wikilm.repro as r; r.SECTIONS = {}; r.describe = lambda: None; sys.exit(r.run(r.main, 'wikilm repro'))"
)
LOCK = """schema: '2.0'
stages:
  tokenizer: {outs: [{path: data/tokenizer, md5: aa}]}
  shards: {outs: [{path: data/shards/train, md5: bb}]}
  pretrain@causal: {outs: [{path: models/causal, md5: cc}]}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a DVC repository of three sets of stages."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    Path("dvc.yaml").write_text(STAGES)
    Path("params.yaml").write_text("{}\n")
    return tmp_path


def repro(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_stages_that_do_not_need_each_other_run_side_by_side_and_a_second_run_does_nothing(project):
    first = repro("--jobs", "2")
    assert first.returncode == 0, first.stderr
    assert Path("both").read_text() == "a\na\n"
    assert "making a" in first.stderr
    assert sorted(first.stdout.splitlines()) == ["answer of x", "answer of y"]  # the JSON for programs is left out
    assert first.stderr.endswith("Open report/index.html\n")
    again = repro()
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == "Nothing has changed since the last run.\nOpen report/index.html\n"


def test_a_stage_begins_when_those_that_it_needs_are_done_whatever_else_is_at_work(project):
    # `long` ends when `late` has, which needs `short` alone, and begins beside it.
    Path("dvc.yaml").write_text("""stages:
  long: {cmd: "until [ -e late ]; do :; done; touch long", outs: [long]}
  short: {cmd: "touch short", outs: [short]}
  late: {cmd: "touch late", deps: [short], outs: [late]}
""")
    done = repro("--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert Path("long").exists()


def test_of_stages_that_may_begin_the_first_of_dvc_yaml_does(project):
    Path("dvc.yaml").write_text("""stages:
  second: {cmd: "echo second >> order; touch second", outs: [second]}
  first: {cmd: "echo first >> order; touch first", deps: [second], outs: [first]}
  last: {cmd: "echo last >> order; touch last", outs: [last]}
""")
    done = repro("--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert Path("order").read_text().split() == ["second", "first", "last"]


def test_what_a_killed_stage_has_left_running_is_ended_with_the_command(project):
    """As when the kernel, short of memory, kills the stage's own process and not what it has started."""
    Path("dvc.yaml").write_text("""stages:
  one: {cmd: "echo $$ > one.pid; sleep 600", outs: [one]}
  two: {cmd: "echo $$ > two.pid; sleep 600", outs: [two]}
""")
    command = [sys.executable, "-c", RUN, "--jobs", "2"]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    pids = [Path("one.pid"), Path("two.pid")]
    wait_until(lambda: all(path.exists() and path.read_text().strip() for path in pids))
    left = int(pids[0].read_text())
    leader = os.getpgid(left)
    os.kill(leader, signal.SIGKILL)
    wait_until(lambda: not is_alive(leader))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    wait_until(lambda: not is_alive(left))


@pytest.mark.slow
def test_the_stages_of_a_killed_run_end_and_the_same_command_goes_on_at_once(project):
    """What a stage runs takes its time to save, and the next run waits for it."""
    Path("dvc.yaml").write_text("""stages:
  one:
    cmd: >-
      if [ -e began ]; then echo more >> one; else trap 'until [ -e go ]; do :; done; echo saved > one; exit 1' TERM;
      echo $$ > pid; mv pid began; while :; do sleep 0.1; done; fi
    outs: [one: {persist: true}]
""")
    command = [sys.executable, "-c", RUN]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: Path("began").exists())
    left = int(Path("began").read_text())
    process.kill()
    process.wait()
    again = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert "one: still at work for another run; waiting for it to end" in again.stderr.readline()
    Path("go").touch()
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert not is_alive(left)
    assert Path("one").read_text() == "saved\nmore\n"


def test_a_stage_that_stays_at_work_for_another_is_told_in_the_end(project, monkeypatch):
    from dvc.lock import LockError

    def busy(*_, **__):
        raise LockError("'one' is busy")

    monkeypatch.setattr("dvc.repo.Repo.status", busy)
    monkeypatch.setattr("wikilm.repro.SECONDS_TO_SAVE", 0.0)
    monkeypatch.setattr("wikilm.repro.SECONDS_BETWEEN_LOOKS", 0.0)
    with pytest.raises(RunError, match="'one' is busy"):
        changed_stages(["tokenizer"])


def test_the_stages_that_may_begin_together_share_the_cores(project):
    Path("dvc.yaml").write_text("""stages:
  one: {cmd: 'echo $OMP_NUM_THREADS > one', outs: [one]}
  two: {cmd: 'echo $OMP_NUM_THREADS > two', outs: [two]}
  last: {cmd: 'echo $OMP_NUM_THREADS > last', deps: [one, two], outs: [last]}
""")
    code = f"import wikilm.repro as r; r.cores = lambda: 8; {RUN}"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", code, "--jobs", "2"]
    subprocess.run(command, env=environment | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    assert [Path(name).read_text() for name in ("one", "two", "last")] == ["4\n", "4\n", "8\n"]


def test_what_stages_that_run_side_by_side_write_is_read_under_dvcs_lock(project, monkeypatch):
    read = []
    load = Lockfile._load

    def watched(file, **options):
        read.append(file.repo.lock.is_locked)
        return load(file, **options)

    monkeypatch.setattr(Lockfile, "_load", watched)
    first, *_ = needed_stages()
    reproduce_one(first)
    assert read
    assert all(read)


def test_the_two_trainings_run_side_by_side(monkeypatch):
    monkeypatch.chdir(ROOT)
    needs = needed_stages()
    assert needs["pretrain@causal"] == needs["pretrain@masked"] <= {"tokenizer", "shards"}
    first = [
        name for name, needed in needs.items() if needed and needed <= {"tokenizer", "shards"} and name != "shards"
    ]
    assert first[:2] == ["pretrain@causal", "pretrain@masked"]


def test_a_stage_that_fails_is_named_and_what_follows_it_does_not_run(project):
    Path("dvc.yaml").write_text(STAGES.replace("cat a > ${item}", "exit 3"))
    done = repro("--jobs", "2")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(
        "error: train@x, train@y: failed for the reason above; give the same command again to resume\n"
    )
    assert not Path("both").exists()


@pytest.mark.parametrize(("content", "named"), [(None, "dvc.yaml: no such file"), ("stages: [", "dvc.yaml")])
def test_a_dvc_yaml_that_is_missing_or_broken_is_told_in_one_line(project, content, named):
    Path("dvc.yaml").unlink()
    if content:
        Path("dvc.yaml").write_text(content)
    done = repro()
    assert done.returncode in (1, 2)
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_progress_bar_is_cut_into_lines(tmp_path):
    path = tmp_path / "bar"
    path.write_bytes(b"one\n\r 1/2\r 2/2\r\nlast \xff")
    with path.open("rb") as stream:
        assert list(_lines(stream)) == ["one", " 1/2", " 2/2", "last �"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("aa", "aa", None),
        ("cc", "dd", "as it does on another machine"),
        ("bb", "dd", "commit it with the change"),
    ],
)
def test_a_changed_lock_is_explained(tmp_path, monkeypatch, old, new, told):
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    Path("dvc.lock").write_text(LOCK)
    for words in (["init", "--quiet"], ["add", "dvc.lock"], ["commit", "--quiet", "--message", "lock"]):
        subprocess.run([*git, *words], check=True)
    Path("dvc.lock").write_text(LOCK.replace(old, new))
    note = lock_note()
    assert note is None if told is None else told in note


def test_where_there_is_no_committed_lock_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    Path("dvc.lock").write_text(LOCK)
    assert lock_note() is None


def slow_project(command):
    Path("params.yaml").write_text("report: {title: a}\n")
    Path("dvc.yaml").write_text(f"stages: {{one: {{cmd: '{command}', params: [report.title], outs: [out]}}}}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_what_a_stage_has_started_and_the_run_ends_after_it(project, number):
    slow_project('trap "echo saved > saved; exit 1" TERM INT; touch began; while :; do sleep 0.1; done')
    run = subprocess.Popen(
        [sys.executable, "-c", RUN], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    wait_until(Path("began").exists)
    run.send_signal(number)
    _, said = run.communicate()
    assert run.returncode == 128 + number
    assert Path("saved").read_text() == "saved\n"
    assert "Traceback" not in said


def test_a_second_run_is_refused_while_one_is_running(project):
    slow_project("touch began; until [ -e end ]; do sleep 0.1; done; touch out")
    run = subprocess.Popen([sys.executable, "-c", RUN], env=os.environ | {"PYTHONPATH": str(ROOT)})
    wait_until(Path("began").exists)
    second = subprocess.run(
        [sys.executable, "-c", RUN], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    Path("end").touch()
    assert run.wait() == 0
    assert second.returncode == 2
    assert (
        f"another wikilm repro is running here (host {socket.gethostname()}, process {run.pid}, since " in second.stderr
    )


def test_a_stage_whose_parameters_change_while_it_runs_runs_again(project):
    slow_project("cat params.yaml > out; touch began; until [ -e end ]; do sleep 0.1; done")
    run = subprocess.Popen(
        [sys.executable, "-c", RUN], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    wait_until(Path("began").exists)
    Path("params.yaml").write_text("report: {title: b}\n")
    Path("end").touch()
    _, said = run.communicate()
    assert run.returncode == 0, said
    assert "its parameters were changed while it ran" in said
    assert Path("out").read_text() == "report: {title: b}\n"
