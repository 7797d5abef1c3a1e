"""Run the explorer on a thread of the tests, and ask it as its page does or as others would."""

import asyncio
import contextlib
import http.client
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from probes.explorer.library import Library
from probes.explorer.server import listen, running


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Explorer:
    """A running explorer."""

    port: int

    @property
    def address(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path, with its own Host unless another is given."""
        return self.request("GET", path, None, {"Host": f"127.0.0.1:{self.port}"} | _named(headers))

    def post(self, question: str, content: Any, **headers: str) -> Answer:
        """Ask a question as the page does; headers given replace its own, and None leaves one out."""
        own = {"Host": f"127.0.0.1:{self.port}", "Origin": self.address, "Content-Type": "application/json"}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.request("POST", f"/api/{question}", body, own | _named(headers))

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str | None]) -> Answer:
        """Send a request with these headers and no others."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextlib.contextmanager
def explorer_of(library: Library) -> Iterator[Explorer]:
    """Run the explorer of a library at any free port."""
    stop: queue.Queue[Callable[[], object]] = queue.Queue()

    async def run(listening: socket.socket) -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        async with running(library, listening):
            stop.put(lambda: loop.call_soon_threadsafe(stopped.set))
            await stopped.wait()

    with listen(0) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(run(listening)))
        thread.start()
        end = stop.get(timeout=60)
        try:
            yield Explorer(port)
        finally:
            end()
            thread.join(60)
