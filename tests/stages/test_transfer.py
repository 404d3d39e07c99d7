"""Items from real zips and files into a real folder, with a store in between that counts, waits and fails on demand."""

import asyncio
import hashlib
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from laden.dataset.source import Buffer, Reader, entries, file_entries
from laden.stages.transfer import _SLOW_ITEM_S, Settings, transfer
from laden.stages.transfer.window import _BATCH_ITEMS
from laden.store import Data, Properties, Store
from laden.store.folder import FolderStore
from laden.store.limit import Limited
from laden.values.errors import AccessDenied, BlobConflict, BlobRefused, StoreError, TransientStoreError
from laden.values.records import Action, Entry, Finding, Item, Outcome, Receipt
from tests.support.dataset import tiny_png

KIB = 1 << 10
SMALL = Settings(window_bytes=64 * KIB, readers=2, single_put_bytes=8 * KIB, block_bytes=1 * KIB)
"""Blocks are rounded up to a MiB by the real limits, unless a member is larger than this block."""


class Watched(FolderStore):
    """A folder store that keeps count, and fails when `fault` says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.now = self.most = self.now_bytes = self.most_bytes = 0
        self.asked: list[tuple[str, str, str | None]] = []
        self.fault: Callable[[str, str], Exception | None] = lambda method, name: None
        self.lose: set[str] = set()
        self.gate: asyncio.Event | None = None

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        await self._enter("put", name, etag, len(data))
        try:
            await super().put(name, data, properties, etag)
            self._reply(name)
        finally:
            self._leave(len(data))

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await self._enter("put_block", name, block_id, len(data))
        try:
            await super().put_block(name, block_id, data, md5)
        finally:
            self._leave(len(data))

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await self._enter("commit", name, etag, 0)
        try:
            await super().commit(name, block_ids, properties, etag)
            self._reply(name)
        finally:
            self._leave(0)

    def _reply(self, name: str) -> None:
        """As `Retrying` ends where the first answer was lost and the second said that the blob is there."""
        if name in self.lose:
            error = BlobConflict("it is there already")
            error.repeated = True
            raise error

    async def _enter(self, method: str, name: str, what: str | None, size_bytes: int) -> None:
        self.asked.append((method, name, what))
        self.now += 1
        self.now_bytes += size_bytes
        self.most, self.most_bytes = max(self.most, self.now), max(self.most_bytes, self.now_bytes)
        await (self.gate.wait() if self.gate else asyncio.sleep(0))
        fault = self.fault(method, name)
        if fault:
            self._leave(size_bytes)
            raise fault

    def _leave(self, size_bytes: int) -> None:
        self.now -= 1
        self.now_bytes -= size_bytes

    def content(self) -> dict[str, bytes]:
        files = (path for path in self.path.rglob("*") if path.is_file())
        named = {path.relative_to(self.path).as_posix(): path for path in files}
        return {name: path.read_bytes() for name, path in named.items() if not name.startswith("_laden/")}


@pytest.fixture
def there(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "there")


def zipped(folder: Path, members: dict[str, bytes]) -> list[Item]:
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for number, (name, data) in enumerate(members.items()):
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED)
    return [item(entry) for entry in entries(folder, "x.zip") if not isinstance(entry, Finding)]


def item(entry: Entry, action: Action = Action.SEND, etag: str = "", md5: bytes | None = None) -> Item:
    return Item(entry, f"to/{entry.member}", action, etag, md5)


def move(
    folder: Path,
    there: Store,
    items: Iterable[Item],
    settings: Settings = SMALL,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Receipt]:
    async def work() -> dict[str, Receipt]:
        with Reader(str(folder)) as reader:
            return {
                receipt.item.entry.member: receipt
                async for receipt in transfer(items, reader, there, settings, stopping)
            }

    return asyncio.run(work())


def noise(size_bytes: int, seed: int = 0) -> bytes:
    return hashlib.shake_128(seed.to_bytes(4)).digest(size_bytes)


def test_everything_arrives_and_each_receipt_tells_what_was_read(tmp_path: Path, there: Watched) -> None:
    members = {f"{n}.png": tiny_png(n) for n in range(20)} | {"empty": b"", "large.bin": noise(5000)}
    receipts = move(tmp_path, there, zipped(tmp_path, members))
    assert there.content() == {f"to/{name}": data for name, data in members.items()}
    for name, receipt in receipts.items():
        assert receipt.outcome is Outcome.SENT
        assert receipt.digests is not None
        assert receipt.digests.md5 == hashlib.md5(members[name]).digest()
        assert receipt.digests.crc32 == receipt.item.entry.crc32
        assert receipt.image.kind == ("png" if name.endswith("png") else "")
    assert {what for _, _, what in there.asked} == {""}, "creates, and only creates"


def test_plain_files_get_their_checksum_from_the_bytes(tmp_path: Path, there: Watched) -> None:
    (tmp_path / "a.bin").write_bytes(b"123456789")
    (entry,) = file_entries(tmp_path, ["a.bin"])
    assert isinstance(entry, Entry)
    (receipt,) = move(tmp_path, there, [item(entry)]).values()
    assert receipt.digests is not None
    assert receipt.digests.crc32 == 0xCBF43926, "the check value of CRC-32"


def test_bytes_in_flight_are_bounded(tmp_path: Path, there: Watched) -> None:
    """One item is drawn from a source that knows how much of what was drawn is still on its way."""
    sizes = [6 * KIB] * 40
    items = zipped(tmp_path, {f"{n}": noise(size, n) for n, size in enumerate(sizes)})
    drawn = settled = 0
    most = 0

    def source() -> Iterable[Item]:
        nonlocal drawn, most
        for one in items:
            drawn += one.entry.size_bytes
            most = max(most, drawn - settled)
            yield one

    async def work() -> None:
        nonlocal settled
        with Reader(str(tmp_path)) as reader:
            async for receipt in transfer(source(), reader, there, SMALL):
                settled += receipt.item.entry.size_bytes

    asyncio.run(work())
    assert settled == sum(sizes)
    # Beyond the window: the items that wait to enter, and receipts that were not fetched yet.
    assert most <= SMALL.window_bytes + 8 * max(sizes)


def test_an_item_larger_than_the_window_passes(tmp_path: Path, there: Watched) -> None:
    settings = Settings(window_bytes=1000, single_put_bytes=1 << 20)
    receipts = move(tmp_path, there, zipped(tmp_path, {"a": noise(5000), "b": b"b", "c": noise(5000)}), settings)
    assert [receipt.outcome for receipt in receipts.values()] == [Outcome.SENT] * 3


def test_small_items_that_are_together_too_large_for_one_put_all_arrive(tmp_path: Path, there: Watched) -> None:
    members = {f"{n}": noise(3 * KIB, n) for n in range(8)}
    move(tmp_path, there, zipped(tmp_path, members))
    assert there.content() == {f"to/{name}": data for name, data in members.items()}
    assert {method for method, _, _ in there.asked} == {"put"}


LARGE = Settings(window_bytes=16 << 20, readers=2, single_put_bytes=1 << 20, block_bytes=1 << 20)


def test_a_large_member_goes_as_blocks_in_order(tmp_path: Path, there: Watched) -> None:
    data = noise((9 << 20) + 5)
    (receipt,) = move(tmp_path, there, zipped(tmp_path, {"large": data}), LARGE).values()
    assert there.content() == {"to/large": data}
    assert [method for method, _, _ in there.asked].count("put_block") == 10
    assert there.asked[-1] == ("commit", "to/large", "")
    assert receipt.outcome is Outcome.SENT
    assert receipt.digests is not None
    assert receipt.digests.md5 == hashlib.md5(data).digest()


def test_a_large_member_damaged_at_its_very_end_is_never_visible(tmp_path: Path, there: Watched) -> None:
    data = noise(3 << 20)
    (one,) = zipped(tmp_path, {"large": data})
    archive = tmp_path / "x.zip"
    packed = bytearray(archive.read_bytes())
    packed[packed.index(data[-20:]) + 19] ^= 1
    archive.write_bytes(packed)
    (receipt,) = move(tmp_path, there, [one], LARGE).values()
    assert (receipt.outcome, receipt.code) == (Outcome.DAMAGED, "member-crc")
    assert there.content() == {}
    assert "commit" not in {method for method, _, _ in there.asked}


@pytest.mark.parametrize("settings", [SMALL, LARGE])
@pytest.mark.parametrize("same", [True, False])
def test_a_comparison_reads_and_sends_nothing(tmp_path: Path, there: Watched, settings: Settings, same: bool) -> None:
    data = noise(100 if settings is SMALL else 2 << 20)
    (one,) = zipped(tmp_path, {"a": data})
    md5 = hashlib.md5(data if same else b"other").digest()
    (receipt,) = move(tmp_path, there, [one._replace(action=Action.COMPARE, etag="e", md5=md5)], settings).values()
    assert receipt.outcome is (Outcome.ALREADY_THERE if same else Outcome.CONFLICT)
    assert there.asked == []


@pytest.mark.parametrize("size_bytes", [100, 2 << 20])
def test_a_comparison_may_end_in_a_replacement_of_that_very_version(
    tmp_path: Path, there: Watched, size_bytes: int
) -> None:
    (one,) = zipped(tmp_path, {"a": noise(size_bytes)})
    (there.path / "to").mkdir()
    (there.path / "to" / "a").write_bytes(bytes(size_bytes))
    etag = asyncio.run(there.head("to/a")).etag
    settings = Settings(single_put_bytes=1 << 20, block_bytes=1 << 20, replace_other=True)
    compared = one._replace(action=Action.COMPARE, etag=etag, md5=hashlib.md5(bytes(size_bytes)).digest())
    (receipt,) = move(tmp_path, there, [compared], settings).values()
    assert receipt.outcome is Outcome.SENT
    assert there.content() == {"to/a": noise(size_bytes)}
    (other,) = move(tmp_path, there, [one._replace(action=Action.REPLACE, etag="of-another-version")]).values()
    assert other.outcome is Outcome.ALREADY_THERE


@pytest.mark.parametrize("found", ["same", "other", "gone"])
@pytest.mark.parametrize("size_bytes", [100, 2 << 20])
def test_a_create_that_finds_a_blob(tmp_path: Path, there: Watched, found: str, size_bytes: int) -> None:
    (one,) = zipped(tmp_path, {"a": noise(size_bytes)})
    (there.path / "to").mkdir()
    if found != "gone":
        (there.path / "to" / "a").write_bytes(noise(size_bytes) if found == "same" else b"other")
    else:
        there.fault = lambda method, name: BlobConflict("it was there") if method != "put_block" else None
    (receipt,) = move(tmp_path, there, [one], LARGE).values()
    expected = {"same": Outcome.ALREADY_THERE, "other": Outcome.CONFLICT, "gone": Outcome.FAILED}
    assert receipt.outcome is expected[found]
    if found == "other":
        assert there.content() == {"to/a": b"other"}


@pytest.mark.parametrize("size_bytes", [100, 2 << 20])
def test_a_create_whose_answer_was_lost_is_sent(tmp_path: Path, there: Watched, size_bytes: int) -> None:
    there.lose = {"to/a"}
    (receipt,) = move(tmp_path, there, zipped(tmp_path, {"a": noise(size_bytes)}), LARGE).values()
    assert receipt.outcome is Outcome.SENT


def test_one_refused_put_fails_alone(tmp_path: Path, there: Watched) -> None:
    there.fault = lambda method, name: BlobRefused("400 InvalidInput") if name == "to/3" else None
    receipts = move(tmp_path, there, zipped(tmp_path, {f"{n}": noise(10, n) for n in range(6)}))
    failed = {name: (one.code, one.reason) for name, one in receipts.items() if one.outcome is Outcome.FAILED}
    assert failed == {"3": ("put-failed", "400 InvalidInput")}
    assert len(there.content()) == 5


def test_a_store_that_never_answers_ends_the_transfer(tmp_path: Path, there: Watched) -> None:
    there.fault = lambda method, name: TransientStoreError("did not answer in time")
    with pytest.raises(TransientStoreError, match="in time"):
        move(tmp_path, there, zipped(tmp_path, {f"{n}": b"x" for n in range(50)}))


@pytest.mark.parametrize("size_bytes", [10, 2 << 20])
@pytest.mark.parametrize("error", [AccessDenied("refused"), StoreError("no such service")])
def test_a_refused_credential_ends_the_transfer_at_once(
    tmp_path: Path, there: Watched, error: StoreError, size_bytes: int
) -> None:
    there.fault = lambda method, name: error
    count = 12 if size_bytes > 10 else 400
    with pytest.raises(type(error), match=str(error)):
        move(tmp_path, there, zipped(tmp_path, {f"{n}": bytes(size_bytes) for n in range(count)}), LARGE)
    assert len(there.asked) <= count // 2
    assert there.content() == {}


@pytest.mark.parametrize("size_bytes", [500, 2 << 20])
def test_a_stop_ends_what_is_in_flight_and_starts_nothing_more(tmp_path: Path, there: Watched, size_bytes: int) -> None:
    """Also where all items fit the window, so that all were taken already."""
    count = 60 if size_bytes == 500 else 5
    items = zipped(tmp_path, {f"{n}": noise(size_bytes, n) for n in range(count)})

    def stopping() -> bool:
        return len(there.asked) >= 2

    receipts = move(tmp_path, Limited(there, connections=4, stopping=stopping), items, LARGE, stopping)
    assert len(receipts) < count / 2
    assert len(there.content()) == len(receipts)
    assert len(there.asked) <= 2 + 4


def test_a_damaged_and_a_vanished_item_do_not_stop_the_others(tmp_path: Path, there: Watched) -> None:
    items = zipped(tmp_path, {"good": noise(100), "bad": noise(100, 1)})
    wrong = items[1]._replace(entry=items[1].entry._replace(crc32=1))
    (tmp_path / "gone").write_bytes(b"x")
    (entry,) = file_entries(tmp_path, ["gone"])
    assert isinstance(entry, Entry)
    (tmp_path / "gone").unlink()
    receipts = move(tmp_path, there, [items[0], wrong, item(entry)])
    assert {name: (one.outcome, one.code) for name, one in receipts.items()} == {
        "good": (Outcome.SENT, ""),
        "bad": (Outcome.DAMAGED, "member-crc"),
        "gone": (Outcome.FAILED, "source-unreadable"),
    }


def test_a_file_that_changed_since_it_was_listed_is_not_sent(tmp_path: Path, there: Watched) -> None:
    (tmp_path / "a.bin").write_bytes(b"before")
    (entry,) = file_entries(tmp_path, ["a.bin"])
    assert isinstance(entry, Entry)
    (tmp_path / "a.bin").write_bytes(b"longer than before")
    (receipt,) = move(tmp_path, there, [item(entry)]).values()
    assert (receipt.outcome, receipt.code) == (Outcome.FAILED, "file-changed")
    assert there.content() == {}


@pytest.mark.parametrize("send_broken", [True, False])
def test_a_broken_image_is_sent_or_left_out(tmp_path: Path, there: Watched, send_broken: bool) -> None:
    cut = tiny_png(1)[:-20]
    settings = Settings(send_broken=send_broken)
    (receipt,) = move(tmp_path, there, zipped(tmp_path, {"a.png": cut}), settings).values()
    assert receipt.image.state == "png-truncated"
    assert receipt.outcome is (Outcome.SENT if send_broken else Outcome.DAMAGED)
    assert there.content() == ({"to/a.png": cut} if send_broken else {})


def test_an_abandoned_transfer_leaves_no_task_behind(tmp_path: Path, there: Watched) -> None:
    items = zipped(tmp_path, {f"{n}": noise(10, n) for n in range(50)})

    async def work() -> set[str]:
        with Reader(str(tmp_path)) as reader:
            moving = transfer(items, reader, there, SMALL)
            await anext(moving)
            await moving.aclose()  # type: ignore[attr-defined]
        return {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr]

    assert asyncio.run(work()) == set()


class SlowReader(Reader):
    """The first batch comes from a slow disk; the items of the later ones come two at a time, or not at all."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.begun = 0
        self.together = threading.Barrier(2, timeout=120)

    def read(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        self.begun += 1
        if self.begun <= _BATCH_ITEMS:
            time.sleep(1.5 * _SLOW_ITEM_S)
        else:
            self.together.wait()
        return super().read(entry, chunk_bytes)


def test_small_items_of_a_slow_disk_are_read_side_by_side(tmp_path: Path, there: Watched) -> None:
    items = zipped(tmp_path, {f"{n}.png": tiny_png(n) for n in range(3 * _BATCH_ITEMS)})

    async def work() -> int:
        with SlowReader(str(tmp_path)) as reader:
            return len([receipt async for receipt in transfer(items, reader, there, Settings(readers=2))])

    assert asyncio.run(work()) == len(items)
    assert len(there.content()) == len(items)


class HeldUp(Reader):
    """The first item is held up for a moment; notes how many items were read at once once that was long over."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.now_s = 0.0
        self.most = 0
        self._begun = self._reading = 0
        self._counting = threading.Lock()

    def read(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        with self._counting:
            self._begun += 1
            self._reading += 1
            if self._begun == 1:
                self.now_s += 2 * _SLOW_ITEM_S * _BATCH_ITEMS
            if self._begun > 3 * _BATCH_ITEMS:
                self.most = max(self.most, self._reading)
        try:
            yield from super().read(entry, chunk_bytes)
        finally:
            with self._counting:
                self._reading -= 1


def test_a_moment_that_held_up_small_items_does_not_leave_two_threads_in_each_others_way(
    tmp_path: Path, there: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = zipped(tmp_path, {f"{n}.png": tiny_png(n) for n in range(6 * _BATCH_ITEMS)})

    async def work() -> int:
        with HeldUp(str(tmp_path)) as reader:
            clock = SimpleNamespace(monotonic=lambda: reader.now_s)
            monkeypatch.setattr("laden.stages.transfer.time", clock)
            async for _ in transfer(items, reader, there, Settings(readers=2)):
                pass
            return reader.most

    assert asyncio.run(work()) == 1
