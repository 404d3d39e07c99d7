"""What a person says of images while looking at them: exclude, look again, a word.

Kept in a small table: `laden-marks.csv` in the working folder, or with `--write` as `_laden/marks/marks.csv` beside the
data. A row for each marked image: the place, its name and key, the mark, the word. A condition knows both
as `laden_mark` and `laden_note`.

Others may change the table too: another server, or a person by hand. In order, for each change: it is read anew, the
rows of the images that are meant are changed, all others stay as they are, and it is put in place, if nobody changed it
meanwhile (by a lock on the folder, or the blob's ETag). What it holds then is what is shown. Before anything is done
to what a view by marks shows, it is asked for its version, and read anew where that is another one.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from laden.dataset.selection.marks import HEADER
from laden.explorer.database import PACKED
from laden.explorer.kept import KeptFile
from laden.explorer.place import Place
from laden.explorer.stored import StoredPlace
from laden.store import CREATE_ONLY, Properties, Store
from laden.values.errors import BlobConflict, BlobMissing, ContainerMissing, UsageError
from laden.values.sheets import kept_cell, read_cell

FILE = "laden-marks.csv"
BLOB = "_laden/marks/marks.csv"
MARKS = ("exclude", "look again")
_MOST_NOTE = 500
_MOST_NAME = 4096
"""Longer than any name of a blob or path of a file."""
_MOST_BYTES = 64 << 20
_ATTEMPTS = 8
"""At changing a blob that others change too."""


class Mark(NamedTuple):
    """Of one image."""

    mark: str
    note: str
    key: str = ""


class _Table(NamedTuple):
    """What was read."""

    own: dict[str, Mark]
    """By name, those of the place."""
    others: list[list[str]]


class Marks:
    """The marks of one place."""

    def __init__(self, place: Place, folder: Path, *, write: bool) -> None:
        self._place = place
        self._beside = write
        self._file = KeptFile(folder / FILE, "marks", _MOST_BYTES)
        self._lock = asyncio.Lock()
        self._showing = threading.Lock()
        self._seen: object = None
        """Version of the table that was read; None where nobody knows it."""
        self._revision = 0
        """How often marks became others than they were known to be."""
        self.all: dict[str, Mark] = {}

    @property
    def _store(self) -> Store | None:
        """Of the place where marks are kept beside the data; another one where it was reached again."""
        return self._place.store if self._beside and isinstance(self._place, StoredPlace) else None

    @property
    def where(self) -> str:
        """Where they are kept, for people."""
        return BLOB if self._store else str(self._file.path)

    async def load(self) -> None:
        """Read what is marked now; raises `UsageError` where that is no table of marks."""
        async with self._lock:
            await self._load()

    async def _load(self) -> None:
        # The version first: what is changed after that is looked at again.
        seen: object = self._file.version()
        if store := self._store:
            data, seen = await _read(store)
        else:
            data = await asyncio.to_thread(self._file.read)
        self._take((await asyncio.to_thread(self._parsed, data)).own, seen)

    def _take(self, own: dict[str, Mark], seen: object) -> None:
        self._revision += own != self.all
        self.all, self._seen = own, seen

    async def current(self) -> int:
        """Another number than before where marks are others now; the table is read where somebody changed it.

        Raises:
            UsageError: what is kept is no table of marks (any more).
            LadenError: it cannot be asked for.
        """
        async with self._lock:
            if self._seen is None or self._seen != await self._version():
                before = self._revision
                await self._load()
                if self._revision != before:
                    await asyncio.to_thread(self.show)
                    self._place.index.raised()
            return self._revision

    async def of_view(self, number: int | None) -> int | None:
        """As `current`, where that view goes by marks; else None, and nothing is asked. For what is done by a view."""
        view = None if number is None else self._place.views.get(number)
        return await self.current() if view is not None and view.by_marks else None

    async def _version(self) -> object:
        if (store := self._store) is None:
            return self._file.version()
        try:
            return (await store.head(BLOB)).etag
        except (BlobMissing, ContainerMissing):
            return CREATE_ONLY

    def show(self) -> None:
        """Bring all of them into the index, whose items may be new, and take off what is marked no more."""
        relations = self._place.index.relations
        with self._showing:
            rows = [(name, one.mark, one.note) for name, one in self.all.items()]
            with relations.aside("name VARCHAR, mark VARCHAR, note VARCHAR", rows) as marked:
                relations.run(
                    f"UPDATE {PACKED}.items SET mark = NULL, note = NULL WHERE coalesce(mark, note) IS NOT NULL"  # noqa: S608
                    f" AND name NOT IN (SELECT name FROM {marked})"
                )
                relations.run(
                    f"UPDATE {PACKED}.items i SET mark = m.mark, note = m.note FROM {marked} m WHERE m.name = i.name"  # noqa: S608
                )
        self._place.views.marked()

    async def put(self, names: list[str], mark: str, note: str | None) -> None:
        """Mark images, or take their marks off (an empty mark and note); `note` None leaves the word as it is.

        Raises:
            UsageError: there is no such mark, or what is kept is no table of marks.
            LadenError: they cannot be kept.
        """
        if mark not in ("", *MARKS):
            raise UsageError(f"'{mark}' is no mark: give one of {', '.join(MARKS)}, or none")
        if note is not None and (len(note) > _MOST_NOTE or not note.isprintable()):
            raise UsageError(f"a word has at most {_MOST_NOTE} characters, and no line breaks")

        def change(own: dict[str, Mark]) -> None:
            for name in names:
                before = own.pop(name, Mark("", ""))
                now = Mark(mark, before.note if note is None else note, keys.get(name) or before.key)
                if now.mark or now.note:
                    own[name] = now

        async with self._lock:
            find = "SELECT name, key FROM items WHERE name IN (SELECT unnest(?))"
            keys = dict(await asyncio.to_thread(self._place.index.relations.all, find, [names]))
            store = self._store
            own = await (self._change_blob(store, change) if store else asyncio.to_thread(self._change, change))
            self._take(own, None)
            if isinstance(self._place, StoredPlace) and (name := self._listed_as):
                await self._place.written(name)
            await asyncio.to_thread(self.show)

    @property
    def _listed_as(self) -> str:
        """The table's name among the items of the place; empty where it lies elsewhere."""
        if self._store:
            return BLOB
        shown, own = Path(self._place.title), self._file.path.resolve()
        inside = self._place.kind == "folder" and own.is_relative_to(shown.resolve())
        return own.relative_to(shown.resolve()).as_posix() if inside else ""

    def _change(self, change: Callable[[dict[str, Mark]], None]) -> dict[str, Mark]:
        with self._file.alone():
            own, made = self._changed(self._file.read(), change)
            self._file.write(made)
        return own

    async def _change_blob(self, store: Store, change: Callable[[dict[str, Mark]], None]) -> dict[str, Mark]:
        for _ in range(_ATTEMPTS):
            try:
                data, etag = await _read(store)
                own, made = await asyncio.to_thread(self._changed, data, change)
                md5 = hashlib.md5(made, usedforsecurity=False).digest()
                await store.put(BLOB, made, Properties(md5, "text/csv"), etag)
            except BlobConflict:
                # Somebody else was first: what is there now is changed instead.
                continue
            return own
        raise BlobConflict(f"others change {BLOB} all the time, so nothing was marked: try again")

    def _changed(self, data: bytes | None, change: Callable[[dict[str, Mark]], None]) -> tuple[dict[str, Mark], bytes]:
        """What is marked after a change, and the table that says so."""
        own, others = self._parsed(data)
        change(own)
        rows = [[self._place.title, name, one.key, one.mark, one.note] for name, one in own.items()]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([HEADER, *sorted([*others, *([kept_cell(cell) for cell in row] for row in rows)])])
        made = text.getvalue().encode()
        if len(made) > _MOST_BYTES or any(len(name) > _MOST_NAME for name in own):
            raise UsageError(f"{self.where} would be too long to be read again, so nothing was marked")
        return own, made

    def _parsed(self, data: bytes | None) -> _Table:
        try:
            rows = list(csv.reader(io.StringIO((data or b"").decode("utf-8-sig"), newline="")))
        except (UnicodeDecodeError, csv.Error):
            rows = [[]]
        if rows and rows[0] != HEADER:
            raise UsageError(f"{self.where} is there and is no table of laden's marks: move it away")
        found = _Table({}, [])
        for row in rows[1:]:
            place, name, key, mark, note = map(read_cell, row) if len(row) == len(HEADER) else ("",) * len(HEADER)
            if place == self._place.title:
                found.own[name] = Mark(mark, note, key)
            else:
                found.others.append(row)
        return found


async def _read(store: Store) -> tuple[bytes | None, str]:
    """The table beside the data, and its ETag; nothing where there is none. Raises `BlobConflict` if it changes."""
    try:
        there = await store.head(BLOB)
        if there.size_bytes > _MOST_BYTES:
            raise UsageError(f"{BLOB} has more than {_MOST_BYTES >> 20} MiB, so it is not read: move it away")
        return await store.get(BLOB, 0, _MOST_BYTES, there.etag), there.etag
    except (BlobMissing, ContainerMissing):
        return None, CREATE_ONLY
