"""From place to place: what arrives is what the manifest says, whichever way it went; the copy is a load of its own."""

import math
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.store import Destination, taking
from laden.store.blob import BlobStore
from laden.store.credentials import Credential, Grant
from laden.store.http import Answer
from laden.store.manage import DetailPage
from laden.store.manage.azure import AzureManage
from laden.values.errors import AccessDenied, UsageError
from laden.values.events import Event, Warned
from laden.verbs.copy import copy
from laden.verbs.load import load
from laden.verbs.properties import set_properties
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.fuller import Fuller
from tests.support.harness import client, content, landed, sas

MANIFEST, PAGE = "_laden/manifest.parquet", "_laden/load.json"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3})


@pytest.fixture(scope="module")
def origin(emulator: Emulator, dataset: Dataset) -> str:
    url = emulator.url("copy-origin")
    assert load(dataset.folder, url).exit_code == 0
    return url


def everything(emulator: Emulator, url: str) -> dict[str, bytes]:
    return {name: content(emulator, url, name) for name in landed(emulator, url)}


def test_the_copy_is_the_original_to_the_last_byte(
    origin: str, dataset: Dataset, container: str, emulator: Emulator
) -> None:
    """By the service's blocks, which is what Azurite has."""
    events: list[Event] = []
    done = copy(origin, container, observer=events.append)
    assert (done.exit_code, done.images, done.sent, done.findings) == (0, 7, 7, {})
    assert not [event for event in events if isinstance(event, Warned)]
    assert landed(emulator, container) == landed(emulator, origin)
    assert everything(emulator, container) == everything(emulator, origin)
    assert verify(container).exit_code == 0
    again = copy(origin, container)
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 7)
    # A load finds all of it done.
    assert load(dataset.folder, container).already_there == 7


def test_in_one_request_where_the_service_has_it(origin: str, container: str, emulator: Emulator) -> None:
    with Fuller(emulator) as service:
        assert copy(service.url(origin), service.url(container)).exit_code == 0
        taken = [one for one in service.copies if "x-ms-blob-type" in one.headers]
        assert len(taken) == len(service.copies) == 7
        assert {name for name, *_ in taken} == {name for name in landed(emulator, origin) if name.startswith("png/")}
        assert all(one.headers["if-none-match"] == "*" for one in taken)
        assert all(one.headers["x-ms-source-if-match"].startswith('"') for one in taken)
        # What the service is lent may read, and nothing else.
        assert all("sp=r&" in one.source for one in taken)
    assert everything(emulator, container) == everything(emulator, origin)
    assert landed(emulator, container) == landed(emulator, origin)


