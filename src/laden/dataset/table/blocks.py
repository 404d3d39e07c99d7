"""The records of a table, block by block: where they lie in the file, and where their fields lie in memory.

A block is read from the run's own copy and scanned whole (`scan`); one that is not plain CSV is read by the `csv`
module, record by record, and gives the same. Bytes that are not UTF-8 are U+FFFD in `text`; places stay exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from laden.dataset.table.scan import Places, Scan, scan
from laden.dataset.table.table import Record, Table, is_clean_text
from laden.values.arrow import Texts

BLOCK_BYTES = 4 << 20
_QUOTE = ord('"')
_AT_MOST = 8
"""Blanks that are taken off for all fields at once; few fields have more."""

_VISIBLE = range(ord("!"), 0x7F)

_BLANK = np.zeros(256, np.bool_)
_BLANK[[9, 10, 11, 12, 13, 28, 29, 30, 31, 32]] = True
"""Bytes that `str.strip` takes off."""
_WIDE_FIRST = np.zeros(256, np.bool_)
_WIDE_FIRST[[0xC2, 0xE1, 0xE2, 0xE3]] = True
_WIDE_LAST = np.zeros(256, np.bool_)
_WIDE_LAST[[0xC2, 0x9A, 0x80, 0x81]] = True
"""First bytes, and last but one, of blanks beyond ASCII; other letters have these, too."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some records that follow each other."""

    row: int
    """Number of the first."""
    starts: NDArray[np.int64]
    """Of each record, in the file."""
    ends: NDArray[np.int64]
    widths: NDArray[np.int64]
    """How many fields each record has, or `RUN_ON`."""
    right: NDArray[np.bool_]
    """Which of them have as many fields as the header."""
    unclean: int
    """Index of the first record that is no clean UTF-8 text, or -1."""
    text: NDArray[np.uint8]
    """UTF-8 in which the fields lie."""
    _heads: Places
    """Where fields begin in `text`: of the records that are right, as many for each as the header has."""
    _tails: Places
    _quoted: bool
    """Whether quotes around fields are still there."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Numbers of the records that are right."""
        return np.flatnonzero(self.right) + self.row

    def edges(self, place: int, *, trimmed: bool) -> tuple[Places, Places]:
        """Where the fields of one column begin and end in `text`, of the records that are right.

        Args:
            place: of the column, from 0.
            trimmed: whether blanks around them are left out, as `str.strip` does.
        """
        heads, tails = self._heads[:, place], self._tails[:, place]
        if self._quoted:
            quoted = self.text[heads] == _QUOTE
            heads, tails = heads + quoted, tails - quoted
        return _trimmed(self.text, heads, tails) if trimmed else (heads, tails)

    def texts(self, place: int) -> Texts:
        """A column, each trimmed field followed by what lies between it and the next: every second one counts."""
        return Texts.between(*self.edges(place, trimmed=True), self.text)


