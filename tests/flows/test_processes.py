"""Several processes are one training: the same rows in every step, the same curve up to rounding, one end."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.hosts import Host, missing, two_hosts
from tests.helpers import ROOT
from tests.helpers.training import TrainingInputs, environment, record
from tests.helpers.waiting import wait_until
from train.runs import saved_steps
from wikilm.files import sha256_of

pytestmark = pytest.mark.slow
SETTINGS = {"dropout": 0.0, "epochs": 4, "batch_size": 8, "log_every_steps": 1, "sample_every_steps": None}
SECONDS_TO_NOTICE = 60  # that a host is gone, and to end
OURS, ACCELERATE = "train.launch", "accelerate.commands.launch"
WATCHED = """
import json, os, runpy, sys
from train.rows.feed import Feed
from wikilm.shards import SplitRows

taken, now = open(f"{sys.argv[1]}/rows-{os.environ.get('RANK', '0')}.jsonl", "w"), [None]
parts, take = Feed.training_parts, SplitRows.take

def training_parts(feed, step):
    now[0] = step
    try:
        return parts(feed, step)
    finally:
        now[0] = None

def watched(rows, indices):
    if now[0]:
        print(json.dumps([now[0], list(map(int, indices))]), file=taken, flush=True)
    return take(rows, indices)

