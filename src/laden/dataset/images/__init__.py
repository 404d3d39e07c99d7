"""Is this image whole? Told by its structure, or by every pixel, while its bytes pass by.

In order: `checker` chooses by the file name and the level; the check is fed every buffer of the file, of any split;
`finish` says what was found. PNG is checked as it streams by (`png`, and of its pixels `scanlines` and `constant`), as
are gzip data and NIfTI volumes (`gzips`); JPEG, DICOM and TIFF are kept until they are complete (`judging`, `jpeg`,
`dicom`, `tiff`), which for their size is no matter, and decoded in another process (`judges`). The first thing that is
broken is the state (`states`). Where asked, fields are named that may say who a person is (`identity`).

Structure is what surrounds the pixels; a chunk whose CRC-32 holds is what its writer wrote. Pixels are what a training
job would decode. Nothing is repaired, and nothing here compares an image with a table or with another. A file of any
other kind is not looked into, and its state says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from laden.dataset.images.gzips import VolumeCheck
from laden.dataset.images.judges import JUDGES
from laden.dataset.images.judging import judged
from laden.dataset.images.png import PngCheck
from laden.dataset.images.states import (
    BROKEN,
    DOUBTFUL,
    FACTS,
    MOST_BYTES,
    NAMED,
    STATES,
    UNNAMED,
    UNSETTLED,
    WHOLE,
    Buffer,
    Level,
    Phi,
    facts_from_text,
    facts_to_text,
    identity_to_text,
)
from laden.values.records import NOT_LOOKED_INTO, ImageFacts

__all__ = [
    "BROKEN",
    "DOUBTFUL",
    "FACTS",
    "JUDGES",
    "NAMED",
    "STATES",
    "UNNAMED",
    "UNSETTLED",
    "WHOLE",
    "Check",
    "Level",
    "Phi",
    "checker",
    "facts_from_text",
    "facts_to_text",
    "identity_to_text",
    "look",
    "may_be_dicom",
]

_HEAD_BYTES = 16 << 20
"""Kept of a file that is too large to be kept whole; any DICOM header is much shorter."""


_KEPT = {"jpeg": (".jpg", ".jpeg"), "dicom": (".dcm", ".dicom"), "tiff": (".tif", ".tiff")}
"""Kinds that are kept until they are complete, and how their files are called."""


class Check(Protocol):
    """Looks at one file, fed in order."""

    def feed(self, buffer: Buffer) -> None:
        """Look at the next bytes; they must not change afterwards."""

    def finish(self) -> ImageFacts:
        """Return what was found, after the last byte."""


def checker(name: str, level: Level, size_bytes: int, *, identity: bool = False) -> Check | None:
    """Return a fresh check for a file, or None if laden is not to look into it, or cannot look into its kind.

    Args:
        name: of the file; a DICOM file may be called after its UID, without an ending.
        level: how closely to look.
        size_bytes: of the file.
        identity: whether to tell fields that may say who a person is.
    """
    lower = name.rpartition("/")[2].lower()
    pixels = level == "pixels"
    if level == "none":
        return None
    if lower.endswith(".png"):
        return PngCheck(pixels=pixels, identity=identity)
    if lower.endswith((".gz", ".nii")):
        return VolumeCheck(packed=lower.endswith(".gz"), volume=lower.endswith((".nii", ".nii.gz")))
    for kind, endings in _KEPT.items():
        if lower.endswith(endings):
            return _Kept(partial(judged, kind, pixels=pixels, identity=identity), size_bytes)
    if may_be_dicom(lower):
        return _Kept(partial(_look_if_dicom, pixels=pixels, identity=identity), size_bytes)
    return None


def may_be_dicom(name: str) -> bool:
    """Whether a file is called as DICOM files are: with their ending, or after a UID without one."""
    lower = name.rpartition("/")[2].lower()
    ending = lower.rpartition(".")[2]
    return lower.endswith(_KEPT["dicom"]) or "." not in lower or not ending.isalpha()


def look(name: str, data: Buffer, level: Level = "structure", *, identity: bool = False) -> ImageFacts:
    """Return what a file says of itself, from its name and all its bytes."""
    check = checker(name, level, len(data), identity=identity)
    if check is None:
        return NOT_LOOKED_INTO
    check.feed(data)
    return check.finish()


class _Kept:
    """Keeps a file, or the head of a large one, until it is complete."""

    def __init__(self, judge: Callable[[Buffer, int], ImageFacts], size_bytes: int) -> None:
        self._judge = judge
        self._buffers: list[Buffer] = []
        self._room_bytes = size_bytes if size_bytes <= MOST_BYTES else _HEAD_BYTES
        self._seen_bytes = 0

    def feed(self, buffer: Buffer) -> None:
        if self._room_bytes > 0:
            self._buffers.append(memoryview(buffer)[: self._room_bytes])
        self._room_bytes -= len(buffer)
        self._seen_bytes += len(buffer)

    def finish(self) -> ImageFacts:
        head = self._buffers[0] if len(self._buffers) == 1 else b"".join(self._buffers)
        return self._judge(head, self._seen_bytes)


def _look_if_dicom(head: Buffer, size_bytes: int, *, pixels: bool, identity: bool) -> ImageFacts:
    if bytes(head[128:132]) != b"DICM":
        return NOT_LOOKED_INTO
    return judged("dicom", head, size_bytes, pixels=pixels, identity=identity)