def blocks(table: Table, size_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield all records of a table that is held; raises SourceError where `Table.records` does."""
    row, at = 1, len(table.header_bytes)
    with table.place.open("rb") as file:
        # One byte more than a block: so it is known whether this is the end.
        while at < (end := table.reach(at + size_bytes + 1)):
            file.seek(at)
            raw = file.read(size_bytes)
            if at + len(raw) == end and not raw.endswith(b"\n"):
                # All lines have an end then.
                raw += b"\n"
            found = scan(np.frombuffer(raw, np.uint8), ord(table.delimiter))
            if found is None:
                block, used = _parsed(table, row, at, len(raw))
            else:
                block, used = _scanned(table, row, at, raw[: found.size_bytes], found), found.size_bytes
                np.minimum(block.ends, end, out=block.ends)
            yield block
            row += len(block.starts)
            at += used


def _scanned(table: Table, row: int, at: int, raw: bytes, found: Scan) -> Block:
    """The records of a block of plain CSV."""
    unclean, clean, fields = -1, raw, found
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        # Separators and quotes are ASCII, so the records are the same ones.
        unclean = _record_at(found, error.start)
        clean = raw.decode("utf-8", "replace").encode()
        again = scan(np.frombuffer(clean, np.uint8), ord(table.delimiter))
        assert again is not None
        fields = again
    if (nul := raw.find(b"\0")) >= 0:
        nul = _record_at(found, nul)
        unclean = nul if unclean < 0 else min(unclean, nul)
    width = len(table.columns)
    right = found.widths == width
    text = np.frombuffer(clean, np.uint8)
    heads, tails = _grid(text, fields, right, width)
    if len(fields.doubled):
        kept = np.ones(len(text), np.bool_)
        kept[fields.doubled] = False
        text = text[kept]
        heads, tails = ((edge - np.searchsorted(fields.doubled, edge)).astype(np.int32) for edge in (heads, tails))
    starts, ends = found.starts + np.int64(at), found.ends + np.int64(at)
    return Block(row, starts, ends, found.widths, right, unclean, text, heads, tails, b'"' in raw)


def _record_at(found: Scan, place: int) -> int:
    """The record in which a byte lies; there is none in a blank line that is worth asking about."""
    return int(np.searchsorted(found.starts, place, "right")) - 1


def _grid(text: NDArray[np.uint8], found: Scan, right: NDArray[np.bool_], width: int) -> tuple[Places, Places]:
    """Where the fields begin and end of those records that are as wide as the header."""
    lasts, starts = found.lasts[right], found.starts[right]
    tails = found.separators[lasts[:, None] + np.arange(1 - width, 1)]
    heads = np.empty_like(tails)
    heads[:, 0] = starts
    heads[:, 1:] = tails[:, :-1] + 1
    tails[:, -1] -= (tails[:, -1] > heads[:, -1]) & (text[tails[:, -1] - 1] == ord("\r"))
    return heads, tails


def _parsed(table: Table, row: int, at: int, size_bytes: int) -> tuple[Block, int]:
    """The records that begin in the next bytes, read by the `csv` module, and how many bytes they took."""
    records: list[Record] = []
    ends: list[int] = []
    end = at
    for record, end in table.records_from(at, row):
        if record is not None:
            records.append(record)
            ends.append(end)
        if end - at >= size_bytes:
            break
    return _as_block(table, row, records, np.array(ends, np.int64)), max(end - at, size_bytes)


def _as_block(table: Table, row: int, records: list[Record], ends: NDArray[np.int64]) -> Block:
    width = len(table.columns)
    widths = np.array([table.width_of(record) for record in records], np.int64)
    starts = ends - np.array([len(record.raw) for record in records], np.int64)
    unclean = next((index for index, record in enumerate(records) if not is_clean_text(record.raw)), -1)
    right = (record for record, known in zip(records, widths, strict=True) if known == width)
    cells = [field.encode() for record in right for field in record.fields]
    edges = np.array([0, *accumulate(map(len, cells))], np.int32)
    # A byte behind the last, so that there is one wherever a field begins.
    text = np.frombuffer(b"".join(cells) + b"\n", np.uint8)
    shape = (len(cells) // width, width)
    heads, tails = edges[:-1].reshape(shape), edges[1:].reshape(shape)
    return Block(row, starts, ends, widths, widths == width, unclean, text, heads, tails, False)


def _may_be_blank(edges: NDArray[np.uint8]) -> bool:
    """Whether any byte may belong to a blank; a number below that of `!` wraps around."""
    return bool((edges - _VISIBLE.start >= len(_VISIBLE)).any())


def _trimmed(text: NDArray[np.uint8], heads: Places, tails: Places) -> tuple[Places, Places]:
    """The fields without the blanks around them."""
    # Of most columns, no field begins or ends with anything but visible ASCII, which is soon seen.
    if not (_may_be_blank(text[heads]) or _may_be_blank(text[tails - 1])):
        return heads, tails
    for _ in range(_AT_MOST):
        blank = (heads < tails) & _BLANK[text[heads]]
        if not blank.any():
            break
        heads = heads + blank
    for _ in range(_AT_MOST):
        blank = (heads < tails) & _BLANK[text[tails - 1]]
        if not blank.any():
            break
        tails = tails - blank
    first, last, before = text[heads], text[tails - 1], text[np.maximum(tails - 2, 0)]
    unsure = (heads < tails) & (_BLANK[first] | _BLANK[last] | _WIDE_FIRST[first] | _WIDE_LAST[before])
    if not unsure.any():
        return heads, tails
    heads, tails = heads.copy(), tails.copy()
    for index in np.flatnonzero(unsure):
        cell = text[heads[index] : tails[index]].tobytes().decode()
        heads[index] += len(cell.encode()) - len(cell.lstrip().encode())
        tails[index] = heads[index] + len(cell.strip().encode())
    return heads, tails
