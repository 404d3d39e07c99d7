"""What the bytes of a fetched file were, so that they are known again: the MD5 of the MD5s of its blocks.

Blocks are hashed as they come, in any order, so that a seal costs no second reading. It tells a file that changed on a
disk from one that did not; it is nobody's checksum but laden's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from laden.values.errors import Interrupted

_PIECE_BYTES = 1 << 20


class Seal(NamedTuple):
    """The bytes of a whole file."""

    size_bytes: int
    block_bytes: int
    """Of each block but the last."""
    digest: str
    """MD5 of the blocks' MD5s, one after the other; hexadecimal."""


def seal_of_blocks(size_bytes: int, block_bytes: int, md5s: Iterable[str]) -> Seal:
    """The seal of a file of which the blocks' MD5s, hexadecimal and in order, are known."""
    return Seal(size_bytes, block_bytes, _md5(b"".join(map(bytes.fromhex, md5s))))


class Sealing:
    """A seal that is made of bytes in their order."""

    def __init__(self, block_bytes: int) -> None:
        """Of nothing yet, in blocks of so many bytes."""
        self._block_bytes = block_bytes
        self._size_bytes = 0
        self._md5s: list[str] = []
        self._block = hashlib.md5(usedforsecurity=False)

    def add(self, data: bytes) -> None:
        """Take what comes next."""
        at = 0
        while at < len(data):
            room = self._block_bytes - self._size_bytes % self._block_bytes
            piece = memoryview(data)[at : at + room]
            self._block.update(piece)
            self._size_bytes += len(piece)
            at += len(piece)
            if len(piece) == room:
                self._md5s.append(self._block.hexdigest())
                self._block = hashlib.md5(usedforsecurity=False)

    def seal(self) -> Seal:
        """Of all that was added."""
        last = [self._block.hexdigest()] if self._size_bytes % self._block_bytes else []
        return seal_of_blocks(self._size_bytes, self._block_bytes, [*self._md5s, *last])


def seal_of(path: Path, block_bytes: int, stopping: Callable[[], bool]) -> Seal:
    """The seal of a file on this disk, read whole.

    Raises:
        OSError: it cannot be read.
        Interrupted: asked to stop.
    """
    sealing = Sealing(block_bytes)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            if stopping():
                raise Interrupted("stopped as you asked: run the same command again to go on")
            sealing.add(piece)
    return sealing.seal()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
