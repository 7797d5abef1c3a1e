"""Run a real forward proxy on loopback, for names that a test makes up: plain forwarding and CONNECT."""

import base64
import contextlib
import http.client
import select
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.helpers.http_server import serving

HOP_BY_HOP = {"connection", "proxy-authorization", "proxy-connection", "keep-alive", "transfer-encoding"}


@dataclass
class ForwardProxy:
    """The proxy as a test sees it."""

    port: int
    hosts: Mapping[str, str]  # what it takes a name for: 'dumps.example:80' -> '127.0.0.1:4711'; others as they are
    login: str | None = None  # USER:PASSWORD that it asks for
    answers: dict[str, int] = field(default_factory=dict)  # HOST:PORT -> the status that it answers by itself
    asked: list[tuple[str, str]] = field(default_factory=list)  # method, HOST:PORT
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, login: str = "") -> str:
        """Its address, with a login."""
        return f"http://{login}{'@' * bool(login)}127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        place = self._admitted(f"{parts.hostname}:{parts.port or 80}")
        if place is None:
            return
        connection = http.client.HTTPConnection(place, timeout=20)
        kept = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
        path = f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
        try:
            connection.request(self.command, path, headers=kept)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self._answer(502)
            return
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in HOP_BY_HOP:
                self.send_header(key, value)
        self._end(body)

    do_HEAD = do_PUT = do_POST = do_GET

    def do_CONNECT(self) -> None:
        place = self._admitted(self.path)
        if place is None:
            return
        host, _, port = place.rpartition(":")
        try:
            there = socket.create_connection((host, int(port)), timeout=20)
        except OSError:
            self._answer(502)
            return
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with there:
            _copy(self.connection, there)

    def _admitted(self, name: str) -> str | None:
        """Where to go for a name; None where the answer has been given."""
        state = self.server.state
        state.asked.append((self.command, name))
        state.headers.append({key.title(): value for key, value in self.headers.items()})
        if state.login is not None:
            wanted = "Basic " + base64.b64encode(state.login.encode()).decode()
            if self.headers.get("Proxy-Authorization") != wanted:
                self._answer(407)
                return None
        if status := state.answers.get(name):
            self._answer(status)
            return None
        return state.hosts.get(name, name)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status == 407:
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self._end(b"")

    def _end(self, body: bytes) -> None:
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


def _copy(here: socket.socket, there: socket.socket) -> None:
    """Carry bytes both ways until either end closes."""
    others = {here: there, there: here}
    while True:
        for ready in select.select([here, there], [], [])[0]:
            data = ready.recv(1 << 16)
            if not data:
                return
            others[ready].sendall(data)


@contextlib.contextmanager
def forward_proxy(hosts: Mapping[str, str] | None = None, login: str | None = None) -> Iterator[ForwardProxy]:
    """Run a proxy on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = ForwardProxy(server.server_port, hosts or {}, login)
    with serving(server, state):
        yield state
