"""The names of images in a folder: plain files, and members of archives as their directories tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from laden.dataset.source import Found, entries
from laden.values.errors import SourceError
from laden.values.names import BESIDE_IMAGES
from laden.values.records import Entry

_KNOWN = (
    ".png",
    ".jpg",
    ".jpeg",
    ".dcm",
    ".dicom",
    ".tif",
    ".tiff",
    ".nii.gz",
    ".nii",
    ".bmp",
    ".webp",
    ".mha",
    ".npy",
)
MOST = 200_000
"""Names that are looked at."""


class Name(NamedTuple):
    """Of one image."""

    archive: str
    """Path of its archive; empty for a plain file."""
    path: str
    """Below the source, or within the archive."""

    @property
    def base(self) -> str:
        """Without folders."""
        return self.path.rpartition("/")[2]


class Names(NamedTuple):
    """All that are looked at, and how they end."""

    names: list[Name]
    suffixes: tuple[str, ...]
    """In small letters, the most frequent first; at least one."""

    def stem(self, base: str) -> str:
        """A file's name without one of the endings."""
        ends = [suffix for suffix in self.suffixes if base.lower().endswith(suffix)]
        return base[: -len(max(ends, key=len))] if ends else base


def image_names(found: Found) -> Names:
    """The names of images at a source: those with an ending of images, else with the most frequent one."""
    listed = [name for name in _all(found) if not name.path.lower().endswith(BESIDE_IMAGES)]
    endings = Counter(_ending(name.base) for name in listed)
    known = [ending for ending, _ in endings.most_common() if ending in _KNOWN]
    suffixes = tuple(known or [ending for ending, _ in endings.most_common(1)])
    return Names([name for name in listed if _ending(name.base) in suffixes], suffixes)


def _all(found: Found) -> Iterator[Name]:
    number = 0
    for file in found.files:
        yield Name("", file)
        number += 1
    for archive in found.archives:
        try:
            for entry in entries(found.root, archive):
                if isinstance(entry, Entry):
                    yield Name(archive, entry.member)
                    number += 1
                if number > MOST:
                    return
        except SourceError:
            # The check that follows tells it.
            continue


def _ending(base: str) -> str:
    lower = base.lower()
    known = [suffix for suffix in _KNOWN if lower.endswith(suffix)]
    if known:
        return max(known, key=len)
    return lower[lower.rfind(".") :] if "." in lower else ""
