"""Serve a folder by real HTTP on loopback, with ranges, ETags, listings, and any misbehavior that a test asks for."""

import contextlib
import hashlib
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Reply:
    """What is about to be sent; a test may change any of it."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: int | None = None  # break the connection off after so many bytes of the body


@dataclass
class Server:
    """The server as a test sees it."""

    url: str
    folder: Path
    change: Callable[[str, int, Reply], Reply | None] = lambda path, number, reply: reply
    seconds: float = 0.0  # each answer takes
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # path, headers
    sent: int = 0  # bytes of bodies
    open: int = 0
    most_open: int = 0  # connections at one time that waited for an answer
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paths(self) -> list[str]:
        """Paths asked for, in order."""
        return [path for path, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def setup(self) -> None:
        super().setup()
        self.waiting = True
        state = self.server.state
        with state.lock:
            state.open += 1
            state.most_open = max(state.most_open, state.open)

    def finish(self) -> None:
        self._answered()
        super().finish()

    def _answered(self) -> None:
        """Count the connection as gone: once the body is out, the client may open another before this end is done."""
        with self.server.state.lock:
            self.server.state.open -= self.waiting
        self.waiting = False

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        state = self.server.state
        with state.lock:
            number = sum(path == self.path for path in state.paths())
            state.requests.append((self.path, {key.title(): value for key, value in self.headers.items()}))
        time.sleep(state.seconds)
        reply = state.change(self.path, number, self._reply(state.folder))
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for key, value in {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}.items():
            self.send_header(key, value)
        self.end_headers()
        with state.lock:
            state.sent += len(reply.body)
        self._answered()
        self.wfile.write(reply.body[: reply.cut])
        if reply.cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def _reply(self, folder: Path) -> Reply:
        path = folder / self.path.partition("?")[0].lstrip("/")
        if path.is_dir() and self.path.endswith("/"):
            names = sorted(child.name + "/" * child.is_dir() for child in path.iterdir())
            rows = "".join(f'<a href="{name}">{name}</a> 2026\n' for name in ["../", *names])
            return Reply(200, {"Content-Type": "text/html"}, f"<html><pre>{rows}</pre></html>".encode())
        if not path.is_file():
            return Reply(404, {}, b"not here")
        data = path.read_bytes()
        headers = {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}
        if self.headers.get("If-Match", headers["ETag"]) != headers["ETag"]:
            return Reply(412, headers, b"")
        asked = re.fullmatch("bytes=([0-9]+)-([0-9]+)", self.headers.get("Range", ""))
        if not asked:
            return Reply(200, headers, data)
        start, stop = int(asked[1]), min(int(asked[2]) + 1, len(data))
        if start >= len(data):
            return Reply(416, headers | {"Content-Range": f"bytes */{len(data)}"}, b"")
        return Reply(206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}, data[start:stop])


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer, state: object) -> Iterator[None]:
    """Let a server answer in a thread of its own; its handlers find `state` there."""
    server.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def http_server(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve a folder on a port of its own, by https where there is a context for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state = Server(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", folder)
    with serving(server, state):
        yield state
