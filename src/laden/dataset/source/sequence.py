"""Reads members out of gzip data, which can only be read in order, for threads that ask in almost that order.

Each archive has cursors, of which each inflates in one direction. A thread that asks for bytes ahead of a cursor
moves it on; what is passed over is kept for a while, because the threads that read the neighbours ask for it next. Of
threads that wait for a cursor, the one that asks for the earliest bytes comes first. Bytes that no cursor can give any
more (of an attempt that is repeated, of a large member read in pieces while others go on) get a cursor of their own,
which starts at the beginning. So order costs time, never correctness, and nobody waits for more than the cursor.

Checksums are the caller's matter (`laden.dataset.source.reader`).
"""

from __future__ import annotations

import threading
from bisect import insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from laden.dataset.source.gzips import BrokenGzip, Inflated
from laden.dataset.source.positional import ArchiveFile, Buffer
from laden.values.errors import MemberDamaged
from laden.values.records import Entry

_STASH_BYTES = 64 << 20
"""What a cursor keeps of what it passed over."""
_CURSORS = 4
"""Of all archives together; what they keep is the greater part of what reading takes of the memory."""
_PIECE_BYTES = 1 << 20


class Sequences:
    """The cursors of one reader, for many threads at once."""

    def __init__(self) -> None:
        self._cursors: list[_Cursor] = []
        """The oldest first."""
        self._lock = threading.Lock()

    def chunks(self, file: ArchiveFile, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        """Yield the member's bytes in buffers of `chunk_bytes`, the last one shorter; one empty buffer for none.

        Raises `MemberDamaged` with code `member-deflate` or `member-short`.
        """
        end_bytes = entry.offset_bytes + entry.size_bytes
        for at_bytes in range(entry.offset_bytes, max(end_bytes, entry.offset_bytes + 1), chunk_bytes):
            wanted_bytes = min(chunk_bytes, end_bytes - at_bytes)
            try:
                buffer = self._read(file, at_bytes, wanted_bytes) if wanted_bytes else b""
            except BrokenGzip as error:
                raise _damaged(entry, str(error), "member-deflate") from error
            if len(buffer) < wanted_bytes:
                raise _damaged(entry, "its gzip data end inside it", "member-short")
            yield buffer

    def close(self) -> None:
        """Let go of all cursors."""
        with self._lock:
            self._cursors.clear()

    def _read(self, file: ArchiveFile, at_bytes: int, count_bytes: int) -> Buffer:
        for cursor in self._candidates(file, at_bytes):
            buffer = cursor.read(at_bytes, count_bytes)
            if buffer is not None:
                return buffer
        raise AssertionError("a fresh cursor gives everything")

    def _candidates(self, file: ArchiveFile, at_bytes: int) -> Iterator[_Cursor]:
        """Cursors of this file: those beyond, which may have kept the bytes, the nearest before, a fresh one."""
        with self._lock:
            own = [cursor for cursor in self._cursors if cursor.file is file]
            before = [cursor for cursor in own if cursor.at_bytes <= at_bytes]
            beyond = [cursor for cursor in own if cursor.at_bytes > at_bytes]
        yield from beyond
        yield from sorted(before, key=lambda cursor: cursor.at_bytes)[-1:]
        yield self._fresh(file)

    def _fresh(self, file: ArchiveFile) -> _Cursor:
        cursor = _Cursor(file)
        with self._lock:
            self._cursors = [one for one in self._cursors if not one.dead]
            # Whoever still reads an older one holds it.
            del self._cursors[: max(0, len(self._cursors) + 1 - _CURSORS)]
            self._cursors.append(cursor)
        return cursor


class _Cursor:
    """A place in inflated data that only moves on, and what it passed over last."""

    def __init__(self, file: ArchiveFile) -> None:
        self.file = file
        self.dead = False
        """Whether nothing is to be had here any more."""
        self._tape = Inflated(file)
        self._passed: deque[tuple[int, bytes]] = deque()
        """Offset and bytes, in order; between them lie those that were given out."""
        self._passed_bytes = 0
        self._broken: BrokenGzip | None = None
        self._turn = _Turn()

    @property
    def at_bytes(self) -> int:
        """How far it came."""
        return self._tape.offset_bytes

    def read(self, at_bytes: int, count_bytes: int) -> Buffer | None:
        """So many bytes from there on, fewer only where the data end; None where they are gone.

        Raises OSError, and `BrokenGzip`: again and again once it was.
        """
        with self._turn.of(at_bytes):
            if self.dead or at_bytes < self.at_bytes:
                return self._kept(at_bytes, count_bytes)
            if self._broken is not None:
                raise self._broken
            try:
                self._pass(at_bytes - self.at_bytes)
                return self._tape.read(count_bytes)
            except BrokenGzip as error:
                self._broken = error
                raise
            except BaseException:
                # Nobody knows how far the library came: what it gave from here on might be other bytes.
                self.dead = True
                raise

    def _pass(self, distance_bytes: int) -> None:
        while distance_bytes and (piece := self._tape.read(min(distance_bytes, _PIECE_BYTES))):
            self._passed.append((self.at_bytes - len(piece), piece))
            self._passed_bytes += len(piece)
            distance_bytes -= len(piece)
            while self._passed_bytes > _STASH_BYTES:
                self._passed_bytes -= len(self._passed.popleft()[1])

    def _kept(self, at_bytes: int, count_bytes: int) -> Buffer | None:
        parts: list[Buffer] = []
        next_bytes, end_bytes = at_bytes, at_bytes + count_bytes
        for start_bytes, piece in self._passed:
            if start_bytes <= next_bytes < min(end_bytes, start_bytes + len(piece)):
                part = memoryview(piece)[next_bytes - start_bytes : end_bytes - start_bytes]
                parts.append(part)
                next_bytes += len(part)
        return b"".join(parts) if next_bytes == end_bytes else None


class _Turn:
    """A lock that goes to whoever asks for the earliest bytes."""

    def __init__(self) -> None:
        self._freed = threading.Condition()
        self._taken = False
        self._waiting: list[int] = []

    @contextmanager
    def of(self, at_bytes: int) -> Iterator[None]:
        with self._freed:
            insort(self._waiting, at_bytes)
            self._freed.wait_for(lambda: not self._taken and self._waiting[0] == at_bytes)
            self._waiting.remove(at_bytes)
            self._taken = True
        try:
            yield
        finally:
            with self._freed:
                self._taken = False
                self._freed.notify_all()


def _damaged(entry: Entry, reason: str, code: str) -> MemberDamaged:
    message = f"{entry.place} is damaged: {reason}, though it was whole before; download {entry.archive} again."
    return MemberDamaged(message, code)
