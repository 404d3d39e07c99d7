"""A view as a file: CSV, Parquet, or the keys alone, one a line, as `--images-from` takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from laden.dataset.selection import listed
from laden.explorer.chosen import Chosen
from laden.explorer.facets import quoted_text
from laden.explorer.place import Place
from laden.explorer.stored import StoredPlace
from laden.explorer.views import View
from laden.values.errors import UsageError
from laden.values.units import plural

_FORMS = ("csv", "parquet", "keys")
_PART_BYTES = 1 << 20
_FORMULA = "^[=+@\\t\\r\uff1d\uff0b\uff0d\uff20-]"
"""What makes a formula of a cell, for both kinds of regular expressions; the wide forms as in `values.sheets`."""
_PLAIN = "'[0-9A-Za-z_.-]([ -~]*[0-9A-Za-z_.-])?'"
"""What a key looks like of which a line of a list says the same."""
_LINE_ENDS = ("\n", "\r")
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


def images_of(place: Place, condition: str) -> Chosen:
    """The images of the load among items, by a condition, whether they are there or not.

    Raises:
        UsageError: there is none.
    """
    try:
        return Chosen.of_items(place.index.relations, f"({condition}) AND {_is_image(place, 'items')}", living=False)
    except UsageError:
        raise UsageError("nothing of what was chosen is an image of the load: other files can be downloaded") from None


def _write_keys(place: Place, order: str, own: str) -> None:
    """Write the keys of a view's images; raises `UsageError` for a list that would mean anything else than these."""
    relations = place.index.relations
    shown = f"keys_{uuid4().hex}"
    relations.run(f"CREATE TABLE {shown} AS {_keys(place, order)}")
    try:
        _refuse_unlike(place, shown)
        _refuse_shared(place, order, shown)
        written = f"SELECT key FROM {shown} ORDER BY slot"  # noqa: S608 - own name
        relations.run(f"COPY ({written}) TO '{own}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\n')")
    finally:
        relations.run(f"DROP TABLE {shown}")


def _is_image(place: Place, items: str) -> str:
    """The load's own are no images; and what others put there has no key, though a file's name may be that of one."""
    own = f"starts_with({items}.name, '_laden/')"
    if isinstance(place, StoredPlace) and place.load and place.load.documents:
        own += f" OR {items}.name IN ({', '.join(quoted_text(one.name) for one in place.load.documents)})"
    return f"NOT ({own}) AND {items}.fate <> 'foreign'"


def _key(place: Place) -> tuple[str, str]:
    """SQL for the key of an item `i`, and the join that it needs: the key column's own words, else the file's name."""
    name = "regexp_extract(i.name, '[^/]*$', 0, 's')"
    shape = place.labels.shape
    column = place.labels.column(shape.key) if shape else None
    if column is None:
        return name, ""
    return f"coalesce(r.{column.quoted}::VARCHAR, {name})", " LEFT JOIN records r ON r.laden_pos = i.pos"


def _keys(place: Place, order: str) -> str:
    """The keys of a view's images, each once, where it is met first."""
    key, join = _key(place)
    return (
        f"SELECT {key} AS key, min(v.slot) AS slot FROM ({order}) v JOIN items i USING (pos){join}"  # noqa: S608
        f" WHERE {_is_image(place, 'i')} GROUP BY 1"
    )


def _refuse_unlike(place: Place, shown: str) -> None:
    """Refuse keys that a list does not give back: of most that is plain, of the others it is tried."""
    shape = place.labels.shape
    doubtful = place.index.relations.stream(f"SELECT key FROM {shown} WHERE NOT regexp_full_match(key, {_PLAIN})")  # noqa: S608
    first = place.index.relations.all(f"SELECT key FROM {shown} ORDER BY slot LIMIT 1")  # noqa: S608 - own name
    unlike = [key for (key,) in doubtful if not key or listed(key) != key or any(end in key for end in _LINE_ENDS)]
    # What begins the list may be taken for the column's name, or for the mark of its encoding.
    if first and ((shape and first[0][0] == shape.key) or first[0][0].startswith("\ufeff")):
        unlike.append(first[0][0])
    if unlike:
        raise UsageError(
            f"{plural(len(unlike), 'key')} of these would be read back as another, as {min(unlike)!r}, for a list has"
            " one a line, without quotes and blanks around it: leave these out, or export CSV"
        )


def _refuse_shared(place: Place, order: str, shown: str) -> None:
    """Refuse keys of which the list would mean images, too, that are not in the view."""
    key, join = _key(place)
    shape = place.labels.shape
    same = "lower({})" if shape and shape.ignore_case else "{}"
    shared, example = place.index.relations.one(
        f"SELECT count(DISTINCT key), min(key) FROM (SELECT {key} AS key FROM items i{join}"  # noqa: S608 - own text
        f" WHERE {_is_image(place, 'i')} AND i.pos NOT IN (SELECT pos FROM ({order})))"
        f" WHERE {same.format('key')} IN (SELECT {same.format('key')} FROM {shown})"
    )
    if shared:
        raise UsageError(
            f"{plural(shared, 'key')} of these {'is' if shared == 1 else 'are'} those of images, too, that are not"
            f" shown, as {example!r}: a list of keys would mean these as well. Show them too, or export CSV"
        )


def _harmless(place: Place, query: str) -> str:
    """No spreadsheet shall run a cell, or a column's name, as a formula (OWASP, "CSV Injection")."""
    columns = place.index.relations.all(f"DESCRIBE {query}")
    cells = []
    for name, kind, *_ in columns:
        quoted = '"' + name.replace('"', '""') + '"'
        guarded = f"if(regexp_matches({quoted}, '{_FORMULA}'), chr(39) || {quoted}, {quoted})"
        header = f"\"'{quoted[1:]}" if re.match(_FORMULA, name) else quoted
        cells.append(f"{guarded if kind == 'VARCHAR' else quoted} AS {header}")
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
