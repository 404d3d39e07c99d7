"""Takes down what a source is: archive by archive, then its plain files, into the relation `locking`.

What an archive's directory vouches for is taken from it. What nothing vouches for (members of a plain tar, plain files)
is read once, whole, for its CRC-32 and MD5. An archive that cannot be read ends it: half a lock is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from laden.dataset.lock.file import LOCKING
from laden.dataset.source import Reader, Root, crc32, entries, file_entries, opened
from laden.dataset.source.directory import read_directory
from laden.dataset.source.gzips import GZIP_MARK
from laden.dataset.source.kinds import is_zip
from laden.dataset.source.positional import ArchiveFile
from laden.relations import BATCH_ROWS, Relations
from laden.values.errors import SourceError
from laden.values.records import Entry, Finding, Severity

GZIP_TAIL_BYTES = 64 << 10
_PIECE_BYTES = 8 << 20
Each = Callable[[Callable[[Entry], "Sums"], Iterable[Entry]], Iterator["Sums"]]
"""How many are read at once is the caller's matter: `map`, or a pool's."""


class Sums(NamedTuple):
    """What reading something whole gave."""

    crc32: int
    md5: str


def begin(relations: Relations) -> None:
    """Make the relation `locking`, empty."""
    relations.run(LOCKING)


def record_archive(
    relations: Relations, root: Root, archive: str, encoding: str | None = None, each: Each = map
) -> Iterator[Entry | Finding]:
    """Take an archive down, and pass on what it holds and what is wrong with it.

    Args:
        relations: with `locking`.
        root: of the source.
        archive: its path below the root.
        encoding: of names that do not say theirs.
        each: how members are read that nothing vouches for.

    Raises:
        SourceError: it cannot be read, or changed meanwhile.
    """
    before = _stamp(root, archive)
    listed = list(entries(root, archive, encoding))
    if broken := next((one for one in listed if isinstance(one, Finding) and _breaks(one)), None):
        raise SourceError(broken.message, broken.code)
    members = [one for one in listed if isinstance(one, Entry)]
    with Reader(root) as reader:
        unknown = [entry for entry in members if entry.crc32 is None]
        sums = dict(zip(unknown, each(lambda entry: read_sums(reader, entry), unknown), strict=True))
    row = _archive_row(root, archive)
    if _stamp(root, archive) != before:
        message = f"{archive} changed while it was read; run the same command again when it is complete."
        raise SourceError(message, "archive-changed")
    _feed(relations, [row, *(_row(one, sums) for one in listed)], {"archive": archive})
    yield from listed


def record_files(relations: Relations, root: Root, files: Iterable[str], each: Each = map) -> Iterator[Entry | Finding]:
    """Take plain files down, each read whole, and pass on what they are.

    Raises:
        SourceError: one cannot be read.
    """
    listed = file_entries(root, files)
    while batch := list(islice(listed, BATCH_ROWS)):
        if broken := next((one for one in batch if isinstance(one, Finding)), None):
            raise SourceError(f"{broken.member}: {broken.message}", broken.code)
        members = [one for one in batch if isinstance(one, Entry)]
        with Reader(root) as reader:
            found = list(each(lambda entry, reader=reader: read_sums(reader, entry), members))  # type: ignore[misc]
        rows = [
            {"kind": "file", "member": entry.member, "size_bytes": entry.size_bytes, **sums._asdict()}
            for entry, sums in zip(members, found, strict=True)
        ]
        _feed(relations, rows, {"archive": ""})
        yield from batch


def read_sums(reader: Reader, entry: Entry) -> Sums:
    """Read something whole; raises `SourceError` where it cannot be, or is not what was declared."""
    checksum, digest = 0, hashlib.md5(usedforsecurity=False)
    for buffer in reader.read(entry, _PIECE_BYTES):
        checksum = crc32(buffer, checksum)
        digest.update(buffer)
    return Sums(checksum, digest.hexdigest())


def tail_of(file: ArchiveFile, tail_bytes: int) -> str:
    """The SHA-256 of so many bytes at a file's end."""
    digest, at_bytes = hashlib.sha256(), file.size_bytes - tail_bytes
    while at_bytes < file.size_bytes:
        piece = file.read_at(min(_PIECE_BYTES, file.size_bytes - at_bytes), at_bytes)
        if not piece:
            break
        digest.update(piece)
        at_bytes += len(piece)
    return digest.hexdigest()


def _breaks(finding: Finding) -> bool:
    """Whether an archive could not be read to its end."""
    return finding.severity is Severity.ERROR and finding.code.startswith("archive-")


def _stamp(root: Root, archive: str) -> tuple[int, ...]:
    if not isinstance(root, Path) and root.holds(archive):
        # Each of its answers is held against the first one.
        return ()
    with opened(root, archive) as file:
        return file.stamp


def _archive_row(root: Root, archive: str) -> dict[str, object]:
    start_bytes = read_directory(root, archive).start_bytes if is_zip(archive) else None
    with opened(root, archive) as file:
        if start_bytes is not None:
            tail_bytes = file.size_bytes - start_bytes
        else:
            in_gzip = file.read_at(len(GZIP_MARK), 0) == GZIP_MARK
            tail_bytes = min(file.size_bytes, GZIP_TAIL_BYTES) if in_gzip else 0
        row: dict[str, object] = {"kind": "archive", "member": "", "size_bytes": file.size_bytes}
        if tail_bytes:
            row |= {"tail_bytes": tail_bytes, "tail_sha256": tail_of(file, tail_bytes)}
    if not isinstance(root, Path) and root.holds(archive):
        address, etag, modified = root.version(archive)
        row |= {"address": address, "etag": etag, "modified": modified}
    return row


def _row(one: Entry | Finding, sums: dict[Entry, Sums]) -> dict[str, object]:
    if isinstance(one, Finding):
        told = {"code": one.code, "severity": one.severity.value, "message": one.message}
        return {"kind": "finding", "member": one.member, **told}
    known = {name: getattr(one, name) for name in ("member", "size_bytes", "offset_bytes", "stored_bytes", "method")}
    if one in sums:
        return {"kind": "member", **known, **sums[one]._asdict()}
    return {"kind": "member", **known, "crc32": one.crc32}


def _feed(relations: Relations, rows: list[dict[str, object]], constants: dict[str, object]) -> None:
    """Append rows, each with some of the columns; the others are NULL."""
    (before,) = relations.one("SELECT count(*) FROM locking")
    for at in range(0, len(rows), BATCH_ROWS):
        batch = rows[at : at + BATCH_ROWS]
        names = sorted({name for row in batch for name in row})
        columns = {name: [row.get(name) for row in batch] for name in names}
        numbers = list(range(before + at + 1, before + at + 1 + len(batch)))
        relations.feed_columns("locking", {"position": numbers, **columns}, constants)
