"""Serve the page and its questions on the loopback until Ctrl-C."""

import asyncio
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from aiohttp import web

from probes.explorer.answers import ANSWERS, about
from probes.explorer.guards import Handler, add_headers, refusal
from probes.explorer.library import Library
from probes.explorer.questions import MAX_BYTES, Question, parse
from probes.output import json_text
from wikilm.errors import RunError, UsageError, reason
from wikilm.terminal import visible

ADDRESS = "127.0.0.1"
PAGE = {  # what is served: its package, its file, its type
    "/": ("probes.explorer", "page/index.html", "text/html"),
    "/explorer.css": ("probes.explorer", "page/explorer.css", "text/css"),
    "/icon.svg": ("probes.explorer", "page/icon.svg", "image/svg+xml"),
    "/report.css": ("probes.report", "templates/style.css", "text/css"),  # one look for both pages
} | {
    f"/{name}.js": ("probes.explorer", f"page/{name}.js", "text/javascript")
    for name in ("explorer", "pieces", "blanks", "writing", "places")
}
# How the errors of the command line name what the page has fields for.
FIELDS = {"--text: ": "", "--prompt ": "the text ", "--max-new-tokens ": "new tokens: "}


def listen(port: int) -> socket.socket:
    """Take a port of the loopback; 0 takes any that is free.

    Raises:
        UsageError: it is no port.
        RunError: another program has it.
    """
    if not 0 <= port < 2**16:
        raise UsageError(f"--port {port}: must be from 0 to {2**16 - 1}")
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise RunError(f"--port {port}: {why}; give another, or --port 0 for any that is free") from None


def serve(library: Library, listening: socket.socket, ready: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        library: what may be asked.
        listening: from `listen`; closed at the end.
        ready: called with the address of the page once it answers.
    """
    asyncio.run(_serve(library, listening, ready))


async def _serve(library: Library, listening: socket.socket, ready: Callable[[str], object]) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    async with running(library, listening) as address:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        ready(address)
        await stopped.wait()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)  # a second Ctrl-C does not wait for a model that still computes


@asynccontextmanager
async def running(library: Library, listening: socket.socket) -> AsyncIterator[str]:
    """Serve while the context lasts, and give the address of the page."""
    port = listening.getsockname()[1]
    runner = web.AppRunner(application(library, port), access_log=None, logger=_quiet(), shutdown_timeout=2.0)
    try:
        await runner.setup()
        await web.SockSite(runner, listening).start()
        yield f"http://{ADDRESS}:{port}/"
    finally:
        await runner.cleanup()


def _quiet() -> logging.Logger:
    """Return a log for aiohttp that keeps what is no HTTP at all from the terminal: it is answered by 400."""
    logger = logging.getLogger(__name__)
    logger.setLevel(logging.CRITICAL)
    return logger


def application(library: Library, port: int) -> web.Application:
    """Return the page and its questions as an application of aiohttp."""
    app = web.Application(middlewares=[_guard(port)], client_max_size=MAX_BYTES)
    app.on_response_prepare.append(add_headers)
    for path, (package, file, media) in PAGE.items():
        app.router.add_get(path, _file(files(package).joinpath(file).read_bytes(), media))
    app.router.add_get("/api/about", _about(json_text(about(library))))
    locks = [asyncio.Lock() for _ in library.models]  # a model answers one question at a time
    for name, (kind, answer) in ANSWERS.items():
        app.router.add_post(f"/api/{name}", _question(library, locks, kind, answer))
    return app


def _file(content: bytes, media: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=media, charset="utf-8")

    return handler


def _about(content: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return _json(content)

    return handler


def _question(
    library: Library, locks: list[asyncio.Lock], kind: type[Question], answer: Callable[[Library, Any], object]
) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        question = parse(kind, await request.read())
        library.model(question.model)
        async with locks[question.model]:
            return _json(await asyncio.to_thread(lambda: json_text(answer(library, question))))

    return handler


def _json(content: str, status: int = 200) -> web.Response:
    return web.Response(text=content, status=status, content_type="application/json")


def _guard(port: int) -> Any:
    """Let through what comes from the page, and turn every error into one line of JSON."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = refusal(request, port)
        if refused is not None:
            return _error(*refused)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        except UsageError as error:
            return _error(422, _as_shown(error))
        except RunError as error:
            return _error(500, _as_shown(error))
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            print(visible(trace, keep="\n"), file=sys.stderr)
            return _error(500, "a fault of this program: the terminal shows where")

    return guard


def _error(status: int, line: str) -> web.Response:
    return _json(json_text({"error": line}), status)


def _as_shown(error: RunError) -> str:
    line = reason(error)
    for flag, field in FIELDS.items():
        line = line.replace(flag, field)
    return line
