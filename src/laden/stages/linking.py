"""Which image a row of a landed table means: the one mechanism for everything that goes by rows of a load.

A row means the blob that the layout of the load which landed its table makes of it, unless that was landed as another
key's image. Where it names none, it means the one whose manifest names the row's key, if there is one alone, no other
row makes that blob, and the rows of that key do not tell different images. What is in doubt is linked with nothing.
Nothing is asked of a store here, and nothing is read of an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from laden.dataset.profile import PLACE_SEPARATOR, Profile, TableShape, Template
from laden.dataset.selection import Part
from laden.dataset.selection.keys import spell
from laden.dataset.table import BATCH, columns
from laden.relations import Relations

_LINKED = """
CREATE OR REPLACE TABLE linked AS
SELECT r.row, b.{taken} AS {taken}, coalesce(r.mark <> b.mark, false) AS odd
FROM (SELECT row, made, CASE WHEN named IS NOT NULL THEN hash(named) END AS mark FROM {rows}) r
JOIN (SELECT blob, {taken}, CASE WHEN {known} THEN hash(key) END AS mark FROM {blobs}) b ON b.blob = r.made
"""
_TOLD_APART = """
DELETE FROM linked WHERE odd AND row IN (
    SELECT r.row FROM {rows} r JOIN (FROM linked WHERE odd) l USING (row) JOIN {blobs} b ON b.{taken} = l.{taken}
    WHERE {of_row} <> {of_blob})
"""
_UNLINKED = """
CREATE OR REPLACE TABLE unlinked AS SELECT row, made, named FROM {rows} ANTI JOIN linked USING (row)
WHERE named IS NOT NULL
"""
_BY_KEY = """
INSERT INTO linked
SELECT u.row, k.{taken}, false FROM unlinked u
JOIN (SELECT key, min({taken}) AS {taken} FROM {blobs} WHERE key IN (SELECT named FROM unlinked)
      GROUP BY key HAVING count(*) = 1) k ON k.key = u.named
SEMI JOIN (SELECT named FROM unlinked GROUP BY named
      HAVING count(*) = 1 OR count(made) = count(*) AND count(DISTINCT made) = 1 OR {many} AND count(made) = 0) a
  ON a.named = u.named
