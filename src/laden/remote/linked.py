"""A source's root of which archives and files lie on other machines (`laden.dataset.source.root.Elsewhere`).

Each file is opened once and pinned then; whoever opens it again gets the same content or `archive-changed`. Archives in
parts are read as one. Small files that were fetched (tables, listings) are paths. It can be pickled for other
processes: they open their own connections, and hold files to the content that this process saw.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from pathlib import Path
from urllib.parse import quote

from laden.dataset.source.gzips import GZIP_MARK
from laden.dataset.source.kinds import archive_of, is_zip, part_numbers
from laden.dataset.source.member import span
from laden.dataset.source.positional import ArchiveFile, Buffer
from laden.remote.answers import Version
from laden.remote.clouds import CloudObject, is_cloud, pin_object
from laden.remote.file import RemoteFile, stamp_of
from laden.remote.keeping import Keeping
from laden.remote.link import Link
from laden.remote.location import Location, as_source_error
from laden.remote.login import Login
from laden.remote.pinned import Pinned, pin
from laden.remote.shelf import PIECE_BYTES, Ahead, joined
from laden.remote.wire import Wire
from laden.values.errors import SourceError, StoreError
from laden.values.records import IN_GZIP, IN_TAR, STORED, Entry, Finding, Severity
from laden.values.units import size

_SAMPLE_BYTES = 16 << 20
"""Fetched to measure a pace: two requests at once."""


@dataclass
class Held:
    """A file on another machine, and what is known of it."""

    name: str
    link: Link
    login: Login
    version: Version | None
    """None, or a size below 0, until its host was asked."""
    renew: Callable[[], Link] | None = None
    """Gives another link where this one is refused; picklable."""
    whole_only: bool = False
    """Whether its host is known to give it whole only."""


@dataclass
class LinkedRoot:
    """See `Elsewhere`, whose contract this keeps."""

    folder: Path
    shown: str
    """What messages call the source."""
    files: dict[str, Held]
    """By their names below the root; archives in parts are here part by part."""
    copies: dict[str, Path]
    """Small files that were fetched, by name."""
    tell: Callable[[str], None] = field(default=lambda _: None)
    wire: Wire | None = None
    readers: int = 1
    """That ask the same hosts at once; of a wire that is given, the wire knows."""
    _open: dict[str, ArchiveFile] = field(default_factory=dict)
    """Archives and parts, which are opened again and again; and single files that were told to be read next."""
    _ahead: Ahead = field(default_factory=Ahead)
    _keeping: Keeping = field(default_factory=Keeping)

    def __getstate__(self) -> dict[str, object]:
        return {
            "folder": self.folder,
            "shown": self.shown,
            "files": self.files,
            "copies": self.copies,
            "readers": self.readers,
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def shared_by(self, readers: int) -> LinkedRoot:
        before = self.wire.machines if self.wire else self.readers
        return LinkedRoot(self.folder, self.shown, self.files, self.copies, readers=before * readers)

    def __str__(self) -> str:
        return self.shown

    def __truediv__(self, name: str) -> Path:
        return self.copies.get(name) or self.folder / name

    def private(self) -> str:
        """The first host whose link or login is worth a password; empty where whoever knows the address may read."""
        for held in self.files.values():
            if held.link.address != held.link.url or held.login.header or held.renew is not None:
                return held.link.host
        return ""

    def holds(self, name: str) -> bool:
        return name in self.files or bool(self._parts(name))

    def open(self, name: str) -> ArchiveFile:
        if name in self.files and archive_of(name) is None:
            # Single files come by the million, and each is read once.
            return self._open.pop(name, None) or self._file(self.files[name])
        file = self._open.get(name)
        if file is None:
            file = self._file(self.files[name]) if name in self.files else self._joined(name)
            file = self._open.setdefault(name, file)
        return file

    def stamp(self, name: str) -> tuple[int, ...]:
        file = self.open(name)
        if isinstance(file, Joined):
            return tuple(number for part in self._parts(name) for number in self.stamp(part))
        assert isinstance(file, RemoteFile)
        now = self._ask(self.files[name])[0].version
        same = now.size_bytes == file.size_bytes and file.version.may_be(now)
        return file.stamp if same else stamp_of(now)

    def entry(self, name: str) -> Entry | Finding:
        held = self.files[name]
        try:
            if held.version is None or held.version.size_bytes < 0:
                held.version = self._ask(held)[0].version
        except SourceError as error:
            return Finding(error.code, Severity.ERROR, str(error), member=name)
        size_bytes = held.version.size_bytes
        return Entry("", name, size_bytes, None, held.version.mtime_ns, 0, size_bytes, STORED)

    def version(self, name: str) -> tuple[str, str, str]:
        file = self.open(name)
        if not isinstance(file, RemoteFile):
            return self.files[self._parts(name)[0]].link.address, "", ""
        return file.address, file.version.etag, file.version.modified

    def is_version(self, name: str, etag: str, modified: str) -> bool:
        file = self.open(name)
        if not isinstance(file, RemoteFile):
            return False
        now, then = file.version, Version(file.size_bytes, etag, modified)
        known = (now.etag and etag) or (now.modified and modified)
        return bool(known) and now.may_be(then)

    def origin(self, entry: Entry) -> str:
        name = entry.archive or entry.member
        held = self.files.get(name) or next((self.files[part] for part in self._parts(name)), None)
        if held is None:
            return ""
        file = self._open.get(name)
        version = file.version if isinstance(file, RemoteFile) else held.version
        said = (held.link.address, version.validator if version else "", str(entry.offset_bytes))
        return ";".join(quote(text, safe="/:?&=@+,~ \"'()!*").replace(" ", "+") for text in said)

    def expect(self, entries: list[Entry]) -> None:
        for name, group in groupby(entries, key=lambda entry: entry.archive or entry.member):
            if not self.holds(name):
                continue
            spans = [_span(entry) for entry in group if entry.method != IN_GZIP and entry.size_bytes]
            if not spans:
                continue
            file = self.open(name)
            if isinstance(file, RemoteFile | Joined):
                file.expect(spans)
            self._open.setdefault(name, file)

    def keep(self, entries: Iterable[Entry]) -> None:
        self._keeping.want(entry for entry in entries if self.holds(entry.archive or entry.member))

    def passed(self, entry: Entry, data: Buffer) -> None:
        self._keeping.passed(entry, data)

    def kept(self, entry: Entry) -> Buffer | None:
        return self._keeping.take(entry)

    def cost(self, entries: Iterable[Entry]) -> tuple[int, int]:
        size_bytes = requests = 0
        whole: set[str] = set()
        for name, group in groupby(entries, key=lambda entry: entry.archive or entry.member):
            if not self.holds(name):
                continue
            spans = []
            for entry in group:
                if entry.method == IN_GZIP:
                    whole.add(name)
                elif entry.size_bytes:
                    spans.append(_span(entry))
            pieces = list(joined(spans))
            size_bytes += sum(piece.size_bytes for piece in pieces)
            requests += len(pieces)
        for name in whole:
            length_bytes = self.open(name).size_bytes
            size_bytes += length_bytes
            requests += -(-length_bytes // PIECE_BYTES)
        return size_bytes, requests

    def twice(self, name: str) -> str:
        if not self.holds(name) or is_zip(name):
            return ""
        try:
            file = self.open(name)
            if file.read_at(len(GZIP_MARK), 0) != GZIP_MARK:
                return ""
        except SourceError:
            return ""
        return (
            f"{name} is gzip data and has no directory: its {size(file.size_bytes)} are read now, to prove them, and"
            f" again for what is sent, {size(2 * file.size_bytes)} in all; 'laden fetch' reads them once, to a disk"
        )

    def pace(self, entries: Iterable[Entry]) -> float:
        began_s, fetched = time.monotonic(), 0
        for name, group in groupby(entries, key=lambda entry: entry.archive or entry.member):
            if not self.holds(name):
                continue
            start = next(group).offset_bytes
            fetched = len(self.open(name).read_at(_SAMPLE_BYTES, start))
            break
        return fetched / max(time.monotonic() - began_s, 1e-3)

    def begin(self) -> Wire:
        """The wire that requests go through; a process that got this root from another one begins its own."""
        if self.wire is None:
            self.wire = Wire()
            self.wire.machines = self.readers
        return self.wire

    def known(self, name: str, pinned: Pinned | CloudObject, head: bytes) -> None:
        """Take over a file that was opened already."""
        self.files[name].version = pinned.version
        if archive_of(name) is not None:
            self._open[name] = RemoteFile(self.begin(), pinned, head, self._ahead)

    def _parts(self, name: str) -> list[str]:
        folder, slash, own = name.rpartition("/")
        if name in self.files or (f"{name}.001" not in self.files and f"{name}.000" not in self.files):
            return []
        beside = [one[len(folder + slash) :] for one in self.files if one.startswith(f"{name}.")]
        return [f"{folder}{slash}{part}" for part in part_numbers(own, beside).values()]

    def _joined(self, name: str) -> Joined:
        parts = self._parts(name)
        numbers = [int(part.rpartition(".")[2]) for part in parts]
        if missing := set(range(numbers[0], numbers[-1])) - set(numbers):
            message = f"part {min(missing)} of {name} is not among the links: give its link too"
            raise SourceError(message, "archive-part")
        return Joined([self.open(part) for part in parts])

    def _file(self, held: Held) -> RemoteFile:
        listed = held.version is not None and held.version.size_bytes >= 0 and not held.whole_only
        if listed and archive_of(held.name) is None:
            assert held.version is not None
            # Of a file in a listing, all is known that a request for it needs.
            return RemoteFile(self.begin(), self._pinned(held, held.version), b"", self._ahead)
        pinned, head = self._ask(held)
        if held.version is not None and held.version.size_bytes not in (-1, pinned.version.size_bytes):
            raise SourceError(
                f"{held.name} has another length than when it was listed: run the same command again", "archive-changed"
            )
        held.version = pinned.version
        return RemoteFile(self.begin(), pinned, head, self._ahead)

    def _pinned(self, held: Held, version: Version) -> Pinned | CloudObject:
        if is_cloud(held.link):
            return CloudObject(self.begin(), held.link, held.name, version)
        location = Location(self.begin(), held.link, held.login, held.renew)
        return Pinned(self.begin(), location, held.name, version, self.tell)

    def _ask(self, held: Held) -> tuple[Pinned | CloudObject, bytes]:
        wire = self.begin()
        if is_cloud(held.link):
            try:
                return wire.run(pin_object(wire, held.link, held.name)), b""
            except StoreError as error:
                raise as_source_error(error, held.name) from None
        location = Location(wire, held.link, held.login, held.renew)
        try:
            return wire.run(pin(wire, location, held.name, self.tell))
        except StoreError as error:
            raise as_source_error(error, held.name) from None


class Joined:
    """The parts of an archive, read as the one file that they were (`ArchiveFile`)."""

    def __init__(self, parts: list[ArchiveFile]) -> None:
        self._parts = parts
        self.raw_names: dict[int, bytes] | None = None
        self.stamp = tuple(number for part in parts for number in part.stamp)
        self._ends = list(accumulate(part.size_bytes for part in parts))
        self.size_bytes = self._ends[-1]

    @property
    def mtime_ns(self) -> int:
        return max(part.mtime_ns for part in self._parts)

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        pieces = [part.read_at(end - start, start) for part, start, end in self._within(offset_bytes, count_bytes)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def expect(self, spans: list[tuple[int, int]]) -> None:
        """As `RemoteFile.expect`."""
        for span_start, span_end in spans:
            for part, start, end in self._within(span_start, span_end - span_start):
                if isinstance(part, RemoteFile):
                    part.expect([(start, end)])

    def changed(self) -> bool:
        return any(part.changed() for part in self._parts)

    def close(self) -> None:
        for part in self._parts:
            part.close()

    def _within(self, at: int, count: int) -> list[tuple[ArchiveFile, int, int]]:
        """Which parts hold so many bytes from there on, and where in them."""
        found: list[tuple[ArchiveFile, int, int]] = []
        end = min(at + count, self.size_bytes)
        while at < end:
            index = bisect_right(self._ends, at)
            before = self._ends[index - 1] if index else 0
            stop = min(end, self._ends[index])
            found.append((self._parts[index], at - before, stop - before))
            at = stop
        return found


def _span(entry: Entry) -> tuple[int, int]:
    if not entry.archive or entry.method == IN_TAR:
        return entry.offset_bytes, entry.offset_bytes + entry.size_bytes
    return span(entry)
