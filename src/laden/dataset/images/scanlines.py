"""The pixels of one PNG, inflated as they stream by and never kept.

In order: the data of IDAT chunks are gathered into batches and inflated by ISA-L (RFC 1950; its Adler-32 is checked),
the output is laid out in lines as width, depth and interlace demand (W3C, Portable Network Graphics Specification,
Third Edition, sections 7.2, 8.1 and 9), and each line's filter type is looked at. Exactly the lines that the header
promises must come, and nothing after them; bytes behind the compressed data are padding.

Lines are not unfiltered: every byte decodes to something, and the checksum has vouched for it. Whether all pixels are
equal is told from filtered lines too (`constant`). Memory: one batch and one piece of output, whatever is declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from isal import igzip_lib

from laden.dataset.images.constant import Sameness
from laden.dataset.images.states import BadImageError, Buffer

_BATCH_BYTES = 256 << 10
"""Compressed bytes inflated at once: chunks are often of 8 kB, and each call costs as much as inflating 1 kB."""
_PIECE_BYTES = 1 << 20
"""Inflated bytes at a time: fits the cache of a core."""
_FILTERS = bytes(range(5))
"""Filter types of filter method 0 (section 9.2, table 9.1)."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type to samples per pixel (section 11.2.1)."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row of each pass, and the steps to the next ones (section 8.1)."""

_IsalError = cast("type[Exception]", igzip_lib.IsalError)


class Scanlines:
    """Takes the compressed pixels of one image in order, and tells what is wrong with them."""

    def __init__(self, width: int, height: int, bits: int, colour: int, *, interlaced: bool) -> None:
        self._pixel_bits = bits * _SAMPLES[colour]
        self._passes = list(_passes(width, height, interlaced=interlaced))
        self._lines_in_all = sum(rows for _, rows in self._passes)
        self._lines = 0
        """Whole lines seen in earlier passes and this one."""
        self._at = 0
        """Bytes of the current line that were seen."""
        self._inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB)
        self._batch: list[Buffer] = []
        self._batch_bytes = 0
        self._sameness: Sameness | None = Sameness(bits, self._pixel_bits)
        self._bad: BadImageError | None = None
        self._line_bytes = self._left_bytes = 0
        """Of a line with its filter type, and of what is yet to come of the pass."""
        self._next_pass()

    def feed(self, data: Buffer) -> None:
        """Take the data of the next IDAT chunk, or a part of them."""
        self._batch.append(data)
        self._batch_bytes += len(data)
        if self._batch_bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Work through what was fed, and let go of it."""
        batch = self._batch[0] if len(self._batch) == 1 else b"".join(self._batch)
        self._batch, self._batch_bytes = [], 0
        if self._bad is None and batch:
            try:
                self._inflate(batch)
            except _IsalError as error:
                self._bad = BadImageError("png-zlib", str(error))
            except BadImageError as bad:
                self._bad = bad

    def finish(self) -> None:
        """Raise `BadImageError` for whatever is wrong, or doubtful, once all was fed."""
        self.flush()
        if self._bad is not None:
            raise self._bad
        if self._left_bytes:
            raise BadImageError("png-pixels-short", f"after {self._so_far()}")
        if not self._inflater.eof:
            raise BadImageError("png-zlib", "they have no end")
        if self._sameness is not None:
            raise BadImageError("image-constant")

    def _so_far(self) -> str:
        return f"{self._lines:,} of {self._lines_in_all:,} lines"

    def _inflate(self, batch: Buffer) -> None:
        inflater = self._inflater
        while True:
            if inflater.eof:
                # What follows the checksum is padding to every decoder.
                return
            piece = inflater.decompress(batch, _PIECE_BYTES)
            batch = b""
            self._take(memoryview(piece))
            if not piece and not inflater.eof:
                return

    def _take(self, piece: memoryview) -> None:
        """Lay inflated bytes out in lines."""
        pos = 0
        while pos < len(piece):
            if not self._left_bytes:
                raise BadImageError("png-pixels-long", "bytes follow the last line")
            part = piece[pos : pos + self._left_bytes]
            self._judge(part)
            pos += len(part)
            self._left_bytes -= len(part)
            seen_bytes = self._at + len(part)
            self._lines += seen_bytes // self._line_bytes
            self._at = seen_bytes % self._line_bytes
            if not self._left_bytes:
                self._next_pass()

    def _next_pass(self) -> None:
        if not self._passes:
            return
        columns, rows = self._passes.pop(0)
        self._line_bytes = 1 + (columns * self._pixel_bits + 7) // 8
        self._left_bytes = rows * self._line_bytes
        if self._sameness is not None:
            self._sameness.next_pass(columns)

    def _judge(self, part: memoryview) -> None:
        """Look at the filter types in a part of a pass, and for pixels that differ."""
        first = -self._at % self._line_bytes
        types = bytes(part[first :: self._line_bytes])
        if wrong := types.translate(None, _FILTERS):
            line = self._lines + (self._at > 0) + types.index(wrong[0]) + 1
            raise BadImageError("png-filter", f"type {wrong[0]} in line {line:,} of {self._lines_in_all:,}")
        if self._sameness is not None and not self._sameness.holds(part, self._at, self._line_bytes):
            self._sameness = None


def _passes(width: int, height: int, *, interlaced: bool) -> Iterator[tuple[int, int]]:
    """Columns and rows of each pass that has pixels; one pass where nothing is interlaced."""
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            yield columns, rows
