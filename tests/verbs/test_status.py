"""How far a load is, from the container alone: before it is complete, after, and when more images came."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any, cast

import pytest

from laden.run import findings
from laden.run.loop import run as run_loop
from laden.stages.arrivals import arrivals
from laden.store.manage import Detail, DetailPage, Manage
from laden.values.errors import LadenError
from laden.values.events import Event, Found, Shown, Started
from laden.values.records import Blob
from laden.values.signs import Progress
from laden.verbs.columns import columns
from laden.verbs.history import history
from laden.verbs.labels import export_labels
from laden.verbs.load import load
from laden.verbs.status import _life, _pace, status
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import FolderPlace, Place


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 3, "1": 4})


def shown(place: Place) -> tuple[str, dict[str, Any], int, bool]:
    seen: list[Event] = []
    summary = status(place.url, observer=seen.append)
    (told,) = [event for event in seen if isinstance(event, Shown)]
    return told.state, told.facts, summary.images, summary.complete


def test_of_a_load_that_was_interrupted(dataset: Dataset, place: Place) -> None:
    begin(dataset.folder, place.url, archives="0")
    for name in ("manifest.parquet", "load.json"):
        place.remove(f"_laden/{name}")
    state, facts, images, complete = shown(place)
    assert (state, images, complete) == ("unfinished: it runs, or was stopped a moment ago", 3, False)
    assert facts["there"].startswith("3 images of laden's, ")
    assert facts["wanted"].startswith("known to the load itself")
    seen: list[Event] = []
    verify(place.url, observer=seen.append)
    (found,) = [event.finding for event in seen if isinstance(event, Found)]
    assert found.code == "manifest-missing"
    assert "unfinished: 3 images are there" in found.message


def test_of_one_that_is_complete_and_of_what_came_since(dataset: Dataset, place: Place) -> None:
    begin(dataset.folder, place.url, archives="0")
    before = place.read()
    state, facts, images, complete = shown(place)
    assert (state, images, complete) == ("complete", 3, True)
    assert facts["rows with an image"] == "3 of 7"
    load(dataset.folder, place.url)
    for name in ("_laden/manifest.parquet", "_laden/load.json"):
        place.write(name, before[name])
    state, facts, images, complete = shown(place)
    assert (state, images, complete) == (
        "complete once, and unfinished since: it runs, or was stopped a moment ago",
        7,
        False,
    )
    assert facts["since then"].startswith("4 more images")


def test_it_ends_as_the_load_ended(tmp_path: Path, place: Place) -> None:
    """Complete is what its load called complete, and nothing else."""
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 4}, corrupt=1)
    for archives, code in (("0", 3), ("1", 0), ("1", 0), (None, 3)):
        ended = load(dataset.folder, place.url, archives=archives)
        told = status(place.url)
        # Another part that is whole does not mend the first one.
        assert (ended.exit_code, told.exit_code, told.complete) == (code, 3, True)
    state, facts, _, _ = shown(place)
    assert state == "complete as far as possible: findings of its load need a person"
    assert facts["need a person"].startswith("1 member-crc; ")
    whole = make_dataset(tmp_path / "whole", {"0": 3, "1": 4})
    shutil.copy(whole.folder / "0.zip", dataset.folder / "0.zip")
    assert load(dataset.folder, place.url).exit_code == 0
    assert shown(place)[0] == "complete"
    assert status(place.url).exit_code == 0


def test_a_load_that_changes_nothing_and_finds_less_is_told(tmp_path: Path, place: Place) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    (dataset.folder / "1.zip.part").write_bytes(b"PK")
    for code in (3, 3):
        assert load(dataset.folder, place.url).exit_code == code
        assert status(place.url).exit_code == code
    (dataset.folder / "1.zip.part").unlink()
    assert load(dataset.folder, place.url).exit_code == 0
    assert status(place.url).exit_code == 0
    assert [record.needs_person for record in history(place.url)] == [{"archive-unfinished": 1}, {}]


def test_what_several_loads_tell_of_one_image_counts_once(tmp_path: Path) -> None:
    dataset, there = make_dataset(tmp_path / "source", {"0": 3, "1": 3}, missing=2), FolderPlace(tmp_path / "there")
    load(dataset.folder, there.url)
    assert shown(there)[1]["need a person"].startswith("2 image-missing; ")
    # A narrower one tells of one of them again, and then others of parts do.
    for asked in ({"where": "ImageDir = 0"}, {"where": "ImageDir = 1"}, {"archives": "0"}, {"archives": "0,1"}):
        assert load(dataset.folder, there.url, **asked).findings["image-missing"] in (1, 2)
        assert shown(there)[1]["need a person"].startswith("2 image-missing; ")


def test_parts_that_miss_different_images_add_up(tmp_path: Path) -> None:
    dataset, there = make_dataset(tmp_path / "source", {"0": 3, "1": 3}, missing=2), FolderPlace(tmp_path / "there")
    for number, told in (("0", 1), ("1", 2)):
        load(dataset.folder, there.url, archives=number)
        assert shown(there)[1]["need a person"].startswith(f"{told} image-missing; ")


def test_of_more_than_a_record_can_name_the_least_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_MARKS", 1)
    dataset, there = make_dataset(tmp_path / "source", {"0": 3, "1": 3}, missing=4), FolderPlace(tmp_path / "there")
    load(dataset.folder, there.url, archives="0")
    assert shown(there)[1]["need a person"].startswith("2 image-missing; ")
    load(dataset.folder, there.url, archives="1")
    assert shown(there)[1]["need a person"].startswith("at least 3 image-missing; ")


def test_what_is_not_complete_does_not_end_as_if_it_were(dataset: Dataset, place: Place) -> None:
    if isinstance(place, FolderPlace):
        place.path.mkdir()
    assert status(place.url).exit_code == 3
    load(dataset.folder, place.url)
    assert status(place.url).exit_code == 0
    gone = next(name for name in place.read() if name.endswith(".png"))
    place.remove(gone)
    state, _, _, complete = shown(place)
    assert (state, complete) == ("1 image is gone or changed: laden verify tells which", False)
    assert status(place.url).exit_code == 3


def test_a_copy_of_the_folder_is_as_good_as_the_first(tmp_path: Path) -> None:
    """`cp -r` gives every file another time."""
    dataset = make_dataset(tmp_path / "source", {"0": 3}, missing=1)
    begin(dataset.folder, "./there", code=3)
    shutil.copytree("there", "copy", copy_function=shutil.copyfile)
    told = status("./copy")
    assert (told.images, told.exit_code, told.complete) == (3, 3, True)
    ended = load(dataset.folder, "./copy")
    assert (ended.already_there, ended.sent, dict(ended.findings)) == (3, 0, {"image-missing": 1})
    # The table grows with its images, so it has to be laden's own.
    part = load(dataset.folder, "./part", first=2)
    assert part.sent == 2
    shutil.copytree("part", "part-copy", copy_function=shutil.copyfile)
    assert "table-conflict" not in load(dataset.folder, "./part-copy").findings


def stopped(dataset: Dataset, place: Place) -> None:
    """A first load that was stopped after an image: the last to be begun come to their end."""
    count = 0

    def observe(event: Event) -> None:
        nonlocal count
        count += isinstance(event, Progress) and event.images > 0

    assert load(dataset.folder, place.url, observer=observe, stopping=lambda: count > 0).exit_code == 130


def test_a_first_load_tells_from_its_beginning_what_it_has_before_it(tmp_path: Path, place: Place) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 300}, size=64)
    pages: list[dict[str, Any]] = []

    def observe(event: Event) -> None:
        if event == Started("transfer"):
            pages.append(json.loads(place.read()["_laden/load.json"]))

    load(dataset.folder, place.url, dry_run=True)
    stopped(dataset, place)
    state, facts, images, complete = shown(place)
    assert (state, complete) == ("unfinished: it runs, or was stopped a moment ago", False)
    assert 0 < images < 300
    assert facts["there"].startswith(f"{images} of 300 images, ")
    assert facts["since"].endswith("s ago")
    assert facts["last image"].endswith("s ago")
    begun = json.loads(place.read()["_laden/load.json"])["planned"]["begun"]
    # The next load goes on with it, and the first one's beginning stays.
    load(dataset.folder, place.url, observer=observe)
    assert (pages[0]["state"], pages[0]["planned"]["begun"]) == ("unfinished", begun)
    assert shown(place)[0] == "complete"


def test_nothing_of_it_is_in_the_end(tmp_path: Path, place: Place) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 200}, size=64)
    stopped(dataset, place)
    load(dataset.folder, place.url)
    load(dataset.folder, str(tmp_path / "at-once"))
    ends = [one.read() for one in (place, FolderPlace(tmp_path / "at-once"))]
    # Records of what was done hold the time.
    there, at_once = ({name: data for name, data in end.items() if "/history/" not in name} for end in ends)
    assert there == at_once


def test_an_unfinished_load_is_no_proof_of_anything(tmp_path: Path, place: Place) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 300}, size=64)
    stopped(dataset, place)
    assert verify(place.url).findings == {"manifest-missing": 1}
    with pytest.raises(LadenError):
        export_labels(place.url, tmp_path / "labels.jsonl")
    with pytest.raises(LadenError, match="no load left a table"):
        columns(place.url)


@pytest.mark.parametrize(
    ("dates", "state", "speed"),
    [
        ([0, 60, 120], "it runs, or was stopped a moment ago", "25 B/s in the last 2 min 00 s"),
        ([0, 5000, 5060], "it runs, or was stopped a moment ago", "33 B/s in the last 1 min 00 s"),
        ([0, 1, 2], "interrupted, as it seems: nothing came for 2 h 46 min", ""),
    ],
)
def test_the_dates_of_images_tell_whether_it_runs_and_how_fast(dates: list[int], state: str, speed: str) -> None:
    now_s = 1_000_000
    ages = [now_s - (dates[-1] if "it runs" in state else 10_000) + date for date in dates]
    own = {"laden_size": "1000", "laden_md5": b64encode(bytes(16)).decode()}
    blobs = [Blob(f"{number}", 1000, bytes(16), "", own) for number in range(3)]
    others = [Blob("t.csv", 9, bytes(16), "", {}), Blob("changed.png", 9, bytes([1] * 16), "", own)]
    documents = [Detail(other, now_s, "", "") for other in others]
    details = [Detail(blob, age, "", "") for blob, age in zip(blobs, ages, strict=True)] + documents

    class Listed:
        async def list_details(self, marker: str = "") -> DetailPage:
            return DetailPage(details, "")

    came = run_loop(arrivals(cast("Manage", Listed()), now_s))
    assert _life(came) == state
    assert came is not None
    assert _pace(came).get("speed", "") == speed


def test_of_an_empty_place(place: Place) -> None:
    if isinstance(place, FolderPlace):
        place.path.mkdir()
    state, _, images, complete = shown(place)
    assert (state, images, complete) == ("nothing was loaded here", 0, False)
