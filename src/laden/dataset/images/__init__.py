"""Is this image whole? Told by its structure, or by every pixel, while its bytes pass by.

In order: `checker` chooses by the file name and the level; the check is fed every buffer of the file, of any split;
`finish` says what was found. PNG is checked as it streams by (`png`, and of its pixels `scanlines` and `constant`);
JPEG and DICOM are kept until they are complete (`jpeg`, `dicom`), which for their size is no matter. The first thing
that is broken is the state (`states`).

Structure is what surrounds the pixels; a chunk whose CRC-32 holds is what its writer wrote. Pixels are what a training
job would decode. Nothing is repaired, and nothing here compares an image with a table or with another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from laden.dataset.images.png import PngCheck
from laden.dataset.images.quiet import QUIET
from laden.dataset.images.states import (
    BROKEN,
    DOUBTFUL,
    FACTS,
    MOST_BYTES,
    STATES,
    WHOLE,
    BadImageError,
    Buffer,
    Level,
    facts_from_text,
    facts_to_text,
)
from laden.values.records import NOT_AN_IMAGE, ImageFacts

__all__ = [
    "BROKEN",
    "DOUBTFUL",
    "FACTS",
    "STATES",
    "WHOLE",
    "Check",
    "Level",
    "checker",
    "facts_from_text",
    "facts_to_text",
    "look",
]

_HEAD_BYTES = 16 << 20
"""Kept of a file that is too large to be kept whole; any DICOM header is much shorter."""


class Check(Protocol):
    """Looks at one file, fed in order."""

    def feed(self, buffer: Buffer) -> None:
        """Look at the next bytes; they must not change afterwards."""

    def finish(self) -> ImageFacts:
        """Return what was found, after the last byte."""


def checker(name: str, level: Level, size_bytes: int) -> Check | None:
    """Return a fresh check for a file, or None if laden is not to look into it, or cannot look into its kind.

    Args:
        name: of the file; a DICOM file may be called after its UID, without an ending.
        level: how closely to look.
        size_bytes: of the file.
    """
    lower = name.rpartition("/")[2].lower()
    pixels = level == "pixels"
    if level == "none":
        return None
    if lower.endswith(".png"):
        return PngCheck(pixels=pixels)
    if lower.endswith((".jpg", ".jpeg")):
        return _Kept(partial(_look_at_jpeg, pixels=pixels), size_bytes)
    if lower.endswith((".dcm", ".dicom")):
        return _Kept(partial(_look_at_dicom, pixels=pixels), size_bytes)
    if not lower.rpartition(".")[2].isalpha() or "." not in lower:
        return _Kept(partial(_look_if_dicom, pixels=pixels), size_bytes)
    return None


def look(name: str, data: Buffer, level: Level = "structure") -> ImageFacts:
    """Return what a file says of itself, from its name and all its bytes."""
    check = checker(name, level, len(data))
    if check is None:
        return NOT_AN_IMAGE
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


def _look_at_jpeg(head: Buffer, size_bytes: int, *, pixels: bool) -> ImageFacts:
    from laden.dataset.images.jpeg import JpegLook

    return _judged("jpeg", JpegLook(head, size_bytes), pixels)


def _look_at_dicom(head: Buffer, size_bytes: int, *, pixels: bool) -> ImageFacts:
    from laden.dataset.images.dicom import DicomLook

    return _judged("dicom", DicomLook(head, size_bytes), pixels)


def _look_if_dicom(head: Buffer, size_bytes: int, *, pixels: bool) -> ImageFacts:
    if bytes(head[128:132]) != b"DICM":
        return NOT_AN_IMAGE
    return _look_at_dicom(head, size_bytes, pixels=pixels)


class _Look(Protocol):
    width: int
    height: int
    bits: int

    def structure(self) -> None:
        """Raise `BadImageError` where the structure is broken."""

    def pixels(self) -> None:
        """The same of the pixels, after `structure`."""


def _judged(kind: str, one: _Look, pixels: bool) -> ImageFacts:
    state, detail = WHOLE, ""
    try:
        with QUIET:
            one.structure()
            if pixels:
                one.pixels()
    except BadImageError as bad:
        state, detail = bad.state, bad.detail
    return ImageFacts(kind, one.width, one.height, one.bits, state, detail)
