"""Stand in for the model hub on loopback: answer what `huggingface_hub` asks of a hub, over real HTTP, from folders."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.helpers.http_server import serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    """A repository's description, its file list, and its files, whole or by range. Datasets are named datasets/NAME."""

    protocol_version = "HTTP/1.1"
    models: dict[str, Path]
    requests: list[str]

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.requests.append(f"{self.command} /{path}")
        if path.startswith("api/"):
            self._describe(path.removeprefix("api/").removeprefix("models/"))
        else:
            self._serve(path)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _describe(self, rest: str) -> None:
        for name, folder in self.models.items():
            if rest == name or rest.startswith((f"{name}/revision/", f"{name}/tree/")):
                inner = rest.removeprefix(f"{name}/tree/").partition("/")[2] if "/tree/" in rest else ""
                files = [path for path in sorted((folder / inner).rglob("*")) if path.is_file()]
                if "/revision/" in rest and rest.rpartition("/")[2] not in ("main", "v1", COMMIT):
                    self._refuse("RevisionNotFound")
                    return
                names = [path.relative_to(folder).as_posix() for path in files]
                if rest.startswith(f"{name}/tree/"):
                    answer: object = [
                        {"type": "file", "path": file, "size": path.stat().st_size, "oid": _etag(path)}
                        for file, path in zip(names, files, strict=True)
                    ]
                else:
                    siblings = [{"rfilename": file} for file in names]
                    answer = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": []}
                self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
                return
        self._refuse("RepoNotFound")

    def _serve(self, path: str) -> None:
        name, found, rest = path.partition("/resolve/")
        if not found or name not in self.models:
            self._refuse("RepoNotFound")
            return
        file = self.models[name] / rest.partition("/")[2]
        if not file.is_file() or ".." in rest:
            self._refuse("EntryNotFound")
            return
        headers = {"Content-Type": "application/octet-stream", "ETag": f'"{_etag(file)}"', "X-Repo-Commit": COMMIT}
        data, asked = file.read_bytes(), re.fullmatch("bytes=([0-9]+)-([0-9]+)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, data, headers)
            return
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self.requests.append(f"{last + 1 - first} bytes of {file.name}")
        self._answer(206, data[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"})

    def _refuse(self, code: str) -> None:
        # The real hub answers 401 for a repository that does not exist, as for a private one.
        status = 401 if code == "RepoNotFound" else 404
        self._answer(status, b'{"error":"not found"}', {"X-Error-Code": code, "Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@contextmanager
def hub_server(models: dict[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serve `models` (name on the hub -> folder) on loopback.

    Yields:
        The address for HF_ENDPOINT, and the list that every request is added to.
    """
    requests: list[str] = []
    handler = type("Handler", (_Handler,), {"models": models, "requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server, requests):
        yield f"http://127.0.0.1:{server.server_port}", requests


def hub_environment(address: str, home: Path) -> dict[str, str]:
    """What a subprocess needs in its environment to ask this hub and nothing else."""
    return {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
