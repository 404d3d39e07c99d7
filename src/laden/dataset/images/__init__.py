"""Is this image whole? Told by its structure, or by every pixel, while its bytes pass by.

In order: `checker` chooses by the file name and the level; the check is fed every buffer of the file, of any split;
`finish` says what was found. PNG is checked as it streams by (`png`, and of its pixels `scanlines` and `constant`), as
are gzip data and NIfTI volumes (`gzips`); JPEG, DICOM and TIFF are kept until they are complete (`judging`, `jpeg`,
`dicom`, `tiff`), which for their size is no matter, and decoded in another process (`judges`). The first thing that is
broken is the state (`states`). Where asked, fields are named that may say who a person is (`identity`).

Structure is what surrounds the pixels; a chunk whose CRC-32 holds is what its writer wrote. Pixels are what a training
job would decode. Nothing is repaired, and nothing here compares an image with a table or with another. What is DICOM by
its bytes is looked into whatever its name (`content`); a file of any other kind is not, and its state says so.
"""

from __future__ import annotations

from functools import partial

from laden.dataset.images.content import ByContent, Check, Kept
from laden.dataset.images.gzips import VolumeCheck
from laden.dataset.images.judges import JUDGES
from laden.dataset.images.judging import judged
from laden.dataset.images.png import PngCheck
from laden.dataset.images.states import (
    BROKEN,
    DOUBTFUL,
    FACTS,
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
]

_KEPT = {"jpeg": (".jpg", ".jpeg"), "dicom": (".dcm", ".dicom"), "tiff": (".tif", ".tiff")}
"""Kinds that are kept until they are complete, and how their files are called."""


def checker(name: str, level: Level, size_bytes: int, *, identity: bool = False) -> Check | None:
    """Return a fresh check for a file, or None if laden is not to look into it, or cannot look into its kind.

    Args:
        name: of the file; what is DICOM inside is looked at as such, whatever it is called.
        level: how closely to look.
        size_bytes: of the file.
        identity: whether to tell fields that may say who a person is.
    """
    lower = name.rpartition("/")[2].lower()
    pixels = level == "pixels"
    if level == "none":
        return None
    named: Check | None = None
    if lower.endswith(".png"):
        named = PngCheck(pixels=pixels, identity=identity)
    elif lower.endswith((".gz", ".nii")):
        inner = ByContent(None, None, pixels=False, identity=True) if identity else None
        volume = lower.endswith((".nii", ".nii.gz"))
        named = VolumeCheck(packed=lower.endswith(".gz"), volume=volume, inner=inner)
    for kind, endings in _KEPT.items():
        if lower.endswith(endings):
            named = Kept(partial(judged, kind, pixels=pixels, identity=identity), size_bytes)
    if lower.endswith(_KEPT["dicom"]) or (named is not None and not identity):
        return named
    return ByContent(named, size_bytes, pixels=pixels, identity=identity)


def look(name: str, data: Buffer, level: Level = "structure", *, identity: bool = False) -> ImageFacts:
    """Return what a file says of itself, from its name and all its bytes."""
    check = checker(name, level, len(data), identity=identity)
    if check is None:
        return NOT_LOOKED_INTO
    check.feed(data)
    return check.finish()
