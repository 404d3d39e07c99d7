"""How much goes in one request: what the link is seen to carry in some seconds, so that little is sent twice.

A request that breaks is sent again whole. So members that take a line more than a minute go as blocks, and a block
takes it about half a minute, with as many in flight as one member has. Until something has arrived, nothing is known,
and requests are of middling size. Numbers only; nothing is sent here.
"""

from __future__ import annotations

from collections import Counter, deque

MOST_BLOCKS = 50_000
"""Blocks of one blob at most (Scalability and performance targets for Blob Storage)."""

BLOCKS_IN_FLIGHT = 4
_MIB = 1 << 20
_SINGLE_S = 60.0
_BLOCKS_S = 30.0
"""What the blocks of a member in flight take the line, all together."""
_LEAST_SINGLE_BYTES = 4 << 20
_LEAST_BLOCK_BYTES = 1 << 20
_UNKNOWN_SINGLE_BYTES = 16 << 20
_UNKNOWN_BLOCK_BYTES = 8 << 20
_SEEN_S = 60.0
_KNOWN_AFTER_S = 1.0


class Sizes:
    """Sizes for a transfer, by what arrived in the last minute."""

    def __init__(self, single_put_bytes: int, block_bytes: int) -> None:
        """Nothing is known yet.

        Args:
            single_put_bytes: of the largest member that goes in one request, however fast the link.
            block_bytes: of the largest block, but for members that would need more than may be.
        """
        self._most_single_bytes = single_put_bytes
        self._most_block_bytes = block_bytes
        self._began_s: float | None = None
        self._arrived: deque[tuple[float, int]] = deque()
        self._arrived_bytes = 0

    def begin(self, now_s: float) -> None:
        """A request begins."""
        if self._began_s is None:
            self._began_s = now_s

    def arrived(self, size_bytes: int, now_s: float) -> None:
        """So many bytes were taken by the destination."""
        self._arrived.append((now_s, size_bytes))
        self._arrived_bytes += size_bytes
        while now_s - self._arrived[0][0] > _SEEN_S and len(self._arrived) > 1:
            # The window now begins with this one's arrival.
            self._began_s, old_bytes = self._arrived.popleft()
            self._arrived_bytes -= old_bytes

    def bytes_per_s(self, now_s: float) -> float | None:
        """What arrives in a second; None while nothing is known."""
        if self._began_s is None or not self._arrived_bytes or now_s - self._began_s < _KNOWN_AFTER_S:
            return None
        return self._arrived_bytes / (now_s - self._began_s)

    def single_put_bytes(self, now_s: float) -> int:
        """The largest member that goes in one request."""
        rate = self.bytes_per_s(now_s)
        fits = _UNKNOWN_SINGLE_BYTES if rate is None else max(_LEAST_SINGLE_BYTES, int(rate * _SINGLE_S))
        return min(fits, self._most_single_bytes)

    def block_bytes(self, size_bytes: int, now_s: float) -> int:
        """The size of a block of a member of so many bytes."""
        rate = self.bytes_per_s(now_s)
        fits = _UNKNOWN_BLOCK_BYTES if rate is None else int(rate * _BLOCKS_S / BLOCKS_IN_FLIGHT)
        fits = max(fits // _LEAST_BLOCK_BYTES * _LEAST_BLOCK_BYTES, _LEAST_BLOCK_BYTES)
        return max(min(fits, self._most_block_bytes), _smallest_bytes(size_bytes))

    def most_block_bytes(self, size_bytes: int) -> int:
        """The size that no block of such a member exceeds."""
        return max(self._most_block_bytes, _smallest_bytes(size_bytes))


def _smallest_bytes(size_bytes: int) -> int:
    """The smallest block with which a member of so many bytes does not have too many."""
    smallest = -(-size_bytes // MOST_BLOCKS)
    return -(-smallest // _MIB) * _MIB


def resumed_block_bytes(staged: dict[str, int], first: str, most_bytes: int, size_bytes: int) -> int | None:
    """The block size of the earlier run that staged these blocks; with another, none of them would be found again.

    Args:
        staged: sizes by id.
        first: how the ids of a first block begin.
        most_bytes: larger ones are not taken up again.
        size_bytes: of the member.
    """
    firsts = {size for name, size in staged.items() if name.startswith(first)}
    fit = [
        size for size in staged.values() if size in firsts and size <= most_bytes and size * MOST_BLOCKS >= size_bytes
    ]
    return Counter(fit).most_common(1)[0][0] if fit else None
