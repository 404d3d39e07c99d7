"""Metadata that another tool kept beside bytes that it changed vouch for nothing: with a manifest and without."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from azure.storage.blob import ContainerClient, ContentSettings

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, content, landed


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 2, "1": 2})


Change = Callable[[ContainerClient, str, bytes], None]


def with_md5(opened: ContainerClient, name: str, data: bytes) -> None:
    md5 = bytearray(hashlib.md5(data, usedforsecurity=False).digest())
    kept = opened.get_blob_client(name).get_blob_properties().metadata
    settings = ContentSettings(content_md5=md5)
    opened.upload_blob(name, data, overwrite=True, metadata=kept, content_settings=settings)


def with_wrong_md5(opened: ContainerClient, name: str, data: bytes) -> None:
    with_md5(opened, name, data)
    wrong = bytearray(hashlib.md5(b"other", usedforsecurity=False).digest())
    opened.get_blob_client(name).set_http_headers(ContentSettings(content_md5=wrong))


@pytest.mark.parametrize("change", [with_md5, with_wrong_md5])
@pytest.mark.parametrize("forgotten", [(), ("_laden/manifest.parquet", "_laden/load.json")], ids=["known", "forgotten"])
def test_an_image_that_was_changed_is_never_taken_for_what_was_sent(
    container: str, emulator: Emulator, dataset: Dataset, change: Change, forgotten: tuple[str, ...]
) -> None:
    begin(dataset.folder, container)
    name, right = next(iter(sorted(dataset.blobs.items())))
    with client(emulator, container) as opened:
        change(opened, name, bytes(len(right)))
        for document in forgotten:
            opened.delete_blob(document)
    for options in ({}, {"update": True}):
        summary = load(dataset.folder, container, **options)  # type: ignore[arg-type]
        assert (summary.exit_code, summary.findings.get("blob-conflict")) == (3, 1), options
    # What no manifest names is another's, as the new one says.
    assert verify(container).findings == ({"blob-foreign": 1} if forgotten else {"blob-changed": 1})
    mended = load(dataset.folder, container, overwrite="changed")
    assert (mended.exit_code, mended.sent) == (0, 1)
    assert content(emulator, container, name) == right
    assert verify(container, deep="all").exit_code == 0


def test_a_manifest_that_was_edited_is_told(
    container: str, emulator: Emulator, dataset: Dataset, tmp_path: Path
) -> None:
    begin(dataset.folder, container)
    name = min(dataset.blobs)
    manifest = tmp_path / "manifest.parquet"
    manifest.write_bytes(content(emulator, container, "_laden/manifest.parquet"))
    edited = tmp_path / "edited.parquet"
    with duckdb.connect() as database:
        database.execute(
            f"COPY (FROM '{manifest}' WHERE blob <> '{name}') TO '{edited}' (FORMAT parquet,"
            " KV_METADATA {laden: '1'})"
        )
    with client(emulator, container) as opened:
        with_md5(opened, "_laden/manifest.parquet", edited.read_bytes())
        opened.delete_blob(name)
    summary = load(dataset.folder, container, archives="1")
    assert summary.exit_code == 3
    assert summary.findings["blob-lost"] >= 1


def test_a_table_that_was_edited_is_left_and_told(container: str, emulator: Emulator, dataset: Dataset) -> None:
    begin(dataset.folder, container)
    with client(emulator, container) as opened:
        with_md5(opened, dataset.table.name, b"a,b\n1,2\n")
    assert load(dataset.folder, container).exit_code == 3
    assert content(emulator, container, dataset.table.name) == b"a,b\n1,2\n"
    assert load(dataset.folder, container, overwrite="changed").exit_code == 0
    assert dataset.table.name in landed(emulator, container)


def test_the_manifest_s_md5_stands_above_whatever_metadata_say(
    container: str, emulator: Emulator, dataset: Dataset
) -> None:
    """Also where somebody wrote laden's own MD5 anew."""
    begin(dataset.folder, container)
    name = min(dataset.blobs)
    data = bytes(len(dataset.blobs[name]))
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    with client(emulator, container) as opened:
        with_md5(opened, name, data)
        blob = opened.get_blob_client(name)
        blob.set_blob_metadata({**blob.get_blob_properties().metadata, "laden_md5": md5})
    summary = load(dataset.folder, container)
    assert (summary.exit_code, summary.findings.get("blob-conflict")) == (3, 1)
    told = verify(container, deep="all")
    assert (told.exit_code, told.findings) == (3, {"blob-changed": 1})
