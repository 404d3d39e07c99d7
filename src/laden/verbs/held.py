"""What of a source is not as its lock file says, beside its archives' members, which the survey compares.

In this order: archives and files that are absent or too many, plain files, and what was read of images.
Tables, listings and documents are read and hashed whenever there is a lock file, for a survey reads them anyway; other
plain files only where images are looked into, else their lengths alone are held against it.
"""

from __future__ import annotations

from collections.abc import Iterator

from laden.dataset.evidence import Trust
from laden.dataset.lock import Holding, LockedFile
from laden.dataset.lock.file import same_names
from laden.dataset.lock.record import read_sums
from laden.dataset.source import Reader, file_entries
from laden.remote.kinds import is_read_whole
from laden.run.run import Run
from laden.stages.survey import Choice, Survey
from laden.values.errors import SourceError
from laden.values.records import Entry, Finding, Severity
from laden.values.units import plural

_READ_OTHER = """
SELECT r.archive, r.member, r.md5, r.crc32, l.md5, l.crc32 FROM receipts r
JOIN called c ON c.here = coalesce(nullif(r.archive, ''), r.member)
JOIN locking l ON l.archive = CASE WHEN r.archive = '' THEN '' ELSE c.locked END
     AND l.member = CASE WHEN r.archive = '' THEN c.locked ELSE r.member END AND l.kind IN ('member', 'file')
WHERE r.md5 IS NOT NULL AND (r.crc32 <> l.crc32 OR r.md5 <> l.md5)
ORDER BY r.archive, r.member
"""


def agreement(holding: Holding, *, deep: bool) -> Finding:
    """That nothing was found to be otherwise than the lock file says, and how closely that was looked at."""
    here = plural(len(holding.here), "archive") + " and " + plural(sum(1 for _ in holding.lock.files()), "file")
    looked = "images were read" if deep else "images were not read: --images structure does that"
    message = f"what was looked at is as {holding.lock.name} says, {here}: names, lengths and CRC-32s; {looked}"
    return Finding("lock-held", Severity.INFO, message)


def held(run: Run, surveyed: Survey, choice: Choice, *, deep: bool) -> Iterator[Finding]:
    """What of a source is not as its lock file says, beside its archives' members.

    Args:
        run: its relations hold the lock, and where images were read, receipts.
        surveyed: the source, held against it.
        choice: what of it was asked for; of what was left out, nothing is called missing.
        deep: whether images were read.
    """
    holding = surveyed.holding
    assert holding is not None
    trust = Trust(choice.trust)
    narrowed = choice.archives is not None or choice.scope.narrows
    if not narrowed:
        yield from holding.unlocked(surveyed.archives)
    locked = {file.name: file for file in holding.lock.files()}
    here = same_names(list(locked), surveyed.found.files)
    if not narrowed:
        for name in locked.keys() - here.keys():
            message = f"{holding.lock.name} names this file, and it is not here: get it."
            yield Finding("lock-missing", Severity.ERROR, message, member=name)
    _note_names(run, holding, here)
    with Reader(surveyed.root) as reader:
        for name, called in here.items():
            for finding in _file(run, reader, locked[name], called, surveyed, deep=deep):
                yield trust.judged(finding, called, holding.lock.name)
    for archive, member, md5, crc32, said_md5, said_crc32 in run.relations.stream(_READ_OTHER):
        what = f"its CRC-32 is {crc32:08x}, and {holding.lock.name} says {said_crc32:08x}"
        if crc32 == said_crc32:
            what = f"its MD5 is {md5}, and {holding.lock.name} says {said_md5}"
        finding = Finding("lock-other", Severity.ERROR, f"{what}; get it again.", archive=archive, member=member)
        yield trust.judged(finding, archive or member, holding.lock.name)


def _note_names(run: Run, holding: Holding, files: dict[str, str]) -> None:
    run.relations.run("CREATE OR REPLACE TABLE called (locked VARCHAR, here VARCHAR)")
    run.relations.feed("called", [*holding.here.items(), *files.items()])


def _file(
    run: Run, reader: Reader, locked: LockedFile, called: str, surveyed: Survey, *, deep: bool
) -> Iterator[Finding]:
    (entry,) = file_entries(surveyed.root, [called])
    lock = surveyed.holding.lock.name if surveyed.holding else ""
    if not isinstance(entry, Entry):
        yield entry
        return
    if entry.size_bytes != locked.size_bytes:
        what = f"it has {entry.size_bytes:,} bytes, and {lock} says {locked.size_bytes:,}"
    elif (is_read_whole(called) or (deep and not _was_read(run, called))) and (digests := _digests(reader, entry)):
        if digests == (locked.crc32, locked.md5):
            return
        what = f"its MD5 is {digests[1]}, and {lock} says {locked.md5}"
    else:
        return
    yield Finding("lock-other", Severity.ERROR, f"{what}; get it again, or ask which of them is right.", member=called)


def _was_read(run: Run, name: str) -> bool:
    found = run.relations.one("SELECT count(*) FROM receipts WHERE archive = '' AND member = ?", [name])
    return bool(found[0])


def _digests(reader: Reader, entry: Entry) -> tuple[int, str] | None:
    """None where it cannot be read, which is told by whoever needs it."""
    try:
        return tuple(read_sums(reader, entry))  # type: ignore[return-value]
    except SourceError:
        return None
