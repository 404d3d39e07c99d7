"""Runs the endpoint as a process of its own, and asks it for its counts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

CONTAINER = "bench"
_ROOT = Path(__file__).resolve().parents[1]


class Endpoint:
    """A running endpoint; `url` is the account's (`http://127.0.0.1:PORT/devstoreaccount1`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.port = parts.port or 80
        self._base = f"{parts.scheme}://{parts.netloc}"

    @property
    def container_url(self) -> str:
        """Where the tools are pointed at."""
        return f"{self.url}/{CONTAINER}"

    def empty(self) -> None:
        """Forget blobs and counts, and leave one empty container."""
        self._ask("POST", "/_clear")
        self._ask("PUT", f"/devstoreaccount1/{CONTAINER}?restype=container")
        self.reset()

    def reset(self) -> None:
        """Set the counts to zero; blobs stay."""
        self._ask("POST", "/_reset")

    def preload(self, **wanted: Any) -> None:
        """Put blobs there by `bench.endpoint.service.Service.preload`'s rules."""
        self._ask("POST", "/_preload", json.dumps({"container": CONTAINER, **wanted}).encode())

    def stats(self) -> dict[str, Any]:
        """Return the counts since the last reset."""
        found: dict[str, Any] = json.loads(self._ask("GET", "/_stats"))
        return found

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        with urlopen(Request(self._base + path, data=body, method=method), timeout=60) as answer:
            found: bytes = answer.read()
            return found


@contextmanager
def endpoint(*options: str) -> Iterator[Endpoint]:
    """Start an endpoint with these command-line options; it ends with the `with` block."""
    command = [sys.executable, "-m", "bench.endpoint", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        try:
            assert process.stdout is not None
            yield Endpoint(process.stdout.readline().strip())
        finally:
            process.terminate()
