"""What must hold of every plan, whatever the data: asked in SQL before anything is sent.

These are not checks of the data; a plan that breaks one is a bug of laden's, and ends the run with nothing sent. Names
are held against each other by marks of 64 bits, which take a tenth of their room: a bug would have to hit one in 10^19.
Two statements go over all rows and names, and count what may break each invariant; what it is, is looked at only then.
"""

from __future__ import annotations

from collections.abc import Iterator

from laden.relations import Relations
from laden.stages.linking import disagreement
from laden.stages.plan.matching import CONTENT
from laden.values.errors import LadenError

_ONE_IMAGE = "a row has two images"
_PLACE = "a row has an image of another key or place"
_CONTENT = "one blob would get the content of two images"
_TWICE = "one image would become two blobs"
_NAME = "a blob is wanted twice, or where a document or laden's own notes go"
_OTHER = "an image would be sent under the name of a row that has none"


_Question = tuple[str, str, str]
"""What is broken; where: a query of what is suspect; and a query over `suspects` that proves it, if one has to."""


def _marked(relation: str, columns: str, mark: str) -> str:
    """SQL for columns of a relation with a mark of others."""
    return f"(SELECT {columns}, {mark} AS mark FROM {relation})"  # noqa: S608 - own names


_OF_ROWS = f"""
SELECT
  count(*) <> (SELECT count(*) FROM rows),
  -- Nearly every row and its image say key and place in the same words.
  count(*) FILTER (m.id IS NOT NULL AND r.mark IS DISTINCT FROM e.mark),
  -- Nearly every row's image is the one that is wanted under its name.
  count(*) FILTER (r.selected AND m.id IS NOT NULL AND w.id IS NULL),
  (SELECT count(*) > count(DISTINCT id) FROM matches),
  count(*) FILTER (r.usable AND m.id IS NULL)
FROM {_marked("rows", "row, usable, selected, hash(blob) AS name", "hash(key, place)")} r
LEFT JOIN matches m ON m.row = r.row
LEFT JOIN {_marked("entries", "id", "hash(key, place)")} e ON e.id = m.id
LEFT JOIN {_marked("wanted", "id", "hash(blob)")} w ON w.id = m.id AND w.mark = r.name
"""  # noqa: S608 - own text
"""How many rows may break each invariant about them; of a row with two images, the join makes two."""

_OF_NAMES = """
SELECT
  count(*) > count(DISTINCT hash(blob)),
  count(*) FILTER (starts_with(blob, '_laden/') OR contains(blob, '/_laden/') OR blob IN (SELECT name FROM written)),
  (count(*), sum(hash(id, blob))) IS DISTINCT FROM (SELECT (count(*), sum(hash(id, blob))) FROM todo)
FROM wanted
"""
"""The same about names: where numbers and sums of marks are equal, so are the names."""


def hold(relations: Relations, places: int) -> None:
    """Ask whether every invariant holds.

    Args:
        relations: with `matches`, `shared`, `wanted`, `written` and `todo`.
        places: how many values a place has.

    Raises:
        LadenError: one does not.
    """
    doubtful = (*relations.one(_OF_ROWS), *relations.one(_OF_NAMES))
    for doubt, (broken, suspects, proof) in zip(doubtful, (*_of_rows(places), *_of_names()), strict=True):
        if not doubt:
            continue
        # One after the other: what a statement joins is built at once, also for suspects that there are none of.
        if relations.run(f"CREATE OR REPLACE TABLE suspects AS {suspects}") and (not proof or _any(relations, proof)):
            raise LadenError(
                f"{broken}: this is a bug of laden's, so nothing was sent; please report it, with profile and layout"
            )
    if any(doubtful):
        relations.run("DROP TABLE suspects")


def _any(relations: Relations, question: str) -> bool:
    return bool(relations.one(f"SELECT count(*) FROM ({question} LIMIT 1)")[0])  # noqa: S608 - own texts


def _of_rows(places: int) -> Iterator[_Question]:
    """About rows and their images."""
    content, other = CONTENT.format("e"), CONTENT.format("w")
    yield _ONE_IMAGE, "SELECT row FROM matches GROUP BY row HAVING count(*) > 1", ""
    yield (
        _PLACE,
        f"SELECT m.row, m.id FROM matches m JOIN {_marked('rows', 'row', 'hash(key, place)')} r USING (row)"  # noqa: S608
        f" JOIN {_marked('entries', 'id', 'hash(key, place)')} e ON e.id = m.id WHERE r.mark <> e.mark",
        "SELECT s.row FROM suspects s JOIN (SELECT row, hash(key) AS key, place FROM rows) r USING (row)"  # noqa: S608
        f" JOIN (SELECT id, hash(key) AS key, place FROM entries) e ON e.id = s.id WHERE {disagreement(places)}",
    )
    yield (
        _CONTENT,
        "SELECT m.row, m.id FROM matches m JOIN (SELECT row, hash(blob) AS mark FROM rows WHERE selected) r"  # noqa: S608
        f" USING (row) ANTI JOIN {_marked('wanted', 'id', 'hash(blob)')} w ON w.id = m.id AND w.mark = r.mark",
        "SELECT s.row FROM suspects s JOIN rows r USING (row) JOIN wanted o ON o.blob = r.blob"  # noqa: S608 - own texts
        f" JOIN entries e ON e.id = s.id JOIN entries w ON w.id = o.id WHERE {content} <> {other}",
    )
    yield (
        _TWICE,
        "SELECT id FROM matches GROUP BY id HAVING count(*) > 1",
        "SELECT m.id FROM matches m SEMI JOIN suspects USING (id) JOIN rows r USING (row) GROUP BY m.id"
        " HAVING min(hash(r.blob)) <> max(hash(r.blob)) AND min(hash(r.name, r.place)) <> max(hash(r.name, r.place))",
    )
    yield (
        _OTHER,
        "SELECT r.row, r.blob FROM rows r ANTI JOIN matches m ON m.row = r.row WHERE r.usable",
        "SELECT row FROM suspects JOIN wanted USING (blob) WHERE blob NOT IN (SELECT blob FROM shared)",
    )


def _of_names() -> Iterator[_Question]:
    """About the names that images get."""
    yield (
        _NAME,
        "SELECT hash(blob) AS mark FROM wanted GROUP BY mark HAVING count(*) > 1",
        "SELECT blob FROM wanted WHERE hash(blob) IN (SELECT mark FROM suspects) GROUP BY blob HAVING count(*) > 1",
    )
    yield (
        _NAME,
        "SELECT blob FROM wanted WHERE blob IN (SELECT name FROM written)"
        " OR starts_with(blob, '_laden/') OR contains(blob, '/_laden/')",
        "",
    )
    yield (
        _NAME,
        f"FROM {_marked('todo', 'id', 'hash(blob)')} t"
        f" ANTI JOIN {_marked('wanted', 'id', 'hash(blob)')} w USING (id, mark)",
        "",
    )
