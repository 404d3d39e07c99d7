"""`laden.open`: rows, images by number and a training loop's dataset; over Azurite and a folder, proved."""

import asyncio
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest

import laden
from laden.demo.emulator import Emulator
from laden.stages.download import ranges
from laden.values.errors import StoreError, UsageError
from laden.values.events import Event, Found
from laden.verbs import connected
from laden.verbs.filesystem import LadenFileSystem
from laden.verbs.load import load
from laden.verbs.using import Dataset as Opened
from laden.verbs.using import Sample
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, sas


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3}, missing=1)


@pytest.fixture(params=["container", "folder"])
def place(request: pytest.FixtureRequest, dataset: Dataset, tmp_path: Path) -> str:
    where = str(tmp_path / "place") if request.param == "folder" else request.getfixturevalue("container")
    begin(dataset.folder, where, code=3)
    return where


def test_images_by_number_with_their_labels(place: str, dataset: Dataset) -> None:
    with laden.open(place) as images:
        assert len(images) == 7
        assert images.names == sorted(dataset.blobs)
        assert images[0] == Sample(dataset.blobs[images.names[0]], images.labels[0], images.names[0])
        assert images[-1].data == dataset.blobs[images.names[-1]]
        assert [sample.data for sample in images] == [dataset.blobs[name] for name in images.names]
        assert [sample.name for sample in images[2:6:2]] == images.names[2:6:2]
        assert set(images.classes) == {label for labels in images.labels for label in labels}
        assert "normal" in images.classes
        with pytest.raises(IndexError):
            images[7]
        assert images.read("PADCHEST_SMALL.csv").startswith(b",ImageID,")
        with pytest.raises(KeyError):
            images.read("no such blob")


def test_a_part_of_it_and_its_rows(place: str, dataset: Dataset) -> None:
    with laden.open(place, where="ImageDir = 1") as images:
        assert images.names == [name for name in sorted(dataset.blobs) if name.startswith("png/1/")]
        rows = images.duckdb()
        assert rows.aggregate("count(*), min(laden_number), max(laden_number)").fetchall() == [(3, 0, 2)]
        shown = rows.project("laden_number, laden_blob, ImageID, ImageDir, typeof(Labels), laden_labels")
        found = [row[1:] for row in shown.order("laden_number").fetchall()]
        assert [(blob, key, folder) for blob, key, folder, *_ in found] == [
            (name, name.rpartition("/")[2], 1) for name in images.names
        ]
        assert {kind for *_, kind, _ in found} == {"VARCHAR[]"}
        assert [tuple(labels) for *_, labels in found] == images.labels


