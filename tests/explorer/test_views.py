"""Paging, sorting, finding, filtering and facets, held against the same done by hand; and the page's answers."""

import ast
import csv
import fnmatch
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from laden.explorer import export, keylist
from laden.explorer.database import Shared
from laden.explorer.index import Index
from laden.explorer.labels import Labels
from laden.explorer.views import Query, Views
from laden.verbs.load import load
from tests.explorer.served import Asker, explored
from tests.support import places
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 30, "1": 25, "54": 20}, broken=2, missing=2, stray=1)


@pytest.fixture(scope="module")
def place(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place") / "dest"
    load(dataset.folder, str(folder), archives="0,1,54")
    (folder / "notes").mkdir()
    (folder / "notes" / "Über=alles.txt").write_text("foreign")
    return folder


@pytest.fixture(scope="module")
def rows(place: Path) -> list[dict[str, str]]:
    with next(place.glob("PADCHEST*.csv")).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def asker(place: Path) -> Any:
    with explored(str(place)) as found:
        yield found


@pytest.fixture(scope="module")
def everything(asker: Asker) -> list[list[Any]]:
    view = asker.post("view")
    found = asker.get("rows", view=view["view"], **{"from": 0, "n": 2000})["rows"]
    assert len(found) == view["rows"]
    return list(found)


NAME, SIZE, MODIFIED, KIND, WIDTH = 1, 2, 3, 4, 5


def test_all_that_is_there_is_listed_in_order(everything: list[list[Any]], place: Path) -> None:
    there = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert [row[NAME] for row in everything] == sorted(name for name in there if name != "_laden/folder.jsonl")
    assert [row[0] for row in everything] == list(range(len(everything)))
    assert all(row[SIZE] == (place / row[NAME]).stat().st_size for row in everything)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("column", "place_of"), [("name", NAME), ("size_bytes", SIZE), ("width", WIDTH)])
def test_every_window_of_every_order_is_part_of_the_whole(
    asker: Asker, everything: list[list[Any]], column: str, place_of: int, descending: bool
) -> None:
    view = asker.post("view", sort=column, descending=descending)
    filled = [row for row in everything if row[place_of] is not None]
    empty = [row for row in everything if row[place_of] is None]
    order = sorted(filled, key=lambda row: (row[place_of], row[NAME]), reverse=descending)
    expected = [row[NAME] for row in order] + [row[NAME] for row in (empty[::-1] if descending else empty)]
    assert asker.names(view) == expected
    for start in (0, 1, 7, len(expected) - 3, len(expected)):
        for count in (1, 5):
            found = asker.get("rows", view=view["view"], **{"from": start, "n": count})["rows"]
            assert [row[NAME] for row in found] == expected[start : start + count]
            assert [row[0] for row in found] == list(range(start, min(start + count, len(expected))))
    for at in (0, 5, len(expected) - 1):
        assert asker.get("at", view=view["view"], name=expected[at])["at"] == at


@pytest.mark.parametrize("find", ["png", "1", "Ü", "über", "_LADEN", "no such thing", "%", "'", "\\", "=al"])
def test_any_part_of_a_name_is_found(asker: Asker, everything: list[list[Any]], find: str) -> None:
    view = asker.post("view", find=find)
    names = [row[NAME] for row in everything]
    assert asker.names(view) == [name for name in names if find.lower() in name.lower()]


@pytest.mark.parametrize("find", ["*.png", "png/1/*", "load.json", "*?.csv", "*[0-3].png"])
def test_globs(asker: Asker, everything: list[list[Any]], find: str) -> None:
    names = [row[NAME] for row in everything]
    pattern = find if find.startswith("*") else f"*{find}"
    assert asker.names(asker.post("view", find=find, how="glob")) == [
        name for name in names if fnmatch.fnmatchcase(name, pattern)
    ]


@pytest.mark.parametrize("find", [r"\.png$", r"^png/(1|54)/", r"[0-9]{5,}_", r"(?i)ÜBER"])
def test_regular_expressions(asker: Asker, everything: list[list[Any]], find: str) -> None:
    names = [row[NAME] for row in everything]
    assert asker.names(asker.post("view", find=find, how="regex")) == [name for name in names if re.search(find, name)]


def test_a_wrong_expression_is_a_sentence(asker: Asker) -> None:
    status, told = asker.refused("POST", "view", find="(", how="regex")
    assert status == 400
    assert "(" in told
    assert "Traceback" not in told


