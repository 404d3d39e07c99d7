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
    """Write the keys of a view's images, each once, where it is met first.

    Nothing is kept of them meanwhile: a million keys are a third of the memory that the database has.

    Raises:
        UsageError: the list would mean anything else than these.
    """
    keys = _keys(place, f"FROM ({order}) v JOIN items i USING (pos)", ", v.slot")
    _refuse_unlike(place, keys)
    _refuse_shared(place, order)
    once = f"SELECT key FROM (SELECT key, min(slot) AS slot FROM ({keys}) GROUP BY 1) ORDER BY slot"  # noqa: S608 - own text
    place.index.relations.run(f"COPY ({once}) TO '{own}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\n')")


def _is_image(place: Place, items: str) -> str:
    """The load's own are no images; and what others put there has no key, though a file's name may be that of one."""
    own = f"starts_with({items}.name, '_laden/')"
    if isinstance(place, StoredPlace) and place.load and place.load.documents:
        own += f" OR {items}.name IN ({', '.join(quoted_text(one.name) for one in place.load.documents)})"
    return f"NOT ({own}) AND {items}.fate <> 'foreign'"


def _keys(place: Place, source: str, more: str = "") -> str:
    """The keys of images among items `i` of a source: the key column's own words, else the file's name."""
    key, join = "regexp_extract(i.name, '[^/]*$', 0, 's')", ""
    shape = place.labels.shape
    if shape and (column := place.labels.column(shape.key)):
        key = f"coalesce(r.{column.quoted}::VARCHAR, {key})"
        join = " LEFT JOIN records r ON r.laden_pos = i.pos"
    return f"SELECT {key} AS key{more} {source}{join} WHERE {_is_image(place, 'i')}"


def _refuse_unlike(place: Place, keys: str) -> None:
    """Refuse keys that a list does not give back: of most that is plain, of the others it is tried."""
    relations, shape = place.index.relations, place.labels.shape
    doubtful = relations.stream(f"SELECT key FROM ({keys}) WHERE NOT regexp_full_match(key, {_PLAIN})")  # noqa: S608
    unlike = {key for (key,) in doubtful if not key or listed(key) != key or any(end in key for end in _LINE_ENDS)}
    # What begins the list may be taken for the column's name, or for the mark of its encoding.
    (first,) = relations.one(f"SELECT coalesce(arg_min(key, slot), '') FROM ({keys})")  # noqa: S608 - own text
    if (shape and first == shape.key) or first.startswith("\ufeff"):
        unlike.add(first)
    if unlike:
        raise UsageError(
            f"{plural(len(unlike), 'key')} of these would be read back as another, as {min(unlike)!r}, for a list has"
            " one a line, without quotes and blanks around it: leave these out, or export CSV"
        )


def _refuse_shared(place: Place, order: str) -> None:
    """Refuse keys of which the list would mean images, too, that are not in the view.

    They are told by marks of 64 bits, for a million keys have no room twice; where two that differ have one mark, which
    one of ten million such lists may hold, it would be refused for nothing.
    """
    relations, shape = place.index.relations, place.labels.shape
    same = "lower(key)" if shape and shape.ignore_case else "key"
    marks = f"marks_{uuid4().hex}"
    relations.run(
        f"CREATE TABLE {marks} AS SELECT pos, hash({same}) AS mark FROM ({_keys(place, 'FROM items i', ', i.pos')})"  # noqa: S608
    )
    try:
        others = f"FROM {marks} ANTI JOIN ({order}) v USING (pos)"
        shown = f"SELECT mark FROM {marks} SEMI JOIN ({order}) v USING (pos)"  # noqa: S608 - own names
        shared, pos = relations.one(f"SELECT count(DISTINCT mark), min(pos) {others} WHERE mark IN ({shown})")
    finally:
        relations.run(f"DROP TABLE {marks}")
    if shared:
        (example,) = relations.one(
            f"SELECT min(key) FROM ({_keys(place, f'FROM (SELECT * FROM items WHERE pos = {pos}) i')})"  # noqa: S608
        )
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
