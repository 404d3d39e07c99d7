"""What a person says of images while looking at them: exclude, look again, a word.

Kept in a small table: `laden-marks.csv` in the working folder, or with `--write` as `_laden/marks/marks.csv` beside the
data. A row for each marked image: the place, its name and key, the mark, the word. A condition knows both
as `laden_mark` and `laden_note`. Rows of other places are kept as they are.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

from laden.dataset.selection.marks import HEADER
from laden.explorer.database import PACKED
from laden.explorer.place import Place
from laden.explorer.stored import StoredPlace
from laden.store import CREATE_ONLY, Properties, Store
from laden.values.errors import BlobMissing, ContainerMissing, LadenError, UsageError

FILE = "laden-marks.csv"
BLOB = "_laden/marks/marks.csv"
MARKS = ("exclude", "look again")
_MOST_NOTE = 500
_MOST_BYTES = 64 << 20


class Mark(NamedTuple):
    """Of one image."""

    mark: str
    note: str


class Marks:
    """The marks of one place."""

    def __init__(self, place: Place, folder: Path, *, write: bool) -> None:
        self._place = place
        self._beside = write
        self._path = folder / FILE
        self._others: list[list[str]] = []
        self._etag: str = CREATE_ONLY
        self._strange = False
        self._lock = asyncio.Lock()
        self.all: dict[str, Mark] = {}

    @property
    def _store(self) -> Store | None:
        """Of the place where marks are kept beside the data; another one where it was reached again."""
        return self._place.store if self._beside and isinstance(self._place, StoredPlace) else None

    @property
    def where(self) -> str:
        """Where they are kept, for people."""
        return BLOB if self._store else str(self._path)

    async def load(self) -> None:
        """Read what was marked before; raises `UsageError` where that is no table of marks."""
        text = await self._read()
        rows = list(csv.reader(io.StringIO(text)))
        self._strange = bool(rows) and rows[0] != HEADER
        if self._strange:
            raise self._refusal()
        for row in rows[1:]:
            if len(row) == len(HEADER) and row[0] == self._place.title:
                self.all[row[1]] = Mark(row[3], row[4])
            else:
                self._others.append(row)

    def _refusal(self) -> UsageError:
        return UsageError(f"{self.where} is there and is no table of laden's marks: move it away, and start again")

    def show(self) -> None:
        """Bring all of them into the index, whose items may be new."""
        relations = self._place.index.relations
        rows = [(name, *mark) for name, mark in self.all.items()]
        with relations.aside("name VARCHAR, mark VARCHAR, note VARCHAR", rows) as marked:
            relations.run(
                f"UPDATE {PACKED}.items i SET mark = m.mark, note = m.note FROM {marked} m WHERE m.name = i.name"  # noqa: S608
            )

    async def put(self, names: list[str], mark: str, note: str | None) -> None:
        """Mark images, or take their marks off (an empty mark and note); `note` None leaves the word as it is."""
        if mark not in ("", *MARKS):
            raise UsageError(f"'{mark}' is no mark: give one of {', '.join(MARKS)}, or none")
        if note is not None and (len(note) > _MOST_NOTE or not note.isprintable()):
            raise UsageError(f"a word has at most {_MOST_NOTE} characters, and no line breaks")
        if self._strange:
            raise self._refusal()
        async with self._lock:
            before = dict(self.all)
            for name in names:
                self.all[name] = Mark(mark, self.all.get(name, Mark("", "")).note if note is None else note)
            try:
                await self._write()
            except LadenError:
                self.all = before
                raise
            await asyncio.to_thread(self.show)
            # Rows that say nothing were needed to clear the index, and are not kept.
            self.all = {name: one for name, one in self.all.items() if any(one)}

    async def _read(self) -> str:
        if self._store is not None:
            try:
                self._etag = (await self._store.head(BLOB)).etag
                return (await self._store.get(BLOB, 0, _MOST_BYTES)).decode("utf-8", "replace")
            except (BlobMissing, ContainerMissing):
                return ""
        try:
            return await asyncio.to_thread(self._path.read_text, "utf-8-sig")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the marks cannot be read from {self._path}: {error}") from None

    async def _write(self) -> None:
        keys = dict(
            self._place.index.relations.all(
                "SELECT name, key FROM items WHERE name IN (SELECT unnest(?))", [list(self.all)]
            )
        )
        own = [[self._place.title, name, keys.get(name) or "", *mark] for name, mark in self.all.items() if any(mark)]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([HEADER, *sorted([*self._others, *own])])
        data = text.getvalue().encode()
        if self._store is not None:
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
            await self._store.put(BLOB, data, Properties(md5, "text/csv"), self._etag)
            self._etag = (await self._store.head(BLOB)).etag
            return
        try:
            await asyncio.to_thread(_replace, self._path, data)
        except OSError as error:
            raise UsageError(f"the marks cannot be written to {self._path} ({error.strerror})") from None


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
