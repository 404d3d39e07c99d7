"""A view as a file: CSV, Parquet, or the keys alone, one a line, as `--images-from` takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from laden.explorer.facets import quoted_text
from laden.explorer.place import Place
from laden.explorer.stored import StoredPlace
from laden.explorer.views import View
from laden.values.errors import UsageError

_FORMS = ("csv", "parquet", "keys")
_PART_BYTES = 1 << 20
_FORMULA = "'^[=+@\\t\\r-]'"
_ITEM = (
    "i.name", "i.size_bytes", "i.md5", "i.crc32", "i.archive", "i.member", "i.kind", "i.width", "i.height", "i.bits",
    "i.state", "i.fate", "i.tier", "i.mark", "i.note",
)  # fmt: skip


def exported(place: Place, view: View, form: str) -> tuple[Iterator[bytes], str]:
    """The file's bytes and its name; raises `UsageError` for another form."""
    if form not in _FORMS:
        raise UsageError(f"'form' must be one of {', '.join(_FORMS)}")
    relations = place.index.relations
    path = relations.folder / f"export-{uuid4().hex}"
    own = str(path).replace("'", "''")
    order = (
        f"SELECT slot, pos FROM {view.table}"  # noqa: S608 - own name
        if view.table
        else f"SELECT {'-pos' if view.query.descending else 'pos'} AS slot, pos FROM items"  # noqa: S608 - own text
        f" WHERE {place.views.within(view, 'pos')}"
    )
    if form == "keys":
        _write_keys(place, order, own)
    else:
        labels = place.labels.columns
        joined = "".join(f", r.{column.quoted}" for column in labels)
        join = " LEFT JOIN records r ON r.laden_pos = i.pos" if labels else ""
        query = f"SELECT {', '.join(_ITEM)}{joined} FROM ({order}) v JOIN items i USING (pos){join} ORDER BY v.slot"  # noqa: S608
        if form == "csv":
            query = _harmless(place, query)
        options = "FORMAT csv, HEADER" if form == "csv" else "FORMAT parquet, COMPRESSION zstd"
        relations.run(f"COPY ({query}) TO '{own}' ({options})")
    return _parts(path), f"{_base(place)}.{'txt' if form == 'keys' else form}"


def key_file(place: Place, condition: str) -> Path:
    """The keys of items, by a condition, in a file of the run's own folder, as `--images-from` takes them.

    To be removed afterwards. Raises `UsageError` where there is none.
    """
    path = place.index.relations.folder / f"keys-{uuid4().hex}.txt"
    order = f"SELECT pos AS slot, pos FROM items WHERE {condition}"  # noqa: S608 - own text
    if not _write_keys(place, order, str(path).replace("'", "''")):
        path.unlink()
        raise UsageError("nothing of what was chosen is an image of the load: other files can be downloaded")
    return path


def _write_keys(place: Place, order: str, own: str) -> int:
    query = _keys(place, order)
    return place.index.relations.run(f"COPY ({query}) TO '{own}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\n')")


def _keys(place: Place, order: str) -> str:
    """The key column's own words, where a row names the image; else the file's name.

    The load's own are no images; and what others put there has no key, though a file's name may be that of an image.
    """
    shape = place.labels.shape
    column = place.labels.column(shape.key) if shape else None
    key = (
        f"coalesce(r.{column.quoted}, regexp_extract(i.name, '[^/]*$'))"
        if column
        else "regexp_extract(i.name, '[^/]*$')"
    )
    join = " LEFT JOIN records r ON r.laden_pos = i.pos" if column else ""
    own = "starts_with(i.name, '_laden/')"
    if isinstance(place, StoredPlace) and place.load and place.load.documents:
        own += f" OR i.name IN ({', '.join(quoted_text(one.name) for one in place.load.documents)})"
    return (
        f"SELECT key FROM (SELECT {key} AS key, min(v.slot) AS slot FROM ({order}) v JOIN items i USING (pos){join}"  # noqa: S608
        f" WHERE NOT ({own}) AND i.fate <> 'foreign' GROUP BY 1) WHERE NOT contains(key, chr(10)) ORDER BY slot"
    )


def _harmless(place: Place, query: str) -> str:
    """No spreadsheet shall run a cell as a formula (OWASP, "CSV Injection")."""
    columns = place.index.relations.all(f"DESCRIBE {query}")
    cells = []
    for name, kind, *_ in columns:
        quoted = '"' + name.replace('"', '""') + '"'
        text = f"if(regexp_matches({quoted}::VARCHAR, {_FORMULA}), '''' || {quoted}::VARCHAR, {quoted}::VARCHAR)"
        cells.append(f"{text} AS {quoted}" if kind == "VARCHAR" else quoted)
    return f"SELECT {', '.join(cells)} FROM ({query})"  # noqa: S608 - quoted names


def _base(place: Place) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", place.title.rpartition("/")[2]).strip("-.") or "laden"


def _parts(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while part := file.read(_PART_BYTES):
                yield part
    finally:
        path.unlink(missing_ok=True)
