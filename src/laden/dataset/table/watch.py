"""What a person should know about a table, found while its records pass by.

A watch is shown each block of records once, in order, and tells what it found afterwards: of single records first, in
their order, then of the table as a whole, in one sentence each. It corrects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from laden.dataset.table.blocks import Block
from laden.dataset.table.table import BOM, RUN_ON, Table
from laden.values.errors import SourceError
from laden.values.records import Finding, Severity

_SCIENTIFIC = re.compile(r"-?\d([.,]\d+)?E\+\d{2,}")
"""A long number as a spreadsheet writes it; in half the world the decimal point is a comma."""


class TableWatch:
    """Looks at each record once."""

    def __init__(self, table: Table, key: str | None, texts: Collection[str], used: Collection[str] = ()) -> None:
        """Watch a table.

        Args:
            table: which.
            key: column that names the images, where one does; it and the columns `texts` may hold long ids.
            texts: columns of texts.
            used: columns whose values mean something to laden, beside the key.

        Raises:
            SourceError: there is no column `key`.
        """
        self._table = table
        self._doubled = {
            name: [place for place, other in enumerate(table.columns) if other == name]
            for name in dict.fromkeys([*([] if key is None else [key]), *used])
            if table.columns.count(name) > 1
        }
        self._differing: dict[str, tuple[int, list[str]]] = {}
        """Of columns of one name that are not the same: the first row in which they differ, and what they say there."""
        self._width = len(table.columns)
        self._key = None if key is None else table.column(key)
        self._texts = [index for index, name in enumerate(table.columns) if name in texts or name == key]
        self._rewritten: tuple[int, str] | None = None
        """First row with an id in scientific form, and that id."""
        self._unclean_row = 0
        self._odd: list[NDArray[np.int64]] = []
        """Rows of another width, and their widths; rows without a key, and the width of all."""
        self._blank: list[NDArray[np.int64]] = []
        """Rows with blanks around their key, how many bytes of them before it, and after it."""

    def see(self, block: Block) -> None:
        """Look at the next records."""
        if block.unclean >= 0 and not self._unclean_row:
            self._unclean_row = block.row + block.unclean
        rows = np.flatnonzero(~block.right) + block.row
        widths = block.widths[~block.right]
        if self._key is not None:
            heads, tails = block.edges(self._key, trimmed=True)
            keyless = block.rows[heads == tails]
            firsts, lasts = block.edges(self._key, trimmed=False)
            at = np.flatnonzero((heads < tails) & ((heads > firsts) | (tails < lasts)))
            if len(at):
                self._blank.append(
                    np.stack([block.rows[at], (heads - firsts)[at], (lasts - tails)[at]]).astype(np.int64)
                )
            rows = np.concatenate([rows, keyless])
            widths = np.concatenate([widths, np.full(len(keyless), self._width)])
        if len(rows):
            order = np.argsort(rows)
            self._odd.append(np.stack([rows[order], widths[order]], axis=1))
        if self._rewritten is None:
            self._rewritten = self._number_in(block)
        if self._doubled:
            self._compare(block)

    def _compare(self, block: Block) -> None:
        """Note where columns of one name differ."""
        text = block.text.tobytes()
        for name in self._doubled.keys() - self._differing.keys():
            edges = [block.edges(place, trimmed=True) for place in self._doubled[name]]
            for index, row in enumerate(block.rows.tolist()):
                cells = [text[heads[index] : tails[index]] for heads, tails in edges]
                if len(set(cells)) > 1:
                    self._differing[name] = row, [cell.decode("utf-8", "replace") for cell in cells]
                    break

    def refuse_doubled(self, naming: Collection[str]) -> None:
        """Refuse, once all was seen, columns of one name that differ, and that say which image a row means.

        Raises:
            SourceError: there are such among `naming`.
        """
        for name in self._differing:
            if name in naming:
                raise SourceError(
                    f"the table {self._table.path} has {self._about(name)}; nobody can tell which one is meant: rename"
                    " or remove one"
                )

    def _about(self, name: str) -> str:
        """`2 columns called 'id' (column 1 and 4), which differ, first in row 7: 'a' and 'b'`."""
        places = self._doubled[name]
        told = f"{len(places)} columns called {name!r} (column {' and '.join(str(place + 1) for place in places)})"
        if name not in self._differing:
            return f"{told}, which are the same"
        row, cells = self._differing[name]
        return f"{told}, which differ, first in row {row}: {' and '.join(repr(cell[:40]) for cell in cells)}"

    def _number_in(self, block: Block) -> tuple[int, str] | None:
        """The first row of a block with an id in scientific form, and that id."""
        signs = np.flatnonzero(block.text[1:] == ord("+"))
        marks = signs[block.text[signs] == ord("E")].astype(np.int32)
        if not len(marks):
            return None
        found: list[tuple[int, int, str]] = []
        for place in self._texts:
            heads, tails = block.edges(place, trimmed=False)
            holding = np.searchsorted(marks, heads) < np.searchsorted(marks, tails)
            for index in np.flatnonzero(holding):
                text = block.text[heads[index] : tails[index]].tobytes().decode()
                if _SCIENTIFIC.fullmatch(text):
                    found.append((int(block.rows[index]), place, text))
                    break
        if not found:
            return None
        row, _, text = min(found)
        return row, text

    def misshapen(self) -> NDArray[np.int64]:
        """The rows that have more or fewer fields than the header, in order."""
        odd = np.concatenate([np.zeros((0, 2), np.int64), *self._odd])
        return np.ascontiguousarray(odd[odd[:, 1] != self._width, 0])

    def blank(self) -> NDArray[np.int64]:
        """The rows with blanks around their key, and how many bytes these are before and after it: three columns."""
        return np.ascontiguousarray(np.concatenate([np.zeros((3, 0), np.int64), *self._blank], axis=1))

    def of_rows(self) -> Iterator[Finding]:
        """What is wrong with single records (`row-fields`, `row-key-empty`), in their order."""
        for part in self._odd:
            for row, width in part.tolist():
                yield self._odd_width(row, width) if width != self._width else self._no_key(row)

    def _odd_width(self, row: int, width: int) -> Finding:
        if width == RUN_ON:
            message = (
                f"row {row} goes on over line ends in a quoted field, and text follows behind the closing quote: it may"
                " be several records; correct the quote, or fetch the table again"
            )
            return Finding("row-fields", Severity.ERROR, message, row=row)
        message = (
            f"row {row} has {width} fields where the header has {self._width}; "
            "a quote or separator is damaged there: correct it, or fetch the table again"
        )
        return Finding("row-fields", Severity.ERROR, message, row=row)

    def _no_key(self, row: int) -> Finding:
        assert self._key is not None
        column = self._table.columns[self._key]
        message = f"row {row} names no image, for its {column!r} is empty; fill it in or drop the row"
        return Finding("row-key-empty", Severity.ERROR, message, row=row)

    def of_table(self) -> list[Finding]:
        """What is wrong with the table as a whole."""
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
        for name in self._doubled:
            differs = name in self._differing
            message = f"the table {self._table.name} has {self._about(name)}; the first one is used"
            findings.append(Finding("column-doubled", Severity.WARNING if differs else Severity.INFO, message))
        return findings

    def _spreadsheet_signs(self) -> list[str]:
        signs = []
        if self._table.header_bytes.startswith(BOM):
            signs.append("byte order mark")
        if self._table.delimiter == ";":
            signs.append("; as separator")
        if self._rewritten is not None:
            row, text = self._rewritten
            signs.append(f"ids as numbers like {text} from row {row} on")
        # By itself it is what RFC 4180 asks for, and what many programs write.
        if signs and self._table.header_bytes.endswith(b"\r\n"):
            signs.append("CRLF line ends")
        return signs
