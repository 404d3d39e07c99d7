"""Each invariant of a plan, broken by hand: none passes unseen."""

from collections.abc import Iterator

import pytest

from laden.relations import Relations
from laden.stages.plan import Plan
from laden.stages.plan.invariants import hold
from laden.values.errors import LadenError


@pytest.fixture
def planned() -> Iterator[Relations]:
    """A plan of two rows with an image each, of one without, and of one that is in the container already."""
    with Relations() as relations:
        rows = [(n, f"{n}.png", f"{n}.png", None, f"images/{n}.png", True, True, "") for n in range(1, 5)]
        relations.feed("rows", rows)
        entries = [("0.zip", f"{n}.png", n, n, None, 0, n, 0, n, f"{n}.png", None, None, "") for n in (1, 2, 4)]
        relations.feed("entries", entries)
        relations.feed("blobs", [("images/4.png", 4, None, "", None, None, None, None, None)])
        Plan(relations, send_strays=False, replace=False, documents=(), written=())
        relations.run("INSERT INTO written VALUES ('table.csv')")
        yield relations


def test_a_plan_that_is_right_passes(planned: Relations) -> None:
    hold(planned, 0)
    # Rows without an image are looked at, and none of their names is wanted.
    assert planned.one("SELECT count(*) FROM rows ANTI JOIN matches USING (row)") == (1,)


BROKEN = {
    "a row has two images": "INSERT INTO matches SELECT 1, id, false FROM entries WHERE id = 2",
    "a row has an image of another key or place": "UPDATE matches SET id = 3 - id WHERE row < 3",
    "a row has an image of another key or place ": "UPDATE rows SET place = 'a'; UPDATE entries SET place = 'b'",
    "one blob would get the content of two images": "UPDATE wanted SET id = 3 - id WHERE id < 3;"
    "UPDATE todo SET id = 3 - id WHERE id < 3",
    "one image would become two blobs": "UPDATE matches SET id = 1 WHERE row = 2; UPDATE rows SET key = '1.png'"
    " WHERE row = 2; UPDATE wanted SET id = 1 WHERE id = 2; UPDATE todo SET id = 1 WHERE id = 2",
    "a blob is wanted twice": "INSERT INTO wanted VALUES ('images/1.png', 1); INSERT INTO todo (blob, id)"
    " VALUES ('images/1.png', 1)",
    "or where a document or laden's own notes go": "INSERT INTO wanted VALUES ('table.csv', 9);"
    "INSERT INTO todo (blob, id) VALUES ('table.csv', 9)",
    "or where a document or laden's own notes go ": "INSERT INTO wanted VALUES ('a/_laden/x', 9);"
    "INSERT INTO todo (blob, id) VALUES ('a/_laden/x', 9)",
    "a blob is wanted twice ": "UPDATE todo SET blob = 'images/other.png' WHERE id = 1",
    "an image would be sent under the name of a row that has none": "DELETE FROM matches WHERE row = 1",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_each_invariant_is_asked(planned: Relations, broken: str) -> None:
    places = 1 if "place" in BROKEN[broken] else 0
    planned.run(BROKEN[broken])
    with pytest.raises(LadenError, match=broken.strip()):
        hold(planned, places)
