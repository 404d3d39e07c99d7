"""A selection is said in few words and kept in a file, however much it is: by names, or a view but for some of it."""

import asyncio
import csv
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from laden.dataset.profile import known_profile
from laden.explorer import acting, chosen, download
from laden.explorer.acts import Acts
from laden.explorer.chosen import Choice, Chosen, of_choice
from laden.explorer.database import Shared
from laden.explorer.export import exported, images_of
from laden.explorer.index import Index
from laden.explorer.labels import Labels
from laden.explorer.marks import Marks
from laden.explorer.stored import StoredPlace
from laden.explorer.views import Query, Views
from laden.store import FolderDestination, parse_destination
from laden.values.errors import UsageError
from tests.explorer.served import Asker, serving

MANY = 60_000
ODD = 'odd, "quoted"\r\nünd\tmore'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number in range(12):
        path = tmp_path / "place" / f"{number % 3}" / f"{number:02d}.txt"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"{number}")
    return tmp_path / "place"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def asker(place: Path, here: Path) -> Iterator[Asker]:
    with serving(lambda: StoredPlace(parse_destination(str(place))), here, write=True) as found:
        found.ready()
        yield found


@pytest.fixture
def many() -> Iterator[Any]:
    """A place of as many items as no request could name, without a store."""
    with Shared() as relations:
        index, labels = Index(relations), Labels(relations)
        try:
            relations.run(
                "INSERT INTO packed.items (pos, name, size_bytes, etag, md5, fate) SELECT i, 'png/' || lpad(i::VARCHAR,"
                f" 80, '0'), i, 'e' || i, md5(i::VARCHAR), if(i % 2 = 0, 'there', '') FROM range({MANY}) t(i)"
            )
            relations.run(
                f"INSERT INTO packed.items (pos, name, size_bytes, etag, fate) VALUES ({MANY}, ?, 1, 'e', 'there'),"
                f" ({MANY} + 1, 'x', 1, 'e', 'deleted')",
                [ODD],
            )
            relations.settled = True
            yield SimpleNamespace(
                index=index,
                relations=relations,
                labels=labels,
                views=Views(relations, labels),
                load=None,
                destination=FolderDestination(Path("place")),
            )
        finally:
            labels.close()


