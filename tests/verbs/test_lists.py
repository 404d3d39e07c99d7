"""`list`: what lies in a destination, in every form, with what it comes to; over Azurite and a folder."""

import csv
import json
from pathlib import Path

import duckdb
import pytest

import laden
from laden.cli import run_command
from laden.demo.emulator import Emulator
from laden.values.errors import UsageError
from laden.values.events import Event, Total
from laden.verbs.load import load
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3}, broken=1)


def totals(events: list[Event], by: str) -> dict[str, int]:
    return {event.value: event.images for event in events if isinstance(event, Total) and event.by == by}


def test_a_container_with_tiers_and_what_is_wrong_in_it(
    container: str, dataset: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    begin(dataset.folder, container, code=3)
    gone, changed, cool, *_ = sorted(dataset.blobs)
    with client(emulator, container) as opened:
        opened.delete_blob(gone)
        opened.upload_blob(changed, b"other", overwrite=True)
        opened.upload_blob("=cmd|x.png", b"foreign")
        opened.get_blob_client(cool).set_standard_blob_tier("Cool")
    events: list[Event] = []
    summary = laden.list(container, output="list.csv", form="csv", observer=events.append)
    assert (summary.exit_code, summary.images) == (0, 8)
    with Path("list.csv").open(newline="") as file:
        rows = {row["blob"]: row for row in csv.DictReader(file)}
    fates = {name: row["fate"] for name, row in rows.items() if row["fate"] != "there"}
    assert fates == {gone: "deleted", changed: "changed", "'=cmd|x.png": "foreign"}
    assert rows[cool]["tier"] == "Cool"
    assert rows[cool]["md5"] == dataset.md5s[cool].hex()
    assert totals(events, "all") == {"": 7}, "what is gone is not there"
    assert totals(events, "folder") == {"png/0/": 3, "png/1/": 3, "": 1}
    assert totals(events, "tier")["Cool"] == 1
    assert totals(events, "label")["normal"] >= 1
    # Its own list gives way, a file of somebody else's does not.
    laden.list(container, output="list.csv", form="csv")
    Path("mine.csv").write_text("mine")
    with pytest.raises(UsageError, match="is no list of laden's"):
        laden.list(container, output="mine.csv", form="csv")


def test_tables_and_texts_are_listed_and_are_no_images(tmp_path: Path) -> None:
    """In a place that nobody loaded to, and beside a load."""
    place = tmp_path / "place"
    for name in ("0/a.png", "0/B.DCM", "labels.csv", "README.md", "more/Labels.CSV.gz", "csv"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode())
    for loaded in (False, True):
        if loaded:
            sent = load(make_dataset(tmp_path / "source", {"0": 2}).folder, str(place)).sent
        events: list[Event] = []
        ended = laden.list(place, output="list.csv", form="csv", observer=events.append)
        images = 3 + (sent if loaded else 0)
        assert (ended.images, totals(events, "all")) == (images, {"": images})
        assert totals(events, "folder").keys() == {"0/", ""} | ({"png/0/"} if loaded else set())
        with Path("list.csv").open(newline="") as file:
            kinds = {row["blob"]: row["kind"] for row in csv.DictReader(file) if row["fate"] == "foreign"}
        files = {"labels.csv": "file", "README.md": "file", "more/Labels.CSV.gz": "file"}
        assert kinds == {"0/a.png": "", "0/B.DCM": "", "csv": "", **files}


def test_every_form_says_the_same(dataset: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "place")
    begin(dataset.folder, place, code=3)
    laden.list(place, output="l.parquet", form="parquet")
    laden.list(place, output="l.json", form="json")
    # The name says it too, and nothing against it.
    laden.list(place, output="l.parquet")
    assert Path("l.parquet").read_bytes()[:4] == b"PAR1"
    with pytest.raises(UsageError, match="named as csv, and --format asks for parquet"):
        laden.list(place, output="l.csv", form="parquet")
    typed = duckdb.sql("SELECT blob, size_bytes, md5, labels FROM 'l.parquet'").fetchall()
    lines = [json.loads(line) for line in Path("l.json").read_text().splitlines()]
    assert [tuple(line[name] for name in ("blob", "size_bytes", "md5", "labels")) for line in lines] == typed
    assert [line["blob"] for line in lines] == sorted(dataset.blobs)
    assert {line["state"] for line in lines} == {"whole", "png-truncated"}
    capfd.readouterr()
    assert run_command(["list", place, "--where", "ImageDir = 1"]) == 0
    out, err = capfd.readouterr()
    assert [line.split()[2].rstrip(",") for line in out.splitlines()[1:]] == [
        name for name in sorted(dataset.blobs) if name.startswith("png/1/")
    ]
    assert "3 images" in err
    assert "By label" in err


def test_containers_of_an_account(container: str, capfd: pytest.CaptureFixture[str]) -> None:
    account, name = container.rsplit("/", 1)
    assert run_command(["list", account, "--json"]) == 0
    out, _ = capfd.readouterr()
    assert name in [event["facts"]["name"] for event in map(json.loads, out.splitlines()) if event["event"] == "shown"]


def test_what_makes_no_sense_is_told(dataset: Dataset, tmp_path: Path) -> None:
    begin(dataset.folder, str(tmp_path / "place"), code=3)
    with pytest.raises(UsageError, match="needs a name"):
        laden.list(str(tmp_path / "place"), output="-", form="parquet")
    with pytest.raises(UsageError, match="csv"):
        laden.list(str(tmp_path / "place"), form="xml")
