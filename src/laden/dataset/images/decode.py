"""Pixels of a stranger's image file, small or as they are: the one place where such are opened to be shown.

In order: DICOM is told by its mark, everything else by Pillow, of whose formats only those that are meant may be tried
(it knows some that start programs); what is larger decoded than `MOST_BYTES` is refused, after a JPEG was asked to be
decoded small; PNGs are inflated before (`salvage`); of a broken file, what is left of it is taken; then it is averaged
down. Runs in a process of its own (`child`), whose memory and time are bounded. Nothing is judged here.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from laden.dataset.images.salvage import salvage

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
MOST_BYTES = 64 << 20
"""Of one decoded image: 16 million pixels in colour, 33 million of 16 bits (PADCHEST's largest has 19 million)."""

_DICOM_AT = 128
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
"""Start and end of image (ITU-T T.81, table B.1)."""
_ONE_FRAME_DIMENSIONS = 2
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""As Pillow keeps them; all other modes take four."""
_REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"})


class Decoded(NamedTuple):
    """What could be decoded of an image."""

    pixels: npt.NDArray[Any]
    """Rows, columns, and three colours or none: of 8 bits, or of more, which are float32 where they are averaged."""
    width: int
    """Of the image itself."""
    height: int
    part: float
    """How much of the image could be decoded, 0 to 1."""
    there: float
    """How much of the height, from the top, has pixels; 1 where they are not missing line by line."""
    inverted: bool | None
    """Whether the lowest value means white (PS3.3 C.7.6.3.1.2, MONOCHROME1); None where the file does not tell."""


def decode(data: bytes, edge_pixels: int | None = None, frame: int = 0) -> Decoded | None:
    """The pixels of an image file, or None where nothing of it can be decoded.

    Args:
        data: the file, or what there is of it.
        edge_pixels: averaged down to no less than so many on the longer side, and less than twice that; None for all
            pixels.
        frame: of a DICOM file with several, from 0; there must be so many.
    """
    try:
        if data[_DICOM_AT : _DICOM_AT + 4] == b"DICM":
            return _dicom(data, edge_pixels, frame)
        return _picture(data, edge_pixels)
    except Exception:  # noqa: BLE001 - decoders raise anything at all over broken files
        return None


def _picture(data: bytes, edge_pixels: int | None) -> Decoded | None:
    left = salvage(data, MOST_BYTES)
    if left is not None:
        taken = _taken(_opened(left.png, edge_pixels), edge_pixels)
        return taken._replace(part=left.part, there=1.0 if left.rows is None else left.rows / taken.height)
    try:
        return _taken(_opened(data, edge_pixels), edge_pixels)
    except Exception:  # noqa: BLE001 - as above; what is left of it may do
        return _ended(data, edge_pixels)


def _opened(data: bytes, edge_pixels: int | None) -> tuple[Image, int, int]:
    """The image, decoded, and its width and height before a JPEG was asked to be small."""
    from PIL import Image

    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if edge_pixels is not None:
        image.draft(None, (edge_pixels, edge_pixels))
    if image.width * image.height * _PIXEL_BYTES.get(image.mode, 4) > MOST_BYTES:
        raise ValueError("more pixels than a picture is worth")
    image.load()
    return image, width, height


def _taken(opened: tuple[Image, int, int], edge_pixels: int | None) -> Decoded:
    image, width, height = opened
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return Decoded(_averaged(np.asarray(image), edge_pixels), width, height, 1.0, 1.0, None)
    step = _step(image.size, edge_pixels)
    if step > 1 and image.mode in _REDUCIBLE:
        image, step = image.reduce(step), 1
    shown = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    pixels = np.asarray(shown.reduce(step) if step > 1 else shown)
    return Decoded(pixels, width, height, 1.0, 1.0, None)


def _ended(data: bytes, edge_pixels: int | None) -> Decoded | None:
    """The beginning of a JPEG that ends early: with a marker of its end, decoders fill up the rest with one tone."""
    if not data.startswith(_JPEG):
        return None
    taken = _taken(_opened(data + _JPEG_END, edge_pixels), edge_pixels)
    lines = taken.pixels.reshape(len(taken.pixels), taken.pixels.shape[1], -1)
    told = np.flatnonzero(np.ptp(lines, axis=1).max(axis=1))
    there = (int(told[-1]) + 1) / len(lines) if told.size else 0.0
    return taken._replace(part=there, there=there) if there else None


def _dicom(data: bytes, edge_pixels: int | None, frame: int) -> Decoded | None:
    from pydicom import dcmread
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    dataset = dcmread(io.BytesIO(data))
    width, height = int(dataset.Columns), int(dataset.Rows)
    frame_bytes = width * height * int(dataset.get("SamplesPerPixel", 1)) * dataset.BitsAllocated // 8
    if frame_bytes > MOST_BYTES:
        return None
    compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    part = 1.0 if compressed else _completed(dataset, frame_bytes, frame)
    values = pixel_array(dataset, index=frame if compressed else 0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
        values = values >> 8 if values.dtype.itemsize > 1 else values
    if values.ndim > _ONE_FRAME_DIMENSIONS:
        step = _step((width, height), edge_pixels)
        return Decoded(values.astype(np.uint8)[::step, ::step], width, height, part, part, None)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    return Decoded(_averaged(values, edge_pixels), width, height, part, int(part * height) / height, inverted)


def _completed(dataset: Any, frame_bytes: int, frame: int) -> float:
    """Leave one frame of pixel data that are not compressed, filled up where they end early; how much is there."""
    there = dataset.PixelData[frame * frame_bytes :]
    dataset.PixelData = there[:frame_bytes].ljust(frame_bytes, b"\0")
    if "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = 1
    return float(min(len(there) / frame_bytes, 1.0))


def _step(size: tuple[int, int], edge_pixels: int | None) -> int:
    """How many pixels become one, each way."""
    return 1 if edge_pixels is None else max(1, max(size) // edge_pixels)


def _averaged(values: npt.NDArray[Any], edge_pixels: int | None) -> npt.NDArray[Any]:
    """Pixels of more than 8 bits, averaged down so that noise does not set the limits of what is shown."""
    if edge_pixels is None:
        return values
    step = min(_step(values.shape[::-1], edge_pixels), *values.shape)
    height, width = (length // step * step for length in values.shape)
    # Sums of whole rows, then of few columns: several times as fast as the mean of blocks.
    lines = _summed([values[first:height:step, :width] for first in range(step)])
    return _summed([lines[:, first::step] for first in range(step)]) / np.float32(step * step)


def _summed(parts: list[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """The sum of arrays of one shape; of 25 values of 16 bits, or of far more of fewer, it is exact."""
    total = parts[0].astype(np.float32)
    for part in parts[1:]:
        total += part
    return total
