"""The headers of a tar, read one after the other: who is a member, where its data lie and how long they are.

The 512 bytes of a header are taken apart by the standard library's `tarfile`; what goes on around them is done here,
where every length has a bound: GNU's long names and the extended headers of pax (POSIX.1-2017, pax, "pax Interchange
Format"). No data are read but to pass over them, and no member is judged (`laden.dataset.source.tars`).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from laden.dataset.source.membername import relative

BLOCK_BYTES = 512

_MAX_EXTENSION_BYTES = 1 << 20
"""Of an extended header or a long name; names may have 1,024 characters."""
_MAX_PADDING_BYTES = 4 << 20
"""Zero bytes after the end mark; writers fill up to a record, of 10 KiB by default and rarely beyond 1 MiB."""
_PIECE_BYTES = 1 << 18
_GNU_MAGIC = b"ustar  \0"
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
"""Types of which no data follow, whatever size they declare (pax, "ustar Interchange Format", typeflag)."""
_PAX_RECORD = re.compile(rb"([0-9]{1,8}) ([^=\n]+)=")


class Tape(Protocol):
    """A tar's bytes, one after the other."""

    offset_bytes: int

    def read(self, count_bytes: int) -> bytes:
        """The next bytes, fewer only where the tape ends."""

    def skip(self, count_bytes: int) -> tuple[int, int | None]:
        """Pass over so many bytes; how many there were, and their CRC-32 where passing meant reading."""


class TarMember(NamedTuple):
    """What a header says, and where the data behind it lie."""

    name: str
    kind: bytes
    """The type flag; `tarfile.REGTYPE` for any regular file."""
    size_bytes: int
    offset_bytes: int
    crc32: int | None
    link: str
    sparse: bool


def linked(members: list[TarMember]) -> list[TarMember]:
    """The members, each hard link with the data of the regular file before it that it names.

    A link that names none stays one.
    """
    files: dict[str, TarMember] = {}
    found: list[TarMember] = []
    for member in members:
        target = files.get(relative(member.link)) if member.kind == tarfile.LNKTYPE else None
        if target is not None:
            member = target._replace(name=member.name)
        if member.kind == tarfile.REGTYPE:
            files[member.name] = member
        found.append(member)
    return found


class BrokenTar(Exception):  # noqa: N818 - named for what was found; never leaves this package
    """The headers cannot be followed any further."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


class NotATar(Exception):  # noqa: N818 - named for what was found; never leaves this package
    """There is no header at the start."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.head = head


def walk(tape: Tape) -> Iterator[TarMember]:
    """Yield every member, and pass over its data.

    Raises `NotATar`, and `BrokenTar` with code `archive-truncated`, `archive-header` or `archive-rest`.
    """
    shared: dict[str, str] = {}
    own: dict[str, str] = {}
    while (header := _next_header(tape)) is not None:
        match header.type:
            case tarfile.GNUTYPE_LONGNAME:
                own["path"] = _long_name(tape, header.size)
            case tarfile.GNUTYPE_LONGLINK:
                own["linkpath"] = _long_name(tape, header.size)
            case tarfile.XHDTYPE | tarfile.SOLARIS_XHDTYPE:
                own |= _pax(tape, header.size)
            case tarfile.XGLTYPE:
                shared |= _pax(tape, header.size)
            case _:
                yield _member(tape, header, {**shared, **own})
                own = {}
    _check_rest(tape)


def _next_header(tape: Tape) -> tarfile.TarInfo | None:
    """The next header, or None at the end mark."""
    at_bytes = tape.offset_bytes
    block = tape.read(BLOCK_BYTES)
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return None
    except tarfile.HeaderError as error:
        if at_bytes == 0:
            raise NotATar(block) from error
        if len(block) < BLOCK_BYTES:
            raise BrokenTar(
                "it has no end mark: it breaks off, or its last bytes are missing", "archive-truncated"
            ) from error
        raise BrokenTar(
            f"no header is where one should be, {at_bytes:,} bytes from its start", "archive-header"
        ) from error
    if header.size < 0:
        raise BrokenTar(f"the header {at_bytes:,} bytes from its start declares a negative size", "archive-header")
    if block[257:265] == _GNU_MAGIC and header.type not in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        # Where others keep the first part of a name, GNU keeps times; tarfile takes them for a name.
        header.name = _text(block[:100])
    return header


