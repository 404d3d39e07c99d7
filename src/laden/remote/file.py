"""A file on another machine, read by position from many threads at once: an `ArchiveFile` over ranged requests.

Opening it asks for its first bytes, with GET (links that are signed for GET refuse HEAD), and pins it to the content
that they are of (`pinned`). What is going to be read is told with `expect`, and is fetched ahead, neighbours in one
request (`shelf`); what nobody told is fetched when it is asked for. It knows nothing of what the bytes are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from laden.remote.answers import Said, Version
from laden.remote.clouds import CloudObject
from laden.remote.location import Location, as_source_error
from laden.remote.pinned import NoRanges, Pinned, pin
from laden.remote.shelf import PIECE_BYTES, Ahead, Piece, Shelf, joined
from laden.remote.wire import Wire
from laden.values.errors import StoreError

__all__ = ["NoRanges", "RemoteFile", "open_file"]

_TAIL_BYTES = 256 << 10
"""Where the end is asked for, so much of it: a zip's directory of some two thousand members is in it."""


class RemoteFile:
    """One file at one version. See `laden.dataset.source.positional.ArchiveFile` for the contract of its reads.

    Reads raise SourceError: `archive-changed`, or what keeps the bytes from coming (`source-unreadable`,
    `source-refused`, `source-no-ranges`); and Interrupted where the wire was closed.
    """

    def __init__(self, wire: Wire, pinned: Pinned | CloudObject, head: bytes, ahead: Ahead | None = None) -> None:
        """See `open_file`, which makes one."""
        self.size_bytes = pinned.version.size_bytes
        self.stamp: tuple[int, ...] = stamp_of(pinned.version)
        self.raw_names: dict[int, bytes] | None = None
        self._wire = wire
        self._pinned = pinned
        self._ahead = ahead or Ahead()
        self._lock = self._ahead.lock
        self._shelf = Shelf(self.size_bytes)
        self._kept = [(0, head)]
        """The file's first bytes, and those of its end once it was asked for: both are asked for several times."""

    @property
    def name(self) -> str:
        """What messages call it: as its host does, or its link."""
        return self._pinned.name

    @property
    def address(self) -> str:
        """Where it lies, without secrets."""
        return self._pinned.address

    @property
    def version(self) -> Version:
        """The content that it is pinned to."""
        return self._pinned.version

    @property
    def said(self) -> tuple[Said, ...]:
        """What its host says of the whole file's bytes, as far as it has answered."""
        return self._pinned.said

    @property
    def read_bytes(self) -> int:
        """Fetched so far."""
        return self._pinned.read_bytes

    @property
    def mtime_ns(self) -> int:
        return self.version.mtime_ns

    def changed(self) -> bool:
        return self._pinned.changed

    def close(self) -> None:
        """Let go of all that was fetched; it can be read on."""
        with self._lock:
            for piece in list(self._shelf):
                self._forget(piece)
            self._ahead.fill()
            del self._kept[1:]

    def begin(self, start: int, size_bytes: int) -> Future[bytes]:
        """Begin to fetch exactly these bytes, beside all that is told and kept; `Wire.wait` gives them."""
        return self._wire.begin(self._pinned.range(start, size_bytes))

    def expect(self, spans: Iterable[tuple[int, int]]) -> None:
        """Say which bytes (start, end) are going to be read, in this order; they are fetched ahead."""
        inside = ((start, min(end, self.size_bytes)) for start, end in spans if start < self.size_bytes)
        with self._lock:
            pieces = list(joined(inside, self._ahead.limits))
            for piece in pieces:
                self._shelf.put(piece)
            self._ahead.tell(self._begin, pieces)

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        end = min(offset_bytes + count_bytes, self.size_bytes)
        if end <= offset_bytes:
            return b""
        for start, data in self._kept:
            if start <= offset_bytes and end <= start + len(data):
                return data[offset_bytes - start : end - start]
        if end == self.size_bytes and end - offset_bytes < _TAIL_BYTES and not self._is_coming(offset_bytes):
            # Who reads a bit of the end wants more of it next.
            start = max(0, end - _TAIL_BYTES)
            data = self._read(start, end)
            self._kept.append((start, data))
            return data[offset_bytes - end :]
        return self._read(offset_bytes, end)

    def _is_coming(self, place: int) -> bool:
        with self._lock:
            return self._shelf.at(place) is not None

    def _read(self, start: int, end: int) -> bytes:
        with self._lock:
            pieces = self._pieces(start, end)
        try:
            parts = [self._part(piece, start, end) for piece in pieces]
        finally:
            with self._lock:
                self._let_go(pieces, start, end)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _pieces(self, start: int, end: int) -> list[Piece]:
        """The pieces that hold these bytes, all of them begun."""
        found: list[Piece] = []
        at, told = start, True
        while at < end:
            piece = self._shelf.at(at)
            if piece is None:
                stop = min(end, self._shelf.next_start(at), at + PIECE_BYTES)
                piece = Piece(at, stop, stop - at)
                self._shelf.put(piece)
                told = False
            told &= not piece.in_order
            self._begin(piece)
            found.append(piece)
            at = piece.end
        if not told:
            for piece in self._shelf.passed(start):
                self._forget(piece)
            for piece in self._shelf.ahead(start, end):
                self._shelf.put(piece)
                self._begin(piece)
        return found

    def _begin(self, piece: Piece) -> None:
        if piece.data is None:
            self._ahead.taken(piece)
            piece.data = self._wire.begin(self._pinned.range(piece.start, piece.size_bytes))

    def _part(self, piece: Piece, start: int, end: int) -> bytes:
        assert piece.data is not None
        try:
            data = self._wire.wait(piece.data)
        except StoreError as error:
            raise as_source_error(error, self.name) from None
        first, last = max(start, piece.start), min(end, piece.end)
        return data if last - first == len(data) else data[first - piece.start : last - piece.start]

    def _let_go(self, pieces: list[Piece], start: int, end: int) -> None:
        for piece in pieces:
            piece.wanted_bytes -= min(end, piece.end) - max(start, piece.start)
            data = piece.data
            failed = data is not None and data.done() and (data.cancelled() or data.exception() is not None)
            if piece.wanted_bytes <= 0 or failed:
                self._forget(piece)
        self._ahead.fill()

    def _forget(self, piece: Piece) -> None:
        if self._shelf.drop(piece):
            piece.let_go = True
            if piece.data is not None:
                self._ahead.gone(piece)


def open_file(
    wire: Wire, location: Location, name: str = "", tell: Callable[[str], None] = lambda _: None
) -> RemoteFile:
    """Ask for a file's first bytes, and pin it to the content that they are of.

    Args:
        wire: that requests go through.
        location: where it is to be had.
        name: what messages call it; empty for what the host calls it, or its link.
        tell: told, once, what is odd about its host; in the wire's thread.

    Raises:
        SourceError: it cannot be had; `NoRanges` where the host gives it whole only.
        Interrupted: the wire was closed.
    """
    try:
        pinned, head = wire.run(pin(wire, location, name, tell))
    except StoreError as error:
        raise as_source_error(error, name or location.start.address) from None
    return RemoteFile(wire, pinned, head)


def stamp_of(version: Version) -> tuple[int, ...]:
    """A version as numbers of 63 bits, as archives' stamps are."""
    digest = hashlib.blake2b(version.validator.encode(), digest_size=8).digest()
    return version.size_bytes, version.mtime_ns, int.from_bytes(digest, "big") >> 1
