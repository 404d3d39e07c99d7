"""What other tests begin with is what a load leaves, whether it was loaded or written down again."""

import re
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from laden.verbs.status import status
from laden.verbs.verify import verify
from tests.support import begun
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client

OPTIONS: tuple[dict[str, Any], ...] = ({"archives": "0"}, {"strays": "send"})


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 3, "1": 2}, stray=1, seed=77)


def blobs(emulator: Emulator, url: str) -> dict[str, object]:
    """All that the service tells of each blob but its times and what follows from them, and its bytes."""
    with client(emulator, url) as opened:
        assert not opened.get_container_properties().metadata
        found: dict[str, object] = {}
        for blob in opened.list_blobs(include=["metadata", "tags", "uncommittedblobs"]):
            told = {name: value for name, value in blob.items() if name not in TIMES}
            data = opened.download_blob(blob.name).readall()
            if blob.name.startswith("_laden/history/"):
                data = re.sub(rb'"when": "[^"]+"', b"", data)
                told["content_settings"]["content_md5"] = None
            found[blob.name] = (str(told), data)
        return found


TIMES = {"container", "creation_time", "last_modified", "etag", "blob_tier_change_time", "last_accessed_on"}


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    data = {name: path.read_bytes() if path.is_file() else b"" for name, path in found.items()}
    # Of records, all but their time; the notes of a folder hold the times of its files.
    return {
        name: re.sub(rb'"when": "[^"]+"', b"", content)
        for name, content in data.items()
        if name != "_laden/folder.jsonl"
    }


def never(*_: object, **__: object) -> None:
    pytest.fail("it is loaded again")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_container(
    dataset: Dataset, emulator: Emulator, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, first, other = (emulator.url(f"begun-{uuid.uuid4().hex}") for _ in range(3))
    assert load(dataset.folder, loaded, **options).exit_code == 0
    begin(dataset.folder, first, **options)
    with monkeypatch.context() as patched:
        patched.setattr(begun, "load", never)
        begin(dataset.folder, other, **options)
    assert blobs(emulator, other) == blobs(emulator, loaded) == blobs(emulator, first)
    assert verify(other).exit_code == 0
    assert status(other).complete is status(loaded).complete
    again = load(dataset.folder, other, **options)
    assert (again.exit_code, again.sent) == (0, 0)
    assert blobs(emulator, other) == blobs(emulator, loaded)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_folder(dataset: Dataset, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(dataset.folder, str(tmp_path / "loaded"), **options).exit_code == 0
    begin(dataset.folder, tmp_path / "first", **options)
    with monkeypatch.context() as patched:
        patched.setattr(begun, "load", never)
        begin(dataset.folder, str(tmp_path / "other"), **options)
    assert files(tmp_path / "other") == files(tmp_path / "loaded") == files(tmp_path / "first")
    assert verify(tmp_path / "other").exit_code == 0
    again = load(dataset.folder, str(tmp_path / "other"), **options)
    assert (again.exit_code, again.sent) == (0, 0)


def test_what_a_test_does_to_its_own_reaches_no_other(dataset: Dataset, emulator: Emulator, tmp_path: Path) -> None:
    for place in (emulator.url(f"begun-{uuid.uuid4().hex}"), str(tmp_path / "there")):
        begin(dataset.folder, place)
        with pytest.raises(AssertionError, match="no beginning"):
            begin(dataset.folder, place)
        if place == str(tmp_path / "there"):
            shutil.rmtree(place)
        else:
            with client(emulator, place) as opened:
                for name in list(opened.list_blob_names()):
                    opened.upload_blob(name, b"x", overwrite=True)
                    opened.delete_blob(name)
        begin(dataset.folder, place)
        assert verify(place).exit_code == 0


def test_another_source_or_other_options_are_loaded_themselves(dataset: Dataset, emulator: Emulator) -> None:
    url = emulator.url(f"begun-{uuid.uuid4().hex}")
    begin(dataset.folder, url)
    one = min(dataset.folder.glob("*.csv"))
    one.write_bytes(one.read_bytes().replace(b"\n", b"\r\n"))
    other = emulator.url(f"begun-{uuid.uuid4().hex}")
    begin(dataset.folder, other)
    assert blobs(emulator, other)[one.name] != blobs(emulator, url)[one.name]
    part = emulator.url(f"begun-{uuid.uuid4().hex}")
    begin(dataset.folder, part, archives="1")
    assert {name.split("/")[1] for name in blobs(emulator, part) if name.startswith("png/")} == {"1"}
