"""The lock file itself: one Parquet file, written from the relation `locking` and read into it again.

A row is an archive, a member of one, what is wrong with one (as its listing told it), or a plain file. The footer has
the format's version and a seal: the number of rows, and sums of what each row hashes to, whatever their order. The seal
tells damage and careless edits, and no forgery: whoever wants to know whose lock it is asks for it where it came from.

What comes from a file is believed only as far as it could have come from an archive: names that may travel, places
within the archive that do not overlap, lengths that the data can have.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.source.inflate import MAX_RATIO
from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.names import problem
from laden.values.ownfiles import LOCK_MARK, is_marked
from laden.values.records import IN_GZIP, IN_TAR, STORED, Entry, Finding, Severity

MARK = LOCK_MARK
FORMAT = 1
"""Raised when a reader of the old form would misread the new one."""
_SEAL = f"{MARK}_seal"

COLUMNS = {
    "position": "BIGINT", "kind": "VARCHAR", "archive": "VARCHAR", "member": "VARCHAR", "size_bytes": "BIGINT",
    "offset_bytes": "BIGINT", "stored_bytes": "BIGINT", "method": "INTEGER", "crc32": "BIGINT", "md5": "VARCHAR",
    "tail_bytes": "BIGINT", "tail_sha256": "VARCHAR", "address": "VARCHAR", "etag": "VARCHAR", "modified": "VARCHAR",
    "code": "VARCHAR", "severity": "VARCHAR", "message": "VARCHAR",
}  # fmt: skip
"""`kind` is `archive`, `member`, `finding` or `file`; `position` is the order in which a listing gave them."""
LOCKING = f"CREATE OR REPLACE TABLE locking ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
_NAMES = ", ".join(COLUMNS)
_LINE = "concat_ws(chr(31), " + ", ".join(f"coalesce({name}::VARCHAR, chr(30))" for name in COLUMNS) + ")"
_SEALED = f"""
SELECT count(*), coalesce(sum(md5_number_lower(line)), 0)::VARCHAR, coalesce(sum(md5_number_upper(line)), 0)::VARCHAR
FROM (SELECT {_LINE} AS line FROM locking)
"""  # noqa: S608 - own names
_RATIOS = " ".join(f"WHEN {method} THEN {ratio}" for method, ratio in MAX_RATIO.items())
_ZIPPED = f"method IN ({', '.join(map(str, MAX_RATIO))})"
_IMPOSSIBLE = f"""
SELECT count(*) FROM locking l LEFT JOIN (FROM locking WHERE kind = 'archive') a ON a.archive = l.archive
WHERE coalesce(NOT CASE l.kind
    WHEN 'archive' THEN l.archive <> '' AND l.size_bytes >= 0
        AND coalesce(l.tail_bytes BETWEEN 1 AND l.size_bytes AND regexp_full_match(l.tail_sha256, '[0-9a-f]{{64}}'),
                     l.tail_sha256 IS NULL AND l.tail_bytes IS NULL)
    WHEN 'member' THEN a.archive IS NOT NULL AND l.member <> '' AND l.size_bytes >= 0 AND l.offset_bytes >= 0
        AND l.stored_bytes >= 0 AND l.crc32 BETWEEN 0 AND 4294967295
        AND coalesce(regexp_full_match(l.md5, '[0-9a-f]{{32}}'), true)
        AND CASE WHEN l.method = {IN_GZIP} THEN l.stored_bytes = l.size_bytes
                 WHEN l.method = {IN_TAR} THEN l.stored_bytes = l.size_bytes
                     AND l.offset_bytes::HUGEINT + l.size_bytes <= a.size_bytes
                 WHEN l.method = {STORED} THEN l.stored_bytes = l.size_bytes
                     AND l.offset_bytes::HUGEINT + l.stored_bytes + 30 <= a.size_bytes
                 ELSE l.{_ZIPPED} AND l.offset_bytes::HUGEINT + l.stored_bytes + 30 <= a.size_bytes
                     AND l.size_bytes <= l.stored_bytes::HUGEINT * CASE l.method {_RATIOS} END END
    WHEN 'finding' THEN a.archive IS NOT NULL AND l.code <> '' AND l.message IS NOT NULL
        AND l.severity IN ('info', 'warning', 'error')
    WHEN 'file' THEN l.member <> '' AND l.size_bytes >= 0 AND l.crc32 BETWEEN 0 AND 4294967295
        AND regexp_full_match(l.md5, '[0-9a-f]{{32}}')
    ELSE false END, true)
"""  # noqa: S608 - own names and numbers
_OVERLAPPING = f"""
SELECT count(*) FROM (
    SELECT offset_bytes, lag(offset_bytes::HUGEINT + stored_bytes + 30)
        OVER (PARTITION BY archive ORDER BY offset_bytes) AS free
    FROM locking WHERE kind = 'member' AND {_ZIPPED}) WHERE free > offset_bytes
"""  # noqa: S608 - own names and numbers
_TWICE = """
SELECT count(*) FROM (SELECT archive, member FROM locking WHERE kind IN ('archive', 'member', 'file')
                      GROUP BY kind, archive, member HAVING count(*) > 1)
