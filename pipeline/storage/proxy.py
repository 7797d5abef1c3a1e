"""Find the proxy that the environment names for an address, and say where that proxy is at fault.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY mean what they mean to `urllib.request`; small letters come first.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from wikilm.errors import UsageError

EXAMPLE = "http://proxy.example.org:3128"
PORTS = {"http": 80, "https": 443}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Proxy:
    """A proxy to ask through.

    Attributes:
        variable: the environment variable that names it.
        url: its address, without user and password.
        login: the value of Proxy-Authorization; '' for none.
    """

    variable: str
    url: str
    login: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Headers for the proxy alone."""
        return {"Proxy-Authorization": self.login} if self.login else {}

    @property
    def name(self) -> str:
        """Its name in messages."""
        return f"the proxy that {self.variable} names ({urlsplit(self.url).netloc})"

    def unreachable(self, host: str, why: str) -> str:
        """Return the message when it cannot be connected to."""
        return f"{self.name}: {why}; correct {self.variable}, or add {host} to NO_PROXY to ask without a proxy"

    def refusal(self, status: int, host: str) -> str:
        """Return the message when it answers for itself instead of for a host."""
        if status == 407 and self.login:
            return f"{self.name} refuses its user and password (HTTP 407); correct them in {self.variable}"
        if status == 407:
            scheme, _, place = self.url.partition("://")
            return (
                f"{self.name} asks for a login (HTTP 407); set {self.variable}={scheme}://USER:PASSWORD@{place}, "
                "with %40 for @ and the like"
            )
        way = "try later" if status >= 500 else "ask its operator to allow it"
        without = f"or add {host} to NO_PROXY to ask without a proxy"
        return f"{self.name} does not connect to {host} (HTTP {status}); {way}, {without}"


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for an http(s) address, None where it is asked directly.

    Raises:
        UsageError: the environment names one that cannot be used; its value, which may hold a password, is not told.
    """
    target, found = urlsplit(url), getproxies()
    host, port = target.hostname or "", target.port or PORTS.get(target.scheme)
    for key in (target.scheme, "all"):
        if value := found.get(key, "").strip():
            passed_by = proxy_bypass(host) or proxy_bypass(f"{host}:{port}")
            return None if passed_by else _parsed(value, _variable(key, value))
    return None


def proxy_note(url: str) -> str:
    """Return what to add to a message about a response that may be the proxy's own, as it may over plain http."""
    proxy = proxy_for(url) if urlsplit(url).scheme == "http" else None
    return f" (asked through {proxy.name})" if proxy else ""


def loopback_direct(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that keeps gRPC, by which Beam talks to its workers, from asking a proxy for this machine."""
    names = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
    known = next((environment[name] for name in names if environment.get(name)), "")
    hosts = dict.fromkeys(host for host in [*known.split(","), *LOOPBACK] if host)
    return {"no_grpc_proxy": ",".join(hosts)}


def _variable(key: str, value: str) -> str:
    """Return the environment variable that holds a value; macOS keeps settings of its own."""
    names = [name for name in os.environ if name.lower() == f"{key}_proxy" and os.environ[name].strip() == value]
    return max(names, default="the system")  # of two that say the same, the one in small letters


def _parsed(value: str, variable: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        place = _place(parts)
    except ValueError:
        raise UsageError(
            f"{variable}: is no address of a proxy, such as {EXAMPLE}; in a user name or password write %40 for @, "
            "%3A for :, %2F for /, %23 for # and %3F for ?"
        ) from None
    if parts.scheme not in PORTS:
        raise UsageError(
            f"{variable}: names a proxy of the kind {parts.scheme}, which is not supported; name one of http or https, "
            f"such as {EXAMPLE}, or add the host to NO_PROXY"
        )
    login = ""
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = "Basic " + base64.b64encode(words.encode()).decode()
    return Proxy(variable, f"{parts.scheme}://{place}", login)


def _place(parts: SplitResult) -> str:
    """Host and port of a proxy.

    Raises:
        ValueError: there is none, or what could be a part of a password is taken for something else.
    """
    host, rest = parts.hostname or "", f"{parts.path}{parts.query}{parts.fragment}"
    if "@" in rest or not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-f:.]+", host):
        raise ValueError
    port = parts.port or PORTS.get(parts.scheme)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
