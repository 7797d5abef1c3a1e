"""Send requests to web servers: few connections, patient retries, and no redirect into a private network."""

import contextlib
import fcntl
import functools
import logging
import netrc
import os
import re
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HttpTimeout

from pipeline.storage.private_network import check_name, public_pools
from pipeline.storage.proxy import Proxy, proxy_for
from wikilm import __version__
from wikilm.errors import RunError, UsageError

CONNECTIONS = 3  # to one host, of all processes of this machine: what dumps.wikimedia.org allows an address
TRIES = 5
BACKOFF_SECONDS = 0.5  # doubled with every try
RETRY_AFTER_SECONDS = 120  # a server may ask for a longer pause, but is asked again after this one
TIMEOUT = urllib3.Timeout(connect=15, read=60)
MAX_REDIRECTS = 5
SLOT_POLL_SECONDS = 0.05

# Its warnings about retries quote the address, which after a redirect may be a signed one.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def user_agent(contact: str) -> str:
    """Return the User-Agent header of every request.

    Raises:
        UsageError: there is no contact in it that a server's operator could use.
    """
    if not contact:
        raise UsageError(
            "source.contact: is missing: servers of dumps want to know whom to ask about traffic; "
            "set it, or add --contact you@example.org"
        )
    if not re.fullmatch(r"[!-'*-~]{3,200}", contact) or not ("@" in contact or "://" in contact):
        raise UsageError("source.contact: must be a mail or web address in ASCII, such as you@example.org")
    return f"wikilm/{__version__} ({contact})"


