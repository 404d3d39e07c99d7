"""Files that are brought to a folder: what is proved gets its name, nothing else does, and nothing of yours goes."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from isal.isal_zlib import crc32

from laden.stages.download import Came, Fate, Wanted, download, ranges, reading
from laden.stages.download.rooms import Rooms
from laden.store.intake import Intake, _written
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobConflict,
    BlobMissing,
    BlobRefused,
    StoreError,
    UsageError,
)

DATA = {f"png/{n}.png": bytes([n]) * (100 + n) for n in range(5)}


def wanted(name: str, data: bytes, place: str = "", etag: str | None = "e1") -> Wanted:
    digest = hashlib.md5(data).digest()
    return Wanted(place or name, name, len(data), digest, crc32(data), etag)


class Served:
    """A store of which a test says how it answers; ranges as the service gives them."""

    def __init__(self, data: dict[str, bytes], etag: str = "e1") -> None:
        self.data = dict(data)
        self.etag = etag
        self.asked: list[tuple[str, int, int]] = []
        self.spoil: dict[int, bytes | Exception] = {}
        """What the n-th request gets instead."""

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        self.asked.append((name, offset, length))
        instead = self.spoil.get(len(self.asked))
        await asyncio.sleep(0)
        if isinstance(instead, Exception):
            raise instead
        if instead is not None:
            return instead
        if etag not in (None, self.etag):
            raise BlobConflict(f"{name} changed meanwhile")
        if name not in self.data:
            raise BlobMissing(f"there is no {name}")
        return self.data[name][offset : offset + length]

    async def read_into(self, name: str, offset: int, room: memoryview, etag: str | None = None) -> int:
        data = await self.get(name, offset, len(room), etag)
        room[: len(data)] = data
        return len(data)


def bring(store: Served, folder: Path, items: Iterable[Wanted], stop_after: int = 1 << 30) -> list[Came]:
    async def work() -> list[Came]:
        intake = Intake(folder)
        await intake.prepare()
        found: list[Came] = []
        async for one in download(items, reading(store), intake, lambda: len(found) >= stop_after):  # type: ignore[arg-type]
            found.append(one)
        return found

    return asyncio.run(work())


def fates(found: list[Came]) -> dict[str, str]:
    return {one.item.place: one.fate.value for one in found}


def files(folder: Path) -> dict[str, bytes]:
    """All but laden's own notes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        name: path.read_bytes() for path in found if not (name := str(path.relative_to(folder))).startswith("_laden/")
    }


def left(folder: Path) -> list[str]:
    return [path.name for path in (folder / "_laden/staging").glob("*")]


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "WHOLE_BYTES", 64)
    monkeypatch.setattr(ranges, "RANGE_BYTES", 16)


def test_what_came_lies_there_and_is_not_fetched_again(tmp_path: Path) -> None:
    store = Served(DATA)
    items = [wanted(*pair) for pair in DATA.items()]
    assert set(fates(bring(store, tmp_path, items)).values()) == {"came"}
    assert files(tmp_path) == DATA
    assert left(tmp_path) == []
    store.asked.clear()
    assert set(fates(bring(store, tmp_path, items)).values()) == {"there"}
    assert store.asked == []


def test_without_any_note_of_the_run_before_it_is_the_same(tmp_path: Path) -> None:
    items = [wanted(*pair) for pair in DATA.items()]
    bring(Served(DATA), tmp_path, items)
    (tmp_path / "_laden/folder.jsonl").unlink()
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1, 1))
    (tmp_path / "png/3.png").unlink()
    store = Served(DATA)
    assert sorted(fates(bring(store, tmp_path, items)).values()) == ["came"] + ["there"] * 4
    assert [name for name, *_ in store.asked] == ["png/3.png"]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 80, 81, 1000])
def test_large_files_come_in_ranges_of_one_version(tmp_path: Path, small_ranges: None, size: int) -> None:
    data = os.urandom(size)
    store = Served({"a": data})
    assert fates(bring(store, tmp_path, [wanted("a", data)])) == {"a": "came"}
    assert files(tmp_path) == {"a": data}
    assert sorted(store.asked) == (
        [("a", at, min(16, size - at)) for at in range(0, size, 16)] if size > 64 else [("a", 0, size)]
    )


