"""Decoded pixels to a small picture for the page.

In order: pixels of more than 8 bits are spread from their 0.5th to their 99.5th percentile, because detectors use a
small part of 16 bits and a plain shift shows them black; where the lowest value means white, they are inverted; and
encoded as WebP of bounded length. Decoding is not done here (`laden.dataset.images.child`). Never for diagnosis.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from laden.dataset.images.decode import Decoded

if TYPE_CHECKING:
    from PIL.Image import Image

EDGE_PIXELS = 480
"""Of the longer side: twice what the page shows at most, for screens of double density."""
MOST_BYTES = 80_000
"""Of one picture; the eighteen of a page, in base64, stay below 2 MB."""
_SHARES = (0.005, 0.995)
_QUALITIES = (85, 60, 35, 10)
_EFFORT = 2
"""Of 0 to 6: a third of the time of the default, for files a twentieth larger."""
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


def draw(decoded: Decoded, *, invert: bool = False) -> Drawn:
    """A small picture of what was decoded, at `EDGE_PIXELS` or more.

    Args:
        decoded: the pixels.
        invert: whether the lowest value means white, where the file itself does not tell.
    """
    # With the module that encodes WebP: for a format that it does not know yet, Pillow imports all its forty.
    from PIL import Image, WebPImagePlugin

    assert WebPImagePlugin
    scale = min(1.0, EDGE_PIXELS / max(decoded.width, decoded.height))
    size = (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale)))
    rows = max(1, int(decoded.there * size[1]))
    pixels = decoded.pixels
    picture = Image.fromarray(pixels if pixels.dtype == np.uint8 else _spread(pixels, decoded.there))
    if decoded.inverted if decoded.inverted is not None else invert:
        picture = picture.point(lambda value: _BYTE - value)
    picture = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    if rows < size[1]:
        cover = np.zeros((size[1], size[0]), np.uint8)
        cover[:rows] = _BYTE
        picture.putalpha(Image.fromarray(cover))
    return Drawn(_encoded(picture), *picture.size, decoded.part)


def _spread(values: npt.NDArray[Any], there: float) -> npt.NDArray[np.uint8]:
    """Values as 8 bits; only rows that are there set the limits."""
    seen = values[: max(1, int(len(values) * there))]
    # What NumPy calls a percentile imports its masked arrays, which takes longer than all else here.
    at = [round(share * (seen.size - 1)) for share in _SHARES]
    low, high = np.partition(seen, at, axis=None)[at].astype(float)
    spread = (values - low) * (_BYTE / max(high - low, 1))
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
