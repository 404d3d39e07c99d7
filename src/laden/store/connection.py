"""One HTTP/1.1 connection: writes a request, reads its answer, and tells whether another may follow.

Order of an exchange: write the head and the body, large bodies a piece at a time as the host takes them and as the
cap allows; read the answer within its bounds, a body that somebody made room for straight into that room. There is no
limit for the whole of it. It is given up when too little
moved for a while: bytes that the other side acknowledged, where the system tells them, and bytes that came in. What is
given up is reset, so that the system does not go on sending it. Answers are parsed by httptools (llhttp, the parser
of Node.js). It opens nothing.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

from laden.store.cap import Throttle
from laden.store.sockets import acknowledged_bytes, is_silent, reset_on_close
from laden.store.trouble import HttpError, Trouble

_STALL_S = 90.0
_LEAST_MOVED_BYTES = 1024
"""What moves less than this in the time above is given up: a host that takes or gives a byte now and then, too."""

_LOOKS = 6
"""How often it is looked at meanwhile."""

_PIECE_BYTES = 256 << 10
"""Handed to the transport at once; TLS encrypts this much in one go."""

_FIRST_ROOM_BYTES = 32 << 10
_ROOM_BYTES = 256 << 10
"""What is received at once: at first, which is enough for most answers, and once a longer one is on its way."""

MOST_HEAD_BYTES = 64 << 10
_MOST_OTHER_BYTES = 64 << 10
"""Of an answer that is not the one that was hoped for: enough for a service's error, or to know a web page."""

_IDLE_S = 30.0
"""An idle connection is not used again after this; services and firewalls drop them after a minute or more."""

_ASK_AFTER_S = 1.0
"""After this the system is asked whether the host closed an idle connection; the loop may not have heard yet."""

Data = bytes | bytearray | memoryview
Sink = Callable[[bytes, asyncio.Transport], None]
"""Takes pieces of an answer's body as they come; may pause the transport, which is no stall then."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    """Names and values of the headers, as they came."""
    body: bytes
    """Empty where it went elsewhere."""
    filled_bytes: int = 0
    """Of the room that was made for the body."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case; of most answers nobody asks for them."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.fields}


_HEEDED_LENGTHS = frozenset(map(len, (b"content-length", b"transfer-encoding", b"keep-alive")))
"""Of the fields that are heeded here: most others are told by it alone, at a tenth of the cost."""


