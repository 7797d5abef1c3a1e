"""Make two hosts on one machine: network namespaces joined by a cable. Needs root and Linux's `ip`."""

import ctypes
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launch.programs import call, program
from wikilm.errors import RunError

NAMES = Path("/run/netns")  # where `ip netns` keeps them
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of Linux's setns(2)
ADDRESSES = ("192.0.2.1", "192.0.2.2")  # a block that is kept for examples (RFC 5737), so never anybody's own
WAY_OUT = "see that this kernel has network namespaces and that you are root"


@dataclass(frozen=True)
class Host:
    """A machine, or a network namespace that stands for one.

    Attributes:
        name: for logs and messages.
        address: the one by which the other hosts reach it.
        enter: command prefix that runs a program there, such as `ip netns exec NAME`.
    """

    name: str
    address: str = "127.0.0.1"
    enter: tuple[str, ...] = ()


def missing() -> str | None:
    """Why there can be no two hosts here, or None."""
    if os.geteuid() != 0:
        return "two hosts on one machine are network namespaces, which only root can make"
    try:
        ip = program("ip", variable="IP", package="install iproute2")
    except RunError as error:
        return str(error)
    name = f"wikilm-{os.getpid()}-try"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"this machine makes no network namespaces: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "delete", name], check=False)
    return None


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other and nothing else; this thread and what it starts are on the first one.

    Raises:
        RunError: they cannot be made.
    """
    if why := missing():
        raise RunError(why)
    ip = program("ip", variable="IP", package="install iproute2")
    _sweep(ip)
    names = [f"wikilm-{os.getpid()}-{letter}" for letter in "ab"]
    try:
        for name in names:
            call([ip, "netns", "add", name], "making a network namespace", WAY_OUT)
        cable = f"link add eth0 netns {names[0]} type veth peer name eth0 netns {names[1]}"
        call([ip, *cable.split()], "joining two network namespaces", WAY_OUT)
        for name, address in zip(names, ADDRESSES, strict=True):
            inside = [ip, "-n", name]
            call([*inside, "address", "add", f"{address}/24", "dev", "eth0"], "giving a host its address", WAY_OUT)
            for device in ("lo", "eth0"):
                call([*inside, "link", "set", device, "up"], "starting a host's network", WAY_OUT)
        with _inside(names[0]):
            yield Host("host a", ADDRESSES[0]), Host("host b", ADDRESSES[1], (ip, "netns", "exec", names[1]))
    finally:
        for name in names:
            subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False)


@contextmanager
def _inside(name: str) -> Iterator[None]:
    """Move this thread into a network namespace, and back."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(NAMES / name, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(there)
        os.close(home)


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, NEW_NETWORK):
        raise RunError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}; {WAY_OUT}")


def _sweep(ip: str) -> None:
    """Remove the namespaces of a run that was killed."""
    for path in NAMES.glob("wikilm-*"):
        found = re.fullmatch(r"wikilm-(\d+)-\w+", path.name)
        if found and not Path("/proc", found[1]).exists():
            subprocess.run([ip, "netns", "delete", path.name], capture_output=True, check=False)
