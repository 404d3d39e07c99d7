"""What an image can be found to be: its states in words, and as the one line that travels in a blob's metadata.

A state is `whole`, `unseen` or a finding code. Broken images are errors and may be left out of a load; doubtful ones
are told and stored like any other. Whatever a file declares of itself, facts hold only what the relations can.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from laden.values.records import NOT_LOOKED_INTO, UNSEEN, ImageFacts

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes as they come; a memoryview must be of single bytes."""

Level: TypeAlias = Literal["none", "structure", "pixels"]
"""How closely images are looked at: not at all, by what surrounds the pixels, or by decoding every one."""

Phi: TypeAlias = Literal["warn", "stop", "off"]
"""What becomes of an image with fields that may say who a person is (protected health information): it is told, told
and not sent, or nobody looks."""

MOST_PIXELS = 1 << 27
"""Of an image (or frame) that is decoded: 11,585 x 11,585, seven times the largest chest radiograph of PADCHEST."""

MOST_BYTES = 256 << 20
"""Of a JPEG or DICOM file that is looked into whole."""

WHOLE = "whole"

BROKEN = {
    "png-signature": "it does not start as a PNG does",
    "png-is-jpeg": "it is a JPEG under the name of a PNG",
    "png-header": "its header gives a size or kind of pixel that no PNG may have",
    "png-chunk-type": "a chunk has no legal type, as where bytes were overwritten",
    "png-order": "a chunk that decoders need is missing, repeated or in the wrong place",
    "png-palette": "its palette has no entries, or no whole number of them",
    "png-chunk-crc": "the CRC-32 of a chunk does not fit its bytes",
    "png-hole": "a stretch of it was overwritten with zeros, as a download or a copy with gaps leaves it",
    "png-truncated": "it ends in the middle of a chunk",
    "png-no-idat": "it holds no pixels",
    "png-no-iend": "it ends before the chunk that marks the end",
    "png-zlib": "its compressed pixels are broken, though the CRC-32 of every chunk is right",
    "png-filter": "a line of pixels names a filter that PNG does not have",
    "png-pixels-short": "its pixels end before the last line",
    "png-pixels-long": "there is more pixel data than its size has room for",
    "jpeg-signature": "it does not start as a JPEG does",
    "jpeg-is-png": "it is a PNG under the name of a JPEG",
    "jpeg-header": "its header gives a size or kind of pixel that no JPEG may have",
    "jpeg-marker": "a marker that must be there is not, as where bytes were overwritten",
    "jpeg-order": "its parts are in an order that no decoder takes",
    "jpeg-truncated": "it ends before its end marker",
    "jpeg-pixels": "its pixels cannot be decoded",
    "dicom-signature": "it does not start as a DICOM file does ('DICM' after 128 bytes)",
    "dicom-header": "its header cannot be read, or lacks what says how large and of what kind its pixels are",
    "dicom-no-pixels": "its header describes an image, and no pixels follow",
    "dicom-length": "its pixel data are longer or shorter than rows, columns, bits, samples and frames make",
    "dicom-truncated": "it ends within its pixel data",
    "dicom-fragments": "its compressed pixel data are not cut into fragments as they must be",
    "dicom-pixels": "its pixels cannot be decoded",
    "tiff-signature": "it does not start as a TIFF does",
    "tiff-header": "a directory of it makes no sense, or gives a size or kind of pixel that no TIFF may have",
    "tiff-truncated": "it ends before what its directories say lies in it",
    "tiff-length": "its strips or tiles hold less than its size needs",
    "tiff-pixels": "its pixels cannot be decoded",
    "nifti-header": "its header cannot be read, or gives sizes or kinds of voxel that no NIfTI may have",
    "nifti-length": "it is shorter than its header makes",
    "gzip-signature": "it does not start as gzip data do",
    "gzip-damaged": "its gzip data are damaged, or not what their own checksum says",
    "gzip-truncated": "its gzip data break off",
}
"""What each state of a broken image means: half a sentence, to follow `the image is broken inside: `."""

