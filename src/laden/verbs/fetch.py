"""`fetch`: files behind links, brought to a folder of this machine, resumable, each held against what vouches for it.

In order: ask what is behind the links; see whether there is room; bring what is not there, checksum files first; prove
each file, and give it its name. What is there already is proved too, and not fetched again; with `repair`, members of
its zips that are damaged are fetched again, and nothing else of them; without links, from where they were fetched
(`laden.stages.fetching.record`). The same command again goes on where one broke off: what it needs for that lies beside
each file until it is whole (`laden.stages.fetching.part`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from laden.dataset.evidence import is_sums, parse_sums
from laden.dataset.evidence.checksums import Sum
from laden.dataset.evidence.trust import read_evidence
from laden.dataset.profile import parse_ranges
from laden.dataset.source import Scope, archive_of, stem
from laden.dataset.source.kinds import is_zip
from laden.remote.file import RemoteFile
from laden.remote.link import Link, parse_link
from laden.remote.linked import LinkedRoot
from laden.remote.sources import Sources
from laden.run.logfile import LogFile
from laden.run.run import Run, never, running
from laden.stages.fetching import Came, Fetching
from laden.stages.fetching.part import NOTES_SUFFIX, SUFFIX, room_refusal, sweep
from laden.stages.fetching.proof import Proof, damaged_members, prove
from laden.stages.fetching.record import Record
from laden.stages.fetching.repair import repair as mend
from laden.store import without_secret
from laden.store.disk import writing
from laden.values.arguments import checked
from laden.values.errors import ExitCode, Interrupted, SourceError, UsageError
from laden.values.events import Observer, Started, Summary, ToFetch, Warned, ignore
from laden.values.records import Entry, Finding, Severity
from laden.values.room import free_bytes
from laden.values.units import plural, size
from laden.verbs.asked import Paths, path_of, refuse_same
from laden.verbs.sources import begin, shown_sources, sources_of, tell_news

_TELL_S = 0.2


@checked
def fetch(
    links: Paths,
    folder: str | Path,
    *,
    archives: str | None = None,
    checksums: str | Path | None = None,
    repair: bool = False,
    dry_run: bool = False,
    findings_file: str | Path | None = None,
    log_file: str | Path | None = None,
    link_command: str | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = never,
) -> Summary:
    """Bring the files behind links to a folder; each is proved before it has its name.

    Args:
        links: to files, shares, containers or buckets; or files of links; as in `load`. None with `repair`: the zips
            of the folder are repaired from where they were fetched.
        folder: where they are to lie; made where it is absent. Nothing in it is replaced.
        archives: only these, as in `"0,1,54"` or `"0-11,54"`; other files (tables, checksums) come all the same.
        checksums: a publisher's checksum file on this machine; those behind the links are taken by themselves.
        repair: put damaged members of zips right that are there already, by fetching these again.
        dry_run: ask what is there only; nothing is written but to `findings_file`.
        findings_file: CSV file for all findings; None writes none.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        link_command: as in `load`.
        observer: called with each event, in order; the last is the summary that is also returned.
        stopping: asked often; once true, what has come is noted and the run stops.

    Returns:
        `images`, the files that were wanted, of which `fetched`, `already_there`, `damaged`, `conflicts`, `failed`.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    refuse_same(None, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    again = None if isinstance(links, str | Path) or links else _fetched_from(_folder(folder), repair=repair)
    links = links if again is None else [link.url for link in again.values()]
    with (
        sources_of(links, None, link_command, stopping) as sources,
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
    """Where the zips of a folder came from, as far as that is known whole; raises UsageError."""
    if not repair:
        raise UsageError("fetch needs links: laden fetch LINK... FOLDER; --repair alone does without")
    here = {name: one for name, one in Record(folder).origins.items() if is_zip(name) and (folder / name).is_file()}
    if not here:
        raise UsageError(
            f"nothing in {folder} tells where its zips came from (laden fetch notes it): give the links too,"
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
        self._sums = sums
        self._names = names
        self._repair = repair
        self._fates: Counter[str] = Counter()
        self._here_bytes = 0
        self._told_s = 0.0
        self._repaired_bytes = 0
        self._record = Record(folder)
        sizes = (held.version.size_bytes for name in names if (held := root.files[name]).version is not None)
        self._bytes_in_all = sum(max(0, length) for length in sizes)

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

    def _missing_bytes(self, name: str) -> int:
        version, path = self._root.files[name].version, self._folder / name
        if version is None or path.exists():
            return 0
        try:
            status = path.with_name(path.name + SUFFIX).stat()
        except OSError:
            return max(0, version.size_bytes)
        return max(0, version.size_bytes - getattr(status, "st_blocks", 0) * 512)

    def bring(self) -> Summary:
        """Fetch and prove all of them."""
        run = self._run
        run.tell(Started("fetch"))
        run.meter.start()
        fetching = Fetching(self._root, self._sources.wire, self._folder, told=self._came_bytes, stopping=run.stopping)
        stopped = ""
        try:
            for came in fetching.files(self._names):
                self._fates[self._settle(came)] += 1
                self._came_bytes(0)
        except Interrupted as error:
            stopped = str(error)
        finally:
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
                bytes_fetched=fetching.fetched_bytes + self._repaired_bytes,
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

    def _settle(self, came: Came) -> str:
        """Prove a file, and give it its name; what became of it."""
        if came.error is not None:
            code = came.error.code if isinstance(came.error, SourceError) else "source-unreadable"
            self._tell(came.name, code, str(came.error))
            return "conflict" if code == "fetch-conflict" else "failed"
        file = came.path.relative_to(self._folder).as_posix()
        try:
            proof = self._mended(came, file) if self._repair else self._proved(came, file)
            self._run.add(proof.wrong)
            if proof.wrong:
                return "damaged"
            self._tell_unproved(came.name, proof)
            if came.part is None:
                sweep(came.path)
            else:
                came.part.place()
            self._note_origin(came.name)
        except SourceError as error:
            self._tell(came.name, error.code, str(error))
            return "conflict" if error.code == "fetch-conflict" else "failed"
        if is_sums(came.name):
            self._take_sums(came.name)
        return "there" if came.part is None else "fetched"

    def _note_origin(self, name: str) -> None:
        with writing(self._folder):
            self._record.note(name, self._root.files[name].link)

    def _proved(self, came: Came, file: str) -> Proof:
        said = self._said_of(came.name)
        said += [Sum(came.name, one.algorithm, one.digest, f"its host ({one.field})") for one in came.said]
        proof = prove(self._folder, file, came.name, said, self._run.stopping)
        if not proof.damaged or came.file is None:
            return proof
        what = plural(len(proof.damaged), "damaged member")
        if came.part is not None or self._repair:
            message = (
                f"{what} came from {came.file.address} so, or the zip's own directory is damaged: ask whoever gives"
            )
            message += " it, or fetch it anew into another folder"
            message += f"; it lies in {came.path}" if came.part is not None else ""
        else:
            message = f"{what}, of an archive with its whole length: 'laden fetch --repair' fetches these again"
        self._tell(came.name, "fetch-damaged", message)
        return proof

    def _mended(self, came: Came, file: str) -> Proof:
        """Prove a file; where members of a zip are damaged, put them right first."""
        if archive_of(came.name) == came.name and is_zip(came.name) and came.file is not None:
            with suppress(SourceError):
                damaged = damaged_members(self._folder, file, self._run.stopping)[0]
                self._mend(came, came.file, damaged)
        return self._proved(came, file)

    def _mend(self, came: Came, remote: RemoteFile, damaged: list[Entry]) -> None:
        try:
            done = mend(self._sources.wire, remote, came.path, damaged, self._run.stopping)
        except SourceError as error:
            self._tell(came.name, error.code, str(error))
            return
        self._repaired_bytes += done.fetched_bytes
        if done.members:
            what = f"{plural(done.members, 'damaged member')} put right with {size(done.fetched_bytes)}"
            self._tell(came.name, "fetch-repaired", f"{what} of {remote.address}", Severity.INFO)

    def _said_of(self, name: str) -> list[Sum]:
        """What publishers say of a file: by its path, or else by its name where only one file has that."""
        exact = [one for one in self._sums if one.name == name]
        own = PurePosixPath(name).name
        if exact or sum(PurePosixPath(other).name == own for other in self._names) > 1:
            return exact
        return [one for one in self._sums if PurePosixPath(one.name).name == own]

    def _take_sums(self, name: str) -> None:
        try:
            self._sums += parse_sums(name, read_evidence(self._folder / name))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f"{name} cannot be compared with: {reason}; fetch it again."
            self._run.add([Finding("evidence-unreadable", Severity.WARNING, message, member=name)])

    def _tell_unproved(self, name: str, proof: Proof) -> None:
        if proof.unread:
            message = f"{plural(proof.unread, 'member')} could not be read and held against a checksum"
            self._tell(name, "fetch-unproved", message, Severity.WARNING)
        elif not proof.vouched and not is_sums(name):
            message = "fetched, and nothing vouches for it but its length: no checksum of the publisher's, none within"
            self._tell(name, "fetch-unproved", message, Severity.WARNING)

    def _tell(self, name: str, code: str, message: str, severity: Severity = Severity.ERROR) -> None:
        if archive_of(name):
            self._run.add([Finding(code, severity, message, archive=name)])
        else:
            self._run.add([Finding(code, severity, message, member=name)])
