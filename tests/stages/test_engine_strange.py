"""Workers that see something else under the same name, another source or destination: what they say is no proof."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.stages.engine import spreading
from laden.store import parse_destination
from laden.values.errors import AccessDenied
from laden.values.records import Finding, Outcome, Receipt, Severity
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.stages.test_engine import Giving, answered
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import MANIFEST
from tests.support.harness import content, landed, sas


class Strange(Executor):
    """Threads, of which each work is done as another one: its root or its destination is another."""

    def __init__(self, other: Callable[[Any], Any]) -> None:
        self._threads = ThreadPoolExecutor(2)
        self._other = other

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        version, packed, things = arguments
        token, work = pickle.loads(packed)
        return self._threads.submit(call, version, pickle.dumps((token, self._other(work))), things)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 12, "1": 8})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "LEAST_BATCH_BYTES", 2_000)


def copied(dataset: Dataset, tmp_path: Path) -> Path:
    """The source as a worker has it, all times as they were."""
    shutil.copytree(dataset.folder, tmp_path / "theirs")
    return tmp_path / "theirs"


def spoil(path: Path, at: int, *, later_ns: int = 0) -> None:
    """Change one byte of a file, and leave its length, and its time but for so many nanoseconds."""
    data, stat = bytearray(path.read_bytes()), path.stat()
    data[at] ^= 0x10
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + later_ns))


def test_a_member_that_is_another_there_is_not_sent(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    theirs = copied(dataset, tmp_path)
    name = next(name for place, name in dataset.members if place == "0.zip")
    spoil(theirs / "0.zip", (theirs / "0.zip").read_bytes().index(name.encode()) + len(name) + 20)
    with Strange(lambda work: replace(work, root=str(theirs))) as executor:
        summary = load(dataset.folder, container, executor=executor, workers=2)
    assert (summary.sent, summary.damaged, summary.exit_code) == (19, 1, 3)
    assert set(dataset.blobs) - set(landed(emulator, container)) == {f"png/0/{name}"}
    assert load(dataset.folder, container).sent == 1
    assert verify(container, deep="all").exit_code == 0


def test_a_plain_file_of_another_time_there_is_not_sent(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    for archive in dataset.archives:
        shutil.unpack_archive(dataset.folder / f"{archive}.zip", dataset.folder / archive)
        (dataset.folder / f"{archive}.zip").unlink()
    theirs = copied(dataset, tmp_path)
    other = sorted((theirs / "0").iterdir())[3]
    spoil(other, 40, later_ns=1_000_000_000)
    with Strange(lambda work: replace(work, root=str(theirs))) as executor:
        summary = load(dataset.folder, container, executor=executor, workers=2)
    assert (summary.sent, summary.failed, summary.complete) == (19, 1, False)
    assert summary.exit_code != 0
    assert not [name for name in landed(emulator, container) if name.endswith(other.name)]


def test_images_that_a_worker_sent_elsewhere_are_missed(emulator: Emulator, container: str, dataset: Dataset) -> None:
    elsewhere = f"{container}-elsewhere"
    load(dataset.folder, elsewhere, share="1/1", archives="1")
    with Strange(lambda work: replace(work, destination=parse_destination(elsewhere))) as executor:
        summary = load(dataset.folder, container, executor=executor, workers=2)
    assert (summary.exit_code, summary.complete) == (6, False)
    assert summary.findings["verify-missing"] == 20
    # What no listing shows is not counted as there, whatever was told of it.
    assert (summary.images, summary.sent, summary.already_there, summary.failed) == (20, 0, 0, 20)


def test_where_an_image_comes_from_is_not_taken_from_a_worker(
    emulator: Emulator, container: str, dataset: Dataset
) -> None:
    """The manifest names archive and member as an honest load's does."""

    def swapped(results: list[Receipt]) -> list[Receipt]:
        entries = [one.item.entry for one in results[1:] + results[:1]]
        return [replace(one, item=one.item._replace(entry=entry)) for one, entry in zip(results, entries, strict=True)]

    summary = load(dataset.folder, container, executor=Giving(answered(swapped)), workers=1)
    assert (summary.sent, summary.exit_code, summary.complete) == (20, 0, True)
    honest = f"{container}-honest"
    load(dataset.folder, honest)
    assert content(emulator, container, MANIFEST) == content(emulator, honest, MANIFEST)


