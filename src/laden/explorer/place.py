"""What a page is about: a container, a folder, or a source before it is loaded. The protocol of the two kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from laden.dataset.images import BROKEN, DOUBTFUL, STATES
from laden.explorer.facets import quoted_text
from laden.explorer.index import Index
from laden.explorer.labels import IMAGE_COLUMNS, Labels
from laden.explorer.views import View, Views
from laden.report.meanings import meanings
from laden.values.commands import command

PART_BYTES = 8 << 20
MOST_BYTES = 512 << 20
"""Of one image that is looked at."""
_FACTS = (
    "pos", "name", "size_bytes", "modified_s", "md5", "etag", "tier", "type", "fate", "archive", "member", "crc32",
    "kind", "width", "height", "bits", "state", "mark", "note", "entry",
)  # fmt: skip


class Place(Protocol):
    """One place, with what is known of it."""

    title: str
    """Without any secret."""
    kind: str
    """`container`, `folder` or `source`."""
    index: Index
    labels: Labels
    views: Views

    async def fill(self) -> None:
        """Bring in what is there, the quick parts first; errors end up in the index's state."""

    async def refresh(self) -> None:
        """Look again."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """An item's bytes, in parts; what a source vouches for is checked by the end. Raises `LadenError`."""

    async def properties(self, name: str) -> dict[str, Any]:
        """What the store tells of one item beyond the index."""

    async def close(self) -> None:
        """Let go of everything."""


async def read_whole(place: Place, name: str) -> bytes:
    """An item's bytes, or as many as could be had where what is there is damaged."""
    parts: list[bytes] = []
    seen_bytes = 0
    async for part in place.read(name):
        parts.append(part)
        seen_bytes += len(part)
        place.index.state.read_bytes += len(part)
        if seen_bytes > MOST_BYTES:
            break
    return b"".join(parts)


def facts(place: Place, name: str) -> dict[str, Any] | None:
    """What index and table know of one item: `item`, its table `rows`, and what its state means."""
    relations = place.index.relations
    found = relations.all(f"SELECT {', '.join(_FACTS)} FROM items WHERE name = ?", [name])  # noqa: S608 - own names
    if not found:
        return None
    item = dict(zip(_FACTS, found[0], strict=True))
    rows: list[dict[str, Any]] = []
    if place.labels.columns:
        named = ", ".join(f"{column.quoted}::VARCHAR" for column in place.labels.columns)
        rows = [
            {"row": row, "values": values}
            for row, *values in relations.all(
                f"SELECT laden_row, {named} FROM records WHERE laden_pos = ? AND laden_row IS NOT NULL LIMIT 100",  # noqa: S608
                [item["pos"]],
            )
        ]
    item["crc32"] = None if item["crc32"] is None else f"{item['crc32']:08x}"
    if item["entry"] is not None:
        (offset, stored, method) = relations.one(
            "SELECT offset_bytes, stored_bytes, method FROM entries WHERE id = ?", [item["entry"]]
        )
        item.update(offset_bytes=offset, stored_bytes=stored, method=method)
    return {"item": item, "rows": rows, "known": _known(place, item), **state_words(item["state"] or "")}


def state_words(state: str) -> dict[str, str]:
    """What a state means, in the words of the findings."""
    if not state or state not in {**BROKEN, **DOUBTFUL}:
        return {"state_text": "", "advice": ""}
    told = meanings().get(state)
    return {"state_text": STATES[state], "advice": told.advice if told else ""}


def _known(place: Place, item: dict[str, Any]) -> str:
    """How it is known what an item holds: never more than what was looked at."""
    if place.kind == "source":
        if item["crc32"]:
            return "The archive's directory declares its CRC-32; its bytes are checked against that when they are read."
        return "Nothing vouches for its bytes but their number and the date: no checksum came with it."
    if not item["md5"]:
        return "The store keeps no MD5 of it, so nothing can be said about its bytes."
    if item["fate"] == "there":
        return "The MD5 in the listing is the manifest's: what was loaded is there, unchanged."
    if item["fate"] == "changed":
        return "It is not what the manifest says: somebody replaced it after the load."
    if item["fate"] == "deleted":
        return "The manifest names it, and the listing does not: it is gone."
    if item["fate"] == "foreign":
        return "The manifest does not know it: something else than laden put it here."
    if item["crc32"]:
        return "laden sent it: the service refused any other bytes than those of this MD5."
    return "The MD5 is what whoever put it there said, or what the service computed."


def commands(place: Place, view: View) -> dict[str, str]:
    """The same selection for a terminal, for SQL and for Python."""
    query = view.query
    texts = list(query.where)
    condition = texts[0] if len(texts) == 1 else " AND ".join(f"({text})" for text in texts)
    sql = [f"starts_with(laden_name, {quoted_text(query.folder)})"] if query.folder else []
    if query.find:
        sql.append(
            {
                "part": f"contains(lower(laden_name), lower({quoted_text(query.find)}))",
                "glob": f"laden_name GLOB {quoted_text('*' + query.find.removeprefix('*'))}",
                "regex": f"regexp_matches(laden_name, {quoted_text(query.find)})",
            }[query.how]
        )
    sql += [f"({text})" for text in texts] if len(texts) > 1 or sql else texts
    order = query.sort if query.sort in {column.name for column in place.labels.columns} else ""
    order = order or next((name for name, (column, _) in IMAGE_COLUMNS.items() if column == query.sort), "laden_name")
    told = {
        "sql": "SELECT laden_name FROM records"  # noqa: S608 - shown, not run
        + (f" WHERE {' AND '.join(sql)}" if sql else "")
        + f' ORDER BY "{order}"'
        + (" DESC" if query.descending else ""),
        "cli": "",
        "python": "",
    }
    if not place.labels.table or not texts or query.find or query.folder or place.labels.names_images(texts):
        told["note"] = (
            "Names and properties of images are known to the explorer alone: export the selection as a list of keys,"
            " and give it to --images-from."
        )
        return told
    marked = place.labels.names_marks(texts)
    argument = ', marks_file="laden-marks.csv"' if marked else ""
    where = ["--where", condition, *(("--marks", "laden-marks.csv") if marked else ())]
    if place.kind == "source":
        told["cli"] = command("load", place.title, "DEST", *where)
        told["python"] = f'laden.load({place.title!r}, "DEST", where={condition!r}{argument})'
    else:
        table = place.labels.table
        told["cli"] = command("select", table, *where, "-o", "selected.csv")
        if place.kind == "container":
            told["copy"] = command("copy", place.title, "DEST", *where)
        told["python"] = f'laden.select({table!r}, where={condition!r}{argument}, output="selected.csv")'
    return told