def test_folders_have_counts_and_bytes(asker: Asker, everything: list[list[Any]]) -> None:
    for folder in ("", "png/", "png/54/", "notes/", "none/"):
        expected: dict[str, list[int]] = {}
        for row in everything:
            rest = row[NAME].removeprefix(folder)
            if row[NAME].startswith(folder) and "/" in rest:
                count = expected.setdefault(rest.partition("/")[0], [0, 0])
                count[0] += 1
                count[1] += row[SIZE]
        view = asker.post("view", folder=folder)
        found = {name: [count, size] for name, count, size in asker.get("folders", view=view["view"])["folders"]}
        assert found == expected
        assert view["rows"] == sum(row[NAME].startswith(folder) for row in everything)
        assert view["bytes"] == sum(row[SIZE] for row in everything if row[NAME].startswith(folder))


def test_conditions_over_labels_select_their_images(asker: Asker, rows: list[dict[str, str]]) -> None:
    def images(of: Any) -> set[str]:
        return {f"png/{row['ImageDir']}/{row['ImageID']}" for row in rows if of(row)}

    assert set(asker.names(asker.post("view", where=["Projection = 'PA'"]))) == images(
        lambda r: r["Projection"] == "PA"
    )
    both = asker.post("view", where=["ImageDir IN (0, 54)", "list_contains(Labels, 'normal')"], sort="ImageID")
    expected = images(lambda r: r["ImageDir"] in ("0", "54") and "normal" in _labels(r["Labels"]))
    assert set(asker.names(both)) == expected
    assert [name.rpartition("/")[2] for name in asker.names(both)] == sorted(n.rpartition("/")[2] for n in expected)
    assert both["commands"]["cli"].startswith("laden select PADCHEST")
    assert "--where '(ImageDir IN (0, 54)) AND (list_contains" in both["commands"]["cli"].replace("'\"'\"'", "'")


def test_conditions_over_what_is_known_of_images(asker: Asker, dataset: Dataset) -> None:
    view = asker.post("view", where=["laden_state = 'png-truncated'"])
    assert view["rows"] == len(dataset.broken) == 2
    assert not view["commands"]["cli"]
    marked = asker.post("view", where=["laden_mark = 'exclude'"])["commands"]
    assert marked["cli"].endswith("--marks laden-marks.csv -o selected.csv")
    assert marked["python"].endswith("""marks_file="laden-marks.csv", output="selected.csv")""")
    assert asker.post("view", where=["laden_width = 16 AND laden_bits = 16"])["rows"] == 75
    assert asker.names(asker.post("view", where=["laden_fate = 'foreign'"])) == ["notes/Über=alles.txt"]


@pytest.mark.parametrize(
    "where",
    [
        "1 = 1) OR (1 = 1",
        "Projection = 'PA' ORDER BY 1",
        "true; DROP TABLE items",
        "EXISTS (SELECT 1 FROM items)",
        "laden_name IN (SELECT content FROM read_text('/etc/passwd'))",
        "getenv('HOME') = 'x'",
        "nosuch = 1",
        "laden_pos = 1",
        "",
        "--",
        "Projection = $1",
    ],
)
def test_nothing_but_a_condition_over_the_columns_is_executed(asker: Asker, where: str) -> None:
    status, told = asker.refused("POST", "view", where=[where])
    assert status == 400
    assert told
    assert asker.post("view")["rows"] > 0


def test_facets_count_images(asker: Asker, rows: list[dict[str, str]]) -> None:
    found = {one["name"]: one for one in asker.get("columns")["facets"]}
    assert {"Projection", "Labels", "laden_state"} <= set(found)
    assert "ImageID" not in found or not found["ImageID"]["open"]
    view = asker.post("view", folder="png/")
    values = asker.get("facet", view=view["view"], column="Projection")["values"]
    expected = Counter(row["Projection"] or None for row in rows)
    assert {one["text"]: one["count"] for one in values} == dict(expected)
    for one in values:
        assert asker.post("view", folder="png/", where=[one["condition"]])["rows"] == one["count"]
    labels = asker.get("facet", view=view["view"], column="Labels")["values"]
    for one in labels[:5]:
        assert asker.post("view", where=[one["condition"]], folder="png/")["rows"] == one["count"]
        if one["text"] is not None:
            assert one["count"] == sum(one["text"] in _labels(row["Labels"]) for row in rows)


def _labels(cell: str) -> set[str]:
    return {label.strip() for label in ast.literal_eval(cell)} if cell.startswith("[") else set()


