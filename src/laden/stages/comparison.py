"""Two places held against each other, name by name, by content: the relation `sides`, and what it says.

Content is the same where lengths and MD5s are, or, where one of the two knows no MD5 (a member of an archive), lengths
and CRC-32s. Where nothing that both know tells it, it is unknown, and never called the same. Times tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from laden.relations import Relations
from laden.values.records import Finding, Severity
from laden.values.sheets import Out, cells_to, safe_cells

SIDES = "CREATE OR REPLACE TABLE sides (side VARCHAR, name VARCHAR, size_bytes BIGINT, md5 VARCHAR, crc32 BIGINT)"
"""What lies in the two places, `here` and `there`."""
MARK = "laden_diff"
"""Key in the footer of a Parquet file of differences."""
VERDICTS = ("same", "other", "only-here", "only-there", "unknown")
COLUMNS = (
    "name", "verdict", "here_bytes", "there_bytes", "here_md5", "there_md5", "here_crc32", "there_crc32",
)  # fmt: skip

_COMPARED = """
CREATE OR REPLACE TABLE compared AS
SELECT coalesce(a.name, b.name) AS name,
       CASE WHEN b.name IS NULL THEN 'only-here' WHEN a.name IS NULL THEN 'only-there'
            WHEN a.size_bytes <> b.size_bytes THEN 'other'
            WHEN a.size_bytes = 0 THEN 'same'
            WHEN a.md5 IS NOT NULL AND b.md5 IS NOT NULL THEN CASE WHEN a.md5 = b.md5 THEN 'same' ELSE 'other' END
            WHEN a.crc32 = b.crc32 THEN 'same' WHEN a.crc32 <> b.crc32 THEN 'other'
            ELSE 'unknown' END AS verdict,
       a.size_bytes AS here_bytes, b.size_bytes AS there_bytes, a.md5 AS here_md5, b.md5 AS there_md5,
       lower(printf('%08x', a.crc32)) AS here_crc32, lower(printf('%08x', b.crc32)) AS there_crc32
FROM (FROM sides WHERE side = 'here') a FULL JOIN (FROM sides WHERE side = 'there') b ON a.name = b.name
"""
_DIFFERENCES = {
    "other": ("diff-other", "its content differs: {here_bytes:,} bytes here, {there_bytes:,} there"),
    "only-here": ("diff-only-here", "it is in the first place alone"),
    "only-there": ("diff-only-there", "it is in the second place alone"),
    "unknown": (
        "diff-unknown",
        "it has the same length in both, and nothing that both know tells whether it is the same: read it",
    ),
}
"""Code and sentence of each verdict but `same`."""


def compare_sides(relations: Relations) -> dict[str, int]:
    """Fill the relation `compared`; how many names have each verdict."""
    relations.run(_COMPARED)
    found = dict(relations.stream("SELECT verdict, count(*) FROM compared GROUP BY 1"))
    return {verdict: found.get(verdict, 0) for verdict in VERDICTS}


def differences(relations: Relations) -> Iterator[Finding]:
    """Every name whose content is not known to be the same."""
    for name, verdict, here_bytes, there_bytes in relations.stream(
        "SELECT name, verdict, here_bytes, there_bytes FROM compared WHERE verdict <> 'same' ORDER BY verdict, name"
    ):
        code, sentence = _DIFFERENCES[verdict]
        message = sentence.format(here_bytes=here_bytes, there_bytes=there_bytes)
        yield Finding(code, Severity.ERROR, message, blob=name)


_ROWS = f"SELECT {', '.join(COLUMNS)} FROM compared ORDER BY name"  # noqa: S608 - own names


def write_csv(relations: Relations, out: Out) -> None:
    """A line for each name, safe in a spreadsheet."""
    writer = cells_to(out)
    writer.writerow(COLUMNS)
    for row in relations.stream(_ROWS):
        writer.writerow(safe_cells("" if value is None else value for value in row))


def write_parquet(relations: Relations, out: Out) -> None:
    """The same rows, typed."""
    out.copy(relations.to_parquet(_ROWS, "diff.parquet", MARK))
