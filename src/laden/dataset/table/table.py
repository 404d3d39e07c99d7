"""The label table as CSV: its header, its records one by one, and the run's own copy of its bytes.

The CSV is what Python's `csv` module reads, which is RFC 4180 and the separators of spreadsheets. The parser
is fed with lines whose bytes are remembered: the lines that it takes for one record are that record's bytes.
A blank line between records or after the last is no record. Millions of records are read by `blocks`, which comes here
only for what is not plain CSV.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from laden.dataset.table import file
from laden.dataset.table.copying import Copy
from laden.values.errors import SourceError

BOM = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, which spreadsheets write."""

_HEADER_LIMITS_BYTES = (256 * 2**10, file.LINE_LIMIT_BYTES)
"""How much of a file is looked at for its header: room for more than 10,000 columns, and where that ends within the
header, as much as any line may have."""
_LONG_BYTES = 1 << 20
"""Of a table as it lies there, packed or not."""
_DELIMITERS = (",", ";", "\t")

# The limit is one of the whole process; the default of 128 KiB is too small for reports with long texts.
csv.field_size_limit(file.LINE_LIMIT_BYTES)


RUN_ON = -1
"""Width of a record in which a quoted field holds line ends and is followed by text: it may be several, of which one
opens a quote too many (RFC 4180, section 2, rule 5)."""


class Record(NamedTuple):
    """One record of the table, which may take several lines."""

    row: int
    """1-based, the header not counted."""
    fields: list[str]
    """Text of each field; bytes that are not UTF-8 show as U+FFFD."""
    raw: bytes
    """The exact bytes, line end included; the last record of a file may have none."""


@dataclass(frozen=True, slots=True)
class Table:
    """A label table that was opened; it has no open file."""

    path: Path
    name: str
    """File name as it lands in the destination: without `.gz`."""
    columns: tuple[str, ...]
    header_bytes: bytes
    """The exact bytes before the first record: byte order mark, header, line end."""
    delimiter: str
    """`,`, `;` or a tab: the one that splits the header into most columns."""
    held: Path | None = None
    """The run's own copy of its bytes, decompressed: all that is read of it from then on."""
    copying: Copy | None = field(default=None, repr=False, compare=False)
    """Makes that copy, where it takes a while."""

    @classmethod
    def open(cls, path: Path) -> Table:
        """Return the table at `path`; raises SourceError if it cannot be read or is no CSV with a header."""
        columns, header_bytes, delimiter = _read_header(path, path)
        name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
        return cls(path, name, columns, header_bytes, delimiter)

    def hold(self, folder: Path) -> Table:
        """Return the table with a copy in the run's private folder: what happens to the file later changes nothing.

        A table that lies there already is taken as it is. Of a long one, the copy is made while it is read. Raises
        SourceError if it cannot be read, or is not any more what was opened.
        """
        if self.path.is_relative_to(folder) and not file.is_gzip(self.path):
            held = self.path
        else:
            number, name = tempfile.mkstemp(".csv", "table-", folder)
            os.close(number)
            held = Path(name)
            if _is_long(self.path):
                return self._held_soon(Copy(self.path, held), held)
            file.copy(self.path, held)
        if _read_header(self.path, held)[1] != self.header_bytes:
            raise self._changed()
        return replace(self, held=held)

    def _held_soon(self, copying: Copy, held: Path) -> Table:
        """The table with a copy of which only the header must be there."""
        copying.reach(len(self.header_bytes))
        with held.open("rb") as copied:
            if copied.read(len(self.header_bytes)) != self.header_bytes:
                raise self._changed()
        return replace(self, held=held, copying=copying)

    def _changed(self) -> SourceError:
        return SourceError(f"the table {self.path} changed while it was read: run the same command again")

    @property
    def place(self) -> Path:
        """Where the copy is that is held, which may not be whole yet."""
        assert self.held is not None
        return self.held

    @property
    def content(self) -> Path:
        """The copy that is held, once it is whole; raises as `reach`."""
        self.reach()
        return self.place

    def reach(self, size_bytes: int = sys.maxsize) -> int:
        """Wait until so many bytes of the copy are there, or all; returns how many there are.

        Raises:
            SourceError: the table cannot be read to its end, or changed while it was copied.
        """
        return self.place.stat().st_size if self.copying is None else self.copying.reach(size_bytes)

    def column(self, name: str) -> int:
        """Return the index of the first column of that name; raises SourceError if there is none."""
        if name not in self.columns:
            raise SourceError(
                f"the table {self.path} has no column {name!r}, only {', '.join(map(repr, self.columns))}; "
                "name another table or profile"
            )
        return self.columns.index(name)

    def records(self) -> Iterator[Record]:
        """Yield the records in order, one by one; raises SourceError where the file stops being readable as CSV."""
        found = self.records_from(len(self.header_bytes), 1)
        return (record for record, _ in found if record is not None)

    def width_of(self, record: Record) -> int:
        """How many fields a record has, or `RUN_ON`."""
        if b'"' in record.raw and b"\n" in record.raw.rstrip(b"\r\n"):
            lines = io.StringIO(record.raw.decode("utf-8", "replace"), newline="")
            try:
                list(csv.reader(lines, delimiter=self.delimiter, strict=True))
            except csv.Error:
                return RUN_ON
        return len(record.fields)

    def records_from(self, at: int, row: int) -> Iterator[tuple[Record | None, int]]:
        """Yield the records that begin at a byte or later, and where each ends; for blank lines, None.

        Args:
            at: place of a record's first byte in the decompressed file.
            row: number of the first record there.

        Raises:
            SourceError: the file stops being readable as CSV.
        """
        lines = _Lines(file.lines(self.content if self.held else self.path, at, self.path))
        row -= 1
        try:
            for fields in csv.reader(lines, delimiter=self.delimiter):
                raw = lines.take()
                at += len(raw)
                if not fields:
                    yield None, at
                    continue
                row += 1
                if lines.ended:
                    raise SourceError(
                        f"row {row} of the table {self.path} opens a quote that is never closed; "
                        "the file is cut or was edited: fetch it again"
                    )
                yield Record(row, fields, raw), at
        except csv.Error as error:
            raise SourceError(
                f"row {row + 1} of the table {self.path} cannot be read ({error}); "
                "a quote or a line end is damaged there: fetch the file again"
            ) from error


