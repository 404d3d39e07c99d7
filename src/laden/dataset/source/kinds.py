"""Which file names are archives', and what an archive is called.

By name only: `.zip`, `.tar`, `.tar.gz` and `.tgz` in any case, and the parts of one that was cut (`a.zip.001`,
`a.zip.002` ..., as 7-Zip, `split` and download portals make them). Parts have their archive's name, `a.zip`.
Names also tell archives that laden does not read, downloads that never finished, and archives under another name.
Nothing is opened here.
"""

from __future__ import annotations

import re

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_PART = re.compile(r"(.+)\.([0-9]{3,9})", re.DOTALL)

_UNREAD = re.compile(
    r".+\.(rar|r[0-9]{2}|7z|zipx|z[0-9]{2}|(tar\.)?(bz2|xz|zst|lz4?|lzma|z)|tbz2?|txz|tzst|tlz"
    r"|cab|arj|ace|lzh|lha|sitx?|iso|dmg|gz)(\.[0-9]{3})?",
    re.IGNORECASE | re.DOTALL,
)
_GZIP_OF_ONE = re.compile(r".+\.(csv|tsv|txt|nii|json|xml)\.gz", re.IGNORECASE | re.DOTALL)
"""Files that are used as they are, within gzip data."""

_SURELY_UNFINISHED = r"part(?:\.laden)?|partial|crdownload|opdownload|filepart|aria2|!ut|!qb|bc!|fdmdownload"
_UNFINISHED = re.compile(rf"(.+)\.({_SURELY_UNFINISHED}|download|tmp|temp)", re.IGNORECASE | re.DOTALL)
_NEVER_DATA = re.compile(rf".+\.({_SURELY_UNFINISHED})", re.IGNORECASE | re.DOTALL)
"""What browsers, wget's likes, download managers and `laden fetch` append until a file is complete."""
_BEING_COPIED = (
    re.compile(r"\.azDownload-(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}-)?(.+)", re.DOTALL),  # AzCopy
    re.compile(r"(.+)_\.gstmp", re.DOTALL),  # gsutil
)
_BEING_SYNCED = re.compile(r"\.(.+)\.([A-Za-z0-9]{6})", re.DOTALL)
"""Names of files while AzCopy, gsutil and rsync write them."""
_ENDING = re.compile(r".+\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,8}", re.DOTALL)
_LOOKALIKE = re.compile(r"(.+?)(\.[0-9]{1,2}|\.bak|\.old|\.orig|~)", re.IGNORECASE | re.DOTALL)


def archive_of(path: str) -> str | None:
    """The name of the archive that the file at `path` is, or is a part of; None for any other file."""
    part = _PART.fullmatch(path)
    name = part[1] if part else path
    return name if name.lower().endswith(_SUFFIXES) else None


def is_zip(archive: str) -> bool:
    """Whether an archive is called as zips are; all others are tars."""
    return archive.lower().endswith(".zip")


def is_unread(path: str) -> bool:
    """Whether the file at `path` is called as an archive (or one packed file) of a kind that laden does not read."""
    return archive_of(path) is None and bool(_UNREAD.fullmatch(path)) and not _GZIP_OF_ONE.fullmatch(path)


def is_packed(path: str) -> bool:
    """Whether it is called as an archive of any kind."""
    return archive_of(path) is not None or is_unread(path)


def unfinished(path: str) -> str | None:
    """What the file at `path` is to become, where its name says that it is not complete yet; else None.

    Endings that other programs use too (`.tmp`, `.download`) count behind another ending (`a.png.tmp`).
    """
    folder, slash, name = path.rpartition("/")
    if name.startswith("._"):
        return None  # what macOS notes about a file
    copied = next((match for pattern in _BEING_COPIED if (match := pattern.fullmatch(name))), None)
    if copied or ((copied := _BEING_SYNCED.fullmatch(name)) and _is_synced(copied[1], copied[2])):
        return f"{folder}{slash}{copied[1]}"
    begun = _UNFINISHED.fullmatch(path)
    if begun and (_has_ending(begun[1]) or _NEVER_DATA.fullmatch(path)):
        return begun[1]
    return None


def _is_synced(path: str, drawn: str) -> bool:
    """Whether what stands behind a name was drawn by chance, as rsync does, and is no word (`.notes.txt.backup`)."""
    return is_packed(path) or (_has_ending(path) and not (drawn.islower() or drawn.isupper() or drawn.isdigit()))


def _has_ending(path: str) -> bool:
    """Whether a name ends as a file of some kind does; an ending of digits alone is a date or a count."""
    return bool(_ENDING.fullmatch(path.rpartition("/")[2]))


def lookalike(path: str) -> str | None:
    """The archive that the file at `path` may be another copy of: `0.zip` for `0.zip.1`; None for any other file."""
    match = _LOOKALIKE.fullmatch(path)
    return match[1] if match and archive_of(match[1]) == match[1] else None


def stem(archive: str) -> str:
    """An archive's file name without folder and kind: `images_001` of `cxr/images_001.tar.gz`."""
    name = archive.rpartition("/")[2]
    suffix = max((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), key=len, default="")
    return name[: len(name) - len(suffix)]


def part_numbers(archive: str, names: list[str]) -> dict[int, str]:
    """Of the file names beside the archive, those of its parts, by number and in order."""
    parts = [part for name in names if (part := _PART.fullmatch(name)) and part[1] == archive]
    return {int(part[2]): part[0] for part in sorted(parts, key=lambda part: (int(part[2]), part[0]))}
