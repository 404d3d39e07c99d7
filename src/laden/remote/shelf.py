"""Pieces of a remote file that were fetched, are being fetched or will be, and how readers find their bytes in them.

What will be read is told beforehand (`plan`): neighbours share a piece, so that a thousand small members take a few
requests. Pieces are fetched ahead in that order, as far as memory allows, and let go once all that was wanted of them
was read. What nobody told beforehand is fetched when it is asked for, exactly; and where reads follow each other, as
through a tar or gzip data, the next pieces are fetched ahead. Pure bookkeeping: nothing here knows of networks.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain, repeat

GAP_BYTES = 128 << 10
"""Neighbours that lie no further apart share a request: about what a link carries while a request goes to and fro."""
PIECE_BYTES = 8 << 20
"""Of a request at most: enough that its own time does not matter, little enough to be asked for once more."""
AHEAD_BYTES = 96 << 20
"""Fetched ahead and not read yet, of all files of a source."""
_STEPS = 4
"""Requests that begin together and are of one length end together, and leave the line to itself for a round trip."""
_AHEAD_PIECES = 4
_IN_ORDER = 2
"""Reads, each behind the one before it, after which the next ones are expected there too."""


@dataclass(eq=False, slots=True)
class Piece:
    """Bytes `start` to `end` of the file."""

    start: int
    end: int
    wanted_bytes: int
    """Of it that were told to be wanted and were not read yet."""
    in_order: bool = False
    """Whether nobody told of it beforehand: reads go on in order, and will come to it."""
    data: Future[bytes] | None = None
    """None until it is begun."""
    let_go: bool = False
    """Whether nobody wants it any more."""

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return self.end - self.start


def joined(spans: Iterable[tuple[int, int]], limits: Iterator[int] | None = None) -> Iterator[Piece]:
    """Pieces for spans (start, end) that are wanted, in the order in which they come.

    Spans are joined while each follows the one before within `GAP_BYTES` and all of them fit a piece; what is longer
    than a piece is cut.

    Args:
        spans: of a file.
        limits: how long each piece may be, in bytes; None for `PIECE_BYTES`.
    """
    limits = repeat(PIECE_BYTES) if limits is None else limits
    limit = 0
    piece: Piece | None = None
    for start, end in spans:
        at = start
        if piece is not None and piece.start <= at <= piece.end + GAP_BYTES and end - piece.start <= limit:
            piece.end = max(piece.end, end)
            piece.wanted_bytes += end - at
            continue
        if piece is not None:
            yield piece
            # What an earlier one holds already is not fetched twice.
            if piece.start <= at < piece.end:
                piece.wanted_bytes += min(end, piece.end) - at
                at = min(end, piece.end)
        limit = next(limits)
        while end - at > limit:
            yield Piece(at, at + limit, limit)
            at += limit
            limit = next(limits)
        piece = Piece(at, end, end - at)
    if piece is not None:
        yield piece


class Ahead:
    """What is fetched ahead of all files of a source together: in the order in which it was told, as far as it fits."""

    def __init__(self, most_bytes: int = AHEAD_BYTES) -> None:
        self.lock = threading.RLock()
        """Held by whoever touches this, or a shelf that belongs to it."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._told: deque[tuple[Callable[[Piece], None], Piece]] = deque()
        self.limits = chain((PIECE_BYTES * part // _STEPS for part in range(1, _STEPS)), repeat(PIECE_BYTES))
        """Of the pieces that are told: the first ones are shorter, each of another length."""

    def tell(self, begin: Callable[[Piece], None], pieces: Iterable[Piece]) -> None:
        """These will be wanted, behind all that was told before; `begin` fetches one."""
        self._told.extend((begin, piece) for piece in pieces)
        self.fill()

    def taken(self, piece: Piece) -> None:
        """A piece is being fetched."""
        self._bytes += piece.size_bytes

    def gone(self, piece: Piece) -> None:
        """A piece that was fetched is not kept any more."""
        self._bytes -= piece.size_bytes

    def fill(self) -> None:
        """Begin what was told to be wanted, as far as there is room."""
        while self._told:
            begin, piece = self._told[0]
            if not piece.let_go and piece.data is None:
                if self._bytes and self._bytes + piece.size_bytes > self._most_bytes:
                    return
                begin(piece)
            self._told.popleft()


class Shelf:
    """The pieces of one file, by place. Not for several threads at once: its user holds a lock."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._starts: list[int] = []
        self._pieces: list[Piece] = []
        self._last_end = -1
        self._streak = 0

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    def put(self, piece: Piece) -> None:
        """Add a piece."""
        index = bisect_right(self._starts, piece.start)
        self._starts.insert(index, piece.start)
        self._pieces.insert(index, piece)

    def drop(self, piece: Piece) -> bool:
        """Let go of a piece; whether it was here."""
        index = bisect_right(self._starts, piece.start) - 1
        while index >= 0 and self._starts[index] == piece.start:
            if self._pieces[index] is piece:
                del self._starts[index], self._pieces[index]
                return True
            index -= 1
        return False

    def at(self, place: int) -> Piece | None:
        """A piece that holds the byte at a place: of several, the one that reaches furthest."""
        index = bisect_right(self._starts, place)
        # Pieces hardly overlap; a handful of steps back finds any that does.
        best: Piece | None = None
        for piece in reversed(self._pieces[max(0, index - 4) : index]):
            if piece.start <= place < piece.end and (best is None or piece.end > best.end):
                best = piece
        return best

    def next_start(self, place: int) -> int:
        """Where the first piece behind a place begins; the file's end where there is none."""
        index = bisect_right(self._starts, place)
        return self._starts[index] if index < len(self._starts) else self.size_bytes

    def ahead(self, start: int, end: int) -> list[Piece]:
        """Pieces to fetch because reads go on in order; call it with each read that nobody told of."""
        near = 0 <= start - self._last_end <= GAP_BYTES
        self._streak = self._streak + 1 if near else 0
        self._last_end = end
        if self._streak < _IN_ORDER:
            return []
        found: list[Piece] = []
        at = start if self.at(start) is None else end
        most = min(self.size_bytes, end + min(self._streak - 1, _AHEAD_PIECES) * PIECE_BYTES)
        while at < most:
            if (piece := self.at(at)) is not None:
                at = piece.end
                continue
            stop = min(at + PIECE_BYTES, self.next_start(at), self.size_bytes)
            found.append(Piece(at, stop, stop - at, in_order=True))
            at = stop
        return found

    def passed(self, start: int) -> list[Piece]:
        """Pieces that reads in order have behind themselves."""
        return [piece for piece in self._pieces if piece.in_order and piece.end <= start - GAP_BYTES]
