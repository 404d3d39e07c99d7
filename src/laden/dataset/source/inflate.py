"""Bounded decompression of Deflate and Deflate64: never more output than was asked for.

Deflate (RFC 1951) is inflated by ISA-L through `isal.igzip_lib`, whose decompressor takes a limit and
releases the interpreter lock. `inflate64`, for Deflate64, knows no limit: it gets its input in pieces so
small that what one of them can expand to is bounded too, and what is not wanted yet is kept.

Checksums and declared sizes are the caller's matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from isal import igzip_lib

from laden.dataset.source.positional import Buffer
from laden.values.records import STORED

DEFLATED = 8
DEFLATE64 = 9
"""Zip compression methods (APPNOTE 4.4.5)."""

MAX_RATIO = {STORED: 1, DEFLATED: 1032, DEFLATE64: 29_128}
"""Most bytes that one compressed byte can stand for: 258 bytes in 2 bits, 65,538 bytes in 18 bits."""

_LIBRARY_ERRORS: tuple[type[Exception], ...] = (cast("type[Exception]", igzip_lib.IsalError), ValueError)
"""What ISA-L and inflate64 raise on data that are not Deflate."""

_DEFLATE64_PIECE_BYTES = 1024
"""Can expand to 30 MB at most. Measured: 195 MB/s; 211 MB/s at 4 KiB, and no more with any larger piece."""


class BrokenData(Exception):  # noqa: N818 - named for what was found; never leaves this package
    """The data are not Deflate."""


class Decompressor(Protocol):
    """What both methods offer; the interface of the standard library's `bz2.BZ2Decompressor`."""

    @property
    def needs_input(self) -> bool:
        """Whether only more input can give more output."""

    @property
    def eof(self) -> bool:
        """Whether the stream's own end was reached."""

    def decompress(self, data: Buffer, max_length: int) -> Buffer:
        """At most `max_length` further bytes."""


def decompressor(method: int) -> Decompressor:
    """Make a fresh decompressor for zip method 8 or 9."""
    if method == DEFLATE64:
        return _Deflate64()
    return cast("Decompressor", igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE))


def fill(source: Decompressor, pieces: Iterator[Buffer], count_bytes: int) -> Buffer:
    """Collect the next `count_bytes` of output, fewer only where the stream or the input ends.

    Raises `BrokenData`, or whatever `pieces` raises.
    """
    parts: list[Buffer] = []
    missing_bytes = count_bytes
    while missing_bytes and not source.eof:
        starving = source.needs_input
        piece = next(pieces, b"") if starving else b""
        try:
            output = source.decompress(piece, missing_bytes)
        except _LIBRARY_ERRORS as error:
            raise BrokenData(str(error)) from error
        if output:
            parts.append(output)
            missing_bytes -= len(output)
        elif starving and not piece:
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Deflate64:
    """`inflate64.Inflater` with a limit."""

    def __init__(self) -> None:
        # Few zips need it, and to import it takes as long as to read their directories.
        from inflate64 import Inflater

        self._inflater = Inflater()
        self._input: Buffer = b""
        self._output = bytearray()

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof) and not self._output

    def decompress(self, data: Buffer, max_length: int) -> Buffer:
        if data:
            self._input = memoryview(data)
        while self._input and len(self._output) < max_length and not self._inflater.eof:
            self._output += self._inflater.inflate(self._input[:_DEFLATE64_PIECE_BYTES])
            self._input = self._input[_DEFLATE64_PIECE_BYTES:]
        if len(self._output) <= max_length:
            wanted, self._output = self._output, bytearray()
            return wanted
        wanted = self._output[:max_length]
        del self._output[:max_length]
        return wanted
