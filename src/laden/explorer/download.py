"""A selection, into a folder of this machine: by the engine, never through the browser.

In order: an item that is in the folder already, with the same length and MD5, is left; any other is read, held against
the MD5 that the store keeps (of a source, against its archive's CRC-32), and only then given its name; and at the end
`laden-downloads.csv` says of each item what became of it. The folder is a destination as any other, with a journal:
the same download again brings what is missing. Nothing that is there with other content is replaced, but for what an
earlier download left and nobody touched. The record of an earlier download is kept under a name with its time; where
anything else has the record's name, or is to get it, the record takes another.
"""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from laden.explorer.jobs import Job
from laden.explorer.place import Place
from laden.stages.download import Came, Fate, Read, Wanted
from laden.stages.download import download as bring
from laden.store.intake import Intake
from laden.values.errors import StoreError
from laden.values.ownfiles import begins, keep, placed
from laden.values.sheets import Out, safe_cells
from laden.values.units import size

DOWNLOADS = "laden-downloads.csv"
_HEADER = ("name", "size_bytes", "md5", "outcome", "reason")
_STEM = DOWNLOADS.partition(".")[0]
_MOST_NAMES = 100
_OWN = "the explorer keeps its own file of this name there: download into another folder"
_COLUMNS = "name VARCHAR, size_bytes BIGINT, md5 VARCHAR, fate VARCHAR, reason VARCHAR"
_NOTED = 5_000
"""Held at once."""


async def download(
    place: Place, wanted: Iterable[Wanted], folder: Path, job: Job, is_own: Callable[[Path], bool]
) -> None:
    """Bring all of it; the job, which knows how many and how much that is, is told of each.

    Args:
        place: what is shown.
        wanted: of it.
        folder: of this machine.
        job: told.
        is_own: whether the explorer itself reads a file of that path, so that nobody else's may come to lie there.
    """
    intake = Intake(folder)
    await intake.prepare()
    record = _Record(place)

    async def note(one: Came) -> None:
        await record.note(one)
        job.done, job.done_bytes = job.done + 1, job.done_bytes + one.item.size_bytes

    own: list[Wanted] = []

    def others() -> Iterator[Wanted]:
        for item in map(record.seen, wanted):
            if is_own(folder / item.place):
                own.append(item)
            else:
                yield item

    try:
        async for one in bring(others(), _bytes_of(place), intake, lambda: job.stopping):
            await note(one)
        for item in own:
            await note(Came(item, Fate.REFUSED, reason=_OWN))
    finally:
        # What came is told also of one that was stopped, or whose disk is full.
        file, wrong = await asyncio.to_thread(record.write, intake)
        job.result.update(folder=str(folder), file=file, outcomes=record.outcomes)
    job.message = f"{record.here:,} of {job.in_all:,} are in {folder} ({size(record.here_bytes)})"
    if wrong:
        job.message += f"; no {DOWNLOADS} says so: {wrong}"
    elif file != DOWNLOADS:
        job.message += f"; what came is told by {file}, for something else is called {DOWNLOADS}"
    elif not job.stopping and record.here < job.in_all:
        job.message += f"; {DOWNLOADS} there says why the others are not"


def _bytes_of(place: Place) -> Read:
    """Reads from whatever is shown: a source vouches for its members itself."""

    async def read(item: Wanted, at_bytes: int) -> AsyncGenerator[bytes, None]:
        parts = place.read(item.blob)
        seen_bytes = 0
        async for part in parts:
            place.index.state.read_bytes += len(part)
            rest = part[max(0, at_bytes - seen_bytes) :]
            seen_bytes += len(part)
            if rest:
                yield rest

    return read


class _Record:
    """What became of each item: in a file of the run's own until all are there, for a million would fill the memory."""

    def __init__(self, place: Place) -> None:
        self._relations = place.index.relations
        self._asked: list[Came] = []
        self._table = f"came_{uuid4().hex}"
        self._taken: set[str] = set()
        self.outcomes: dict[str, int] = {}
        self.here, self.here_bytes = 0, 0

    def seen(self, item: Wanted) -> Wanted:
        """Take note of what is to come."""
        # Some file systems take names for the same that differ in their letters' case.
        if (first := item.place.partition("/")[0].casefold()).startswith(_STEM):
            self._taken.add(first)
        return item

    async def note(self, one: Came) -> None:
        """Take note of what became of one."""
        self.outcomes[one.fate.value] = self.outcomes.get(one.fate.value, 0) + 1
        if one.md5:
            self.here, self.here_bytes = self.here + 1, self.here_bytes + one.item.size_bytes
        self._asked.append(one)
        if len(self._asked) >= _NOTED:
            await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        asked, self._asked = self._asked, []
        self._relations.run(f"CREATE TABLE IF NOT EXISTS {self._table} ({_COLUMNS})")
        rows = (
            (item.place, item.size_bytes, md5.hex() if md5 else "", fate.value, why) for item, fate, md5, why in asked
        )
        self._relations.feed(self._table, rows)

    def write(self, intake: Intake) -> tuple[str, str]:
        """Write what came, in the place of nothing; the file's name, or why there is none."""
        self._keep()
        try:
            return self._written(intake)
        finally:
            self._relations.run(f"DROP TABLE {self._table}")

    def _written(self, intake: Intake) -> tuple[str, str]:
        path = intake.root / DOWNLOADS
        names = (DOWNLOADS, *(f"{path.stem}-{number}{path.suffix}" for number in range(2, _MOST_NAMES)))
        try:
            for name in names:
                if name.casefold() in self._taken or not _is_free(intake, name):
                    continue
                try:
                    with placed(intake.root / name, lambda _: False) as file:
                        self._tell(Out(file))
                except FileExistsError:
                    continue
                return name, ""
        except (OSError, StoreError) as error:
            return "", f"it cannot be written ({getattr(error, 'strerror', None) or error})"
        return "", "other files have all of its names"

    def _tell(self, out: Out) -> None:
        writer = csv.writer(out)
        writer.writerow(_HEADER)
        for row in self._relations.stream(f"FROM {self._table} ORDER BY name"):
            writer.writerow(safe_cells(row))


def _is_free(intake: Intake, name: str) -> bool:
    """Whether nothing lies there any more: the record of an earlier download is kept under another name."""
    path = intake.root / name
    if not os.path.lexists(path):
        return True
    try:
        if path.is_symlink() or not path.is_file() or not begins(",".join(_HEADER).encode())(path):
            return False
        there = intake.examine(name, lambda _, __: False)
        if there is None or there.own is None:
            # Else it is a record that was itself downloaded.
            keep(path)
    except (OSError, StoreError):
        return False
    return not path.exists()
