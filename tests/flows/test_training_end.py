"""Whatever ends a training, its launcher or what started that: no process goes on, and a checkpoint is whole.

Processes hold the pipe that is their stderr, so that its end is the end of all of them.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.training import TrainingInputs, environment, train
from tests.helpers.waiting import wait_until
from train.runs import saved_steps
from train.saved.checkpoint import damage, newest_checkpoint

OURS, ACCELERATE = "train.launch", "accelerate.commands.launch"
ONE, TWO = "launch/cpu.yaml", "launch/multi-gpu.yaml"
SLOW = pytest.mark.slow


@dataclass
class Running:
    """A training without end, in a process group of its own, that has saved its first checkpoint."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def run(self) -> Path:
        """Where its checkpoints are."""
        return next(self.folder.glob("runs/model/*"))

    def workers(self) -> list[int]:
        """The processes that its launcher has started."""
        found = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return sorted(int(pid) for path in found for pid in path.read_text().split())

    def said(self) -> str:
        """All that is said until the last process has ended."""
        return self.process.communicate()[1]

    def last_whole_step(self) -> int:
        """The step of the newest checkpoint; every one there is whole."""
        assert [damage(path) for path in self.run.glob("step-*")] == [None] * len(saved_steps(self.run))
        found = newest_checkpoint(self.run)
        assert found
        return found.step


@contextlib.contextmanager
def started(folder: Path, command: list[str], cwd: Path = ROOT, **more: str) -> Iterator[Running]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment(**more),
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: list(folder.glob("runs/model/*/step-*")) or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        yield Running(process, folder)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr:
            process.stderr.close()


@contextlib.contextmanager
def training(tiny: Path, folder: Path, *launcher: str) -> Iterator[Running]:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(folder, epochs=10**6)
    module, *flags = launcher or ["train"]
    words = ["--config_file", *flags, "-m", "train"] if flags else []
    with started(folder, [sys.executable, "-m", module, *words, *arguments]) as running:
        yield running


@pytest.mark.parametrize(
    ("number", "whole_group", "launcher"),
    [
        (signal.SIGTERM, False, (OURS, ONE)),
        *(
            pytest.param(number, whole_group, launcher, marks=SLOW)
            for number, whole_group in ((signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGINT, True))
            for launcher in ((), (OURS, ONE), (OURS, TWO))
        ),
    ],
)
def test_a_signal_ends_all_of_it_after_a_checkpoint_and_without_a_traceback(
    tiny: Path, tmp_path: Path, number: signal.Signals, whole_group: bool, launcher: tuple[str, ...]
) -> None:
    with training(tiny, tmp_path, *launcher) as running:
        (os.killpg if whole_group else os.kill)(running.process.pid, number)
        said = running.said()
        assert running.process.returncode == 128 + number, said
        assert said.count(f"stopped by {number.name}, saved at step {running.last_whole_step()}") == 1
        assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "launcher"),
    [
        (signal.SIGKILL, (ACCELERATE, ONE)),
        *(
            pytest.param(number, launcher, marks=SLOW)
            for number, launcher in (
                (signal.SIGTERM, (ACCELERATE, ONE)),
                (signal.SIGINT, (ACCELERATE, ONE)),
                (signal.SIGKILL, (ACCELERATE, TWO)),
                (signal.SIGKILL, (OURS, ONE)),
                (signal.SIGKILL, (OURS, TWO)),
            )
        ),
    ],
)
def test_a_launcher_that_passes_nothing_on_leaves_no_process_behind(
    tiny: Path, tmp_path: Path, number: signal.Signals, launcher: tuple[str, ...]
) -> None:
    with training(tiny, tmp_path, *launcher) as running:
        running.process.send_signal(number)
        said = running.said()
        assert "which started this training, has ended" in said
        assert f"stopped by SIGTERM, saved at step {running.last_whole_step()}" in said


@SLOW
@pytest.mark.parametrize("config", [ONE, TWO])
def test_a_second_ctrl_c_ends_it_at_once_and_without_a_traceback(tiny: Path, tmp_path: Path, config: str) -> None:
    with training(tiny, tmp_path, OURS, config) as running:
        for pid in running.workers():
            os.kill(pid, signal.SIGSTOP)  # nothing is saved any more
        for _ in range(2):
            running.process.send_signal(signal.SIGINT)
            wait_until(lambda: not pending(running.process.pid))
        said = running.said()
        assert running.process.returncode == 130
        assert "ended at once; the same command goes on from the last checkpoint" in said
        assert "Traceback" not in said
        assert running.last_whole_step()


