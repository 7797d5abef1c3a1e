"""Refuse redirects that lead into a private network.

A connection is checked by the address that it has reached. A proxy resolves names itself, so that there only the name
can be checked, and the addresses that it has here, if any.
"""

import functools
import ipaddress
import re
import socket

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from wikilm.errors import RunError

# Ends of names that mean something inside a network only (RFC 6761, 6762 appendix G, 8375, and ICANN's .internal).
INSIDE = ("localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def public_pools(**settings: object) -> urllib3.PoolManager:
    """Connection pools that refuse to connect into a private network."""
    pools = urllib3.PoolManager(**settings)  # type: ignore[arg-type]
    pools.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return pools


def check_connected(connected: socket.socket, host: str) -> socket.socket:
    """Check the address that a socket is connected to: a name may lead anywhere, and elsewhere the next time.

    Raises:
        RunError: into a private network; the socket is closed before anything is sent.
    """
    address = ipaddress.ip_address(str(connected.getpeername()[0]).partition("%")[0])
    if not is_private(address):
        return connected
    connected.close()
    raise _refused(host, f"the private address {_plain(address)}")


@functools.cache  # a network without a name server may take its time to say so
def check_name(host: str) -> None:
    """Check a host before a proxy is asked to connect to it.

    Raises:
        RunError: it is a private address, in whatever notation, or a name that leads to one or is used inside only.
    """
    name = host.rstrip(".").lower()
    if (literal := _literal(name)) is not None:
        found = [literal]
    elif not re.fullmatch(r"[a-z0-9_.-]+", name):
        raise _refused(host, "what is no plain host name")
    elif "." not in name or name.endswith(tuple(f".{end}" for end in INSIDE)):
        raise _refused(host, "a name of a private network")
    else:
        found = _addresses(name)
    for address in found:
        if is_private(address):
            raise _refused(host, f"the private address {_plain(address)}")


def is_private(address: Address) -> bool:
    """Return whether an address, or the one that it stands for, is not in the public network."""
    plain = _plain(address)
    return not plain.is_global or plain.is_multicast


def _plain(address: Address) -> Address:
    """Return the IPv4 address that is wrapped up in an IPv6 one, if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _literal(host: str) -> Address | None:
    """Return a host that is an address: also as 127.1, 0x7f000001 or 2130706433, which resolvers take for one."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if re.fullmatch("[0-9a-fx.]+", host) else None
    except OSError:
        return None


def _addresses(name: str) -> list[Address]:
    """Return what a name leads to from here; nothing where nobody here knows it."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _refused(host: str, to: str) -> RunError:
    return RunError(f"a redirect to {host} leads to {to}, which is not followed")


class _HTTP(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return check_connected(super()._new_conn(), self.host)


class _HTTPS(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return check_connected(super()._new_conn(), self.host)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPS
