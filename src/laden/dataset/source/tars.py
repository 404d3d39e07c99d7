"""What one tar holds, plain or within gzip data: its members as entries, and findings for those that are refused.

A plain tar has no checksum of its data. Only its headers are read; an entry is vouched for by the tar's modification
time, as a plain file is by its own. Gzip data have one checksum, at their end: they are read once, whole, which
proves them and gives every member a CRC-32 that the second reading (`sequence`) has to meet. Nothing of
gzip data that are not proven is listed.

Which of the two a file is, its first bytes say: programs that download a `.tar.gz` may have inflated it.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from isal.isal_zlib import crc32

from laden.dataset.source.gzips import GZIP_MARK, BrokenGzip, Inflated
from laden.dataset.source.headers import BrokenTar, NotATar, Tape, TarMember, linked, walk
from laden.dataset.source.opening import not_an_archive, opened
from laden.dataset.source.parts import PartsFile
from laden.dataset.source.positional import ArchiveFile, InOrder
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
from laden.values.records import IN_GZIP, IN_TAR, Entry, Finding, Severity

_PIECE_BYTES = 1 << 20
_NO_FILES = (tarfile.DIRTYPE, b"D", b"V")
"""Folders, the same with a list of what was in them (GNU's `tar -g`), and the label that `tar -V` writes."""
_BUFFER_BYTES = 8 << 10
"""Read around each header: enough for the next ones of tiny members, little beside a large one's data."""


def entries(root: Root, archive: str, encoding: str | None = None) -> Iterator[Entry | Finding]:
    """List the members of `root / archive` in the order in which they lie in it, then what is to be said of them all.

    A hard link is listed with the data of the member that it names. Findings: `name-refused`, `member-link`,
    `member-kind`, `member-sparse`, `member-duplicate`, `archive-nested`, `junk-ignored`; of the whole, from where on
    nothing can be read: `archive-truncated`, `archive-header`, `archive-rest`; `archive-trailing` of bytes behind it.

    Args:
        root: the source's folder.
        archive: path of the archive below it.
        encoding: of names that are not UTF-8.

    Raises `SourceError` where the archive as a whole is unreadable; its `code` is `archive-empty`, `archive-html`,
    `archive-not-tar`, `archive-changed`, for gzip data `archive-gzip` or `archive-truncated`, or one of
    `laden.dataset.source.opening.opened`.
    """
    with opened(root, archive) as file:
        in_gzip = file.read_at(len(GZIP_MARK), 0) == GZIP_MARK
        trailing = False
        if in_gzip:
            members, broken, trailing = _proven(file, archive)
        else:
            members, broken = _collected(_Plain(file), archive)
        members = linked([_named(member, encoding) for member in members])
        if file.changed():
            message = f"{archive} changed while it was read; run the same command again when it is complete."
            raise SourceError(message, "archive-changed")
        names = [member.name for member in members if not _is_junk(member)]
        contents = {} if in_gzip or len(names) == len(set(names)) else _contents(file, members)
        mtime_ns = None if in_gzip else file.mtime_ns
    duplicates = Duplicates(
        (member.name, (member.size_bytes, contents.get(member.offset_bytes, member.crc32)))
        for member in members
        if not _is_junk(member)
    )
    for member in members:
        if _is_junk(member):
            continue
        if refusal := _refusal(member) or duplicates.refusal(member.name):
            yield Finding(*refusal, archive=archive, member=printable(member.name))
        else:
            yield _entry(archive, member, mtime_ns)
    yield from nested_findings(archive, names)
    if junk := [member.name or "./" for member in members if _is_junk(member)]:
        yield junk_finding(archive, junk)
    if trailing:
        message = f"Bytes follow the end of the gzip data in {archive}; these met their checksum, so what is in them is"
        yield Finding("archive-trailing", Severity.WARNING, f"{message} loaded.", archive=archive)
    if broken is not None:
        message = f"{archive} cannot be read to its end: {broken}; download it again."
        yield Finding(broken.code, Severity.ERROR, message, archive=archive)


class _Plain:
    """An uncompressed tar as a tape: passing over data reads none."""

    def __init__(self, file: ArchiveFile) -> None:
        self.offset_bytes = 0
        self._size_bytes = file.size_bytes
        self._stream = io.BufferedReader(InOrder(file), _BUFFER_BYTES)

    def read(self, count_bytes: int) -> bytes:
        data = self._stream.read(count_bytes)
        self.offset_bytes += len(data)
        return data

    def skip(self, count_bytes: int) -> tuple[int, int | None]:
        passed_bytes = min(count_bytes, self._size_bytes - self.offset_bytes)
        self.offset_bytes += passed_bytes
        self._stream.seek(self.offset_bytes)
        return passed_bytes, None


def _collected(tape: Tape, archive: str) -> tuple[list[TarMember], BrokenTar | None]:
    """The members up to where the headers end, and why they end there if they should not."""
    members: list[TarMember] = []
    try:
        members.extend(walk(tape))
    except NotATar as error:
        raise not_an_archive(archive, error.head, "tar", "archive-not-tar") from error
    except BrokenTar as error:
        return members, error
    return members, None


def _named(member: TarMember, encoding: str | None) -> TarMember:
    """The member, with a name that is not UTF-8 read as a person said."""
    try:
        name, link = (_text(text, encoding) for text in (member.name, member.link))
    except UnicodeDecodeError:
        return member
    return member._replace(name=name, link=link)


def _text(text: str, encoding: str | None) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text if encoding is None else text.encode("utf-8", "surrogateescape").decode(encoding)
    return text


def _proven(file: ArchiveFile, archive: str) -> tuple[list[TarMember], BrokenTar | None, bool]:
    """The same of gzip data, all of which were read and met their checksum, and whether other bytes follow them."""
    tape = Inflated(file)
    try:
        members, broken = _collected(tape, archive)
        tape.finish()
    except BrokenGzip as error:
        again = "download it again"
        if isinstance(file, PartsFile) and error.code == "archive-truncated":
            again = f"are there parts after {file.last_part}? {again}"
        message = f"{archive} is damaged: {error}, and so nothing in it is vouched for; {again}."
        raise SourceError(message, error.code) from error
    return members, broken, tape.trailing


def _contents(file: ArchiveFile, members: list[TarMember]) -> dict[int, int]:
    """By offset, the CRC-32 of members of a plain tar whose name is there more than once."""
    seen: dict[str, int] = {}
    for member in members:
        seen[member.name] = seen.get(member.name, 0) + 1
    twice = [member for member in members if seen[member.name] > 1 and not _is_junk(member)]
    return {member.offset_bytes: _checksum(file, member) for member in twice}


def _checksum(file: ArchiveFile, member: TarMember) -> int:
    checksum = 0
    for at_bytes in range(0, member.size_bytes, _PIECE_BYTES):
        count_bytes = min(_PIECE_BYTES, member.size_bytes - at_bytes)
        checksum = crc32(file.read_at(count_bytes, member.offset_bytes + at_bytes), checksum)
    return checksum


def _is_junk(member: TarMember) -> bool:
    if member.kind in _NO_FILES:
        return True
    # What has data is a file, whatever its name: it falls through to the refusal of that.
    named = member.name and not member.name.endswith("/")
    return member.kind == tarfile.REGTYPE and (is_junk(member.name) if named else not member.size_bytes)


def _refusal(member: TarMember) -> Refusal | None:
    if refusal := refused_name(member.name):
        return refusal
    if member.kind == tarfile.LNKTYPE:
        reason = (
            f"it is a hard link to {printable(member.link)}, which does not stand before it; pack the archive again"
        )
        return refused("member-link", reason)
    if member.kind == tarfile.SYMTYPE:
        reason = f"it is a link to {printable(member.link)}; pack the archive again with what it points to (tar -h)"
        return refused("member-link", reason)
    if member.sparse:
        return refused("member-sparse", "it is kept as a sparse file; pack the archive again without tar's -S")
    if member.kind != tarfile.REGTYPE:
        return refused("member-kind", "it is no regular file; leave it out, or unpack the archive and load the folder")
    return None


def _entry(archive: str, member: TarMember, mtime_ns: int | None) -> Entry:
    return Entry(
        archive=archive,
        member=member.name,
        size_bytes=member.size_bytes,
        crc32=member.crc32,
        mtime_ns=mtime_ns,
        offset_bytes=member.offset_bytes,
        stored_bytes=member.size_bytes,
        method=IN_TAR if mtime_ns is not None else IN_GZIP,
    )
