"""What one run of the explorer has: the place that is shown, its marks, what runs, and what may be done.

The place may be chosen later (the containers of an account). Its filling runs as a task; whatever it brings in, marks
are put on. Paths of this machine are named relative to folders that were named on the command line or in the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from laden.explorer.jobs import Job, Jobs
from laden.explorer.marks import Marks
from laden.explorer.pixels import Decoders
from laden.explorer.place import Place
from laden.explorer.saved import SavedViews
from laden.explorer.thumbs import Thumbs
from laden.relations.trouble import local_trouble
from laden.values.errors import LadenError, UsageError

_LOOKING = 4
"""Images that are read and decoded at once: each may take a hundred megabytes meanwhile."""


@dataclass(frozen=True)
class Verbs:
    """What other verbs do for this one; each runs in a thread and tells the job."""

    verify: Callable[[str, Job], object]
    check: Callable[[str, Job], object]
    upload: Callable[[list[Path], str, Job], object]
    copy: Callable[[Iterable[str] | None, str, str, Job], object]
    """Of images by their names (None for all), from a place, to another."""


class Reach(Protocol):
    """How the place is reached, where by a SAS that may end."""

    ended: str
    """Why another SAS is needed; empty as long as none is."""

    def give(self, text: str) -> None:
        """Go on with this one; raises `LadenError` where it does not fit."""


class Session:
    """Of one server."""

    def __init__(
        self,
        *,
        verbs: Verbs,
        folder: Path,
        write: bool,
        opener: Callable[[str], Place],
        containers: Callable[[], Any] | None = None,
        access: Reach | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            verbs: see there.
            folder: where downloads and marks go, unless another is named.
            write: whether anything may be changed at the place.
            opener: gives the place of a container's name; of an empty one, what the command line named.
            containers: lists those of an account, where one was named; awaited.
            access: takes another SAS when one has ended.
            jobs: where what is begun is kept; whoever gives them sees what became of it after the server's end.
        """
        self.verbs = verbs
        self.folder = folder
        self.write = write
        self.views = SavedViews(folder)
        self.jobs = jobs or Jobs()
        self.thumbs = Thumbs()
        self.decoders = Decoders()
        self.looking = asyncio.Semaphore(_LOOKING)
        self.place: Place | None = None
        self.marks: Marks | None = None
        self.number = 0
        """Of the place; another one for each that is opened."""
        self.leaving = False
        """Whether the place is just being left for another: what is asked of it is given up."""
        self.containers = containers
        self.access = access
        self._opener = opener
        self._filling: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._changed = False
        """Whether something was changed while the place is listed, which that may have missed."""
        self.looks = 0
        """How often what is shown was listed."""
        self._of_marks = ""
        """Why marks could not be read the last time."""

    async def open(self, container: str = "") -> None:
        """Show another place, one after the other where several are asked for; `UsageError` while one is needed."""
        async with self._opening:
            if (job := self.jobs.holding) is not None:
                raise UsageError(f"{job.name} still runs here: wait for it, or stop it under Activity")
            place = self._opener(container)
            await self._leave()
            self.place, self.leaving = place, False
            self.number += 1
            self.marks = Marks(place, self.folder, write=self.write)
            self._filling = asyncio.create_task(self._fill(place, self.marks, place.fill))

    async def refresh(self, *, changed: bool = False) -> None:
        """Look again, unless that is going on, or another place is just being opened.

        Args:
            changed: whether something was changed here: what is going on is done once more then.
        """
        if self.place is None or self.marks is None:
            return
        self._changed |= changed
        if self._filling is None or self._filling.done():
            # At once: whoever asked sees by the phase when it is over.
            self.place.index.state.phase, self.place.index.state.error = "listing", ""
            self._filling = asyncio.create_task(self._fill(self.place, self.marks, self.place.refresh))

    async def filled(self) -> None:
        """Wait until all is there that is to be shown."""
        if self._filling is not None:
            await asyncio.wait([self._filling])

    async def _fill(self, place: Place, marks: Marks, work: Callable[[], Any]) -> None:
        self._changed = False
        await self._fill_once(place, marks, work)
        while self._changed:
            self._changed = False
            place.index.state.phase, place.index.state.error = "listing", ""
            await self._fill_once(place, marks, place.refresh)

    async def _fill_once(self, place: Place, marks: Marks, work: Callable[[], Any]) -> None:
        state = place.index.state
        self.looks += 1
        if self._of_marks in state.notes:
            state.notes.remove(self._of_marks)
        try:
            await marks.load()
        except LadenError as error:
            self._of_marks = str(error)
            state.notes.append(self._of_marks)
        try:
            await work()
            if state.phase != "failed":
                await asyncio.to_thread(marks.show)
                place.index.relations.settled = True
                state.phase = "ready"
                place.index.raised()
        except LadenError as error:
            state.phase, state.error = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - a page that waits forever would be worse
            state.phase, state.error = (
                "failed",
                local_trouble(error) or f"a bug: {type(error).__name__}: {error}; please report it",
            )

    async def _leave(self) -> None:
        self.leaving = True
        if self._filling is not None and not self._filling.done():
            self._filling.cancel()
            await asyncio.wait([self._filling])
        if self.place is not None:
            await self.place.close()
            self.place = None

    async def close(self) -> None:
        """The server stops."""
        await self.jobs.close()
        await self._leave()
        self.thumbs.close()
        await asyncio.to_thread(self.decoders.close)

    def local_paths(self, given: list[str]) -> list[Path]:
        """Files and folders of this machine that a person named in the page; raises `UsageError` where one is none."""
        paths = [self.folder / Path(one).expanduser() for one in given if one.strip()]
        if missing := [str(path) for path in paths if not path.exists()]:
            raise UsageError(f"there is no {missing[0]} on this machine")
        if not paths:
            raise UsageError("name files or folders of this machine")
        return paths

    def local_folder(self, text: str) -> Path:
        """A folder of this machine that a person named in the page: below the working folder, or whole.

        Raises:
            UsageError: it is no folder, or none that can be made.
        """
        if not text.strip():
            raise UsageError("name a folder of this machine")
        try:
            path = (self.folder / Path(text.strip()).expanduser()).resolve()
        except (RuntimeError, ValueError):
            raise UsageError(f"'{text}' is no path of this machine") from None
        there = next(parent for parent in (path, *path.parents) if parent.exists())
        if not there.is_dir():
            raise UsageError(f"{there} is a file: name a folder")
        return path
