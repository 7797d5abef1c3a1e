"""Join the machines of one training, and notice when one of them is gone: no socket tells of a machine without power.

One process of each machine counts in the store that all of them share, the one by which torch's processes meet. A
machine whose count has stood still is gone, and so are all others where the store itself cannot be reached.
"""

import contextlib
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from train.hosts.processes import ProcessDied, tell

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

INTERFACE = "GLOO_SOCKET_IFNAME"
SECONDS_BETWEEN = 3.0
SECONDS_SILENT = 30.0  # then a machine is gone; one that is busy counts all the same, in a thread of its own
SIOCGIFADDR = 0x8915  # Linux's request for an interface's address (netdevice(7))
ELSEWHERE = "192.0.2.1"  # an example's address (RFC 5737): by the default route, and nothing is sent there
ENDED = "ended"


def choose_interface(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have gloo use the network by which the main process is reached: the loopback where all are on one machine.

    Left alone, it takes the address that this machine's name resolves to: on many that is the loopback, by which no
    other machine is reached. Whoever sets the variable is left alone.
    """
    if INTERFACE in environment:
        return
    name = interface_to(environment.get("MASTER_ADDR", "127.0.0.1"))
    if machines_of(environment) > 1 and name == interface_to("127.0.0.1"):  # the main machine's own name for itself
        name = interface_to(ELSEWHERE)
    if name:
        environment[INTERFACE] = name


def machines_of(environment: Mapping[str, str]) -> int:
    """Return how many machines take part, as torch's launcher tells it."""
    return int(environment.get("GROUP_WORLD_SIZE", "1"))


def interface_to(host: str) -> str | None:
    """Return the network interface by which packets to a host leave; None where that cannot be known."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # sends nothing: it asks the kernel for a route
        mine = probe.getsockname()[0]
        if mine.startswith("127."):
            mine = "127.0.0.1"
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has no IPv4 address
                answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                if socket.inet_ntoa(answer[20:24]) == mine:
                    return name
    return None


@contextlib.contextmanager
def other_machines_watched(run: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Callable[[], None]]:
    """End this process, and say why, when a machine of this training is gone; nothing where there is but one.

    Gives a function to be called once all processes have joined: from then on a machine is missed that never counted.

    Args:
        run: whose checkpoints it can go on from.
        environment: as torch's launcher sets it.
    """
    machines = machines_of(environment)
    if machines < 2:
        yield lambda: None
        return
    watch = Watch(int(environment["GROUP_RANK"]), machines, counts=environment.get("LOCAL_RANK") == "0")
    threading.Thread(target=watch.count, daemon=True, name="heartbeat").start()
    threading.Thread(target=watch.look, args=(run,), daemon=True, name="other machines").start()
    try:
        yield watch.expect_all
    finally:
        watch.end()


class Watch:
    """What one process knows of the other machines."""

    def __init__(self, machine: int, machines: int, *, counts: bool) -> None:
        self._machine, self._counts = machine, counts
        self._others = [other for other in range(machines) if other != machine]
        self._heard: dict[int, tuple[bytes, float]] = {}  # machine -> its last count, and when it came
        self._over = threading.Event()
        self._store: Store | None = None

    def count(self) -> None:
        """Count for this machine, and read the counts of the others, until the training is over."""
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        number = 0
        with contextlib.suppress(RuntimeError):  # the store is gone, or not to be reached: then nothing is heard
            self._store = TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=timedelta(minutes=5))
            while not self._over.is_set():
                number += 1
                if self._counts:
                    self._store.set(_key(self._machine), str(number))
                self.hear({other: self._store.get(_key(other)) for other in self._others if self._has_begun(other)})
                self._over.wait(SECONDS_BETWEEN)

    def _has_begun(self, machine: int) -> bool:
        heard = self._heard.get(machine, (b"", 0.0))[0] != b""
        return heard or bool(self._store and self._store.check([_key(machine)]))

    def expect_all(self) -> None:
        """Miss from now on also a machine that has not counted yet: it may go before its first count gets through."""
        now = time.monotonic()
        for other in self._others:
            self._heard.setdefault(other, (b"", now))

    def hear(self, counts: Mapping[int, bytes]) -> None:
        """Take note of the counts of other machines."""
        now = time.monotonic()
        for machine, count in counts.items():
            if self._heard.get(machine, (b"", 0.0))[0] != count:
                self._heard[machine] = count, now

    def silent(self) -> list[int]:
        """Return the machines that are expected, have not ended, and have not counted for long."""
        latest = time.monotonic() - SECONDS_SILENT
        heard = list(self._heard.items())  # another thread adds to it
        return sorted(one for one, (count, when) in heard if count != ENDED.encode() and when < latest)

    def look(self, run: Path) -> None:
        """End this process when a machine is gone."""
        while not self._over.wait(1.0):
            if gone := self.silent():
                named = " and ".join(f"machine {one}" for one in gone)
                if os.environ.get("LOCAL_RANK") == "0":
                    tell(f"error: no sign of life from {named} for {SECONDS_SILENT:.0f} s: {ProcessDied(run)}")
                os._exit(1)

    def end(self) -> None:
        """Watch no more, and have the others not wait for this machine."""
        self._over.set()
        if self._counts and self._store:
            with contextlib.suppress(RuntimeError):
                self._store.set(_key(self._machine), ENDED)


def _key(machine: int) -> str:
    return f"wikilm/machine/{machine}"
