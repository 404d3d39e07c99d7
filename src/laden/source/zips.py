"""What one zip archive holds: its directory's members as entries, and findings for those that are refused.

Only the central directory is read. Every member becomes exactly one of: an entry, a finding, or one of the
counted junk files. What an entry's data are worth shows when it is read (`laden.source.reader`).

The data of accepted members never overlap (no zip bomb of shared data). A local header's extra field is not
in the directory; it counts as empty here, so that an overlap of up to 64 KiB can stay unseen.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from laden.names import is_junk, problem
from laden.records import STORED, Entry, Finding, Severity
from laden.source.directory import Directory, read_directory
from laden.source.header import ENCRYPTED_FLAG, LOCAL_HEADER_BYTES, UTF8_FLAG, decode_name
from laden.source.inflate import MAX_RATIO


def entries(root: Path, archive: str) -> Iterator[Entry | Finding]:
    """List the members of `root / archive` in the order in which they lie in it, then one finding about junk.

    Findings: `name-refused`, `member-encrypted`, `member-method`, `member-size`, `member-overlap`,
    `member-duplicate`, `junk-ignored`.

    Raises `SourceError` where the archive as a whole is unreadable; codes as in `laden.source.directory`.
    """
    directory = read_directory(root, archive)
    members = sorted(directory.members, key=lambda info: info.header_offset)
    names = [decode_name(_raw_name(info), info.flag_bits) for info in members]
    junk = [_is_junk(name, info) for name, info in zip(names, members, strict=True)]
    duplicates = _Duplicates(names, members)
    for name, info, left_out, end in zip(names, members, junk, _ends(members, directory), strict=True):
        if left_out:
            continue
        refusal = _refusal(info, name, end) or duplicates.refusal(name)
        if refusal:
            yield Finding(*refusal, archive=archive, member=_printable(name))
        else:
            yield _entry(archive, name, info)
    if any(junk):
        example = _printable(names[junk.index(True)])
        message = f"{sum(junk):,} members that are no data (folders, system files) were left out, like {example}."
        yield Finding("junk-ignored", Severity.INFO, message, archive=archive)


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    name = info.orig_filename
    return name.encode("utf-8" if name.isascii() or info.flag_bits & UTF8_FLAG else "cp437")


def _is_junk(name: str, info: zipfile.ZipInfo) -> bool:
    # A "folder" with data in it is no folder: it falls through to the refusal of its name.
    return is_junk(name) and not (name.endswith("/") and info.file_size)


def _printable(name: str) -> str:
    return name.encode("unicode_escape").decode("ascii") if problem(name) else name


def _entry(archive: str, name: str, info: zipfile.ZipInfo) -> Entry:
    return Entry(
        archive=archive,
        member=name,
        size_bytes=info.file_size,
        crc32=info.CRC,
        mtime_ns=None,
        offset_bytes=info.header_offset,
        stored_bytes=info.compress_size,
        method=info.compress_type,
    )


def _ends(members: list[zipfile.ZipInfo], directory: Directory) -> Iterator[int]:
    """For each member, where the next one (or the directory) starts."""
    for _, following in pairwise(members):
        yield following.header_offset
    if members:
        yield directory.start_bytes


_Refusal = tuple[str, Severity, str]


def _refusal(info: zipfile.ZipInfo, name: str, end_bytes: int) -> _Refusal | None:
    if reason := problem(name):
        return _refused("name-refused", f"its name {reason}; rename it and pack the archive again")
    if info.flag_bits & ENCRYPTED_FLAG:
        return _refused("member-encrypted", "it is encrypted; unpack the archive and pack it without a password")
    if info.compress_type not in MAX_RATIO:
        reason = f"its compression method {info.compress_type} is not stored (0), Deflate (8) or Deflate64 (9)"
        return _refused("member-method", f"{reason}; pack the archive again")
    most_bytes = info.compress_size * MAX_RATIO[info.compress_type]
    if info.file_size > most_bytes or (info.compress_type == STORED and info.file_size != info.compress_size):
        reason = f"{info.compress_size:,} bytes in the archive cannot hold the {info.file_size:,} it declares"
        return _refused("member-size", f"{reason}; download the archive again")
    least_end = info.header_offset + LOCAL_HEADER_BYTES + len(_raw_name(info)) + info.compress_size
    if info.header_offset < 0 or least_end > end_bytes:
        reason = "its data would overlap the next member or lie outside the archive"
        return _refused("member-overlap", f"{reason}; download the archive again")
    return None


def _refused(code: str, reason: str) -> _Refusal:
    return code, Severity.ERROR, f"The member is not loaded, because {reason}."


class _Duplicates:
    """Members of one name: of equal ones the first is kept; of different ones none, as nobody knows which."""

    def __init__(self, names: list[str], members: list[zipfile.ZipInfo]) -> None:
        contents: dict[str, tuple[int, int]] = {}
        self._seen: set[str] = set()
        self._ambiguous: set[str] = set()
        for name, info in zip(names, members, strict=True):
            content = info.CRC, info.file_size
            if contents.setdefault(name, content) != content:
                self._ambiguous.add(name)

    def refusal(self, name: str) -> _Refusal | None:
        if name in self._ambiguous:
            reason = "the archive holds different members of this name; find out which is right and pack it again"
            return _refused("member-duplicate", reason)
        if name in self._seen:
            message = "The archive holds this member more than once with the same content; one is loaded."
            return "member-duplicate", Severity.WARNING, message
        self._seen.add(name)
        return None
