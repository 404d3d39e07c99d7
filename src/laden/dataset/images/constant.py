"""Are all pixels of a PNG equal? Told from its filtered lines, without undoing a filter.

Where every pixel so far was the same, what the next line must look like is known for each filter type: W3C, Portable
Network Graphics Specification, Third Edition, section 9.2, with all neighbours equal, or zero beyond the edge. So each
line is compared with that, until one differs; of a radiograph that is the first.
"""

from __future__ import annotations

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)


class Sameness:
    """Holds while all pixels are equal; fed every byte of every line."""

    def __init__(self, bits: int, pixel_bits: int) -> None:
        self._bits = bits
        self._pixel_bytes = max(1, pixel_bits // 8)
        self._small = pixel_bits < 8
        self._pixel = b""
        """The first pixel of the image, which no filter changes; of small ones, a byte full of it."""
        self._filter = 0
        self._top = True
        """Whether this is the first line of its pass."""
        self._patterns: dict[tuple[int, bool, int], bytes] = {}
        self._last_above = 0
        """What the last byte of the line above decodes to; bits behind its last pixel may be anything."""
        self._used_bits = 8
        """Of the last byte of a line of small pixels."""

    def next_pass(self, columns: int) -> None:
        """The next line is the first of a pass that is so many pixels wide."""
        self._top = True
        self._used_bits = (columns * self._bits - 1) % 8 + 1
        self._patterns.clear()

    def holds(self, part: memoryview, at: int, line_bytes: int) -> bool:
        """Whether the next bytes leave all pixels equal.

        Args:
            part: bytes of one pass.
            at: how many bytes of the current line, its filter type included, came before.
            line_bytes: of a line, with its filter type.
        """
        pos = 0
        while pos < len(part):
            if at == 0:
                self._filter = part[pos]
                pos, at = pos + 1, 1
            segment = part[pos : pos + line_bytes - at]
            if segment and not self._fits(bytes(segment), at - 1, line_bytes - 1):
                return False
            pos += len(segment)
            at += len(segment)
            if at == line_bytes:
                at, self._top = 0, False
        return True

    def _fits(self, segment: bytes, start: int, row_bytes: int) -> bool:
        """Hold bytes of a line, from its byte `start`, against what they must be."""
        missing = self._pixel_bytes - len(self._pixel)
        if missing > 0:
            if self._small:
                self._pixel = bytes([_filled(segment[0] >> (8 - self._bits), self._bits)])
            else:
                self._pixel += segment[:missing]
                start, segment = start + len(segment[:missing]), segment[missing:]
        if self._small and start + len(segment) == row_bytes:
            last, segment = segment[-1], segment[:-1]
            if not self._last_fits(last, row_bytes):
                return False
        return segment == self._expected(start, len(segment), row_bytes)

    def _expected(self, start: int, count: int, row_bytes: int) -> bytes:
        """Filtered bytes of a line of equal pixels, from its byte `start`."""
        key = (self._filter, self._top, count)
        whole = start == 0 and count == row_bytes
        if whole and key in self._patterns:
            return self._patterns[key]
        first, other = self._filtered()
        end = start + count
        repeats = -(-end // self._pixel_bytes) - start // self._pixel_bytes
        skipped = start // self._pixel_bytes
        cells = other * repeats if skipped else first + other * (repeats - 1)
        offset = start - skipped * self._pixel_bytes
        expected = cells[offset : offset + count]
        if whole:
            self._patterns[key] = expected
        return expected

    def _filtered(self) -> tuple[bytes, bytes]:
        """What the first pixel of a line and any other become under the line's filter."""
        pixel, zero = self._pixel, bytes(len(self._pixel))
        half = bytes(value - value // 2 for value in pixel)
        if self._filter == _NONE:
            return pixel, pixel
        if self._filter == _SUB:
            return pixel, zero
        if self._filter == _UP:
            return (pixel, pixel) if self._top else (zero, zero)
        if self._filter == _AVERAGE:
            return (pixel, half) if self._top else (half, zero)
        return (pixel, zero) if self._top else (zero, zero)

    def _last_fits(self, filtered: int, row_bytes: int) -> bool:
        """Decode the last byte of a line of small pixels, and look at the pixels in it."""
        left = self._pixel[0] if row_bytes > 1 else 0
        above = 0 if self._top else self._last_above
        corner = 0 if self._top else left
        predicted = (0, left, above, (left + above) // 2, _paeth(left, above, corner))[self._filter]
        value = (filtered + predicted) & 0xFF
        self._last_above = value
        return (value ^ self._pixel[0]) >> (8 - self._used_bits) == 0


def _filled(value: int, bits: int) -> int:
    """A byte full of pixels of that value."""
    return value * (0xFF // ((1 << bits) - 1))


def _paeth(left: int, above: int, corner: int) -> int:
    """The Paeth predictor (section 9.4)."""
    estimate = left + above - corner
    return min((left, above, corner), key=lambda value: abs(estimate - value))