def test_a_sign_in_goes_in_a_header_and_never_in_an_address(
    origin: str, container: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lending = taking._lending

    def signed_in(place: Destination, letters: str, sas: Any) -> Credential:
        if letters != "r":
            return lending(place, letters, sas)
        return Credential("sign-in", lambda _: Grant("", "Bearer a.token", math.inf))

    monkeypatch.setattr(taking, "_lending", signed_in)
    with Fuller(emulator) as service:
        data = everything(emulator, origin)
        service.source = lambda url: (200, [], data[url.partition("/copy-origin/")[2]])
        assert copy(service.url(origin), service.url(container)).exit_code == 0
        assert {one.headers["x-ms-copy-source-authorization"] for one in service.copies} == {"Bearer a.token"}
        assert not any("?" in one.source for one in service.copies)


@pytest.mark.parametrize("answer", [(403, [], b""), (404, [], b"")])
def test_where_the_service_cannot_read_the_source_bytes_pass_this_machine(
    origin: str, container: str, emulator: Emulator, answer: Any
) -> None:
    events: list[Event] = []
    with Fuller(emulator) as service:
        service.source = lambda _: answer
        done = copy(service.url(origin), service.url(container), observer=events.append, connections=2)
        assert (done.exit_code, done.sent) == (0, 7)
        assert len(service.copies) < 30
    (warned,) = [event for event in events if isinstance(event, Warned)]
    assert "pass this machine" in warned.message
    assert "sig=" not in str(events)
    assert everything(emulator, container) == everything(emulator, origin)


def test_between_a_container_and_a_folder(origin: str, container: str, emulator: Emulator, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    assert copy(origin, str(folder)).exit_code == 0
    assert verify(str(folder)).exit_code == 0
    assert copy(str(folder), container).exit_code == 0
    assert everything(emulator, container).keys() == everything(emulator, origin).keys()
    assert content(emulator, container, MANIFEST) == content(emulator, origin, MANIFEST)


def test_a_part_of_it_with_its_table(origin: str, dataset: Dataset, container: str, emulator: Emulator) -> None:
    dry = copy(origin, container, where="ImageDir = 1", dry_run=True)
    assert (dry.images, dry.complete) == (3, False)
    assert landed(emulator, container) == {}
    done = copy(origin, container, where="ImageDir = 1", table_name="ONE.csv")
    assert (done.exit_code, done.images, done.sent) == (0, 3, 3)
    there = everything(emulator, container)
    assert sorted(there) == sorted([*(name for name in dataset.blobs if "/1/" in name), "ONE.csv", MANIFEST, PAGE])
    lines = dataset.table.read_bytes().splitlines(keepends=True)
    assert there["ONE.csv"].startswith(lines[0])
    assert len(there["ONE.csv"]) < len(dataset.table.read_bytes())
    assert verify(container).exit_code == 0
    # The rest of it comes beside.
    assert copy(origin, container).sent == 4
    assert verify(container).images == 7


def test_what_is_there_with_other_content_stays(
    origin: str, dataset: Dataset, container: str, emulator: Emulator
) -> None:
    names = sorted(dataset.blobs)
    with client(emulator, container) as opened:
        opened.upload_blob(names[0], b"mine")
        # Another tool's, equal, and of equal length: its bytes are read before it is called so.
        opened.upload_blob(names[1], dataset.blobs[names[1]])
        opened.upload_blob("png/0/other.png", b"mine")
    done = copy(origin, container)
    assert (done.exit_code, done.sent, done.already_there, done.conflicts) == (3, 5, 1, 1)
    assert content(emulator, container, names[0]) == b"mine"
    assert verify(container).images == 6
    done = copy(origin, container, overwrite="changed")
    assert (done.exit_code, done.sent, done.conflicts) == (0, 1, 0)
    assert content(emulator, container, "png/0/other.png") == b"mine"
    assert verify(container).images == 7


def test_what_is_wrong_in_the_source_is_told_and_not_copied(
    dataset: Dataset, container: str, emulator: Emulator
) -> None:
    source = emulator.url("copy-damaged")
    load(dataset.folder, source)
    names = sorted(dataset.blobs)
    with client(emulator, source) as opened:
        opened.delete_blob(names[0])
        opened.upload_blob(names[1], b"another", overwrite=True)
        # Rotten bytes under the MD5 that the service notes.
        rotten = b"x" * len(dataset.blobs[names[2]])
        from azure.storage.blob import ContentSettings

        was = opened.get_blob_client(names[2]).get_blob_properties()
        opened.get_blob_client(names[2]).stage_block("a", rotten)
        settings = ContentSettings(content_md5=was.content_settings.content_md5)
        opened.get_blob_client(names[2]).commit_block_list(["a"], content_settings=settings, metadata=was.metadata)
    done = copy(source, container)
    assert done.exit_code == 3
    assert done.findings == {"copy-source": 2, "copy-differs": 1}
    there = landed(emulator, container)
    assert not set(names[:3]) & set(there)
    assert "PADCHEST_SMALL.csv" in there
    assert verify(container).images == 4


def test_metadata_of_others_go_along_and_a_tier_is_as_asked(
    dataset: Dataset, container: str, emulator: Emulator
) -> None:
    source = emulator.url("copy-metadata")
    load(dataset.folder, source, metadata=["patient={PatientID}"])
    with Fuller(emulator) as service:
        copy(service.url(source), service.url(container), tier="cool")
    assert landed(emulator, container) == landed(emulator, source)
    again = emulator.url("copy-metadata-again")
    copy(source, again, tier="cool")
    assert landed(emulator, again) == landed(emulator, source)
    assert set_properties(again, tier="cool").as_wanted == 7


def test_a_load_of_files_and_another_prefix(emulator: Emulator, container: str, tmp_path: Path) -> None:
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "deep" / "a b.txt").write_bytes(b"one")
    (tmp_path / "src" / "empty.txt").write_bytes(b"")
    load(tmp_path / "src", f"{container}/first", profile="files")
    done = copy(f"{container}/first", f"{container}/second/deep")
    assert (done.exit_code, done.sent) == (0, 2)
    there = everything(emulator, container)
    assert there["second/deep/deep/a b.txt"] == b"one"
    assert there["second/deep/empty.txt"] == b""
    assert there["second/deep/_laden/manifest.parquet"] == there["first/_laden/manifest.parquet"]
    assert verify(f"{container}/second/deep").exit_code == 0


def test_what_cannot_be_meant(origin: str, container: str, emulator: Emulator, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the same place"):
        copy(origin, origin)
    with pytest.raises(UsageError, match="no load was completed"):
        copy(container, str(tmp_path / "x"))
    with pytest.raises(UsageError, match="has no tiers"):
        copy(origin, str(tmp_path / "x"), tier="cool")
    with pytest.raises(UsageError):
        copy(origin, container, where="ImageDir = 99")


def test_the_source_s_sas_is_one_of_its_own(
    origin: str, container: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADEN_SOURCE_SAS", sas(emulator, origin, "rl"))
    monkeypatch.setenv("LADEN_SAS", sas(emulator, container, "rcwl"))
    events: list[Event] = []
    assert copy(origin, container, observer=events.append).exit_code == 0
    assert "sig=" not in str(events)


@pytest.mark.parametrize("whole", [True, False], ids=["in-one-request", "by-blocks"])
def test_index_tags_go_along(dataset: Dataset, container: str, emulator: Emulator, whole: bool) -> None:
    origin = f"{container}-tagged"
    begin(dataset.folder, origin)
    set_properties(origin, tags=["view=a b/{ImageDir}"], where="ImageDir = 0")
    with Fuller(emulator, copies=whole) as service:
        done = copy(service.url(origin), service.url(container))
    assert (done.exit_code, done.findings) == (0, {})
    with client(emulator, container) as opened:
        found = {blob.name: blob.tags for blob in opened.list_blobs(include=["tags"]) if blob.tags}
    assert found == {name: {"view": "a b/0"} for name in dataset.blobs if name.startswith("png/0/")}
    assert len(found) == 4


@pytest.mark.parametrize("lacking", ["source", "destination"])
def test_tags_that_may_not_be_read_or_written_are_told(
    dataset: Dataset, container: str, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """As Azure has it where a SAS lacks `t`, which Azurite lets pass."""
    origin = f"{container}-tagged"
    load(dataset.folder, origin, tags=["view=a"])
    listed, request = AzureManage.list_details, BlobStore.request

    async def list_details(self: AzureManage, marker: str = "", **options: bool) -> DetailPage:
        if lacking == "source" and options.get("tags"):
            raise AccessDenied("not the tags")
        return await listed(self, marker, **options)

    async def asked(self: BlobStore, *arguments: Any, **options: Any) -> Answer:
        headers = next((one for one in arguments if isinstance(one, dict)), options.get("headers") or {})
        if lacking == "destination" and "x-ms-tags" in headers:
            raise AccessDenied("not the tags")
        return await request(self, *arguments, **options)

    monkeypatch.setattr(AzureManage, "list_details", list_details)
    monkeypatch.setattr(BlobStore, "request", asked)
    events: list[Event] = []
    done = copy(origin, container, observer=events.append)
    told = [event.message for event in events if isinstance(event, Warned)]
    assert (done.exit_code, done.sent) == (0, 7)
    assert done.findings == ({"copy-tags": 1} if lacking == "source" else {})
    assert sum("index tags do not go along" in text for text in told) == (lacking == "destination")


def test_a_part_copied_again_leaves_the_whole_table_with_the_load(dataset: Dataset, tmp_path: Path) -> None:
    origin, whole = tmp_path / "origin", tmp_path / "whole"
    for place in (origin, whole):
        begin(dataset.folder, str(place))
    for _ in range(3):
        assert copy(str(origin), str(whole), where="ImageDir = 0", table_name="ZERO.csv").exit_code == 0
        assert (whole / dataset.table.name).read_bytes() == (origin / dataset.table.name).read_bytes()
        proved = verify(str(whole))
        assert (proved.exit_code, proved.images, proved.findings) == (0, 7, {})


@pytest.mark.parametrize("spelling", ["link", "dots", "host"])
def test_one_place_under_two_names_is_not_copied_to_itself(
    dataset: Dataset, container: str, tmp_path: Path, spelling: str
) -> None:
    if spelling == "host":
        origin, other = container, container.replace("127.0.0.1", "localhost")
    else:
        origin = str(tmp_path / "place")
        other = str(tmp_path / "link") if spelling == "link" else str(tmp_path / "x/../place")
        (tmp_path / "x").mkdir()
        (tmp_path / "link").symlink_to(origin)
    begin(dataset.folder, origin)
    with pytest.raises(UsageError, match="same place"):
        copy(origin, other, where="ImageDir = 0")


def test_a_name_that_the_other_place_cannot_hold_stops_no_copy(dataset: Dataset, tmp_path: Path) -> None:
    origin, other = tmp_path / "origin", tmp_path / "other"
    load(dataset.folder, str(origin), layout="{ImageID}")
    name = next(path.name for path in origin.glob("*.png"))
    other.mkdir()
    (other / name).mkdir()
    for sent in (6, 0):
        done = copy(str(origin), str(other))
        assert (done.exit_code, done.complete, done.sent) == (3, True, sent)
        assert done.findings == {"copy-name": 1}
    assert (other / name).is_dir()
    assert verify(str(other)).images == 6
