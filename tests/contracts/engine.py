"""What everything that moves images owes to whoever asks for it: the same suite runs over each.

A test class inherits `EngineContract` and gives in `running` what it adds to a call of `move`.
"""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from laden.dataset.source import entries
from laden.demo.emulator import Emulator
from laden.stages.engine import Hooks, Job, move, spreading
from laden.stages.transfer import Settings
from laden.store import Destination, FolderDestination, open_store, parse_destination
from laden.values.errors import AccessDenied
from laden.values.records import Action, Entry, Item, Outcome, Receipt
from tests.support.dataset import Dataset

SIGNATURE = "bm90IGEgc2lnbmF0dXJl"
REFUSED = f"sv=2023-11-03&se=2030-01-01&sp=rcwl&sr=c&sig={SIGNATURE}"


def items_of(dataset: Dataset) -> list[Item]:
    found = [entry for archive in dataset.archives for entry in entries(dataset.folder, f"{archive}.zip")]
    return [
        Item(entry, f"{entry.archive}/{entry.member}", Action.SEND, "", None)
        for entry in found
        if isinstance(entry, Entry)
    ]


def moved(
    dataset: Dataset,
    target: Destination | FolderDestination,
    *,
    during: Callable[[Receipt], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    **engine: Any,
) -> list[Receipt]:
    """Move all of a dataset, and return the receipts."""

    async def work() -> list[Receipt]:
        job = Job(str(dataset.folder), target, 4, Settings(window_bytes=8 << 20))
        store = open_store(target, connections=4)
        receipts: list[Receipt] = []
        try:
            await store.create()
            async for receipt in move(job, items_of(dataset), store, Hooks(stopping=stopping), **engine):
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


class EngineContract(ABC):
    """See above."""

    @abstractmethod
    def running(self) -> AbstractContextManager[dict[str, Any]]:
        """What `move` is given beside job, items, store and hooks, as long as the context lasts."""

    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spreading, "LEAST_BATCH_BYTES", 40_000)

    def test_everything_is_moved_once(self, dataset: Dataset, tmp_path: Path) -> None:
        with self.running() as engine:
            receipts = moved(dataset, FolderDestination(tmp_path / "there"), **engine)
        assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
        landed = {(path.parent.name, path.name): path.read_bytes() for path in (tmp_path / "there").rglob("*.png")}
        assert landed == dict(dataset.members)
        assert len(receipts) == len(landed) > 400

    def test_a_refusal_ends_it(
        self, dataset: Dataset, emulator: Emulator, container: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LADEN_SAS", REFUSED)
        with self.running() as engine, pytest.raises(AccessDenied) as refused:
            moved(dataset, parse_destination(container), **engine)
        assert SIGNATURE not in str(refused.value)
        assert workers_of(os.getpid()) == set()

    def test_it_stops_when_asked(self, dataset: Dataset, tmp_path: Path) -> None:
        seen: list[Receipt] = []
        there = FolderDestination(tmp_path / "there")
        with self.running() as engine:
            receipts = moved(dataset, there, during=seen.append, stopping=lambda: bool(seen), **engine)
            assert 0 < len(receipts) <= len(items_of(dataset))
            again = moved(dataset, there, **engine)
        assert {receipt.outcome for receipt in again} <= {Outcome.SENT, Outcome.ALREADY_THERE}
        assert len(again) == len(items_of(dataset))

    def test_nothing_to_do_is_done(self, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.running() as engine:
            assert (
                moved(Dataset(dataset.folder, dataset.table, (), {}, {}), FolderDestination(tmp_path), **engine) == []
            )
