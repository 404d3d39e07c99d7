"""Makes a whole PNG of what is left of a broken one, so that an ordinary decoder can show it.

In order: the header and palette are taken over, the pixel data are collected chunk by chunk (wrong CRC-32s and all)
and inflated until they end or stop making sense; missing scanlines are filled with zeros, and the result is written
as a PNG again (W3C, Portable Network Graphics Specification, Third Edition, sections 5 and 8 to 11). Nothing is
guessed: what cannot be inflated is told as missing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">II5B")
_START_BYTES = 33
"""Signature and IHDR chunk."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type to samples per pixel (table 11.1)."""
_DEPTHS = (1, 2, 4, 8, 16)
_LAST_FILTER = 4
"""Filter types are 0 to 4 (section 9.2)."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass: first column, first row, steps across and down (section 8.1)."""
_PIECE_BYTES = 512
"""What is inflated at once, and so what is lost at most where the data stop making sense."""


class Salvaged(NamedTuple):
    """What was left of an image."""

    png: bytes
    part: float
    """How much of the pixels is there, 0 to 1."""
    rows: int | None
    """Whole scanlines from the top; None for an interlaced image, whose rows come in seven passes."""


def salvage(data: bytes, most_bytes: int) -> Salvaged | None:
    """The PNG made of a broken one; None if not a single scanline can be had, or if its lines are more than that."""
    if len(data) < _START_BYTES or data[12:16] != b"IHDR":
        return None
    width, height, bits, colour, _, _, interlaced = _HEADER.unpack_from(data, 16)
    if not (width > 0 < height and bits in _DEPTHS and colour in _SAMPLES and interlaced in (0, 1)):
        return None
    lines = list(_line_bytes(width, height, bits * _SAMPLES[colour], interlaced=bool(interlaced)))
    raw_bytes = sum(count * size_bytes for count, size_bytes in lines)
    if raw_bytes > most_bytes:
        return None
    palette, deflated = _collected(data)
    pixels = _legal(_inflated(deflated, raw_bytes), lines)
    if len(pixels) < lines[0][1]:
        return None
    filled = bytes(pixels) + bytes(raw_bytes - len(pixels))
    header = _HEADER.pack(width, height, bits, colour, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *([(b"PLTE", palette)] if palette else ()), (b"IDAT", zlib.compress(filled, 0))]
    png = _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in [*chunks, (b"IEND", b"")])
    return Salvaged(png, len(pixels) / raw_bytes, None if interlaced else len(pixels) // lines[0][1])


def _line_bytes(width: int, height: int, pixel_bits: int, *, interlaced: bool) -> Iterator[tuple[int, int]]:
    """Scanlines and bytes of each, filter byte included, for each pass that has any."""
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            yield rows, 1 + (columns * pixel_bits + 7) // 8


def _collected(data: bytes) -> tuple[bytes, bytes]:
    """Palette and pixel data, as far as chunks can be told apart."""
    palette, deflated = b"", bytearray()
    at = _START_BYTES
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if not kind.isalpha() or kind == b"IEND":
            break
        if kind == b"IDAT":
            deflated += data[at + 8 : at + 8 + length]
        elif kind == b"PLTE":
            palette = data[at + 8 : at + 8 + length]
        at += 12 + length
    return palette, bytes(deflated)


def _inflated(deflated: bytes, most_bytes: int) -> bytearray:
    inflater = zlib.decompressobj()
    pixels = bytearray()
    try:
        for start in range(0, len(deflated), _PIECE_BYTES):
            if len(pixels) == most_bytes or inflater.eof:
                break
            rest = inflater.unconsumed_tail + deflated[start : start + _PIECE_BYTES]
            pixels += inflater.decompress(rest, most_bytes - len(pixels))
    except zlib.error:
        pass
    return pixels


def _legal(pixels: bytearray, lines: list[tuple[int, int]]) -> bytearray:
    """The whole scanlines before the first that no decoder would take."""
    at = 0
    for rows, size_bytes in lines:
        for _ in range(rows):
            if at + size_bytes > len(pixels) or pixels[at] > _LAST_FILTER:
                return pixels[:at]
            at += size_bytes
    return pixels[:at]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
