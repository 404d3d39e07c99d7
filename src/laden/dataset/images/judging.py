"""One file that is there whole, looked at: structure, then pixels, and what of it may say who a person is.

`judged` is the look that a check takes; the pixels that need a decoder it hands to another process (`judges`), which
calls `decoded`. Whatever happens in a look becomes a state: no input ends a run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from laden.dataset.images.quiet import QUIET
from laden.dataset.images.states import WHOLE, BadImageError, Buffer, facts, is_short_of_memory, one_line
from laden.values.records import ImageFacts


class Look(Protocol):
    """Looks at one file of a kind."""

    width: int
    height: int
    bits: int

    @property
    def identity(self) -> tuple[str, ...] | None:
        """Names of fields that may say who a person is."""

    def structure(self) -> None:
        """Raise `BadImageError` where the structure is broken."""

    def pixels(self) -> bool:
        """The same of the pixels, after `structure`, without a decoder; returns whether one has to see them."""

    def decode(self) -> None:
        """The same with a decoder, after `pixels`."""


def look_at(kind: str, head: Buffer, size_bytes: int, *, identity: bool = False) -> Look:
    """A fresh look at a file of that kind (`jpeg`, `dicom` or `tiff`), or at the head of a large one."""
    if kind == "jpeg":
        from laden.dataset.images.jpeg import JpegLook

        return JpegLook(head, size_bytes)
    if kind == "tiff":
        from laden.dataset.images.tiff import TiffLook

        return TiffLook(head, size_bytes)
    from laden.dataset.images.dicom import DicomLook

    return DicomLook(head, size_bytes, identity=identity)


def judged(kind: str, head: Buffer, size_bytes: int, *, pixels: bool, identity: bool) -> ImageFacts:
    """What was found.

    Args:
        kind: as `look_at` takes it.
        head: the file, or the first bytes of a large one.
        size_bytes: of the file.
        pixels: whether they are looked at too.
        identity: whether fields are looked for that may say who a person is.
    """
    look = look_at(kind, head, size_bytes, identity=identity)
    state, detail = _state(partial(_looked, look, kind, head, pixels=pixels))
    found = facts(kind, (look.width, look.height), look.bits, state, detail)
    return found._replace(identity=look.identity) if identity else found


def _looked(look: Look, kind: str, head: Buffer, *, pixels: bool) -> tuple[str, str]:
    look.structure()
    if pixels and look.pixels():
        from laden.dataset.images.judges import JUDGES

        return JUDGES.judge(kind, head)
    return WHOLE, ""


def decoded(kind: str, data: Buffer) -> tuple[str, str]:
    """State and detail of a file whose pixels are decoded here, in this process."""

    def look() -> tuple[str, str]:
        one = look_at(kind, data, len(data))
        one.structure()
        if one.pixels():
            one.decode()
        return WHOLE, ""

    return _state(look)


def _state(look: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    try:
        with QUIET:
            return look()
    except BadImageError as bad:
        return bad.state, bad.detail
    except Exception as error:  # noqa: BLE001 - libraries raise anything at all over broken files
        if is_short_of_memory(error):
            return "image-unchecked", "decoding it takes more memory than it may"
        return "image-unchecked", f"{type(error).__name__}: {one_line(error)}"