def pending(pid: int) -> int:
    """The signals that a process has been sent and has not taken."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return sum(int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd")))


@SLOW
@pytest.mark.parametrize("launcher", [OURS, ACCELERATE])
def test_where_a_process_dies_the_others_say_so_and_from_which_step_it_goes_on(
    tiny: Path, tmp_path: Path, launcher: str
) -> None:
    with training(tiny, tmp_path, launcher, TWO) as running:
        os.kill(running.workers()[-1], signal.SIGKILL)
        said = running.said()
        assert running.process.returncode == 1
        assert f"a process died; the same command goes on from step {running.last_whole_step()}\n" in said
        assert "gloo" not in said
        if launcher == OURS:
            assert "Traceback" not in said


@SLOW
@pytest.mark.parametrize("config", [ONE, TWO])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_where_dvc_is_ended_what_it_started_ends_too(
    tiny: Path, tmp_path: Path, config: str, number: signal.Signals
) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path, epochs=10**6)
    command = [sys.executable, "-m", "train.launch", "--config_file", str(ROOT / config), "-m", "train", *arguments]
    (tmp_path / "dvc.yaml").write_text(f"stages: {{one: {{cmd: '{' '.join(command)}'}}}}\n")
    dvc = [sys.executable, "-m", "dvc"]
    more = {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    subprocess.run([*dvc, "init", "--no-scm", "--quiet"], cwd=tmp_path, env=environment(**more), check=True)
    with started(tmp_path, [*dvc, "repro"], cwd=tmp_path, **more) as running:
        running.process.send_signal(number)
        said = running.said()
        assert "which started this training, has ended" in said
        assert f"stopped by SIGTERM, saved at step {running.last_whole_step()}" in said


def test_what_cannot_be_launched_is_told_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "train.launch", "--config_file", str(tmp_path / "none.yaml"), "-m", "train"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "none.yaml" in done.stderr


@pytest.mark.slow
def test_a_terminal_that_has_gone_does_not_end_a_training(tiny: Path, tmp_path: Path) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, "-m", "train", *arguments], stderr=write, cwd=ROOT, env=environment())
    os.close(write)
    os.close(read)
    assert process.wait() == 0
    assert (tmp_path / "model" / "model.safetensors").exists()
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("one_cpu_thread")
def test_a_second_training_into_the_same_output_is_refused_and_the_first_goes_on(tiny: Path, tmp_path: Path) -> None:
    with training(tiny, tmp_path) as running:
        inputs = TrainingInputs(tiny / "shards", tiny / "tokenizer")
        for more in ({}, {"learning_rate": 0.01}):
            other = tmp_path / "other" / str(len(more))
            arguments = inputs.arguments(other, **more)
            for flags, named in (
                (["--output", str(tmp_path / "model")], f"{tmp_path / 'model'}: "),
                (["--runs", str(tmp_path / "runs" / "model")], f"{tmp_path / 'runs' / 'model'}: "),
                (["--metrics", str(tmp_path / "metrics" / "model")], f"{tmp_path / 'metrics' / 'model'}: "),
            ):
                said = train([*arguments, *flags], status=2).stderr
                assert f"{named}another training is writing there" in said
                assert f"process {running.process.pid}, since " in said
                assert f"name another {flags[0]}" in said
            assert not (other / "model").exists()
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        said = running.said()
        assert f"saved at step {running.last_whole_step()}" in said
    assert not list(tmp_path.rglob("*.lock"))


@SLOW
def test_a_second_training_of_several_processes_is_refused_once(tiny: Path, tmp_path: Path) -> None:
    with training(tiny, tmp_path) as running:
        arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path)
        command = [sys.executable, "-m", OURS, "--config_file", TWO, "-m", "train", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
        assert done.returncode == 2
        assert done.stderr.count("another training is writing there") == 1
        assert done.stderr.count("error:") == 1
        assert f"process {running.process.pid}, " in done.stderr


PASSES_ON = """
import os, signal, subprocess, sys
from train.launch import PassOn
signal.signal(signal.SIGTERM, PassOn())
if sys.argv[1] == "begun":
    subprocess.run([sys.executable, "-c", "pass"])
os.kill(os.getpid(), signal.SIGTERM)
print("waits for the end")
"""


@pytest.mark.parametrize(("when", "status", "said"), [("early", 143, ""), ("begun", 0, "waits for the end\n")])
def test_a_signal_ends_a_launcher_that_has_started_nothing_and_not_one_whose_processes_have_ended(
    when: str, status: int, said: str
) -> None:
    command = [sys.executable, "-c", PASSES_ON, when]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (status, said)


WAITS = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); signal.pause()"
AT_THE_START = """
import os, signal, subprocess, sys
from train.launch import PassOn
signal.signal(signal.SIGTERM, PassOn())
sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGTERM) if event == "subprocess.Popen" else None)
print(subprocess.run([sys.executable, "-c", sys.argv[1]]).returncode)
"""


def test_a_signal_while_the_first_process_is_started_reaches_it_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_START, WAITS], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert int(done.stdout) in (7, -signal.SIGTERM)  # whether or not it was ready to hear it


LATE = """
import atexit, os, runpy, signal, sys
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
runpy.run_module("train.launch", run_name="__main__")
"""


@SLOW
@pytest.mark.parametrize("config", [ONE, TWO])
def test_a_signal_while_a_launcher_ends_makes_no_failure_of_a_finished_training(
    tiny: Path, tmp_path: Path, config: str
) -> None:
    arguments = TrainingInputs(tiny / "shards", tiny / "tokenizer").arguments(tmp_path, epochs=1)
    command = [sys.executable, "-c", LATE, "--config_file", config, "-m", "train", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model").is_dir()
