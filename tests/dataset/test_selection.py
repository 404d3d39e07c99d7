"""The steps of a selection on small tables: order, counts, byte identity, and what cannot be meant."""

import csv
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laden
from laden.dataset.profile import open_profile
from laden.dataset.selection import Part, Records, describe
from laden.dataset.table import Table
from laden.relations import Relations
from laden.values.errors import SourceError, UsageError
from laden.values.events import Described, Event, Found, Selected, Summary
from laden.verbs.columns import columns
from laden.verbs.select import select

PROFILE = """
name = "tiny"
title = "A tiny table"
layout = "{file}"
[table]
name = "tiny*.csv"
subset = "TINY_SMALL.csv"
key = "file"
suffixes = [".png"]
ignore_case = true
[table.columns]
file = "text"
patient = "text"
age = "integer"
labels = "list"
"""
HEADER = b"file,patient,age,labels\n"
RECORDS = [
    b"a.png,p1,30,\"['x', ' y']\"\n",
    b"b.png,p1,31,\"['x'\n, 'z']\"\n",
    b"a.png,p2,32,[]\n",
    b"c.png,p2,None,nan\n",
    b"d.png,,40,\"['y']\"\n",
    b"e.png,p3,41,\"['x']\"",
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.csv"
    path.write_bytes(HEADER + b"".join(RECORDS))
    (tmp_path / "tiny.toml").write_text(PROFILE)
    return path


def selected(table: Path, **wanted: Any) -> tuple[bytes, list[tuple[str, int]]]:
    out = table.with_name("out.csv")
    summary = select(table, output=out, profile=str(table.with_name("tiny.toml")), **wanted)
    return out.read_bytes(), [(step.step, step.rows) for step in summary.selection[1:]]


def kept(*numbers: int) -> bytes:
    return HEADER + b"".join(RECORDS[number] for number in numbers)


def test_without_a_step_all_records_are_written(table: Path) -> None:
    assert selected(table) == (kept(0, 1, 2, 3, 4, 5), [])


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("age > 30", (1, 2, 4, 5)),
        ("age IS NULL", (3,)),
        ("list_contains(labels, 'z')", (1,)),
        ("patient IS NULL", (4,)),
    ],
)
def test_where(table: Path, where: str, numbers: tuple[int, ...]) -> None:
    assert selected(table, where=where) == (kept(*numbers), [("where", len(numbers))])


def test_first_counts_images_and_takes_all_rows_of_each(table: Path) -> None:
    assert selected(table, first=1) == (kept(0, 2), [("first", 2)])
    assert selected(table, first=2) == (kept(0, 1, 2), [("first", 3)])
    assert selected(table, first=99) == (kept(0, 1, 2, 3, 4, 5), [("first", 6)])


def test_a_sample_takes_all_rows_of_an_image(table: Path) -> None:
    seen = {selected(table, sample=1, seed=seed)[0] for seed in range(12)}
    assert seen <= {kept(0, 2), kept(1), kept(3), kept(4), kept(5)}
    assert kept(0, 2) in seen
    assert len(seen) > 2


def test_a_sample_by_patient_takes_all_or_none_and_no_row_without(table: Path) -> None:
    seen = {selected(table, sample=1, by="patient", seed=seed)[0] for seed in range(12)}
    assert seen == {kept(0, 1), kept(2, 3), kept(5)}
    assert selected(table, sample=9, by="PATIENT") == (kept(0, 1, 2, 3, 5), [("sample", 5)])


