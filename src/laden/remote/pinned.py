"""A file on another machine, held to one content: ranges of it, or a refusal.

The first answer tells its size, what vouches for its content (a strong ETag, else `Last-Modified`; and the length),
and whether the host gives ranges. From then on every request holds to that content (`If-Match`, `If-Unmodified-Since`),
and so must every answer: status, `Content-Range` and validator. A file that became another one is refused for good.

Hosts of which each front end makes ETags of its own, and such as refuse the ETag that they give, are told from a change
by asking them again without conditions; there, time and length, or what the answers say, have to do. An answer that
breaks off is continued where it broke off. Everything here runs within the wire's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from laden.dataset.source import archive_of
from laden.remote.answers import (
    PARTIAL,
    CutOff,
    Part,
    Said,
    Version,
    digests_in,
    is_packed,
    is_page,
    name_in,
    part_of,
    version_of,
    whole_version,
)
from laden.remote.location import Location
from laden.remote.wire import Wire
from laden.store.http import Answer
from laden.values.errors import SourceError, TransientStoreError

HEAD_BYTES = 8 << 10
"""Asked for to learn of a file: its first bytes tell what it is."""
_DOUBTS = 6
"""Questions after which a host's ETags are known to be those of one content, or of none."""
_MOST_WRONG = 6
"""Answers to one range, each of them about something else, after which a host is not asked again."""
_FETCH = "'laden fetch LINK FOLDER' downloads it, and the folder can be loaded"


class NoRanges(SourceError):  # noqa: N818 - named for what the host does
    """The host gives the file whole only."""

    def __init__(self, message: str, version: Version | None = None) -> None:
        """Say so; `version` is the whole file's, where the host told its length."""
        super().__init__(message, "source-no-ranges")
        self.version = version


class _Wrong(TransientStoreError):  # noqa: N818 - named for what it is; never leaves this module
    """An answer is about something else than was asked for."""

    def __init__(self, message: str) -> None:
        super().__init__(message, answered=True)


class _Doubtful(Exception):  # noqa: N818 - named for what it is; never leaves this module
    """An answer's validator is not the first one's."""


