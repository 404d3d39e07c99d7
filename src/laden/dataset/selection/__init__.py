"""Part of a table: which rows a person wants, and what there is to choose from.

In order: `view` makes the table a typed relation, `condition` parses a `--where` and proves that it reads that
relation alone, `choose` takes the steps of a selection, `columns` tells what the columns hold; `functions`
lists what a condition may call. Nothing here knows archives, images or destinations, and no table is written.
"""

from __future__ import annotations

from laden.dataset.selection.choose import Selection, choose, listed
from laden.dataset.selection.columns import describe
from laden.dataset.selection.view import Part, Records

__all__ = ["Part", "Records", "Selection", "choose", "describe", "listed"]