def test_a_histogram_covers_all_and_each_bar_filters(asker: Asker) -> None:
    view = asker.post("view", where=["StudyDate_DICOM IS NOT NULL"])
    bins = asker.get("facet", view=view["view"], column="StudyDate_DICOM")["bins"]
    assert sum(one["count"] for one in bins) == view["rows"] == 75
    for one in bins:
        if one["count"]:
            assert asker.post("view", where=[one["condition"]])["rows"] == one["count"]


def test_an_item_tells_its_rows_and_where_it_came_from(
    asker: Asker, rows: list[dict[str, str]], dataset: Dataset
) -> None:
    row = rows[3]
    name = f"png/{row['ImageDir']}/{row['ImageID']}"
    told = asker.get("item", name=name)
    names = asker.get("columns")["columns"]
    values = dict(zip(names, told["rows"][0]["values"], strict=False))
    assert values["ImageID"] == row["ImageID"]
    assert values["PatientID"] == row["PatientID"]
    assert told["item"]["archive"] == f"{row['ImageDir']}.zip"
    assert told["item"]["member"] == row["ImageID"]
    assert told["item"]["md5"] == dataset.md5s[name].hex()
    assert "unchanged" in told["known"]
    assert asker.get("properties", name=name)["properties"]["x-ms-meta-laden_size"] == str(told["item"]["size_bytes"])
    (zip_, member) = dataset.broken[0]
    broken = asker.get("item", name=f"png/{zip_[:-4]}/{member}")
    assert broken["state_text"]
    assert asker.refused("GET", "item", name="nothing")[0] == 404


def test_exports_hold_the_selection_with_its_labels(asker: Asker, rows: list[dict[str, str]]) -> None:
    view = asker.post("view", where=["Projection = 'PA'"], sort="size_bytes", descending=True)
    names = asker.names(view)
    status, headers, data = asker.raw("GET", f"/api/export?view={view['view']}&form=csv")
    found = list(csv.DictReader(io.StringIO(data.decode())))
    assert status == 200
    assert [one["name"] for one in found] == names
    assert {one["Projection"] for one in found} == {"PA"}
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment")
    keys = asker.raw("GET", f"/api/export?view={view['view']}&form=keys")[2].decode().split()
    assert keys == [name.rpartition("/")[2] for name in names]
    # The load's own documents are no images of it, nor is what others put there.
    every = asker.post("view")
    told = asker.raw("GET", f"/api/export?view={every['view']}&form=keys")[2].decode().split("\n")
    listed = asker.names(every)
    assert {"_laden/load.json", "_laden/manifest.parquet"} < {*listed}
    assert sorted(filter(None, told)) == sorted(name.rpartition("/")[2] for name in listed if name.endswith(".png"))
    parquet = asker.raw("GET", f"/api/export?view={view['view']}&form=parquet")[2]
    assert parquet[:4] == parquet[-4:] == b"PAR1"


@pytest.mark.parametrize("query", [{}, {"descending": True}, {"sort": "size_bytes"}, {"where": ["Projection = 'PA'"]}])
def test_a_part_at_a_time_is_the_same_file(
    query: dict[str, Any], asker: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    view = asker.post("view", **query)["view"]
    ask = [asker.raw("GET", f"/api/export?view={view}&form={form}") for form in ("csv", "keys", "parquet")]
    for module in (export, keylist):
        monkeypatch.setattr(module, "PART_ROWS", 3)
    parts = [asker.raw("GET", f"/api/export?view={view}&form={form}") for form in ("csv", "keys", "parquet")]
    assert [status for status, *_ in (*ask, *parts)] == [200] * 6
    assert [data for *_, data in ask[:2]] == [data for *_, data in parts[:2]]
    files = [tmp_path / "at-once.parquet", tmp_path / "parts.parquet"]
    for file, (*_, data) in zip(files, (ask[2], parts[2]), strict=True):
        file.write_bytes(data)
    at_once, of_parts = (duckdb.sql(f"FROM '{file}'") for file in files)
    assert at_once.columns == of_parts.columns
    assert at_once.fetchall() == of_parts.fetchall()
    assert [row[0] for row in at_once.fetchall()] == [
        row["name"] for row in csv.DictReader(io.StringIO(ask[0][2].decode()))
    ]


def test_no_spreadsheet_runs_what_is_exported(asker: Asker, place: Path) -> None:
    (place / "=cmd()").write_text("x")
    asker.post("refresh")
    asker.until(lambda: asker.ready()["items"] and asker.post("view", find="=cmd")["rows"] == 1)
    view = asker.post("view", find="=cmd")
    assert (
        asker.raw("GET", f"/api/export?view={view['view']}&form=csv")[2].decode().splitlines()[1].startswith("'=cmd()")
    )
    (place / "=cmd()").unlink()


def test_no_spreadsheet_runs_a_columns_name_or_the_wide_forms(tmp_path: Path) -> None:
    profiled = places.profile(tmp_path, archive="{ImageDir}.zip")
    source = tmp_path / "source"
    source.mkdir()
    odd = ['=HYPERLINK("http://x")', "\uff0bwide", "@plain"]
    cells = ["\uff1d1+1", "\uff0d2", "\uff20x", "kept = so"]
    with (source / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["ImageDir", "ImageID", "Label", *odd], ["0", "a.bin", *cells]])
    places.pack(source / "0.zip", {"a.bin": "0/a"})
    places.load(source, str(tmp_path / "there"), profile=profiled)
    with explored(str(tmp_path / "there"), profile=profiled) as asker:
        view = asker.post("view", folder="png/")["view"]
        data = asker.raw("GET", f"/api/export?view={view}&form=csv")[2].decode()
        header, row = csv.reader(io.StringIO(data))
        assert header[-3:] == [f"'{name}" for name in odd]
        assert row[-4:] == [*(f"'{cell}" for cell in cells[:3]), cells[3]]