@contextlib.contextmanager
def get(url: str, contact: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
    """Send a GET request, follow redirects, and give the open response; the connection ends with the block.

    Raises:
        UsageError: no contact.
        RunError: no connection, no valid certificate, or a redirect that must not be followed.
    """
    asked = {"User-Agent": user_agent(contact), "Accept-Encoding": "identity", "Connection": "close", **headers}
    target = url
    for _ in range(MAX_REDIRECTS + 1):
        proxy, trusted, host = proxy_for(target), _origin(target) == _origin(url), urlsplit(target).hostname or ""
        with _slot(host), _pools(target, proxy, trusted=trusted) as pools:
            login = _login(host) if trusted else {}
            try:
                response = _request(pools, target, {**asked, **login})
            except HTTPError as error:
                cause = error.reason if isinstance(error, MaxRetryError) else error
                raise RunError(f"{url}: {_problem(cause, proxy, host)}{_elsewhere(url, target)}") from None
            try:
                if proxy and response.status == 407:
                    raise RunError(f"{url}: {proxy.refusal(407, host)}")
                location = response.get_redirect_location()
                if not location:
                    yield response
                    return
            finally:
                response.close()
        target = _redirected(url, target, location)
    raise RunError(f"{url}: redirects more than {MAX_REDIRECTS} times; name the address it leads to")


def _request(pools: urllib3.PoolManager, target: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    return pools.request(
        "GET", target, headers=headers, redirect=False, preload_content=False, decode_content=False,
        timeout=TIMEOUT, retries=_Retry(
            total=TRIES, other=1, redirect=False, status_forcelist=(429, 500, 502, 503, 504),
            backoff_factor=BACKOFF_SECONDS, raise_on_status=False,
        ),
    )  # fmt: skip


def _problem(error: BaseException | None, proxy: Proxy | None, host: str) -> str:
    """Return what is wrong with a connection; without the address, which after a redirect may be a secret."""
    if proxy and (status := _tunnel_status(error)):
        return proxy.refusal(status, host)
    if proxy and isinstance(error, ProxyError):
        return proxy.unreachable(host, _fault(error.original_error))
    fault = _fault(error)
    if isinstance(error, NameResolutionError):
        return f"{fault}; check the address and the network"
    if isinstance(error, SSLError):
        # Proxies that look inside TLS sign with a certificate of their own.
        return fault + ("; if the proxy has a certificate of its own, set SSL_CERT_FILE to it" if proxy else "")
    if isinstance(error, HttpTimeout) and not isinstance(error, NewConnectionError):
        return f"{fault}; try later"
    return f"{fault}; check the address and the network"


def _fault(error: BaseException | None) -> str:
    if isinstance(error, NameResolutionError):
        return "its host name is not known here"
    if isinstance(error, SSLError | ssl.SSLError):
        return f"no trusted TLS connection: {' '.join(str(error).split())[:200]}"
    if isinstance(error, HttpTimeout) and not isinstance(error, NewConnectionError):
        return f"no answer in time, tried {TRIES + 1} times"
    return f"cannot be reached, tried {TRIES + 1} times ({type(error).__name__})"


def _tunnel_status(error: BaseException | None) -> int:
    """Return the status with which a proxy refused a tunnel to an https server; 0 where it did not."""
    found = re.search(r"Tunnel connection failed: ([0-9]{3})", str(error))
    return int(found[1]) if found else 0


def _redirected(url: str, target: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        RunError: to another scheme, or to an address with credentials. (To a private one: when it is connected to.)
    """
    try:
        found = urljoin(target, location)
        parts = urlsplit(found)
        _origin(found)
    except ValueError:
        raise RunError(f"{url}: redirects to what is no address") from None
    if parts.scheme != urlsplit(url).scheme:
        raise RunError(f"{url}: redirects from {urlsplit(url).scheme} to {parts.scheme[:20]!r}, which is not followed")
    if not parts.hostname or parts.username is not None:
        raise RunError(f"{url}: redirects to an address without a host or with credentials, which is not followed")
    return found


def _elsewhere(url: str, target: str) -> str:
    return "" if _origin(url) == _origin(target) else f" (redirected to {urlsplit(target).hostname})"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _login(host: str) -> dict[str, str]:
    """Return the Authorization header that ~/.netrc (or $NETRC) has for a host; its `default` entry is for no host
    here.
    """
    name = os.environ.get("NETRC")
    try:
        found = netrc.netrc(name).hosts.get(host)
    except OSError:
        return {}
    except netrc.NetrcParseError as error:  # whose text may quote a password
        raise UsageError(f"{name or '~/.netrc'}: line {error.lineno or '?'} cannot be read; mend it") from None
    return urllib3.make_headers(basic_auth=f"{found[0]}:{found[2]}") if found else {}


class _Retry(urllib3.Retry):
    """Retries that honour Retry-After up to a limit, and do not ask a proxy again that has said no."""

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        """Return the seconds to wait, as the server asks."""
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, RETRY_AFTER_SECONDS)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: urllib3.connectionpool.ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """One try less, or the error."""
        if error and (status := _tunnel_status(error)):
            if status < 500 and status not in (408, 429):
                raise error
            error = ProtocolError("no tunnel", error)  # which is asked for as often as a server that is busy
        return super().increment(method, url, response, error, _pool, _stacktrace)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # reading the certificates takes longer than a request


def _pools(target: str, proxy: Proxy | None, *, trusted: bool) -> urllib3.PoolManager:
    """Connections to a target, which the user has named (then it is trusted) or a redirect has."""
    if proxy:
        if not trusted:
            check_name(urlsplit(target).hostname or "")
        return urllib3.ProxyManager(
            proxy.url, proxy_headers=proxy.headers, proxy_ssl_context=_tls(), ssl_context=_tls()
        )  # fmt: skip
    return urllib3.PoolManager(ssl_context=_tls()) if trusted else public_pools(ssl_context=_tls())


@contextlib.contextmanager
def _slot(host: str) -> Iterator[None]:
    """Wait for one of the connections that all processes of this user on this machine may have to a host.

    A slot is a lock on a file, which the system lets go when its holder dies.
    """
    folder = Path(tempfile.gettempdir()) / f"wikilm-connections-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise RunError(f"{folder}: belongs to somebody else; set TMPDIR to a folder of your own")
    with contextlib.ExitStack() as stack:
        while True:
            for number in range(CONNECTIONS):
                file = stack.enter_context((folder / f"{quote(host, safe='')}.{number}").open("ab"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    file.close()
                    continue
                yield
                return
            stack.close()
            time.sleep(SLOT_POLL_SECONDS)
