"""Bytes of an image file to a small picture for the page.

In order: the file is decoded (PNG, JPEG and what else Pillow reads; DICOM by pydicom), as far as it can be where it
is broken; averaged down; pixels of more than 8 bits are spread from their 0.5th to their 99.5th percentile, because
detectors use a small part of 16 bits and a plain shift shows them black; MONOCHROME1 (PS3.3 C.7.6.3.1.2: the lowest
value is white) is inverted; and encoded as WebP of bounded length. Never for diagnosis.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from laden.report.salvage import salvage

if TYPE_CHECKING:
    from PIL.Image import Image

EDGE_PIXELS = 480
"""Of the longer side: twice what the page shows at most, for screens of double density."""
MOST_BYTES = 80_000
"""Of one picture; two dozen of them, in base64, stay below 3 MB."""
_MOST_PIXELS = 100_000_000
_PERCENTILES = (0.5, 99.5)
_QUALITIES = (85, 60, 35, 10)
_EFFORT = 2
"""Of 0 to 6: a third of the time of the default, for files a twentieth larger."""
_DICOM_AT = 128
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
"""Start and end of image (ITU-T T.81, table B.1)."""
_ONE_FRAME_DIMENSIONS = 2
_BYTE = 255


class Drawn(NamedTuple):
    """A small picture."""

    webp: bytes
    width: int
    height: int
    part: float
    """How much of the image could be decoded, 0 to 1."""

    @property
    def uri(self) -> str:
        return f"data:image/webp;base64,{base64.b64encode(self.webp).decode()}"


class _Decoded(NamedTuple):
    image: Image
    part: float
    rows: int | None
    """Rows that are there, from the top, where some are not."""


def draw(data: bytes, *, invert: bool = False) -> Drawn | None:
    """A small picture of an image file, or None where nothing of it can be decoded.

    Args:
        data: the file, or what there is of it.
        invert: whether the lowest value means white; a DICOM file tells by itself.
    """
    try:
        decoded = _dicom(data) if data[_DICOM_AT : _DICOM_AT + 4] == b"DICM" else _decoded(data)
        return None if decoded is None else _small(decoded, invert=invert)
    except Exception:  # noqa: BLE001 - decoders raise anything at all over broken files
        return None


def _decoded(data: bytes) -> _Decoded | None:
    try:
        return _Decoded(_opened(data), 1.0, None)
    except Exception:  # noqa: BLE001 - as above; what is left of it may do
        left = salvage(data)
    if left is not None:
        return _Decoded(_opened(left.png), left.part, left.rows)
    return _ended(data)


def _opened(data: bytes) -> Image:
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    if image.width * image.height > _MOST_PIXELS:
        raise ValueError("more pixels than a sample is worth")
    image.load()
    return image


def _ended(data: bytes) -> _Decoded | None:
    """The beginning of a JPEG that ends early: with a marker of its end, decoders fill up the rest with one tone."""
    if not data.startswith(_JPEG):
        return None
    image = _opened(data + _JPEG_END)
    told = np.flatnonzero(np.ptp(np.asarray(image.convert("L")), axis=1))
    rows = int(told[-1]) + 1 if told.size else 0
    return _Decoded(image, rows / image.height, rows) if rows else None


def _dicom(data: bytes) -> _Decoded | None:
    from PIL import Image
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array

    dataset = dcmread(io.BytesIO(data))
    if dataset.Rows * dataset.Columns > _MOST_PIXELS:
        return None
    part, rows = _completed(dataset)
    values = pixel_array(dataset, index=0)
    if values.ndim > _ONE_FRAME_DIMENSIONS:
        return _Decoded(Image.fromarray(values.astype(np.uint8)), part, rows)
    values = values.astype(np.int32)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = -values
    return _Decoded(Image.fromarray(values), part, rows)


def _completed(dataset: Any) -> tuple[float, int | None]:
    """Fill up pixel data that end early and are not compressed; returns the part and the rows that are there."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return 1.0, None
    samples = int(dataset.get("SamplesPerPixel", 1))
    frame_bytes = dataset.Rows * dataset.Columns * samples * dataset.BitsAllocated // 8
    wanted_bytes = frame_bytes * int(dataset.get("NumberOfFrames", 1) or 1)
    there = dataset.PixelData
    if len(there) >= wanted_bytes:
        return 1.0, None
    dataset.PixelData = there + bytes(wanted_bytes - len(there))
    part = min(len(there) / frame_bytes, 1.0)
    return part, int(part * dataset.Rows)


def _small(decoded: _Decoded, *, invert: bool) -> Drawn:
    from PIL import Image

    image = decoded.image
    scale = min(1.0, EDGE_PIXELS / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    rows = size[1] if decoded.rows is None else max(1, decoded.rows * size[1] // image.height)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        picture = Image.fromarray(_spread(np.asarray(image), rows / size[1]))
    else:
        picture = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if invert:
        picture = picture.point(lambda value: _BYTE - value)
    picture = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    if rows < size[1]:
        cover = np.zeros((size[1], size[0]), np.uint8)
        cover[:rows] = _BYTE
        picture.putalpha(Image.fromarray(cover))
    return Drawn(_encoded(picture), *picture.size, decoded.part)


def _spread(values: npt.NDArray[Any], there: float) -> npt.NDArray[np.uint8]:
    """Values as 8 bits: averaged down first, so that noise does not set the limits; only rows that are there do."""
    step = max(1, max(values.shape) // (2 * EDGE_PIXELS))
    height, width = (length // step * step for length in values.shape)
    blocks = values[:height, :width].reshape(height // step, step, width // step, step)
    averaged = blocks.mean(axis=(1, 3), dtype=np.float32)
    low, high = np.percentile(averaged[: max(1, int(len(averaged) * there))], _PERCENTILES)
    spread = (averaged - low) * (_BYTE / max(high - low, 1))
    bytes_: npt.NDArray[np.uint8] = np.clip(spread, 0, _BYTE).astype(np.uint8)
    return bytes_


def _encoded(picture: Image) -> bytes:
    """WebP, of the best quality that keeps it below the bound."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=quality, method=_EFFORT)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()
