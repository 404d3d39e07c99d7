"""What verify finds in a folder and in Azurite, and that another load heals it."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContentSettings

from laden.demo.emulator import Emulator
from laden.values.events import Event, Found, Progress, Started
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.destinations import MANIFEST, Place
from tests.support.harness import client


def test_verify_names_what_is_gone_changed_and_foreign(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 5})
    begin(dataset.folder, place.url)
    gone, longer, other, *_ = dataset.blobs
    place.remove(gone)
    place.write(longer, dataset.blobs[longer] + b"x")
    place.write(other, bytes(len(dataset.blobs[other])))
    place.write("mine.txt", b"mine")
    found: list[Event] = []
    summary = verify(place.url, observer=found.append)
    told = {(event.finding.code, event.finding.blob) for event in found if isinstance(event, Found)}
    assert told == {
        ("blob-deleted", gone),
        ("blob-changed", longer),
        ("blob-changed", other),
        ("blob-foreign", "mine.txt"),
    }
    assert (summary.images, summary.deleted, summary.changed, summary.foreign) == (5, 1, 2, 1)
    assert summary.exit_code == 3


@pytest.mark.parametrize("table", [True, False])
def test_verify_knows_table_and_manifest_too(place: Place, tmp_path: Path, table: bool) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    begin(dataset.folder, place.url)
    name = dataset.table.name if table else MANIFEST
    place.remove(name)
    summary = verify(place.url)
    assert summary.exit_code == 3
    assert summary.findings == ({"blob-deleted": 1} if table else {"manifest-missing": 1})


@pytest.mark.parametrize("deep", ["sample", "all"])
def test_deep_verify_finds_what_a_listing_cannot_show(
    emulator: Emulator, container: str, tmp_path: Path, deep: Any
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4})
    begin(dataset.folder, container)
    name, right = next(iter(dataset.blobs.items()))
    lie = ContentSettings(content_md5=bytearray(hashlib.md5(right).digest()))
    with client(emulator, container) as opened:
        opened.upload_blob(name, bytes(len(right)), overwrite=True)
        opened.get_blob_client(name).set_http_headers(lie)
    assert verify(container).exit_code == 0
    summary = verify(container, deep=deep)
    assert (summary.changed, summary.findings, summary.exit_code) == (1, {"blob-bytes": 1}, 3)


def test_a_deep_verify_tells_how_far_it_is(container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4})
    begin(dataset.folder, container)
    told: list[Event] = []
    verify(container, deep="all", observer=told.append)
    *_, last = [event for event in told if isinstance(event, Progress)]
    assert 0 < last.bytes <= last.bytes_in_all
    assert last.bytes_in_all > sum(map(len, dataset.blobs.values())) // 2


def test_verify_without_a_manifest_says_so(emulator: Emulator, container: str) -> None:
    summary = verify(container)
    assert (summary.exit_code, summary.findings, summary.complete) == (3, {"manifest-missing": 1}, False)


def test_verify_heals_by_loading_again(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4})
    begin(dataset.folder, place.url)
    before = place.read()
    place.remove(next(iter(dataset.blobs)))
    assert verify(place.url).deleted == 1
    assert load(dataset.folder, place.url).sent == 1
    assert place.read() == before
    assert verify(place.url).exit_code == 0


def test_of_a_folder_it_says_that_it_went_by_notes(tmp_path: Path) -> None:
    """Who edits a file and gives it its length and time again is found by reading alone, so nothing else is claimed."""
    dataset, place = make_dataset(tmp_path / "source", {"0": 3}), tmp_path / "there"
    begin(dataset.folder, place)
    image = min(place.rglob("*.png"))
    before = image.stat()
    image.write_bytes(bytes(before.st_size))
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    found: list[Event] = []
    summary = verify(place, observer=found.append)
    assert (summary.exit_code, summary.examined, summary.by_notes) == (0, 0, True)
    assert [event.stage for event in found if isinstance(event, Started)] == ["listing", "noted"]
    read = verify(place, deep="all")
    assert (read.exit_code, read.examined, read.by_notes) == (3, 3, False)
