"""Kill one of two hosts in the middle of a run, and compare the shards with those of an undisturbed one.

Two network namespaces stand for two hosts that share a folder. Each has a Flink task manager with a Beam worker pool
beside it. As soon as the first work units are done, all of the second host is killed with SIGKILL, and started again
some seconds later, as Kubernetes would. Flink restarts the job, or, with --no-restart, the job fails, leaves nothing
behind, and is run again. Needs root, besides what `python -m launch.flink` needs.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launch.flink.__main__ import CORPUS, add_arguments, say, work_folder
from launch.flink.cluster import Cluster, running
from launch.flink.config import Settings
from launch.flink.jars import fetch
from launch.flink.job import Job, bench, job, require_same
from launch.flink.worker_env import worker_python
from launch.hosts import Host, two_hosts
from pipeline.output import FINAL, REPORTS, UNFINISHED
from wikilm.cli import Parser, run
from wikilm.errors import RunError

PROGRAM = "python -m launch.flink.two_hosts"
AWAY_SECONDS = 3.0  # how long the lost host is gone


class Loss:
    """Watches a run, kills one host in the middle of it, and starts that host again."""

    def __init__(self, cluster: Cluster, host: Host, output: Path) -> None:
        """Nothing happens before the first call.

        Args:
            cluster: on which the run is.
            host: the one to kill.
            output: the folder that the run fills; its reports say which units are done.
        """
        self._cluster, self._host, self._work = cluster, host, output / UNFINISHED
        self._back_at: float | None = None
        self.units_done: int | None = None  # when the host was killed; None: it never was
        self.back = False

    def __call__(self) -> None:
        """Look, and do what is due."""
        self._cluster.check()
        if self.units_done is None:
            if done := len(list(self._work.glob(f"*/{REPORTS}/[0-9]*.json"))):
                self._cluster.kill_host(self._host)
                self.units_done = done
                self._back_at = time.monotonic() + AWAY_SECONDS
                say(f"{self._host.name} is killed: task manager, pool and workers; {done} units were done")
        elif not self.back and self._back_at is not None and time.monotonic() > self._back_at:
            self.end()

    def end(self) -> None:
        """Have the host there again, whatever happened."""
        if self.units_done is not None and not self.back:
            self._cluster.start_host(self._host)
            self.back = True
            say(f"{self._host.name} is started again")


def survive(cluster: Cluster, this: Job, host: Host, output: Path, units: int) -> dict[str, Any]:
    """Run a job of which a host is lost, until its shards are there.

    Args:
        cluster: of two hosts.
        this: the run.
        host: the one to lose.
        output: a new folder.
        units: how many the source has.

    Raises:
        RunError: the job was over before the host could be lost, or left final names behind when it failed.
    """
    loss = Loss(cluster, host, output)
    outcome = "recovered"
    try:
        this.run(output, cluster.pipeline_options(), loss)
    except RunError as error:
        if loss.units_done is None:
            raise
        left = [name for name in FINAL if (output / name).exists()]
        if left:
            raise RunError(f"the failed run left {left} behind in {output}") from error
        outcome = "failed cleanly, and the rerun completed"
        loss.end()
        cluster.wait_until_ready()
        say("the job has failed, as it may when Flink does not restart it; running it again")
        this.run(output, cluster.pipeline_options(), cluster.check)
    if loss.units_done is None or loss.units_done >= units:
        raise RunError("the run was over before a host could be killed; name a larger --source")
    return {"outcome": outcome, "units_done_when_killed": loss.units_done}


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m launch.flink.two_hosts`."""
    parser = Parser(prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--no-restart", action="store_true", help="Flink lets the job fail, and it is run again")
    args = parser.parse_args(argv)
    sources = args.source or [str(CORPUS)]
    with work_folder() as work:
        jars, python = fetch(), worker_python()
        at, results = bench(python, work), []
        for number, source in enumerate(sources):
            this = job(at, source, args.tokenizer, args.unit_bytes)
            local, there = work / f"local-{number}", work / f"flink-{number}"
            say(f"{source}: the local run")
            this.run(local)
            units = len(list(local.glob("train/data-*.arrow")))
            with two_hosts() as hosts:
                settings = Settings(hosts, slots=1, restarts=0 if args.no_restart else 10)
                with running(settings, jars, python, work, say) as cluster:
                    say(f"{source}: the same on two hosts")
                    began = time.monotonic()
                    facts = survive(cluster, this, hosts[1], there, units)
                    facts |= {"workers_started": cluster.workers_started()}
                    facts |= {"flink_seconds": round(time.monotonic() - began, 1)}
            results.append(require_same(local, there) | facts)
            say(f"{source}: {facts['outcome']}; the same bytes")
    print(json.dumps({"runner": "flink", "hosts": 2, "sources": results}, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
