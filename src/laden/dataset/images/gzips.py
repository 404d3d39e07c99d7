"""Are gzip data and NIfTI volumes whole? Told while their bytes pass by.

Gzip data (RFC 1952) are inflated piece by piece and dropped: their CRC-32 and length, which ISA-L checks, vouch for
every byte. Behind a name that ends in `.nii` or `.nii.gz` there must be a NIfTI file: its header (NIfTI-1.1 and NIfTI-2
of the NIfTI Data Format Working Group; 348 or 540 bytes, in either byte order) says how many voxels of what kind follow
from which byte on, and so many must be there. Memory: the header and one piece, whatever is declared.
"""

from __future__ import annotations

import struct
from typing import cast

from isal import isal_zlib

from laden.dataset.images.content import Check
from laden.dataset.images.states import WHOLE, BadImageError, Buffer, facts
from laden.values.records import ImageFacts

_PIECE_BYTES = 1 << 20
_GZIP = 16 + 15
_GZIP_MARK = b"\x1f\x8b"
_HEAD_BYTES = 544
"""The longer header and the four bytes behind it."""
_FIRST, _SECOND = 348, 540
"""`sizeof_hdr`, the first number of either header."""
_MAGICS = {_FIRST: (344, b"n+1\0"), _SECOND: (4, b"n+2\0\r\n\x1a\n")}
_BITS = {
    1: 1, 2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64, 1536: 128,
    1792: 128, 2048: 256, 2304: 32,
}  # fmt: skip
"""`datatype` to `bitpix` (nifti1.h)."""
_MOST_DIMENSIONS = 7

_IsalError = cast("type[Exception]", isal_zlib.error)


class VolumeCheck:
    """Looks at one `.nii`, `.nii.gz` or other `.gz`, fed in order."""

    def __init__(self, *, packed: bool, volume: bool, inner: Check | None = None) -> None:
        """Begin.

        Args:
            packed: whether it is gzip data.
            volume: whether they are, or hold, a NIfTI file.
            inner: fed with what is in gzip data; who a person is, it tells.
        """
        self._inner = inner if packed else None
        self._inflater = isal_zlib.decompressobj(wbits=_GZIP) if packed else None
        self._volume = volume
        self._start = bytearray()
        """Of the file as it is; enough to know gzip data."""
        self._head = bytearray()
        self._size_bytes = 0
        """Of what is in it."""
        self._bad: BadImageError | None = None
        self._ended = False
        """Whether gzip data came to their end, and nothing of another stream has begun."""

    def feed(self, buffer: Buffer) -> None:
        """Look at the next bytes."""
        self._start += memoryview(buffer)[: len(_GZIP_MARK) - len(self._start)]
        if self._bad is not None:
            return
        if self._inflater is None:
            self._take(buffer)
            return
        try:
            self._inflate(bytes(buffer))
        except _IsalError as error:
            self._bad = BadImageError("gzip-damaged", str(error))

    def finish(self) -> ImageFacts:
        """Return what was found, after the last byte."""
        found = self._judged()
        return found if self._inner is None else found._replace(identity=self._inner.finish().identity)

    def _judged(self) -> ImageFacts:
        kind = "nifti" if self._volume else "gzip"
        size, bits, needed_bytes = (0, 0), 0, 0
        try:
            self._judge_gzip()
            if self._volume:
                size, bits, needed_bytes = _described(bytes(self._head))
        except BadImageError as bad:
            return facts(kind, size, bits, bad.state, bad.detail)
        if self._size_bytes < needed_bytes:
            detail = f"{self._size_bytes:,} bytes, and its header makes {needed_bytes:,}"
            return facts(kind, size, bits, "nifti-length", detail)
        return facts(kind, size, bits, WHOLE)

    def _judge_gzip(self) -> None:
        if self._inflater is None:
            return
        if bytes(self._start) != _GZIP_MARK[: len(self._start)]:
            raise BadImageError("gzip-signature")
        if self._bad is not None:
            raise self._bad
        if not self._ended:
            raise BadImageError("gzip-truncated", f"after {self._size_bytes:,} bytes of content")

    def _inflate(self, data: bytes) -> None:
        assert self._inflater is not None
        while data:
            if self._inflater.eof:
                # Another stream may follow; padding and anything else is no part of the data.
                if not data.startswith(_GZIP_MARK[: len(data)]):
                    return
                self._inflater, self._ended = isal_zlib.decompressobj(wbits=_GZIP), False
            self._take(self._inflater.decompress(data, _PIECE_BYTES))
            data = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            self._ended = self._inflater.eof

    def _take(self, piece: Buffer) -> None:
        self._head += memoryview(piece)[: _HEAD_BYTES - len(self._head)]
        self._size_bytes += len(piece)
        if self._inner is not None:
            self._inner.feed(piece)


def _described(head: bytes) -> tuple[tuple[int, int], int, int]:
    """Width and height, bits of a voxel, and the length of the file, as a header says."""
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0] if len(head) >= 4 else 0
        if size in _MAGICS and len(head) >= size:
            at, magic = _MAGICS[size]
            if head[at : at + len(magic)] == magic:
                return _measured(head, order, second=size == _SECOND)
    raise BadImageError("nifti-header", "it is none of NIfTI-1 or NIfTI-2 in one file")


def _measured(head: bytes, order: str, *, second: bool) -> tuple[tuple[int, int], int, int]:
    if second:
        kind, bits, *dimensions = struct.unpack_from(order + "2h8q", head, 12)
        (start,) = struct.unpack_from(order + "q", head, 168)
    else:
        dimensions = list(struct.unpack_from(order + "8h", head, 40))
        kind, bits = struct.unpack_from(order + "2h", head, 70)
        (start,) = struct.unpack_from(order + "f", head, 108)
    count, *lengths = dimensions
    used = lengths[:count] if 0 < count <= _MOST_DIMENSIONS else []
    if not used or min(used) < 1:
        raise BadImageError("nifti-header", "its dimensions make no sense")
    if _BITS.get(kind) != bits:
        raise BadImageError("nifti-header", f"datatype {kind} of {bits} bits")
    if not 0 <= start < 1 << 62:
        raise BadImageError("nifti-header", "its voxels begin nowhere")
    voxels = 1
    for length in used:
        voxels *= length
    return (used[0], used[1] if len(used) > 1 else 1), bits, int(start) + (voxels * bits + 7) // 8