def test_odd_requests_are_sentences(asker: Asker) -> None:
    assert asker.refused("POST", "view", where="x")[0] == 400
    assert asker.refused("POST", "view", how="psychic")[0] == 400
    assert asker.refused("POST", "view", sort="no such column")[0] == 400
    assert asker.get("rows", view=999_999) == {"stale": True}
    assert asker.refused("GET", "rows", view="x")[0] == 400
    assert asker.refused("GET", "facet", view=1, column="'; DROP TABLE items")[0] == 400
    assert asker.refused("GET", "export", view=asker.post("view")["view"], form="exe")[0] == 400
    assert asker.raw("POST", "/api/view", headers={"Content-Type": "text/plain"})[0] == 400
    assert json.loads(asker.raw("POST", "/api/view", [1])[2])["kind"] == "usage"
    assert asker.raw("GET", "/static/../app.py")[0] in (404, 401)
    assert asker.raw("GET", "/static/%2e%2e/app.py")[0] in (404, 401)


def test_few_views_are_kept_and_those_in_use_longest(asker: Asker) -> None:
    used, idle = asker.post("view", find="used")["view"], asker.post("view", find="idle")["view"]
    for number in range(8):
        assert asker.get("rows", view=used)["rows"] == []
        asker.post("view", find=f"another {number}")
    assert asker.get("rows", view=idle) == {"stale": True}
    assert asker.post("view", find="idle")["view"] > idle


@pytest.mark.parametrize("sort", ["name", "size_bytes", "Projection"])
@pytest.mark.parametrize("descending", [False, True])
def test_what_is_in_a_folder_is_the_same_in_every_order(asker: Asker, sort: str, descending: bool) -> None:
    plain = asker.post("view", folder="png/")
    other = asker.post("view", folder="png/", sort=sort, descending=descending)
    assert (other["rows"], other["bytes"]) == (plain["rows"], plain["bytes"])
    assert sorted(asker.names(other)) == asker.names(plain)
    for asked, more in (("folders", {}), ("facet", {"column": "Projection"}), ("facet", {"column": "laden_bytes"})):
        assert asker.get(asked, view=other["view"], **more) == asker.get(asked, view=plain["view"], **more)


def test_a_folder_is_asked_for_by_its_ends_in_every_order() -> None:
    """A list of a million positions, of which a question makes a table, is a third of the server's memory."""
    with Shared() as relations:
        index, labels = Index(relations), Labels(relations)
        try:
            relations.run("INSERT INTO packed.items (pos, name, size_bytes) SELECT i, 'a/' || i, i FROM range(9) t(i)")
            views = Views(relations, labels)
            for query in (Query(folder="a/"), Query(folder="a/", sort="size_bytes", descending=True)):
                view = views.open(query, index.state.generation)
                assert views.within(view, "pos") == "pos BETWEEN 0 AND 8"
            view = views.open(Query(find="7"), index.state.generation)
            assert "SELECT" in views.within(view, "pos")
        finally:
            labels.close()
