"""The local Flink cluster: pinned jars, services that leave nothing behind, and the same bytes as a local run."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.flink import jars
from launch.flink.cache import KEPT, made_once
from launch.flink.config import Ports, Settings, flink_config
from launch.flink.job import differences
from launch.flink.service import Services, free_ports
from launch.flink.worker_env import environment
from launch.hosts import Host, missing
from launch.programs import program
from tests.helpers import ROOT
from tests.helpers.dumps import Page, make_dump
from tests.helpers.pipeline_runs import prose
from tests.helpers.waiting import MINUTES, is_alive, wait_until
from wikilm.errors import RunError

CORPUS = ROOT / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2"
DUMP = (
    Path(os.environ.get("WIKILM_SHARED") or ROOT.parent / "shared")
    / "data"
    / ("ltgwiki-20170901-pages-articles-multistream.xml.bz2")
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WIKILM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def gone(pid):
    return wait_until(lambda: not is_alive(pid), "the end of the process")


# --- Versions and hashes -------------------------------------------------------------------------------------------


def test_every_jar_is_pinned_once_and_every_chosen_version_is_the_one_that_is_taken():
    roots, artifacts = jars.read_lock()
    names = [(artifact.group, artifact.name) for artifact in artifacts]
    assert len(names) == len(set(names))
    assert {(root.group, root.name, root.version) for root in roots} <= {
        (a.group, a.name, a.version) for a in artifacts
    }
    assert all(len(artifact.sha256) == 64 for artifact in artifacts)


def test_all_of_flink_has_one_version_and_the_cluster_has_no_part_of_beam():
    _, artifacts = jars.read_lock()
    flink = {a.version for a in artifacts if a.group == "org.apache.flink" and "shaded" not in a.name}
    assert len(flink) == 1
    assert not [a for a in artifacts if a.role == "cluster" and a.group.startswith("org.apache.beam")]


@pytest.mark.parametrize(
    "line", ["cluster org.x:y:1", "root org.x:y:1 " + "0" * 64, "jar org.x:y:1", "root ../x:y:1 z"]
)
def test_a_lock_that_was_edited_by_hand_is_refused_with_its_line(tmp_path, line):
    (tmp_path / "artifacts.lock").write_text(f"# a comment\n{line}\n")
    with pytest.raises(RunError, match=r"artifacts\.lock:2: not an artifact"):
        jars.read_lock(tmp_path / "artifacts.lock")


def test_a_jar_whose_bytes_are_not_those_of_the_lock_is_refused(cache, tmp_path, monkeypatch):
    lock = tmp_path / "artifacts.lock"
    lock.write_text(f"cluster org.x:y:1 {hashlib.sha256(b'right').hexdigest()}\n")
    monkeypatch.setattr(jars, "LOCK", lock)
    monkeypatch.setattr(jars.read_lock, "__defaults__", (lock,))
    folder = cache / f"flink-jars-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}" / "cluster"
    folder.mkdir(parents=True)
    (folder / "y-1.jar").write_bytes(b"right")
    assert jars.fetch().cluster == f"{folder}/*"
    (folder / "y-1.jar").write_bytes(b"wrong")
    with pytest.raises(RunError, match=r"y-1\.jar: has sha256 .* instead of .* remove the folder"):
        jars.fetch()


def test_a_missing_program_is_named_with_what_brings_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MVN", raising=False)
    with pytest.raises(RunError, match=r"mvn is not on the PATH.*apt-get install maven.*MVN"):
        program("mvn", variable="MVN", package="install Maven (Debian: apt-get install maven)")


# --- The cache -----------------------------------------------------------------------------------------------------


def test_a_folder_of_the_cache_is_whole_or_not_there(cache):
    def breaks_off(folder):
        (folder / "half").write_text("")
        raise RunError("no network")

    with pytest.raises(RunError):
        made_once("thing", "1", breaks_off)
    assert [path.name for path in cache.iterdir()] == [".thing.lock"]


def test_a_thing_is_made_once_for_each_key_and_only_the_newest_are_kept(cache):
    made = []

    def make(folder):
        made.append(folder.name)
        (folder / "file").write_text(folder.name)

    for key in "abcdeea":
        assert (made_once("thing", key, make) / "file").read_text() == f"thing-{key}"
        time.sleep(0.01)
    assert made == [f"thing-{key}" for key in "abcdea"]
    assert len(list(cache.glob("thing-*"))) == KEPT


# --- Services ------------------------------------------------------------------------------------------------------

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
WITH_CHILD = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"


def start(services, name, code):
    service = services.start(name, [sys.executable, "-c", code], dict(os.environ), services.logs)
    services.wait_until(lambda: bool(service.log.read_text()), name, MINUTES)
    return service


def test_no_service_and_no_child_of_one_outlives_the_block_whatever_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr("launch.flink.service.STOP_SECONDS", 0.5)
    started = []

    def interrupted():
        with Services(tmp_path) as services:
            started.extend([start(services, "deaf one", STUBBORN), start(services, "parent", WITH_CHILD)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    deaf, parent = started
    child = int(parent.log.read_text())
    assert gone(child)
    assert not is_alive(deaf.process.pid)
    assert not is_alive(parent.process.pid)


def test_a_service_ends_when_the_one_that_started_it_is_killed(tmp_path):
    code = (
        "import sys, time, os, pathlib; from launch.flink.service import Services\n"
        f"with Services(pathlib.Path({str(tmp_path)!r})) as s:\n"
        "    print(s.start('x', ['sleep', '600'], dict(os.environ), '/').process.pid, flush=True); time.sleep(600)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    pid = int(launcher.stdout.readline())
    assert is_alive(pid)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    assert gone(pid)


def test_a_service_that_ends_by_itself_is_named_with_the_reason_in_its_log(tmp_path):
    code = "raise OSError('port 1 is taken')"
    with Services(tmp_path) as services:
        service = services.start("job manager", [sys.executable, "-c", code], dict(os.environ), tmp_path)
        service.process.wait()
        with pytest.raises(RunError, match="job manager ended with status 1: OSError: port 1"):
            services.check()


def test_ports_are_all_different():
    assert len(set(free_ports(8))) == 8


# --- Configuration -------------------------------------------------------------------------------------------------


def test_on_one_host_nothing_listens_beyond_the_loopback():
    config = flink_config(Settings(), Ports(1, 2, 3), Host("localhost"), Path("/tmp"))
    addresses = {key: value for key, value in config.items() if re.search(r"address$|host$", key)}
    assert len(addresses) == 6
    assert set(addresses.values()) == {"127.0.0.1"}


def test_workers_find_their_own_python_first_and_no_module_of_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    variables = environment(tmp_path / "bin" / "python", tmp_path)
    assert variables["PATH"].split(os.pathsep)[0] == str(tmp_path / "bin")
    assert "PYTHONPATH" not in variables
    assert variables["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize("name", ["local", "flink", "dataflow"])
def test_beam_knows_every_option_of_the_option_files(name):
    from pipeline.run.beam import beam_options

    text = (ROOT / "launch" / "beam" / f"{name}.options").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    options = beam_options(lines).get_all_options(drop_default=True)
    known = {line.removeprefix("--").split("=")[0] for line in lines} - {"parallelism"}  # that one is Flink's own
    assert known <= set(options)


# --- Comparing -----------------------------------------------------------------------------------------------------


def test_differences_are_exactly_the_files_whose_bytes_differ(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for folder in (a, b):
        (folder / "train").mkdir(parents=True)
        (folder / "train" / "x").write_bytes(b"same")
        (folder / "y").write_bytes(b"same")
    assert list(differences(a, b)) == []
    (b / "train" / "x").write_bytes(b"samf")
    (a / "z").write_bytes(b"")
    assert [line.split(":")[0] for line in differences(a, b)] == ["train/x", "z"]


# --- A real cluster ------------------------------------------------------------------------------------------------


@pytest.fixture
def launch(tmp_path):
    """Starts one of the cluster's commands, which writes below `tmp_path`; skips where a program is missing."""
    for name in ("java", "mvn", "uv"):
        if not (os.environ.get(name.upper()) or shutil.which(name) or (ROOT / ".venv-uv" / "bin" / name).is_file()):
            pytest.skip(f"{name} is not on the PATH")
    variables = os.environ | {"TMPDIR": str(tmp_path)}

    def popen(*arguments):
        command = [sys.executable, "-m", *arguments]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=variables
        )

    return popen


