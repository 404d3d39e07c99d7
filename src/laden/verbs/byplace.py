"""Places that are compared with a lock file, which knows no table: everything called as it lies in its archive.

So `0.zip/a.png` is a member, and `a.png` a plain file. Archives that lie in other folders on the two sides are known by
their own names, where only one has each.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from laden.dataset.lock import open_lock
from laden.dataset.lock.file import same_names
from laden.dataset.lock.record import read_sums
from laden.dataset.source import Found, Reader, Scope, entries, file_entries
from laden.relations import Relations
from laden.remote.kinds import is_read_whole
from laden.remote.sources import Sources
from laden.run.run import Run
from laden.values.errors import LadenError, SourceError
from laden.values.events import Started
from laden.values.records import Entry, Finding, Severity

PLACE = "nullif(concat_ws('/', nullif(k.archive, ''), nullif(k.member, '')), '')"
"""SQL: the same of what a manifest names (`k`)."""
_LOCKED = """
SELECT concat_ws('/', nullif(archive, ''), member), size_bytes, md5, crc32 FROM locking
WHERE kind IN ('member', 'file')
"""
_RENAMED = """
UPDATE sides SET name = called.here || substring(sides.name, length(called.there) + 1) FROM called
WHERE sides.side = 'there' AND starts_with(sides.name, called.there || '/')
"""
_Row = tuple[str, int, str | None, int | None]


def read_lock(own: Relations, path: Path, *, documents: bool) -> tuple[Iterator[tuple[Any, ...]], tuple[str, ...]]:
    """What a lock file names, and its archives; with tables and documents only where the other place tells of such.

    Raises:
        UsageError: it is none.
    """
    lock = open_lock(path, own)
    rows = (row for row in own.stream(_LOCKED) if documents or not is_read_whole(row[0]))
    return rows, tuple(lock.archives)


def read_by_place(run: Run, own: Relations, sources: Sources) -> tuple[Iterator[_Row], tuple[str, ...]]:
    """What a source holds, and its archives; an archive that cannot be read is told, and hides what it holds."""
    run.tell(Started("source", ", ".join(sources)))
    found = sources.find(Scope(), own.folder)
    return _rows(run, found), tuple(found.archives)


def one_name(run: Run, archives: dict[str, tuple[str, ...]]) -> None:
    """Call archives of both sides as the first one does, where each can be but one of the other."""
    same = same_names(archives["here"], archives["there"])
    run.relations.run("CREATE OR REPLACE TABLE called (here VARCHAR, there VARCHAR)")
    run.relations.feed("called", ((here, there) for here, there in same.items() if here != there))
    run.relations.run(_RENAMED)


def _rows(run: Run, found: Found) -> Iterator[_Row]:
    unknown: list[Entry] = []
    for archive in found.archives:
        run.tell(Started("archives", archive))
        try:
            for one in entries(found.root, archive):
                if isinstance(one, Finding):
                    # What is refused has no place on either side, and would be passed over.
                    told = one.code.startswith("archive-") or one.severity is Severity.ERROR
                    run.add([one] if told else [])
                elif one.crc32 is None:
                    unknown.append(one)
                else:
                    yield f"{archive}/{one.member}", one.size_bytes, None, one.crc32
        except SourceError as error:
            run.add([Finding(error.code, Severity.ERROR, str(error), archive=archive)])
    for one in file_entries(found.root, found.files):
        if isinstance(one, Entry):
            unknown.append(one)
        else:
            run.add([one])
    yield from _read(run, found, unknown)


def _read(run: Run, found: Found, unknown: list[Entry]) -> Iterator[_Row]:
    """What nothing vouches for, read."""
    if unknown:
        run.tell(Started("lock"))
        run.meter.begin(len(unknown), sum(entry.size_bytes for entry in unknown))
    with Reader(found.root) as reader, ThreadPoolExecutor() as pool:

        def digests(entry: Entry) -> tuple[str | None, int | None]:
            try:
                sums = read_sums(reader, entry)
            except LadenError:
                return None, None
            return sums.md5, sums.crc32

        for entry, (md5, crc32) in zip(unknown, pool.map(digests, unknown), strict=True):
            run.meter.step(entry.size_bytes)
            name = f"{entry.archive}/{entry.member}" if entry.archive else entry.member
            yield name, entry.size_bytes, md5, crc32
