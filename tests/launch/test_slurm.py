"""The scripts for Slurm, by stand-ins for its commands: a job that runs out of time saves, is queued again, resumes.

The stand-ins do what Slurm's manual says of srun (one task a node, signals passed on, the highest exit status); no
Slurm has run these scripts here.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.training import TrainingInputs, record, train

SLURM = ROOT / "launch" / "slurm"
SRUN = """#!{python}
import os, signal, subprocess, sys
command = sys.argv[1:]
while command[0].startswith("--"):
    command.pop(0)
nodes = int(os.environ["SLURM_JOB_NUM_NODES"])
tasks, asked = [], []
def pass_on(number, frame):
    asked.append(number)
    for task in tasks:
        os.killpg(task.pid, number)
signal.signal(signal.SIGTERM, pass_on)  # before a task starts, which may have the signal sent
for node in range(nodes):
    environment = os.environ | {{"SLURM_NODEID": str(node)}}
    tasks.append(subprocess.Popen(command, env=environment, start_new_session=True))
if asked:
    pass_on(asked[0], None)
statuses = [task.wait() for task in tasks]
sys.exit(max(status if status >= 0 else 128 - status for status in statuses))
"""
SCONTROL = """#!/bin/bash
case $1 in
  show) for ((node = 0; node < SLURM_JOB_NUM_NODES; node++)); do echo 127.0.0.1; done ;;
  requeue) echo "$2" >> "$REQUEUED" ;;
esac
"""


ENDLESS = """
set -euo pipefail
source launch/slurm/step.sh
run_step bash -c 'touch "$1"; exec sleep 600' job "$1"
"""


@dataclass(frozen=True)
class Cluster:
    """A folder with stand-ins for Slurm's commands, and what they were asked for."""

    folder: Path
    nodes: int

    @property
    def requeued(self) -> list[str]:
        """Jobs that were put back into the queue."""
        path = self.folder / "requeued"
        return path.read_text().split() if path.exists() else []

    @contextmanager
    def job(self, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The script of a job, as slurmd would start it."""
        environment = os.environ | {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "WIKILM_VENV": str(self.folder),
            "REQUEUED": str(self.folder / "requeued"),
            **{"SLURM_JOB_ID": str(1000 + os.getpid()), "SLURM_JOB_NODELIST": "n[0-1]"},
            **{"SLURM_JOB_NUM_NODES": str(self.nodes), "SLURM_GPUS_ON_NODE": "1", "SLURM_CPUS_PER_TASK": "1"},
            **{"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        }
        process = subprocess.Popen(
            ["bash", str(SLURM / script), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=60)


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Cluster:
    folder = tmp_path / "slurm"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "activate").write_text(f'PATH="{folder}:{Path(sys.executable).parent}:$PATH"\n')
    for name, text in (("srun", SRUN.format(python=sys.executable)), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return Cluster(folder, request.param)


@pytest.mark.parametrize("script", sorted(path.name for path in SLURM.iterdir()))
def test_bash_can_read_the_scripts(script: str) -> None:
    done = subprocess.run(["bash", "-n", str(SLURM / script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("cluster", [1], indirect=True)
@pytest.mark.parametrize(
    ("flag", "status", "said"), [("--help", 0, "usage: python -m pipeline"), ("--unit-bytes", 2, "--unit-bytes")]
)
def test_a_job_ends_as_its_step_does_and_is_not_queued_again(
    cluster: Cluster, flag: str, status: int, said: str
) -> None:
    with cluster.job("preprocess.sbatch", "pipeline", flag) as job:
        out, told = job.communicate(timeout=300)
    assert job.returncode == status, told
    assert said in out + told
    assert cluster.requeued == []


@pytest.mark.parametrize("cluster", [1], indirect=True)
@pytest.mark.parametrize(("number", "again"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_only_a_job_that_is_out_of_time_is_queued_again(
    cluster: Cluster, tmp_path: Path, number: signal.Signals, again: bool
) -> None:
    script = tmp_path / "job.sbatch"
    script.write_text(ENDLESS)
    with cluster.job(str(script), str(tmp_path / "running")) as job:
        while not (tmp_path / "running").exists() and job.poll() is None:
            time.sleep(0.02)
        job.send_signal(number)
        job.communicate(timeout=300)
    assert job.returncode == 143
    assert bool(cluster.requeued) == again


@pytest.mark.slow
@pytest.mark.usefixtures("one_cpu_thread")  # for the run that is compared with
@pytest.mark.parametrize("cluster", [1, 2], indirect=True, ids=["one process", "two nodes"])
def test_a_job_that_runs_out_of_time_saves_and_resumes_when_it_is_submitted_again(
    cluster: Cluster, tiny_shards: Path, tiny_tokenizer: Path, tmp_path: Path
) -> None:
    inputs = TrainingInputs(tiny_shards, tiny_tokenizer)
    arguments = inputs.arguments(tmp_path, dropout=0.0, epochs=200, log_every_steps=1)
    with cluster.job("train.sbatch", *arguments) as job:
        while not list(tmp_path.glob("runs/model/*/step-*")) and job.poll() is None:
            time.sleep(0.05)
        job.send_signal(signal.SIGUSR1)
        said, told = job.communicate(timeout=300)
    assert job.returncode != 0, told
    assert cluster.requeued == [str(1000 + os.getpid())], told
    assert "goes back into the queue" in said
    step = max(int(path.name[5:]) for path in tmp_path.glob("runs/model/*/step-*"))
    assert f"stopped by SIGTERM, saved at step {step}" in told
    with cluster.job("train.sbatch", *arguments, "--max-steps", str(step + 20)) as job:
        said, told = job.communicate(timeout=300)
    assert job.returncode == 0, told
    assert f"from step {step} to step {step + 20}" in told
    assert len(cluster.requeued) == 1
    undisturbed = inputs.arguments(tmp_path / "undisturbed", dropout=0.0, epochs=200, log_every_steps=1)
    train([*undisturbed, "--max-steps", str(step + 20)])
    histories = (record(folder)["history"] for folder in (tmp_path, tmp_path / "undisturbed"))
    curves = [[point["loss"] for point in history] for history in histories]
    assert len(curves[0]) == step + 20
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
