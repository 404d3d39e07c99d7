"""What the compressed frames of a DICOM file say of themselves, before a decoder takes memory for them.

A frame that declares another size than the file's header, or more pixels than its bytes can stand for, is no frame of
it, or a bomb. JPEG (ITU-T T.81), JPEG-LS (T.87), JPEG 2000 (T.800, annex A.5.1) and RLE (DICOM PS3.5, annex G) are
looked into; of others only the decoder can tell. Of a JPEG of 8 bits, `judge_pixels` tells whether pixels are missing,
of which pydicom's decoders keep silent.
"""

from __future__ import annotations

import struct

from laden.dataset.images.jpeg import JpegLook, least_bytes
from laden.dataset.images.states import BadImageError

RLE = "1.2.840.10008.1.2.5"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", JPEG_EXTENDED})
_JPEG = _LOSSY | {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"}
"""With the two lossless processes (PS3.5, section 8.2.1)."""
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
_JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
_START_OF_LS = b"\xff\xf7"
"""Marker SOF55 (ITU-T T.87, annex C.1.1); then length, precision, lines, samples a line."""
_RLE_RATIO = 64
"""Two bytes stand for 128 at most (annex G.3.1)."""
_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
"""Markers SOC and SIZ (annex A.4.1, A.5.1)."""
_SIZE = struct.Struct(">HHIIII")
"""After them: length, capabilities, right and lower edge, left and upper edge."""


def judge_frame(frame: bytes, syntax: str, width: int, height: int, samples: int, bits: int) -> None:
    """Raise `BadImageError` for a frame that cannot be one of its file.

    Args:
        frame: its bytes.
        syntax: UID of the transfer syntax.
        width: pixels of a row, as the file's header says; the others likewise.
        height: rows.
        samples: of a pixel.
        bits: allocated for a sample.
    """
    least = 0
    if syntax == RLE:
        least = width * height * samples * bits // 8 // _RLE_RATIO
    elif syntax in _JPEG:
        least = least_bytes(width * height)
        _judge_size(_jpeg_size(frame), (width, height))
    elif syntax in _JPEG_LS:
        _judge_size(_jpeg_ls_size(frame), (width, height))
    elif syntax in JPEG_2000:
        _judge_size(_jpeg_2000_size(frame), (width, height))
    if len(frame) < least:
        raise BadImageError("dicom-pixels", f"{len(frame):,} bytes cannot hold a frame")


def judge_pixels(frame: bytes, syntax: str) -> None:
    """Raise `BadImageError` for a frame of which pixels are missing, or codes are none, where that can be told."""
    looked = JpegLook(frame, len(frame))
    try:
        if syntax in _LOSSY:
            looked.structure()
            looked.strictly()
    except BadImageError as bad:
        raise BadImageError("dicom-pixels", f"{bad.state} {bad.detail}".strip()) from None


def _judge_size(found: tuple[int, int], expected: tuple[int, int]) -> None:
    if found != expected:
        raise BadImageError("dicom-pixels", f"a frame is {found[0]:,} x {found[1]:,} pixels")


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    looked = JpegLook(frame, len(frame))
    try:
        looked.structure()
    except BadImageError as bad:
        raise BadImageError("dicom-pixels", f"{bad.state} {bad.detail}".strip()) from None
    return looked.width, looked.height


def _jpeg_ls_size(frame: bytes) -> tuple[int, int]:
    at = frame.find(_START_OF_LS)
    if at < 0 or at + 9 > len(frame):
        raise BadImageError("dicom-pixels", "a frame is no JPEG-LS")
    _, lines, columns = struct.unpack_from(">BHH", frame, at + 4)
    return columns, lines


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    at = frame.find(_START_OF_CODESTREAM)
    try:
        _, _, right, lower, left, upper = _SIZE.unpack_from(frame, at + len(_START_OF_CODESTREAM))
    except struct.error:
        at = -1
    if at < 0:
        raise BadImageError("dicom-pixels", "a frame is no JPEG 2000")
    return right - left, lower - upper
