"""Marks that a person gave images while looking at them, as two columns more that a condition may name.

A table of marks (`laden-marks.csv`, as the explorer keeps it) has a row for each marked image: place, name, key, mark,
note. In order: it is read when a condition names `laden_mark` or `laden_note`; each mark meets the row of its image by
key, as a list of images does, and is refused where several images have that; an image that nobody marked has NULL in
both.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from laden.dataset.profile import TableShape
from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.sheets import read_cell

COLUMNS = {"laden_mark": "mark", "laden_note": "note"}
"""What conditions call them: the same as in the explorer."""
HEADER = ["place", "name", "key", "mark", "note"]
_RELATION = "marked"
JOIN = f" LEFT JOIN {_RELATION} ON {_RELATION}.key = fields.key"
_MOST_BYTES = 64 << 20


def declare_marks(relations: Relations) -> None:
    """Make the relation, still without rows."""
    relations.run(f"CREATE OR REPLACE TABLE {_RELATION} (key VARCHAR, mark VARCHAR, note VARCHAR)")


def read_marks(relations: Relations, file: Path, shape: TableShape | None, table: str) -> None:
    """Fill the relation.

    Args:
        relations: where `declare_marks` made it.
        file: the table of marks.
        shape: says how an image's name becomes its key.
        table: whose rows are marked, for people.

    Raises:
        UsageError: it cannot be read, is no table of marks, holds marks of several places, or says two things of one
            image.
    """
    if shape is None:
        raise UsageError(
            f"no profile knows which column of {table} names the image, so the marks in {file} cannot be looked up:"
            " name a --profile"
        )
    found: dict[str, tuple[str, str]] = {}
    places: dict[str, None] = {}
    for place, name, key, mark, note in _rows(file):
        places[place] = None
        if len(places) > 1:
            # Two datasets may well call different images by the same number.
            raise UsageError(
                f"{file} has marks of several places, as {' and '.join(places)}, where one name may mean several"
                " images: keep the rows of the place that is meant, in a file of its own"
            )
        own = shape.row_key(key) if key else shape.entry_key(name)
        if found.setdefault(own, (mark, note)) != (mark, note):
            raise UsageError(f"{file} marks {key or name} twice and differently: keep one of these rows")
    relations.feed(_RELATION, ((key, mark or None, note or None) for key, (mark, note) in found.items()))


def refuse_doubtful(relations: Relations, file: Path, shape: TableShape, table: str) -> None:
    """Raise `UsageError` where a marked key is that of several rows, each of an image of its own.

    Args:
        relations: with the marks, and the relation `fields` of the records that were read.
        file: the table of marks.
        shape: says whether an image has many rows.
        table: whose rows they are, for people.
    """
    if shape.many:
        return
    several = (
        f"SELECT key, count(*) FROM fields SEMI JOIN {_RELATION} USING (key) GROUP BY key HAVING count(*) > 1"  # noqa: S608 - own names
        " ORDER BY key LIMIT 1"
    )
    for key, rows in list(relations.stream(several)):
        raise UsageError(
            f"{file} marks {key}, and {table} has {rows:,} rows of that name, each of another image: a mark is of one"
            " of them, and nothing tells the row; choose by the table's columns, or leave that mark out"
        )


def _rows(file: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Place, name, key, mark and note of each row."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{file} has more than 64 MiB: --marks takes the table that 'laden explore' keeps")
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines)
            if next(rows, None) != HEADER:
                raise UsageError(
                    f"{file} is no table of marks, as 'laden explore' keeps it: its first line is not"
                    f" {','.join(HEADER)}"
                )
            for row in rows:
                if len(row) == len(HEADER):
                    place, name, key, mark, note = map(read_cell, row)
                    yield place, name, key, mark, note
    except OSError as error:
        raise UsageError(f"the marks in {file} cannot be read ({error.strerror}): check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} is no table of marks that can be read: {error}") from None
