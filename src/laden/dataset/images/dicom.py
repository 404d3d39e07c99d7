"""Is this DICOM file whole?

Structure: pydicom reads the header up to the pixels; then the pixel data's length is held against what rows, columns,
bits, samples and frames make, or, where they are compressed, their fragments are walked to the last (DICOM PS3.5,
section 8 and annex A.4). Pixels: compressed frames are decoded by pydicom with what is installed; native ones are their
bytes, so that length is all there is to know. What cannot be decoded here is said to be so, never called whole. Where
asked, every element is walked (`elements`), and held against what may say who a person is (`identity`).

One frame is in memory at a time, and none that is implausibly large for its file is begun.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from laden.dataset.images.elements import Walk
from laden.dataset.images.frames import JPEG_2000, JPEG_EXTENDED, RLE, judge_frame, judge_pixels
from laden.dataset.images.identity import UNREAD, in_dicom
from laden.dataset.images.states import MOST_BYTES, MOST_PIXELS, BadImageError, Buffer, is_short_of_memory, one_line

_MAGIC = slice(128, 132)
_META_START = 132
"""PS3.10, section 7.1."""
_HEAD_BYTES = 16 << 20
_UNDEFINED = 0xFFFFFFFF
_ITEM, _END_OF_ITEMS = 0xE000FFFE, 0xE0DDFFFE
"""Tags as two little-endian numbers read as one (PS3.5, section 7.5)."""
_LONG = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"})
"""Representations whose length is a number of 32 bits after two unused bytes (PS3.5, section 7.1.2)."""
_BITS = frozenset({1, 8, 16, 32, 64})
_MOST_FRAMES = 10_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
_NATIVE = frozenset({"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", _DEFLATED})
_OF_THE_EXTRA = frozenset({f"1.2.840.10008.1.2.4.{number}" for number in (57, 70, 80, 81, 90, 91)})
"""Lossless JPEG, JPEG-LS and JPEG 2000, which GDCM decodes."""
_COMPRESSED = ("1.2.840.10008.1.2.4.", RLE)
_WANTED = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "NumberOfFrames", "PhotometricInterpretation",
)  # fmt: skip


class DicomLook:
    """Looks at one DICOM file, or at the head of a large one (`structure`, then `pixels`)."""

    def __init__(self, head: Buffer, size_bytes: int, *, identity: bool = False) -> None:
        """Take a file.

        Args:
            head: its bytes, or the first of them.
            size_bytes: how many it has.
            identity: whether `structure` also looks for fields that may say who a person is.
        """
        self._head = memoryview(head)
        self._size_bytes = size_bytes
        self._wants_identity = identity
        self.identity: tuple[str, ...] | None = (UNREAD,) if identity else None
        self._preamble = self._head[:_META_START]
        self._unread_behind: tuple[str, ...] = ()
        """Told where bytes follow deflated data: they are no part of them."""
        self.width = self.height = self.bits = 0
        self._samples = self._frames = 1
        self._syntax = ""
        self._fields: dict[str, Any] = {}
        self._start = self._length_bytes = 0
        """Where the value of the pixel data begins, and how long it says it is."""
        self._pixel_bytes = 0
        """Of native ones, without padding."""

    def structure(self) -> None:
        if bytes(self._head[_MAGIC]) != b"DICM":
            raise BadImageError("dicom-signature")
        position, implicit, little = self._read_header()
        self._describe(has_pixels=position < len(self._head))
        self._enter_pixels(position, implicit=implicit, little=little)
        if self._length_bytes != _UNDEFINED:
            self._judge_length()
        elif self._syntax in _NATIVE:
            raise BadImageError("dicom-length", "it has none, as only compressed pixels may")
        elif len(self._head) < self._size_bytes:
            raise BadImageError("image-too-large", f"{self._size_bytes:,} bytes, compressed")
        else:
            self._walk_fragments()

    def pixels(self) -> bool:
        """Raise for what can be told without a decoder; returns whether one has to see the rest."""
        if self._length_bytes == _UNDEFINED or self._samples > 1 or self.bits == 1:
            self._find_decoder()
            self._refuse_implausible()
            return True
        if len(self._head) == self._size_bytes and self._is_constant():
            raise BadImageError("image-constant")
        return False

    def decode(self) -> None:
        """Raise where pixels cannot be decoded, or are all equal; after `pixels`."""
        try:
            constant = self._decodes_to_one_value()
        except BadImageError:
            raise
        except Exception as error:
            if is_short_of_memory(error):
                raise
            state = "image-undecodable" if self._is_beyond_pillow() else "dicom-pixels"
            raise BadImageError(state, f"{self._syntax_name()}: {one_line(error)}") from error
        if constant:
            raise BadImageError("image-constant")

    def _syntax_name(self) -> str:
        from pydicom.uid import UID

        return UID(self._syntax).name

    def _read_header(self) -> tuple[int, bool, bool]:
        """Read the fields; returns where they end (at the pixels, or with the file), and how they are encoded."""
        from pydicom import dcmread

        try:
            self._syntax, end = _transfer_syntax(self._head)
            if self._syntax == _DEFLATED:
                self._inflate(end)
            file = io.BytesIO(self._head[:_HEAD_BYTES])
            dataset = dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_WANTED))
            implicit, little = dataset.original_encoding
            if self._wants_identity:
                start = 0 if self._syntax == _DEFLATED else end
                walk = Walk(self._head, start, self._size_bytes, implicit=bool(implicit), little=bool(little))
                self.identity = (*in_dicom(self._preamble, walk), *self._unread_behind)
            # Values are parsed when they are asked for.
            self._fields = {name: dataset.get(name) for name in _WANTED}
        except BadImageError:
            raise
        except Exception as error:
            raise BadImageError("dicom-header", one_line(error)) from error
        return file.tell(), bool(implicit), bool(little)

    def _inflate(self, start: int) -> None:
        """Replace the file by its inflated data set (PS3.5, annex A.5); pydicom would do so without a limit."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = inflater.decompress(self._head[start:], MOST_BYTES)
        if not inflater.eof and (inflater.unconsumed_tail or len(self._head) < self._size_bytes):
            raise BadImageError("image-too-large", "its deflated data set is more than 256 MiB")
        if not inflater.eof:
            raise BadImageError("dicom-truncated", "its deflated data set has no end")
        if inflater.unused_data.strip(b"\0"):
            self._unread_behind = (UNREAD,)
        self._head, self._size_bytes = memoryview(inflated), len(inflated)

    def _describe(self, *, has_pixels: bool) -> None:
        """Take over what the header says of the pixels."""
        fields = self._fields
        if fields["Rows"] is None and not has_pixels:
            raise BadImageError("dicom-no-image")
        try:
            self.height, self.width, self.bits = (_whole(fields[name]) for name in ("Rows", "Columns", "BitsAllocated"))
            self._samples = _whole(fields["SamplesPerPixel"] or 1)
            self._frames = _whole(fields["NumberOfFrames"] or 1)
        except (TypeError, ValueError) as error:
            raise BadImageError("dicom-header", one_line(error)) from error
        if self.bits not in _BITS or self._samples > 4:
            raise BadImageError("dicom-header", f"{self.bits} bits, {self._samples} samples a pixel")
        if not has_pixels:
            raise BadImageError("dicom-no-pixels")

    def _enter_pixels(self, position: int, *, implicit: bool, little: bool) -> None:
        """Read the head of the element with the pixels (PS3.5, section 7.1)."""
        order = "<" if little else ">"
        head = bytes(self._head[position : position + 12])
        try:
            if implicit:
                (self._length_bytes,), head_bytes = struct.unpack_from(order + "I", head, 4), 8
            elif head[4:6] in _LONG:
                (self._length_bytes,), head_bytes = struct.unpack_from(order + "I", head, 8), 12
            else:
                (self._length_bytes,), head_bytes = struct.unpack_from(order + "H", head, 6), 8
        except struct.error:
            raise BadImageError("dicom-truncated") from None
        self._start = position + head_bytes

    def _judge_length(self) -> None:
        """Hold the length of native pixel data against what the header makes, a byte of padding apart."""
        if self._syntax.startswith(_COMPRESSED):
            raise BadImageError("dicom-fragments", "they are not cut at all")
        if self._photometric_is_422():
            bits = self.width * self.height * 2 * self.bits
        else:
            bits = self.width * self.height * self._samples * self.bits
        expected = (bits * self._frames + 7) // 8
        if self._length_bytes not in (expected, expected + expected % 2):
            raise BadImageError("dicom-length", f"{self._length_bytes:,} bytes, and the header makes {expected:,}")
        if self._start + self._length_bytes > self._size_bytes:
            missing_bytes = self._start + self._length_bytes - self._size_bytes
            raise BadImageError("dicom-truncated", f"{missing_bytes:,} bytes are missing")
        self._pixel_bytes = expected

    def _photometric_is_422(self) -> bool:
        """Whether two pixels share their colour (PS3.3, section C.7.6.3.1.2)."""
        return self._samples == 3 and self._fields["PhotometricInterpretation"] == "YBR_FULL_422"

    def _walk_fragments(self) -> None:
        """Go from item to item to the delimiter: an offset table, then one fragment a frame, or more."""
        pos, items = self._start, 0
        while True:
            if pos + 8 > self._size_bytes:
                raise BadImageError("dicom-truncated", f"after {max(items - 1, 0):,} fragments")
            tag, length = struct.unpack_from("<II", self._head, pos)
            pos += 8
            if tag == _END_OF_ITEMS:
                break
            if tag != _ITEM or length == _UNDEFINED:
                raise BadImageError("dicom-fragments", f"at byte {pos - 8:,}")
            items, pos = items + 1, pos + length
        if items - 1 < self._frames:
            raise BadImageError("dicom-fragments", f"{max(items - 1, 0):,} for {self._frames:,} frames")

    def _find_decoder(self) -> None:
        from pydicom.pixels.decoders.base import get_decoder
        from pydicom.uid import UID

        try:
            decoder = get_decoder(UID(self._syntax))
        except NotImplementedError:
            raise BadImageError("image-undecodable", self._syntax_name()) from None
        if not decoder.is_available:
            remedy = "; pip install 'laden[images]' decodes it" if self._syntax in _OF_THE_EXTRA else ""
            raise BadImageError("image-undecodable", f"{self._syntax_name()}{remedy}")

    def _decodes_to_one_value(self) -> bool:
        from pydicom import dcmread
        from pydicom.uid import UID

        constant, first = True, None
        dataset = dcmread(io.BytesIO(self._head), force=True)
        dataset.file_meta.TransferSyntaxUID = UID(self._syntax)
        for frame in self._decoded(dataset):
            pixels = frame.reshape(self.width * self.height, -1)
            first = pixels[0].copy() if first is None else first
            constant = constant and bool((pixels == first).all())
        for encoded in self._encoded():
            judge_pixels(encoded, self._syntax)
        return constant

    def _decoded(self, dataset: Any) -> Iterator[Any]:
        """The frames, one at a time; or all at once of a few files that pydicom decodes only so."""
        from pydicom.pixels.utils import iter_pixels

        begun = False
        try:
            for frame in iter_pixels(dataset, raw=True):
                begun = True
                yield frame
        except Exception:
            if begun or self.width * self.height * self._frames * self._samples > MOST_PIXELS:
                raise
            frames = dataset.pixel_array
            yield from (frames if self._frames > 1 else (frames,))

    def _refuse_implausible(self) -> None:
        """Raise before memory is taken for frames that are too large, or other than the header says."""
        frame_pixels = self.width * self.height
        if frame_pixels * self._samples > MOST_PIXELS or self._frames > _MOST_FRAMES:
            size = f"{self._frames:,} frames of {self.width:,} x {self.height:,} pixels"
            raise BadImageError("image-too-large", size)
        try:
            for frame in self._encoded():
                judge_frame(frame, self._syntax, self.width, self.height, self._samples, self.bits)
        except ValueError as error:
            raise BadImageError("dicom-pixels", one_line(error)) from error

    def _encoded(self) -> Iterator[bytes]:
        """The frames as they lie in the file, where they are compressed."""
        if self._length_bytes == _UNDEFINED:
            from pydicom.encaps import generate_frames

            yield from generate_frames(bytes(self._head[self._start :]), number_of_frames=self._frames)

    def _is_beyond_pillow(self) -> bool:
        """Whether Pillow, which is what is always installed, cannot decode such pixels: deep ones, and deep colours."""
        bits = int(self._fields["BitsStored"] or self.bits)
        if self._syntax == JPEG_EXTENDED:
            return bits != 8
        return self._syntax in JPEG_2000 and (bits > 16 or (bits > 8 and self._samples > 1))

    def _is_constant(self) -> bool:
        """Whether native pixels of one sample are all equal."""
        import numpy as np

        values = np.frombuffer(self._head, np.uint8, self._pixel_bytes, self._start)
        pixels = values.reshape(-1, self.bits // 8)
        # Of most images, the first few say it.
        return bool((pixels[:1000] == pixels[0]).all() and (pixels == pixels[0]).all())


def _transfer_syntax(head: memoryview) -> tuple[str, int]:
    """The transfer syntax, empty where none is named, and where the file meta information ends."""
    from pydicom.filereader import read_dataset

    file = io.BytesIO(head[_META_START:_HEAD_BYTES])
    meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_is_after_meta)
    return str(meta.get("TransferSyntaxUID", "")), _META_START + file.tell()


def _is_after_meta(tag: int, _: str | None, __: int) -> bool:
    """Whether an element is behind the file meta information, which is group 2 (PS3.10, section 7.1)."""
    return tag >> 16 != 2


def _whole(value: object) -> int:
    """A count from the header; raises ValueError or TypeError where it is none."""
    number = int(value)  # type: ignore[call-overload]
    if not 0 < number < 1 << 31:
        raise ValueError(f"{number} is no size")
    return int(number)
