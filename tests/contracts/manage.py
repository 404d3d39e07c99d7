"""What every second port owes to whoever uses it: the same suite over Azure Blob Storage and over a folder.

A test class inherits `ManageContract` and says where both ports of one place are. What a place cannot do, it refuses;
what then holds is asked for too.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from laden.store import CREATE_ONLY, Store
from laden.store.manage import Detail, Manage
from laden.values.errors import BlobConflict, BlobMissing, BlobRefused
from tests.contracts.store import NAMES, md5, properties

Run = Callable[[Coroutine[Any, Any, Any]], Any]
DATA = b"twelve bytes"


async def details(manage: Manage) -> list[Detail]:
    found, marker = [], ""
    while True:
        page = await manage.list_details(marker)
        found += page.details
        marker = page.marker
        if not marker:
            return found


class ManageContract(ABC):
    """Inherit it, and say where a place lies and how its ports are opened."""

    has_tiers = True
    keeps_types = True
    has_prefix = False

    @abstractmethod
    @pytest.fixture
    def place(self) -> str:
        """An empty container or folder."""

    @abstractmethod
    def open(self, place: str) -> tuple[Store, Manage]:
        """Both ports."""

    @pytest.fixture
    def run(self) -> Iterator[Run]:
        with asyncio.Runner() as runner:
            yield runner.run

    @pytest.fixture
    def ports(self, place: str, run: Run) -> Iterator[tuple[Store, Manage]]:
        async def opened() -> tuple[Store, Manage]:
            return self.open(place)

        store, manage = run(opened())
        yield store, manage
        run(store.close())
        run(manage.close())

    def test_a_listing_tells_dates_and_what_the_first_port_tells(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        names = [name for name in NAMES if len(name) < 200]
        for name in names:
            run(store.put(name, DATA, properties(DATA, laden_size="12"), CREATE_ONLY))
        found = {detail.blob.name: detail for detail in run(details(manage))}
        assert sorted(found) == sorted(names)
        for name, detail in found.items():
            assert detail.blob == run(store.head(name))._replace(etag=detail.blob.etag)
            assert detail.blob.md5 == md5(DATA)
            assert detail.blob.metadata == {"laden_size": "12"}
            assert abs(detail.modified_s - found[names[0]].modified_s) < 120
            assert detail.current
            assert not detail.deleted

    def test_a_blob_is_deleted_only_as_the_version_that_was_seen(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        run(store.put("a", DATA, properties(DATA), CREATE_ONLY))
        (seen,) = run(details(manage))
        run(store.put("a", b"other", properties(b"other"), None))
        with pytest.raises(BlobConflict):
            run(manage.delete("a", seen.blob.etag))
        assert run(store.get("a", 0, 9)) == b"other"
        (seen,) = run(details(manage))
        run(manage.delete("a", seen.blob.etag))
        assert run(details(manage)) == []
        with pytest.raises((BlobMissing, BlobConflict)):
            run(manage.delete("a", seen.blob.etag))

    def test_metadata_are_replaced_and_the_content_stays(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        run(store.put("a", DATA, properties(DATA, old="1"), CREATE_ONLY))
        (seen,) = run(details(manage))
        run(manage.set_metadata("a", {"new": "2"}, seen.blob.etag))
        head = run(store.head("a"))
        assert head.metadata == {"new": "2"}
        assert (head.md5, head.size_bytes) == (md5(DATA), len(DATA))
        with pytest.raises(BlobConflict):
            run(manage.set_metadata("a", {"late": "3"}, '"0x0"'))
        assert run(store.head("a")).metadata == {"new": "2"}

    def test_a_copy_never_replaces(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        run(store.put("a b/c.png", DATA, properties(DATA, laden_size="12"), CREATE_ONLY))
        (seen,) = run(details(manage))
        run(manage.copy("a b/c.png", "review/a b/c.png", seen.blob.etag))
        copied = run(store.head("review/a b/c.png"))
        assert (copied.md5, copied.metadata) == (md5(DATA), {"laden_size": "12"})
        with pytest.raises(BlobConflict):
            run(manage.copy("a b/c.png", "review/a b/c.png", seen.blob.etag))
        with pytest.raises(BlobConflict):
            run(manage.copy("a b/c.png", "elsewhere", '"0x0"'))
        assert len(run(details(manage))) == 2

    def test_a_type_changes_and_nothing_else(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        run(store.put("a", DATA, properties(DATA, kept="1"), CREATE_ONLY))
        (seen,) = run(details(manage))
        if not self.keeps_types:
            with pytest.raises(BlobRefused):
                run(manage.set_content_type("a", "text/plain", seen.blob.etag))
            return
        run(manage.set_content_type("a", "text/plain", seen.blob.etag))
        (now,) = run(details(manage))
        assert now.content_type == "text/plain"
        assert (now.blob.md5, now.blob.metadata) == (md5(DATA), {"kept": "1"})
        with pytest.raises(BlobConflict):
            run(manage.set_content_type("a", "text/html", seen.blob.etag))

    def test_tiers_and_tags(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        run(store.put("a", DATA, properties(DATA), CREATE_ONLY))
        with pytest.raises(BlobRefused):
            run(manage.set_tier("a", "Warm"))
        if not self.has_tiers:
            for refused in (manage.set_tier("a", "Cool"), manage.set_tags("a", {"x": "1"})):
                with pytest.raises(BlobRefused):
                    run(refused)
            return
        run(manage.set_tier("a", "Cool"))
        run(manage.set_tags("a", {"review": "yes / no", "x": "a=b+c: d.e-f_g"}))
        assert run(details(manage))[0].tier == "Cool"
        assert run(manage.tags("a")) == {"review": "yes / no", "x": "a=b+c: d.e-f_g"}

    def test_tiers_of_many(self, ports: tuple[Store, Manage], run: Run) -> None:
        store, manage = ports
        names = [f"a b/{number} \u00e4.png" for number in range(5)]
        for name in names:
            run(store.put(name, DATA, properties(DATA), CREATE_ONLY))
        if not self.has_tiers:
            with pytest.raises(BlobRefused):
                run(manage.set_tiers(names, "Cool"))
            return
        assert run(manage.set_tiers([*names[:3], "nothing"], "Cool")).keys() == {"nothing"}
        assert run(manage.set_tiers(names[3:4], "Cold")) == {}
        assert run(manage.set_tiers([], "Cold")) == {}
        found = {detail.blob.name: detail.tier for detail in run(details(manage))}
        assert found == {**dict.fromkeys(names[:3], "Cool"), names[3]: "Cold", names[4]: "Hot"}
        with pytest.raises(BlobRefused):
            run(manage.set_tiers(names, "Warm"))

    def test_properties_and_history_of_what_is_not_there(self, ports: tuple[Store, Manage], run: Run) -> None:
        _, manage = ports
        with pytest.raises(BlobMissing):
            run(manage.properties("nothing"))
        assert run(manage.history("nothing")) == []
