"""Is this JPEG whole?

Structure: `SOI`, then segment by segment to `EOI`, with one frame header whose size and kind are possible, and scans
after it (ITU-T T.81, annex B). Pixels: decoded by simplejpeg, which hands on what libjpeg-turbo warns of (pixels that
are missing above all), or, where it refuses for a reason of its own, by Pillow. JPEG has no checksum, and a decoder
draws something from damaged data as long as any code fits, so a changed byte may go unnoticed; missing ones do not.
"""

from __future__ import annotations

import io
import re
import struct
from contextlib import suppress
from typing import Any

from laden.dataset.images.identity import UNREAD, in_comment, in_exif, in_iptc, in_xmp
from laden.dataset.images.states import MOST_BYTES, MOST_PIXELS, BadImageError, Buffer, is_short_of_memory, one_line

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Frame headers (table B.1): all but Huffman tables, an extension, and arithmetic conditioning."""
_DECODED = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Those that Pillow decodes: sequential and progressive, Huffman or arithmetic; not lossless, not hierarchical."""
_HUFFMAN = frozenset({0xC0, 0xC1, 0xC2})
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_LOOKAHEAD = bytes(8)
"""libjpeg wants up to 57 bits more than it uses before it decodes the last code; they make a few blocks at most."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a segment: TEM and restarts."""
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""What ends a scan's data, in which a zero follows each byte 0xFF, or a restart marker (B.1.1.5)."""
_FRAME = struct.Struct(">BHHB")
"""Precision, lines, samples a line, components (B.2.2)."""
_BLOCK_PIXELS = 64
_PNG_START = b"\x89PNG"
_APP1, _APP13, _COMMENT = 0xE1, 0xED, 0xFE
_XMP = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_PHOTOSHOP = b"Photoshop 3.0\0"
_EXIF = b"Exif\0\0"
_BROKEN_DATA = re.compile(
    r"premature end|bad huffman code|corrupt data|restart marker|resync|inconsistent progression", re.IGNORECASE
)
"""In libjpeg-turbo's words (jerror.h): codes that are none, markers or pixels that are missing. It draws on all the
same; what else it warns of changes no pixel."""


def least_bytes(pixels: int) -> int:
    """Bytes that a Huffman-coded image takes at least: a bit for each block of 8 x 8 (F.1.2.1, G.1.2.1)."""
    return pixels // _BLOCK_PIXELS // 8


