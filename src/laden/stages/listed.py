"""What lies in a destination, image by image: manifest, listing, tiers and labels as one relation, `listed`.

It is asked of the relations `known`, `blobs`, `picked` and `tiers`, and of `image_labels` where a table gave some.
Totals, and the forms that a list is written in, are questions to it. Nothing is read from the network here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from laden.relations import Relations
from laden.stages.manifest import OTHER
from laden.values.events import Total
from laden.values.names import BESIDE_IMAGES
from laden.values.sheets import Out, cells_to, safe_cells

MARK = "laden_list"
"""Key in the footer of a Parquet file of such a list."""
COLUMNS = (
    "blob", "size_bytes", "md5", "crc32", "fate", "tier", "state", "kind", "width", "height", "bits", "labels",
    "archive", "member",
)  # fmt: skip

TABLE_START = f"{'bytes':>13}  {'md5':<32}"
"""How the list for a person begins."""

_FILE = "file"
"""The kind of a table or text that laden did not send: it is listed, and counts as no image."""
_ENDINGS = "|".join(re.escape(ending) for ending in BESIDE_IMAGES)
_LISTED = f"""
CREATE OR REPLACE TABLE listed AS
SELECT coalesce(k.blob, b.name) AS blob, coalesce(k.size_bytes, b.size_bytes) AS size_bytes,
       coalesce(k.md5, b.md5) AS md5, lower(printf('%08x', coalesce(k.crc32, b.crc32))) AS crc32,
       CASE WHEN k.blob IS NULL AND b.source_bytes IS NULL THEN 'foreign' WHEN k.blob IS NULL THEN 'newer'
            WHEN b.name IS NULL THEN 'deleted'
            WHEN {OTHER} THEN 'changed' ELSE 'there' END AS fate,
       coalesce(t.tier, '') AS tier, coalesce(k.state, '') AS state,
       CASE WHEN k.blob IS NULL AND b.source_bytes IS NULL AND regexp_matches(b.name, '({_ENDINGS})$', 'i')
            THEN '{_FILE}' ELSE coalesce(k.kind, '') END AS kind,
       coalesce(k.width, 0) AS width, coalesce(k.height, 0) AS height, coalesce(k.bits, 0) AS bits,
       coalesce(l.labels, []::VARCHAR[]) AS labels, coalesce(k.archive, '') AS archive,
       coalesce(k.member, '') AS member
FROM picked p LEFT JOIN known k USING (blob) LEFT JOIN blobs b ON b.name = p.blob
LEFT JOIN tiers t ON t.name = p.blob LEFT JOIN image_labels l ON l.blob = p.blob
"""  # noqa: S608 - own text
_TOTALS = {
    "all": ("''", ""),
    "folder": ("regexp_replace(blob, '[^/]*$', '')", ""),
    "tier": ("tier", "AND tier <> ''"),
    "state": ("state", ""),
}


_COUNTED = f"fate <> 'deleted' AND kind <> '{_FILE}'"


def count_images(relations: Relations) -> int:
    """How many images are in the relation `listed`."""
    count: int = relations.one("SELECT count(*) FROM listed WHERE kind <> ?", [_FILE])[0]
    return count


def make_list(relations: Relations) -> None:
    """Fill the relation `listed`."""
    relations.run(_LISTED)


def totals(relations: Relations) -> Iterator[Total]:
    """What the images that are there come to, in all, by folder, by tier, by state, and by label: the largest first."""
    for by, (value, where) in _TOTALS.items():
        for row in relations.stream(
            f"SELECT {value}, count(*), sum(size_bytes)::BIGINT FROM listed WHERE {_COUNTED} {where}"  # noqa: S608
            " GROUP BY 1 ORDER BY 2 DESC, 1"
        ):
            yield Total(by, *row)
    for row in relations.stream(
        "SELECT label, count(*), sum(size_bytes)::BIGINT FROM (SELECT unnest(labels) AS label, size_bytes FROM listed"  # noqa: S608
        f" WHERE {_COUNTED})"
        " GROUP BY 1 ORDER BY 2 DESC, 1"
    ):
        yield Total("label", *row)


def _rows(relations: Relations) -> Iterator[tuple[Any, ...]]:
    return relations.stream(f"SELECT {', '.join(COLUMNS)} FROM listed ORDER BY blob")  # noqa: S608 - own names


def write_csv(relations: Relations, out: Out) -> None:
    """A line for each, labels separated by `|`; safe in a spreadsheet."""
    writer = cells_to(out)
    writer.writerow(COLUMNS)
    at = COLUMNS.index("labels")
    for row in _rows(relations):
        writer.writerow(safe_cells(("" if v is None else "|".join(v) if n == at else v) for n, v in enumerate(row)))


def write_json(relations: Relations, out: Out) -> None:
    """An object a line, in ASCII."""
    out.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in _rows(relations))


def write_table(relations: Relations, out: Out) -> None:
    """A line for a person: bytes, MD5, tier, what is wrong, name, labels."""
    out.write(f"{TABLE_START}  name, labels\n")
    columns = COLUMNS.index("size_bytes"), COLUMNS.index("md5"), COLUMNS.index("tier"), COLUMNS.index("fate")
    for row in _rows(relations):
        size_bytes, md5, tier, fate = (row[at] for at in columns)
        wrong = "" if fate == "there" else f" [{fate}]"
        labels = ", ".join(row[COLUMNS.index("labels")])
        cells = [
            f"{size_bytes:>13,}",
            f"{md5 or '-':<32}",
            *([f"{tier:<7}"] if tier else []),
            f"{row[0]}{wrong}",
            labels,
        ]
        out.write(safe_line("  ".join(cell for cell in cells if cell)) + "\n")


def safe_line(text: str) -> str:
    """A line that no terminal obeys."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def write_parquet(relations: Relations, out: Out) -> None:
    """The same rows, typed."""
    query = f"SELECT {', '.join(COLUMNS)} FROM listed ORDER BY blob"  # noqa: S608 - own names
    out.copy(relations.to_parquet(query, "list.parquet", MARK))


FORMS: dict[str, Callable[[Relations, Out], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}
