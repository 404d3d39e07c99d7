"""Which file names are archives', and what an archive is called.

By name only: `.zip`, `.tar`, `.tar.gz` and `.tgz` in any case, and the parts of one that was cut (`a.zip.001`,
`a.zip.002` ..., as 7-Zip, `split` and download portals make them). Parts have their archive's name, `a.zip`.
Nothing is opened here.
"""

from __future__ import annotations

import re

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_PART = re.compile(r"(.+)\.([0-9]{3,9})", re.DOTALL)


def archive_of(path: str) -> str | None:
    """The name of the archive that the file at `path` is, or is a part of; None for any other file."""
    part = _PART.fullmatch(path)
    name = part[1] if part else path
    return name if name.lower().endswith(_SUFFIXES) else None


def is_zip(archive: str) -> bool:
    """Whether an archive is called as zips are; all others are tars."""
    return archive.lower().endswith(".zip")


def stem(archive: str) -> str:
    """An archive's file name without folder and kind: `images_001` of `cxr/images_001.tar.gz`."""
    name = archive.rpartition("/")[2]
    suffix = max((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), key=len, default="")
    return name[: len(name) - len(suffix)]


def part_numbers(archive: str, names: list[str]) -> dict[int, str]:
    """Of the file names beside the archive, those of its parts, by number and in order."""
    parts = [part for name in names if (part := _PART.fullmatch(name)) and part[1] == archive]
    return {int(part[2]): part[0] for part in sorted(parts, key=lambda part: (int(part[2]), part[0]))}
