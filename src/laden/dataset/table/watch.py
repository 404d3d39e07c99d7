"""What a person should know about a table, found while its records pass by.

A watch is shown each record once, in order: what is wrong with one record it tells at once, what concerns the
table as a whole at the end, in one sentence each. It corrects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from laden.dataset.table.table import BOM, Record, Table
from laden.values.records import Finding, Severity

_SCIENTIFIC = re.compile(r"-?\d([.,]\d+)?E\+\d{2,}")
"""A long number as a spreadsheet writes it; in half the world the decimal point is a comma."""


class TableWatch:
    """Looks at each record once. `row-fields` and `row-key-empty` come at once, the rest with `finish`."""

    def __init__(self, table: Table, key: str | None, texts: Collection[str]) -> None:
        """Watch `table`, whose column `key` names the images; it and the columns `texts` may hold long ids.

        Raises SourceError if there is no column `key`.
        """
        self._table = table
        self._width = len(table.columns)
        self._key = None if key is None else table.column(key)
        self._texts = [index for index, name in enumerate(table.columns) if name in texts or name == key]
        self._rewritten: tuple[int, str] | None = None
        """First row with an id in scientific form, and that id."""
        self._unclean_row = 0

    def see(self, record: Record) -> Finding | None:
        """Return what is wrong with the shape of this record, if anything is."""
        row, fields, raw = record
        if (not raw.isascii() or b"\0" in raw) and not self._unclean_row and not _is_clean_text(raw):
            self._unclean_row = row
        if len(fields) != self._width:
            message = (
                f"row {row} has {len(fields)} fields where the header has {self._width}; "
                "a quote or separator is damaged there: correct it, or fetch the table again"
            )
            return Finding("row-fields", Severity.ERROR, message, row=row)
        # Looking for two bytes first spares the fields of nearly every row.
        if b"E+" in raw and self._rewritten is None:
            ids = (fields[index] for index in self._texts if _SCIENTIFIC.fullmatch(fields[index]))
            self._rewritten = next(((row, text) for text in ids), None)
        if self._key is not None and not fields[self._key].strip():
            column = self._table.columns[self._key]
            message = f"row {row} names no image, for its {column!r} is empty; fill it in or drop the row"
            return Finding("row-key-empty", Severity.ERROR, message, row=row)
        return None

    def finish(self) -> list[Finding]:
        """Return what is wrong with the table as a whole, after the last record."""
        findings = []
        if signs := self._spreadsheet_signs():
            row = self._rewritten[0] if self._rewritten else 0
            harm = "rows with such ids match no image" if row else "its ids seem unharmed"
            message = (
                f"the table {self._table.name} has been through a spreadsheet program ({', '.join(signs)}): "
                f"{harm}; better use the file as it was published"
            )
            findings.append(Finding("table-excel", Severity.WARNING, message, row=row))
        if row := self._unclean_row:
            message = (
                f"the table {self._table.name} is not clean UTF-8 text, first in row {row}; "
                "its bytes are kept, but names with such letters match nothing: save it as UTF-8"
            )
            findings.append(Finding("table-encoding", Severity.WARNING, message, row=row))
        return findings

    def _spreadsheet_signs(self) -> list[str]:
        signs = []
        if self._table.header_bytes.startswith(BOM):
            signs.append("byte order mark")
        if self._table.header_bytes.endswith(b"\r\n"):
            signs.append("CRLF line ends")
        if self._table.delimiter == ";":
            signs.append("; as separator")
        if self._rewritten is not None:
            row, text = self._rewritten
            signs.append(f"ids as numbers like {text} from row {row} on")
        return signs


def _is_clean_text(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False
