"""All bytes of a file in order, in one answer: for hosts that give no ranges, and for what is small.

The answer passes from the wire's loop to the thread that reads it; where that is slower, the host is made to wait.
Nothing is tried again once bytes were given out: only the caller knows what to do with half a file.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from threading import Lock

from laden.remote.answers import Said, Version, digests_in, is_packed, whole_version
from laden.remote.location import Location, as_source_error
from laden.remote.wire import Wire
from laden.store.http import Answer
from laden.values.errors import SourceError, StoreError, TransientStoreError

_MOST_WAITING_BYTES = 16 << 20
_LOOK_S = 0.5


class _Passing:
    """Bytes on their way from the loop to a thread."""

    def __init__(self, wire: Wire) -> None:
        self.pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._wire = wire
        self._lock = Lock()
        self._waiting_bytes = 0
        self._held: asyncio.Transport | None = None
        self.began = False

    def take(self, data: bytes, transport: asyncio.Transport) -> None:
        """Called in the loop."""
        self.began = True
        with self._lock:
            self._waiting_bytes += len(data)
            if self._waiting_bytes > _MOST_WAITING_BYTES and self._held is None:
                self._held = transport
                transport.pause_reading()
        self.pieces.put(data)

    def given(self, ended: Callable[[], bool]) -> Iterator[bytes]:
        """What has come, in a thread, until nothing more comes."""
        while True:
            try:
                piece = self.pieces.get(timeout=_LOOK_S)
            except queue.Empty:
                if ended():
                    return
                continue
            if piece is None:
                return
            self._taken(piece)
            yield piece

    def _taken(self, data: bytes) -> None:
        with self._lock:
            self._waiting_bytes -= len(data)
            if self._held is None or self._waiting_bytes > _MOST_WAITING_BYTES // 2:
                return
            held, self._held = self._held, None
        self._wire.soon(lambda: None if held.is_closing() else held.resume_reading())


def pieces_of(
    wire: Wire,
    location: Location,
    most_bytes: int = 1 << 62,
    heard: Callable[[Version | None, tuple[Said, ...]], object] = lambda *_: None,
) -> Iterator[bytes]:
    """Yield a file's bytes as they come, to its end.

    Args:
        wire: that the request goes through.
        location: where it is to be had.
        most_bytes: that it may have.
        heard: told, at the end, which content it is, and what the host says of the whole file's bytes.

    Raises:
        SourceError: it broke off, is longer than that, or is a web page.
        Interrupted: the wire was closed.
    """
    passing = _Passing(wire)

    async def once() -> Answer:
        try:
            return await location.ask({}, most_bytes=most_bytes, only=200, sink=passing.take)
        except TransientStoreError as error:
            if passing.began:
                raise StoreError(f"{error}, before the file had ended") from None
            raise

    async def ask() -> Answer:
        try:
            return await wire.host(location.start).repeat(once)
        finally:
            passing.pieces.put(None)

    future = wire.begin(ask())
    try:
        yield from passing.given(future.done)
        answer = wire.wait(future)
    except StoreError as error:
        raise as_source_error(error, location.start.address) from None
    finally:
        future.cancel()
    if answer.status != 200:
        raise SourceError(f"{location.start} answered {answer.status}: check the link")
    if is_packed(answer.headers):
        raise SourceError(f"{location.start} comes packed on the way, though that was not wanted: it cannot be proved")
    heard(whole_version(answer.headers), digests_in(answer.headers, whole=True))
