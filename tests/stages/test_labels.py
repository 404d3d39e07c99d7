"""The labels of a load: what is in a cell, which image has which, and the forms that they are written in."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.dataset.table import Table
from laden.dataset.table.labels import labels_of
from laden.demo.emulator import Emulator
from laden.stages.labels import STARTS
from laden.values.errors import UsageError
from laden.verbs.labels import Exported, export_labels
from laden.verbs.load import load
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, run

pytest_plugins = ("tests.support.padchest",)
TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['pneumonia', ' pleural effusion', 'pneumonia']", ("pneumonia", "pleural effusion")),
        ("['']", ()),
        ("['', ' normal']", ("normal",)),
        ("nan", ()),
        ("", ()),
        (" None ", ()),
        ("""["it's", 'a "b"']""", ("it's", 'a "b"')),
        ("[]", ()),
        ("['a', nan]", ("a",)),
        ("['a'", None),
        ("__import__('os')", None),
        ("{'a': 1}", None),
        ("[" * 10_000, None),
    ],
)
def test_what_a_list_says(cell: str, labels: tuple[str, ...] | None) -> None:
    assert labels_of(cell, "list") == labels


def test_a_plain_column_holds_one_label() -> None:
    assert labels_of(" No Finding ", "text") == ("No Finding",)
    assert labels_of("nan", "text") == ()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_list_that_python_prints_is_read(labels: list[str]) -> None:
    kept = [label.strip() for label in labels if label.strip() not in ("", "nan", "None")]
    assert labels_of(repr(labels), "list") == tuple(dict.fromkeys(kept))


def test_all_of_padchest_is_read(padchest_table: Path) -> None:
    """Counted in the table itself: 103 rows `nan`, 777 `['']`, 193 labels once trimmed."""
    table = Table.open(padchest_table)
    column = table.column("Labels")
    found = [labels_of(record.fields[column], "list") for record in table.records()]
    assert len(found) == 160_861
    assert None not in found
    assert sum(labels == () for labels in found) == 103 + 777
    names = {label for labels in found if labels for label in labels}
    assert len(names) == 193
    assert not [name for name in names if "|" in name or name != name.strip()]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twelve images; one row without image, one image without row, one broken inside."""
    return make_dataset(tmp_path_factory.mktemp("labels") / "source", {"0": 4, "1": 8}, missing=1, stray=1, broken=1)


@pytest.fixture
def loaded(dataset: Dataset, tmp_path: Path) -> str:
    place = str(tmp_path / "there")
    begin(dataset.folder, place, strays="send", code=3)
    return place


