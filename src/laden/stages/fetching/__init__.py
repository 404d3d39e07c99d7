"""Files on other machines, brought to a folder of this one: in blocks, several at once, across files.

In order: what is there already is told, and what lies in a file's way is refused; blocks that an interrupted fetch had
noted are taken over (`part`); the others are asked for in the order of the files, some of them ahead, each held to the
content that the file has now (`slicing` says in which order, and in which requests), so that a file can be proved while
it comes (`arriving`, `proof`); a host without ranges gives its file in one stream, from the beginning. A file whose
last block has come is handed out, to be given its name. What fails, fails for that file alone. One that is damaged
where it lies can be brought beside itself (`anew`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from math import inf
from pathlib import Path

from laden.remote.answers import Said, Version
from laden.remote.file import NoRanges, RemoteFile
from laden.remote.linked import Held, LinkedRoot
from laden.remote.location import Location, as_source_error
from laden.remote.stream import pieces_of
from laden.remote.wire import Wire
from laden.stages.fetching.part import Part, refuse_place, room_refusal
from laden.stages.fetching.slicing import Slicing, in_order
from laden.values.errors import Interrupted, LadenError, SourceError, StoreError
from laden.values.room import free_bytes
from laden.values.units import size

_AHEAD = 8
"""Blocks asked for and not written yet: more than hosts bear at once, and 128 MiB of memory."""


@dataclass
class Came:
    """A file of which all bytes are here, or that cannot be had."""

    name: str
    path: Path
    """Where its bytes lie: under its own name if it was there already, else beside it."""
    part: Part | None = None
    """None where it was there already, or failed."""
    error: LadenError | None = None
    version: Version | None = None
    """Of the remote file; None where its host tells nothing of it before it gives it."""
    file: RemoteFile | None = None
    streamed: tuple[Said, ...] = ()
    """What the host of one that came whole says of its bytes."""

    @property
    def said(self) -> tuple[Said, ...]:
        """What its host says of its bytes."""
        return self.file.said if self.file is not None else self.streamed

    whole_only: bool = False
    """Whether its host gives it whole only."""
    begun: bool = False
    """Whether it was told that it is under way."""

    @property
    def ended(self) -> bool:
        """Whether no more blocks of it are wanted."""
        return self.error is not None or self.whole_only

    def hear(self, version: Version | None, said: tuple[Said, ...]) -> None:
        """Note what the host says of a file that came whole."""
        self.version, self.streamed = version, said


@dataclass
class _Block:
    came: Came
    index: int
    slices: deque[Future[bytes]]
    """Those that were not written yet, in order."""

    def cancel(self) -> None:
        for one in self.slices:
            one.cancel()


class Fetching:
    """One run of it."""

    def __init__(
        self,
        root: LinkedRoot,
        wire: Wire,
        folder: Path,
        *,
        told: Callable[[int], None],
        stopping: Callable[[], bool],
        begun: Callable[[Came], None] = lambda _: None,
        anew: bool = False,
    ) -> None:
        """Prepare.

        Args:
            root: of the remote files.
            wire: that requests go through.
            folder: where they come to lie.
            told: of so many bytes that are here, whether they came or were noted.
            stopping: asked often; once true, what came is noted and `Interrupted` is raised.
            begun: told of a file that comes in blocks, whose first one is here; those before it were handed out.
            anew: whether files that are there already are brought too, beside themselves.
        """
        self.fetched_bytes = 0
        self._root = root
        self._wire = wire
        self._folder = folder
        self._told = told
        self._stopping = stopping
        self._begun = begun
        self._anew = anew
        self._ahead: deque[_Block] = deque()
        self._slicing = Slicing()

    def files(self, names: Sequence[str]) -> Generator[Came]:
        """Bring these; each is given out once, complete or with its error; who gets one with a part closes that.

        Raises:
            StoreError: the folder takes no more.
            Interrupted: asked to stop.
        """
        try:
            for number, name in enumerate(names, 1):
                yield from self._file(name, last=number == len(names))
            while self._ahead:
                yield from self._land()
        finally:
            for block in self._ahead:
                block.cancel()
                _close(block.came)

    def _file(self, name: str, *, last: bool) -> Iterator[Came]:
        came = Came(name, self._folder / name)
        try:
            refuse_place(self._folder, came.path)
            came.file = self._open(name)
            came.version = came.file.version if came.file is not None else self._root.files[name].version
            if came.path.exists() and not self._anew:
                self._there(came)
                yield came
                return
            if came.file is None:
                self._stream(came, self._root.files[name])
                yield came
                return
            came.part = Part(came.path, came.file.address, came.file.version)
        except SourceError as error:
            yield _failed(came, error)
            return
        self._told(came.part.done_bytes)
        if not came.part.missing:
            yield _complete(came)
            return
        left_bytes = came.file.size_bytes - came.part.done_bytes if last else inf
        for index in in_order(name, came.file.size_bytes, came.part.block_bytes, list(came.part.missing)):
            start, size_bytes = came.part.span(index)
            slices = self._slicing.cut(start, size_bytes, left_bytes)
            self._ahead.append(_Block(came, index, deque(came.file.begin(at, count) for at, count in slices)))
            left_bytes -= size_bytes
            while len(self._ahead) >= _AHEAD:
                yield from self._land()
            if came.ended:
                return

    def _open(self, name: str) -> RemoteFile | None:
        """None where its host gives it whole only."""
        try:
            file = self._root.open(name)
        except NoRanges as error:
            held = self._root.files[name]
            held.version, held.whole_only = error.version or held.version, True
            return None
        assert isinstance(file, RemoteFile)
        return file

    def _there(self, came: Came) -> None:
        here_bytes = came.path.stat().st_size
        came.whole_only = came.file is None
        if came.version is not None and here_bytes != came.version.size_bytes >= 0:
            raise SourceError(
                f"{came.path} is there already with {here_bytes:,} bytes, and the one behind the link has"
                f" {came.version.size_bytes:,}: it was left as it is; move it away, or fetch into another folder",
                "fetch-conflict",
            )
        self._told(here_bytes)

    def _land(self) -> Iterator[Came]:
        """Write the block that was asked for first."""
        block = self._ahead[0]
        came = block.came
        if not came.begun:
            came.begun = True
            self._begun(came)
        while block.slices and not came.ended:
            self._refuse_to_go_on()
            try:
                data = self._wire.wait(block.slices[0])
            except NoRanges:
                self._ahead.popleft()
                block.cancel()
                yield self._streamed(came)
                return
            except (SourceError, StoreError) as error:
                yield _failed(came, error)
            else:
                self._put(block, data)
        self._ahead.popleft()
        block.cancel()
        if not came.ended and came.part is not None and not came.part.missing:
            yield _complete(came)

    def _put(self, block: _Block, data: bytes) -> None:
        assert block.came.part is not None
        block.slices.popleft()
        block.came.part.put(block.index, data)
        self.fetched_bytes += len(data)
        self._told(len(data))

    def _streamed(self, came: Came) -> Came:
        """A file that was begun in blocks, of a host that then gave no ranges."""
        assert came.part is not None
        came.part.close()
        self._told(-came.part.done_bytes)
        try:
            self._stream(came, self._root.files[came.name])
        except SourceError as error:
            return _failed(came, error)
        return came

    def _stream(self, came: Came, held: Held) -> None:
        """Bring a file whole, from its beginning."""
        came.file, came.whole_only = None, True
        wanted_bytes = held.version.size_bytes if held.version is not None else 0
        if wanted_bytes > (room_bytes := free_bytes(self._folder)):
            # What a host without ranges says of a length is known only now.
            raise room_refusal(wanted_bytes, room_bytes, self._folder)
        self._root.tell(
            f"{came.name}: {held.link.host} gives it whole only: it comes in one stream, and from its beginning"
            " again if that breaks off"
        )
        came.part = Part(came.path, held.link.address, None)
        try:
            location = Location(self._wire, held.link, held.login, held.renew)
            for piece in pieces_of(self._wire, location, heard=came.hear):
                self._refuse_to_go_on()
                came.part.add(piece)
                self.fetched_bytes += len(piece)
                self._told(len(piece))
        except BaseException:
            came.part.close()
            raise
        _complete(came)

    def _refuse_to_go_on(self) -> None:
        if self._stopping():
            raise Interrupted("stopped as you asked: run the same command again to go on")


def _complete(came: Came) -> Came:
    assert came.part is not None
    try:
        came.part.finish()
    except BaseException:
        came.part.close()
        raise
    came.path = came.part.path
    return came


def _failed(came: Came, error: SourceError | StoreError) -> Came:
    came.error = as_source_error(error, came.name) if isinstance(error, StoreError) else error
    if came.error.code == "source-refused" and came.part is not None and came.part.done_bytes:
        kept = f"{size(came.part.done_bytes)} of it are in {came.part.path}"
        onward = "the same command goes on from there, also with another link to the same file"
        came.error = SourceError(f"{came.error}; {kept}: {onward}", came.error.code)
    _close(came)
    came.part = None
    return came


def _close(came: Came) -> None:
    if came.part is not None:
        came.part.close()
