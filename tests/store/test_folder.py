"""A folder as a store: the contract, and what only files can do wrong."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from laden.store import CREATE_ONLY, Store, parse_destination
from laden.store.folder import FolderStore
from laden.store.journal import JOURNAL, Journal
from laden.store.retry import Retrying
from laden.values.errors import BlobConflict, BlobRefused, DiskFull, NameRefused, StoreError, UsageError
from tests.contracts.store import StoreContract, at_once, facts, listed, md5, properties


class InFolder(StoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        (tmp_path / "store").mkdir()
        return str(tmp_path / "store")

    def open(self, place: str) -> Store:
        return FolderStore(parse_destination(place).path)


class TestFolder(InFolder):
    """The contract, straight."""


class TestRetryingFolder(InFolder):
    """The contract through the wrapper that repeats, which must change nothing but patience."""

    many = 10

    def open(self, place: str) -> Store:
        return Retrying(super().open(place), patience_s=0)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def put(store: Store, name: str, data: bytes, etag: str | None = CREATE_ONLY, **metadata: str) -> None:
    asyncio.run(store.put(name, data, properties(data, **metadata), etag))


def listing(store: Store) -> list[tuple]:
    return [facts(blob) for blob in asyncio.run(listed(store))]


def test_a_blob_is_a_plain_file(store, tmp_path):
    put(store, "png/0/a.png", b"bytes")
    assert (tmp_path / "png/0/a.png").read_bytes() == b"bytes"
    assert list((tmp_path / "_laden/staging").iterdir()) == []


def test_files_of_somebody_else_are_listed(store, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/a.txt").write_bytes(b"theirs")
    assert listing(store) == [("theirs/a.txt", 6, md5(b"theirs"), {})]


@pytest.mark.parametrize("size_stays", [True, False])
def test_a_file_that_changed_since_is_read_anew(store, tmp_path, size_stays):
    put(store, "a", b"old", v="1")
    etag = asyncio.run(store.head("a")).etag
    data = b"new" if size_stays else b"longer"
    (tmp_path / "a").write_bytes(data)
    assert listing(store) == [("a", len(data), md5(data), {})]
    with pytest.raises(BlobConflict):
        put(store, "a", b"mine", etag)


def test_a_copy_of_the_folder_keeps_what_was_noted(store, tmp_path_factory, tmp_path):
    """`cp -r` gives files other times; what the notes say is about their bytes."""
    put(store, "a", b"old", v="1")
    put(store, "b", b"bytes", v="2")
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(tmp_path, copy, dirs_exist_ok=True, copy_function=shutil.copyfile)
    (copy / "a").write_bytes(b"new")
    copied = FolderStore(copy)
    assert listing(copied) == [("a", 3, md5(b"new"), {}), ("b", 5, md5(b"bytes"), {"v": "2"})]


def test_a_torn_line_spoils_no_other(store, tmp_path):
    for name in ("a", "b"):
        put(store, name, name.encode(), v=name)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    expected_c = ("c", 1, md5(b"c"), {"v": "c"})
    line_b = whole.index(b'\n["b"')
    for cut in range(line_b + 1, len(whole)):
        journal.write_bytes(whole[:cut])
        (tmp_path / "c").unlink(missing_ok=True)
        put(store, "c", b"c", v="c")
        assert listing(store) == [("a", 1, md5(b"a"), {"v": "a"}), ("b", 1, md5(b"b"), {}), expected_c]


@pytest.mark.parametrize(
    "junk",
    [
        b"5",
        b"null",
        b"{}",
        b"[]",
        b'[["a"],1,2,"00",{}]',
        b'["a",1,2,3,{}]',
        b'["a",1,2,"00",5]',
        b"\xff\xfe",
        b"[" * 200_000,
        b'["a",1,2,"xyz",{}]',
        b'[{},1,2,"00",{}]',
    ],
    ids=range(11),
)
def test_lines_that_are_none_are_passed_over(store, tmp_path, junk):
    put(store, "a", b"x", v="1")
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b"\n" + junk)
    put(store, "b", b"y", v="2")
    assert listing(store) == [("a", 1, md5(b"x"), {"v": "1"}), ("b", 1, md5(b"y"), {"v": "2"})]


def test_a_lost_journal_costs_metadata_only(store, tmp_path):
    put(store, "a", b"x", v="1")
    (tmp_path / JOURNAL).unlink()
    assert listing(store) == [("a", 1, md5(b"x"), {})]


def test_a_put_that_finds_a_conflict_leaves_the_line_of_the_winner(store):
    put(store, "a", b"one", v="1")
    with pytest.raises(BlobConflict):
        put(store, "a", b"two", v="2")
    assert listing(store) == [("a", 3, md5(b"one"), {"v": "1"})]


def test_two_stores_in_one_process_do_not_meet(tmp_path):
    async def work() -> list:
        stores = [FolderStore(tmp_path), FolderStore(tmp_path)]
        contents = [b"%d" % number * 50_000 for number in range(10)]
        return await at_once(
            *(
                store.put(f"{number}/{index}", data, properties(data), CREATE_ONLY)
                for number, store in enumerate(stores)
                for index, data in enumerate(contents)
            )
        )

    assert asyncio.run(work()) == [None] * 20


_WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from laden.values.errors import BlobConflict
from laden.store import CREATE_ONLY, Properties
from laden.store.folder import FolderStore

async def work(me, how):
    store, won = FolderStore(Path(sys.argv[1])), []
    print("ready", flush=True)
    input()
    for number in range(int(sys.argv[4])):
        data = f"{me}{number:03d}".encode() * 500
        name, etag = f"{number:03d}", CREATE_ONLY
        if how != "create":
            name, etag = "one", None
        if how == "count":
            etag = (await store.head(name)).etag
            data = b"%d" % (int(await store.get(name, 0, 9)) + 1)
        try:
            await store.put(name, data, Properties(hashlib.md5(data).digest(), metadata={"by": me}), etag)
            won.append(number)
        except BlobConflict:
            pass
    print(won, flush=True)

asyncio.run(work(*sys.argv[2:4]))
"""


