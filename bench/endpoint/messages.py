"""HTTP messages of the endpoint: a request as bytes, and the bytes of a response."""

from __future__ import annotations

from email.utils import formatdate
from time import time
from typing import NamedTuple

_FIXED = (
    b"x-ms-version: 2026-02-06\r\nServer: bench-endpoint\r\nx-ms-request-id: 00000000-0000-0000-0000-000000000000\r\n"
)
KEPT = (b"/_laden/", b".csv")
"""Bodies of blobs with such names are kept, as the next run reads them back."""
_REASONS = {
    200: b"OK",
    201: b"Created",
    202: b"Accepted",
    206: b"Partial Content",
    400: b"Bad Request",
    404: b"Not Found",
    409: b"Conflict",
    412: b"Precondition Failed",
    501: b"Not Implemented",
    503: b"Server Busy",
}


class Request(NamedTuple):
    """A request whose body has arrived."""

    method: bytes
    path: bytes
    query: bytes
    head: bytes
    """The request line and headers as they came, without the final empty line."""
    lower: bytes
    """The same in lower case, to find header names in."""
    body_bytes: int = 0
    body: bytes = b""
    """Kept where `keeps_body` said so; empty otherwise."""
    md5: str = ""
    """Base64 of what arrived, where it was computed."""

    def header(self, name: bytes) -> bytes:
        """Return a header's value, empty where it was not sent; `name` in lower case."""
        start = self.lower.find(b"\r\n" + name + b":")
        if start < 0:
            return b""
        start += len(name) + 3
        end = self.head.find(b"\r\n", start)
        return self.head[start : end if end >= 0 else None].strip()


def parse_head(head: bytes) -> Request:
    """Parse a head: request line and headers, without the empty line that ends it."""
    line, _, _ = head.partition(b"\r\n")
    method, target, _ = line.split(b" ", 2)
    path, _, query = target.partition(b"?")
    return Request(method, path, query, head, head.lower())


def keeps_body(request: Request) -> bool:
    """Whether the body is needed: block lists, what a loader notes for itself, the endpoint's own POSTs."""
    return request.method == b"POST" or b"comp=blocklist" in request.query or any(kept in request.path for kept in KEPT)


class Clock:
    """The time as `Date` and `Last-Modified` write it (RFC 9110, 5.6.7), formatted once a second."""

    def __init__(self) -> None:
        self._now_s = 0
        self._text = ""

    def __call__(self) -> str:
        """Return the time now."""
        now_s = int(time())
        if now_s != self._now_s:
            self._now_s, self._text = now_s, formatdate(now_s, usegmt=True)
        return self._text


clock = Clock()


def response(status: int, extra: str = "", body: bytes = b"", length: int | None = None) -> bytes:
    """Build a response; `extra` are header lines ending in CRLF, `length` a Content-Length without a body."""
    return b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\nDate: %s\r\n%s%s\r\n%s" % (
        status,
        _REASONS[status],
        len(body) if length is None else length,
        clock().encode(),
        _FIXED,
        extra.encode(),
        body,
    )


def error(status: int, code: str, method: bytes = b"", extra: str = "") -> bytes:
    """Build an error as the service does: `x-ms-error-code`, and the same in XML unless for HEAD."""
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    headers = f"{extra}x-ms-error-code: {code}\r\nContent-Type: application/xml\r\n"
    return response(status, headers, b"" if method == b"HEAD" else text.encode())
