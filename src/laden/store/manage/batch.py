"""Many requests in one: the body of "Blob Batch", and what its answer says of each (REST reference, "Blob Batch").

Bytes in, bytes out: nothing is sent here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MOST = 256
"""Requests in one batch."""
_BOUNDARY = "batch-of-laden"
CONTENT_TYPE = f"multipart/mixed; boundary={_BOUNDARY}"


class Part(NamedTuple):
    """What became of one request of a batch."""

    number: int
    """Its place in the batch, from 0."""
    status: int
    headers: dict[str, str]
    """Names in small letters."""
    body: bytes


def batch_body(targets: Sequence[str], headers: Mapping[str, str]) -> bytes:
    """The body of a batch of PUT requests without bodies.

    Args:
        targets: path and query of each, percent-encoded.
        headers: of all of them.
    """
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    parts = (
        f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {number}\r\n\r\nPUT {target} HTTP/1.1\r\n{fields}Content-Length: 0\r\n\r\n"
        for number, target in enumerate(targets)
    )
    return "".join((*parts, f"--{_BOUNDARY}--\r\n")).encode("ascii")


def batch_parts(content_type: str, body: bytes) -> list[Part]:
    """The answers in the answer to a batch; raises ValueError where it is no such thing, or is not whole."""
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if found is None:
        raise ValueError("no boundary")
    boundary = b"--" + found[1].encode("ascii")
    whole, end, _ = body.rpartition(boundary + b"--")
    if not end:
        raise ValueError("no end")
    return list(_parts(whole.split(boundary)[1:]))


def _parts(texts: Sequence[bytes]) -> Iterator[Part]:
    for text in texts:
        outer, _, inner = text.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
        head, _, body = inner.partition(b"\n\n")
        line, _, fields = head.decode("latin-1").partition("\n")
        status = re.match(r"HTTP/1\.\d (\d{3})", line)
        number = re.search(r"content-id: *(\d+)", outer.decode("latin-1"), re.IGNORECASE)
        if status is None:
            raise ValueError("no status line")
        pairs = (field.partition(":") for field in fields.split("\n") if field)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        # Of a batch that was refused whole, the one answer has no number.
        yield Part(int(number[1]) if number else -1, int(status[1]), headers, body.strip())