def _member(tape: Tape, header: tarfile.TarInfo, more: dict[str, str]) -> TarMember:
    sparse = header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse.") for key in more)
    name = more.get("GNU.sparse.name") or more.get("path") or header.name
    size_bytes = _size(tape, more["size"]) if "size" in more else header.size
    if header.type == tarfile.GNUTYPE_SPARSE:
        _skip_sparse_headers(tape, header)
    if header.type in _WITHOUT_DATA:
        size_bytes = 0
    offset_bytes = tape.offset_bytes
    passed_bytes, checksum = tape.skip(size_bytes)
    if passed_bytes < size_bytes:
        shown = name.encode("unicode_escape").decode("ascii")[:200]
        reason = f"it ends {passed_bytes:,} bytes into {shown}, which should have {size_bytes:,}"
        raise BrokenTar(reason, "archive-truncated")
    tape.skip(-size_bytes % BLOCK_BYTES)
    regular = header.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
    kind = tarfile.REGTYPE if regular else header.type
    return TarMember(
        relative(name), kind, size_bytes, offset_bytes, checksum, more.get("linkpath", header.linkname), sparse
    )


def _long_name(tape: Tape, size_bytes: int) -> str:
    return _text(_extension(tape, size_bytes))


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _extension(tape: Tape, size_bytes: int) -> bytes:
    if size_bytes > _MAX_EXTENSION_BYTES:
        raise BrokenTar(f"a header in it claims {size_bytes:,} bytes for a name or its like", "archive-header")
    data = tape.read(size_bytes)
    if len(data) < size_bytes:
        raise BrokenTar("it ends within a header", "archive-truncated")
    tape.skip(-size_bytes % BLOCK_BYTES)
    return data


def _pax(tape: Tape, size_bytes: int) -> dict[str, str]:
    """The records of an extended header that matter here: path, linkpath, size, and whether it is a sparse file."""
    data = _extension(tape, size_bytes)
    found: dict[str, str] = {}
    at_bytes = 0
    while at_bytes < len(data) and data[at_bytes]:
        record = _PAX_RECORD.match(data, at_bytes)
        end_bytes = at_bytes + int(record[1]) if record else 0
        if record is None or not record.end() < end_bytes <= len(data) or data[end_bytes - 1] != 0x0A:
            raise BrokenTar("an extended header in it is broken", "archive-header")
        key = record[2].decode("utf-8", "replace")
        if key in ("path", "linkpath", "size") or key.startswith("GNU.sparse."):
            name = key if key in ("path", "linkpath", "size", "GNU.sparse.name") else "GNU.sparse.map"
            found[name] = data[record.end() : end_bytes - 1].decode("utf-8", "surrogateescape")
        at_bytes = end_bytes
    return found


def _size(tape: Tape, text: str) -> int:
    digits = text.lstrip("0") or text[-1:]
    if not re.fullmatch("[0-9]{1,18}", digits):
        reason = f"an extended header {tape.offset_bytes:,} bytes from its start declares no proper size"
        raise BrokenTar(reason, "archive-header")
    return int(digits)


def _skip_sparse_headers(tape: Tape, header: tarfile.TarInfo) -> None:
    """GNU's old sparse files have more headers of holes before their data."""
    more = header._sparse_structs[1]  # type: ignore[attr-defined]  # noqa: SLF001 - tarfile parses it, and keeps it here
    while more:
        block = tape.read(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            raise BrokenTar("it ends within a header", "archive-truncated")
        more = bool(block[504])


def _check_rest(tape: Tape) -> None:
    """Refuse what comes after the end mark, unless it is padding."""
    at_bytes = tape.offset_bytes
    while piece := tape.read(_PIECE_BYTES):
        if piece.count(0) != len(piece):
            reason = f"it goes on after its end mark {at_bytes:,} bytes from its start, as archives do that were joined"
            raise BrokenTar(reason + ", or a download with a hole; what follows is not read", "archive-rest")
        if tape.offset_bytes - at_bytes > _MAX_PADDING_BYTES:
            reason = f"zero bytes follow from {at_bytes:,} on, as in a download that was never filled in"
            raise BrokenTar(reason, "archive-rest")
