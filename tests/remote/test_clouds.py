"""Buckets of S3 and of Google Cloud Storage: a prefix, single objects, what is not there, what changes.

Both are served by moto's S3 on this machine. For `gs://`, obstore speaks the XML API, which is the same for what laden
asks: HEAD, ranges with If-Match, and lists (`list-type=2`); its own credentials are not tried by it.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from laden.remote import Wire, parse_link
from laden.remote.clouds import lists_objects, pin_object
from laden.remote.file import RemoteFile
from laden.values.errors import ExitCode, SourceError
from laden.verbs.check import check
from laden.verbs.load import load
from tests.remote.test_load import landed
from tests.support.dataset import Dataset, make_dataset

obstore = pytest.importorskip("obstore")
pytest.importorskip("obstore.store")
moto = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {
        "AWS_ENDPOINT": service,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "of-the-test",
        "AWS_REGION": "us-east-1",
        "GOOGLE_BASE_URL": service,
        "GOOGLE_SKIP_SIGNATURE": "true",
    }.items():
        monkeypatch.setenv(name, value)
    put(service, "raw")
    yield service
    urllib.request.urlopen(urllib.request.Request(f"{service}/moto-api/reset", method="POST"), timeout=60).close()


def put(service: str, name: str, data: bytes = b"") -> None:
    # Open to all: what is asked of Google is not signed here.
    headers = {"Content-Type": "application/zip", "x-amz-acl": "public-read-write"}
    request = urllib.request.Request(f"{service}/{quote(name)}", data, headers, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


@pytest.fixture
def dataset(bucket: str, tmp_path: Path) -> Dataset:
    dataset = make_dataset(tmp_path / "source", {"0": 12, "1": 9}, size=64)
    for path in dataset.folder.iterdir():
        put(bucket, f"raw/data set/{path.name}", path.read_bytes())
    return dataset


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_prefix_is_a_source_and_so_are_its_objects(dataset: Dataset, tmp_path: Path, scheme: str) -> None:
    raw = f"{scheme}://raw/data%20set"
    assert load(raw, str(tmp_path / "there")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    summary = check(f"{raw}/0.zip", table=f"{raw}/{dataset.table.name}", archives="0")
    assert summary.exit_code == ExitCode.COMPLETE


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_what_is_not_there_is_told(bucket: str, scheme: str) -> None:
    with pytest.raises(SourceError, match=rf"nothing is at {scheme}://raw/no\.zip"):
        check(f"{scheme}://raw/no.zip")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_object_that_changes_is_refused(bucket: str, scheme: str) -> None:
    put(bucket, "raw/a.zip", b"a" * 100_000)
    with Wire() as wire:
        pinned = wire.run(pin_object(wire, parse_link(f"{scheme}://raw/a.zip"), "a.zip"))
        file = RemoteFile(wire, pinned, b"")
        assert file.read_at(10, 50_000) == b"a" * 10
        # Signed: who overwrites has to be somebody.
        obstore.put(obstore.store.S3Store("raw", client_options={"allow_http": True}), "a.zip", b"b" * 100_000)
        with pytest.raises(SourceError, match="changed"):
            file.read_at(10, 60_000)
        assert file.changed()


def test_what_an_address_leads_to_is_told_by_its_end() -> None:
    assert [lists_objects(parse_link(text)) for text in ("s3://b", "gs://b/p", "s3://b/p.q/", "gs://b/0.zip")] == [
        True,
        True,
        True,
        False,
    ]