def test_images_that_a_worker_calls_read_are_no_load(emulator: Emulator, container: str, dataset: Dataset) -> None:
    """They would be there, and a complete load would name none of them."""
    lying = Giving(answered(lambda results: [replace(one, outcome=Outcome.READ) for one in results]))
    summary = load(dataset.folder, container, executor=lying, workers=1)
    assert (summary.exit_code, summary.complete) == (6, False)
    assert (summary.images, summary.sent, summary.already_there, summary.failed) == (20, 0, 0, 20)
    assert MANIFEST not in landed(emulator, container)
    again = load(dataset.folder, container)
    assert (again.already_there, again.exit_code, verify(container).images) == (20, 0, 20)


def test_images_that_a_worker_calls_sent_are_not_looked_at(dataset: Dataset) -> None:
    lying = Giving(answered(lambda results: [replace(one, outcome=Outcome.SENT) for one in results]))
    summary = check(dataset.folder, images="structure", executor=lying, workers=1)
    assert (summary.examined, summary.failed, summary.exit_code) == (0, 20, 5)


@pytest.mark.parametrize("told", ["blob-foreign", "wrong"])
def test_a_blob_that_is_wrong_is_not_played_down_by_a_worker(
    emulator: Emulator, container: str, dataset: Dataset, told: str
) -> None:
    begin(dataset.folder, container)
    code = "blob-bytes" if told == "wrong" else told
    mild = Giving(
        answered(lambda results: [(target, Finding(code, Severity.INFO, "no matter")) for target, _ in results])
    )
    found = verify(container, deep="all", executor=mild, workers=1)
    assert found.exit_code == 3
    assert found.findings["blob-bytes" if told == "wrong" else "blob-unread"] == 20 + 2


@pytest.mark.parametrize("theirs", ["laden", "another tool"])
def test_blobs_that_a_worker_compared_elsewhere_are_not_taken_for_compared(
    emulator: Emulator, container: str, dataset: Dataset, theirs: str
) -> None:
    """What lies here is of the right length and wrong, without an MD5 or with that of the right bytes."""
    from azure.storage.blob import ContentSettings

    from tests.support.harness import client

    elsewhere = f"{container}-elsewhere"
    load(dataset.folder, elsewhere)
    with client(emulator, container) as opened:
        for number, (name, data) in enumerate(sorted(dataset.blobs.items())):
            right = ContentSettings(content_md5=bytearray(dataset.md5s[name]))
            wrong = bytes([data[0] ^ 1]) + data[1:]
            opened.upload_blob(name, wrong)
            if theirs == "laden" or number % 2:
                opened.get_blob_client(name).set_http_headers(right)
    with Strange(lambda work: replace(work, destination=parse_destination(elsewhere))) as executor:
        summary = load(dataset.folder, container, executor=executor, workers=2)
    assert summary.exit_code != 0
    assert (summary.already_there, summary.complete) == (0, False)


def test_what_a_worker_read_back_elsewhere_is_no_proof(container: str, dataset: Dataset) -> None:
    elsewhere = f"{container}-elsewhere"
    begin(dataset.folder, container)
    load(dataset.folder, elsewhere)
    with Strange(lambda work: replace(work, destination=parse_destination(elsewhere))) as executor:
        found = verify(container, deep="all", executor=executor, workers=2)
    assert found.exit_code == 3
    assert found.findings["blob-changed"] == 20 + 2
    with ThreadPoolExecutor(2) as right:
        assert verify(container, deep="all", executor=right, share="1/2").exit_code == 0
        assert check(dataset.folder, images="pixels", executor=right, workers=2).examined == 20


def test_a_worker_that_may_only_read_ends_the_run_and_sends_nothing(
    emulator: Emulator, container: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(work: Any) -> Any:
        monkeypatch.setenv("LADEN_SAS", sas(emulator, container, "rl"))
        return work

    with Strange(read_only) as executor, pytest.raises(AccessDenied, match=r"on the worker .*: the SAS .*write"):
        load(dataset.folder, container, executor=executor, workers=2)
    assert not set(dataset.blobs) & set(landed(emulator, container))
