"""What one zip archive holds: its directory's members as entries, and findings for those that are refused.

Only the central directory is read. Every member becomes exactly one of: an entry, a finding, or one of the
counted junk files. What an entry's data are worth shows when it is read (`laden.dataset.source.reader`).

The data of accepted members never overlap (no zip bomb of shared data). A local header's extra field is not
in the directory; it counts as empty here, so that an overlap of up to 64 KiB can stay unseen.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from itertools import pairwise

from laden.dataset.source.central import Member
from laden.dataset.source.directory import Directory, read_directory
from laden.dataset.source.header import ENCRYPTED_FLAG, LOCAL_HEADER_BYTES, kind
from laden.dataset.source.inflate import MAX_RATIO
from laden.dataset.source.membername import MemberName, member_name
from laden.dataset.source.opening import opened
from laden.dataset.source.positional import ArchiveFile
from laden.dataset.source.refusal import (
    Duplicates,
    Refusal,
    junk_finding,
    nested_findings,
    printable,
    refused,
    refused_name,
)
from laden.dataset.source.root import Root
from laden.values.errors import SourceError
from laden.values.names import is_junk
from laden.values.records import STORED, Entry, Finding, Severity

_UNIX = (3, 19)
"""Hosts whose attributes hold a file's mode: Unix, macOS (APPNOTE 4.4.2.2)."""
_MODE_IS_THERE = 0x8000
"""Of the external attributes: 7-Zip's mark that the upper 16 bits hold a mode, whatever the host."""
_DOS_FOLDER = 0x10
_EXAMPLES = 3


def entries(root: Root, archive: str, encoding: str | None = None) -> Iterator[Entry | Finding]:
    """List the members of `root / archive` in the order in which they lie in it, then what is to be said of them all.

    Findings: `name-refused`, `member-encrypted`, `member-method`, `member-size`, `member-overlap`, `member-link`,
    `member-kind`, `member-duplicate`, `names-encoding`, `archive-nested`, `archive-trailing`, `junk-ignored`.

    Args:
        root: the source's folder.
        archive: path of the archive below it.
        encoding: of names that do not say how they are encoded.

    Raises `SourceError` where the archive as a whole is unreadable; codes as in `laden.dataset.source.directory`, and
    `archive-encrypted`.
    """
    directory = read_directory(root, archive)
    members = sorted(directory.members, key=lambda member: member.offset_bytes)
    read = [member_name(one.raw_name, one.flags, one.host, one.extra, encoding) for one in members]
    names = [name.text for name in read]
    junk = [_is_junk(name, member) for name, member in zip(names, members, strict=True)]
    _refuse_encrypted(archive, [member for member, left_out in zip(members, junk, strict=True) if not left_out])
    duplicates = Duplicates((name, (one.crc32, one.size_bytes)) for name, one in zip(names, members, strict=True))
    for name, member, left_out, end in zip(names, members, junk, _ends(members, directory), strict=True):
        if left_out:
            continue
        refusal = _refusal(member, name, end) or duplicates.refusal(name)
        if refusal:
            yield Finding(*refusal, archive=archive, member=printable(name))
        else:
            yield _entry(archive, name, member)
    yield from _guessed(archive, [(name, one.raw_name) for name, one in zip(read, members, strict=True)])
    yield from nested_findings(archive, (name for name, left_out in zip(names, junk, strict=True) if not left_out))
    if directory.after_bytes:
        yield _trailing(archive, directory.after_bytes)
    if any(junk):
        yield junk_finding(archive, [name for name, left_out in zip(names, junk, strict=True) if left_out])


def contents(root: Root, archive: str) -> Iterator[Entry | Finding]:
    """List what `root / archive` holds, to be held against its directory, whether it would be loaded or not.

    Every file is an entry, also one that a load leaves out or refuses for its name. Findings: those that no bytes can
    be had of, `member-encrypted` and `member-method`; and those whose bytes are not there as the directory says,
    `member-size`, `member-overlap` and `member-header`.

    Raises `SourceError` where the archive as a whole is unreadable; codes as in `laden.dataset.source.directory`.
    """
    directory = read_directory(root, archive)
    members = sorted(directory.members, key=lambda member: member.offset_bytes)
    with opened(root, archive) as file:
        for member, end in zip(members, _ends(members, directory), strict=True):
            name = printable(member_name(member.raw_name, member.flags, member.host, member.extra, None).text)
            if _is_folder(name, member):
                continue
            if (refusal := _unlike(file, member) if _is_sealed(member) else None) or (refusal := _unfit(member, end)):
                yield Finding(*refusal, archive=archive, member=name)
            else:
                yield _entry(archive, name, member)


def may_hold(root: Root, archive: str, ending: bytes) -> bool:
    """Whether some member's name may hold these letters, asked without judging any; raises as `entries`.

    Args:
        root: the source's folder.
        archive: path of the archive below it.
        ending: small letters of ASCII, which every encoding of names keeps.
    """
    members = read_directory(root, archive).members
    # Some names stand in a field of their own, too.
    return any(ending in member.raw_name.lower() or ending in member.extra.lower() for member in members)


def _trailing(archive: str, after_bytes: int) -> Finding:
    message = f"{after_bytes:,} bytes follow the end of {archive}, whose directory is whole and fits what it names: its"
    return Finding("archive-trailing", Severity.WARNING, f"{message} members are loaded.", archive=archive)


