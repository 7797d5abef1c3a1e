"""Write the configuration of a cluster's JVMs: memory, addresses, restarts."""

from dataclasses import dataclass
from pathlib import Path

from launch.hosts import Host

# Java 17 hides what Flink's serializers reach into: the list of Flink's own start scripts.
ADD_OPENS = [
    f"--add-{kind}={module}=ALL-UNNAMED"
    for kind, module in (
        ("exports", "java.base/sun.net.util"),
        ("exports", "java.rmi/sun.rmi.registry"),
        ("exports", "java.security.jgss/sun.security.krb5"),
        ("opens", "java.base/java.lang"),
        ("opens", "java.base/java.net"),
        ("opens", "java.base/java.io"),
        ("opens", "java.base/java.nio"),
        ("opens", "java.base/sun.nio.ch"),
        ("opens", "java.base/java.lang.reflect"),
        ("opens", "java.base/java.text"),
        ("opens", "java.base/java.time"),
        ("opens", "java.base/java.util"),
        ("opens", "java.base/java.util.concurrent"),
        ("opens", "java.base/java.util.concurrent.atomic"),
        ("opens", "java.base/java.util.concurrent.locks"),
    )
]
# Small, since the work is done by the Python workers: C1 alone starts faster and takes less memory.
JVM = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:MaxDirectMemorySize=256m",
    *ADD_OPENS,
]

LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %-40c{1} - %m%n
"""


@dataclass(frozen=True)
class Settings:
    """Of a cluster.

    Attributes:
        hosts: one or more; the first has the job manager and the job server.
        slots: parallel tasks on each host, each with a Python worker process of its own.
        restarts: how often a job is restarted when a task or a task manager fails; 0: it fails.
    """

    hosts: tuple[Host, ...] = (Host("localhost"),)
    slots: int = 2
    restarts: int = 3

    @property
    def bind(self) -> str:
        """Where Flink's processes listen."""
        # With several hosts the REST endpoint still uploads jars to the blob server as `localhost`, whatever its
        # configured address: the job manager has to listen there too.
        return "127.0.0.1" if len(self.hosts) == 1 else "0.0.0.0"  # noqa: S104


@dataclass(frozen=True)
class Ports:
    """Those that must be known before the cluster starts; the pool's is the same on every host."""

    rpc: int
    rest: int
    pool: int


def flink_config(settings: Settings, ports: Ports, host: Host, tmp: Path) -> dict[str, str | int]:
    """Flink's configuration keys and their values for the processes of one host.

    Args:
        settings: of the cluster.
        ports: of the cluster.
        host: one of its hosts.
        tmp: a folder for temporary files.
    """
    master, slots, restarts = settings.hosts[0].address, settings.slots, settings.restarts
    return {
        "jobmanager.rpc.address": master,
        "jobmanager.rpc.port": ports.rpc,
        "jobmanager.bind-host": settings.bind,
        "rest.address": master,
        "rest.port": ports.rest,
        "rest.bind-address": settings.bind,
        "taskmanager.host": host.address,
        "taskmanager.bind-host": settings.bind,
        "taskmanager.numberOfTaskSlots": slots,
        # What Flink's shell scripts would compute with BashJavaUtils; see also the flags of the JVM.
        "taskmanager.cpu.cores": slots,
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.task.heap.size": "256m",
        "taskmanager.memory.framework.off-heap.size": "128m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.managed.size": "64m",
        "taskmanager.memory.network.min": "64m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.memory.jvm-metaspace.size": "256m",
        "taskmanager.memory.jvm-overhead.min": "128m",
        "taskmanager.memory.jvm-overhead.max": "128m",
        "restart-strategy.type": "fixed-delay" if restarts else "none",
        "restart-strategy.fixed-delay.attempts": restarts,
        "restart-strategy.fixed-delay.delay": "2 s",
        # A lost host is noticed after seconds, not after Flink's usual 50.
        "heartbeat.interval": 2000,
        "heartbeat.timeout": 10000,
        "io.tmp.dirs": str(tmp),
        "web.submit.enable": "false",
        "classloader.check-leaked-classloader": "false",  # Beam keeps threads after a job
    }
