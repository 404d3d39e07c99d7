"""`laden select` and `laden columns` as a person runs them, and the page that teaches them."""

import json
import re
from pathlib import Path

import pytest

import laden
from laden.dataset.profile import open_profile
from laden.dataset.selection import Part, Records
from laden.dataset.selection.condition import parse_condition
from laden.dataset.table import Table
from laden.relations import Relations
from laden.values.units import share
from laden.verbs.load import load
from laden.verbs.select import select
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import run

PAGE = Path(__file__).parents[2] / "docs" / "selecting.md"

pytest_plugins = ("tests.support.padchest",)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 6, "1": 5})


def test_select_shows_each_step_and_writes(dataset: Dataset, tmp_path: Path) -> None:
    ran = run("select", dataset.table, "--where", "ImageDir = 0", "--first", "2", "-o", tmp_path / "small.csv")
    assert (ran.code, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[1:4] == [
        f"11 rows of {dataset.table.name}",
        "6 of them where ImageDir = 0",
        "2 of them in the first 2 images",
    ]
    assert "2 rows written to" in lines[4]
    assert len((tmp_path / "small.csv").read_bytes().splitlines()) >= 3


def test_select_without_a_file_counts(dataset: Dataset) -> None:
    ran = run("select", dataset.table, "--where", "ImageDir = 0")
    assert ran.code == 0
    assert "Nothing was written" in ran.out


def test_select_to_stdout_is_the_table_alone(dataset: Dataset) -> None:
    ran = run("select", dataset.table, "--where", "ImageDir = 1", "-o", "-")
    select(dataset.table, where="ImageDir = 1", output="same.csv")
    assert ran.out.encode() == Path("same.csv").read_bytes()
    assert "5 rows written to stdout" in ran.err
    assert run("select", dataset.table, "-o", "-", "--json").code == 2


@pytest.mark.parametrize("name", ["small.csv", "small.csv.gz"])
def test_select_replaces_what_it_wrote_and_nothing_else(dataset: Dataset, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    for first in ("2", "1"):
        assert run("select", dataset.table, "--first", first, "-o", out).code == 0
    out.write_text("my notes")
    ran = run("select", dataset.table, "--first", "1", "-o", out)
    assert (ran.code, out.read_text()) == (2, "my notes")
    assert "is there and is no table with these columns" in ran.err


def test_a_wrong_condition_is_one_line_on_stderr(dataset: Dataset) -> None:
    ran = run("select", dataset.table, "--where", "ImageDr = 0", "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean ImageDir?" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_check_takes_a_list_and_shows_the_plan(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("\n".join([*list(dataset.rows)[:3], "none.png"]))
    ran = run("check", dataset.folder, "--images-from", tmp_path / "keys.txt", "--archives", "0")
    assert ran.code == 3
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert {"6 of them in the archives 0", "3 of them named in keys.txt (4 keys)", "1 image-unknown error"} <= set(
        lines
    )
    both = run("check", dataset.folder, "--where", "ImageDir = 0", "--sample", "2", "--seed", "5", "--json")
    assert [step["step"] for step in both.summary["selection"]] == ["table", "where", "sample"]


def test_columns_fit_80_characters(dataset: Dataset) -> None:
    ran = run("columns", dataset.table, env={"COLUMNS": "80"})
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines()[1:])) <= 80
    assert "ImageDir  integer  2 values, from 0 to 1" in ran.out
    assert "Labels  list" in ran.out


def test_select_of_a_folder_names_the_table_in_it(dataset: Dataset) -> None:
    ran = run("select", dataset.folder, "--where", "ImageDir = 0")
    assert ran.code == 2
    assert f"is a folder, and select takes the table itself: {dataset.table}" in ran.err


def test_columns_as_json(dataset: Dataset) -> None:
    ran = run("columns", dataset.table, "--json")
    (event,) = [event for event in ran.events if event["event"] == "columns"]
    assert (event["profile"], event["facts"]["rows"]) == ("padchest", 11)
    (column,) = [column for column in event["facts"]["columns"] if column["name"] == "ImageDir"]
    assert column["commonest"] == [{"text": "0", "rows": 6}, {"text": "1", "rows": 5}]
    assert json.loads(ran.out.splitlines()[-1])["rows"] == 11


def test_all_values_of_a_column(dataset: Dataset) -> None:
    ran = run("columns", dataset.table, "Projection", "ImageDir", env={"COLUMNS": "80"})
    assert ran.code == 0
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert {"6 55 % 0", "5 45 % 1"} <= set(lines)
    assert "Labels" not in ran.out
    told = run("columns", dataset.table, "Labels", "--json")
    (event,) = [event for event in told.events if event["event"] == "columns"]
    (column,) = event["facts"]["columns"]
    assert event["all_values"]
    assert len(column["commonest"]) == column["distinct"]
    assert run("columns", dataset.table, "Lables").code == 2


def test_columns_of_a_folder_and_of_a_destination(dataset: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "there"
    assert load(dataset.folder, str(place)).complete
    seen = [laden.columns(where) for where in (dataset.table, dataset.folder, place)]
    assert [facts.columns for facts in seen[1:]] == [seen[0].columns] * 2
    assert seen[2].rows == 11
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no table")
    assert run("columns", tmp_path / "notes").code == 2


@pytest.mark.parametrize("verb", ["select", "columns"])
def test_each_verb_has_help_and_stands_in_its_page(verb: str) -> None:
    ran = run(verb, "--help")
    assert ran.code == 0
    page = PAGE.read_text("utf-8")
    assert f"laden {verb}" in page
    for option in re.findall(r"(--[a-z-]+)", ran.out):
        assert option in page or option in ("--help", "--profile", "--findings", "--quiet", "--output", "--no"), option


def test_every_condition_of_the_page_is_one(padchest_table: Path) -> None:
    text = PAGE.read_text("utf-8")
    conditions = set(re.findall(r'--where "([^"]+)"', text))
    conditions |= {cell for cell in re.findall(r"^\| [^|]+ \| `([^`]+)` \|$", text, re.MULTILINE) if cell[:2] != "--"}
    # Columns of marks are there with a table of marks only (`tests/dataset/test_selection_marks.py`).
    conditions = {condition for condition in conditions if "laden_" not in condition}
    assert len(conditions) >= 10
    shape = open_profile("padchest").table
    with Relations() as relations:
        records = Records(relations, [Part(Table.open(padchest_table).hold(relations.folder), shape)])
        for condition in conditions:
            assert parse_condition(condition, records, relations).columns


@pytest.mark.parametrize(
    ("part", "shown"), [(0, "0 %"), (1, "<0.1 %"), (50, "0.5 %"), (1234, "12 %"), (9999, "99.9 %"), (10_000, "100 %")]
)
def test_shares_as_people_read_them(part: int, shown: str) -> None:
    assert share(part, 10_000) == shown
    assert share(1, 100_000) == "<0.1 %"
    assert share(0, 0) == "0 %"
