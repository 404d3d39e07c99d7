"""Rows of a CSV file that a spreadsheet program can be trusted with: names in it come from anybody."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of what follows (Unicode 9, UAX 9)."""

_FORMULA = re.compile("(^|[;,])(?=[=+@\uff1d\uff0b\uff0d\uff20-]|\\\\[trn])")
"""Where a cell begins, or would begin with another list separator, and what makes a formula of it.

The wide forms too: spreadsheets in East Asian languages take them for the narrow ones. Tabs and line ends are escaped
by then.
"""

_KEPT_FORMULA = re.compile("'*[=+@\t\r\uff1d\uff0b\uff0d\uff20-]")
_KEPT_QUOTED = re.compile("'" + _KEPT_FORMULA.pattern)
"""Of a cell that is read again: apostrophes before it stay told from the one that is put there."""


def safe_cells(values: Iterable[object]) -> list[str]:
    """Cells that no spreadsheet runs as a formula (OWASP, "CSV Injection"), no terminal obeys, any encoding holds."""
    texts = [*map(str, values)]
    # Most need nothing, and one look at all of them, as a list with another separator, costs less than one at each.
    together = ";".join(texts)
    if together.isascii() and together.isprintable() and _FORMULA.search(together) is None:
        return texts
    return [_FORMULA.sub(r"\1'", _plain(text)) for text in texts]


def kept_cell(text: str) -> str:
    """A cell of a table that is read again, which no spreadsheet runs: `read_cell` gives back any text."""
    return f"'{text}" if _KEPT_FORMULA.match(text) else text


def read_cell(cell: str) -> str:
    """The text that `kept_cell` made a cell of; or that somebody wrote there by hand."""
    return cell[1:] if _KEPT_QUOTED.match(cell) else cell


def _plain(text: str) -> str:
    """A text without control characters and halves of surrogate pairs."""
    return _CONTROL.sub(_told, text).encode("utf-8", "backslashreplace").decode()


class Out:
    """Takes text for a file or stdout, which stays open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write it as UTF-8."""
        return self._file.write(text.encode())

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them all."""
        for line in lines:
            self.write(line)

    def copy(self, path: Path) -> None:
        """Write the bytes of a file."""
        with path.open("rb") as file:
            shutil.copyfileobj(file, self._file)


class Writes(Protocol):
    """What text can be written to."""

    def write(self, text: str, /) -> int:
        """Write it."""


def cells_to(file: Writes) -> Any:
    """A writer that puts every cell in quotes: no other list separator takes one apart."""
    return csv.writer(file, quoting=csv.QUOTE_ALL)


def _told(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()
