"""The report: one HTML file about a load, a source or a destination, that a person can show a colleague.

`reporter` watches a run and writes the page when it ends. Facts are gathered first, as frozen values (`facts`):
`watch` from the events, `gather` from the relations, `columns` from the table, `gallery` from images that are read
again, which `pixels` (and `salvage`, for broken ones) turns into small pictures, `meanings` from the page about
findings. Then they are drawn: `figures` and `charts`, `page`, `markup`.

The file loads nothing and sends nothing; nothing here ever changes source or destination.
"""

from laden.report.columns import ReadTable
from laden.report.reporter import Reporter

__all__ = ["ReadTable", "Reporter"]
