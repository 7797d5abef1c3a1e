"""Start a Flink cluster with Beam's job server and worker pools.

On each host: a task manager, and a Beam worker pool beside it. On the first host also Flink's job manager and Beam's
job server. Every process listens on 127.0.0.1 alone; with several hosts, Flink's own must reach each other, and listen
on all addresses of their hosts.
"""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from launch.flink.config import JVM, LOG4J, Ports, Settings, flink_config
from launch.flink.jars import Jars
from launch.flink.service import Service, Services, free_ports
from launch.flink.worker_env import environment
from launch.hosts import Host
from launch.programs import program

START_SECONDS = 120.0
POOL = Path(__file__).with_name("pool.py")
OPTIONS = Path(__file__).parents[1] / "beam" / "flink.options"


class Cluster:
    """A running cluster; made by `running`."""

    def __init__(self, settings: Settings, services: Services, jars: Jars, python: Path, work: Path) -> None:
        """Nothing is started yet; see `running`."""
        self._settings, self._services, self._jars, self._python, self._work = settings, services, jars, python, work
        self._java = program("java", variable="JAVA", package="install Java 17 (Debian: openjdk-17-jre-headless)")
        self._ports = Ports(*free_ports(3))
        self._master = settings.hosts[0]
        self._job_server: Service | None = None
        self._of_host: dict[Host, list[Service]] = {}

    @property
    def parallelism(self) -> int:
        """How many tasks, and so Python workers, the cluster has room for."""
        return len(self._settings.hosts) * self._settings.slots

    def pipeline_options(self) -> list[str]:
        """Flags for `python -m pipeline`: those of launch/beam/flink.options, with this cluster's addresses."""
        fixed = [line for line in OPTIONS.read_text(encoding="utf-8").splitlines() if line.startswith("--")]
        return [
            *fixed,
            f"--job_endpoint={self._endpoint('JobService')}",
            f"--artifact_endpoint={self._endpoint('ArtifactStagingService')}",
            f"--environment_config=127.0.0.1:{self._ports.pool}",
            f"--parallelism={self.parallelism}",
            f"--sdk_worker_parallelism={self._settings.slots}",
        ]

    def check(self) -> None:
        """Raise RunError if a part of the cluster has ended by itself."""
        self._services.check()

    def overview(self) -> dict[str, int]:
        """What Flink says of itself: `taskmanagers`, `slots-available`, `jobs-running` and so on; empty if nothing."""
        url = f"http://{self._master.address}:{self._ports.rest}/overview"
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(url, timeout=2) as answer:
                found: dict[str, int] = json.load(answer)
                return found
        except (OSError, ValueError):
            return {}

    def workers_started(self) -> dict[str, int]:
        """Host -> how many Python workers its pool has started so far, as its log says."""
        logs = {host.name: services[0].log for host, services in self._of_host.items()}
        return {name: log.read_text(errors="replace").count("Starting worker") for name, log in logs.items()}

    def start_master(self) -> None:
        """Start the job manager and the job server."""
        ports, master = self._ports, self._master
        entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        config = self._config(master)
        self._start(master, "job manager", self._jvm(256, self._jars.cluster, entry, *config))
        driver = "org.apache.beam.runners.flink.FlinkJobServerDriver"
        addresses = [
            f"--flink-master={master.address}:{ports.rest}",
            # Port 0 makes it choose, and only then do the servers listen on the loopback alone, whatever the host.
            "--job-host=127.0.0.1",
            "--job-port=0",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={self._folder('artifacts')}",
            f"--flink-conf-dir={config[1]}",
        ]
        self._job_server = self._start(master, "job server", self._jvm(384, self._jars.job_server, driver, *addresses))

    def start_host(self, host: Host) -> None:
        """Start a task manager and its worker pool."""
        pool = self._start(host, "worker pool", [self._python, "-P", POOL, f"--port={self._ports.pool}"])
        entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        command = self._jvm(384, self._jars.cluster, entry, *self._config(host))
        self._of_host[host] = [pool, self._start(host, "task manager", command)]

    def kill_host(self, host: Host) -> None:
        """Lose a host: its task manager, its pool and its workers are killed, with no time to say so."""
        for service in self._of_host.pop(host):
            self._services.end(service)

    def wait_until_ready(self) -> None:
        """Wait for every task manager, pool and the job server."""
        hosts = len(self._settings.hosts)
        wait = self._services.wait_until
        wait(lambda: self.overview().get("taskmanagers") == hosts, f"a cluster of {hosts} task managers", START_SECONDS)
        wait(lambda: self._endpoint("JobService") is not None, "Beam's job server", START_SECONDS)
        pools = [services[0].log for services in self._of_host.values()]
        wait(lambda: all("serving at" in log.read_text() for log in pools), "the worker pools", START_SECONDS)

    def _endpoint(self, service: str) -> str | None:
        """Where a service of the job server listens, once its log says so."""
        log = self._job_server.log.read_text(errors="replace") if self._job_server else ""
        found = re.search(rf"{service} started on (\S+:\d+)", log)
        return found[1] if found else None

    def _start(self, host: Host, name: str, command: Sequence[str | Path]) -> Service:
        named = name if len(self._settings.hosts) == 1 else f"{name} of {host.name}"
        variables = environment(self._python, self._folder("tmp"))
        # A proxy is never asked for what lies on this machine.
        variables |= dict.fromkeys(("no_proxy", "NO_PROXY", "no_grpc_proxy"), "127.0.0.1,localhost")
        return self._services.start(named, [*host.enter, *command], variables, self._folder("tmp"))

    def _jvm(self, heap: int, path: str, main: str, *arguments: str) -> list[str]:
        log4j = self._folder("conf") / "log4j.properties"
        log4j.write_text(LOG4J)
        properties = [f"-Dlog4j2.configurationFile={log4j}", f"-Djava.io.tmpdir={self._folder('tmp')}"]
        return [self._java, f"-Xmx{heap}m", *JVM, *properties, "-cp", path, main, *arguments]

    def _folder(self, name: str) -> Path:
        folder = self._work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _config(self, host: Host) -> list[str]:
        """Write a host's configuration and give the arguments that name it."""
        folder = self._folder("conf") / host.name.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        keys = flink_config(self._settings, self._ports, host, self._folder("tmp"))
        lines = [f"{key}: {json.dumps(value)}" for key, value in keys.items()]
        (folder / "config.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ["--configDir", str(folder), *(["--executionMode", "cluster"] if host is self._master else [])]


@contextmanager
def running(settings: Settings, jars: Jars, python: Path, work: Path, say: Callable[[str], None]) -> Iterator[Cluster]:
    """A cluster that is ready for jobs; all of it is stopped when the block ends.

    Args:
        settings: hosts, slots, restarts.
        jars: see jars.py.
        python: of the workers; see worker_env.py.
        work: an existing folder for its logs, configuration and temporary files.
        say: takes one line of progress.

    Raises:
        RunError: a part of it does not start; the error names its log.
    """
    logs = work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with Services(logs) as services:
        cluster = Cluster(settings, services, jars, python, work)
        began = time.monotonic()
        names = " and ".join(host.name for host in settings.hosts)
        say(f"starting Flink on {names}: job manager, job server, and on each host a task manager and a worker pool")
        cluster.start_master()
        for host in settings.hosts:
            cluster.start_host(host)
        cluster.wait_until_ready()
        say(f"ready after {time.monotonic() - began:.0f} s, with {cluster.parallelism} workers; logs: {logs}")
        yield cluster
        say("stopping Flink")
