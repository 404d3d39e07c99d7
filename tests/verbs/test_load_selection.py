"""Loads of a part of a dataset: what lands, under which name, and what the next load with another part does."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.values.errors import UsageError
from laden.values.events import Event, PlanReady, Summary
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.select import select
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import NOTES
from tests.support.harness import content, landed
from tests.support.published import chexpert, vindr

SUBSET = "PADCHEST_SMALL.csv"
PAGE = "_laden/load.json"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 6, "1": 5})


def there(destination: str) -> dict[str, bytes]:
    root = Path(destination)
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if not name.startswith(NOTES)}


def images(destination: str) -> set[str]:
    return {name for name in there(destination) if name.startswith("png/")}


def tables(destination: str) -> set[str]:
    return {name for name in there(destination) if name.endswith(".csv")}


def keys(data: bytes) -> list[str]:
    return [row["ImageID"] for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]


def page(destination: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(there(destination)[PAGE])
    return found


def spoil(path: Path) -> None:
    """Another table of the same name, as an editor or a new download leaves it."""
    path.write_bytes(b"nothing,of,the,kind\n1,2,3,4\n")


@pytest.mark.parametrize("how", [spoil, Path.unlink], ids=["edited", "gone"])
@pytest.mark.parametrize("wanted", [{}, {"where": "ImageDir = 0"}], ids=["whole", "selected"])
def test_the_table_that_lands_is_the_one_that_was_surveyed(
    dataset: Dataset, tmp_path: Path, how: Callable[[Path], None], wanted: dict[str, Any]
) -> None:
    """Whatever happens to it while images are sent."""
    expected = chosen(dataset, **wanted)
    assert wanted or expected == dataset.table.read_bytes()
    place = str(tmp_path / "there")

    def confirm(_: PlanReady) -> bool:
        how(dataset.table)
        return True

    done = load(dataset.folder, place, confirm=confirm, report_file="page.html", **wanted)
    assert done.complete
    (name,) = tables(place)
    assert there(place)[name] == expected
    assert "<h2" in Path("page.html").read_text()
    assert verify(place).exit_code == 0


def chosen(dataset: Dataset, **wanted: Any) -> bytes:
    """What `select` writes for the same selection."""
    select(dataset.table, output="chosen.csv", **wanted)
    return Path("chosen.csv").read_bytes()


def test_a_selection_lands_its_images_and_its_records(emulator: Emulator, container: str, dataset: Dataset) -> None:
    wanted = {"where": "ImageDir = 0", "first": 4}
    summary = load(dataset.folder, container, **wanted)
    names = [name for name, folder in dataset.rows.items() if folder == "0"][:4]
    assert (summary.rows, summary.images, summary.sent, summary.exit_code) == (4, 4, 4, 0)
    assert [(step.step, step.rows) for step in summary.selection] == [("table", 11), ("where", 6), ("first", 4)]
    assert {name for name in landed(emulator, container) if name.startswith("png/")} == {f"png/0/{n}" for n in names}
    data = content(emulator, container, SUBSET)
    assert keys(data) == names
    assert data == chosen(dataset, **wanted)
    assert dataset.table.name not in landed(emulator, container)
    found = json.loads(content(emulator, container, PAGE))
    assert found["table"]["name"] == SUBSET
    assert [(step["step"], step["about"]) for step in found["table"]["selection"]][1:] == [
        ("where", "ImageDir = 0"),
        ("first", "4 images"),
    ]
    again = load(dataset.folder, container, **wanted)
    assert (again.sent, again.already_there, again.findings) == (0, 4, {})
    assert verify(container).findings == {}


def test_a_sample_misses_nothing_of_what_was_not_chosen(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 6, "1": 4}, missing=1)
    place = str(tmp_path / "there")
    for wanted, missing in (({"where": "ImageDir = 1", "sample": 3}, 0), ({"where": "ImageDir = 0"}, 1)):
        summary, proved = load(dataset.folder, place, **wanted), verify(place)
        assert (summary.rows, summary.missing) == (proved.rows, proved.missing) == (proved.matched + missing, missing)
    # Of the whole, all rows are meant, and of archives alone, too, since the next ones add to them.
    for asked in ({}, {"archives": "1"}):
        load(dataset.folder, place, **asked)
        assert (verify(place).rows, verify(place).missing) == (11, 1)


def test_archives_come_first_and_stand_in_the_plan(dataset: Dataset, tmp_path: Path) -> None:
    told: list[Event] = []
    load(dataset.folder, str(tmp_path / "d"), archives="1", where="true", sample=2, observer=told.append)
    (plan,) = [event for event in told if isinstance(event, PlanReady)]
    assert [(step.step, step.about, step.rows) for step in plan.selection] == [
        ("table", dataset.table.name, 11),
        ("archives", "1", 5),
        ("where", "true", 5),
        ("sample", "2 images, seed 1", 2),
    ]
    assert plan.rows == 2
    assert isinstance(told[-1], Summary)
    assert told[-1].selection == plan.selection


def test_every_row_selected_is_still_a_table_of_its_own(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "d")
    load(dataset.folder, place, where="true")
    assert tables(place) == {SUBSET}
    assert there(place)[SUBSET] == dataset.table.read_bytes()


def test_two_selections_with_names_of_their_own_stand_side_by_side(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "d")
    load(dataset.folder, place, where="ImageDir = 0", table_name="zero.csv")
    second = load(dataset.folder, place, where="ImageDir = 1", first=2, table_name="one.csv")
    assert (second.sent, second.findings) == (2, {})
    assert tables(place) == {"zero.csv", "one.csv"}
    assert len(keys(there(place)["zero.csv"])) == 6
    assert len(keys(there(place)["one.csv"])) == 2
    assert len(images(place)) == 8, "the manifest is of both"
    assert page(place)["images"] == 8
    assert [table["name"] for table in page(place)["documents"]] == ["zero.csv"]
    assert verify(place).findings == {}
    (Path(place) / "zero.csv").write_bytes(b"edited")
    assert verify(place).findings == {"blob-changed": 1}, "an earlier selection's table is proved too"


def test_another_selection_under_the_same_name_is_told(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "d")
    load(dataset.folder, place, where="ImageDir = 0")
    second = load(dataset.folder, place, where="ImageDir = 1")
    assert (second.findings, second.exit_code) == ({"table-replaced": 1}, 0)
    assert there(place)[SUBSET] == chosen(dataset, where="ImageDir = 1")
    assert load(dataset.folder, place, where="ImageDir = 1").findings == {}
    assert verify(place).findings == {}


def test_the_whole_dataset_after_a_selection_keeps_its_table(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "d")
    load(dataset.folder, place, where="ImageDir = 0")
    before = there(place)[SUBSET]
    whole = load(dataset.folder, place)
    assert (whole.sent, whole.already_there, whole.findings) == (5, 6, {})
    assert there(place)[dataset.table.name] == dataset.table.read_bytes()
    assert there(place)[SUBSET] == before, "its images are there, so it holds"
    assert load(dataset.folder, place).findings == {}
    assert verify(place).findings == {}


def test_a_selection_after_the_whole_dataset_leaves_the_whole_table(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "d")
    begin(dataset.folder, place)
    part = load(dataset.folder, place, where="ImageDir = 0")
    assert (part.sent, part.already_there, part.findings) == (0, 6, {})
    assert there(place)[dataset.table.name] == dataset.table.read_bytes()
    assert there(place)[SUBSET] == chosen(dataset, where="ImageDir = 0")
    assert len(images(place)) == 11
    assert verify(place).findings == {}


def test_archives_without_a_selection_go_with_all_that_is_there(dataset: Dataset, tmp_path: Path) -> None:
    """As before: only `--archives` makes no table of its own, unless a name is given for one."""
    place = str(tmp_path / "d")
    load(dataset.folder, place, archives="0")
    named = load(dataset.folder, place, archives="1", table_name="one.csv")
    assert named.findings == {}
    assert tables(place) == {SUBSET, "one.csv"}
    assert (len(keys(there(place)[SUBSET])), len(keys(there(place)["one.csv"]))) == (6, 5)
    load(dataset.folder, place, archives="1")
    assert tables(place) == {dataset.table.name, "one.csv"}
    assert verify(place).findings == {}


def test_a_selected_row_without_image_is_missing_and_not_in_the_table(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 2}, missing=2)
    place = str(tmp_path / "d")
    summary = load(dataset.folder, place, where="ImageDir = 0")
    assert (summary.rows, summary.matched, summary.missing, summary.exit_code) == (4, 3, 1, 3)
    assert set(keys(there(place)[SUBSET])).isdisjoint(dataset.missing)
    assert len(keys(there(place)[SUBSET])) == 3


def test_rows_that_are_not_selected_are_no_strays(dataset: Dataset) -> None:
    summary = check(dataset.folder, where="ImageDir = 0", sample=2)
    assert (summary.rows, summary.stray, summary.missing, summary.exit_code) == (2, 0, 0, 0)


def test_check_takes_the_options_of_a_load_and_refuses_the_same(dataset: Dataset) -> None:
    assert check(dataset.folder, where="ImageDir = 0", table_name="zero.csv").exit_code == 0
    with pytest.raises(UsageError, match="name of a whole table"):
        check(dataset.folder, where="ImageDir = 0", table_name=dataset.table.name)


def lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def test_a_condition_goes_through_all_tables_of_a_dataset(tmp_path: Path) -> None:
    made, place = chexpert(tmp_path / "source", whole=True), str(tmp_path / "d")
    summary = load(made.source, place, where="Path LIKE '%view1%' AND Sex = 'Female'", table_name="mine.csv")
    assert (summary.selection[0].about, summary.selection[0].rows) == ("train.csv, valid.csv", 8)
    assert (summary.rows, summary.images, summary.findings) == (5, 5, {})
    assert tables(place) == {"mine.csv", "valid_small.csv"}
    train, valid = lines(made.tables["train.csv"]), lines(made.tables["valid.csv"])
    assert lines(there(place)["mine.csv"]) == [train[0], *(line for line in train if b"view1" in line)]
    assert lines(there(place)["valid_small.csv"]) == valid
    assert load(made.source, place, where="Path LIKE '%/valid/%'", table_name="more.csv").images == 2
    assert "more.csv" not in tables(place), "no row of the label table was selected"
    assert verify(place).findings == {}


def test_rows_and_images_are_told_apart_where_many_rows_name_one(tmp_path: Path) -> None:
    made, place = vindr(tmp_path / "source", whole=True), str(tmp_path / "d")
    train = lines(made.tables["image_labels_train.csv"])
    one = load(made.source, place, where="rad_ID = 'R8'")
    assert (one.rows, one.images, one.findings) == (4, 4, {})
    assert lines(there(place)["image_labels_train_small.csv"]) == [train[0], *(row for row in train if b",R8," in row)]
    drawn = check(made.source, where="rad_ID IS NOT NULL", sample=2)
    assert (drawn.images, drawn.rows) == (2, 6)
    keys = {line.split(b",")[0].decode() for line in train[1:3]}
    Path("keys.txt").write_text("".join(f"train/{key}.dicom\n" for key in keys))
    listed = check(made.source, images_file="keys.txt", first=1)
    assert (listed.images, listed.rows, listed.findings) == (1, 3, {})
    with pytest.raises(UsageError, match="or of part of another"):
        load(made.source, place, first=1, table_name="image_labels_test_small.csv")


def test_archives_of_a_dataset_whose_rows_do_not_name_them(tmp_path: Path) -> None:
    made = chexpert(tmp_path / "source", whole=True)
    summary = check(made.source, archives="2 (train 1)", where="Path LIKE '%view2%'")
    assert [(step.step, step.rows) for step in summary.selection] == [("table", 8), ("archives", 2), ("where", 1)]


def test_a_foreign_blob_of_that_name_is_left_alone(emulator: Emulator, container: str, dataset: Dataset) -> None:
    from tests.support.harness import client

    with client(emulator, container) as opened:
        opened.upload_blob("mine.csv", b"mine")
    summary = load(dataset.folder, container, first=1, table_name="mine.csv")
    assert (summary.findings, summary.exit_code) == ({"table-conflict": 1}, 3)
    assert content(emulator, container, "mine.csv") == b"mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table_name": "../x.csv"}, "has a `..` segment"),
        ({"table_name": "_laden/x.csv"}, "where laden keeps its own notes"),
        ({"table_name": "_LADEN/x.csv"}, "where laden keeps its own notes"),
        ({"table_name": "a/_laden/x.csv"}, "where laden keeps its own notes"),
        ({"table_name": "{table}"}, "name of a whole table"),
        ({"table_name": "{blob}"}, "name of an image"),
        ({"where": "ImageDir = 7"}, "ImageDir has 0, 1"),
        (
            {"where": "ImageDir = 0", "archives": "1"},
            "selects 6 rows of the table, but none of the 5 in the archives 1",
        ),
        ({"where": "nothing"}, "no column nothing"),
        ({"archives": "9", "where": "true"}, "--archives 9 selects no row"),
        ({"first": 1, "profile": "files"}, "without a table cannot be selected"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(
    dataset: Dataset, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    named = {"{table}": dataset.table.name, "{blob}": next(iter(dataset.blobs))}
    options = {name: named.get(value, value) if isinstance(value, str) else value for name, value in options.items()}
    told: list[Event] = []
    with pytest.raises(UsageError, match=words):
        load(dataset.folder, str(tmp_path / "d"), observer=told.append, **options)
    assert isinstance(told[-1], Summary)
    assert told[-1].exit_code == 2
    assert not (tmp_path / "d").exists() or there(str(tmp_path / "d")) == {}


@pytest.mark.parametrize(
    "broken", [b"{}", b"no json", b'{"format": 1, "state": "complete", "manifest": null, "table": null}']
)
def test_an_unreadable_page_is_made_anew(dataset: Dataset, tmp_path: Path, broken: bytes) -> None:
    place = str(tmp_path / "d")
    load(dataset.folder, place, first=1)
    (Path(place) / PAGE).write_bytes(broken)
    load(dataset.folder, place, first=1)
    assert verify(place).findings == {}


@pytest.mark.parametrize("order", [lambda parts: parts, lambda parts: parts[::-1]])
def test_selections_in_any_order_end_with_the_same_tables(
    dataset: Dataset, tmp_path: Path, order: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    parts: list[dict[str, Any]] = [
        {"where": "ImageDir = 0", "table_name": "zero.csv"},
        {"sample": 3, "table_name": "three.csv"},
        {},
    ]
    place = str(tmp_path / "d")
    for part in order(parts):
        assert load(dataset.folder, place, **part).findings == {}
    assert tables(place) == {"zero.csv", "three.csv", dataset.table.name}
    for part in parts[:2]:
        name = part["table_name"]
        assert there(place)[name] == chosen(
            dataset, **{key: value for key, value in part.items() if key != "table_name"}
        )
    assert verify(place).findings == {}
