"""What other tools put there without an MD5 (AzCopy, above its block size): unknown is not other; it is read back."""

from pathlib import Path

import pytest
from azure.storage.blob import ContentSettings

from laden.dataset.source.refusal import junk_finding
from laden.demo.emulator import Emulator
from laden.values.events import Event, Found
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.dataset import make_dataset
from tests.support.harness import client


@pytest.mark.parametrize("same", [True, False], ids=["equal", "other"])
def test_a_blob_without_an_md5_is_read_back_told_and_counted(
    emulator: Emulator, container: str, tmp_path: Path, same: bool
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    name, data = min(dataset.blobs.items())
    with client(emulator, container) as opened:
        there = opened.upload_blob(name, data if same else bytes(len(data)))
        there.set_http_headers(ContentSettings(content_type="image/png"))
        assert there.get_blob_properties().content_settings.content_md5 is None
    events: list[Event] = []
    ended = load(dataset.folder, container, observer=events.append)
    told = {event.finding.code: event.finding for event in events if isinstance(event, Found)}
    assert told["blob-unchecked"].message.startswith("1 blob")
    if same:
        assert (ended.exit_code, ended.sent, ended.already_there) == (0, 1, 1)
        assert verify(container, deep="all").exit_code == 0
    else:
        assert (ended.exit_code, ended.sent, ended.conflicts) == (3, 1, 1)
        assert told["blob-conflict"].blob == name


def test_one_is_not_spoken_of_as_many() -> None:
    assert junk_finding("0.zip", [".DS_Store"]).message.startswith("1 member that is no data (folders")
    assert junk_finding("0.zip", ["a/", "b/"]).message.startswith("2 members that are no data")
