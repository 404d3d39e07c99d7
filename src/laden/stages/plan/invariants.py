"""What must hold of every plan, whatever the data: asked in SQL before anything is sent.

These are not checks of the data; a plan that breaks one is a bug of laden's, and ends the run with nothing sent. Names
are held against each other by marks of 64 bits, which take a tenth of their room: a bug would have to hit one in 10^19.
"""

from __future__ import annotations

from laden.relations import Relations
from laden.stages.plan.matching import CONTENT, disagreement
from laden.values.errors import LadenError

_ONE_IMAGE = "a row has two images"
_PLACE = "a row has an image of another key or place"
_CONTENT = "one blob would get the content of two images"
_TWICE = "one image would become two blobs"
_NAME = "a blob is wanted twice, or where a document or laden's own notes go"
_OTHER = "an image would be sent under the name of a row that has none"


def _marked(relation: str, number: str, marks: str) -> str:
    """SQL for a relation with its number and marks."""
    return f"(SELECT {number}, {marks} FROM {relation})"  # noqa: S608 - own names


def hold(relations: Relations, places: int) -> None:
    """Ask whether every invariant holds.

    Args:
        relations: with `matches`, `shared`, `wanted`, `written` and `todo`.
        places: how many values a place has.

    Raises:
        LadenError: one does not.
    """
    content, other = CONTENT.format("e"), CONTENT.format("w")
    questions = {
        _ONE_IMAGE: "SELECT row FROM matches GROUP BY row HAVING count(*) > 1",
        # Nearly every row and its image say key and place in the same words: those need no second look.
        _PLACE: "WITH others AS MATERIALIZED (SELECT m.row, m.id FROM matches m"  # noqa: S608 - own texts
        f" JOIN {_marked('rows', 'row', 'hash(key, place) AS mark')} r USING (row)"
        f" JOIN {_marked('entries', 'id', 'hash(key, place) AS mark')} e ON e.id = m.id WHERE r.mark <> e.mark)"
        f" SELECT o.row FROM others o JOIN {_marked('rows', 'row', 'hash(key) AS key, place')} r USING (row)"
        f" JOIN {_marked('entries', 'id', 'hash(key) AS key, place')} e ON e.id = o.id WHERE {disagreement(places)}",
        # Nearly every row's image is the one that is wanted under its name: those need no second look.
        _CONTENT: "WITH others AS MATERIALIZED (SELECT m.row, m.id FROM matches m"  # noqa: S608 - own texts
        " JOIN (SELECT row, hash(blob) AS mark FROM rows WHERE selected) r USING (row)"
        " ANTI JOIN (SELECT id, hash(blob) AS mark FROM wanted) w ON w.id = m.id AND w.mark = r.mark)"
        " SELECT o.row FROM others o JOIN rows r USING (row) JOIN wanted s ON s.blob = r.blob"
        f" JOIN entries e ON e.id = o.id JOIN entries w ON w.id = s.id WHERE {content} <> {other}",
        _TWICE: "WITH often AS (SELECT id FROM matches GROUP BY id HAVING count(*) > 1)"
        " SELECT m.id FROM matches m SEMI JOIN often USING (id) JOIN rows r USING (row) GROUP BY m.id"
        " HAVING min(hash(r.blob)) <> max(hash(r.blob)) AND min(hash(r.name, r.place)) <> max(hash(r.name, r.place))",
        _NAME: "SELECT blob FROM wanted WHERE hash(blob) IN"
        " (SELECT hash(blob) AS mark FROM wanted GROUP BY mark HAVING count(*) > 1) GROUP BY blob HAVING count(*) > 1"
        " UNION ALL SELECT blob FROM wanted WHERE blob IN (SELECT name FROM written)"
        " OR starts_with(blob, '_laden/') OR contains(blob, '/_laden/')"
        " UNION ALL SELECT mark::VARCHAR FROM (SELECT id, hash(blob) AS mark FROM todo)"
        " ANTI JOIN (SELECT id, hash(blob) AS mark FROM wanted) USING (id, mark)",
        _OTHER: "WITH left_over AS MATERIALIZED"
        " (SELECT r.row, r.blob FROM rows r ANTI JOIN matches m ON m.row = r.row WHERE r.usable)"
        " SELECT row FROM left_over JOIN wanted USING (blob) WHERE blob NOT IN (SELECT blob FROM shared)",
    }
    for broken, question in questions.items():
        if relations.one(f"SELECT count(*) FROM ({question} LIMIT 1)")[0]:  # noqa: S608 - own texts
            raise LadenError(
                f"{broken}: this is a bug of laden's, so nothing was sent; please report it, with profile and layout"
            )
