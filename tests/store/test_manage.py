"""The second port: the contract over Azurite and over a folder; soft delete and versions over a stand-in."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.store import CREATE_ONLY, Store, open_store, parse_destination
from laden.store.manage import Manage, Undo, open_manage
from laden.values.errors import BlobConflict, BlobMissing, BlobRefused, TransientStoreError
from tests.contracts.manage import ManageContract
from tests.contracts.store import properties
from tests.support.harness import sas
from tests.support.softdelete import SoftDelete

NO_CHANGE_TIME = pytest.mark.skipif(sys.platform == "win32", reason="keeps no time of the last change of any kind")


def ports(place: str) -> tuple[Store, Manage]:
    destination = parse_destination(place)
    return open_store(destination, connections=4), open_manage(destination)


class TestAzurite(ManageContract):
    @pytest.fixture
    def place(self, container: str) -> str:
        return container

    def open(self, place: str) -> tuple[Store, Manage]:
        return ports(place)


class TestThroughTheDoor(TestAzurite):
    """As verbs ask it: under the pace and the patience of the first port."""

    def open(self, place: str) -> tuple[Store, Manage]:
        destination = parse_destination(place)
        store = open_store(destination, connections=4)
        return store, open_manage(destination, ask=store.ask)


class TestWithAContainersSas(TestAzurite):
    """With which Azurite takes batches."""

    @pytest.fixture
    def place(self, container: str, emulator: Emulator) -> str:
        return f"{container}?{sas(emulator, container, 'rwdlct')}"

    def test_many_are_one_request(self, ports: tuple[Store, Manage], run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        store, manage = ports
        names = [f"{number}.png" for number in range(300)]
        for name in names[:4]:
            run(store.put(name, b"x", properties(b"x"), CREATE_ONLY))
        monkeypatch.setattr(manage, "set_tier", lambda *_: pytest.fail("one by one"))
        assert run(manage.set_tiers(names[:256], "Cool")).keys() == set(names[4:256])


class TestBelowAPrefix(TestAzurite):
    @pytest.fixture
    def place(self, container: str) -> str:
        return f"{container}/some/prefix"


class TestFolder(ManageContract):
    has_tiers = False
    keeps_types = False

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        (tmp_path / "place").mkdir()
        return str(tmp_path / "place")

    def open(self, place: str) -> tuple[Store, Manage]:
        return ports(place)

    def test_nothing_is_brought_back(self, place: str) -> None:
        manage = self.open(place)[1]
        assert asyncio.run(manage.undo()) == Undo(0, versions=False)
        with pytest.raises(BlobRefused):
            asyncio.run(manage.undelete("a"))

    def test_a_listing_reads_no_file(self, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
        (Path(place) / "strange.png").write_bytes(b"x")
        monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("it was read"))
        (found,) = asyncio.run(self.open(place)[1].list_details()).details
        assert found.blob.md5 is None
        assert found.modified_s == int((Path(place) / "strange.png").stat().st_mtime)

    def test_a_file_with_a_coarse_time_is_known_by_its_size_and_time(self, place: str) -> None:
        path = Path(place) / "old.png"
        path.write_bytes(b"x")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        manage = self.open(place)[1]
        (found,) = asyncio.run(manage.list_details()).details
        os.utime(path, (1_700_000_001, 1_700_000_001))
        with pytest.raises(BlobConflict):
            asyncio.run(manage.delete("old.png", found.blob.etag))
        (found,) = asyncio.run(manage.list_details()).details
        asyncio.run(manage.set_metadata("old.png", {"a": "1"}, found.blob.etag))
        asyncio.run(manage.delete("old.png", found.blob.etag))
        assert not path.exists()

    @pytest.mark.parametrize("coarse", [False, True])
    @pytest.mark.parametrize("how", [pytest.param("in place", marks=NO_CHANGE_TIME), "renamed"])
    def test_another_file_of_equal_length_and_time_is_another_version(self, place: str, how: str, coarse: bool) -> None:
        path, manage = Path(place) / "a", self.open(place)[1]
        path.write_bytes(b"old")
        times_ns = (1_700_000_000_000_000_000 + (0 if coarse else 123_456_789),) * 2
        os.utime(path, ns=times_ns)
        (found,) = asyncio.run(manage.list_details()).details
        written = path if how == "in place" else path.with_name("other")
        written.write_bytes(b"new")
        os.utime(written, ns=times_ns)
        written.replace(path)
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (3, times_ns[0])
        for change in (
            lambda: manage.delete("a", found.blob.etag),
            lambda: manage.set_metadata("a", {"a": "1"}, found.blob.etag),
            lambda: manage.copy("a", "b", found.blob.etag),
        ):
            with pytest.raises(BlobConflict):
                asyncio.run(change())
        assert path.read_bytes() == b"new"

    def test_what_is_looked_at_or_told_of_stays_the_version_that_was_listed(self, place: str) -> None:
        path, manage = Path(place) / "a", self.open(place)[1]
        path.write_bytes(b"old")
        (found,) = asyncio.run(manage.list_details()).details
        assert path.read_bytes() == b"old"
        etag = asyncio.run(manage.set_metadata("a", {"a": "1"}, found.blob.etag))
        asyncio.run(manage.set_metadata("a", {"a": "2"}, etag))
        asyncio.run(manage.delete("a", found.blob.etag))
        assert not path.exists()


SAS = "?sv=2023-11-03&sig=xxxxxxxxxxxxxxxx&se=2100-01-01&sp=rwdl&sr=c"


def of(service: SoftDelete, work: Any) -> Any:
    return below(service, "", work)


def below(service: SoftDelete, prefix: str, work: Any) -> Any:
    async def run() -> Any:
        manage = open_manage(parse_destination(f"{service.url}/{prefix}{SAS}"))
        try:
            return await work(manage)
        finally:
            await manage.close()

    return asyncio.run(run())


def test_soft_delete_is_told_and_undone() -> None:
    with SoftDelete(versions=False) as service:
        service.put("a", b"1")
        service.put("a.txt", b"22")
        assert of(service, lambda m: m.undo()) == Undo(14, versions=False)
        (seen, _) = of(service, lambda m: m.list_details()).details
        of(service, lambda m: m.delete("a", seen.blob.etag))
        assert [one.blob.name for one in of(service, lambda m: m.list_details()).details] == ["a.txt"]
        (gone,) = of(service, lambda m: m.history("a"))
        assert (gone.deleted, gone.days_left, gone.current) == (True, 14, False)
        of(service, lambda m: m.undelete("a"))
        assert [one.blob.name for one in of(service, lambda m: m.list_details()).details] == ["a", "a.txt"]
        with pytest.raises(BlobConflict):
            of(service, lambda m: m.undelete("a"))
        with pytest.raises(BlobMissing):
            of(service, lambda m: m.undelete("never"))


def test_where_versions_are_kept_the_last_one_is_copied_back() -> None:
    with SoftDelete(versions=True) as service:
        service.put("a", b"old")
        service.put("a", b"newer")
        assert of(service, lambda m: m.undo()) == Undo(14, versions=True)
        history = of(service, lambda m: m.history("a"))
        assert [(one.blob.size_bytes, one.current) for one in history] == [(5, True), (3, False)]
        of(service, lambda m: m.delete("a", history[0].blob.etag))
        assert of(service, lambda m: m.list_details()).details == []
        of(service, lambda m: m.undelete("a"))
        (back,) = of(service, lambda m: m.list_details()).details
        assert back.blob.size_bytes == 5


@pytest.mark.parametrize("most", [1, 10])
def test_versions_are_seen_behind_a_blob_that_only_says_that_there_is_the_prefix(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laden.store.manage.azure._LOOKED_AT", most)
    for versions in (True, False):
        with SoftDelete(versions=versions) as service:
            service.put("ward/", b"")
            assert below(service, "ward", lambda m: m.undo()) == Undo(14, versions=None)
            service.put("ward/a", b"1")
            assert below(service, "ward", lambda m: m.undo()) == Undo(14, versions=versions)


def test_where_nothing_is_kept_it_says_so() -> None:
    with SoftDelete(versions=False, days=0) as service:
        service.put("a", b"1")
        assert of(service, lambda m: m.undo()) == Undo(0, versions=False)
        (seen,) = of(service, lambda m: m.list_details()).details
        of(service, lambda m: m.delete("a", seen.blob.etag))
        with pytest.raises(BlobMissing):
            of(service, lambda m: m.undelete("a"))


def test_a_listing_that_is_cut_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.store.manage.azure._PAUSES_S", (0.0, 0.0))
    with SoftDelete(versions=False) as service:
        service.put("a", b"1")
        monkeypatch.setattr("tests.support.softdelete._Handler._listing", lambda *_: "<EnumerationResults><Blobs>")
        with pytest.raises(TransientStoreError):
            of(service, lambda m: m.list_details())
        assert service.requests == ["GET list"] * 3