def left_over(folder):
    """Processes that run in a folder: every part of a cluster does."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if str(path.readlink()).startswith(str(folder)):
                found.append(int(path.parent.name))
    return found


def result_of(process, folder):
    out, err = process.communicate(timeout=2 * MINUTES)
    assert process.returncode == 0, err
    assert left_over(folder) == []
    return json.loads(out.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.xdist_group("flink")
def test_a_flink_cluster_makes_the_bytes_of_a_local_run(launch, tmp_path):
    sources = [str(CORPUS), str(DUMP)] if DUMP.exists() else [str(CORPUS)]
    result = result_of(launch("launch.flink", *(f"--source={source}" for source in sources)), tmp_path)
    assert [facts["source"] for facts in result["sources"]] == [Path(source).name for source in sources]
    for facts in result["sources"]:
        assert facts["units"] > 2 * result["workers"]
        assert facts["rows"] > 100


@pytest.mark.slow
@pytest.mark.xdist_group("flink")
@pytest.mark.parametrize("form", ["exact", "near"])
def test_a_flink_cluster_leaves_out_the_copies_that_a_local_run_does(launch, tmp_path, form):
    texts = {number: prose(number, 300) for number in range(1, 60)}
    pages = [Page(number, f"Article {number}", text) for number, text in texts.items()]
    pages += [Page(100 + number, f"Copy of {number}", texts[number]) for number in range(1, 60, 5)]
    pages += [Page(200 + number, f"Nearly {number}", f"{texts[number]} more") for number in range(2, 60, 5)]
    dump = make_dump(tmp_path / "copies-multistream.xml.bz2", pages, pages_per_stream=3)
    result = result_of(launch("launch.flink", f"--source={dump}", f"--deduplicate={form}"), tmp_path)
    (facts,) = result["sources"]
    assert facts["units"] > 2 * result["workers"]
    assert facts["left_out"] == {"duplicate": 12} | ({"near_duplicate": 12} if form == "near" else {})


@pytest.mark.slow
@pytest.mark.xdist_group("flink")
@pytest.mark.parametrize(
    ("flags", "outcome"), [([], "recovered"), (["--no-restart"], "failed cleanly, and the rerun completed")]
)
def test_a_host_lost_in_the_middle_of_a_run_changes_no_byte(launch, tmp_path, flags, outcome):
    if why := missing():
        pytest.skip(why)
    (facts,) = result_of(launch("launch.flink.two_hosts", *flags), tmp_path)["sources"]
    assert facts["outcome"] == outcome
    assert 0 < facts["units_done_when_killed"] < facts["units"]
    assert all(count > 0 for count in facts["workers_started"].values())


@pytest.mark.slow
@pytest.mark.xdist_group("flink")
def test_ctrl_c_stops_the_whole_cluster(launch, tmp_path):
    process = launch("launch.flink")
    said = []
    for line in process.stderr:
        said.append(line)
        if "the same on Flink" in line or "error" in line:
            break

    def worker() -> bool:
        return any("Starting worker" in log.read_text(errors="replace") for log in tmp_path.glob("*/logs/*.log"))

    wait_until(worker, "the start of a worker")
    assert left_over(tmp_path), said
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=MINUTES)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].endswith("error: interrupted")
    assert left_over(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
