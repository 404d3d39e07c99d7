"""Bytes of an image file to its grey values, as they are, for a browser that windows them itself.

A browser draws 16 bits as 8, so values travel raw: 8 or 16 bits of grey, little-endian, or 8 bits of each colour. What
the values mean goes beside them: how a value is computed from what is stored (DICOM PS3.3 C.11.1), which windows the
file names (C.11.2), whether the lowest value means white (C.7.6.3.1.2), and of a broken file how much is there. Broken
files are saved as far as the report's pictures are, all of them decoded in processes of their own. Nothing is windowed
here.
"""

from __future__ import annotations

import io
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.images.decode import Decoded

_DICOM_AT = 128
_PERCENTILES = (0.5, 99.5)
_SAMPLED = 8
"""Every so many rows and columns are looked at for the first window: percentiles need no more."""
_MOST_16 = 65_535
_GREY = 2
_END_S = 30
"""Within which a decoder that was ended comes back."""
_WANTED = (
    "NumberOfFrames", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation",
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """One frame of an image."""

    data: bytes
    width: int
    height: int
    samples: str
    """`grey8`, `grey16` or `rgb8`."""
    slope: float = 1.0
    intercept: float = 0.0
    """A value is `stored * slope + intercept`."""
    low: float = 0.0
    high: float = 255.0
    """Stored values between which the first window lies."""
    least: float = 0.0
    most: float = 255.0
    """The lowest and highest stored value."""
    windows: list[dict[str, Any]] = field(default_factory=list)
    """Those that the file names: `name`, and `centre` and `width` in values."""
    inverted: bool = False
    """Whether the lowest value means white."""
    frame: int = 0
    frames: int = 1
    part: float = 1.0
    rows: int | None = None
    """Rows that are there, from the top, where some are not."""
    note: str = ""

    def facts(self) -> dict[str, Any]:
        """All but the values."""
        return {key: value for key, value in asdict(self).items() if key != "data"}


class Decoders:
    """Processes that decode, each for one image at a time; for many threads."""

    def __init__(self, count: int = 2) -> None:
        self._free: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        self._all = [Decoder() for _ in range(count)]
        for decoder in self._all:
            self._free.put(decoder)
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[Decoder]:
        """One that nobody else uses meanwhile."""
        decoder = self._free.get()
        try:
            if self._closed:
                raise DecodingStopped("the server is being stopped")
            yield decoder
        finally:
            self._free.put(decoder)

    def decode(self, data: bytes, edge_pixels: int | None = None, frame: int = 0) -> Decoded | None:
        """As `laden.dataset.images.child.Decoder` does."""
        with self.one() as decoder:
            return decoder.decode(data, edge_pixels, frame)

    def close(self) -> None:
        """End all of them, also what they are at; no other is begun."""
        self._closed = True
        for decoder in self._all:
            decoder.close()
        for _ in self._all:
            self._free.get(timeout=_END_S).close()


def open_image(data: bytes, frame: int, decoders: Decoders, *, inverted: bool) -> Opened | None:
    """One frame of an image file, or None where nothing of it can be decoded.

    Args:
        data: the file, or what there is of it.
        frame: from 0.
        decoders: decode it.
        inverted: whether the table says that the lowest value means white; a DICOM file tells by itself.
    """
    header = _dicom_header(data)
    frame = frame if 0 <= frame < header.get("frames", 1) else 0
    try:
        found = decoders.decode(data, None, frame)
    except DecodingStopped as stopped:
        return Opened(b"", 0, 0, "", part=0.0, note=str(stopped))
    if found is None:
        return None
    rows = None if found.there == 1 else round(found.there * found.height)
    told = {"frame": frame, "frames": header.get("frames", 1), "part": found.part, "rows": rows}
    if found.pixels.ndim > _GREY:
        return _colours(found.pixels, inverted=inverted, told=told)
    white = inverted if found.inverted is None else found.inverted
    values = {name: header[name] for name in ("slope", "intercept", "windows") if name in header}
    return _grey(found.pixels, told=told, inverted=white, **values)


def _dicom_header(data: bytes) -> dict[str, Any]:
    """What a DICOM file says of its values, pixels left unread; nothing of any other file."""
    from pydicom import dcmread

    if data[_DICOM_AT : _DICOM_AT + 4] != b"DICM":
        return {}
    try:
        dataset = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(_WANTED))
        return {
            "frames": max(1, int(dataset.get("NumberOfFrames", 1) or 1)),
            "slope": float(dataset.get("RescaleSlope", 1) or 1),
            "intercept": float(dataset.get("RescaleIntercept", 0) or 0),
            "windows": _windows(dataset),
        }
    except Exception:  # noqa: BLE001 - pydicom raises anything at all over broken files
        return {}


def _grey(
    values: npt.NDArray[Any],
    *,
    told: dict[str, Any],
    inverted: bool = False,
    slope: float = 1.0,
    intercept: float = 0.0,
    windows: list[dict[str, Any]] | None = None,
) -> Opened:
    """Values of one sample, moved or scaled into 16 bits only where they would not fit."""
    there = values[: told.get("rows") or len(values)]
    least, most = float(there.min()), float(there.max())
    note = ""
    if values.dtype.kind == "f" or most - least > _MOST_16:
        factor = (most - least) / _MOST_16 or 1.0
        stored = np.clip((values - least) / factor, 0, _MOST_16).round().astype("<u2")
        slope, intercept = slope * factor, intercept + slope * least
        note = "its values need more than 16 bits: they are shown in 65,536 steps"
    elif least < 0 or most > _MOST_16:
        stored = (values.astype(np.int64) - int(least)).astype("<u2")
        intercept += slope * least
    else:
        stored = values.astype("u1" if values.dtype.itemsize == 1 else "<u2")
    sample = stored[: len(there) : _SAMPLED, ::_SAMPLED]
    low, high = (float(value) for value in np.percentile(sample, _PERCENTILES))
    if values.dtype.itemsize == 1:
        low, high = 0.0, 255.0
    elif windows:
        centre, width = windows[0]["centre"], windows[0]["width"]
        low, high = (centre - width / 2 - intercept) / slope, (centre + width / 2 - intercept) / slope
    if high <= low:
        high = low + 1
    shown = stored[: len(there)]
    return Opened(
        stored.tobytes(), stored.shape[1], stored.shape[0], "grey8" if stored.dtype.itemsize == 1 else "grey16",
        slope, intercept, low, high, float(shown.min()), float(shown.max()), windows or [], inverted, note=note, **told,
    )  # fmt: skip


def _colours(values: npt.NDArray[Any], *, told: dict[str, Any], inverted: bool = False) -> Opened:
    note = ""
    if values.dtype.itemsize > 1:
        values, note = values >> 8, "its colours have 16 bits: the upper 8 are shown"
    data = np.ascontiguousarray(values[..., :3], np.uint8)
    return Opened(data.tobytes(), data.shape[1], data.shape[0], "rgb8", inverted=inverted, note=note, **told)


def _windows(dataset: Any) -> list[dict[str, Any]]:
    """The windows that a file names; each of the three fields may have one value or several."""
    fields = [dataset.get(name) for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")]
    centres, widths, names = ([] if one is None else one if _is_many(one) else [one] for one in fields)
    found = []
    for number, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        name = str(names[number]) if number < len(names) else f"Window {number + 1}"
        if float(width) >= 1:
            found.append({"name": name, "centre": float(centre), "width": float(width)})
    return found


def _is_many(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__iter__")
