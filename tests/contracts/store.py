"""What every store owes to whoever uses it: the same suite runs over Azure Blob Storage and over a folder.

A test class inherits `StoreContract` and says in `place` where its store lies and in `open` how to open it, without
the wrapper that repeats. `run` drives one event loop for a whole test.
"""

import asyncio
import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from laden.store import CREATE_ONLY, Properties, Store
from laden.store.listing import list_all
from laden.values.errors import BlobConflict, BlobMissing, ContainerMissing, StoreError, TransientStoreError
from laden.values.records import Blob

Run = Callable[[Coroutine[Any, Any, Any]], Any]

NAMES = [
    "a b/c  d.png",
    " begins and ends with a space ",
    "100%/%41%2F.png",
    "a+b=c.png",
    "number#1.png",
    "what?.png",
    "this&that;and,the:other@home!$.png",
    "~/~a~.png",
    "'single' and \"double\" <angle> [square] {curly} (round) |^`*.png",
    "Größe/中文/😀.png",
    "caf\u00e9.png",
    "cafe\u0301.png",
    "\u202eright to left\u200b.png",
    "-rf",
    "_laden/manifest.parquet",
    ".hidden/.hidden",
    "UPPER.PNG",
    "upper.png",
    "/".join("segment" for _ in range(100)),
    "/".join("x" * 200 for _ in range(5)),
    "x" * 255,
]


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def properties(data: bytes, **metadata: str) -> Properties:
    return Properties(md5(data), "image/png", metadata)


def facts(blob: Blob) -> tuple[str, int, bytes | None, dict[str, str]]:
    return blob.name, blob.size_bytes, blob.md5, blob.metadata


async def listed(store: Store) -> list[Blob]:
    return [blob async for page in list_all(store) for blob in page]


