"""The benchmark's endpoint answers as the Blob service does where the tools depend on it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobBlock, ContainerClient
from bench.server import CONTAINER, Endpoint, endpoint

ACCOUNT_PATH = f"/devstoreaccount1/{CONTAINER}"


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoint]:
    with endpoint("--verify-md5") as found:
        yield found


@pytest.fixture
def container(served: Endpoint) -> Iterator[ContainerClient]:
    served.empty()
    with ContainerClient.from_container_url(f"{served.container_url}?sig=x", retry_total=0) as client:
        yield client


def put(connection: http.client.HTTPConnection, name: str, body: bytes, **headers: str) -> tuple[int, str]:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request("PUT", f"{ACCOUNT_PATH}/{name}", body, {"x-ms-blob-type": "BlockBlob", **named})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("x-ms-error-code", "")


def md5_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def test_the_sdk_puts_and_lists_with_md5_and_metadata(container: ContainerClient, served: Endpoint) -> None:
    body = bytes(range(256)) * 1000
    container.upload_blob("a folder/<&é.png", body, metadata={"laden_size": "1"}, validate_content=True)
    (blob,) = container.list_blobs(include=["metadata"])
    assert (blob.name, blob.size, blob.metadata) == ("a folder/<&é.png", len(body), {"laden_size": "1"})
    assert bytes(blob.content_settings.content_md5 or b"") == hashlib.md5(body).digest()
    stats = served.stats()
    assert stats["requests"] == {"put_blob": 1, "list_blobs": 1}
    assert stats["bytes_in"] == len(body)


def test_properties_and_deletion(container: ContainerClient) -> None:
    blob = container.upload_blob("a.png", b"abc", metadata={"k": "v"})
    found = blob.get_blob_properties()
    assert (found.size, found.metadata) == (3, {"k": "v"})
    blob.delete_blob()
    assert not blob.exists()
    assert container.exists()
    with pytest.raises(ResourceExistsError):
        container.create_container()


def test_a_create_only_put_is_refused_where_a_blob_is(container: ContainerClient) -> None:
    container.upload_blob("a.png", b"abc")
    with pytest.raises(ResourceExistsError) as refused:
        container.upload_blob("a.png", b"abc", overwrite=False)
    assert "BlobAlreadyExists" in str(refused.value)


def test_a_replacing_put_needs_the_version_it_names(container: ContainerClient) -> None:
    blob = container.upload_blob("a.png", b"abc")
    etag = blob.get_blob_properties().etag
    condition = MatchConditions.IfNotModified
    blob.upload_blob(b"abcd", overwrite=True, etag=etag, match_condition=condition)
    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(b"abcde", overwrite=True, etag=etag, match_condition=condition)
    assert blob.get_blob_properties().size == 4


def test_a_blob_made_of_blocks_has_their_length(container: ContainerClient) -> None:
    blob = container.get_blob_client("b.png")
    blob.stage_block("0001", b"x" * 70_000)
    blob.stage_block("0002", b"y" * 5)
    blob.commit_block_list([BlobBlock("0001"), BlobBlock("0002")])
    assert blob.get_blob_properties().size == 70_005
    with pytest.raises(HttpResponseError, match="InvalidBlockList"):
        blob.commit_block_list([BlobBlock("0003")])


def test_pages_follow_each_other_in_order(container: ContainerClient, served: Endpoint) -> None:
    served.preload(count=12_001, name="png/{i:05d}.png", size=7)
    pages = list(container.list_blobs(name_starts_with="png/").by_page())
    names = [[blob.name for blob in page] for page in pages]
    assert [len(page) for page in names] == [5000, 5000, 2001]
    assert [name for page in names for name in page] == [f"png/{i:05d}.png" for i in range(12_001)]
    assert [item.name for item in container.walk_blobs()] == ["png/"]


def test_the_page_is_written_as_the_service_writes_it(served: Endpoint) -> None:
    served.empty()
    served.preload(blobs=[{"name": "a", "size": 3, "md5": "bWQ1", "metadata": {"k": "<v>"}}, {"name": "b", "size": 1}])
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("GET", f"{ACCOUNT_PATH}?restype=container&comp=list&maxresults=1&include=metadata")
    page = ET.fromstring(connection.getresponse().read())
    connection.close()
    (blob,) = page.findall("Blobs/Blob")
    assert blob.findtext("Properties/Content-MD5") == "bWQ1"
    assert blob.findtext("Properties/Content-Length") == "3"
    assert blob.findtext("Metadata/k") == "<v>"
    assert page.findtext("NextMarker") == "b"


def test_a_wrong_md5_is_refused(served: Endpoint) -> None:
    served.empty()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    body = b"z" * 300_000
    assert put(connection, "a", body, Content_MD5=md5_of(body)) == (201, "")
    assert put(connection, "b", body, Content_MD5=md5_of(b"other")) == (400, "Md5Mismatch")
    assert put(connection, "c", body, x_ms_blob_content_md5=md5_of(b"other")) == (400, "Md5Mismatch")
    connection.close()
    assert served.stats()["blobs"] == {CONTAINER: 1}


def test_bodies_that_are_dropped_unread_are_counted() -> None:
    body = b"q" * 3_000_000
    with endpoint() as served:
        served.empty()
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        for i in range(3):
            assert put(connection, f"{i}", body, Content_MD5="given") == (201, "")
        connection.close()
        stats = served.stats()
    assert stats["bytes_in"] == 9_000_000
    assert stats["blobs"] == {CONTAINER: 3}


def test_above_the_rate_requests_are_refused() -> None:
    with endpoint("--requests-per-s", "100") as served:
        served.empty()
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        answers = [put(connection, f"{i}", b"x") for i in range(60)]
        connection.request("PUT", f"{ACCOUNT_PATH}/last", b"x")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Retry-After")) in ((503, "1"), (201, None))
        answer.read()
        connection.close()
        stats = served.stats()
    refused = sum(answer == (503, "ServerBusy") for answer in answers)
    assert refused > 0
    assert stats["refused"] >= refused
    assert stats["blobs"][CONTAINER] >= 60 - refused


def test_latency_and_a_cap_take_their_time() -> None:
    with endpoint("--latency-ms", "40", "--connection-mbps", "20") as served:
        served.empty()
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        began_s = time.perf_counter()
        put(connection, "small", b"x")
        small_s = time.perf_counter() - began_s
        put(connection, "large", b"x" * 4_000_000)
        large_s = time.perf_counter() - began_s - small_s
        connection.close()
    assert 0.039 <= small_s < 0.2
    assert 0.235 <= large_s < 0.6


def test_every_nth_body_is_cut_half_way() -> None:
    outcomes = []
    with endpoint("--cut-every", "3") as served:
        served.empty()
        for i in range(6):
            connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
            try:
                outcomes.append(put(connection, f"{i}", b"x" * 8_000_000)[0])
            except (ConnectionError, http.client.HTTPException):
                outcomes.append(0)
            connection.close()
        stats = served.stats()
    assert outcomes == [201, 201, 0, 201, 201, 0]
    assert (stats["cut"], stats["blobs"]) == (2, {CONTAINER: 4})


def test_counts_are_reset_and_blobs_are_kept(served: Endpoint) -> None:
    served.empty()
    served.preload(count=2, name="{i}", size=1)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    put(connection, "x", b"1")
    connection.request("POST", "/_reset")
    stats = json.loads(connection.getresponse().read())
    connection.close()
    assert (stats["requests_total"], stats["bytes_in"], stats["blobs"]) == (0, 0, {CONTAINER: 3})


def test_what_a_loader_notes_for_itself_is_kept(container: ContainerClient) -> None:
    note = bytes(range(256)) * 2000
    container.upload_blob("_laden/manifest.parquet", note)
    container.upload_blob("a.png", b"dropped")
    assert container.download_blob("_laden/manifest.parquet").readall() == note
    assert container.download_blob("_laden/manifest.parquet", offset=500, length=7).readall() == note[500:507]
    with pytest.raises(HttpResponseError, match="NotImplemented"):
        container.download_blob("a.png")
