"""Is this PNG whole? Told by its structure, and where asked by its pixels, while its bytes pass by.

That is the signature, the header, and of each chunk its type, place and CRC-32, up to `IEND` (W3C, Portable Network
Graphics Specification, Third Edition, sections 5.2 to 5.6 and 11.2). The first thing that is broken is the state; what
`scanlines` finds in the pixels counts where the structure is whole; last comes what decoders only warn of. Bytes after
`IEND` are harmless to decoders and left unjudged.
"""

from __future__ import annotations

import struct

from isal.isal_zlib import crc32

from laden.dataset.images.identity import in_exif, in_text
from laden.dataset.images.scanlines import Scanlines
from laden.dataset.images.states import MOST_PIXELS, WHOLE, BadImageError, Buffer, facts
from laden.values.records import ImageFacts

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")
"""Length of the data and type, before each chunk's data (section 5.3)."""
_HEADER = struct.Struct(">II5B")
"""IHDR: width, height, bit depth, colour type, compression, filter, interlace (section 11.2.1)."""
_CRC = struct.Struct(">I")
_START_BYTES = len(_SIGNATURE) + _HEAD.size + _HEADER.size + _CRC.size
_BIT_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Colour type to the bit depths it allows (section 11.2.1, table 11.1)."""
_PALETTE = 3
_MOST_PALETTE_BYTES = 3 * 256
_LENGTHS = {
    b"cHRM": (32,), b"gAMA": (4,), b"sRGB": (1,), b"cICP": (4,), b"pHYs": (9,), b"tIME": (7,), b"oFFs": (9,),
    b"acTL": (8,), b"fcTL": (26,), b"bKGD": (1, 2, 6), b"sBIT": (1, 2, 3, 4), b"cLLI": (8,), b"mDCV": (24,),
}  # fmt: skip
"""Chunks that decoders can do without, whose data have one length, or one for each colour type (section 11.3)."""
_LEAST = {b"iCCP": 3, b"tEXt": 2, b"zTXt": 3, b"iTXt": 6, b"sPLT": 3, b"eXIf": 8, b"tRNS": 1, b"hIST": 2}
"""Others, with the least that their fixed fields take (likewise)."""
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
_TEXT_BYTES = 64 << 10
"""Of a chunk of text or Exif that are kept: names of fields stand at its start."""
_HOLE = bytes(64)
"""So many zeros do not occur in deflated data, but for stored blocks; a lost sector or page is 512 or more."""


class PngCheck:
    """Looks at one PNG, fed in order; keeps no more than a few bytes of it."""

    def __init__(self, *, pixels: bool = False, identity: bool = False) -> None:
        self._defect = ""
        self._doubt: tuple[str, str] | None = None
        """What decoders warn of, where nothing is broken."""
        self._wants_pixels = pixels
        self._wants_identity = identity
        self._identity: list[str] = []
        self._text = bytearray()
        """The first bytes of a chunk of text that no buffer holds whole."""
        self._scanlines: Scanlines | None = None
        self._start = bytearray()
        """Signature and IHDR, until they are complete."""
        self._width = self._height = self._bits = self._colour = 0
        self._seen: set[bytes] = set()
        self._last = b""
        """Type of the chunk before."""
        self._small = bytearray()
        """The part so far of a chunk's head, or of its CRC, where a buffer ended inside it."""
        self._in_chunk = False
        """Whether the head of a cut chunk was read, and its data or CRC is yet to come."""
        self._kind = b""
        self._left_bytes = 0
        """Data of that chunk yet to come."""
        self._crc = 0
        """CRC-32 over type and data of that chunk, so far."""
        self._tail = b""
        """The last bytes of it, where a stretch of zeros may begin."""
        self._hole = False

    def feed(self, buffer: Buffer) -> None:
        """Look at the next bytes."""
        view = memoryview(buffer)
        pos = 0
        if len(self._start) < _START_BYTES:
            pos = _START_BYTES - len(self._start)
            self._start += view[:pos]
            if len(self._start) == _START_BYTES:
                self._judge_start()
        while pos < len(view) and not self._defect and self._last != b"IEND":
            if not self._in_chunk and not self._small:
                pos = self._whole_chunks(view, pos)
            if pos < len(view) and not self._defect and self._last != b"IEND":
                pos = self._part_of_chunk(view, pos)
        if self._scanlines is not None:
            self._scanlines.flush()

    def finish(self) -> ImageFacts:
        """Return what was found, after the last byte."""
        if len(self._start) < _START_BYTES:
            self._judge_start()
        if not self._defect and self._last != b"IEND":
            self._defect = "png-truncated" if self._in_chunk or self._small else "png-no-iend"
        state, detail = (self._defect, "") if self._defect else self._pixels()
        if state == WHOLE and self._doubt is not None:
            state, detail = self._doubt
        found = facts("png", (self._width, self._height), self._bits, state, detail)
        return found._replace(identity=tuple(dict.fromkeys(self._identity)) if self._wants_identity else None)

    def _pixels(self) -> tuple[str, str]:
        """State and detail of an image whose structure is whole."""
        if self._wants_pixels and self._scanlines is None:
            return "image-too-large", f"{self._width:,} x {self._height:,} pixels"
        try:
            if self._scanlines is not None:
                self._scanlines.finish()
        except BadImageError as bad:
            return bad.state, bad.detail
        return WHOLE, ""

    def _judge_start(self) -> None:
        """Judge signature and IHDR, or as much of them as the file has."""
        start = bytes(self._start)
        if start.startswith(b"\xff\xd8"):
            self._defect = "png-is-jpeg"
        elif start[:8] != _SIGNATURE[: len(start)]:
            self._defect = "png-signature"
        elif len(start) == len(_SIGNATURE):
            self._defect = "png-no-iend"
        elif len(start) < len(_SIGNATURE) + _HEAD.size:
            self._defect = "png-truncated"
        else:
            self._judge_header(start)

    def _judge_header(self, start: bytes) -> None:
        length, kind = _HEAD.unpack_from(start, 8)
        if not kind.isalpha():
            self._defect = "png-chunk-type"
        elif kind != b"IHDR":
            self._defect = "png-order"
        elif length != _HEADER.size:
            self._defect = "png-header"
        elif len(start) < _START_BYTES:
            self._defect = "png-truncated"
        elif crc32(start[12:29]) != _CRC.unpack_from(start, 29)[0]:
            self._defect = "png-chunk-crc"
        else:
            width, height, bits, colour, *methods = _HEADER.unpack_from(start, 16)
            sizes_legal = 0 < width < 1 << 31 and 0 < height < 1 << 31
            pixels_legal = bits in _BIT_DEPTHS.get(colour, ())
            if not sizes_legal or not pixels_legal or methods not in ([0, 0, 0], [0, 0, 1]):
                self._defect = "png-header"
                return
            self._width, self._height, self._bits, self._colour = width, height, bits, colour
            if self._wants_pixels and self._width * self._height <= MOST_PIXELS:
                self._scanlines = Scanlines(
                    self._width, self._height, self._bits, self._colour, interlaced=methods[2] == 1
                )
            self._last = kind
            self._seen.add(kind)

    def _whole_chunks(self, view: memoryview, pos: int) -> int:
        """Check the chunks that lie whole in the buffer, from `pos`, and return where they end.

        This is the hot path: an image mostly comes as one buffer, cut into chunks of a few kB.
        """
        end_of_view = len(view)
        while pos + 12 <= end_of_view:
            length, kind = _HEAD.unpack_from(view, pos)
            end = pos + 8 + length
            if end + 4 > end_of_view:
                break
            if kind != b"IDAT" or self._last != b"IDAT":
                self._enter(kind, length)
                if self._defect:
                    break
            if crc32(view[pos + 4 : end]) != _CRC.unpack_from(view, end)[0]:
                self._defect = "png-hole" if _HOLE in bytes(view[pos + 8 : end]) else "png-chunk-crc"
                break
            if self._scanlines is not None and kind == b"IDAT":
                self._scanlines.feed(view[pos + 8 : end])
            if self._wants_identity and kind in _TEXTS:
                self._take_text(kind, bytes(view[pos + 8 : end][:_TEXT_BYTES]))
            self._last = kind
            pos = end + 4
            if kind == b"IEND":
                break
        return pos

    def _part_of_chunk(self, view: memoryview, pos: int) -> int:
        """Take the next bytes of a chunk that no buffer holds whole, and return the position after them."""
        if self._in_chunk and self._left_bytes:
            part = view[pos : pos + self._left_bytes]
            self._crc = crc32(part, self._crc)
            self._left_bytes -= len(part)
            self._hole = self._hole or _HOLE in self._tail + part
            self._tail = (self._tail + part)[1 - len(_HOLE) :]
            if self._scanlines is not None and self._kind == b"IDAT":
                self._scanlines.feed(part)
            if self._wants_identity and self._kind in _TEXTS:
                self._text += part[: _TEXT_BYTES - len(self._text)]
            return pos + len(part)
        wanted = (_CRC.size if self._in_chunk else _HEAD.size) - len(self._small)
        self._small += view[pos : pos + wanted]
        if len(view) - pos >= wanted:
            small = bytes(self._small)
            self._small.clear()
            if self._in_chunk:
                self._in_chunk = False
                if self._crc != _CRC.unpack(small)[0]:
                    self._defect = "png-hole" if self._hole else "png-chunk-crc"
                else:
                    self._last = self._kind
                    self._take_text(self._kind, bytes(self._text))
                self._text.clear()
            else:
                self._left_bytes, self._kind = _HEAD.unpack(small)
                self._crc = crc32(self._kind)
                self._tail, self._hole = b"", False
                self._in_chunk = True
                self._enter(self._kind, self._left_bytes)
        return min(pos + wanted, len(view))

    def _take_text(self, kind: bytes, data: bytes) -> None:
        """Note the name of a field that may say who a person is."""
        if kind == b"eXIf":
            self._identity += in_exif(b"Exif\0\0" + data)
        elif kind in _TEXTS:
            self._identity += filter(None, [in_text(data, kind)])

    def _enter(self, kind: bytes, length: int) -> None:
        """Judge type, place and length of a chunk that begins (section 5.6, table 5.3: the critical chunks)."""
        seen = self._seen
        repeated = kind in seen and (kind in (b"IHDR", b"PLTE") or (kind == b"IDAT" and self._last != b"IDAT"))
        late = kind == b"PLTE" and b"IDAT" in seen
        early = kind == b"IDAT" and self._colour == _PALETTE and b"PLTE" not in seen
        if not kind.isalpha():
            self._defect = "png-chunk-type"
        elif repeated or late or early:
            self._defect = "png-order"
        elif kind == b"IEND" and b"IDAT" not in seen:
            self._defect = "png-no-idat"
        elif kind == b"PLTE" and self._colour == _PALETTE and (length % 3 or not 3 <= length <= _MOST_PALETTE_BYTES):
            self._defect = "png-palette"
        elif self._doubt is None and (length not in _LENGTHS.get(kind, (length,)) or length < _LEAST.get(kind, 0)):
            self._doubt = "png-chunk-length", f"{kind.decode('ascii')} of {length:,} bytes"
        seen.add(kind)