Feed.training_parts, SplitRows.take = training_parts, watched
sys.argv = ["train", *sys.argv[2:]]
runpy.run_module("train", run_name="__main__")
"""


def rows_of_steps(folder: Path) -> dict[int, list[int]]:
    """Step -> the rows that all processes together took, in order."""
    found: dict[int, list[int]] = {}
    for path in folder.glob("rows-*.jsonl"):
        for line in path.read_text().splitlines():
            step, rows = json.loads(line)
            found.setdefault(step, []).extend(rows)
    return {step: sorted(rows) for step, rows in found.items()}


def trained(
    inputs: TrainingInputs, folder: Path, objective: str, processes: int, config: str = "multi-gpu.yaml"
) -> list[dict[str, Any]]:
    """The curve of a training of so many processes, which notes the rows that it takes."""
    arguments = inputs.arguments(folder, objective, **SETTINGS)
    (folder / "watched.py").write_text(WATCHED)
    launcher = ["train.launch", "--config_file", f"launch/{config}", "--num_processes", str(processes)]
    start = ["-m", *launcher] if processes > 1 else []
    command = [sys.executable, *start, str(folder / "watched.py"), str(folder), *arguments]
    more = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(**more), check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"objective"') == 1
    return record(folder)["history"]


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_any_number_of_processes_takes_the_same_rows_and_gives_the_curve_of_one(
    tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path, objective: str
) -> None:
    inputs = TrainingInputs(tiny_shards, tiny_tokenizer)
    one = trained(inputs, tmp_path / "1", objective, 1)
    assert len(one) == 12
    for processes, config in ((2, "multi-gpu.yaml"), (4, "multi-gpu.yaml"), (2, "fsdp2.yaml")):
        folder = tmp_path / f"{processes}-{config}"
        several = trained(inputs, folder, objective, processes, config)
        assert len(list(folder.glob("rows-*.jsonl"))) == processes
        assert rows_of_steps(folder) == rows_of_steps(tmp_path / "1")
        losses = [[point["loss"] for point in history] for history in (one, several)]
        assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-6)
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
        validation = [[p["validation_loss"] for p in history if "validation_loss" in p] for history in (one, several)]
        assert validation[1] == pytest.approx(validation[0], rel=1e-5)


def listening(pids: list[int]) -> set[str]:
    """The addresses, as Linux's tables have them, at which processes take connections."""
    places = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, address, _, state, *rest = line.split()
            if state == "0A":  # LISTEN
                places[rest[5]] = address.partition(":")[0]
    found = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                link = str(descriptor.readlink())
                found |= {places[inode] for inode in places if link == f"socket:[{inode}]"}
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's tables of sockets")
def test_a_training_of_one_machine_takes_connections_on_the_loopback_alone(
    tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    arguments = TrainingInputs(tiny_shards, tiny_tokenizer).arguments(tmp_path, epochs=10**6)
    command = [sys.executable, "-m", OURS, "--config_file", "launch/multi-gpu.yaml", "-m", "train", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    )
    try:
        wait_until(lambda: list(tmp_path.glob("runs/model/*/step-*")) or process.poll() is not None)
        assert listening([process.pid, *descendants(process.pid)]) == {"0100007F"}
    finally:
        lose(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def together(commands: list[list[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Processes that know each other by their environment alone, as on machines without our launcher."""
    several = {"WORLD_SIZE": str(len(commands)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env=environment(**several, RANK=str(rank), LOCAL_RANK="0", LOCAL_WORLD_SIZE="1"),
        )
        for rank, command in enumerate(commands)
    ]  # fmt: skip
    told = [process.communicate(timeout=600) for process in started]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, out, error)
        for process, (out, error) in zip(started, told, strict=True)
    ]


def test_machines_that_do_not_share_their_runs_are_refused(
    tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    inputs = TrainingInputs(tiny_shards, tiny_tokenizer)
    common = [sys.executable, "-m", "train", *inputs.arguments(tmp_path)]
    commands = [[*common, "--runs", str(tmp_path / name)] for name in "ab"]
    for done in together([[*command, "--max-steps", "3"] for command in commands]):
        assert done.returncode == 0, done.stderr
    [run] = (tmp_path / "a").iterdir()
    assert saved_steps(run) == [3]
    first, second = together(commands)
    assert (first.returncode, second.returncode) == (2, 2)
    told = f"{tmp_path / 'a'}: process 0 goes on from step 3, process 1 from step 0: name a folder for --runs"
    assert told in first.stderr.splitlines()[-1]
    assert "Traceback" not in first.stderr + second.stderr


def test_machines_with_other_settings_are_refused(tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path) -> None:
    inputs = TrainingInputs(tiny_shards, tiny_tokenizer)
    folders = [inputs.arguments(tmp_path / str(rate), learning_rate=rate) for rate in (0.01, 0.02)]
    first, second = together([[sys.executable, "-m", "train", *arguments] for arguments in folders])
    assert (first.returncode, second.returncode) == (2, 2)
    assert "process 1 has other settings or shards than process 0" in first.stderr.splitlines()[-1]
    assert "Traceback" not in first.stderr + second.stderr


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two of them, on a network of their own; what this test starts plainly is on the first."""
    if why := missing():
        pytest.skip(why)
    with two_hosts() as both:
        yield both


def descendants(pid: int) -> list[int]:
    """All processes that one has started, and those that they have."""
    with contextlib.suppress(OSError):
        found = [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]
        return [*found, *(below for one in found for below in descendants(one))]
    return []


@contextlib.contextmanager
def on_both(
    hosts: tuple[Host, Host], script: list[str], arguments: list[str], launcher: str = OURS
) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the same training on both hosts, a process each; nothing is left of it behind."""
    flags = ["--num_machines", "2", "--num_processes", "2", "--main_process_ip", hosts[0].address]
    started = [
        subprocess.Popen(
            [*host.enter, sys.executable, "-m", launcher, "--config_file", "launch/multi-gpu.yaml", *flags,
             "--main_process_port", "29500", "--machine_rank", str(rank), *script, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)),
        )
        for rank, host in enumerate(hosts)
    ]  # fmt: skip
    try:
        yield started
    finally:
        for process in started:
            lose(process)


def lose(process: subprocess.Popen[str]) -> None:
    """Kill all of a launch, as a host does that goes down."""
    for pid in [process.pid, *descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def test_two_hosts_are_one_training(
    hosts: tuple[Host, Host], tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    inputs = TrainingInputs(tiny_shards, tiny_tokenizer)
    one = trained(inputs, tmp_path / "1", "causal", 1)
    arguments = inputs.arguments(tmp_path / "2", "causal", **SETTINGS)
    script = tmp_path / "2" / "watched.py"
    script.write_text(WATCHED)
    with on_both(hosts, [str(script), str(tmp_path / "2")], arguments) as launched:
        told = [process.communicate(timeout=600)[1] for process in launched]
        assert [process.returncode for process in launched] == [0, 0], told
    assert rows_of_steps(tmp_path / "2") == rows_of_steps(tmp_path / "1")
    losses = [[point["loss"] for point in history] for history in (one, record(tmp_path / "2")["history"])]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-6)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize(
    ("lost", "cable", "launcher"), [(1, True, OURS), (0, False, OURS), (0, True, OURS), (1, False, ACCELERATE)]
)
def test_where_a_host_is_lost_the_other_ends_and_both_go_on_exactly(
    hosts: tuple[Host, Host],
    tiny_shards: Path,
    tiny_tokenizer: Path,
    tmp_path: Path,
    lost: int,
    cable: bool,
    launcher: str,
) -> None:
    """It is killed, or cut off first, so that no word of its end gets through."""
    inputs = TrainingInputs(tiny_shards, tiny_tokenizer)
    arguments = inputs.arguments(tmp_path, epochs=10**6, log_every_steps=1)
    train = ["-m", "train"]
    with on_both(hosts, train, arguments, launcher) as launched:
        wait_until(lambda: list(tmp_path.glob("runs/model/*/step-*")) or any(one.poll() for one in launched))
        if cable:
            subprocess.run(["ip", "-n", hosts[1].enter[-1], "link", "set", "eth0", "down"], check=True)
        lose(launched[lost])
        told = launched[1 - lost].communicate(timeout=SECONDS_TO_NOTICE)[1]
        assert launched[1 - lost].returncode == 1
    [run] = (tmp_path / "runs" / "model").iterdir()
    step = max(saved_steps(run))
    assert told.count("error: ") >= 1
    assert f"a process died; the same command goes on from step {step}\n" in told
    if cable:
        assert f"no sign of life from machine {lost} for 30 s" in told
        subprocess.run(["ip", "-n", hosts[1].enter[-1], "link", "set", "eth0", "up"], check=True)
    if launcher == OURS:
        assert "Traceback" not in told
    if (lost, cable) != (1, True):
        return  # one of them goes on: how they ended makes no difference to that
    undisturbed = inputs.arguments(tmp_path / "undisturbed", epochs=10**6, log_every_steps=1)
    for flags in (arguments, undisturbed):
        with on_both(hosts, train, [*flags, "--max-steps", str(step + 10)]) as launched:
            told = launched[0].communicate(timeout=600)[1]
            assert [process.wait(60) for process in launched] == [0, 0], told
            assert ("from scratch" if flags is undisturbed else f"from step {step} to") in told
    folders = (tmp_path, tmp_path / "undisturbed")
    first, second = ([point.get("loss") for point in record(folder)["history"]] for folder in folders)
    assert first == second
    assert len(set(map(sha256_of, (folder / "model" / "model.safetensors" for folder in folders)))) == 1