def test_a_large_file_goes_on_where_it_stopped(tmp_path: Path, small_ranges: None) -> None:
    data = os.urandom(1000)
    broken = Served({"a": data})
    broken.spoil[30] = AccessEnded("the credential has ended")
    with pytest.raises(AccessEnded):
        bring(broken, tmp_path, [wanted("a", data)])
    assert files(tmp_path) == {}
    (part,) = left(tmp_path)
    kept = (tmp_path / "_laden/staging" / part).stat().st_size
    assert kept >= 16 * 24
    store = Served({"a": data})
    assert fates(bring(store, tmp_path, [wanted("a", data)])) == {"a": "came"}
    assert min(at for _, at, _ in store.asked) == kept
    assert files(tmp_path) == {"a": data}
    assert left(tmp_path) == []


def test_what_an_earlier_run_left_of_a_large_file_is_not_believed(tmp_path: Path, small_ranges: None) -> None:
    data = os.urandom(1000)
    broken = Served({"a": data})
    broken.spoil[30] = AccessEnded("the credential has ended")
    with pytest.raises(AccessEnded):
        bring(broken, tmp_path, [wanted("a", data)])
    part = next((tmp_path / "_laden/staging").glob("*.part"))
    part.write_bytes(b"x" * part.stat().st_size)
    assert fates(bring(Served({"a": data}), tmp_path, [wanted("a", data)])) == {"a": "came"}
    assert files(tmp_path) == {"a": data}


def test_a_version_that_changes_midway_is_never_put_together(tmp_path: Path, small_ranges: None) -> None:
    data = os.urandom(1000)

    class Changing(Served):
        async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
            if len(self.asked) == 20:
                self.etag, self.data = "e2", {"a": os.urandom(1000)}
            return await super().get(name, offset, length, etag)

    assert fates(bring(Changing({"a": data}), tmp_path, [wanted("a", data)])) == {"a": "changed"}
    assert files(tmp_path) == {}


@pytest.mark.parametrize("bad", [b"", b"short", b"\0" * 100, b"\0" * 101])
def test_wrong_bytes_are_read_again_and_right_ones_taken(tmp_path: Path, bad: bytes) -> None:
    store = Served({"a": b"\1" * 100})
    store.spoil[1] = bad
    assert fates(bring(store, tmp_path, [wanted("a", b"\1" * 100)])) == {"a": "came"}
    assert files(tmp_path) == {"a": b"\1" * 100}


@pytest.mark.parametrize("small", [True, False])
def test_what_never_proves_right_never_gets_a_name(
    tmp_path: Path, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not small:
        monkeypatch.setattr(ranges, "WHOLE_BYTES", 64)
        monkeypatch.setattr(ranges, "RANGE_BYTES", 16)
    store = Served({"a": b"\1" * 99 + b"\2", "b": b"b"})
    (one, other) = sorted(bring(store, tmp_path, [wanted("a", b"\1" * 100), wanted("b", b"b")]))
    assert (one.fate, other.fate) == (Fate.DAMAGED, Fate.CAME)
    assert "MD5" in one.reason
    assert files(tmp_path) == {"b": b"b"}


def test_the_crc_is_held_against_too(tmp_path: Path) -> None:
    item = wanted("a", b"a")._replace(md5=None, crc32=7)
    (one,) = bring(Served({"a": b"a"}), tmp_path, [item])
    assert one.fate is Fate.DAMAGED
    assert "CRC-32" in one.reason


def test_files_of_others_stay_and_ladens_own_give_way(tmp_path: Path) -> None:
    bring(Served({"a": b"1", "b": b"1", "c": b"1"}), tmp_path, [wanted(name, b"1") for name in "abc"])
    (tmp_path / "b").write_bytes(b"mine")
    (tmp_path / "d").write_bytes(b"yours")
    (tmp_path / "e").symlink_to(tmp_path / "d")
    (tmp_path / "g").mkdir()
    items = [wanted(name, b"22") for name in ("a", "b", "c", "d", "e", "f", "g", "d/x", "e/x")]
    found = bring(Served({item.blob: b"22" for item in items}), tmp_path, items)
    assert fates(found) == {
        "a": "replaced", "b": "conflict", "c": "replaced", "d": "conflict", "e": "conflict", "f": "came",
        "g": "refused", "d/x": "refused", "e/x": "refused",
    }  # fmt: skip
    assert files(tmp_path) == {"a": b"22", "b": b"mine", "c": b"22", "d": b"yours", "e": b"yours", "f": b"22"}
    assert (tmp_path / "e").is_symlink()


def test_nothing_lands_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "got").mkdir()
    (tmp_path / "got/png").symlink_to(tmp_path / "outside")
    (one,) = bring(Served(DATA), tmp_path / "got", [wanted("png/1.png", DATA["png/1.png"])])
    assert one.fate is Fate.REFUSED
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    "place",
    ["../a", "/a", "a/../b", "a\0b", "C:/a", "a\\b", "_laden/folder.jsonl", "_laden/staging/x", "a/", "x" * 300],
)
def test_hostile_places_are_refused(tmp_path: Path, place: str) -> None:
    (one,) = bring(Served({"a": b"a"}), tmp_path / "got", [wanted("a", b"a", place)])
    assert one.fate is Fate.REFUSED, one
    assert files(tmp_path / "got") == {}
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def test_one_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    class Slow(Served):
        async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
            (tmp_path / name).write_bytes(b"mine" if name == "a" else b"b")
            return await super().get(name, offset, length, etag)

    found = bring(Slow({"a": b"a", "b": b"b"}), tmp_path, [wanted("a", b"a"), wanted("b", b"b")])
    assert fates(found) == {"a": "conflict", "b": "there"}
    assert files(tmp_path) == {"a": b"mine", "b": b"b"}


