"""The label table: its records with their exact bytes, and what is odd about them.

In order: `Table.open` reads the start of a `.csv` or `.csv.gz`, refuses what is no such table, and learns
header and separator; its `records` stream the rest in constant memory; a `TableWatch` is shown each record as
it passes and tells what a person should know; `copy` and `write_subset` write the table again, byte for byte.

`file` holds bytes and lines, `table` the CSV, `watch` the judgement; `cells` and `labels` read single cells. Nothing is
queried or corrected here, and duplicate keys are not looked for.
"""

from __future__ import annotations

from laden.dataset.table.table import Record, Table
from laden.dataset.table.watch import TableWatch

__all__ = ["Record", "Table", "TableWatch"]
