"""How far a load is, from the container alone: before it is complete, after, and when more images came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from laden.values.events import Event, Found, Shown
from laden.verbs.load import load
from laden.verbs.status import status
from laden.verbs.verify import verify
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
    load(dataset.folder, place.url, archives="0")
    for name in ("manifest.parquet", "load.json"):
        place.remove(f"_laden/{name}")
    state, facts, images, complete = shown(place)
    assert (state, images, complete) == ("unfinished", 3, False)
    assert facts["there"].startswith("3 images of laden's, ")
    seen: list[Event] = []
    verify(place.url, observer=seen.append)
    (found,) = [event.finding for event in seen if isinstance(event, Found)]
    assert found.code == "manifest-missing"
    assert "unfinished: 3 images are there" in found.message


def test_of_one_that_is_complete_and_of_what_came_since(dataset: Dataset, place: Place) -> None:
    load(dataset.folder, place.url, archives="0")
    before = place.read()
    state, facts, images, complete = shown(place)
    assert (state, images, complete) == ("complete", 3, True)
    assert facts["rows with an image"] == "3 of 7"
    load(dataset.folder, place.url)
    for name in ("_laden/manifest.parquet", "_laden/load.json"):
        place.write(name, before[name])
    state, facts, images, complete = shown(place)
    assert (state, images, complete) == ("complete once, and unfinished since", 7, False)
    assert facts["since then"].startswith("4 more images")


def test_of_an_empty_place(place: Place) -> None:
    if isinstance(place, FolderPlace):
        place.path.mkdir()
    state, _, images, complete = shown(place)
    assert (state, images, complete) == ("nothing was loaded here", 0, False)
