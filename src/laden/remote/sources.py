"""A source as a person gives it: files and folders, links, files of links, or several of them.

In order: texts are told apart (`Sources`), links to many files are listed and those to one file asked for their first
bytes, all at once; names are sorted out as those of a folder are; what is small and read whole (tables, listings,
documents) is fetched into the run's private folder. What comes of it is what `laden.dataset.source.find` gives, with a
root that opens the rest where it lies. A link that cannot be read is a finding, unless nothing else can be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice, takewhile
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self, TypeVar
from urllib.parse import unquote

from laden.dataset.source import Found, Scope, archive_of, find, folder_of, sort_out
from laden.dataset.source.positional import ArchiveFile
from laden.remote.clouds import is_cloud, lists_objects, objects_of
from laden.remote.command import LinkCommand
from laden.remote.kinds import is_read_whole
from laden.remote.link import Link, is_link, parse_link
from laden.remote.linked import Held, LinkedRoot
from laden.remote.listed import listed, lists
from laden.remote.location import Location, as_source_error
from laden.remote.login import Login, find_login, refuse_many_hosts
from laden.remote.pinned import HEAD_BYTES, NoRanges, Pinned, pin
from laden.remote.stream import pieces_of
from laden.remote.sums import are_sums, named_in
from laden.remote.wire import Wire
from laden.store import Retry
from laden.values.errors import SourceError, StoreError, UsageError
from laden.values.names import problem
from laden.values.records import Finding, Severity

T = TypeVar("T")

_MOST_LIST_BYTES = 64 << 20
_MOST_COPY_BYTES = 4 << 30
_MOST_SHOWN = 5
_PIECE_BYTES = 8 << 20
_IN_A_HOST = 3
"""Slashes of an address up to its path."""


class Sources:
    """What a person named as SOURCE. Enter it before anything is asked of a network; `close` ends all that is asked."""

    def __init__(
        self,
        given: Sequence[str | Path],
        *,
        table: str | Path | None = None,
        command: str | None = None,
        connections: int | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Tell paths and links apart; nothing is asked yet.

        Args:
            given: as typed.
            table: the label table, where it was named; a path or a link.
            command: of `--link-command`.
            connections: requests in flight to each host at most; None to find out.
            stopping: once true, nothing more is asked.

        Raises:
            UsageError: a link that is none, or may not be given.
        """
        self.paths: list[Path] = []
        self.links: list[Link] = []
        self.news: SimpleQueue[Retry | str] = SimpleQueue()
        """Attempts that are repeated, and sentences about hosts; put here by the wire's thread."""
        self.table = parse_link(str(table)) if table is not None and is_link(str(table)) else None
        self._command = command
        self._stopping = stopping
        self._asking: dict[str, Future[tuple[Pinned, bytes]]] = {}
        """Links that are asked already, by what they are."""
        for one in given:
            self._take(one)
        refuse_many_hosts([*self.links, *([self.table] if self.table else [])])
        if command is not None and not self.is_remote:
            raise UsageError("--link-command gives links anew, and no link was given: leave it out")
        self.wire = Wire(connections=connections, on_retry=self.news.put, stopping=stopping)

    def _take(self, given: str | Path) -> None:
        text = str(given)
        if is_link(text):
            self.links.append(parse_link(text))
            return
        path = Path(given).expanduser()
        found = list(_links_in(path))
        self.links += found
        if not found:
            self.paths.append(path)

    @property
    def is_remote(self) -> bool:
        """Whether anything lies on another machine."""
        return bool(self.links or self.table)

    @property
    def in_the_clear(self) -> list[str]:
        """Hosts that are spoken to so that anybody on the way may read, and change, what they send."""
        given = [*self.links, *([self.table] if self.table else [])]
        return sorted({link.host for link in given if link.in_the_clear})

    def __iter__(self) -> Iterator[str]:
        """The sources as they may be shown."""
        yield from map(str, self.paths)
        yield from (link.address for link in self.links)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all that is asked."""
        self.wire.close()

    def ask(self, ahead: Callable[[Pinned], Iterable[tuple[int, int]]] = lambda _: ()) -> None:
        """Begin to ask links to single archives, so that who wants to know what is behind them later waits the less.

        Args:
            ahead: says which ranges (start, length) of an archive are going to be asked for; called in the wire's
                thread.
        """
        if are_sums(self.links):
            return
        for link in self.links:
            if archive_of(link.name) is not None and not is_cloud(link) and not lists(link):
                self._asking[link.url] = self.wire.begin(self._asked(link, ahead))

    def tidings(self) -> Iterator[Retry | str]:
        """What became known since the last time."""
        while True:
            try:
                yield self.news.get_nowait()
            except Empty:
                return

    def find(self, scope: Scope, folder: Path) -> Found:
        """Find what is there; see `laden.dataset.source.find`.

        Args:
            scope: what is meant.
            folder: private to the run; small files go there.

        Raises:
            UsageError: two files have one name.
            SourceError: nothing can be read.
        """
        local = find(self.paths, scope) if self.paths else None
        if not self.links:
            assert local is not None
            return local
        self._name_links(scope)
        where = folder / "by-link"
        where.mkdir(exist_ok=True)
        shown = ", ".join(islice(self, _MOST_SHOWN)) + (" ..." if len(self.links) > _MOST_SHOWN else "")
        root = LinkedRoot(folder_of(local.root) if local else where, shown, {}, {}, self.news.put, self.wire)
        findings = self._look(root)
        excluded = [name for name in root.files if scope.leaves_out(name)]
        names = [name for name in root.files if not scope.leaves_out(name)]
        try:
            found = sort_out(root, names, findings, excluded)
        except SourceError:
            if local is None:
                raise _first(findings) from None
            found = Found(root, [], [], findings, excluded, [], {})
        found = found._replace(lost=[*found.lost, *(one.archive for one in findings if one.archive)])
        for name in filter(is_read_whole, found.files):
            self._copy(root, name, where / name)
        return _joined(local, found) if local else found

    def look(self, scope: Scope) -> tuple[LinkedRoot, list[Finding]]:
        """What is behind the links, for whoever brings it to a disk; hosts without ranges will do for that.

        Raises:
            UsageError: two files have one name, or one has a name that no file may have.
            SourceError: a share, a container or a checksum file cannot be read.
        """
        self._name_links(scope)
        root = LinkedRoot(Path(), ", ".join(self), {}, {}, self.news.put, self.wire)
        return root, self._look(root, whole=True)

    def named(self, links: Mapping[str, Link]) -> LinkedRoot:
        """Files at known links, under names that are known too; nothing is asked yet."""
        root = LinkedRoot(Path(), ", ".join(self), {}, {}, self.news.put, self.wire)
        for name, link in links.items():
            self._hold(root, name, self._held(name, link))
        return root

    def _name_links(self, scope: Scope) -> None:
        if are_sums(self.links):
            self.links = [link for sums in self.links for link in named_in(self.wire, sums, scope)]

    def fetch_table(self, folder: Path) -> Path | None:
        """The label table that was named by a link, fetched; None where none was.

        Raises:
            SourceError: it cannot be had.
        """
        if self.table is None:
            return None
        name = self.table.name or "table.csv"
        path = folder / "table-by-link" / name
        root = LinkedRoot(folder, "", {}, {}, self.news.put, self.wire)
        root.files[name] = self._held(name, self.table)
        self._copy(root, name, path)
        return path

    def _look(self, root: LinkedRoot, *, whole: bool = False) -> list[Finding]:
        """Fill the root's files from all links at once; what cannot be read is told.

        Args:
            root: that gets the files.
            whole: whether files that come whole only are taken too.
        """
        findings: list[Finding] = []
        for link in filter(is_cloud, self.links):
            self._look_into(root, link)
        others = [link for link in self.links if not is_cloud(link)]
        listings = [(link, self.wire.begin(listed(self.wire, link))) for link in others if lists(link)]
        single = [link for link in others if not lists(link)]
        below = _common(single)
        asked = [(link, self._asking.get(link.url) or self.wire.begin(self._asked(link))) for link in single]
        for link, future in listings:
            for one in _result(self.wire, future, link.address):
                self._hold(
                    root, one.name, Held(one.name, one.link, one.login, one.version, self._renewal(one.name, one.link))
                )
        for link, answer in asked:
            name = _name(link, below)
            try:
                pinned, head = _result(self.wire, answer, name)
            except NoRanges as error:
                if whole or is_read_whole(name):
                    held = self._held(name, link)
                    held.version, held.whole_only = error.version, True
                    self._hold(root, name, held)
                    continue
                findings.append(_finding(error, name))
            except SourceError as error:
                findings.append(_finding(error, name))
            else:
                name = pinned.name = _better(name, pinned.name)
                self._hold(
                    root, name, Held(name, link, pinned.location.login, pinned.version, self._renewal(name, link))
                )
                root.known(name, pinned, head)
        return findings

    def _look_into(self, root: LinkedRoot, link: Link) -> None:
        """Add what an address of S3 or Google Cloud Storage leads to."""
        login = Login(link.origin)
        if not lists_objects(link):
            self._hold(root, link.name, Held(link.name, link, login, None))
            return
        for one in _result(self.wire, self.wire.begin(objects_of(self.wire, link)), link.address):
            self._hold(root, one.name, Held(one.name, one.link, login, one.version))

    async def _asked(
        self, link: Link, ahead: Callable[[Pinned], Iterable[tuple[int, int]]] = lambda _: ()
    ) -> tuple[Pinned, bytes]:
        renew = self._renewal(link.name, link)
        location = Location(self.wire, link, find_login(link), renew)
        # Of a single file, nothing more is needed now than its length and version.
        head_bytes = HEAD_BYTES if "." not in link.name or archive_of(link.name) else 1
        pinned, head = await pin(self.wire, location, "", self.news.put, head_bytes)
        pinned.begin(ahead(pinned))
        return pinned, head

    def _held(self, name: str, link: Link) -> Held:
        if is_cloud(link):
            return Held(name, link, Login(link.origin), None)
        return Held(name, link, find_login(link), None, self._renewal(name, link))

    def _renewal(self, name: str, link: Link) -> LinkCommand | None:
        return LinkCommand(self._command, name, link, self._stopping) if self._command else None

    def _hold(self, root: LinkedRoot, name: str, held: Held) -> None:
        if reason := problem(name):
            raise UsageError(f"{held.link} gives a file whose name {reason}: its host must give it another one")
        if name in root.files:
            raise UsageError(f"two links give a file called {name}: leave one out, or load them one by one")
        root.files[name] = held

    def _copy(self, root: LinkedRoot, name: str, path: Path) -> None:
        held = root.files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_cloud(held.link):
            pieces = _in_pieces(root.open(name))
        else:
            location = Location(self.wire, held.link, held.login, held.renew)
            pieces = pieces_of(self.wire, location, _MOST_COPY_BYTES)
        del root.files[name]
        try:
            with path.open("wb") as file:
                file.writelines(pieces)
        except OSError as error:
            raise SourceError(f"{name} cannot be kept in {path.parent} ({error.strerror}): make room") from error
        if held.version is not None and held.version.modified:
            os.utime(path, ns=(held.version.mtime_ns, held.version.mtime_ns))
        root.copies[name] = path


def _links_in(path: Path) -> Iterator[Link]:
    """The links of a file of links; none where it is something else.

    Raises:
        UsageError: among links, a line is none.
    """
    if path.suffix.lower() not in (".txt", ".lst", ".list", ".urls", ".links") or not path.is_file():
        return
    if path.stat().st_size > _MOST_LIST_BYTES:
        return
    lines = path.read_text("utf-8", "replace").removeprefix("\ufeff").splitlines()
    said = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    said = [(number, line) for number, line in said if line and not line.startswith("#")]
    if not said or not is_link(said[0][1]):
        return
    for number, line in said:
        if not is_link(line):
            raise UsageError(f"{path} is a list of links, and its line {number:,} holds none: one a line")
        yield parse_link(line)


def _common(links: Sequence[Link]) -> str:
    """What the addresses of links that are no archives have in common, to the last slash; their names go on there."""
    folders = [link.address.split("/")[:-1] for link in links if archive_of(link.name) is None]
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    return "/".join([*(parts[0] for parts in shared), ""]) if len(folders) > 1 else ""


def _name(link: Link, below: str) -> str:
    if below.count("/") >= _IN_A_HOST and link.address.startswith(below) and archive_of(link.name) is None:
        return unquote(link.address[len(below) :])
    return link.name or link.host


def _better(name: str, said: str) -> str:
    """The name that tells what a file is: the link's, or else the host's."""
    known = archive_of(name) or is_read_whole(name) or "/" in name
    return name if known or not said or "/" in said else said


def _in_pieces(file: ArchiveFile) -> Iterator[bytes]:
    """All bytes of a file, in order."""
    at_bytes = 0
    while piece := file.read_at(_PIECE_BYTES, at_bytes):
        at_bytes += len(piece)
        yield piece


def _result(wire: Wire, future: Future[T], name: str) -> T:
    try:
        return wire.wait(future)
    except StoreError as error:
        raise as_source_error(error, name) from None


def _finding(error: SourceError, name: str) -> Finding:
    archive = archive_of(name)
    if archive:
        return Finding(error.code, Severity.ERROR, str(error), archive=archive)
    return Finding(error.code, Severity.ERROR, str(error), member=name)


def _first(findings: Sequence[Finding]) -> SourceError:
    if findings:
        return SourceError(findings[0].message, findings[0].code)
    return SourceError("there is no archive and no file to load behind the links: check them")


def _joined(local: Found, remote: Found) -> Found:
    """Both as one source."""
    twice = {*local.archives, *local.files} & {*remote.archives, *remote.files}
    if twice:
        raise UsageError(f"{min(twice)} is given as a file and as a link: leave one out")
    return Found(
        remote.root,
        [*local.archives, *remote.archives],
        [*local.files, *remote.files],
        [*local.findings, *remote.findings],
        [*local.excluded, *remote.excluded],
        [*local.lost, *remote.lost],
        {**local.alike, **remote.alike},
    )