class _Lines:
    """Decodes lines for the CSV parser, and remembers the bytes of those that it took."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self.taken = bytearray()
        self.ended = False
        """Whether the parser asked for a line after the last: if a record comes then, its quote is open."""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.taken += line
            # Quoted line ends can chain any number of lines to one record.
            if len(self.taken) > file.LINE_LIMIT_BYTES:
                raise csv.Error("a record of more than 16 MiB")
            yield line.decode("utf-8", "replace")
        self.ended = True

    def take(self) -> bytes:
        """The bytes of the lines taken since the last call."""
        taken = bytes(self.taken)
        self.taken.clear()
        return taken


def _is_long(path: Path) -> bool:
    """Whether it is worth it to read a copy while it is made."""
    try:
        return path.stat().st_size > _LONG_BYTES
    except OSError:
        # Told, with the reason, by who reads it.
        return False


def is_clean_text(raw: bytes) -> bool:
    """Whether bytes are UTF-8 without NUL."""
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


Header = tuple[tuple[str, ...], bytes, str]
"""The columns, the header's exact bytes, and the separator."""


def _read_header(called: Path, path: Path) -> Header:
    """Read the header of what lies at `path` and is `called` otherwise; raises SourceError if there is none."""
    for limit_bytes in _HEADER_LIMITS_BYTES:
        start = file.start(path, limit_bytes)
        if (found := _parse_header(called, start, whole=len(start) < limit_bytes)) is not None:
            return found
    raise SourceError(
        f"the first line of the table {called} has more than 16 MiB, so it is no line of column names, or a quote in it"
        " is never closed; add one, or fetch it again"
    )


def _parse_header(path: Path, start: bytes, *, whole: bool) -> Header | None:
    """The header in a file's first bytes, or in all of them; None where they end within it. Raises SourceError."""
    best: Header = ((), b"", "")
    broken: csv.Error | None = None
    bom = BOM if start.startswith(BOM) else b""
    for delimiter in _DELIMITERS:
        lines = _Lines(io.BytesIO(start[len(bom) :]))
        try:
            fields = next(filter(None, csv.reader(lines, delimiter=delimiter)), [])
        except csv.Error as error:
            # With another separator than the file's, good quotes may make no sense.
            broken = error
            continue
        if not whole and (lines.ended or not lines.taken.endswith(b"\n")):
            return None
        if not any(fields) or lines.ended:
            raise SourceError(f"the table {path} does not start with a line of column names; add it, or fetch it again")
        if len(fields) > len(best[0]):
            best = (tuple(fields), bom + bytes(lines.taken), delimiter)
    if broken is not None and not best[0]:
        raise SourceError(f"the header of the table {path} cannot be read ({broken}); fetch it again") from broken
    return best