def _is_junk(name: str, member: Member) -> bool:
    # What has data is a file, whatever its name: it falls through to the refusal of that.
    return _is_folder(name, member) or (not _is_named_folder(name, member) and is_junk(name))


def _is_folder(name: str, member: Member) -> bool:
    return _is_named_folder(name, member) and not member.size_bytes


def _is_named_folder(name: str, member: Member) -> bool:
    return not name or name.endswith("/") or _kind(member) == stat.S_IFDIR


def _kind(member: Member) -> int:
    """The kind of file that its attributes name, as `stat.S_IFMT` gives it; that of a regular one where they do not."""
    if member.host in _UNIX or member.attributes & _MODE_IS_THERE:
        kind = stat.S_IFMT(member.attributes >> 16) or stat.S_IFREG
        # Info-ZIP, told to pack what comes through a pipe, calls the member one.
        return stat.S_IFREG if kind == stat.S_IFIFO and member.size_bytes else kind
    return stat.S_IFDIR if member.attributes & _DOS_FOLDER else stat.S_IFREG


def _refuse_encrypted(archive: str, members: list[Member]) -> None:
    if members and all(member.flags & ENCRYPTED_FLAG for member in members):
        message = f"{archive} is encrypted, every member of it: unpack it with its password and load the folder, "
        raise SourceError(message + "or pack it again without one.", "archive-encrypted")


def _guessed(archive: str, names: list[tuple[MemberName, bytes]]) -> Iterator[Finding]:
    """The one finding about all names of which nothing says how their letters are encoded."""
    guessed = [(name, raw) for name, raw in names if name.guessed]
    if guessed:
        examples = ", ".join(printable(name.text) for name, _ in guessed[:_EXAMPLES])
        others = [
            f"'{read}' in {trial}" for trial in ("cp1252", "cp932", "gbk") if (read := _read(guessed[0][1], trial))
        ]
        message = f"{len(guessed):,} names do not say how their letters are encoded and are read in code page 437: "
        message += f"{examples}. Where that is garbled, name the right one with --names"
        message += f" (the first is {', '.join(others)})." if others else "."
        yield Finding("names-encoding", Severity.WARNING, message, archive=archive)


def _read(raw: bytes, encoding: str) -> str:
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _entry(archive: str, name: str, member: Member) -> Entry:
    return Entry(
        archive=archive,
        member=name,
        size_bytes=member.size_bytes,
        crc32=member.crc32,
        mtime_ns=None,
        offset_bytes=member.offset_bytes,
        stored_bytes=member.stored_bytes,
        method=member.method,
    )


def _ends(members: list[Member], directory: Directory) -> Iterator[int]:
    """For each member, where the next one (or the directory) starts."""
    for _, following in pairwise(members):
        yield following.offset_bytes
    if members:
        yield directory.start_bytes


def _refusal(member: Member, name: str, end_bytes: int) -> Refusal | None:
    return refused_name(name) or _odd_kind(member) or _unfit(member, end_bytes)


def _is_sealed(member: Member) -> bool:
    """Whether nobody but its owner, or another program, can get at the member's bytes."""
    return bool(member.flags & ENCRYPTED_FLAG) or member.method not in MAX_RATIO


def _unlike(file: ArchiveFile, member: Member) -> Refusal | None:
    """The refusal of a member that only a damaged directory calls sealed, as its local header does not."""
    head = memoryview(file.read_at(LOCAL_HEADER_BYTES, member.offset_bytes)) if member.offset_bytes >= 0 else b""
    if kind(head) == (member.method, bool(member.flags & ENCRYPTED_FLAG)):
        return None
    return refused("member-header", "its local header names another method than the directory; download it again")


def _unfit(member: Member, end_bytes: int) -> Refusal | None:
    """The refusal of a member whose bytes cannot be had as the directory declares them."""
    if member.flags & ENCRYPTED_FLAG:
        return refused("member-encrypted", "it is encrypted; unpack the archive and pack it without a password")
    if member.method not in MAX_RATIO:
        reason = f"its compression method {member.method} is not stored (0), Deflate (8) or Deflate64 (9)"
        return refused("member-method", f"{reason}; pack the archive again")
    most_bytes = member.stored_bytes * MAX_RATIO[member.method]
    if member.size_bytes > most_bytes or (member.method == STORED and member.size_bytes != member.stored_bytes):
        reason = f"{member.stored_bytes:,} bytes in the archive cannot hold the {member.size_bytes:,} it declares"
        return refused("member-size", f"{reason}; download the archive again")
    least_end = member.offset_bytes + LOCAL_HEADER_BYTES + len(member.raw_name) + member.stored_bytes
    if member.offset_bytes < 0 or least_end > end_bytes:
        reason = "its data would overlap the next member or lie outside the archive"
        return refused("member-overlap", f"{reason}; download the archive again")
    return None


def _odd_kind(member: Member) -> Refusal | None:
    match _kind(member):
        case stat.S_IFREG:
            return None
        case stat.S_IFLNK:
            return refused(
                "member-link", "it is a link; pack the archive again with what it points to (zip without -y)"
            )
        case _:
            return refused(
                "member-kind", "it is no regular file; leave it out, or unpack the archive and load the folder"
            )
