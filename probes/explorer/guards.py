"""Refuse requests that do not come from the page itself, and let the page load nothing from elsewhere.

Any web site that a browser has open may send requests to the loopback: by its address, or by a name of its own that
leads there (DNS rebinding). The first shows in Origin and Sec-Fetch-Site, the second in Host.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Server": "wikilm",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal(request: web.Request, port: int) -> tuple[int, str] | None:
    """Return why a request is refused, with its HTTP status; None where it comes from the page.

    Args:
        request: any.
        port: that the page is served at.
    """
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost")]
    hosts += ["127.0.0.1", "localhost"] if port == 80 else []  # browsers leave this port out
    if request.headers.getall("Host", []) not in [[host] for host in hosts]:
        return 400, f"this page is served at http://{hosts[0]}/ alone"
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none") and _asks(request):
        return 403, "only the page itself may ask"
    if request.method in ("GET", "HEAD"):
        return None
    if request.headers.getall("Origin", []) not in [[f"http://{host}"] for host in hosts]:
        return 403, "only the page itself may ask: the header Origin must be its address"
    if request.content_type != "application/json":
        return 415, "questions are JSON: the header Content-Type must be application/json"
    return None


def _asks(request: web.Request) -> bool:
    """Whether a request is more than a visit to the page, by a link that stands anywhere."""
    return request.path != "/" or request.method not in ("GET", "HEAD")


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every answer."""
    response.headers.update(HEADERS)