class JpegLook:
    """Looks at one JPEG that is there whole (`structure`, then `pixels`)."""

    def __init__(self, data: Buffer, size_bytes: int) -> None:
        self._data = memoryview(data)
        self._size_bytes = size_bytes
        self.width = self.height = self.bits = 0
        self._frame = 0
        """Which frame header there was."""
        self._scans = self._scan_end = 0
        self._told: list[str] = []

    @property
    def identity(self) -> tuple[str, ...]:
        """Names of fields that may say who a person is, once `structure` went through it."""
        return tuple(dict.fromkeys(self._told))

    def structure(self) -> None:
        self._start()
        if self._size_bytes > MOST_BYTES:
            self._look_at_head()
            raise BadImageError("image-too-large", f"{self._size_bytes:,} bytes")
        self._walk()
        if not self._scans:
            raise BadImageError("jpeg-order", "there is no scan")

    def _look_at_head(self) -> None:
        """Take size and texts from the head of a file that is too large to be kept: they stand before its scans."""
        with suppress(BadImageError):
            self._walk(whole=False)
        if not self._scans:
            self._told.append(UNREAD)

    def _walk(self, *, whole: bool = True) -> None:
        """Go from segment to segment, to the end or to where the first scan begins."""
        pos = 2
        while True:
            marker, pos = self._marker(pos)
            if marker == _EOI:
                return
            if marker in _ALONE:
                continue
            end = self._segment_end(pos)
            if marker in _FRAMES:
                self._take_frame(marker, pos + 2, end)
            elif marker in (_APP1, _APP13, _COMMENT):
                self._take_text(marker, bytes(self._data[pos + 2 : end]))
            pos = end
            if marker == _SOS:
                self._scans += 1
                if not whole:
                    return
                self._scan_end = pos = self._end_of_scan(pos)

    def pixels(self) -> bool:
        """Raise for what is known before decoding; a decoder has to see the rest."""
        pixels = self.width * self.height
        if pixels > MOST_PIXELS:
            raise BadImageError("image-too-large", f"{self.width:,} x {self.height:,} pixels")
        if self._frame not in _DECODED or self.bits != 8:
            raise BadImageError("image-undecodable", f"JPEG process SOF{self._frame & 15}, {self.bits} bits")
        if self._frame in _HUFFMAN and self._size_bytes < least_bytes(pixels):
            raise BadImageError("jpeg-pixels", f"{self._size_bytes:,} bytes cannot hold that many")
        return True

    def decode(self) -> None:
        """Raise where pixels are missing, cannot be decoded, or are all equal."""
        pixels = self.strictly()
        if bool((pixels == pixels[0, 0]).all()) if pixels is not None else self._decodes_to_one_value():
            raise BadImageError("image-constant")

    def strictly(self) -> Any:
        """The pixels, by a decoder that hands on what is missing; None where it is not the one to tell."""
        import simplejpeg

        try:
            colours = simplejpeg.decode_jpeg_header(self._data)[2]
            wanted = {"Gray": "Gray", "CMYK": "CMYK", "YCCK": "CMYK"}.get(colours, "RGB")
            return simplejpeg.decode_jpeg(self._data, colorspace=wanted, strict=True)
        except ValueError as error:
            if _BROKEN_DATA.search(str(error)):
                raise BadImageError("jpeg-pixels", one_line(error)) from None
            return None

    def _take_text(self, marker: int, data: bytes) -> None:
        if marker == _COMMENT:
            self._told += filter(None, [in_comment(data)])
        elif data.startswith(_EXIF):
            self._told += in_exif(data)
        elif data.startswith(_XMP):
            self._told += filter(None, [in_xmp(data)])
        elif data.startswith(_PHOTOSHOP):
            self._told += filter(None, [in_iptc(data)])

    def _start(self) -> None:
        start = bytes(self._data[:4])
        if start == _PNG_START:
            raise BadImageError("jpeg-is-png")
        if start[:2] != b"\xff\xd8"[: len(start)]:
            raise BadImageError("jpeg-signature")
        if len(start) < 2:
            raise BadImageError("jpeg-truncated")

    def _marker(self, pos: int) -> tuple[int, int]:
        """The marker at `pos`, and where it ends; any number of bytes 0xFF may precede it (B.1.1.2)."""
        data, start = self._data, pos
        while pos < len(data) and data[pos] == 0xFF:
            pos += 1
        if pos == len(data):
            raise BadImageError("jpeg-truncated")
        marker = data[pos]
        if pos == start or marker in (0, _SOI) or 1 < marker < 0xC0:
            raise BadImageError("jpeg-marker", f"at byte {start:,}")
        return marker, pos + 1

    def _segment_end(self, pos: int) -> int:
        if pos + 2 > len(self._data):
            raise BadImageError("jpeg-truncated")
        (length,) = struct.unpack_from(">H", self._data, pos)
        if length < 2:
            raise BadImageError("jpeg-marker", f"a segment of {length} bytes at byte {pos:,}")
        if pos + length > len(self._data):
            raise BadImageError("jpeg-truncated")
        return pos + int(length)

    def _take_frame(self, marker: int, start: int, end: int) -> None:
        if self._frame:
            raise BadImageError("jpeg-order", "there are two frame headers")
        if end - start < _FRAME.size:
            raise BadImageError("jpeg-header")
        bits, height, width, components = _FRAME.unpack_from(self._data, start)
        if not width or not height or not components or end - start != _FRAME.size + 3 * components:
            raise BadImageError("jpeg-header")
        if not 2 <= bits <= 16:
            raise BadImageError("jpeg-header", f"{bits} bits")
        self._frame, self.bits, self.height, self.width = marker, bits, height, width

    def _end_of_scan(self, pos: int) -> int:
        if not self._frame:
            raise BadImageError("jpeg-order", "a scan comes before the frame header")
        found = _NEXT_MARKER.search(self._data, pos)
        if found is None:
            raise BadImageError("jpeg-truncated")
        return found.start()

    def _to_decode(self) -> Buffer:
        """The file, so that missing pixels are an error: at its end marker, libjpeg would draw them grey and go on."""
        if self._frame not in _SEQUENTIAL or self._scans > 1:
            return self._data
        return b"".join((self._data[: self._scan_end], _LOOKAHEAD))

    def _decodes_to_one_value(self) -> bool:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self._to_decode()), formats=("JPEG",)) as image:
                image.load()
                extremes = image.getextrema()
        except Exception as error:
            if is_short_of_memory(error):
                raise
            raise BadImageError("jpeg-pixels", one_line(error)) from error
        bands = extremes if isinstance(extremes[0], tuple) else (extremes,)
        return all(low == high for low, high in bands)