async def at_once(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


class StoreContract(ABC):
    """Inherit it, and say where a store lies and how it is opened."""

    many = 5_200
    """More blobs than one page of the service's listing holds."""

    @pytest.fixture
    def place(self) -> str:
        """Where an empty container or folder is, as DEST."""
        raise NotImplementedError

    @abstractmethod
    def open(self, place: str) -> Store:
        """Open the store there, without retries. Called within a running loop."""

    @pytest.fixture
    def run(self) -> Iterator[Run]:
        with asyncio.Runner() as runner:
            yield runner.run

    @pytest.fixture
    def opened(self, run: Run) -> Iterator[Callable[[str], Store]]:
        stores: list[Store] = []

        async def opening(place: str) -> Store:
            stores.append(self.open(place))
            return stores[-1]

        yield lambda place: run(opening(place))
        for store in stores:
            run(store.close())

    @pytest.fixture
    def store(self, place: str, opened: Callable[[str], Store]) -> Store:
        return opened(place)

    @pytest.fixture
    def absent(self, place: str, opened: Callable[[str], Store]) -> Store:
        return opened(place + "-absent")

    def test_is_created_once(self, run, absent):
        assert run(absent.create()) is True
        assert run(absent.create()) is False
        assert run(listed(absent)) == []

    @pytest.mark.parametrize(
        "request_",
        [
            lambda store: store.list_page(),
            lambda store: store.head("a"),
            lambda store: store.get("a", 0, 1),
            lambda store: store.put("a", b"x", properties(b"x"), CREATE_ONLY),
            lambda store: store.put_block("a", "0000", b"x", md5(b"x")),
            lambda store: store.commit("a", ["0000"], properties(b"x"), None),
            lambda store: store.delete("a"),
        ],
        ids=["list", "head", "get", "put", "put_block", "commit", "delete"],
    )
    def test_without_its_container_everything_says_so(self, run, absent, request_):
        with pytest.raises(ContainerMissing, match="-absent"):
            run(request_(absent))

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_gives_back_what_was_put(self, run, store, kind):
        data = bytes(range(256)) * 20_000
        run(store.put("a.png", kind(data), properties(data, laden_size="7", laden_crc32="00ff00ff"), CREATE_ONLY))
        expected = ("a.png", len(data), md5(data), {"laden_size": "7", "laden_crc32": "00ff00ff"})
        assert facts(run(store.head("a.png"))) == expected
        assert [facts(blob) for blob in run(listed(store))] == [expected]
        assert run(store.get("a.png", 0, len(data))) == data

    def test_takes_an_empty_blob(self, run, store):
        run(store.put("empty", b"", properties(b"", laden_size="0"), CREATE_ONLY))
        assert facts(run(store.head("empty"))) == ("empty", 0, md5(b""), {"laden_size": "0"})
        assert [facts(blob) for blob in run(listed(store))] == [("empty", 0, md5(b""), {"laden_size": "0"})]
        assert run(store.get("empty", 0, 100)) == b""

    @pytest.mark.parametrize(
        ("offset", "length", "expected"),
        [(0, 4, b"0123"), (3, 4, b"3456"), (8, 4, b"89"), (9, 1, b"9"), (10, 4, b""), (99, 4, b""), (3, 0, b"")],
    )
    def test_gives_a_part(self, run, store, offset, length, expected):
        run(store.put("a", b"0123456789", properties(b"0123456789"), CREATE_ONLY))
        assert run(store.get("a", offset, length)) == expected

    @pytest.mark.parametrize(("offset", "count"), [(0, 3_000_000), (1, 2_000_000), (2_999_999, 4), (3_000_000, 4)])
    def test_fills_memory_that_is_there(self, run, store, offset, count):
        data = bytes(range(250)) * 12_000
        run(store.put("a", data, properties(data), CREATE_ONLY))
        etag = run(store.head("a")).etag
        room = memoryview(bytearray(b"x" * (count + 1)))
        expected = data[offset : offset + count]
        assert run(store.read_into("a", offset, room[:count], etag)) == len(expected)
        assert room[: len(expected)] == expected
        assert set(room[len(expected) :]) <= {ord("x")}
        run(store.put("a", b"new", properties(b"new"), None))
        with pytest.raises(BlobConflict, match="changed meanwhile"):
            run(store.read_into("a", offset, room[:count], etag))

    def test_gives_only_the_version_that_it_was_told(self, run, store):
        run(store.put("a", b"old", properties(b"old"), CREATE_ONLY))
        etag = run(store.head("a")).etag
        assert run(store.get("a", 1, 2, etag)) == b"ld"
        run(store.put("a", b"new", properties(b"new"), None))
        with pytest.raises(BlobConflict, match="changed meanwhile"):
            run(store.get("a", 1, 2, etag))
        assert run(store.get("a", 1, 2, run(store.head("a")).etag)) == b"ew"

    @pytest.mark.parametrize("etag", [None, CREATE_ONLY])
    def test_refuses_bytes_of_another_md5_and_shows_nothing(self, run, store, etag):
        with pytest.raises(TransientStoreError, match="changed on the way"):
            run(store.put("a", b"right", properties(b"wrong"), etag))
        assert run(listed(store)) == []
        with pytest.raises(BlobMissing):
            run(store.head("a"))

    def test_a_refused_replacement_leaves_the_old_content(self, run, store):
        run(store.put("a", b"old", properties(b"old", v="1"), CREATE_ONLY))
        with pytest.raises(TransientStoreError):
            run(store.put("a", b"new", properties(b"wrong"), None))
        assert run(store.get("a", 0, 9)) == b"old"
        assert facts(run(store.head("a"))) == ("a", 3, md5(b"old"), {"v": "1"})

    def test_creates_only(self, run, store):
        run(store.put("a", b"old", properties(b"old", v="1"), CREATE_ONLY))
        with pytest.raises(BlobConflict, match="already") as raised:
            run(store.put("a", b"new", properties(b"new", v="2"), CREATE_ONLY))
        assert raised.value.repeated is False
        assert run(store.get("a", 0, 9)) == b"old"
        assert facts(run(store.head("a"))) == ("a", 3, md5(b"old"), {"v": "1"})

    def test_of_many_that_create_at_once_one_succeeds(self, run, store):
        contents = [b"%d" % number for number in range(20)]
        puts = (store.put("a", data, properties(data, by=data.decode()), CREATE_ONLY) for data in contents)
        results = run(at_once(*puts))
        assert [type(result) for result in results if result is not None] == [BlobConflict] * 19
        won = contents[results.index(None)]
        assert run(store.get("a", 0, 9)) == won
        assert facts(run(store.head("a"))) == ("a", len(won), md5(won), {"by": won.decode()})

    @pytest.mark.parametrize("from_listing", [False, True])
    def test_replaces_the_version_it_was_told(self, run, store, from_listing):
        run(store.put("a", b"old", properties(b"old"), CREATE_ONLY))
        etag = (run(listed(store))[0] if from_listing else run(store.head("a"))).etag
        run(store.put("a", b"new", properties(b"new", v="2"), etag))
        assert facts(run(store.head("a"))) == ("a", 3, md5(b"new"), {"v": "2"})
        with pytest.raises(BlobConflict):
            run(store.put("a", b"3rd", properties(b"3rd"), etag))
        assert run(store.get("a", 0, 9)) == b"new"

    def test_listing_and_head_agree(self, run, store):
        run(store.put("a", b"x", properties(b"x", v="1"), CREATE_ONLY))
        assert run(listed(store)) == [run(store.head("a"))]

    def test_of_many_that_replace_one_version_one_succeeds(self, run, store):
        run(store.put("a", b"old", properties(b"old"), CREATE_ONLY))
        etag = run(store.head("a")).etag
        contents = [b"%03d" % number for number in range(20)]
        results = run(at_once(*(store.put("a", data, properties(data), etag) for data in contents)))
        assert [type(result) for result in results if result is not None] == [BlobConflict] * 19
        assert run(store.get("a", 0, 9)) == contents[results.index(None)]

    def test_every_version_has_an_etag_of_its_own(self, run, store):
        etags = []
        for number in range(50):
            run(store.put("a", b"%03d" % number, properties(b"%03d" % number), None))
            etags.append(run(store.head("a")).etag)
        assert len(set(etags)) == 50

    def test_nothing_is_lost_where_many_replace_what_they_read(self, run, store):
        async def add_ten() -> None:
            added = 0
            while added < 10:
                etag = (await store.head("n")).etag
                number = b"%d" % (int(await store.get("n", 0, 9)) + 1)
                with contextlib.suppress(BlobConflict):
                    await store.put("n", number, properties(number), etag)
                    added += 1

        run(store.put("n", b"0", properties(b"0"), CREATE_ONLY))
        assert run(at_once(*(add_ten() for _ in range(4)))) == [None] * 4
        assert run(store.get("n", 0, 9)) == b"40"

    def test_a_version_that_is_gone_is_not_replaced(self, run, store):
        run(store.put("a", b"old", properties(b"old"), CREATE_ONLY))
        etag = run(store.head("a")).etag
        run(store.delete("a"))
        with pytest.raises(BlobConflict):
            run(store.put("a", b"new", properties(b"new"), etag))
        assert run(listed(store)) == []

    def test_overwrites_whatever_is_there(self, run, store):
        for data in (b"first", b"second"):
            run(store.put("a", data, properties(data), None))
            assert facts(run(store.head("a"))) == ("a", len(data), md5(data), {})
            assert run(store.get("a", 0, 9)) == data

    def test_of_many_that_overwrite_at_once_one_stays_whole(self, run, store):
        contents = [b"%03d" % number * 1000 for number in range(20)]
        puts = (store.put("a", data, properties(data, by=data[:3].decode()), None) for data in contents)
        assert run(at_once(*puts)) == [None] * 20
        stays = run(store.get("a", 0, 5000))
        assert stays in contents
        assert facts(run(store.head("a"))) == ("a", 3000, md5(stays), {"by": stays[:3].decode()})

    def test_blocks_become_a_blob_in_the_order_of_the_commit(self, run, store):
        parts = {"0002": b"gamma", "0000": b"alpha" * 100_000, "0001": b"beta"}
        whole = b"".join(parts[block] for block in sorted(parts))
        run(at_once(*(store.put_block("a.png", block, data, md5(data)) for block, data in parts.items())))
        assert run(listed(store)) == []
        with pytest.raises(BlobMissing):
            run(store.head("a.png"))
        run(store.commit("a.png", sorted(parts), properties(whole, v="1"), CREATE_ONLY))
        assert [facts(blob) for blob in run(listed(store))] == [("a.png", len(whole), md5(whole), {"v": "1"})]
        assert run(store.get("a.png", 0, len(whole))) == whole

    def test_a_block_staged_again_counts_once(self, run, store):
        for data in (b"old", b"new", b"new"):
            run(store.put_block("a", "0000", data, md5(data)))
        run(store.commit("a", ["0000"], properties(b"new"), CREATE_ONLY))
        assert run(store.get("a", 0, 9)) == b"new"

    def test_blocks_of_two_blobs_do_not_mix(self, run, store):
        for name in ("a", "b"):
            run(store.put_block(name, "0000", name.encode(), md5(name.encode())))
        for name in ("a", "b"):
            run(store.commit(name, ["0000"], properties(name.encode()), CREATE_ONLY))
            assert run(store.get(name, 0, 9)) == name.encode()

    def test_refuses_a_block_of_another_md5(self, run, store):
        with pytest.raises(TransientStoreError, match="changed on the way"):
            run(store.put_block("a", "0000", b"right", md5(b"wrong")))
        with pytest.raises(StoreError):
            run(store.commit("a", ["0000"], properties(b"right"), CREATE_ONLY))

    def test_tells_what_is_staged_until_it_is_committed(self, run, store):
        assert run(store.staged("a")) == {}
        for block, data in (("0000", b"first"), ("0001", b"last one")):
            run(store.put_block("a", block, data, md5(data)))
        assert run(store.staged("a")) == {"0000": 5, "0001": 8}
        assert run(store.staged("a0")) == {}
        run(store.commit("a", ["0000", "0001"], properties(b"firstlast one"), CREATE_ONLY))
        assert run(store.staged("a")) == {}

    def test_a_missing_block_is_told_and_nothing_is_shown(self, run, store):
        run(store.put_block("a", "0000", b"x", md5(b"x")))
        with pytest.raises(StoreError) as raised:
            run(store.commit("a", ["0000", "0001"], properties(b"xy"), CREATE_ONLY))
        assert not isinstance(raised.value, TransientStoreError)
        assert run(listed(store)) == []

    @pytest.mark.parametrize("stale", [False, True])
    def test_a_commit_keeps_the_conditions(self, run, store, stale):
        run(store.put("a", b"old", properties(b"old"), CREATE_ONLY))
        run(store.put_block("a", "0000", b"new", md5(b"new")))
        etag = run(store.head("a")).etag if stale else CREATE_ONLY
        if stale:
            run(store.put("a", b"mid", properties(b"mid"), None))
            run(store.put_block("a", "0000", b"new", md5(b"new")))
        with pytest.raises(BlobConflict):
            run(store.commit("a", ["0000"], properties(b"new"), etag))
        assert run(store.get("a", 0, 9)) == (b"mid" if stale else b"old")
        run(store.commit("a", ["0000"], properties(b"new"), run(store.head("a")).etag))
        assert run(store.get("a", 0, 9)) == b"new"

    def test_deletes(self, run, store):
        run(store.put("a", b"x", properties(b"x"), CREATE_ONLY))
        run(store.delete("a"))
        assert run(listed(store)) == []
        with pytest.raises(BlobMissing):
            run(store.delete("a"))
        run(store.put("a", b"y", properties(b"y"), CREATE_ONLY))
        assert run(store.get("a", 0, 9)) == b"y"

    @pytest.mark.parametrize("name", ["absent", "folder", "folder/blob/below", "x" * 256, "/".join(["y" * 200] * 5)])
    def test_a_blob_that_is_not_there_is_missing(self, run, store, name):
        run(store.put("folder/blob", b"x", properties(b"x"), CREATE_ONLY))
        for request in (store.head(name), store.get(name, 0, 1), store.delete(name)):
            with pytest.raises(BlobMissing):
                run(request)

    def test_names_come_back_as_they_went(self, run, store):
        contents = {name: name.encode() for name in NAMES}
        puts = (store.put(name, data, properties(data), CREATE_ONLY) for name, data in contents.items())
        assert run(at_once(*puts)) == [None] * len(NAMES)
        found = run(listed(store))
        assert {blob.name: blob.md5 for blob in found} == {name: md5(data) for name, data in contents.items()}
        assert [blob.name for blob in found] == [blob.name for blob in run(listed(store))]
        for name, data in contents.items():
            assert facts(run(store.head(name))) == (name, len(data), md5(data), {})
            assert run(store.get(name, 0, 5000)) == data
            run(store.delete(name))
        assert run(listed(store)) == []

    @pytest.mark.parametrize("prefix", ["p", "deep/er", "ümläut 100%+#"])
    def test_a_prefix_sees_only_its_own(self, run, store, place, opened, prefix):
        below = opened(
            f"{place}/{prefix.replace('%', '%25').replace('#', '%23')}" if "://" in place else f"{place}/{prefix}"
        )
        run(below.create())
        run(below.put("a", b"below", properties(b"below"), CREATE_ONLY))
        run(store.put("a", b"beside", properties(b"beside"), CREATE_ONLY))
        run(store.put(prefix + "x/a", b"similar", properties(b"similar"), CREATE_ONLY))
        assert [blob.name for blob in run(listed(below))] == ["a"]
        assert run(below.get("a", 0, 9)) == b"below"
        assert run(below.head("a")).name == "a"
        assert run(store.get(prefix + "/a", 0, 9)) == b"below"
        run(below.delete("a"))
        names = {blob.name for blob in run(listed(store)) if "/_laden/" not in blob.name}
        assert names == {"a", prefix + "x/a"}

    def test_lists_more_than_a_page_once_each_and_in_order(self, run, store):
        names = [f"png/{number % 7}/{number:05d} ü.png" for number in range(self.many)]
        slots = asyncio.Semaphore(32)

        async def put(name: str) -> None:
            async with slots:
                await store.put(name, b"x", properties(b"x", n=name[6:11]), CREATE_ONLY)

        assert set(run(at_once(*map(put, names)))) == {None}
        found = run(listed(store))
        assert [blob.name for blob in found] == sorted(names)
        assert {(blob.md5, blob.size_bytes) for blob in found} == {(md5(b"x"), 1)}
        assert all(blob.metadata == {"n": blob.name[6:11]} for blob in found)
