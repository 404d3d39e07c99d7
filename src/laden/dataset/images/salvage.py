"""Makes a plain PNG of one, whole or broken, so that an ordinary decoder can show it, and show it soon.

In order: the header and palette are taken over, the pixel data are collected chunk by chunk (wrong CRC-32s and all)
and inflated by ISA-L, in half the time of decoders' own; where that stops making sense, piece by piece until they end
or do so, too; missing scanlines are filled with zeros, and the result is written as a PNG again, not compressed (W3C,
Portable Network Graphics Specification, Third Edition, sections 5 and 8 to 11). Nothing is guessed: what cannot be
inflated is told as missing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, cast

from isal import isal_zlib

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
_ZLIB_START = b"\x78\x01"
"""A window of 32 KiB, the fastest compression (RFC 1950, section 2.2)."""
_STORED_BYTES = 65_535
"""Of a block that is not compressed, at most (RFC 1951, section 3.2.4)."""
_BROKEN = cast("type[Exception]", isal_zlib.error)


class Salvaged(NamedTuple):
    """What there is of an image."""

    png: bytes
    part: float
    """How much of the pixels is there, 0 to 1."""
    rows: int | None
    """Whole scanlines from the top; None for an interlaced image, whose rows come in seven passes."""


def salvage(data: bytes, most_bytes: int) -> Salvaged | None:
    """The PNG made of another; None if not a single scanline can be had, or if its lines are more than that."""
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
    filled = pixels if len(pixels) == raw_bytes else bytes(pixels) + bytes(raw_bytes - len(pixels))
    header = _HEADER.pack(width, height, bits, colour, 0, 0, interlaced)
    png = b"".join(
        (
            _SIGNATURE,
            *_chunk(b"IHDR", header),
            *(_chunk(b"PLTE", palette) if palette else ()),
            *_chunk(b"IDAT", *_stored(filled)),
            *_chunk(b"IEND"),
        )
    )
    return Salvaged(png, len(pixels) / raw_bytes, None if interlaced else len(pixels) // lines[0][1])


def _line_bytes(width: int, height: int, pixel_bits: int, *, interlaced: bool) -> Iterator[tuple[int, int]]:
    """Scanlines and bytes of each, filter byte included, for each pass that has any."""
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            yield rows, 1 + (columns * pixel_bits + 7) // 8


def _collected(data: bytes) -> tuple[bytes, list[memoryview]]:
    """Palette and pixel data, as far as chunks can be told apart."""
    palette, deflated = b"", []
    view = memoryview(data)
    at = _START_BYTES
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if not kind.isalpha() or kind == b"IEND":
            break
        if kind == b"IDAT":
            deflated.append(view[at + 8 : at + 8 + length])
        elif kind == b"PLTE":
            palette = data[at + 8 : at + 8 + length]
        at += 12 + length
    return palette, deflated


def _inflated(deflated: list[memoryview], most_bytes: int) -> memoryview:
    """The pixels of chunks, as many as can be had."""
    inflater = isal_zlib.decompressobj()
    pieces: list[bytes] = []
    left_bytes = most_bytes
    try:
        for chunk in deflated:
            if not left_bytes or inflater.eof:
                break
            rest = b"".join((inflater.unconsumed_tail, chunk)) if inflater.unconsumed_tail else chunk
            pieces.append(inflater.decompress(rest, left_bytes))
            left_bytes -= len(pieces[-1])
    except _BROKEN:
        return _inflated_by_pieces(b"".join(deflated), most_bytes)
    return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))


def _inflated_by_pieces(deflated: bytes, most_bytes: int) -> memoryview:
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
    return memoryview(pixels)


def _legal(pixels: memoryview, lines: list[tuple[int, int]]) -> memoryview:
    """The whole scanlines before the first that no decoder would take."""
    at = 0
    for rows, size_bytes in lines:
        for _ in range(rows):
            if at + size_bytes > len(pixels) or pixels[at] > _LAST_FILTER:
                return pixels[:at]
            at += size_bytes
    return pixels[:at]


def _stored(pixels: bytes | memoryview) -> Iterator[bytes | memoryview]:
    """A zlib stream of bytes as they are (RFC 1950; RFC 1951, section 3.2.4)."""
    yield _ZLIB_START
    view = memoryview(pixels)
    for start in range(0, len(view), _STORED_BYTES):
        block = view[start : start + _STORED_BYTES]
        last = start + len(block) == len(view)
        yield struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF)
        yield block
    yield struct.pack(">I", isal_zlib.adler32(view))


def _chunk(kind: bytes, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    checksum = isal_zlib.crc32(kind)
    for part in parts:
        checksum = isal_zlib.crc32(part, checksum)
    return [struct.pack(">I", sum(map(len, parts))), kind, *parts, struct.pack(">I", checksum)]
