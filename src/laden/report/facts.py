"""What a report says, as frozen values: gathered by one half of this package, drawn by the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from laden.values.events import Summary
from laden.values.records import Finding, Severity


class Count(NamedTuple):
    """A name and how many."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class FindingKind:
    """All findings of one code."""

    code: str
    severity: Severity
    count: int
    meaning: str
    """In a few words, as docs/findings.md has it; empty where it has none."""
    advice: str
    examples: tuple[Finding, ...]
    """The first ones."""


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    """What became of the images of one archive."""

    archive: str | None
    """Empty for plain files; None for rows that do not say which archive their image is in."""
    good: int
    """In the destination, or for a source: there."""
    damaged: int
    """Broken inside, or not what the archive declares."""
    missing: int
    """Rows without an image; of a destination, blobs that are gone or changed."""
    other: int
    """Not in the destination for another reason: a conflict, a failure, not reached."""


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """How often each value stands in one column of the selected rows."""

    column: str
    lists: bool
    """Whether a row may have several values."""
    values: tuple[Count, ...]
    """In the whole table, the most frequent first; where rows are loaded, the most frequent of these."""
    loaded: tuple[int, ...] | None
    """Of each of the values, how many rows have their image; None where the table is that of the load."""
    different: int
    """Values in all."""
    empty: int
    """Rows without a value."""


class Bin(NamedTuple):
    """One bar of a histogram: `low <= value < high`; the last one's `high` is within it."""

    low: int
    high: int
    number: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the images are."""

    widths: tuple[Bin, ...]
    """Pixels; of the same limits as `heights`. Empty where no image was looked into."""
    heights: tuple[Bin, ...]
    commonest: tuple[tuple[int, int, int], ...]
    """Width, height, images."""
    different: int
    bytes: tuple[Bin, ...]
    bytes_in_all: int


class Moment(NamedTuple):
    """How far a transfer was."""

    seconds: float
    """Since it began."""
    bytes: int
    retries: int
    """Attempts that were repeated by then."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How the time of a run was spent."""

    stages: tuple[tuple[str, float], ...]
    """Stage and seconds, in order."""
    moments: tuple[Moment, ...]
    outages: tuple[tuple[float, float], ...] = ()
    """Begin and end of each, in seconds since the transfer began."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image, small."""

    name: str
    """Of the blob, or the member."""
    about: str
    """One line: size, bits, what is wrong with it."""
    uri: str
    """`data:image/webp;base64,...`"""
    width: int
    height: int
    key: str = ""
    """Of its row, as `TableShape.row_key` gives it."""
    caption: str = ""
    """What its row says: labels, projection, age."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Sample images, and what is left of damaged ones."""

    samples: tuple[Picture, ...] = ()
    damaged: tuple[Picture, ...] = ()
    damaged_in_all: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a report says."""

    title: str
    """Of the dataset."""
    table: str
    summary: Summary
    images: tuple[Count, ...]
    """What became of the images of the plan; adds up to `summary.images`."""
    findings: tuple[FindingKind, ...]
    archives: tuple[ArchiveCounts, ...]
    sizes: Sizes | None
    columns: tuple[ColumnCounts, ...]
    speed: Speed
    gallery: Gallery
    made: str
    """Day and time, as a person writes them."""
    version: str
    """Of laden."""
    system: str = ""
    """Python and operating system."""
    command: str = ""
    """As it was typed, without what it held in confidence; empty where nobody typed one."""
