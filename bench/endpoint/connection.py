"""One client connection: reads a head, discards a body, answers, and starts again.

Heads are read into a small buffer that all connections share. Bodies are taken with `MSG_TRUNC`, which on a
TCP socket drops the bytes in the kernel without copying them (tcp(7)), so a gigabyte received costs almost
nothing here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from bench.endpoint.limits import Limits, Pace
from bench.endpoint.messages import Request, keeps_body, parse_head
from bench.endpoint.service import Service

HEAD_BYTES = 64 << 10
DISCARD_BYTES = 4 << 20
PACED_BYTES = 256 << 10
"""Largest take while a bandwidth cap is on, so that pauses stay short."""
LEAST_PACED_BYTES = 4 << 10
PACED_S = 0.05
"""A link that all connections share is shared fairly: each takes what it carries in this time, then others do."""
SLOW_BYTES_PER_S = 16_000_000
SLOW_BUFFER_BYTES = 64 << 10
"""The receive buffer on a link below that, so that what was sent is not far ahead of what arrived."""
SHORTEST_PAUSE_S = 0.001
"""The event loop's timers are no finer; a cap stays exact, as shorter debts add up to a pause."""
READS_PER_TURN = 16
"""After so many reads other connections get their turn."""
_head_view = memoryview(bytearray(HEAD_BYTES))
_discard_view = memoryview(bytearray(DISCARD_BYTES))


def _take_bytes(limits: Limits) -> int:
    if not limits.total_bytes_per_s:
        return PACED_BYTES
    return max(LEAST_PACED_BYTES, min(PACED_BYTES, int(limits.total_bytes_per_s * PACED_S)))


class Connection:
    """State of one accepted socket; every method runs on the event loop."""

    def __init__(self, sock: socket.socket, service: Service, loop: asyncio.AbstractEventLoop, total: Pace) -> None:
        limits = service.limits
        self._sock, self._service, self._loop = sock, service, loop
        self._paces = (Pace(limits.connection_bytes_per_s), total)
        self._paced = bool(limits.connection_bytes_per_s or limits.total_bytes_per_s)
        self._flags = 0 if limits.verify_md5 else socket.MSG_TRUNC
        self._most_bytes = _take_bytes(limits) if self._paced else DISCARD_BYTES
        self._pending = b""
        self._unsent = memoryview(b"")
        self._waiting = False
        self._reading = True
        self._closed = False
        self._request: Request | None = None
        self._left_bytes = 0
        self._cut_at_bytes = -1
        self._kept: list[bytes] | None = None
        self._hash: Any = None
        loop.add_reader(sock, self._on_readable)

    def close(self) -> None:
        """Close once, from whatever state."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()

    def _on_readable(self) -> None:
        if self._waiting:
            self._reading = False
            self._loop.remove_reader(self._sock)
            return
        try:
            for _ in range(READS_PER_TURN):
                if not self._read_some():
                    return
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def _read_some(self) -> bool:
        """One read; false where reading must pause (end of stream, a delay, or a cap)."""
        if self._request is None or self._kept is not None:
            count = self._sock.recv_into(_head_view)
            self._feed(self._pending + bytes(_head_view[:count]))
        else:
            count = self._sock.recv_into(_discard_view, min(self._left_bytes, self._most_bytes), self._flags)
            self._take(_discard_view[:count])
        if not count:
            self.close()
        return not (self._waiting or self._closed)

    def _feed(self, data: bytes) -> None:
        """Go on with bytes that were copied: heads, and the parts of bodies that came with them."""
        self._pending = b""
        while data and not self._closed:
            if self._waiting:
                self._pending = data
                return
            if self._request is None:
                end = data.find(b"\r\n\r\n")
                if end < 0:
                    self._pending = data
                    return
                self._begin(data[:end])
                data = data[end + 4 :]
            else:
                part, data = data[: self._left_bytes], data[self._left_bytes :]
                self._take(memoryview(part))

    def _begin(self, head: bytes) -> None:
        request = parse_head(head)
        size_bytes = int(request.header(b"content-length") or 0)
        self._request = request._replace(body_bytes=size_bytes)
        self._left_bytes = size_bytes
        self._kept = [] if size_bytes and keeps_body(request) else None
        is_blob_body = size_bytes > 0 and request.method == b"PUT" and b"comp=blocklist" not in request.query
        self._hash = hashlib.md5() if is_blob_body and self._service.limits.verify_md5 else None
        self._cut_at_bytes = size_bytes // 2 if is_blob_body and self._is_to_be_cut() else -1
        if b"\r\nexpect: 100-continue" in request.lower:
            self._sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not size_bytes:
            self._finish()

    def _is_to_be_cut(self) -> bool:
        every = self._service.limits.cut_every
        self._service.bodies += 1
        return (every > 0 and self._service.bodies % every == 0) or self._service.weather.cuts()

    def _take(self, part: memoryview) -> None:
        """Account for a part of the body that has arrived (its bytes are real only where they are needed)."""
        if self._hash is not None:
            self._hash.update(part)
        if self._kept is not None:
            self._kept.append(bytes(part))
        self._left_bytes -= len(part)
        self._service.counts["bytes_in"] += len(part)
        if self._left_bytes <= self._cut_at_bytes:
            self._cut()
            return
        pause_s = max(pace.take(len(part)) for pace in self._paces) if self._paced else 0.0
        if pause_s >= SHORTEST_PAUSE_S:
            self._wait(pause_s, self._after_pause)
        elif not self._left_bytes:
            self._finish()

    def _cut(self) -> None:
        self._service.counts["cut"] += 1
        # Linger of zero seconds: close() sends a reset instead of an orderly end.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        """Do nothing for this connection until `then`; what arrives meanwhile stays in the kernel."""

        def resume() -> None:
            self._waiting = False
            if self._closed:
                return
            then()
            if self._pending and not self._waiting:
                self._feed(self._pending)
            if not (self._reading or self._closed):
                self._reading = True
                self._loop.add_reader(self._sock, self._on_readable)

        self._waiting = True
        self._loop.call_later(seconds, resume)

    def _after_pause(self) -> None:
        if not self._left_bytes:
            self._finish()

    def _finish(self) -> None:
        latency_s = self._service.limits.latency_s
        if latency_s:
            self._wait(latency_s, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        assert self._request is not None
        body = b"".join(self._kept or ())
        md5 = base64.b64encode(self._hash.digest()).decode() if self._hash is not None else ""
        request = self._request._replace(body=body, md5=md5) if body or md5 else self._request
        self._request = self._kept = self._hash = None
        # What is still to be sent is never copied: an answer may be a large file.
        answer = self._service.answer(request)
        self._unsent = memoryview(bytes(self._unsent) + answer if self._unsent else answer)
        self._send()
        if self._unsent:
            self._loop.add_writer(self._sock, self._on_writable)

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = memoryview(b"")
            self.close()

    def _on_writable(self) -> None:
        self._send()
        if not (self._unsent or self._closed):
            self._loop.remove_writer(self._sock)