class Connection(asyncio.BufferedProtocol):
    """One connection, one request at a time. Its methods named `on_...` are called by the parser."""

    def __init__(self, opened: set[Connection], throttle: Throttle | None = None) -> None:
        self._usable = False
        self._used_s = 0.0
        self._idle_s = _IDLE_S
        self._left_uses = -1
        self._opened = opened
        self._throttle = throttle
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._fresh = True
        self._owing = False
        self._paused = False
        self._gate: asyncio.TimerHandle | None = None
        self._rest = memoryview(b"")
        self._handed_bytes = self._received_bytes = self._head_bytes = self._body_bytes = 0
        self._room = memoryview(b"")
        self._into: memoryview | None = None
        self._direct_bytes: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._usable = False
        self._opened.discard(self)
        self._fail(Trouble.BROKEN if self._fresh or self._head_bytes else Trouble.STALE)

    async def secure(self, tls: ssl.SSLContext, name: str) -> None:
        """Speak TLS from here on, as with a host beyond a proxy."""
        assert self._transport is not None
        secured = await asyncio.get_running_loop().start_tls(self._transport, self, tls, server_hostname=name)
        assert secured is not None
        self.connection_made(secured)

    @property
    def usable(self) -> bool:
        """Whether another request may follow, as far as is known without asking anybody."""
        return self._usable and self._transport is not None and not self._transport.is_closing()

    def still_usable(self) -> bool:
        """Whether it can be used after having been idle."""
        idle_s = asyncio.get_running_loop().time() - self._used_s
        if not self.usable or idle_s >= self._idle_s:
            return False
        assert self._transport is not None
        return idle_s < _ASK_AFTER_S or is_silent(self._transport)

    async def exchange(
        self,
        method: str,
        head: bytes,
        body: Data,
        most_bytes: int,
        *,
        only: int | None = None,
        sink: Sink | None = None,
        into: memoryview | None = None,
    ) -> Answer:
        """Write a request, and read its answer; arguments as `HttpClient.request`. Raises `HttpError`."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._method = method
        self._most_bytes = most_bytes
        self._only = only
        self._wished = sink
        self._sink: Sink | None = None
        self._wished_into = into
        self._into = None
        self._status = self._head_bytes = self._body_bytes = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._sized = False
        self._length_bytes: int | None = None
        self._direct_bytes = None
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = loop.create_future()
        self._usable = False
        self._owing = True
        self._marked_bytes = -1
        self._still = 0
        self._timer = loop.call_later(_STALL_S / _LOOKS, self._look)
        try:
            self._begin(head, body)
            return await self._waiter
        finally:
            self._timer.cancel()
            if self._gate is not None:
                self._gate.cancel()
                self._gate = None
            self._rest = memoryview(b"")
            self._into = self._wished_into = None
            self._direct_bytes = None
            self._waiter = None
            self._fresh = False
            self._used_s = loop.time()

    def _begin(self, head: bytes, body: Data) -> None:
        self._write(head)
        if self._throttle is None and len(body) <= _PIECE_BYTES:
            if len(body):
                self._write(body)
            return
        if self._throttle is not None:
            # Counted, and not kept waiting: it is small.
            self._throttle.wait_s(len(head))
        self._rest = memoryview(body)
        self._write_on()

    def _write(self, data: Data) -> None:
        assert self._transport is not None
        self._handed_bytes += len(data)
        self._transport.write(data)

    def _write_on(self) -> None:
        """Write the rest of the body, as far as the host takes it and the cap allows."""
        self._gate = None
        while len(self._rest) and not self._paused:
            size_bytes = _PIECE_BYTES
            if self._throttle is not None:
                size_bytes = self._throttle.piece_bytes()
            piece = self._rest[:size_bytes]
            if self._throttle is not None and (wait_s := self._throttle.wait_s(len(piece))) > 0:
                self._gate = asyncio.get_running_loop().call_later(wait_s, self._write_piece, piece)
                return
            self._write_piece(piece, alone=False)

    def _write_piece(self, piece: memoryview, *, alone: bool = True) -> None:
        self._gate = None
        self._rest = self._rest[len(piece) :]
        self._write(piece)
        if alone:
            self._write_on()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._gate is None:
            self._write_on()

    @property
    def is_asking(self) -> bool:
        """Whether a request waits for its answer."""
        return self._transport is not None and self._waiter is not None and not self._waiter.done()

    @property
    def is_held(self) -> bool:
        """Whether it waits for the cap or for a sink, which no host can help."""
        assert self._transport is not None
        return self._gate is not None or (self._sink is not None and not self._transport.is_reading())

    def moved_bytes(self) -> int:
        """What has come in, and what the other side has taken, or at least the transport."""
        assert self._transport is not None
        acked = acknowledged_bytes(self._transport)
        return self._received_bytes + (self._handed_bytes if acked is None else acked)

    def _look(self) -> None:
        """Give up when too little has moved for too long; waiting for the cap or for a sink does not count."""
        loop = asyncio.get_running_loop()
        moved_bytes = self.moved_bytes()
        moved = moved_bytes - self._marked_bytes >= _LEAST_MOVED_BYTES
        if moved or self._marked_bytes < 0 or self.is_held:
            self._marked_bytes, self._still = moved_bytes, 0
        else:
            # Looks are counted, not seconds: a process that was suspended, or kept waiting, sees what came meanwhile.
            self._still += 1
        if self._still >= _LOOKS:
            self._fail(Trouble.TIMEOUT)
            return
        self._timer = loop.call_later(_STALL_S / _LOOKS, self._look)

    def abort(self) -> None:
        """Close without waiting; what is still owed of a request is dropped, also what the system was to send."""
        self._usable = False
        self._opened.discard(self)
        if self._transport is not None:
            if self._owing:
                reset_on_close(self._transport)
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: to their place, or before the parser."""
        if self._into is not None and self._direct_bytes is not None and self._body_bytes < self._direct_bytes:
            return self._into[self._body_bytes : self._direct_bytes]
        wanted_bytes = _ROOM_BYTES if self._body_bytes else _FIRST_ROOM_BYTES
        if len(self._room) < wanted_bytes:
            self._room = memoryview(bytearray(wanted_bytes))
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        if self._waiter is None or self._waiter.done():
            # A word nobody asked for: whatever it means, it belongs to no request of ours.
            self.abort()
            return
        self._received_bytes += nbytes
        if self._direct_bytes is not None:
            self._body_bytes += nbytes
            if self._body_bytes == self._direct_bytes:
                self._complete()
            return
        if not self._status:
            self._head_bytes += nbytes
        try:
            self._parser.feed_data(self._room[:nbytes])
        except httptools.HttpParserError:
            if not (self._waiter.done() and self._method in ("HEAD", "CONNECT")):
                self._fail(Trouble.GARBLED)
        if self._head_bytes > MOST_HEAD_BYTES and not self._status:
            self._fail(Trouble.TOO_LONG)
        if self._into is not None and self._length_bytes is not None and not self._waiter.done():
            # The parser would copy each piece; it has told how many bytes belong to this answer.
            self._direct_bytes = self._length_bytes

    def eof_received(self) -> bool | None:
        """An answer without length ends with the connection (RFC 9112, section 6.3)."""
        if self._status and not self._sized:
            self._finish(usable=False)
        return None

    def on_message_begin(self) -> None:
        # A second answer to one request: the two must not be taken for each other.
        if self._waiter is not None and self._waiter.done():
            self._usable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))
        if len(name) not in _HEEDED_LENGTHS:
            return
        match name.lower():
            case b"content-length":
                # The parser lets none pass that is no number, or stands beside another or a coding.
                self._sized, self._length_bytes = True, int(value)
            case b"transfer-encoding":
                self._sized = True
            case b"keep-alive":
                self._heed(value)

    def _heed(self, keep_alive: bytes) -> None:
        """How long, and how often, the host lets a connection be used again (`Keep-Alive: timeout=5, max=100`)."""
        said = dict(re.findall(rb"(timeout|max)\s*=\s*\"?(\d{1,6})", keep_alive.lower()))
        if b"timeout" in said:
            # A second for the way there.
            self._idle_s = min(_IDLE_S, max(int(said[b"timeout"]) - 1.0, 0.0))
        if b"max" in said:
            self._left_uses = int(said[b"max"])

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._only is not None and self._status != self._only:
            self._most_bytes = min(self._most_bytes, _MOST_OTHER_BYTES)
        else:
            self._sink, self._into = self._wished, self._wished_into
            if self._into is not None and (self._length_bytes or 0) > len(self._into):
                self._fail(Trouble.TOO_LONG)
        if self._method in ("HEAD", "CONNECT") and not self._is_interim():
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        start_bytes, self._body_bytes = self._body_bytes, self._body_bytes + len(body)
        if self._body_bytes > (self._most_bytes if self._into is None else len(self._into)):
            self._fail(Trouble.TOO_LONG)
        elif self._into is not None:
            self._into[start_bytes : self._body_bytes] = body
        elif self._sink is not None and self._transport is not None:
            self._sink(body, self._transport)
        else:
            self._parts.append(body)

    def _is_interim(self) -> bool:
        """Whether another answer follows (RFC 9110, section 15.2); but for 101, which nobody asked for."""
        return 100 <= self._status < 200 and self._status != 101

    def on_message_complete(self) -> None:
        if self._is_interim():
            self._status = 0
            self._fields.clear()
            self._sized, self._length_bytes = False, None
            return
        self._complete()

    def _complete(self) -> None:
        assert self._transport is not None
        # An answer that came before the whole body was written leaves the rest of the body in the way.
        self._owing = len(self._rest) > 0 or self._transport.get_write_buffer_size() > 0
        self._finish(usable=self._parser.should_keep_alive() and not self._owing and self._left_uses != 0)

    def _finish(self, *, usable: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._usable = usable
            self._waiter.set_result(self._answer())

    def _answer(self) -> Answer:
        filled_bytes = self._body_bytes if self._into is not None else 0
        return Answer(self._status, tuple(self._fields), b"".join(self._parts), filled_bytes)

    def _fail(self, trouble: Trouble) -> None:
        if self._waiter is not None and not self._waiter.done():
            error = HttpError(trouble)
            if self._status and not self._is_interim():
                error.partial = self._answer()
            self._waiter.set_exception(error)