def left(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*.txt"))


def test_all_that_is_shown_but_for_some_is_deleted_and_nothing_else(asker: Asker, place: Path) -> None:
    view = asker.post("view", folder="1/", sort="size_bytes", descending=True)
    plan = asker.post("plan", action="delete", view=view["view"], but=["1/04.txt", "2/02.txt"])
    assert (plan["count"], plan["bytes"]) == (3, 4)
    assert sorted(plan["names"]) == ["1/01.txt", "1/07.txt", "1/10.txt"]
    before = left(place)
    job = asker.job(asker.post("act", plan=plan["plan"], count="3")["number"])
    assert job["result"]["outcomes"] == {"done": 3, "changed": 0, "gone": 0, "failed": 0}
    assert sorted({*before} - {*left(place)}) == sorted(plan["names"])


def test_a_deletion_that_takes_what_people_noted_says_so(place: Path) -> None:
    with serving(lambda: StoredPlace(parse_destination(str(place))), place, write=False) as reader:
        reader.ready()
        reader.post("mark", names=["1/01.txt"], mark="exclude")
        reader.post("save", name="mine", look={})
    with serving(lambda: StoredPlace(parse_destination(str(place))), place, write=True) as asker:
        asker.ready()
        plan = asker.post("plan", action="delete", view=asker.post("view")["view"])
        assert "laden-marks.csv" in plan["undo"]
        assert "the marks or views that people kept here are gone" in plan["undo"]
        assert "nobody can prove" not in plan["undo"]
        assert "gone" not in asker.post("plan", action="delete", names=["1/01.txt"])["undo"]


def test_the_table_of_marks_can_be_looked_at_after_each_mark(place: Path) -> None:
    """It is of another version than was listed: that which the page itself wrote."""
    with serving(lambda: StoredPlace(parse_destination(str(place))), place) as asker:
        asker.ready()
        asker.post("mark", names=["1/01.txt"], mark="exclude")
        asker.post("refresh")
        asker.ready()
        asker.post("mark", names=["1/04.txt"], mark="look again")
        told = asker.post("download", names=["laden-marks.csv"], folder="../got")
        assert asker.job(told["number"])["result"]["outcomes"] == {"came": 1}
    assert (place.parent / "got" / "laden-marks.csv").read_bytes() == (place / "laden-marks.csv").read_bytes()


def test_plans_that_nobody_carries_out_leave_no_file(place: Path) -> None:
    stored = StoredPlace(parse_destination(str(place)))

    async def files() -> list[int]:
        counts = []
        try:
            await stored.fill()
            stored.relations.settled = True
            acts = Acts(stored, Marks(stored, place.parent, write=True))

            def lie() -> None:
                counts.append(len(list(stored.relations.folder.glob("chosen-*"))))

            plan = await acts.plan("delete", Choice(("1/01.txt",)), {})
            lie()
            acts.forget(plan.number)
            acts.forget("made up")
            lie()
            return counts
        finally:
            await stored.close()

    assert asyncio.run(files()) == [1, 0]
    assert not stored.relations.folder.exists()


def test_a_cancelled_plan_cannot_be_carried_out(asker: Asker) -> None:
    plan = asker.post("plan", action="delete", names=["1/01.txt"])
    asker.post("drop", plan=plan["plan"])
    assert "no such plan" in asker.refused("POST", "act", plan=plan["plan"], count="1")[1]


def test_nothing_is_a_sentence(asker: Asker) -> None:
    view = asker.post("view", find="04")
    acts = (("plan", {"action": "delete"}), ("mark", {"mark": "exclude"}), ("download", {"folder": "got"}))
    for action, more in acts:
        nothing = asker.refused("POST", action, view=view["view"], but=["1/04.txt"], **more)
        assert nothing == (400, "nothing was chosen that is there")
        assert "choose what is meant" in asker.refused("POST", action, **more)[1]
    assert "name the deleted blobs" in asker.refused("POST", "plan", action="undelete", view=view["view"])[1]


@pytest.mark.parametrize(
    "look",
    [
        {"where": ["laden_mark = 'exclude'"]},
        # None of these spells the column.
        {"where": ["COLUMNS('laden_m.*') = 'exclude'"]},
        {"where": ["COLUMNS(lambda c: c LIKE '%mark') = 'exclude'"]},
        {"where": ["laden_name IN (SELECT laden_name FROM records r WHERE r::VARCHAR LIKE '%exclude%')"]},
        {"sort": "mark"},
        {"sort": "laden_mark"},
    ],
)
def test_who_looks_by_marks_again_sees_them_as_they_are_now(asker: Asker, look: dict[str, Any]) -> None:
    marked = ["1/01.txt", "1/04.txt", "1/07.txt"]
    asker.post("mark", names=marked, mark="exclude")
    old = asker.post("view", **look)
    assert asker.names(old)[:3] == marked
    asker.post("mark", names=["1/07.txt"], mark="")
    asker.post("mark", names=["2/02.txt"], mark="exclude")
    view = asker.post("view", **look)
    assert asker.names(view)[:3] == [*marked[:2], "2/02.txt"]
    if "where" in look:
        assert asker.post("plan", action="delete", view=view["view"])["count"] == 3
    assert asker.post("plan", action="delete", view=old["view"]) == {"stale": True}


def test_a_view_that_moved_is_out_of_date_for_every_act(asker: Asker, place: Path) -> None:
    view, whole = (asker.post("view", folder=folder)["view"] for folder in ("1/", ""))
    (place / "0" / "00a.txt").write_text("new")
    asker.post("refresh")
    asker.ready()
    for action, more in (
        ("plan", {"action": "delete"}),
        ("download", {"folder": "got"}),
        ("mark", {"mark": "exclude"}),
        ("copy", {"to": "./elsewhere"}),
    ):
        for number in (view, whole):
            assert asker.post(action, view=number, **more) == {"stale": True}
    assert len(left(place)) == 13


def test_a_view_is_marked_up_to_a_number_that_is_told(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    view = asker.post("view", folder="2/")
    asker.post("mark", view=view["view"], but=["2/05.txt"], mark="look again")
    marked = asker.post("view", where=["laden_mark = 'look again'"])
    assert asker.names(marked) == ["2/02.txt", "2/08.txt", "2/11.txt"]
    monkeypatch.setattr(acting, "_MOST_MARKED", 3)
    status, told = asker.refused("POST", "mark", view=view["view"], mark="exclude")
    assert (status, "more than 3 images at once are not marked" in told) == (400, True)
    assert asker.post("view", where=["laden_mark = 'exclude'"])["rows"] == 0


def test_a_view_is_downloaded_and_its_record_is_in_order(
    asker: Asker, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_NOTED", 2)
    view = asker.post("view", sort="size_bytes")
    job = asker.job(asker.post("download", view=view["view"], but=["0/00.txt"], folder="got")["number"])
    assert (job["state"], job["done"], job["in_all"]) == ("done", 11, 11)
    assert job["message"].startswith("11 of 11 are in ")
    assert len(left(here / "got")) == 11
    with (here / "got" / "laden-downloads.csv").open(newline="", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    assert [row["name"] for row in told] == left(here / "got")
    assert {row["outcome"] for row in told} == {"came"}


def test_all_but_some_are_copied(place: Path) -> None:
    """By their names."""
    stored = StoredPlace(parse_destination(str(place)))

    async def names() -> list[str]:
        try:
            await stored.fill()
            stored.relations.settled = True
            view = stored.views.open(Query(folder="1/"), stored.index.state.generation, stored.index.epoch)
            choice = Choice(("1/04.txt",), view.number)
            return [item.name for item in await of_choice(stored, choice, lambda found: images_of(stored, found))]
        finally:
            await stored.close()

    assert asyncio.run(names()) == ["1/01.txt", "1/07.txt", "1/10.txt"]


def test_a_plan_of_very_many_lies_in_a_file_and_every_name_comes_back(
    many: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "_PART_ROWS", 7_001)
    acts = Acts(cast("StoredPlace", many), Marks(many, Path(), write=False))
    view = many.views.open(Query(), many.index.state.generation, many.index.epoch)
    # Imports and the first statement are none of its memory.
    asyncio.run(acts._meant("delete", Choice((ODD,))))
    tracemalloc.start()
    try:
        targets, _ = asyncio.run(acts._meant("delete", Choice(("png/" + "0" * 80,), view.number)))
        found = sum(1 for _ in targets)
        (_, peak_bytes) = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is gone is no target.
    assert found == len(targets) == MANY
    assert targets.size_bytes == MANY * (MANY - 1) // 2 + 1
    assert peak_bytes < 2 << 20
    names = [item.name for item in targets]
    assert names[:-1] == sorted({*names[:-1]})
    *_, last = targets
    assert last == (ODD, "e", 1, "")
    files = set(many.relations.folder.glob("chosen-*"))
    targets.close()
    assert len(files - set(many.relations.folder.glob("chosen-*"))) == 1


def test_what_is_not_listed_yet_is_not_changed(many: Any) -> None:
    many.relations.run("UPDATE packed.items SET etag = NULL WHERE pos = 7")
    acts = Acts(cast("StoredPlace", many), Marks(many, Path(), write=False))
    view = many.views.open(Query(), many.index.state.generation, many.index.epoch)
    with pytest.raises(UsageError, match="still coming in"):
        asyncio.run(acts._meant("delete", Choice((), view.number)))
    assert not list(many.relations.folder.glob("chosen-*"))


@pytest.mark.parametrize("odd", [ODD, '"a.png"', "a.png ", "\u3000a.png", "a\nb.png", "a\rb.png", "\ufeffa.png"])
def test_a_key_that_would_be_read_back_as_another_is_told_and_not_written(many: Any, odd: str) -> None:
    many.title = "place"
    relations, views = many.index.relations, many.views
    relations.run("UPDATE packed.items SET name = ? WHERE name = ?", [odd, ODD])
    relations.run("UPDATE packed.items SET pos = -1 WHERE name = ?", [odd])
    view = views.open(Query(sort="width"), many.index.state.generation, many.index.epoch)
    before = set(relations.folder.iterdir())
    with pytest.raises(UsageError, match=r"^1 key of these would be read back as another"):
        exported(many, view, "keys")
    assert set(relations.folder.iterdir()) == before
    view = views.open(Query(find="png/0"), many.index.state.generation, many.index.epoch)
    assert len(b"".join(exported(many, view, "keys")[0]).split()) == MANY


def test_the_first_key_is_not_the_columns_name(many: Any) -> None:
    many.title, many.labels.shape = "place", known_profile("padchest").table
    many.index.relations.run("UPDATE packed.items SET pos = -1, name = 'ImageID' WHERE name = ?", [ODD])
    view = many.views.open(Query(sort="width"), many.index.state.generation, many.index.epoch)
    with pytest.raises(UsageError, match="as 'ImageID'"):
        exported(many, view, "keys")


def test_deleted_blobs_are_names_alone(many: Any) -> None:
    found = Chosen.of_names(many.relations, ["a", ODD])
    assert [(item.name, item.size_bytes) for item in found] == [("a", 0), (ODD, 0)]
    with pytest.raises(UsageError, match="nothing was chosen"):
        Chosen.of_names(many.relations, [])


def test_names_that_are_not_there_are_told_and_waited_for_while_it_is_listed(many: Any) -> None:
    acts = Acts(cast("StoredPlace", many), Marks(many, Path(), write=False))
    for phase in ("ready", "listing"):
        many.index.state.phase = phase
        targets, told = asyncio.run(acts._meant("tier", Choice((ODD, ODD))))
        assert (len(targets), told) == (1, "")
        targets.close()
    for names in ((ODD, "not there"), ("not there",)):
        with pytest.raises(UsageError, match="still coming in, and not all that was chosen"):
            asyncio.run(acts._meant("tier", Choice(names)))
    assert not list(many.relations.folder.glob("chosen-*"))
    many.index.state.phase = "ready"
    targets, told = asyncio.run(acts._meant("tier", Choice((ODD, "not there"))))
    assert (len(targets), told) == (1, "1 of the 2 that were chosen is not there (any more).")