DOUBTFUL = {
    "image-constant": "all its pixels are equal",
    "image-too-large": "it declares more than laden decodes, so its pixels were not looked at",
    "image-undecodable": "nothing that is installed decodes pixels of its kind, so they were not looked at",
    "image-unchecked": "looking into it did not come to its end, so nobody knows whether it is whole",
    "png-chunk-length": "a chunk that decoders can do without has another length than its type allows",
    "dicom-no-image": "it is DICOM without an image: a report or a plan, or it ends early",
}
"""What is worth knowing of an image that is not known to be broken."""

STATES = BROKEN | DOUBTFUL

UNSETTLED = (UNSEEN, "image-too-large", "image-undecodable", "image-unchecked")
"""States of what was not looked into, or not to the end: no verdict may call it whole."""

_MOST = (1 << 31) - 1
"""What the relations' columns for sizes hold."""


def facts(kind: str, size: tuple[int, int], bits: int, state: str, detail: str = "") -> ImageFacts:
    """What was found; a size or depth that no column holds is told as none (0).

    Args:
        kind: see `ImageFacts`.
        size: width and height.
        bits: of a sample.
        state: one of `STATES`, or `WHOLE`.
        detail: see `ImageFacts`.
    """
    width, height, bits = (number if 0 <= number <= _MOST else 0 for number in (*size, bits))
    return ImageFacts(kind, width, height, bits, state, detail)


class BadImageError(Exception):
    """Found while looking at an image; never leaves this package."""

    def __init__(self, state: str, detail: str = "") -> None:
        super().__init__(state)
        self.state = state
        self.detail = detail


def is_short_of_memory(error: BaseException | None) -> bool:
    """Whether a decoder failed because it got no more memory; decoders hide that in errors of their own."""
    while error is not None:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


_NO_MEMORY = re.compile(r"bad_alloc|out of memory|insufficient memory|unable to allocate|MemoryError", re.IGNORECASE)


def one_line(error: Exception) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split())[:300]


def facts_to_text(facts: ImageFacts) -> str:
    """Return the facts as one line of ASCII for a blob's metadata, such as `png;2140;2500;16;whole;unnamed`."""
    looked = f";{identity_to_text(facts.identity)}" if facts.identity is not None else ""
    return f"{facts.kind};{facts.width};{facts.height};{facts.bits};{facts.state}{looked}"


def identity_to_text(identity: tuple[str, ...] | None) -> str:
    """What is kept of a look at who an image names: `NAMED`, `UNNAMED`, or nothing where nobody looked."""
    if identity is None:
        return ""
    return NAMED if identity else UNNAMED


_NUMBER = "(0|[1-9][0-9]{0,9})"
NAMED, UNNAMED = "named", "unnamed"
"""Whether an image's header has fields that may say who a person is; which and what they hold is kept nowhere."""
FACTS = f"(png|jpeg|dicom|tiff|nifti|gzip|);{_NUMBER};{_NUMBER};{_NUMBER};([a-z-]+)(;{NAMED}|;{UNNAMED}|)"
"""Regular expression of what `facts_to_text` writes."""
_FACTS = re.compile(FACTS)


def facts_from_text(text: str) -> ImageFacts | None:
    """Return the facts that `facts_to_text` wrote, or None for any other text.

    Of a file that nobody looked into, earlier versions wrote that it is whole. Of who it names, only that it names
    somebody comes back.
    """
    found = _FACTS.fullmatch(text)
    if found is None or found[5] not in (WHOLE, UNSEEN, *STATES):
        return None
    if not found[1]:
        return NOT_LOOKED_INTO
    if any(int(found[number]) > _MOST for number in (2, 3, 4)):
        return None
    identity = {f";{NAMED}": (NAMED,), f";{UNNAMED}": ()}.get(found[6])
    return ImageFacts(found[1], int(found[2]), int(found[3]), int(found[4]), found[5], identity=identity)