def race(folder: Path, how: str, times: int) -> list[list[int]]:
    """Two processes put the same names at the same time; which of its puts each one won."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder), me, how, str(times)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in "AB"
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    outputs = [writer.communicate(timeout=300)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    return [json.loads(output) for output in outputs]


def test_two_processes_that_create_the_same_names_share_them(store, tmp_path):
    won = race(tmp_path, "create", 60)
    assert sorted(won[0] + won[1]) == list(range(60))
    for name, size_bytes, digest, metadata in listing(store):
        data = f"{metadata['by']}{name}".encode() * 500
        assert (size_bytes, digest) == (len(data), md5(data))
        assert (tmp_path / name).read_bytes() == data
        assert int(name) in won["AB".index(metadata["by"])]


def test_two_processes_at_one_name_leave_the_truth_about_it(store, tmp_path):
    put(store, "one", b"first")
    race(tmp_path, "overwrite", 60)
    [(_, _, digest, metadata)] = listing(store)
    data = (tmp_path / "one").read_bytes()
    assert digest == md5(data)
    assert data.decode().startswith(metadata["by"])


def test_of_two_processes_that_replace_what_they_read_none_loses_the_other_s_work(store, tmp_path):
    put(store, "one", b"0")
    won = race(tmp_path, "count", 60)
    assert int((tmp_path / "one").read_bytes()) == len(won[0]) + len(won[1])
    assert won[0]
    assert won[1]


@pytest.mark.skipif(sys.platform == "win32", reason="has no file locks of this kind")
def test_a_replacement_waits_for_that_of_another_process_and_then_sees_it(store, tmp_path):
    put(store, "a", b"old")
    etag = asyncio.run(store.head("a")).etag
    with ThreadPoolExecutor(1) as thread:
        with Journal(tmp_path).exclusively():
            replacing = thread.submit(put, store, "a", b"mine", etag)
            with pytest.raises(TimeoutError):
                replacing.result(timeout=0.1)
            (tmp_path / "a").write_bytes(b"theirs")
        with pytest.raises(BlobConflict):
            replacing.result(timeout=10)
    assert (tmp_path / "a").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/absolute",
        "a/../../b",
        "",
        "a//b",
        "back\\slash",
        "C:/x",
        JOURNAL,
        "_laden/staging",
        "_laden/staging/x",
    ],
)
def test_names_that_lead_elsewhere_are_refused(store, name):
    requests = [
        store.put(name, b"x", properties(b"x"), None),
        store.put_block(name, "0", b"x", md5(b"x")),
        store.head(name),
        store.get(name, 0, 1),
        store.delete(name),
    ]
    for request in requests:
        with pytest.raises(BlobRefused):
            asyncio.run(request)


@pytest.mark.parametrize("name", ["x" * 256, "deep/" + "y" * 300, "a/b", "a/b/c"])
@pytest.mark.parametrize("etag", [CREATE_ONLY, None])
def test_a_name_the_file_system_cannot_hold_is_refused_alone(store, tmp_path, name, etag):
    put(store, "a", b"a file, not a folder")
    with pytest.raises(BlobRefused, match="cannot be written"):
        put(store, name, b"x", etag)
    assert list((tmp_path / "_laden/staging").iterdir()) == []
    put(store, "next", b"x")


@pytest.mark.parametrize("etag", [None, CREATE_ONLY])
def test_a_folder_is_not_replaced_by_a_file(store, tmp_path, etag):
    put(store, "a/b", b"x")
    with pytest.raises((BlobRefused, BlobConflict)):
        put(store, "a", b"y", etag)
    assert (tmp_path / "a/b").read_bytes() == b"x"


def test_links_to_folders_are_followed_but_not_in_circles(store, tmp_path):
    disk = tmp_path.parent / f"{tmp_path.name}-disk"
    disk.mkdir()
    (tmp_path / "png").symlink_to(disk)
    (disk / "round").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (disk / "a.png").write_bytes(b"x")
    assert listing(store) == [("png/a.png", 1, md5(b"x"), {})]


@pytest.mark.parametrize("link", ["png", "png/deep", "_laden", "_laden/staging"])
def test_nothing_is_written_or_deleted_through_a_link(tmp_path, link):
    disk, root = tmp_path / "disk", tmp_path / "dest"
    (root / link).parent.mkdir(parents=True)
    disk.mkdir()
    (disk / "a.png").write_bytes(b"theirs")
    (root / link).symlink_to(disk)
    store = FolderStore(root)
    with pytest.raises(NameRefused, match=f"{link} is a link, and nothing is written through one"):
        put(store, f"{link}/a.png" if link.startswith("png") else "a.png", b"x")
    if link.startswith("png"):
        with pytest.raises(NameRefused):
            asyncio.run(store.delete(f"{link}/a.png"))
    assert [(path.name, path.read_bytes()) for path in disk.iterdir()] == [("a.png", b"theirs")]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_a_file_name_that_is_no_text_is_listed_as_one_that_no_blob_has(store, tmp_path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))).write_bytes(b"x")
    [(name, *_)] = listing(store)
    assert name == "\\xff.png"
    assert name.encode()
    with pytest.raises(BlobRefused):
        asyncio.run(store.head(name))


def test_where_there_are_no_hard_links_it_still_only_creates(store, monkeypatch):
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    put(store, "a", b"one")
    with pytest.raises(BlobConflict):
        put(store, "a", b"two")
    assert asyncio.run(store.get("a", 0, 9)) == b"one"


def test_what_a_killed_put_left_is_swept_after_a_week(store, tmp_path):
    put(store, "a", b"x")
    old, recent = tmp_path / "_laden/staging/old", tmp_path / "_laden/staging/recent"
    for left in (old, recent):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert [name for name, *_ in listing(store)] == ["a"]
    assert recent.exists()
    assert not old.exists()


def test_a_full_disk_is_told_and_nothing_is_left(store, tmp_path):
    (tmp_path / "_laden").mkdir()
    try:
        # As /dev/full is: a link to that would not be written through.
        os.mknod(tmp_path / JOURNAL, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    except (OSError, AttributeError):
        pytest.skip("needs a device that is full, which only some may make")
    with pytest.raises(DiskFull, match="is on is full"):
        put(store, "a", b"x")
    assert not (tmp_path / "a").exists()
    assert list((tmp_path / "_laden/staging").iterdir()) == []


def test_a_file_cannot_be_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        asyncio.run(FolderStore(tmp_path / "file").create())
    with pytest.raises(StoreError, match="cannot be written"):
        asyncio.run(FolderStore(tmp_path / "file/below").create())


@pytest.fixture(params=[1_000_000_000, 2_000_000_000, 10_000_000], ids=["1 s", "2 s", "10 ms"])
def coarse(request, monkeypatch):
    """A file system with times of that many nanoseconds, on which everything happens at once."""
    real, now_ns = os.utime, time.time_ns() // request.param * request.param
    monkeypatch.setattr("laden.store.folder.os.utime", lambda path, ns: real(path, ns=(now_ns, now_ns)))


def test_on_coarse_times_a_create_that_failed_tells_nothing_of_the_file(store, coarse):
    put(store, "x", b"A", v="of A")
    with pytest.raises(BlobConflict):
        put(store, "x", b"B", v="of B")
    assert listing(store) == [("x", 1, md5(b"A"), {"v": "of A"})]
    assert facts(asyncio.run(store.head("x"))) == ("x", 1, md5(b"A"), {"v": "of A"})


def test_on_coarse_times_a_version_that_was_replaced_is_no_condition(store, coarse):
    put(store, "x", b"A")
    old = asyncio.run(store.head("x")).etag
    put(store, "x", b"B", old, v="of B")
    with pytest.raises(BlobConflict):
        put(store, "x", b"C", old)
    assert listing(store) == [("x", 1, md5(b"B"), {"v": "of B"})]


def test_on_coarse_times_an_edit_in_place_is_seen(store, tmp_path, coarse):
    put(store, "x", b"A", v="of A")
    stamp = (tmp_path / "x").stat().st_mtime_ns
    (tmp_path / "x").write_bytes(b"E")
    os.utime(tmp_path / "x", ns=(stamp, stamp))
    assert listing(store) == [("x", 1, md5(b"E"), {})]


def test_small_files_are_written_many_in_one_turn_of_a_thread(store, tmp_path, monkeypatch):
    """To hand each over by itself cost several times what writing it does; one that fails does so alone."""
    (tmp_path / "7").mkdir()
    turns = []
    put_each = store._put_each

    def counted(batch):
        turns.append(len(batch))
        return put_each(batch)

    monkeypatch.setattr(store, "_put_each", counted)

    async def put_all():
        puts = [store.put(str(number), b"x", properties(b"x"), CREATE_ONLY) for number in range(64)]
        return await asyncio.gather(*puts, return_exceptions=True)

    results = asyncio.run(put_all())
    assert sum(turns) == 64
    assert len(turns) == 2
    assert [number for number, result in enumerate(results) if result is not None] == [7]
    assert isinstance(results[7], NameRefused)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        set(map(str, range(64))) - {"7"}
    )


def test_a_put_that_was_given_up_holds_up_no_other(store):
    async def give_up():
        puts = [asyncio.create_task(store.put(name, b"x", properties(b"x"), CREATE_ONLY)) for name in "abc"]
        await asyncio.sleep(0)
        puts[1].cancel()
        await puts[2]

    asyncio.run(give_up())
    put(store, "d", b"x")
    assert [facts[0] for facts in listing(store)] == ["a", "c", "d"]