def test_what_is_not_as_the_manifest_says_is_never_given(
    place: str, dataset: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    gone, changed, later, *_ = sorted(dataset.blobs)

    def put(name: str, data: bytes) -> None:
        if "://" in place:
            with client(emulator, place) as opened:
                opened.upload_blob(name, data, overwrite=True)
        else:
            (tmp_path / "place" / name).write_bytes(data)

    put(gone, b"other")
    put(changed, b"another")
    events: list[Event] = []
    with laden.open(place, observer=events.append) as images:
        assert len(images) == 5
        assert [event.finding.code for event in events if isinstance(event, Found)] == ["blob-changed"] * 2
        put(later, dataset.blobs[later][::-1])
        with pytest.raises(StoreError, match=r"is not what the manifest says: .*; load it again"):
            images[images.names.index(later)]


@pytest.mark.parametrize("large", [1 << 20, 10])
def test_what_was_touched_and_not_changed_is_given(
    place: str, dataset: Dataset, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    put_again, noted, gone, *_ = sorted(dataset.blobs)
    with laden.open(place) as images:
        if "://" in place:
            with client(emulator, place) as opened:
                opened.upload_blob(put_again, dataset.blobs[put_again], overwrite=True)
                opened.get_blob_client(noted).set_blob_metadata({"note": "x"})
                opened.delete_blob(gone)
        else:
            for name in (put_again, noted):
                (tmp_path / "place" / name).write_bytes(dataset.blobs[name])
                os.utime(tmp_path / "place" / name, (1, 1))
            (tmp_path / "place" / gone).unlink()
        monkeypatch.setattr(ranges, "WHOLE_BYTES", large)
        for name in (put_again, noted):
            assert images[images.names.index(name)].data == dataset.blobs[name]
        with pytest.raises(StoreError, match=r"is gone since the dataset was opened: load it again"):
            images[images.names.index(gone)]


def test_who_reads_when_it_is_closed_is_told_and_never_waits(
    place: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, really = threading.Semaphore(0), connected.read_whole

    async def held_up(read: Any, item: Any) -> bytes:
        begun.release()
        await asyncio.Event().wait()
        return await really(read, item)

    monkeypatch.setattr(connected, "read_whole", held_up)
    with ThreadPoolExecutor(4) as pool, laden.open(place) as images:
        waiting = [pool.submit(images.__getitem__, number) for number in range(3)]
        waiting.append(pool.submit(images.__getitem__, slice(3, 5)))
        for _ in range(5):
            assert begun.acquire(timeout=60)
        images.close()
        for one, what in zip(waiting, [*images.names[:3], "a batch of 2"], strict=True):
            with pytest.raises(StoreError, match=f"{what} was being read when the dataset was closed: read it again"):
                one.result(timeout=60)
        monkeypatch.setattr(connected, "read_whole", really)
        assert images[0].data == dataset.blobs[images.names[0]]


def test_it_may_be_closed_at_any_moment(place: str, dataset: Dataset) -> None:
    done = threading.Event()

    def read_on(images: Opened) -> int:
        came = 0
        while not done.is_set() or not came:
            try:
                assert images[0].data == dataset.blobs[images.names[0]]
                came += 1
            except StoreError as error:
                assert "when the dataset was closed" in str(error)  # noqa: PT017 - either is right
        return came

    with ThreadPoolExecutor(4) as pool, laden.open(place) as images:
        readers = [pool.submit(read_on, images) for _ in range(4)]
        for _ in range(100):
            images.close()
        done.set()
        assert all(one.result(timeout=60) for one in readers)


def _in_a_process(loaded: Any, number: int) -> tuple[int, bytes]:
    return os.getpid(), loaded[number].data


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_worker_processes_have_connections_of_their_own(place: str, dataset: Dataset, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    with laden.open(place) as images:
        assert images[0].data == dataset.blobs[images.names[0]]
        loader = images.torch(None)
        context = multiprocessing.get_context("spawn")
        if method == "fork":
            read, write = os.pipe()
            if (pid := os.fork()) == 0:
                # A child that was forked has a copy of the connection, and no thread behind it.
                os.write(write, images[1].data)
                os._exit(0)
            os.close(write)
            assert os.waitpid(pid, 0)[1] == 0
            assert os.read(read, 1 << 16) == dataset.blobs[images.names[1]]
            os.close(read)
            return
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            pid, data = pool.submit(_in_a_process, loader, 2).result()
        assert pid != os.getpid()
        assert data == dataset.blobs[images.names[2]]


def test_a_training_loop_gets_batches_at_once(place: str, dataset: Dataset) -> None:
    with laden.open(place) as images:
        loader = images.torch(lambda sample: (len(sample.data), "normal" in sample.labels))
        assert len(loader) == 7
        assert loader[3] == (len(dataset.blobs[images.names[3]]), "normal" in images.labels[3])
        assert loader.__getitems__([0, 3]) == [loader[0], loader[3]]


def test_a_file_system_of_it(place: str, dataset: Dataset) -> None:
    with laden.open(place) as images:
        files = images.filesystem()
        assert files.ls("", detail=False) == ["PADCHEST_SMALL.csv", "_laden", "png"]
        assert files.find("png") == sorted(dataset.blobs)
        assert files.glob("png/1/*.png") == [name for name in sorted(dataset.blobs) if "/1/" in name]
        name = images.names[0]
        assert files.cat(name) == dataset.blobs[name]
        assert files.info(name)["md5"] == dataset.md5s[name].hex()
        with files.open(f"laden://{name}") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"
        with pytest.raises(FileNotFoundError):
            files.cat("png/none.png")
        with pytest.raises(PermissionError, match="cannot be written"):
            files.open(name, "wb")
    fsspec.register_implementation("laden", LadenFileSystem, clobber=True)
    with fsspec.open(f"laden://{name}", place=place) as file:
        assert file.read() == dataset.blobs[name]


def test_a_secret_in_the_address_is_shown_nowhere(container: str, dataset: Dataset, emulator: Emulator) -> None:
    begin(dataset.folder, container, code=3)
    query = sas(emulator, container, "rl")
    with laden.open(f"{container}?{query}") as images:
        assert "sig" not in repr(images) + images.place
        assert images[0].data
        again: Opened = pickle.loads(pickle.dumps(images))
        assert again[0].data == images[0].data
        again.close()


def test_what_cannot_be_opened_is_told(container: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no load was completed"):
        laden.open(container)
    begin(dataset.folder, container, code=3)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with laden.open(container) as images:
        for name in ("pandas", "arrow", "filesystem"):
            with pytest.raises(UsageError, match="pip install"):
                getattr(images, name)()


def test_nothing_heavy_is_imported_to_open_it(dataset: Dataset, tmp_path: Path) -> None:
    import subprocess
    import sys

    load(dataset.folder, str(tmp_path / "place"))
    script = (
        "import sys, laden; d = laden.open(sys.argv[1]); d[0]; d.torch();"
        " print([m for m in ('pandas', 'pyarrow', 'torch', 'fsspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "place")], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_name_that_begins_as_the_protocol_is_that_name() -> None:
    """Another file was read, that was called as the rest of it."""
    assert [LadenFileSystem._strip_protocol(name) for name in ("laden::a.bin", "laden://a.bin", "/x/a.bin/")] == [
        "laden::a.bin",
        "a.bin",
        "x/a.bin",
    ]


def test_what_is_asked_of_the_file_system_is_asked_of_the_load(place: str, dataset: Dataset) -> None:
    """A selection was swallowed: a training set of a few was everything."""
    fsspec.register_implementation("laden", LadenFileSystem, clobber=True)
    some = fsspec.filesystem("laden", place=place, where="ImageDir = 1", skip_instance_cache=True)
    assert some.find("png") == [name for name in sorted(dataset.blobs) if "/1/" in name]
    with pytest.raises(TypeError, match="where"):
        fsspec.filesystem("laden", place=place, wher="ImageDir = 1")
    with laden.open(place) as images, pytest.raises(TypeError, match="open already"):
        LadenFileSystem(dataset=images, where="ImageDir = 1")


def test_parts_of_a_file_are_read_as_fsspec_reads_them(place: str, dataset: Dataset) -> None:
    with laden.open(place) as images:
        files, name = images.filesystem(), images.names[0]
        whole = dataset.blobs[name]
        assert files.cat_file(name, start=-4) == whole[-4:]
        assert files.cat_file(name, 2, 5) == whole[2:5]
        assert files.read_block(name, 3, 9) == whole[3:12]
