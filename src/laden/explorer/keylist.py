"""The keys of a view's images, one a line, as `--images-from` takes them.

In order: each key has a mark, by which lists are refused that would mean images, too, that are not shown; of keys that
several images have, the first stays; then they are written a part at a time, and a list is refused that would be read
back as another. Nothing here holds all keys: a million have no room in the database that the explorer has.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from laden.dataset.selection import listed
from laden.explorer.facets import quoted_text
from laden.explorer.place import Place
from laden.explorer.stored import StoredPlace
from laden.explorer.views import View, page_of
from laden.values.errors import UsageError
from laden.values.units import plural

PART_ROWS = 50_000
"""Of a file that are written at once."""
RECORDS = " LEFT JOIN (FROM records WHERE laden_pos IN (SELECT pos FROM page)) r ON r.laden_pos = i.pos"
"""What the table says of the items of a `page`."""
_PLAIN = "'[0-9A-Za-z_.-]([ -~]*[0-9A-Za-z_.-])?'"
"""What a key looks like of which a line of a list says the same."""
_LINE_ENDS = ("\n", "\r")


def is_image(place: Place, items: str) -> str:
    """A condition over items: the load's own are no images.

    What others put there has no key, though a file's name may be that of one.
    """
    own = f"starts_with({items}.name, '_laden/')"
    if isinstance(place, StoredPlace) and place.load and place.load.documents:
        own += f" OR {items}.name IN ({', '.join(quoted_text(one.name) for one in place.load.documents)})"
    return f"NOT ({own}) AND {items}.fate <> 'foreign'"


def keys_written(place: Place, view: View, folder: Path) -> list[Path]:
    """Files in a folder with the keys of a view's images, each once, where it is met first.

    Keys are told from each other by marks of 64 bits, for a million keys have no room in the database; the keys
    themselves are looked at where marks are the same.

    Raises:
        UsageError: the list would mean anything else than these.
    """
    relations = place.index.relations
    marks, again = f"marks_{uuid4().hex}", f"again_{uuid4().hex}"
    try:
        _mark(place, marks)
        _refuse_shared(place, view, marks)
        twice = f"SELECT mark FROM {_shown(place, view, marks)} GROUP BY mark HAVING count(*) > 1"  # noqa: S608 - own names
        several = f"SELECT pos FROM {marks} WHERE mark IN ({twice})"  # noqa: S608 - own names
        page = f"SELECT slot, pos FROM ({_order(place, view)}) WHERE pos IN ({several})"  # noqa: S608 - own names
        relations.run(
            f"CREATE TABLE {again} AS SELECT slot FROM ({_keys(place, page)})"  # noqa: S608 - own text
            " QUALIFY row_number() OVER (PARTITION BY key ORDER BY slot) > 1"
        )
        unlike: set[str] = set()
        paths = []
        for start in range(0, view.rows, PART_ROWS):
            paths.append(folder / str(start))
            _write(place, view, start, again, unlike, paths[-1])
    finally:
        relations.run(f"DROP TABLE IF EXISTS {marks}; DROP TABLE IF EXISTS {again}")
    # What begins the list may be taken for the column's name, or for the mark of its encoding.
    first = next(filter(None, map(_first, paths)), "")
    if (place.labels.shape and first == place.labels.shape.key) or first.startswith("\ufeff"):
        unlike.add(first)
    if unlike:
        raise UsageError(
            f"{plural(len(unlike), 'key')} of these would be read back as another, as {min(unlike)!r}, for a list has"
            " one a line, without quotes and blanks around it: leave these out, or export CSV"
        )
    return paths


def _first(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.readline().removesuffix("\n")


def _write(place: Place, view: View, start: int, again: str, unlike: set[str], path: Path) -> None:
    """Write the keys of a part of a view; those that a list does not give back are added to `unlike`."""
    relations = place.index.relations
    page, parameters = page_of(view, start, PART_ROWS)
    keys = f"SELECT key, slot FROM ({_keys(place, page)}) WHERE slot NOT IN (FROM {again})"  # noqa: S608 - own text
    # Of most that is plain, of the others it is tried.
    doubtful = f"SELECT key FROM ({keys}) WHERE NOT regexp_full_match(key, {_PLAIN})"  # noqa: S608 - own text
    unlike |= {
        key
        for (key,) in relations.stream(doubtful, parameters)
        if not key or listed(key) != key or any(end in key for end in _LINE_ENDS)
    }
    relations.run(
        f"COPY (SELECT key FROM ({keys}) ORDER BY slot) TO '{quoted_path(path)}'"  # noqa: S608 - own text
        " (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\n')",
        parameters,
    )


def _order(place: Place, view: View) -> str:
    if view.table:
        return f"SELECT slot, pos FROM {view.table}"  # noqa: S608 - own name
    last = (view.start or 0) + view.rows - 1
    slot = f"{last} - pos" if view.query.descending else f"pos - {view.start or 0}"
    return f"SELECT {slot} AS slot, pos FROM items WHERE {place.views.within(view, 'pos')}"  # noqa: S608 - own text


def _shown(place: Place, view: View, marks: str) -> str:
    return f"(FROM {marks} SEMI JOIN ({_order(place, view)}) v USING (pos))"


def _keys(place: Place, page: str) -> str:
    """The keys of images among items of a `page`: the key column's own words, else the file's name."""
    key, join = "regexp_extract(i.name, '[^/]*$', 0, 's')", ""
    shape = place.labels.shape
    if shape and (column := place.labels.column(shape.key)):
        key, join = f"coalesce(r.{column.quoted}::VARCHAR, {key})", RECORDS
    return (
        f"WITH page AS MATERIALIZED ({page}) SELECT {key} AS key, p.slot, p.pos FROM page p JOIN items i USING (pos)"  # noqa: S608
        f"{join} WHERE {is_image(place, 'i')}"
    )


def _mark(place: Place, marks: str) -> None:
    """Make a relation of all images' positions and the marks of their keys."""
    relations, shape = place.index.relations, place.labels.shape
    same = "lower(key)" if shape and shape.ignore_case else "key"
    relations.run(f"CREATE TABLE {marks} (pos BIGINT, mark UBIGINT)")
    first, last = relations.one("SELECT coalesce(min(pos), 0), coalesce(max(pos), -1) FROM items")
    for start in range(first, last + 1, PART_ROWS):
        page = f"SELECT pos AS slot, pos FROM items WHERE pos BETWEEN {start} AND {start + PART_ROWS - 1}"  # noqa: S608
        relations.run(f"INSERT INTO {marks} SELECT pos, hash({same}) FROM ({_keys(place, page)})")  # noqa: S608 - own text


def _refuse_shared(place: Place, view: View, marks: str) -> None:
    """Refuse keys of which the list would mean images, too, that are not in the view.

    Where two keys that differ have one mark, which one of ten million lists of a million may hold, it would be refused
    for nothing.
    """
    relations = place.index.relations
    shared, pos = relations.one(
        f"SELECT count(DISTINCT mark), min(pos) FROM {marks} ANTI JOIN ({_order(place, view)}) v USING (pos)"  # noqa: S608
        f" WHERE mark IN (SELECT mark FROM {_shown(place, view, marks)})"
    )
    if shared:
        page = f"SELECT pos AS slot, pos FROM items WHERE pos = {pos}"  # noqa: S608 - a number
        (example,) = relations.one(f"SELECT min(key) FROM ({_keys(place, page)})")  # noqa: S608 - own text
        raise UsageError(
            f"{plural(shared, 'key')} of these {'is' if shared == 1 else 'are'} those of images, too, that are not"
            f" shown, as {example!r}: a list of keys would mean these as well. Show them too, or export CSV"
        )


def quoted_path(path: Path) -> str:
    """For a text in SQL, without the quotes."""
    return str(path).replace("'", "''")