"""


class LockedArchive(NamedTuple):
    """An archive as it was when it was locked."""

    name: str
    size_bytes: int
    tail_bytes: int | None
    """How much of its end was hashed: a zip's directory, the last 64 KiB of gzip data; None of a plain tar, whose end
    says nothing."""
    tail_sha256: str | None
    etag: str
    """Of one on another machine, as its host wrote it; else empty."""
    modified: str


class LockedFile(NamedTuple):
    """A plain file as it was."""

    name: str
    size_bytes: int
    crc32: int
    md5: str
    """Hexadecimal."""


def is_lock(path: Path) -> bool:
    """Whether a file is a lock file, by its footer, or empty. Raises `OSError`."""
    return is_marked(MARK)(path)


def write_lock(relations: Relations) -> Path:
    """Write `locking` as a lock file in the run's own folder."""
    seal = "-".join(map(str, relations.one(_SEALED)))
    query = f"SELECT {_NAMES} FROM locking ORDER BY position"  # noqa: S608 - own names
    return relations.to_parquet(query, "lock.parquet", MARK, {_SEAL: seal})


def open_lock(path: Path, relations: Relations) -> Lock:
    """Read a lock file into the relation `locking`.

    Args:
        path: of the file; its bytes are copied first, so that nothing changes under the run.
        relations: of the run.

    Raises:
        UsageError: it is none, is cut off or edited, has another format, or holds what no lock can.
    """
    copy = relations.folder / "given-lock.parquet"
    try:
        shutil.copyfile(path, copy)
    except OSError as error:
        raise UsageError(f"the lock file {path} cannot be read ({error.strerror}): check the path") from None
    own = str(copy).replace("'", "''")
    try:
        told = dict(relations.stream(f"SELECT key::VARCHAR, value::VARCHAR FROM parquet_kv_metadata('{own}')"))  # noqa: S608
        _refuse_other_format(path, told.get(MARK))
        relations.run(LOCKING)
        relations.run(f"INSERT INTO locking SELECT {_NAMES} FROM read_parquet('{own}')")  # noqa: S608 - own names
        seal = "-".join(map(str, relations.one(_SEALED)))
        impossible = sum(relations.one(query)[0] for query in (_IMPOSSIBLE, _OVERLAPPING, _TWICE))
    except relations.Error:
        raise UsageError(
            f"{path} is no lock file, or is cut off: have it sent again, or made with 'laden lock'"
        ) from None
    finally:
        copy.unlink(missing_ok=True)
    if seal != told.get(_SEAL):
        raise UsageError(
            f"{path} is not as 'laden lock' wrote it: its rows do not add up to its seal. It was damaged on the way or"
            " edited: have it sent again"
        )
    if impossible:
        raise _impossible(path)
    return Lock(path, relations)


def _refuse_other_format(path: Path, told: str | None) -> None:
    if told is None:
        raise UsageError(f"{path} is no lock file: give one that 'laden lock' wrote")
    if told != str(FORMAT):
        raise UsageError(
            f"{path} has format {told[:20]!r} of lock files, and this version of laden reads {FORMAT}: update laden, or"
            " have one made by this version"
        )


def _impossible(path: Path) -> UsageError:
    return UsageError(f"{path} holds names or places that no archive has: have it made again with 'laden lock'")


class Lock:
    """A lock file that was read: the relation `locking`, and questions to it."""

    def __init__(self, path: Path, relations: Relations) -> None:
        """See `open_lock`, which makes one."""
        self.name = path.name
        """What messages call it."""
        self._path = path
        self._relations = relations
        self.archives: dict[str, LockedArchive] = {
            name: LockedArchive(name, *rest)
            for name, *rest in relations.stream(
                "SELECT archive, size_bytes, tail_bytes, tail_sha256, coalesce(etag, ''), coalesce(modified, '')"
                " FROM locking WHERE kind = 'archive' ORDER BY position"
            )
        }
        if any(map(problem, self.archives)):
            raise _impossible(path)

    def files(self) -> Iterator[LockedFile]:
        """The plain files."""
        for row in self._relations.stream(
            "SELECT member, size_bytes, crc32, md5 FROM locking WHERE kind = 'file' ORDER BY position"
        ):
            yield LockedFile(*row)

    def listed(self, name: str, archive: str) -> Iterator[Entry | Finding]:
        """What an archive was found to hold, in the order and with the findings of its listing.

        Args:
            name: of the archive in the lock.
            archive: what it is called at the source.

        Raises:
            UsageError: a name may not travel.
        """
        for kind, *rest in self._relations.stream(
            "SELECT kind, member, size_bytes, crc32, offset_bytes, stored_bytes, method, code, severity, message"
            " FROM locking WHERE archive = ? AND kind IN ('member', 'finding') ORDER BY position",
            [name],
        ):
            member, size_bytes, crc32, offset_bytes, stored_bytes, method, code, severity, message = rest
            if problem(member) is not None and (kind == "member" or member):
                raise _impossible(self._path)
            if kind == "finding":
                yield Finding(code, Severity(severity), message, archive=archive, member=member)
            else:
                yield Entry(archive, member, size_bytes, crc32, None, offset_bytes, stored_bytes, method)

    def members(self, name: str) -> Iterator[tuple[str, int, int, str | None]]:
        """Name, size, CRC-32 and MD5 (where it is known) of each member of an archive."""
        query = "SELECT member, size_bytes, crc32, md5 FROM locking WHERE archive = ? AND kind = 'member'"
        return (
            (row[0], row[1], row[2], row[3]) for row in self._relations.stream(f"{query} ORDER BY position", [name])
        )


def same_names(locked: Sequence[str], here: Sequence[str]) -> dict[str, str]:
    """What each name of the lock is called here: as it is, or the one file of that last segment, wherever it lies."""
    known, own, others = set(here), _by_last_segment(here), _by_last_segment(locked)
    found: dict[str, str] = {}
    for name in locked:
        last = name.rpartition("/")[2]
        if name in known:
            found[name] = name
        elif len(own.get(last, ())) == 1 and len(others[last]) == 1:
            (found[name],) = own[last]
    return found


def _by_last_segment(names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition("/")[2], []).append(name)
    return found
