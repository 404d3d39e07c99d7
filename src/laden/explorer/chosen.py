"""What a request means: items by their names, or all that a view shows but for some, a million as well as one.

In order: what is meant becomes a condition over the relation `items`, asked while positions hold; what an act needs of
the items goes into a file of the run's own folder, from where it is read one by one. So neither a request nor the
server's memory grows with what is chosen. Nothing is done to any item here.
"""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from laden.explorer.answers import Stale, of_view, texts
from laden.explorer.database import Shared
from laden.explorer.place import Place
from laden.values.errors import UsageError

T = TypeVar("T")

_PART_ROWS = 100_000
LIVING = "fate <> 'deleted'"
"""Condition over `items`: it is there."""


class Choice(NamedTuple):
    """What is meant."""

    names: tuple[str, ...]
    """Those that are meant; of a view, those that are not."""
    view: int | None = None
    """Its number."""


class Item(NamedTuple):
    """What an act knows of one."""

    name: str
    etag: str
    """As it was listed; empty where it was not."""
    size_bytes: int
    md5: str
    """In hexadecimal digits; empty where nobody knows it."""


class Chosen:
    """Items in a file, in the order of their names, for as long as somebody needs them."""

    def __init__(self, path: Path, count: int, size_bytes: int) -> None:
        self._path = path
        self._count = count
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        with self._path.open(newline="", encoding="utf-8") as file:
            for name, etag, size_bytes, md5 in csv.reader(file):
                yield Item(name, etag, int(size_bytes), md5)

    def close(self) -> None:
        """Forget them; who is in the middle of them may go on, where the system lets files that are open go."""
        self._path.unlink(missing_ok=True)

    @classmethod
    def of_items(cls, relations: Shared, condition: str, *, living: bool = True) -> Chosen:
        """Those for which a condition over `items` is true; raises `UsageError` where none is.

        Args:
            relations: with `items`.
            condition: over it.
            living: whether what is gone is left out.
        """
        path, part, count = _new(relations), _new(relations), 0
        condition = f"({condition}) AND {LIVING if living else 'true'}"
        (size_bytes, last) = relations.one(
            f"SELECT coalesce(sum(size_bytes), 0)::BIGINT, coalesce(max(pos), -1) FROM items WHERE {condition}"  # noqa: S608
        )
        own = str(part).replace("'", "''")
        with path.open("wb") as whole:
            # A part at a time: all of it in its order would fill the memory.
            for start in range(0, last + 1, _PART_ROWS):
                query = (
                    "SELECT name, coalesce(etag, ''), coalesce(size_bytes, 0), coalesce(md5, '') FROM items"  # noqa: S608
                    f" WHERE pos BETWEEN {start} AND {start + _PART_ROWS - 1} AND {condition} ORDER BY pos"
                )
                count += relations.run(f"COPY ({query}) TO '{own}' (FORMAT csv, HEADER false)")
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole)
        part.unlink(missing_ok=True)
        return cls._some(path, count, size_bytes)

    @classmethod
    def of_names(cls, relations: Shared, names: Iterable[str]) -> Chosen:
        """Blobs that are in no listing of what is there; raises as `of_items`."""
        path, count = _new(relations), 0
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for name in names:
                writer.writerow((name, "", 0, ""))
                count += 1
        return cls._some(path, count, 0)

    @classmethod
    def _some(cls, path: Path, count: int, size_bytes: int) -> Chosen:
        if not count:
            path.unlink()
            raise UsageError("nothing was chosen that is there")
        return cls(path, count, size_bytes)


def _new(relations: Shared) -> Path:
    return relations.folder / f"chosen-{uuid4().hex}.csv"


def read_choice(given: dict[str, Any]) -> Choice:
    """What a request means: `names`; or the number of a `view`, but for the names `but`. Raises `UsageError`."""
    if names := texts(given, "names"):
        return Choice(tuple(names))
    if not isinstance(view := given.get("view"), int):
        raise UsageError("choose what is meant: some images, or what is shown now")
    return Choice(tuple(texts(given, "but")), view)


async def of_choice(place: Place, choice: Choice, ask: Callable[[str], T]) -> T:
    """What `ask`, in a thread, finds with the condition over `items` that is true for what is meant.

    Raises:
        Stale: as `of_view`, of what is meant by a view.
        UsageError: as `of_view`.
    """
    relations = place.index.relations

    def asking(within: str) -> T:
        if not choice.names:
            return ask(within)
        with relations.aside("name VARCHAR", ((name,) for name in choice.names)) as named:
            but = "NOT " if choice.view is not None else ""
            return ask(f"{within} AND name {but}IN (SELECT name FROM {named})")  # noqa: S608 - own names

    if choice.view is None:
        return await asyncio.to_thread(asking, "true")
    if (view := place.views.get(choice.view)) is not None and place.views.is_outdated(view):
        raise Stale
    return await of_view(place, choice.view, lambda view: asking(place.views.within(view, "pos")))
