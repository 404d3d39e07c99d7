"""Blobs of the archive tier, which nobody can read for hours: told as such, and the rest goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from laden.cli.verdict import verdict
from laden.demo.emulator import Emulator
from laden.stages.manifest import MANIFEST
from laden.values.errors import BlobArchived
from laden.values.events import Event, Found, Warned
from laden.verbs.copy import copy
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.fuller import Fuller
from tests.support.harness import client

SENTENCE = "cannot be read: it is in the archive tier; rehydrate it first"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 3})


@pytest.fixture
def archive(emulator: Emulator, container: str) -> Callable[[str], None]:
    def archived(name: str) -> None:
        with client(emulator, container) as opened:
            opened.get_blob_client(name).set_standard_blob_tier("Archive")

    return archived


def told(events: list[Event]) -> list[str]:
    return [event.finding.message for event in events if isinstance(event, Found)]


def test_it_cannot_be_read_back_and_the_others_are(
    dataset: Dataset, container: str, archive: Callable[[str], None]
) -> None:
    begin(dataset.folder, container)
    name = min(dataset.blobs)
    archive(name)
    assert verify(container).exit_code == 0, "nothing need be read for that"
    events: list[Event] = []
    deep = verify(container, deep="all", observer=events.append)
    assert (deep.exit_code, deep.findings) == (3, {"blob-archived": 1})
    assert SENTENCE in told(events)[0]
    assert verdict(deep, None) == "What could be read is as the manifest says; the findings above need a person."
    again = load(dataset.folder, container)
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 3)


def test_it_is_not_verified_where_another_is_gone(
    dataset: Dataset, emulator: Emulator, container: str, archive: Callable[[str], None]
) -> None:
    begin(dataset.folder, container)
    archive(min(dataset.blobs))
    with client(emulator, container) as opened:
        opened.delete_blob(max(dataset.blobs))
    assert verdict(verify(container, deep="all"), None) == "Not as the manifest says."


@pytest.mark.parametrize("how", ["carried", "taken", "in one"])
def test_it_is_not_copied_and_the_others_are_until_it_can_be_read(
    tmp_path: Path, emulator: Emulator, container: str, archive: Callable[[str], None], how: str
) -> None:
    dataset = make_dataset(tmp_path / "more", {"0": 7})
    load(dataset.folder, container)
    names = sorted(dataset.blobs)[:3]
    for name in names:
        archive(name)
    dest = str(tmp_path / "copy") if how == "carried" else emulator.url(f"copied-{how.replace(' ', '-')}")
    with Fuller(emulator, copies=how == "in one") as service:
        place = dest if how == "carried" else service.url(dest)
        events: list[Event] = []
        done = copy(service.url(container), place, observer=events.append)
        assert (done.exit_code, done.sent, done.findings) == (3, 4, {"blob-archived": 3})
        assert all(SENTENCE in message for message in told(events))
        # What nobody can read is no reason to have all bytes pass this machine.
        assert not [event for event in events if isinstance(event, Warned) and "pass this machine" in event.message]
        proved = verify(place)
        assert (proved.exit_code, proved.images) == (0, 4)
        with client(emulator, container) as opened:
            for name in names:
                opened.get_blob_client(name).set_standard_blob_tier("Hot")
        again = copy(service.url(container), place)
        assert (again.exit_code, again.sent, again.already_there) == (0, 3, 4)


def test_another_tools_blob_cannot_be_compared_and_is_left(
    dataset: Dataset, emulator: Emulator, container: str, archive: Callable[[str], None]
) -> None:
    name, data = min(dataset.blobs.items())
    with client(emulator, container) as opened:
        opened.upload_blob(name, data)
    archive(name)
    events: list[Event] = []
    ended = load(dataset.folder, container, observer=events.append)
    assert (ended.exit_code, ended.sent) == (3, 2)
    assert ended.findings["blob-archived"] == 1
    assert any(SENTENCE in message for message in told(events))


def test_a_manifest_there_ends_the_run_with_what_to_do(
    dataset: Dataset, container: str, archive: Callable[[str], None]
) -> None:
    begin(dataset.folder, container)
    archive(MANIFEST)
    with pytest.raises(BlobArchived, match=r"manifest\.parquet cannot be read: it is in the archive tier"):
        verify(container)
    with pytest.raises(BlobArchived, match="rehydrate it first"):
        load(dataset.folder, container)
