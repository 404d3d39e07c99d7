"""What a report tells of a table: cells of the charted columns, ages, how grey values are meant; kept as it is read.

One relation for each table (`charted0` and on), so that no table is read a second time for a report. Texts are as the
table has them, trimmed. Nothing is counted here.
"""

from __future__ import annotations

from typing import NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.table import Table


class Charted(NamedTuple):
    """The columns of one table that a report counts."""

    relation: str
    """With the columns `row`, `key`, `tone`, and `c3` for the column at place 3."""
    places: dict[str, int]
    """Of the charted columns, by name."""
    tone: int | None
    """Place of the column that says whether the lowest value means white."""
    ages: dict[str, int]
    """Of the columns that say how old somebody was, by name."""
    shape: TableShape

    @classmethod
    def of(cls, number: int, table: Table, shape: TableShape) -> Charted:
        """Those of the dataset's table of that number, from 0; columns that it lacks are left out."""
        names = dict.fromkeys((*shape.charts, *([shape.labels] if shape.labels else ())))
        places = {name: table.columns.index(name) for name in names if name in table.columns}
        tone = table.columns.index(shape.photometric) if shape.photometric in table.columns else None
        ages = {name: table.columns.index(name) for name in shape.age if name in table.columns}
        return cls(f"charted{number}", places, tone, ages, shape)

    @property
    def needed(self) -> set[int]:
        """Places of all columns that are taken."""
        return {*self._cells, *([] if self.tone is None else [self.tone])}

    @property
    def declared(self) -> str:
        """A statement that makes the relation, still empty."""
        cells = "".join(f", c{place} VARCHAR" for place in self._cells)
        return f"CREATE OR REPLACE TABLE {self.relation} (row BIGINT, key VARCHAR, tone VARCHAR{cells})"

    def taken(self, source: str, before: int, key: str = "NULL") -> str:
        """A statement that fills it.

        Args:
            source: the relation, or the rest of a query behind FROM, that has `row` and a `c3` for each place needed.
            before: what is added to the numbers of its rows.
            key: of the row's image, in SQL; NULL where the relation `rows` has it.
        """
        tone = "''" if self.tone is None else f"c{self.tone}"
        cells = "".join(f", c{place}" for place in self._cells)
        return f"INSERT INTO {self.relation} SELECT row + {before}, {key}, {tone}{cells} FROM {source}"  # noqa: S608

    @property
    def _cells(self) -> list[int]:
        return sorted({*self.places.values(), *self.ages.values()})
