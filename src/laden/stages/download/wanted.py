"""The values of a download."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Wanted(NamedTuple):
    """A file that is to come."""

    place: str
    """Where it is to lie, below the folder."""
    blob: str
    """What it is called where it is read."""
    size_bytes: int
    md5: bytes | None
    """16 raw bytes; None where nobody knows it."""
    crc32: int | None = None
    etag: str | None = None
    """The version that is meant; None for whatever is there."""


class Fate(StrEnum):
    """What became of it."""

    CAME = "came"
    THERE = "there"
    """It lies there already, byte for byte."""
    REPLACED = "replaced"
    """It came, and took the place of what laden had put there before."""
    CONFLICT = "conflict"
    """Another file lies there, and was left as it is."""
    REFUSED = "refused"
    """No file can lie there."""
    DAMAGED = "damaged"
    """Its bytes are not what is known of it, however often they are read."""
    CHANGED = "changed"
    """Another version was put where it is read from, since it was listed."""
    GONE = "gone"
    FAILED = "failed"
    """It could not be read or written; the next run tries again."""


class Came(NamedTuple):
    """What became of an item."""

    item: Wanted
    fate: Fate
    md5: bytes | None = None
    """Of what lies there now; None where nothing of it does."""
    reason: str = ""
    """One sentence, where it did not come."""