def test_what_is_gone_or_fails_alone_is_told_and_the_rest_comes(tmp_path: Path) -> None:
    store = Served({name: data for name, data in DATA.items() if name != "png/2.png"})
    store.spoil[5] = BlobRefused("not this one")
    found = bring(store, tmp_path, [wanted(*pair) for pair in DATA.items()])
    assert sorted(fates(found).values()) == ["came", "came", "came", "failed", "gone"]


def test_where_nothing_may_be_read_one_sentence_is_enough(tmp_path: Path) -> None:
    store = Served({})
    store.spoil = dict.fromkeys(range(1, 1000), AccessDenied("the credential may not read here"))
    with pytest.raises(AccessDenied, match="may not read"):
        bring(store, tmp_path, [wanted(str(n), b"x") for n in range(100)])


def test_once_stopped_nothing_more_is_begun(tmp_path: Path) -> None:
    data = {str(n): b"x" for n in range(5000)}
    found = bring(Served(data), tmp_path, [wanted(*pair) for pair in data.items()], stop_after=1)
    assert 0 < len(found) < 5000
    assert len(files(tmp_path)) == len(found)


def test_a_disk_that_is_full_ends_it_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("laden.store.journal.Journal.append_all", full)
    with pytest.raises(UsageError, match=r"the disk that .* is on is full: make room there"):
        bring(Served(DATA), tmp_path, [wanted(*pair) for pair in DATA.items()])
    assert files(tmp_path) == {}