def truth(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Labels of each whole image with a row, as the published table has them."""
    table = Table.open(dataset.table)
    columns = [table.column(name) for name in ("ImageDir", "ImageID", "Labels")]
    rows = [[record.fields[column] for column in columns] for record in table.records()]
    broken = {f"png/{archive[:-4]}/{name}" for archive, name in dataset.broken}
    return {
        name: labels_of(cell, "list") or ()
        for folder, image, cell in rows
        if (name := f"png/{folder}/{image}") in dataset.blobs and name not in broken
    }


def exported(place: str, tmp_path: Path, form: str, urls: str = "relative") -> tuple[Exported, str]:
    path = tmp_path / f"labels.{form}"
    done = export_labels(place, path, form=form, urls=urls)  # type: ignore[arg-type]
    return done, path.read_text("utf-8")


def test_a_file_s_name_says_its_form_unless_another_is_asked_for(loaded: str, tmp_path: Path) -> None:
    for name, form in (("a.csv", "csv"), ("a.jsonl", "jsonl"), ("a.coco.json", "coco"), ("a", "jsonl")):
        assert export_labels(loaded, tmp_path / name).form == form
        assert (tmp_path / name).read_bytes().startswith(STARTS[form])
    assert export_labels(loaded, tmp_path / "b", form="csv").form == "csv"
    for name in ("c.csv", "c.json"):
        with pytest.raises(UsageError, match="--format asks for jsonl: leave one of the two out"):
            export_labels(loaded, tmp_path / name, form="jsonl")
        assert not (tmp_path / name).exists()


def test_json_lines_have_the_images_with_labels(loaded: str, dataset: Dataset, tmp_path: Path) -> None:
    done, text = exported(loaded, tmp_path, "jsonl")
    lines = [json.loads(line) for line in text.splitlines()]
    labelled = {name: labels for name, labels in truth(dataset).items() if labels}
    assert {line["image_url"]: tuple(line["label"]) for line in lines} == labelled
    assert [line["image_url"] for line in lines] == sorted(labelled)
    assert {json.dumps(line["image_details"]) for line in lines} == {'{"format": "png", "width": 16, "height": 16}'}
    whole = len(dataset.blobs)
    assert done.counts == (whole + 1, len(labelled), whole - len(labelled), 1, 0)
    assert done.written == len(labelled)


def test_csv_has_every_whole_image(loaded: str, dataset: Dataset, tmp_path: Path) -> None:
    done, text = exported(loaded, tmp_path, "csv")
    records = list(csv.DictReader(text.splitlines()))
    found = {record["path"]: tuple(filter(None, record["labels"].split("|"))) for record in records}
    (stray,) = (f"png/{archive[:-4]}/{name}" for archive, name in dataset.stray)
    assert found == {**truth(dataset), stray: ()}
    assert [record["path"] for record in records] == sorted(found)
    assert done.written == len(found)


def test_coco_has_an_annotation_for_each_label(loaded: str, dataset: Dataset, tmp_path: Path) -> None:
    _, text = exported(loaded, tmp_path, "coco", "https://example.org/images")
    page = json.loads(text)
    categories = {one["id"]: one["name"] for one in page["categories"]}
    images = {one["id"]: one for one in page["images"]}
    assert list(categories.values()) == sorted(categories.values())
    found: dict[str, list[str]] = {one["file_name"]: [] for one in images.values()}
    for annotation in page["annotations"]:
        assert set(annotation) == {"id", "image_id", "category_id"}
        found[images[annotation["image_id"]]["file_name"]].append(categories[annotation["category_id"]])
    expected = truth(dataset)
    assert {name: tuple(labels) for name, labels in found.items() if name in expected} == expected
    assert [one["id"] for one in page["annotations"]] == list(range(1, len(page["annotations"]) + 1))
    first = images[1]
    assert first["coco_url"] == f"https://example.org/images/{first['file_name']}"
    assert (first["width"], first["height"]) == (16, 16)


@pytest.mark.parametrize("form", ["jsonl", "coco", "csv"])
def test_the_same_load_gives_the_same_bytes(loaded: str, tmp_path: Path, form: str) -> None:
    assert exported(loaded, tmp_path, form)[1] == exported(loaded, tmp_path, form)[1]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("form", ["jsonl", "coco", "csv"])
def test_nothing_else_is_replaced_by_labels(loaded: str, tmp_path: Path, form: str) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    with pytest.raises(UsageError, match=f"is there and is no list of labels as {form}"):
        export_labels(loaded, mine, form=form)
    assert mine.read_text() == "mine"


def test_from_a_container_with_its_urls(container: str, dataset: Dataset, tmp_path: Path) -> None:
    url = f"{container}/a b"
    assert load(dataset.folder, url).complete
    ran = run("labels", "export", url, "-o", tmp_path / "out.csv", "--format", "csv", "--urls", "blob", "--json")
    assert ran.code == 0, ran.out
    records = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert {record["path"] for record in records} == {f"{container}/a%20b/{name}" for name in truth(dataset)}
    assert ran.events[-2]["facts"]["broken"] == 1


def test_addresses_are_percent_encoded(loaded: str, tmp_path: Path) -> None:
    """A blob may be called `a?b#c.png`; unencoded, Azure ML would read on only to the `?`."""
    from laden.store import parse_destination
    from laden.verbs.labels import addresses

    address = addresses(parse_destination(loaded), "azureml://datastores/x/paths")
    assert address("png/a?b#c%.png") == "azureml://datastores/x/paths/png/a%3Fb%23c%25.png"
    assert addresses(parse_destination(loaded), "/data/local-files/?d=")("a b") == "/data/local-files/?d=a%20b"
    with pytest.raises(UsageError, match="--urls sideways"):
        exported(loaded, tmp_path, "csv", "sideways")


@pytest.mark.parametrize(
    "urls",
    [
        "https://a.blob.core.windows.net/c?sv=2026-06-06&sig=abcdEFGHijklMNOPqrstUVWXyz0123456789%2Babcde%3D/",
        "https://me:secret1@host/",
        "https://a.blob.core.windows.net/c/?sig=abc&x=",
    ],
)
def test_no_secret_gets_into_the_lines_of_a_list(loaded: str, tmp_path: Path, urls: str) -> None:
    with pytest.raises(UsageError, match="--urls holds what looks like a signature, key or password"):
        exported(loaded, tmp_path, "jsonl", urls)
    assert not (tmp_path / "labels.jsonl").exists()


def test_what_is_not_loaded_has_no_labels(tmp_path: Path, emulator: Emulator, container: str) -> None:
    for place in (str(tmp_path), container):
        ran = run("labels", "export", place, "-o", "x")
        assert ran.code == 2
        assert "no load was completed" in ran.err
    with client(emulator, container) as opened:
        assert [*opened.list_blobs()] == []


def test_plain_files_have_no_labels(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.png").write_bytes(b"x")
    assert load(tmp_path / "files", str(tmp_path / "there"), profile="files").complete
    with pytest.raises(UsageError, match="no table of labels"):
        export_labels(str(tmp_path / "there"), tmp_path / "out")


def test_a_profile_of_ones_own_is_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    from importlib.resources import files

    own = tmp_path / "own.toml"
    text = (files("laden.dataset") / "profiles" / "padchest.toml").read_text("utf-8")
    own.write_text(text.replace('name = "padchest"', 'name = "ours"'))
    place = str(tmp_path / "there")
    assert load(dataset.folder, place, profile=str(own)).complete
    with pytest.raises(UsageError, match="'ours': give its TOML file with --profile"):
        export_labels(place, tmp_path / "out")
    assert export_labels(place, tmp_path / "out", profile=str(own)).written


def test_a_place_that_cannot_be_written_is_told(loaded: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        export_labels(loaded, tmp_path / "no" / "such" / "folder")
