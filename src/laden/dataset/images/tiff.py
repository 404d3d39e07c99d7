"""Is this TIFF whole?

Structure: the header, then directory by directory (TIFF 6.0, section 2; BigTIFF has numbers of 64 bits): entries and
what they point to must lie in the file, width, height and depth must be possible, and each strip or tile that the
directory names must lie in the file; where they are not compressed, they must hold all rows. Pixels: every directory is
decoded by Pillow. What Pillow has no mode for, such as many samples of 16 bits, is said to be undecodable.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, NamedTuple

from laden.dataset.images.identity import TAGS, UNREAD, in_tag
from laden.dataset.images.states import MOST_BYTES, MOST_PIXELS, BadImageError, Buffer, is_short_of_memory, one_line

if TYPE_CHECKING:
    from PIL.Image import Image

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Field type to bytes of a value (section 2; BigTIFF: 16 to 18)."""
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS = 256, 257, 258, 259, 277, 278
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _PLANAR = 273, 279, 322, 323, 324, 325, 284
_WANTED = frozenset({
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES,
    _TILE_BYTES, _PLANAR,
})  # fmt: skip
_UNCOMPRESSED = 1
_TEXT_BYTES = 1 << 20
_MOST_DIRECTORIES = 10_000
_MOST_SAMPLE_BITS = 64


class _Form(NamedTuple):
    """How numbers are written."""

    order: str
    big: bool


