"""`lock`: what a dataset's archives and files are, byte for byte, in a file that can be given to others.

In order: find the source's archives and files; list each archive, reading whole only what nothing vouches for; read
plain files; where a load of it is named, take the MD5s of its manifest; write the file. Of a source of which anything
cannot be read, none is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from laden.dataset.lock import begin, is_lock, record_archive, record_files, write_lock
from laden.dataset.lock.file import same_names
from laden.dataset.lock.record import Sums
from laden.dataset.source import Found, Scope
from laden.remote.sources import Sources
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.run import Run, never, running
from laden.stages.landed import read_proved
from laden.store import place_of, without_secret
from laden.store.access import Renewal
from laden.store.sas import lacking_for_verify
from laden.values.arguments import checked
from laden.values.errors import Interrupted, SourceError, UsageError
from laden.values.events import Observer, Started, Summary, ignore
from laden.values.ownfiles import placed, refuse
from laden.values.records import Entry, Finding
from laden.values.room import writing_to
from laden.values.sheets import Out
from laden.verbs.asked import Paths, path_of, refuse_same
from laden.verbs.opening import opened
from laden.verbs.sources import begin as begin_sources
from laden.verbs.sources import shown_sources, sources_of, tell_news

_BATCH = 256


@checked
def lock(
    source: Paths,
    output: str | Path,
    *,
    loaded: str | Path | None = None,
    exclude: Sequence[str] = (),
    names: str | None = None,
    findings_file: str | Path | None = None,
    log_file: str | Path | None = None,
    link_command: str | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = never,
) -> Summary:
    """Write a lock file of a source: of each archive its length and version, of each member place, length, CRC-32.

    Args:
        source: as in `load`.
        output: the file; one that is there is replaced if it is a lock file.
        loaded: a container or folder that the same source was loaded to: its manifest gives MD5s of members.
        exclude: globs of files, folders and members that are left out.
        names: encoding of names in archives that do not say theirs.
        findings_file: CSV file for all findings; None writes none.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        link_command: as in `load`.
        observer: called with each event, in order; the last is the summary that is also returned.
        stopping: asked often; once true, the run ends without a file.

    Returns:
        `images`, the members and files that are in it, of which so many as `matched` with an MD5.

    Raises:
        LadenError: it could not be done; of a source that cannot be read whole there is no lock file.
    """
    refuse_same(None, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    with (
        sources_of(source, None, link_command, stopping) as sources,
        log,
        running(
            Summary("lock", source=shown_sources(source), destination=str(output)),
            log.observe,
            findings_file=path_of(findings_file),
            stopping=stopping,
        ) as run,
    ):
        path = Path(output).expanduser()
        refuse(path, is_lock, "lock file", "-o")
        scope = Scope(exclude=tuple(exclude), encoding=names)
        begin_sources(run, sources)
        run.tell(Started("source", ", ".join(map(str, sources))))
        found = sources.find(scope, run.relations.folder)
        begin(run.relations)
        _record(run, sources, found, scope)
        if loaded is not None:
            run_loop(_take_md5s(run, place_of(loaded)))
        _write(run, path)
        files, known = run.relations.one("SELECT count(*), count(md5) FROM locking WHERE kind IN ('member', 'file')")
        run.note(images=files, matched=known, complete=True)
        return run.end()


def _record(run: Run, sources: Sources, found: Found, scope: Scope) -> None:
    for finding in found.findings:
        run.log.add(finding)
    if found.lost:
        raise SourceError(f"{found.lost[0]} cannot be read, and a lock file is of all that is there: see the findings")
    left_out: list[tuple[str, str]] = []
    with _reading(run) as each:
        for archive in found.archives:
            run.tell(Started("archives", archive))
            for one in record_archive(run.relations, found.root, archive, scope.encoding, each):
                if isinstance(one, Finding):
                    run.log.add(one)
                elif scope.leaves_out(one.member, one.archive):
                    left_out.append((one.archive, one.member))
            tell_news(run, sources)
        run.tell(Started("lock"))
        for _ in record_files(run.relations, found.root, found.files, each):
            """Taken down."""
    run.relations.run("CREATE OR REPLACE TABLE left_out (archive VARCHAR, member VARCHAR)")
    run.relations.feed("left_out", left_out)
    run.relations.run(
        "DELETE FROM locking USING left_out o WHERE locking.archive = o.archive AND locking.member = o.member"
    )


@contextmanager
def _reading(run: Run) -> Iterator[Callable[[Callable[[Entry], Sums], Iterable[Entry]], Iterator[Sums]]]:
    """Reads things whole, several at once."""
    with ThreadPoolExecutor(os.cpu_count() or 1, "laden-lock") as pool:

        def each(read: Callable[[Entry], Sums], entries: Iterable[Entry]) -> Iterator[Sums]:
            wanted = list(entries)
            run.meter.begin(len(wanted), sum(entry.size_bytes for entry in wanted))
            for at in range(0, len(wanted), _BATCH):
                batch = wanted[at : at + _BATCH]
                for entry, sums in zip(batch, pool.map(read, batch), strict=True):
                    run.meter.step(entry.size_bytes)
                    yield sums
                if run.stopping():
                    raise Interrupted("stopped as you asked, and no lock file was written")

        yield each


async def _take_md5s(run: Run, loaded: str) -> None:
    """Give members the MD5s that a load's manifest knows of the same content."""
    relations = run.relations
    async with opened(run, loaded, lacking_for_verify, Renewal(None, None), connections=None) as there:
        run.tell(Started("listing", without_secret(loaded)))
        if await read_proved(there.store, relations) is None:
            raise UsageError(
                f"{without_secret(loaded)} holds no complete load: load to it first, or leave --loaded out"
            )
    archives = [name for (name,) in relations.stream("SELECT DISTINCT archive FROM locking WHERE kind = 'archive'")]
    landed = [name for (name,) in relations.stream("SELECT DISTINCT archive FROM known")]
    relations.run("CREATE OR REPLACE TABLE called (archive VARCHAR, landed VARCHAR)")
    relations.feed("called", same_names(archives, landed).items())
    relations.run(
        "UPDATE locking SET md5 = k.md5 FROM known k JOIN called c ON c.landed = k.archive"
        " WHERE locking.kind = 'member' AND locking.archive = c.archive AND locking.member = k.member"
        " AND locking.size_bytes = k.size_bytes AND locking.crc32 = k.crc32 AND k.known <> 'adopted'"
    )


def _write(run: Run, path: Path) -> None:
    with writing_to(path, "lock file", "-o"), placed(path, is_lock) as file:
        Out(file).copy(write_lock(run.relations))