class Disk:
    """A disk for so many bytes: what does not fit raises, in the middle of a file, and what is removed makes room."""

    def __init__(self, folder: Path, room_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.room_bytes = folder, room_bytes
        monkeypatch.setattr("laden.store.intake._written", self.written)

    def written(self, descriptor: int, data: bytes, md5: Any, sum_: int) -> tuple[Any, int]:
        taken_bytes = sum(path.stat().st_size for path in self.folder.rglob("*.p*") if path.is_file())
        fits = self.room_bytes - taken_bytes
        done = _written(descriptor, memoryview(data)[:fits], md5, sum_)
        if fits < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return done


def test_what_fits_on_a_full_disk_has_its_name_and_nothing_else_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three fit, and half of the fourth."""
    disk = Disk(tmp_path, 360, monkeypatch)
    with pytest.raises(UsageError, match=r"is full: make room there"):
        bring(Served(DATA), tmp_path, [wanted(*pair) for pair in DATA.items()])
    there = files(tmp_path)
    assert len(there) == 3
    assert all(DATA[name] == data for name, data in there.items())
    assert left(tmp_path) == []
    disk.room_bytes = 1 << 20
    found = bring(Served(DATA), tmp_path, [wanted(*pair) for pair in DATA.items()])
    assert sorted(fates(found).values()) == ["came", "came", "there", "there", "there"]
    assert files(tmp_path) == DATA


def test_where_nothing_can_be_noted_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("laden.store.journal.Journal.append_all", full)
    with pytest.raises(UsageError, match="is full"):
        bring(Served(DATA), tmp_path, [wanted(*pair) for pair in DATA.items()])
    assert (files(tmp_path), left(tmp_path)) == ({}, [])


@pytest.mark.parametrize("known", [True, False])
def test_of_a_large_file_that_broke_off_stays_only_what_a_later_run_goes_on_with(
    known: bool, tmp_path: Path, small_ranges: None
) -> None:
    data = os.urandom(1000)
    item = wanted("a", data)
    item = item if known else item._replace(md5=None, crc32=None)
    for _ in range(2):
        store = Served({"a": data})
        store.spoil = {5: StoreError("the line is cut")}
        assert fates(bring(store, tmp_path, [item])) == {"a": "failed"}
        assert len(left(tmp_path)) == known
    assert fates(bring(Served({"a": data}), tmp_path, [item])) == {"a": "came"}
    assert files(tmp_path) == {"a": data}
    assert left(tmp_path) == []


def test_two_runs_do_not_write_one_large_file(tmp_path: Path, small_ranges: None) -> None:
    data = os.urandom(1000)
    inner: list[Came] = []

    class Meanwhile(Served):
        async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
            if len(self.asked) == 10:
                inner.extend(await asyncio.to_thread(bring, Served({"a": data}), tmp_path, [wanted("a", data)]))
            return await super().get(name, offset, length, etag)

    assert fates(bring(Meanwhile({"a": data}), tmp_path, [wanted("a", data)])) == {"a": "came"}
    assert fates(inner) == {"a": "failed"}
    assert files(tmp_path) == {"a": data}


def test_memory_is_used_again_and_never_by_two_at_once() -> None:
    rooms = Rooms(100)
    with rooms.room(40) as first, rooms.room(40) as second:
        first[:] = b"a" * 40
        second[:] = b"b" * 40
        assert set(first) == {ord("a")}
        held = {id(first.obj), id(second.obj)}
    with rooms.room(30) as third, rooms.room(25) as fourth, rooms.room(10) as fifth:
        assert {id(third.obj), id(fourth.obj)} == held
        assert [len(room) for room in (third, fourth, fifth)] == [30, 25, 10]
        assert id(fifth.obj) not in held
    with rooms.room(90) as large:
        assert len(large) == 90
    with rooms.room(40) as again:
        assert id(again.obj) not in held, "what is kept stays below the limit"


def test_memory_holds_the_window_and_no_more(tmp_path: Path) -> None:
    most = now = 0
    data = {str(n): bytes(1 << 20) for n in range(24)}

    class Counting(Served):
        async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
            nonlocal most, now
            now += length
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= length
            return await super().get(name, offset, length, etag)

    async def work() -> None:
        intake = Intake(tmp_path)
        await intake.prepare()
        items = [wanted(*pair) for pair in data.items()]
        read = reading(Counting(data))  # type: ignore[arg-type]
        assert len([one async for one in download(items, read, intake, window_bytes=4 << 20)]) == 24

    asyncio.run(work())
    assert (1 << 20) < most <= (4 << 20)


def test_a_source_that_vouches_for_its_bytes_itself_is_read_in_parts(tmp_path: Path) -> None:
    async def read(item: Wanted, at_bytes: int) -> AsyncGenerator[bytes, None]:
        for part in (b"one", b"two"):
            yield part

    async def work() -> list[Came]:
        intake = Intake(tmp_path)
        await intake.prepare()
        return [one async for one in download([Wanted("a", "a", 6, None)], read, intake)]

    assert [one.fate for one in asyncio.run(work())] == [Fate.CAME]
    assert [one.fate for one in asyncio.run(work())] == [Fate.THERE]
    (tmp_path / "a").write_bytes(b"onetwx")
    assert [one.fate for one in asyncio.run(work())] == [Fate.CONFLICT]


def test_what_killed_runs_left_of_small_files_goes(tmp_path: Path) -> None:
    bring(Served(DATA), tmp_path, [wanted(*pair) for pair in DATA.items()])
    old, new = (tmp_path / "_laden/staging" / f"put-{name}.part" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    bring(Served(DATA), tmp_path, [])
    assert (old.exists(), new.exists()) == (False, True)


def test_a_part_that_got_its_place_is_nobody_elses_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake(tmp_path)
    asyncio.run(intake.prepare())
    md5 = hashlib.md5(b"abc").digest()
    first = intake.part("x", 3, md5)
    first.add(b"abc")
    with pytest.raises(StoreError, match="is being fetched by another laden"):
        intake.part("x", 3, md5)
    fcntl = pytest.importorskip("fcntl")
    locked, placed = fcntl.flock, []

    def meanwhile(descriptor: int, how: int) -> None:
        """The first gets its place between the second one's opening and locking."""
        if not placed:
            placed.append(True)
            assert intake.place(first, md5, None) is None
        locked(descriptor, how)

    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", meanwhile)
        with closing(intake.part("x", 3, md5)) as second:
            second.forget()
    assert (tmp_path / "x").read_bytes() == b"abc"