class TiffLook:
    """Looks at one TIFF that is there whole (`structure`, then `pixels`)."""

    def __init__(self, data: Buffer, size_bytes: int) -> None:
        self._told: list[str] = []
        self._is_walked = False
        self._data = memoryview(data)
        self._size_bytes = size_bytes
        self.width = self.height = self.bits = 0
        self._pixels = 0

    @property
    def identity(self) -> tuple[str, ...]:
        """Names of fields that may say who a person is, once `structure` went through it."""
        return tuple(dict.fromkeys([*self._told, *([] if self._is_walked else [UNREAD])]))

    def structure(self) -> None:
        if self._size_bytes > MOST_BYTES:
            raise BadImageError("image-too-large", f"{self._size_bytes:,} bytes")
        form, at = self._start()
        seen: set[int] = set()
        while at:
            if at in seen or len(seen) >= _MOST_DIRECTORIES:
                raise BadImageError("tiff-header", "its directories go in a circle")
            seen.add(at)
            fields, at = self._directory(form, at)
            self._is_walked = not at
            self._judge(fields)
        if not seen:
            raise BadImageError("tiff-header", "it has no directory")

    def pixels(self) -> bool:
        """Raise for what is known before decoding; a decoder has to see the rest."""
        if self._pixels > MOST_PIXELS:
            raise BadImageError("image-too-large", f"{self._pixels:,} pixels")
        return True

    def decode(self) -> None:
        """Raise where pixels cannot be decoded, or are all equal."""
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(io.BytesIO(self._data), formats=("TIFF",)) as image:
                constant = _is_constant(image)
        except (UnidentifiedImageError, NotImplementedError) as error:
            raise BadImageError("image-undecodable", "Pillow knows no such pixels") from error
        except Exception as error:
            if is_short_of_memory(error):
                raise
            raise BadImageError("tiff-pixels", one_line(error)) from error
        if constant:
            raise BadImageError("image-constant")

    def _start(self) -> tuple[_Form, int]:
        start = bytes(self._data[:4])
        forms = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
        if start not in forms:
            raise BadImageError("tiff-signature")
        form = _Form(*forms[start])
        return form, self._number(form, 8 if form.big else 4, "Q" if form.big else "I")

    def _number(self, form: _Form, at: int, kind: str) -> int:
        try:
            (number,) = struct.unpack_from(form.order + kind, self._data, at)
        except (struct.error, OverflowError):
            raise BadImageError("tiff-truncated", f"at byte {at:,}") from None
        return int(number)

    def _directory(self, form: _Form, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """The numbers of a directory's fields, and where the next directory is."""
        count = self._number(form, at, "Q" if form.big else "H")
        at += 8 if form.big else 2
        entry_bytes = 20 if form.big else 12
        if at + count * entry_bytes > self._size_bytes:
            raise BadImageError("tiff-truncated", f"{count:,} fields begin at byte {at:,}")
        fields: dict[int, tuple[int, ...]] = {}
        for entry in range(at, at + count * entry_bytes, entry_bytes):
            tag, kind = struct.unpack_from(form.order + "HH", self._data, entry)
            values = self._values(form, kind, entry + 4)
            if tag in _WANTED:
                fields[tag] = values
            elif tag in TAGS:
                self._told += filter(None, [in_tag(tag, self._bytes(form, kind, entry + 4))])
        return fields, self._number(form, at + count * entry_bytes, "Q" if form.big else "I")

    def _values(self, form: _Form, kind: int, at: int) -> tuple[int, ...]:
        """The values of a field, none where they are no integers; their place must be in the file in any case."""
        pointer = "Q" if form.big else "I"
        count = self._number(form, at, pointer)
        room = 8 if form.big else 4
        value_bytes = count * _SIZES.get(kind, 0)
        place = at + room if value_bytes <= room else self._number(form, at + room, pointer)
        if place + value_bytes > self._size_bytes:
            raise BadImageError("tiff-truncated", f"{value_bytes:,} bytes of a field begin at byte {place:,}")
        if kind not in _INTEGERS:
            return ()
        return struct.unpack_from(f"{form.order}{count}{_INTEGERS[kind]}", self._data, place)

    def _bytes(self, form: _Form, kind: int, at: int) -> bytes:
        """The value of a field as it lies there; `_values` found its place to be in the file."""
        pointer, room = ("Q", 8) if form.big else ("I", 4)
        value_bytes = self._number(form, at, pointer) * _SIZES.get(kind, 0)
        place = at + room if value_bytes <= room else self._number(form, at + room, pointer)
        return bytes(self._data[place : place + min(value_bytes, _TEXT_BYTES)])

    def _judge(self, fields: dict[int, tuple[int, ...]]) -> None:
        width, height = _first(fields, _WIDTH, 0), _first(fields, _HEIGHT, 0)
        samples, depths = _first(fields, _SAMPLES, 1), fields.get(_BITS) or (1,)
        if not 0 < width < 1 << 31 or not 0 < height < 1 << 31 or not samples:
            raise BadImageError("tiff-header", f"{width:,} x {height:,} pixels of {samples:,} samples")
        if not all(0 < bits <= _MOST_SAMPLE_BITS for bits in depths):
            raise BadImageError("tiff-header", f"{max(depths):,} bits a sample")
        if not self._pixels:
            self.width, self.height, self.bits = width, height, depths[0]
        self._pixels = max(self._pixels, width * height)
        offsets = fields.get(_TILES) or fields.get(_STRIPS) or ()
        counts = fields.get(_TILE_BYTES) or fields.get(_STRIP_BYTES) or ()
        if not offsets or len(counts) != len(offsets):
            raise BadImageError("tiff-header", f"{len(offsets):,} places for {len(counts):,} lengths of its pixels")
        for offset, length in zip(offsets, counts, strict=True):
            if offset + length > self._size_bytes:
                raise BadImageError("tiff-truncated", f"{length:,} bytes of pixels begin at byte {offset:,}")
        self._judge_length(fields, sum(counts), len(offsets), width * height, samples, depths[0])

    def _judge_length(
        self, fields: dict[int, tuple[int, ...]], held: int, parts: int, pixels: int, samples: int, bits: int
    ) -> None:
        """Hold what strips or tiles hold, and how many they are, against the size of the image."""
        width, height = _first(fields, _WIDTH, 0), _first(fields, _HEIGHT, 0)
        across, down = _first(fields, _TILE_WIDTH, width), _first(fields, _TILE_HEIGHT, 0)
        down = down or min(_first(fields, _ROWS, height), height)
        if not across or not down:
            raise BadImageError("tiff-header", "its strips or tiles have no size")
        planes = samples if _first(fields, _PLANAR, 1) == 2 else 1
        wanted = -(-width // across) * -(-height // down) * planes
        if parts < wanted:
            raise BadImageError("tiff-length", f"{parts:,} strips or tiles of {wanted:,}")
        expected = pixels * samples * bits // 8
        if _first(fields, _COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED and held < expected:
            raise BadImageError("tiff-length", f"{held:,} bytes, and its size needs {expected:,}")


def _first(fields: dict[int, tuple[int, ...]], tag: int, otherwise: int) -> int:
    values = fields.get(tag)
    return values[0] if values else otherwise


def _is_constant(image: Image) -> bool:
    """Whether all pixels of all directories are equal; each is decoded."""
    import numpy as np
    from PIL import ImageSequence

    constant, first = True, None
    for frame in ImageSequence.Iterator(image):
        pixels = np.asarray(frame)
        first = pixels[0, 0] if first is None else first
        constant = constant and bool(np.array_equal(pixels, np.broadcast_to(first, pixels.shape)))
    return constant
