"""The label table: its records with their exact bytes, and what is odd about them.

In order: `Table.open` reads the start of a `.csv` or `.csv.gz`, refuses what is no such table, and learns
header and separator; `Table.hold` copies its bytes, decompressed, into the run's private folder, and nothing reads the
file again; `columns` passes the records block by block into the database in constant memory, noting where each lies; a
`TableWatch` is shown each block as it passes and tells what a person should know; `copy` and `write_subset` write the
table again, byte for byte.

`file` holds bytes and lines, `table` header and single records, `scan` and `blocks` many records at once, `index` what
is made of them, `watch` the judgement; `cells` and `labels` read single cells. Nothing is queried or corrected here,
and duplicate keys are not looked for.
"""

from __future__ import annotations

from laden.dataset.table.blocks import Block
from laden.dataset.table.index import BATCH, columns, copy, count, write_subset
from laden.dataset.table.table import Record, Table
from laden.dataset.table.watch import TableWatch

__all__ = ["BATCH", "Block", "Record", "Table", "TableWatch", "columns", "copy", "count", "write_subset"]
