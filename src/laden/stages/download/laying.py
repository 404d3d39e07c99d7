"""Lays a file that this run made into a folder, as all that comes to lie there: whole, and over nothing of yours."""

from __future__ import annotations

from pathlib import Path

from laden.store.disk import hashed
from laden.store.intake import Intake, is_that
from laden.values.errors import BlobConflict, StoreError

_PART_BYTES = 8 << 20


def lay(intake: Intake, name: str, path: Path) -> bool:
    """Give a copy of a file its place, unless it lies there already; whether it took the place of another of laden's.

    Raises:
        BlobConflict: another file lies there, which is not laden's.
        StoreError: no file can lie there.
        UsageError: the folder cannot take more.
    """
    size_bytes, md5 = path.stat().st_size, hashed(path)
    there = intake.examine(name, is_that(size_bytes, md5))
    if there is not None and (there.same or there.own is None):
        if there.same:
            return False
        raise BlobConflict(f"another file called {name} is there, and was left as it is")
    part = intake.part(name, size_bytes, md5)
    try:
        part.forget()
        with path.open("rb") as file:
            while data := file.read(_PART_BYTES):
                part.add(data)
        error: StoreError | None = intake.place(part, md5, there.own if there else None)
    finally:
        part.close()
    if error is not None:
        raise error
    return there is not None
