"""The frozen values that flow through a load.

An `Entry` is something that can be read (an archive member or a plain file); an `Item` is an entry with a
destination; a `Receipt` is what became of one item; a `Blob` is what a listing says of one blob; a `Finding` is
something about the data that a person should know. All of them are plain and picklable, so that a stage may run
in another process. Nothing here reads, writes or decides.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

STORED = 0
"""`Entry.method` of bytes that lie as they are: zip method 0 (APPNOTE 4.4.5), and every plain file."""
IN_TAR = -1
"""`Entry.method` of a member of a tar: its bytes lie as they are at its offset, without a header of their own."""
IN_GZIP = -2
"""`Entry.method` of a member of a tar within gzip data: they lie at its offset in what these inflate to."""


class Entry(NamedTuple):
    """Something that can be read: an archive member or a plain file.

    A named tuple because a million of them pass through the plan; every field is a column there.
    """

    archive: str
    """Path of the archive below the source root, with forward slashes; empty for a plain file."""
    member: str
    """Name inside the archive, or the plain file's path below the source root."""
    size_bytes: int
    """Uncompressed size, as the archive's directory or the file system declares it."""
    crc32: int | None
    """CRC-32 from a zip's directory, or of what proven gzip data held; None for a plain file and in a plain tar."""
    mtime_ns: int | None
    """Where there is no CRC-32: modification time of the plain file, or of the tar. Else None (an archive's directory
    has no reliable one)."""
    offset_bytes: int
    """In a zip, where the member's local header starts; in a tar, where its data start; 0 for a plain file."""
    stored_bytes: int
    """Bytes it takes in the archive; equals `size_bytes` for a plain file and in tars."""
    method: int
    """Zip compression method (APPNOTE 4.4.5): 0 stored, 8 deflated, 9 Deflate64; or `IN_TAR`, `IN_GZIP`."""

    @property
    def place(self) -> str:
        """How a person finds it: `0.zip: a.png`, or the path of a plain file."""
        return f"{self.archive}: {self.member}" if self.archive else self.member


class Digests(NamedTuple):
    """What one pass over the bytes computed."""

    size_bytes: int
    crc32: int
    md5: bytes
    """16 raw bytes."""


class ImageFacts(NamedTuple):
    """What an image file says of itself. `state` is `whole`, `unseen`, or the code of what is broken or doubtful."""

    kind: str
    """`png`, `jpeg`, `dicom`, `tiff`, `nifti`, `gzip`, or empty for a file that laden did not look into."""
    width: int
    height: int
    bits: int
    """Bits per sample, as the header declares."""
    state: str
    detail: str = ""
    """What exactly, where the state alone does not say it; told when it is found, and kept nowhere."""
    identity: tuple[str, ...] | None = None
    """Names of fields that may say who a person is, never their values; None where nobody looked. Which they are is
    told when they are found; kept is only whether there are any."""


UNSEEN = "unseen"
"""The state of a file that nobody looked into: it is neither whole nor broken."""
NOT_LOOKED_INTO = ImageFacts("", 0, 0, 0, UNSEEN)


class Blob(NamedTuple):
    """One blob as a listing shows it. Names are relative to the destination's prefix."""

    name: str
    size_bytes: int
    md5: bytes | None
    """16 raw bytes; None where the service keeps none."""
    etag: str
    metadata: dict[str, str]


class Action(StrEnum):
    """What the plan wants done with an item."""

    SEND = "send"
    """No blob of that name: create it, and only create."""
    REPLACE = "replace"
    """A blob with other content, and the user asked to replace those: overwrite that very version."""
    COMPARE = "compare"
    """A blob of the same size whose content laden cannot tell from the listing: read, hash, compare."""


class Extras(NamedTuple):
    """What a blob is told beside what laden writes with it."""

    tags: dict[str, str]
    metadata: dict[str, str]


class Item(NamedTuple):
    """An entry with a destination."""

    entry: Entry
    blob: str
    action: Action
    etag: str
    """Of the blob that is there (`REPLACE`, `COMPARE`); empty for `SEND`."""
    md5: bytes | None
    """MD5 of the blob that is there (`COMPARE`)."""
    owner: str = ""
    """Prefix of the dataset below this one whose blob is there: it is never replaced."""
    theirs: bool = False
    """Whether another tool put the blob that is there, and such are left."""
    extras: Extras | None = None


class Outcome(StrEnum):
    """What became of an item."""

    SENT = "sent"
    ALREADY_THERE = "already_there"
    CONFLICT = "conflict"
    """A blob with other content is there and was left as it is."""
    READ = "read"
    """Its bytes are what its archive declares; nothing was to be sent."""
    DAMAGED = "damaged"
    """The member's bytes are not what its archive declares (or its image is broken and such were not wanted)."""
    HELD = "held"
    """It may say who a person is, and such was not to be sent."""
    FAILED = "failed"
    """The store or the source did not do it; the next run tries again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one item, returned by whoever moved it."""

    item: Item
    outcome: Outcome
    digests: Digests | None = None
    """None where the bytes were never read whole."""
    image: ImageFacts = NOT_LOOKED_INTO
    code: str = ""
    """Finding code for `CONFLICT`, `DAMAGED` and `FAILED`."""
    reason: str = ""
    """One sentence for the same."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a selection left of the table."""

    step: str
    """`table`, `archives`, `where`, `images`, `sample` or `first`; always in this order."""
    about: str
    """The table's name, the archives, the condition, the list and its length, what was sampled, how many."""
    rows: int
    """Records that are left after it."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a column, and how many rows hold it."""

    text: str
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What a column of the table holds."""

    name: str
    """As a condition writes it."""
    kind: str
    """One of `profile.COLUMN_TYPES`."""
    rows: int
    empty: int
    """Rows in which it is NULL."""
    distinct: int
    """Different values; of a list, different items."""
    lowest: str
    """Of integers, numbers and dates; else empty."""
    highest: str
    commonest: tuple[Value, ...]
    """The most frequent values, or items of a list, first; of equally many in their order."""


@dataclass(frozen=True, slots=True, repr=False)
class TableFacts:
    """What a table holds, column by column."""

    table: str
    rows: int
    columns: tuple[ColumnFacts, ...]

    def __repr__(self) -> str:
        """A line for each column."""
        lines = [f"{self.table}: {self.rows:,} rows", *(f"  {' '.join(row)}" for row in self._lines())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A table for a notebook."""
        head = "".join(f"<th>{name}</th>" for name in ("column", "holds", "values", "empty", "commonest"))
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self._lines()
        )
        title = html.escape(f"{self.table}: {self.rows:,} rows")
        return f"<table><caption>{title}</caption><tr>{head}</tr>{rows}</table>"

    def _lines(self) -> list[tuple[str, ...]]:
        return [
            (
                one.name,
                one.kind,
                f"{one.distinct:,}",
                f"{one.empty:,}",
                ", ".join(f"{value.text} ({value.rows:,})" for value in one.commonest),
            )
            for one in self.columns
        ]


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    """Worth knowing; the load is complete all the same."""
    ERROR = "error"
    """A person must decide or act: exit code 3."""


class Finding(NamedTuple):
    """Something about the data that a person should know. Never an exception."""

    code: str
    """Stable, kebab-case; each is explained in docs/findings.md."""
    severity: Severity
    message: str
    """One sentence: what is wrong and what to do."""
    archive: str = ""
    member: str = ""
    row: int = 0
    """1-based number of the record in the table, the header not counted; 0 where no row is meant."""
    blob: str = ""
