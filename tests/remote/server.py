"""A server of ranges that behaves as it should, and in every way in which such servers are known not to.

It serves files by path over HTTP/1.1, notes every call, and asks a `play` for each request how to answer it. What it
does by default is what RFC 9110 says: ranges, `If-Match`, `If-Unmodified-Since`, strong ETags, `Last-Modified`.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Served:
    """A file; `data` may be anything that is sliced as bytes are."""

    data: Any
    modified_s: float = 1_600_000_000.0
    etag: str | None = None
    """None for one of the content; empty for none."""
    weak: bool = False

    @property
    def tag(self) -> str:
        if self.etag is not None:
            return self.etag
        plain = hashlib.sha256(bytes(self.data[:4096]) + str(len(self.data)).encode()).hexdigest()[:16]
        return f'W/"{plain}"' if self.weak else f'"{plain}"'

    @property
    def modified(self) -> str:
        return formatdate(self.modified_s, usegmt=True) if self.modified_s else ""


@dataclass(frozen=True)
class Play:
    """How one request is answered; the default is as it should be."""

    status: int = 0
    """Instead of the file."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    whole: bool = False
    """200 and everything, whatever range was asked for."""
    shift: int = 0
    """So many bytes beside the range, told in Content-Range or not."""
    told: bool = True
    total: int | None = None
    etag: str | None = None
    cut_at: int | None = None
    """The connection ends after so many bytes of the body."""
    stall_at: int | None = None
    """Nothing comes any more after so many bytes of the body, until the server ends."""
    packed: bool = False
    delay_s: float = 0.0
    unconditional: bool = False


@dataclass
class Call:
    """A request, and what was answered."""

    number: int
    method: str
    path: str
    range: tuple[int, int] | None
    headers: dict[str, str]
    status: int = 0
    sent_bytes: int = 0


@dataclass
class Server:
    """Runs while it is entered."""

    play: Callable[[Call], Play | None] = lambda _: None
    files: dict[str, Served] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    scheme: str = "http"

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.ending = threading.Event()

    def __enter__(self) -> Server:
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "https"

    def url(self, path: str = "") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{path}"

    def put(self, path: str, data: Any, **more: Any) -> str:
        self.files[path] = Served(data, **more)
        return self.url(path)

    def change(self, path: str, **more: Any) -> None:
        self.files[path] = replace(self.files[path], **more)

    def note(self, method: str, path: str, wanted: tuple[int, int] | None, headers: dict[str, str]) -> Call:
        with self._lock:
            call = Call(len(self.calls) + 1, method, path, wanted, headers)
            self.calls.append(call)
            return call

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path.partition("?")[0] == f"/{path}"]

    @property
    def sent_bytes(self) -> int:
        return sum(call.sent_bytes for call in self.calls)

    def bytes_of(self, path: str) -> list[int]:
        """How often each byte of a file was sent."""
        counts = [0] * len(self.files[path].data)
        for call in self.of(path):
            if call.status == 206 and call.range:
                for place in range(call.range[0], call.range[0] + call.sent_bytes):
                    counts[place] += 1
        return counts


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that goes away is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """A head and a small body are two packets: the second one would wait for the first one's acknowledgement."""
    owner: Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_PROPFIND(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.rfile.read(int(headers.get("content-length", 0)))
        match = _RANGE.fullmatch(headers.get("range", ""))
        wanted = (int(match[1]), int(match[2]) if match[2] else 1 << 60) if match else None
        call = self.owner.note(self.command, unquote(self.path), wanted, headers)
        play = self.owner.play(call) or Play()
        if play.delay_s:
            time.sleep(play.delay_s)
        with suppress(BrokenPipeError, ConnectionResetError):
            if play.status:
                self._send(call, play.status, dict(play.headers), play.body if body else b"", play)
            else:
                self._file(call, play)

    def _file(self, call: Call, play: Play) -> None:
        served = self.owner.files.get(call.path.partition("?")[0].lstrip("/"))
        if served is None:
            self._send(call, 404, {}, b"", play)
            return
        size = len(served.data)
        tag = served.tag if play.etag is None else play.etag
        headers = {"Last-Modified": served.modified, "ETag": tag, "Accept-Ranges": "bytes"}
        headers = {name: value for name, value in headers.items() if value} | dict(play.headers)
        if not play.unconditional and not _holds(call, served, tag):
            self._send(call, 412, headers, b"", play)
        elif call.range is None or play.whole:
            data = bytes(served.data[:])
            if play.packed:
                headers["Content-Encoding"], data = "gzip", gzip.compress(data)
            self._send(call, 200, headers, data, play)
        elif call.range[0] >= size:
            self._send(call, 416, headers | {"Content-Range": f"bytes */{size}"}, b"", play)
        else:
            first, last = call.range[0], min(call.range[1], size - 1)
            data = bytes(served.data[first + play.shift : last + 1 + play.shift])
            told = first + play.shift if play.told else first
            total = size if play.total is None else play.total
            headers["Content-Range"] = f"bytes {told}-{told + len(data) - 1}/{total}"
            if play.packed:
                headers["Content-Encoding"], data = "gzip", gzip.compress(data)
            self._send(call, 206, headers, data, play)

    def _send(self, call: Call, status: int, headers: dict[str, str], body: bytes, play: Play) -> None:
        call.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        whole = body
        for stop in (play.cut_at, play.stall_at):
            if stop is not None:
                body = whole[:stop]
        self.wfile.write(body)
        self.wfile.flush()
        call.sent_bytes = len(body)
        if play.stall_at is not None:
            self.owner.ending.wait()
        if play.cut_at is not None or play.stall_at is not None:
            self.close_connection = True


def _holds(call: Call, served: Served, tag: str) -> bool:
    if wanted := call.headers.get("if-match"):
        return wanted == tag and not tag.startswith("W/")
    if since := call.headers.get("if-unmodified-since"):
        return not served.modified_s or served.modified_s <= parsedate_to_datetime(since).timestamp()
    return True
