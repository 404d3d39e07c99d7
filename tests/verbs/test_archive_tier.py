"""Blobs of the archive tier, which nobody can read for hours: told as such, and the rest goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.stages.manifest import MANIFEST
from laden.values.errors import BlobArchived
from laden.values.events import Event, Found
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
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
    again = load(dataset.folder, container)
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 3)


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
