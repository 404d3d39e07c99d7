"""What one zip archive holds: its directory's members as entries, and findings for those that are refused.

Only the central directory is read. Every member becomes exactly one of: an entry, a finding, or one of the
counted junk files. What an entry's data are worth shows when it is read (`laden.dataset.source.reader`).

The data of accepted members never overlap (no zip bomb of shared data). A local header's extra field is not
in the directory; it counts as empty here, so that an overlap of up to 64 KiB can stay unseen.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from laden.dataset.source.directory import Directory, read_directory
from laden.dataset.source.header import ENCRYPTED_FLAG, LOCAL_HEADER_BYTES, UTF8_FLAG, decode_name
from laden.dataset.source.inflate import MAX_RATIO
from laden.dataset.source.refusal import Duplicates, Refusal, junk_finding, printable, refused, refused_name
from laden.values.names import is_junk
from laden.values.records import STORED, Entry, Finding


def entries(root: Path, archive: str) -> Iterator[Entry | Finding]:
    """List the members of `root / archive` in the order in which they lie in it, then one finding about junk.

    Findings: `name-refused`, `member-encrypted`, `member-method`, `member-size`, `member-overlap`,
    `member-duplicate`, `junk-ignored`.

    Raises `SourceError` where the archive as a whole is unreadable; codes as in `laden.dataset.source.directory`.
    """
    directory = read_directory(root, archive)
    members = sorted(directory.members, key=lambda info: info.header_offset)
    names = [decode_name(_raw_name(info), info.flag_bits) for info in members]
    junk = [_is_junk(name, info) for name, info in zip(names, members, strict=True)]
    duplicates = Duplicates((name, (info.CRC, info.file_size)) for name, info in zip(names, members, strict=True))
    for name, info, left_out, end in zip(names, members, junk, _ends(members, directory), strict=True):
        if left_out:
            continue
        refusal = _refusal(info, name, end) or duplicates.refusal(name)
        if refusal:
            yield Finding(*refusal, archive=archive, member=printable(name))
        else:
            yield _entry(archive, name, info)
    if any(junk):
        yield junk_finding(archive, [name for name, left_out in zip(names, junk, strict=True) if left_out])


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    name = info.orig_filename
    return name.encode("utf-8" if name.isascii() or info.flag_bits & UTF8_FLAG else "cp437")


def _is_junk(name: str, info: zipfile.ZipInfo) -> bool:
    # A "folder" with data in it is no folder: it falls through to the refusal of its name.
    return is_junk(name) and not (name.endswith("/") and info.file_size)


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


def _refusal(info: zipfile.ZipInfo, name: str, end_bytes: int) -> Refusal | None:
    if refusal := refused_name(name):
        return refusal
    if info.flag_bits & ENCRYPTED_FLAG:
        return refused("member-encrypted", "it is encrypted; unpack the archive and pack it without a password")
    if info.compress_type not in MAX_RATIO:
        reason = f"its compression method {info.compress_type} is not stored (0), Deflate (8) or Deflate64 (9)"
        return refused("member-method", f"{reason}; pack the archive again")
    most_bytes = info.compress_size * MAX_RATIO[info.compress_type]
    if info.file_size > most_bytes or (info.compress_type == STORED and info.file_size != info.compress_size):
        reason = f"{info.compress_size:,} bytes in the archive cannot hold the {info.file_size:,} it declares"
        return refused("member-size", f"{reason}; download the archive again")
    least_end = info.header_offset + LOCAL_HEADER_BYTES + len(_raw_name(info)) + info.compress_size
    if info.header_offset < 0 or least_end > end_bytes:
        reason = "its data would overlap the next member or lie outside the archive"
        return refused("member-overlap", f"{reason}; download the archive again")
    return None