def test_a_list_of_images(table: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_bytes(b'\xef\xbb\xbffile\r\nE.png\r\n\r\n"b.png"\r\nb.png\r\n')
    assert selected(table, images_file=tmp_path / "keys.txt") == (kept(1, 5), [("images", 2)])


def test_images_that_no_row_has_are_findings(table: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("b.png\nnone.png\nNONE.png\nother.png\n")
    told: list[Event] = []
    out = select(table, profile=str(tmp_path / "tiny.toml"), images_file=tmp_path / "keys.txt", observer=told.append)
    found = [event.finding for event in told if isinstance(event, Found)]
    assert [(one.code, one.member) for one in found] == [("image-unknown", "none.png"), ("image-unknown", "other.png")]
    assert "line 2 of keys.txt" in found[0].message
    assert (out.rows, out.exit_code) == (1, 3)


def test_the_steps_are_taken_in_one_order(table: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("a.png\nb.png\nd.png\n")
    wanted = {"first": 1, "sample": 2, "by": "patient", "images_file": tmp_path / "keys.txt", "where": "age < 41"}
    out, steps = selected(table, **wanted)
    assert steps == [("where", 4), ("images", 4), ("sample", 3), ("first", 2)]
    assert out == kept(0, 2)


CELLS = st.text(st.sampled_from("ab1,\"'\n []"), max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["k1", "k2", "K1", "k3", ""]), CELLS, st.integers(0, 9)), min_size=1, max_size=8
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(0, 9),
)
def test_what_is_selected_are_records_of_the_original_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]], end: str, final: bool, bound: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.toml").write_text(PROFILE)
    raw: list[bytes] = []
    for row in [("file", "patient", "age"), *rows]:
        text = io.StringIO()
        csv.writer(text, lineterminator=end).writerow(row)
        raw.append(text.getvalue().encode())
    if not final:
        raw[-1] = raw[-1].removesuffix(end.encode())
    (folder / "any.csv").write_bytes(b"".join(raw))
    wanted = [number for number, (_, _, age) in enumerate(rows, 1) if age >= bound]
    options: dict[str, Any] = {"profile": str(folder / "any.toml"), "output": folder / "any-out.csv"}
    (folder / "any-out.csv").unlink(missing_ok=True)
    if not wanted:
        with pytest.raises(UsageError, match="selects no row"):
            select(folder / "any.csv", where=f"age >= {bound}", **options)
        return
    select(folder / "any.csv", where=f"age >= {bound}", **options)
    assert (folder / "any-out.csv").read_bytes() == raw[0] + b"".join(raw[number] for number in wanted)
    keyed = {rows[number - 1][0].casefold() for number in wanted} - {""}
    if keyed:
        drawn = select(folder / "any.csv", where=f"age >= {bound}", sample=1, **options)
        assert drawn.selection[-1].rows in {
            sum(rows[number - 1][0].casefold() == key for number in wanted) for key in keyed
        }


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"where": " "}, "--where is empty"),
        ({"by": "patient"}, "--by belongs to a sample"),
        ({"seed": 2}, "--seed belongs to a sample"),
        ({"sample": 1, "by": "pateint"}, r"no column 'pateint' \(did you mean patient\?\)"),
        ({"where": "age = 99"}, "selects no row of tiny.csv: age has 30, 31, 32, 40, 41"),
        ({"where": "list_contains(labels, 'xx')"}, "labels has 'x', 'y', 'z'"),
        ({"where": "patient = 'P1'"}, r"patient has 'p1', 'p2', 'p3' \(did you mean 'p1'\?\)"),
        ({"where": "age IS NULL", "sample": 1, "by": "age"}, "no selected row has a value in age"),
        ({"images_file": "none.txt"}, "cannot be read"),
        ({"output": "tiny.csv"}, "is the table itself"),
        ({"output": "tiny.parquet"}, "a table is written as it came: name a .csv"),
        ({"output": "no/such/folder.csv"}, "cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_told(table: Path, wanted: dict[str, Any], words: str) -> None:
    before = sorted(table.parent.iterdir())
    told: list[Event] = []
    with pytest.raises(UsageError, match=words):
        select(table, **{"profile": "tiny.toml", "observer": told.append, "output": "out.csv", **wanted})
    assert isinstance(told[-1], Summary)
    assert told[-1].exit_code == 2
    assert sorted(table.parent.iterdir()) == before
    assert table.read_bytes() == kept(0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("wanted", [{"sample": 0}, {"first": -1}, {"sample": 1.5}])
def test_a_number_out_of_its_bounds_begins_no_run(table: Path, wanted: dict[str, Any]) -> None:
    told: list[Event] = []
    with pytest.raises(UsageError, match=f"{next(iter(wanted))} takes a whole number of 1 or more"):
        select(table, profile="tiny.toml", observer=told.append, **wanted)
    assert told == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x.png\n", "none of the 1 keys in .*keys.txt is one of tiny.csv: write one file a line, as in a.png"),
        (b"", "none of the 0 keys"),
        (b"d.png\n", "steps before left none"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_list_that_gives_nothing(table: Path, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        selected(table, images_file=tmp_path / "keys.txt", where="age < 40")


def test_a_table_that_no_profile_knows_is_text(table: Path) -> None:
    assert select(table, where="age = '30'").rows == 1
    assert select(table, where="TRY_CAST(age AS INTEGER) > 31").rows == 3
    assert select(table, first=2).rows == 2
    assert select(table, sample=1, by="patient").rows in (1, 2)
    with pytest.raises(UsageError, match="name one with --by, or a --profile"):
        select(table, sample=1)
    with pytest.raises(UsageError, match="name a --profile"):
        select(table, images_file=table)


def test_records_of_another_width_are_told_and_never_selected(table: Path) -> None:
    table.write_bytes(HEADER + b"a.png,p1\n" + RECORDS[1])
    told: list[Event] = []
    summary = select(table, profile="tiny.toml", where="true", output="out.csv", observer=told.append)
    assert (summary.rows, summary.exit_code, summary.findings) == (1, 3, {"row-fields": 1})
    assert Path("out.csv").read_bytes() == HEADER + RECORDS[1]


def test_packed_output_is_the_same_each_time(table: Path) -> None:
    for name in ("one.csv.gz", "two.csv.gz"):
        select(table, profile="tiny.toml", where="age = 30", output=name)
    assert gzip.decompress(Path("one.csv.gz").read_bytes()) == kept(0)
    assert Path("one.csv.gz").read_bytes() == Path("two.csv.gz").read_bytes()


def test_a_file_that_is_there_stays_until_the_new_one_is_whole(table: Path) -> None:
    Path("out.csv").write_bytes(HEADER + b"before")
    table.write_bytes(HEADER + RECORDS[0] + b'b.png,p1,30,"never closed\n')
    with pytest.raises(SourceError):
        select(table, profile="tiny.toml", where="age = 30", output="out.csv")
    assert Path("out.csv").read_bytes() == HEADER + b"before"
    assert [path.name for path in Path.cwd().iterdir() if path.name.startswith(".")] == []


def test_a_device_is_written_to(table: Path) -> None:
    assert select(table, profile="tiny.toml", where="age = 30", output=os.devnull).rows == 1
    assert not Path(os.devnull).is_file()


def test_events_tell_the_steps_and_the_columns(table: Path) -> None:
    told: list[Event] = []
    laden.select(table, profile="tiny.toml", where="age = 30", observer=told.append)
    (event,) = [event for event in told if isinstance(event, Selected)]
    assert [(step.step, step.about, step.rows) for step in event.selection] == [
        ("table", "tiny.csv", 6),
        ("where", "age = 30", 1),
    ]
    facts = laden.columns(table, profile="tiny.toml", observer=told.append)
    (described,) = [event for event in told if isinstance(event, Described)]
    assert (described.facts, described.profile) == (facts, "tiny")
    labels = facts.columns[3]
    assert (labels.kind, labels.rows, labels.empty, labels.distinct) == ("list", 6, 1, 3)
    assert [(value.text, value.rows) for value in labels.commonest] == [("x", 3), ("y", 2), ("z", 1)]


def test_columns_of_some_rows(table: Path) -> None:
    """As a report asks, of what was selected."""
    shape = open_profile("tiny.toml").table
    with Relations() as relations:
        relations.feed("rows", [(row, "", "", "", "", True, row in (1, 4, 6), "") for row in range(1, 7)])
        found = describe(
            Records(relations, [Part(Table.open(table).hold(relations.folder), shape)]),
            relations,
            ["labels", "age"],
            most=1,
            within="SELECT row FROM rows WHERE selected",
        )
    labels, age = found.columns
    assert (found.rows, labels.rows, labels.empty, age.empty, age.lowest, age.highest) == (3, 3, 1, 1, "30", "41")
    assert [(value.text, value.rows) for value in labels.commonest] == [("x", 2)]


def test_named_columns_are_told_whole(table: Path) -> None:
    facts = columns(table, ["labels", "AGE"], profile="tiny.toml", most=1)
    labels, age = facts.columns
    assert [(value.text, value.rows) for value in labels.commonest] == [("x", 3), ("y", 2), ("z", 1)]
    assert [value.text for value in age.commonest] == ["30", "31", "32", "40", "41"]
    with pytest.raises(UsageError, match=r"no column 'label' \(did you mean labels\?\)"):
        columns(table, ["label"], profile="tiny.toml")


def test_columns_of_an_empty_table(table: Path) -> None:
    table.write_bytes(HEADER)
    facts = columns(table, profile="tiny.toml")
    assert (facts.rows, [column.distinct for column in facts.columns]) == (0, [0] * 4)


@pytest.mark.parametrize("ask", [select, columns])
def test_a_profile_without_a_table_is_refused(table: Path, ask: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="'files' has no table"):
        ask(table, profile="files")


def test_findings_are_written_where_asked(table: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("b.png\nnone.png\n")
    wanted: dict[str, Any] = {"profile": "tiny.toml", "images_file": tmp_path / "keys.txt"}
    assert select(table, findings_file=tmp_path / "found.csv", **wanted).findings_file == str(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="") as file:
        assert [row["member"] for row in csv.DictReader(file)] == ["none.png"]
    assert (tmp_path / "found.parquet").is_file()