ANTI JOIN linked l ON l.{taken} = k.{taken}
"""


_WHOLE = 99
"""Parts of a key, that is all."""


def shape_of(profile: Profile, name: str, *, is_label_table: bool = True) -> TableShape | None:
    """The shape of a table that a load landed, whole or in part; the label table may have been called otherwise."""
    named = (shape for shape in profile.tables if shape.fits(name) or shape.subset == name)
    return next(named, profile.table if is_label_table else None)


def layout_of(told: str, profile: Profile | None, shape: TableShape | None) -> Template:
    """The layout that made the names of a table's images.

    Args:
        told: that of the load which landed the table (`LoadPage.layout_of`).
        profile: of the load, where it is known.
        shape: of the table.
    """
    if profile is None or shape is None or str(profile.layout) != told:
        # Of a layout that a person gave, no table has one of its own.
        return Template(told)
    return profile.layout_of(shape)


def name_rows(
    relations: Relations,
    part: Part,
    made: Template,
    more: tuple[str, ...] = (),
    *,
    profile: Profile | None = None,
    number: int = 0,
) -> tuple[str, dict[str, str]]:
    """Make a relation of each row's number (`row`), the name that a layout makes of it (`made`), and its key (`named`).

    The last two are NULL where the table has not the columns, or the key is empty.

    Args:
        relations: where it will be.
        part: the table.
        made: the layout.
        more: columns that are wanted, too.
        profile: of the load, where it is known: cells are spelled as it spells them, `0` for `0.0`, as a load does it.
        number: tells it from those of other tables.

    Returns:
        Its name; and its columns with the cells of the table's columns, of the layout and `more`.
    """
    table, shape, before = part
    fields = [name for name in (*made.fields, *more) if name in table.columns]
    key = [shape.key] if shape is not None and shape.key in table.columns else []
    cells = {name: f"c{table.column(name)}" for name in dict.fromkeys([*fields, *key])}
    places = sorted({table.column(name) for name in cells})
    declared = "".join(f", c{place} VARCHAR" for place in places)
    relations.run(f"CREATE OR REPLACE TABLE linking{number} (row BIGINT{declared})")
    taken = ", ".join(f"c{place}" for place in places) or "NULL"
    relations.absorb(
        f"INSERT INTO linking{number} SELECT row + {before}{f', {taken}' if places else ''} FROM {BATCH}",  # noqa: S608 - own names
        columns(table, places),
    )
    if profile is not None:
        for name in filter(profile.is_respelled, cells):
            spell(relations, f"linking{number}", cells[name], partial(profile.spelled, name))
    blob = made.sql(cells) if all(name in cells for name in made.fields) else "NULL::VARCHAR"
    by_key = f"nullif({cells[key[0]]}, '')" if key else "NULL::VARCHAR"
    relations.run(
        f"CREATE OR REPLACE VIEW naming{number} AS SELECT *, {blob} AS made, {by_key} AS named FROM linking{number}"  # noqa: S608 - own names, quoted
    )
    return f"naming{number}", cells


def link(
    relations: Relations,
    rows: str,
    blobs: str,
    *,
    many: bool,
    shapes: Iterable[TableShape | None] = (),
    taken: str = "blob",
    known: bool = True,
) -> None:
    """Make the relation `linked`: of each row that means one of the blobs, its number and that one.

    Args:
        relations: where all this is.
        rows: relation with `row`, `made` and `named`, as `name_rows` makes it.
        blobs: relation with `blob` and `key` of the images that may be meant, and of all that could be mistaken.
        many: whether rows of one key mean one image where nothing tells which.
        shapes: of the tables.
        taken: column of `blobs` that `linked` has, one value for each.
        known: whether the keys of the blobs are those that a load recorded: then a row that has another one means
            another image, though the layout gives it that name.
    """
    # With names of a million rows, what most of them do not need is asked of the others alone.
    recorded = "key <> ''" if known else "false"
    relations.run(_LINKED.format(rows=rows, blobs=blobs, taken=taken, known=recorded))
    if relations.one("SELECT count(*) FROM linked WHERE odd")[0]:
        tail = min((_tail(shape) for shape in shapes if shape is not None), default=1)
        apart = {"of_row": _compared("r.named", tail), "of_blob": _compared("b.key", tail)}
        relations.run(_TOLD_APART.format(rows=rows, blobs=blobs, taken=taken, **apart))
    relations.run(_UNLINKED.format(rows=rows))
    if relations.one("SELECT count(*) FROM unlinked")[0]:
        relations.run(_BY_KEY.format(blobs=blobs, taken=taken, many=str(many).lower()))
    relations.run("DROP TABLE unlinked")


def _tail(shape: TableShape) -> int:
    """How many parts at the end of a key tell images of a table apart."""
    return (shape.segments or _WHOLE) if shape.match == "path" else 1


def _compared(key: str, tail: int) -> str:
    """SQL for what of a key has to be equal, however tables spell it: without the folders above, and the ending."""
    last = f"array_to_string(str_split(trim({key}), '/')[-{tail}:], '/')"
    return f"regexp_replace(lower(nfc_normalize({last})), '[.][^./]*$', '')"


def disagreement(places: int) -> str:
    """A condition on a row `r` and an entry `e`: a key or a value that both know differs."""
    pairs = ((place_value("r", at), place_value("e", at)) for at in range(places))
    differing = (f"({ours} <> '' AND {theirs} <> '' AND {ours} <> {theirs})" for ours, theirs in pairs)
    return f"r.key <> e.key OR (r.place <> e.place AND ({' OR '.join(differing) or 'false'}))"


def place_value(table: str, at: int) -> str:
    """SQL for one of the values of a place, by its number."""
    return f"split_part({table}.place, chr({ord(PLACE_SEPARATOR)}), {at + 1})"
