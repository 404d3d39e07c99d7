"""A source before it is loaded: archives are looked into, on this machine or where links lead, and nothing is unpacked.

Of what lies elsewhere directories are read, and the images that somebody looks at; nothing else touches a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from laden.dataset.selection import Part
from laden.dataset.source import Reader
from laden.explorer.database import Shared
from laden.explorer.index import Index
from laden.explorer.labels import Labels
from laden.explorer.place import PART_BYTES
from laden.explorer.views import Views
from laden.remote.link import is_link
from laden.remote.sources import Sources
from laden.run.findings import FindingLog
from laden.stages.plan.matching import match
from laden.stages.survey import Choice, Survey, survey
from laden.values.errors import BlobConflict, BlobMissing, LadenError, SourceError
from laden.values.events import ignore
from laden.values.records import Entry, Finding


class SurveyedPlace:
    """See `laden.explorer.place.Place`."""

    def __init__(self, given: str | Path, profile: str | None = None) -> None:
        """Take a folder, a file, a link, or a file of links; `profile` as in `load`; raises UsageError."""
        self._profile = profile
        self._sources = Sources([given])
        # Marks and views are kept under it, and a relative path is another folder elsewhere.
        self.title = ", ".join(one if is_link(one) else str(Path(one).expanduser().absolute()) for one in self._sources)
        self.kind = "source"
        self.relations = Shared()
        self.index = Index(self.relations)
        self.labels = Labels(self.relations)
        self.views = Views(self.relations, self.labels)
        self.findings: list[Finding] = []
        self._surveyed: Survey | None = None
        self._reader: Reader | None = None

    async def fill(self) -> None:
        self.index.state.phase = "listing"
        try:
            await asyncio.to_thread(self._survey)
        except LadenError as error:
            self.index.state.phase, self.index.state.error = "failed", str(error)
            self.index.raised()

    async def refresh(self) -> None:
        for table in ("rows", "entries", "sizes", "table_starts", "findings"):
            self.relations.run(f"DELETE FROM {table}")  # noqa: S608 - own names
        await self.fill()

    def _survey(self) -> None:
        with FindingLog(None, ignore) as log, log.kept_in(self.relations):
            found = survey(self._sources, Choice(profile=self._profile), self.relations, log, ignore)
        self._surveyed = found
        self._reader = Reader(found.root, found.stamps)
        self.index.state.listed = self.index.relations.one("SELECT count(*) FROM entries")[0]
        if found.tables:
            match(self.relations, len(found.profile.place_fields))
        self.index.survey(table=bool(found.tables))
        if found.tables:
            self.labels.read([Part(one.table, one.shape, one.rows.start - 1) for one in found.tables], None)
            self.index.state.table = self.labels.table
        else:
            # Rows of a table that was here at an earlier look.
            self.labels.clear()
            self.index.state.table = ""
        self.labels.join()

    def read(self, name: str) -> AsyncIterator[bytes]:
        return self._read(name)

    async def _read(self, name: str) -> AsyncIterator[bytes]:
        entry, reader = self._entry(name), self._reader
        assert reader is not None
        buffers = reader.read(entry, PART_BYTES)
        try:
            while (buffer := await asyncio.to_thread(_next, buffers)) is not None:
                yield buffer
        except SourceError as error:
            # No damage of what was looked into: there is something else now, or nothing.
            what = entry.archive or entry.member
            if error.is_change:
                raise BlobConflict(f"{what} changed since it was looked into: Refresh shows what it is now") from error
            if not await asyncio.to_thread(reader.has, entry):
                raise BlobMissing(f"{what} is gone since it was looked into: Refresh shows what is there") from error
            raise

    def _entry(self, name: str) -> Entry:
        found = self.relations.all(
            "SELECT e.archive, e.member, e.size_bytes, e.crc32, e.mtime_ns, e.offset_bytes, e.stored_bytes, e.method"
            " FROM items i JOIN entries e ON e.id = i.entry WHERE i.name = ?",
            [name],
        )
        if not found or self._reader is None:
            raise BlobMissing(f"there is no {name} in {self.title}: look again with Refresh")
        return Entry(*found[0])

    async def properties(self, name: str) -> dict[str, Any]:
        self._entry(name)
        return {"properties": {}, "tags": {}, "history": [], "notes": []}

    async def close(self) -> None:
        self._sources.close()
        if self._reader is not None:
            self._reader.close()
        await asyncio.to_thread(self.labels.close)
        await asyncio.to_thread(self.relations.close)


def _next(buffers: Iterator[Any]) -> bytes | None:
    buffer = next(buffers, None)
    return None if buffer is None else bytes(buffer)