class Pinned:
    """One file at one version."""

    def __init__(
        self, wire: Wire, location: Location, name: str, version: Version, tell: Callable[[str], None]
    ) -> None:
        """See `pin`, which makes one."""
        self.location = location
        self.name = name
        self.version = version
        self.changed = False
        """Whether it is known to have become another one."""
        self.read_bytes = 0
        """Fetched so far."""
        self.said: tuple[Said, ...] = ()
        """What the host says of the whole file's bytes, as far as it has answered."""
        self._wire = wire
        self._tell = tell
        self._conditions = True
        self._settled = 0
        """How often it was decided what a doubtful answer means."""
        self._settling = asyncio.Lock()
        self._begun: dict[tuple[int, int], asyncio.Task[bytes]] = {}

    @property
    def address(self) -> str:
        """Where it lies, without secrets."""
        return self.location.start.address

    def begin(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Begin to fetch these (start, length), which will be asked for exactly so."""
        for at, count in ranges:
            task = self._begun[at, count] = asyncio.get_running_loop().create_task(self._range(at, count))
            # Who never asks for it needs no word of what became of it.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def range(self, at: int, count: int) -> bytes:
        """So many bytes from there on; all of them are in the file.

        Raises:
            SourceError: it changed, or its host gives no ranges any more; `Refused` as `Location.ask`.
            StoreError: it cannot be had now.
        """
        begun = self._begun.pop((at, count), None)
        return await (self._range(at, count) if begun is None else begun)

    async def _range(self, at: int, count: int) -> bytes:
        parts: list[bytes] = []
        wrong = 0

        async def attempt() -> None:
            nonlocal wrong
            while (have := sum(map(len, parts))) < count:
                try:
                    parts.append(await self._some(at + have, count - have))
                except CutOff as cut:
                    parts.append(self._held(cut.answer, at + have, count - have, whole=False))
                    raise
                except _Wrong as error:
                    wrong += 1
                    if wrong == _MOST_WRONG:
                        raise NoRanges(f"{self.name}: {error}, again and again: {_FETCH}") from None
                    raise

        while True:
            settled = self._settled
            try:
                await self._wire.host(self.location.start).repeat(attempt)
                break
            except _Doubtful:
                await self._settle(settled)
        self.read_bytes += count
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _some(self, at: int, count: int) -> bytes:
        if self.changed:
            raise self._other()
        condition = self.version.condition if self._conditions else {}
        headers = {"Range": f"bytes={at}-{at + count - 1}", **condition}
        return self._held(await self.location.ask(headers, most_bytes=count, only=PARTIAL), at, count)

    def _held(self, answer: Answer, at: int, count: int, *, whole: bool = True) -> bytes:
        """The bytes of an answer, once it is held against what was asked for and against the first answer."""
        headers, host = answer.headers, self.location.start.host
        if answer.status == 412:
            raise _Doubtful
        part = part_of(headers)
        if answer.status == 416 or (part is not None and part.total_bytes not in (None, self.version.size_bytes)):
            self.changed = True
            raise self._other()
        if answer.status != PARTIAL:
            what = "a web page" if is_page(answer) else "the whole file"
            raise _Wrong(f"{host} answered with {what} where a range was asked for")
        if not self.version.may_be(version_of(headers, self.version.size_bytes)):
            raise _Doubtful
        if is_packed(headers):
            raise _packed(self.name, self.location)
        due = part.last - at + 1 if part is not None and part.first == at else 0
        if not 0 < due <= count or len(answer.body) > due or (whole and len(answer.body) < due):
            raise _Wrong(f"{host} answered with other bytes than were asked for")
        self.said = self.said or digests_in(headers, whole=False)
        return answer.body

    async def _settle(self, before: int) -> None:
        """Decide, by asking without conditions, whether the file is another one or the ETags mean nothing.

        Args:
            before: how often that had been decided when the doubtful answer was asked for.
        """
        async with self._settling:
            if self.changed or self._settled != before:
                return
            self._settled += 1
            seen = [self.version.etag, *await self._etags()]
            asked, kinds = len(seen) > _DOUBTS, len(set(seen))
            if asked and self.version.modified and kinds > 1 and (seen[0] in seen[1:] or kinds > 2):
                self.version = self.version._replace(etag="")
                host = self.location.start.host
                self._tell(
                    f"{self.name}: {host} gives one file several ETags; its time and length vouch for it instead"
                )
                return
            if asked and kinds == 1 and self._conditions:
                # The host refuses the very ETag that it gives; what it answers is held against it all the same.
                self._conditions = False
                return
            self.changed = True
            raise self._other()

    async def _etags(self) -> list[str]:
        """The ETags of some more answers, up to the first that is clearly about another content."""
        found: list[str] = []
        for _ in range(_DOUBTS):
            answer = await self._wire.host(self.location.start).repeat(
                lambda: self.location.ask({"Range": "bytes=0-0"}, most_bytes=1, only=PARTIAL)
            )
            part = part_of(answer.headers)
            now = version_of(answer.headers, self.version.size_bytes)
            if part is None or part.total_bytes != now.size_bytes or now.modified != self.version.modified:
                break
            found.append(now.etag)
        return found

    def _other(self) -> SourceError:
        return SourceError(
            f"{self.name} changed at {self.location.start} since it was first looked at: run the same command again",
            "archive-changed",
        )


async def pin(
    wire: Wire, location: Location, name: str, tell: Callable[[str], None], head_bytes: int = HEAD_BYTES
) -> tuple[Pinned, bytes]:
    """Ask for a file's first bytes, and hold it to the content that they are of; see `laden.remote.file.open_file`."""
    answer = await wire.host(location.start).repeat(
        lambda: location.ask({"Range": f"bytes=0-{head_bytes - 1}"}, most_bytes=head_bytes, only=PARTIAL)
    )
    headers = answer.headers
    name = name or _called(name_in(headers), location.start.name, location.current.name) or location.start.address
    part = part_of(headers)
    if answer.status == 416 and part is not None and part.total_bytes == 0:
        part, answer = Part(0, -1, 0), answer._replace(status=PARTIAL, body=b"")
    host = location.start.host
    if answer.status != PARTIAL and is_page(answer):
        message = f"{location.start} answers with a web page, not a file (a login, or the page about it?): log in where"
        raise SourceError(f"{message} it came from, and take the link of the file itself", "archive-html")
    if answer.status != PARTIAL:
        raise NoRanges(f"{name}: {host} gives it whole only, not by ranges: {_FETCH}", whole_version(headers))
    if is_packed(headers):
        raise _packed(name, location)
    if part is None or part.total_bytes is None or part.first != 0 or part.last != len(answer.body) - 1:
        raise NoRanges(f"{name}: {host} does not say which bytes it answers with, or of how many: {_FETCH}")
    version = version_of(headers, part.total_bytes)
    if not version.validator:
        tell(f"{name}: {host} gives neither an ETag nor a time; only its length would tell that it changed")
    pinned = Pinned(wire, location, name, version, tell)
    pinned.said = digests_in(headers, whole=False)
    return pinned, answer.body


def _called(*names: str) -> str:
    """The first of the names that says which kind of archive it is, or else the first."""
    return next((name for name in names if archive_of(name)), next(filter(None, names), ""))


def _packed(name: str, location: Location) -> NoRanges:
    what = "packs or unpacks it on the way, so that its bytes are not the file's"
    return NoRanges(f"{name}: {location.start.host} {what}: {_FETCH}")
