"""Where a transfer runs must not matter: one process and several give the same, and end the same way."""

from __future__ import annotations

import asyncio
import os
import pickle
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.dataset.source import entries
from laden.demo.emulator import Emulator
from laden.stages.engine import Job, move, workers_for
from laden.stages.transfer import Settings
from laden.store import Destination, FolderDestination, open_store, parse_destination
from laden.values.errors import AccessDenied, Interrupted, LadenError
from laden.values.records import Action, Entry, Item, Outcome, Receipt
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import run, start


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 700, "1": 500})


def items_of(dataset: Dataset) -> list[Item]:
    found = [entry for archive in ("0.zip", "1.zip") for entry in entries(dataset.folder, archive)]
    return [
        Item(entry, f"{entry.archive}/{entry.member}", Action.SEND, "", None)
        for entry in found
        if isinstance(entry, Entry)
    ]


def moved(
    dataset: Dataset,
    target: Destination | FolderDestination,
    workers: int,
    *,
    during: Callable[[Receipt], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> list[Receipt]:
    async def work() -> list[Receipt]:
        job = Job(str(dataset.folder), target, 4, Settings(window_bytes=8 << 20))
        store = open_store(target, connections=4)
        receipts: list[Receipt] = []
        try:
            await store.create()
            moving = move(
                job,
                items_of(dataset),
                store,
                workers=workers,
                on_retry=lambda _: None,
                on_limit=lambda _: None,
                stopping=stopping,
            )
            async for receipt in moving:
                receipts.append(receipt)
                during(receipt)
        finally:
            await store.close()
        return receipts

    return asyncio.run(work())


def workers_of(pid: int) -> set[int]:
    """Worker processes of a process; multiprocessing has a helper process beside them."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_engine_moves_the_same(dataset: Dataset, tmp_path: Path, workers: int) -> None:
    receipts = moved(dataset, FolderDestination(tmp_path / "there"), workers)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    landed = {(path.parent.name, path.name): path.read_bytes() for path in (tmp_path / "there").rglob("*.png")}
    assert landed == dict(dataset.members)
    assert len(receipts) == len(landed) == 1200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_refusal_ends_every_worker(
    dataset: Dataset, emulator: Emulator, container: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADEN_SAS", "sv=2023-11-03&se=2030-01-01&sp=rcwl&sr=c&sig=bm90IGEgc2lnbmF0dXJl")
    target = parse_destination(container)

    async def work() -> None:
        job = Job(str(dataset.folder), target, 4, Settings())
        store = open_store(target, connections=4)
        try:
            async for _ in move(
                job,
                items_of(dataset),
                store,
                workers=workers,
                on_retry=lambda _: None,
                on_limit=lambda _: None,
                stopping=lambda: False,
            ):
                pass
        finally:
            await store.close()

    with pytest.raises(AccessDenied) as refused:
        asyncio.run(work())
    assert "bm90" not in str(refused.value)
    assert workers_of(os.getpid()) == set()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="tells workers by /proc")
def test_a_worker_that_is_killed_ends_the_run_with_a_sentence_and_a_rerun_completes(
    dataset: Dataset, tmp_path: Path
) -> None:
    there = FolderDestination(tmp_path / "there")
    killed: list[int] = []

    def kill(_: Receipt) -> None:
        if not killed:
            # All of them: one that has nothing left to do would not be missed.
            killed.extend(workers_of(os.getpid()))
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    with pytest.raises(Interrupted, match="run the same command again"):
        moved(dataset, there, 2, during=kill)
    assert len(killed) == 2
    assert workers_of(os.getpid()) == set()
    again = moved(dataset, there, 2)
    assert {receipt.outcome for receipt in again} <= {Outcome.SENT, Outcome.ALREADY_THERE}
    assert len({path.name for path in (tmp_path / "there").rglob("*.png")}) == 1200


def test_a_stop_reaches_the_workers(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[Receipt] = []
    receipts = moved(dataset, FolderDestination(tmp_path / "there"), 2, during=seen.append, stopping=lambda: bool(seen))
    assert 0 < len(receipts) <= 1200


def test_the_command_with_workers_ends_as_without(dataset: Dataset, tmp_path: Path, container: str) -> None:
    ran = run("load", dataset.folder, container, "--workers", "2", "--yes", "--json")
    assert (ran.code, ran.summary["sent"]) == (0, 1200)
    again = run("load", dataset.folder, container, "--yes", "--json")
    assert (again.code, again.summary["sent"], again.summary["already_there"]) == (0, 0, 1200)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="tells workers by /proc")
def test_no_worker_outlives_a_killed_coordinator(dataset: Dataset, tmp_path: Path) -> None:
    process = start("load", dataset.folder, tmp_path / "there", "--workers", "2", "--yes", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if '"progress"' in line:
            break
    watched = [os.pidfd_open(pid) for pid in workers_of(process.pid)]
    assert len(watched) == 2
    process.kill()
    process.communicate()
    for worker in watched:
        ended, _, _ = select.select([worker], [], [], 20)
        os.close(worker)
        assert ended


@pytest.mark.parametrize("text", ["0", "-1", "many", "65", ""])
def test_workers_must_be_a_number(dataset: Dataset, tmp_path: Path, text: str) -> None:
    ran = run("load", dataset.folder, tmp_path / "there", "--workers", text)
    assert ran.code == 2
    assert "--workers" in ran.err


@pytest.mark.parametrize(
    ("items", "size_bytes", "processors", "expected"),
    [
        (160_861, 10**12, 16, 1),
        (1_000_000, 10**10, 16, 4),
        (1_000_000, 10**10, 4, 2),
        (1_000_000, 10**10, 2, 1),
        (5_000, 10**8, 16, 1),
        (0, 0, 16, 1),
    ],
)
def test_several_processes_only_where_they_help(items: int, size_bytes: int, processors: int, expected: int) -> None:
    assert workers_for(items, size_bytes, processors) == expected


def test_errors_of_a_worker_come_back_whole() -> None:
    for error in (AccessDenied("a"), Interrupted("b"), LadenError("c")):
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back)) == (type(error), str(error))
