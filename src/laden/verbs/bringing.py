"""What `fetch` does once its links are being asked: room is seen to, files are brought, proved, and get their names.

In order: ask what is behind the links; see whether there is room; bring what is not there, checksum files first; prove
each file, and give it its name (`laden.verbs.proving`). What is there already is proved too, and not fetched again;
with `repair`, damaged archives are put right; without links, from where they were fetched
(`laden.stages.fetching.record`). The same command again goes on where one broke off: what it needs for that lies beside
each file until it is whole (`laden.stages.fetching.part`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from laden.dataset.evidence import is_sums, parse_sums
from laden.dataset.evidence.checksums import Sum
from laden.dataset.evidence.trust import read_evidence
from laden.dataset.profile import parse_ranges
from laden.dataset.source import Scope, archive_of, stem
from laden.remote.link import Link, parse_link
from laden.remote.linked import LinkedRoot
from laden.remote.sources import Sources
from laden.run.logfile import LogFile
from laden.run.run import Run, running
from laden.stages.fetching import Fetching
from laden.stages.fetching.part import NOTES_SUFFIX, SUFFIX, room_refusal
from laden.stages.fetching.record import Record
from laden.store import without_secret
from laden.values.errors import ExitCode, Interrupted, SourceError, UsageError
from laden.values.events import Observer, Started, Summary, ToFetch, Warned
from laden.values.room import free_bytes
from laden.values.units import plural, size
from laden.verbs.asked import Paths, path_of, refuse_same
from laden.verbs.proving import Proving
from laden.verbs.sources import begin, fit, shown_sources, tell_news

_TELL_S = 0.2


def bring(
    sources: Sources | None,
    links: Paths,
    folder: str | Path,
    *,
    archives: str | None,
    checksums: str | Path | None,
    repair: bool,
    dry_run: bool,
    findings_file: str | Path | None,
    log_file: str | Path | None,
    link_command: str | None,
    observer: Observer,
    stopping: Callable[[], bool],
) -> Summary:
    """Do what `laden.verbs.fetch.fetch` says, whose arguments it takes, and its links as `sources`, which may be asked.

    None stands for those of the folder's notes.
    """
    refuse_same(None, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    again = _fetched_from(_folder(folder), repair=repair) if sources is None else None
    if again is not None:
        links = [link.url for link in again.values()]
        sources = Sources(links, command=link_command, stopping=stopping)
    assert sources is not None
    with (
        fit(sources),
        log,
        running(
            Summary("fetch", source=shown_sources(links), destination=str(folder)),
            log.observe,
            findings_file=path_of(findings_file),
            stopping=stopping,
        ) as run,
    ):
        place = _folder(folder)
        if sources.paths:
            raise UsageError(f"{sources.paths[0]} is no link and no file of links: fetch brings what lies elsewhere")
        given = _sums_in(Path(checksums).expanduser(), Path(checksums).name) if checksums is not None else []
        begin(run, sources)
        run.tell(Started("source"))
        root, findings = sources.look(Scope()) if again is None else (sources.named(again), [])
        tell_news(run, sources)
        run.add(findings)
        names = _wanted(root, archives)
        fetched = _Fetched(run, sources, root, place, given, names, repair=repair)
        fetched.failed += len(findings)
        fetched.see_room(dry_run=dry_run)
        if dry_run:
            return run.end(ExitCode.SOURCE if findings else None)
        return fetched.bring()


def _folder(folder: str | Path) -> Path:
    if "://" in str(folder):
        raise UsageError(
            f"{without_secret(str(folder))} is no folder: laden fetch LINK... FOLDER brings links to this machine"
        )
    path = Path(folder).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: give a folder")
    return path


def _fetched_from(folder: Path, *, repair: bool) -> dict[str, Link]:
    """Where the archives of a folder came from, as far as that is known whole; raises UsageError."""
    if not repair:
        raise UsageError("fetch needs links: laden fetch LINK... FOLDER; --repair alone does without")
    known = Record(folder).origins
    here = {name: one for name, one in known.items() if archive_of(name) == name and (folder / name).is_file()}
    if not here:
        raise UsageError(
            f"nothing in {folder} tells where its archives came from (laden fetch notes it): give the links too,"
            " laden fetch --repair LINK... FOLDER"
        )
    secret = [name for name, one in here.items() if not one.whole]
    if secret:
        others = f" and {len(secret) - 1:,} more" if len(secret) > 1 else ""
        raise UsageError(
            f"{secret[0]}{others} came from {here[secret[0]].address}, whose secret (what signs a link, the token of a"
            " share) laden keeps nowhere: give the link too, laden fetch --repair LINK... FOLDER"
        )
    return {name: parse_link(one.address) for name, one in here.items()}


def _sums_in(path: Path, name: str) -> list[Sum]:
    """The digests in a checksum file of this machine; raises UsageError."""
    try:
        return list(parse_sums(name, read_evidence(path)))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read as a checksum file: {reason}") from None


def _wanted(root: LinkedRoot, archives: str | None) -> list[str]:
    """Names of what is to be brought, checksum files first; raises UsageError."""
    names = list(root.files)
    for name in names:
        if name + SUFFIX in root.files or name + NOTES_SUFFIX in root.files:
            raise UsageError(f"{name} and {name}{SUFFIX} cannot both be fetched: the latter is what laden calls a part")
    if archives is not None:
        wanted = set(parse_ranges(archives))
        stems = {name: stem(archive) for name in names if (archive := archive_of(name))}
        if unknown := sorted(wanted - set(stems.values())):
            raise UsageError(f"--archives names {unknown[0]}, but the links give no archive of that name")
        names = [name for name in names if stems.get(name, "") in wanted or name not in stems]
    if not names:
        raise SourceError("there is nothing behind the links that could be fetched: check them")
    return sorted(names, key=lambda name: not is_sums(name))


class _Fetched:
    """What became of the files so far."""

    def __init__(
        self,
        run: Run,
        sources: Sources,
        root: LinkedRoot,
        folder: Path,
        sums: list[Sum],
        names: list[str],
        *,
        repair: bool,
    ) -> None:
        self.failed = 0
        self._run = run
        self._sources = sources
        self._root = root
        self._folder = folder
        self._names = names
        self._fates: Counter[str] = Counter()
        self._here_bytes = 0
        self._told_s = 0.0
        self._bytes_in_all = sum(self._wanted_bytes(name) for name in names)
        self._proving = Proving(run, root, folder, sums, names, repair=repair, told=self._came_bytes)

    def see_room(self, *, dry_run: bool) -> None:
        """Tell how much is wanted; refuse what there is no room for."""
        run = self._run
        run.note(images=len(self._names))
        room_bytes = free_bytes(self._folder)
        run.tell(ToFetch(len(self._names), self._bytes_in_all, f"{self._folder} ({size(room_bytes)} free)"))
        missing_bytes = sum(self._missing_bytes(name) for name in self._names)
        if missing_bytes > room_bytes:
            refusal = room_refusal(missing_bytes, room_bytes, self._folder)
            if not dry_run:
                raise refusal
            run.tell(Warned(str(refusal)))

    def _wanted_bytes(self, name: str) -> int:
        """How long a file is, as its host says, or as it lies there; 0 where neither tells."""
        version, path = self._root.files[name].version, self._folder / name
        if version is not None and version.size_bytes >= 0:
            return version.size_bytes
        return path.stat().st_size if path.is_file() else 0

    def _missing_bytes(self, name: str) -> int:
        path = self._folder / name
        if path.exists():
            return 0
        try:
            status = path.with_name(path.name + SUFFIX).stat()
        except OSError:
            return self._wanted_bytes(name)
        return max(0, self._wanted_bytes(name) - getattr(status, "st_blocks", 0) * 512)

    def bring(self) -> Summary:
        """Fetch and prove all of them."""
        run = self._run
        run.tell(Started("fetch"))
        run.meter.start()
        fetching = Fetching(
            self._root,
            self._sources.wire,
            self._folder,
            told=self._came_bytes,
            stopping=run.stopping,
            begun=self._proving.begin,
        )
        stopped = ""
        try:
            with closing(fetching.files(self._names)) as files:
                for came in files:
                    self._fates[self._proving.settle(came)] += 1
                    self._came_bytes(0)
        except Interrupted as error:
            stopped = str(error)
        finally:
            self._proving.close()
            self._came_bytes(0, last=True)
            run.meter.stop()
            tell_news(run, self._sources)
            fates = self._fates
            run.note(
                fetched=fates["fetched"],
                already_there=fates["there"],
                conflicts=fates["conflict"],
                damaged=fates["damaged"],
                failed=fates["failed"] + self.failed,
                bytes_fetched=fetching.fetched_bytes + self._proving.repaired_bytes,
            )
        if stopped:
            return run.end(ExitCode.INTERRUPTED, stopped)
        if failed := fates["failed"] + self.failed + len(self._names) - fates.total():
            return run.end(ExitCode.SOURCE, f"{plural(failed, 'file')} could not be fetched: see the findings above")
        run.note(complete=True)
        return run.end()

    def _came_bytes(self, count: int, *, last: bool = False) -> None:
        self._here_bytes += count
        if not last and time.monotonic() - self._told_s < _TELL_S:
            return
        self._told_s = time.monotonic()
        done = self._fates.total()
        self._run.meter.reading(done, len(self._names), self._here_bytes, max(self._bytes_in_all, self._here_bytes))
        tell_news(self._run, self._sources)
