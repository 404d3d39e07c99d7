"""The report: one HTML file about a load, a source or a destination, that a person can show a colleague.

`reporter` watches a run and writes the page when it ends. Facts are gathered first, as frozen values (`facts`):
`watch` from the events, `gather` from the relations, `columns` from what was kept of the table, `gallery` from images
that are read again, which `pixels` turns into small pictures (those of a source while it is sent: `sketches`),
`meanings` from the page about findings. Then they are drawn: `figures` and `charts`, `page`, `markup`.

The file loads nothing and sends nothing; nothing here ever changes source or destination.
"""

from laden.report.reporter import Reporter

__all__ = ["Reporter"]
