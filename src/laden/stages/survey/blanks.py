"""Rows whose key has blanks at its ends, where the blanks tell images apart: they name none, and are told.

Cells are trimmed, as tables are often written with blanks around them, so `x ` names `x.png`. Where another row names
`x` with other blanks, or a file is called `x .png`, that could be the image of another: the row with blanks gets none.
"""

from __future__ import annotations

from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.values.records import Finding, Severity

SCHEMA = "CREATE OR REPLACE TABLE blanks (row BIGINT, before BIGINT, after BIGINT)"
"""Rows with blanks around their key, and how many bytes these are."""

_TRIMMED = r"regexp_replace(key, '^\s+|\s+$', '', 'g')"
_REFUSED = f"""
WITH named AS (
    SELECT r.row, r.key, coalesce(b.before, 0) AS before, coalesce(b.after, 0) AS after
    FROM rows r LEFT JOIN blanks b USING (row) WHERE r.key IN (SELECT key FROM rows JOIN blanks USING (row))),
doubtful AS (
    SELECT key FROM named GROUP BY key HAVING min((before, after)) <> max((before, after))
    UNION SELECT {_TRIMMED} FROM entries WHERE key <> {_TRIMMED})
SELECT b.row, r.name FROM blanks b JOIN rows r USING (row) SEMI JOIN doubtful d ON d.key = r.key ORDER BY b.row
"""  # noqa: S608 - own text


def refuse_blanks(relations: Relations, log: FindingLog) -> None:
    """Make rows unusable whose key is another's but for blanks; `rows`, `blanks` and `entries` are filled."""
    if not relations.one("SELECT count(*) FROM blanks")[0]:
        return
    relations.run(f"CREATE OR REPLACE TABLE refused_blanks AS {_REFUSED}")
    relations.run("UPDATE rows SET usable = false WHERE row IN (SELECT row FROM refused_blanks)")
    for row, name, table in relations.stream(
        "SELECT b.row - s.before, b.name, s.name FROM refused_blanks b"
        " ASOF JOIN table_starts s ON s.before < b.row ORDER BY b.row"
    ):
        message = f"row {row} of {table} names {name} with blanks around it, and another row or file is called so but"
        message += " for blanks; it gets no image: correct the row, or the name of the file"
        log.add(Finding("row-key-blank", Severity.ERROR, message, member=name, row=row))
