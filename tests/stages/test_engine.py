"""Where a transfer runs must not matter: each engine gives the same, and ends the same way (`contracts/engine`)."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laden.stages.engine import Job, Look, ReadBack, carrying, processes, spreading, workers_for
from laden.stages.engine.believing import Untrue
from laden.stages.engine.spreading import ExecutorPool, batch_bytes
from laden.stages.proof import Target
from laden.stages.transfer import Settings
from laden.store import FolderDestination, parse_destination
from laden.values.errors import AccessDenied, Interrupted, LadenError, UsageError
from laden.values.records import Action, Digests, Finding, Outcome, Receipt, Severity
from tests.contracts.engine import REFUSED, SIGNATURE, EngineContract, items_of, moved, workers_of
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import run, start


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 300, "1": 200})


@pytest.fixture
def few(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "few", {"0": 4})


class TestHere(EngineContract):
    @contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        yield {}


class TestProcesses(EngineContract):
    @contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        yield {"workers": 2}


class TestThreads(EngineContract):
    """An executor in this process."""

    @contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        with ThreadPoolExecutor(2) as executor:
            yield {"pool": ExecutorPool(executor, 2)}


class TestExecutor(EngineContract):
    """An executor of other processes; they have the environment of their start, as workers elsewhere have."""

    @contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
            yield {"pool": ExecutorPool(executor, 2)}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="tells workers by /proc")
def test_a_worker_that_is_killed_ends_the_run_with_a_sentence_and_a_rerun_completes(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_BATCH_ITEMS", 100)
    there = FolderDestination(tmp_path / "there")
    killed: list[int] = []

    def kill(_: Receipt) -> None:
        if not killed:
            # All of them: one that has nothing left to do would not be missed.
            killed.extend(workers_of(os.getpid()))
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    with pytest.raises(Interrupted, match="run the same command again"):
        moved(dataset, there, workers=2, during=kill)
    assert len(killed) == 2
    assert workers_of(os.getpid()) == set()
    again = moved(dataset, there, workers=2)
    assert {receipt.outcome for receipt in again} <= {Outcome.SENT, Outcome.ALREADY_THERE}
    assert len({path.name for path in (tmp_path / "there").rglob("*.png")}) == 500


def test_the_command_with_workers_ends_as_without(dataset: Dataset, tmp_path: Path, container: str) -> None:
    ran = run("load", dataset.folder, container, "--workers", "2", "--yes", "--json")
    assert (ran.code, ran.summary["sent"]) == (0, 500)
    again = run("load", dataset.folder, container, "--yes", "--json")
    assert (again.code, again.summary["sent"], again.summary["already_there"]) == (0, 0, 500)


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


class Mortal(Executor):
    """An executor of threads whose first workers die of what they are given, or that gives it to another laden."""

    def __init__(self, deaths: int, error: BaseException) -> None:
        self._threads = ThreadPoolExecutor(2)
        self._deaths = deaths
        self._error = error

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self._deaths -= 1
        if self._deaths < 0:
            return self._threads.submit(call, *arguments, **named)
        future: Future[Any] = Future()
        future.set_exception(self._error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "LEAST_BATCH_BYTES", 40_000)


@pytest.mark.usefixtures("small_batches")
def test_a_worker_that_dies_costs_its_batch_which_another_does(dataset: Dataset, tmp_path: Path) -> None:
    with Mortal(2, MemoryError("killed")) as executor:
        receipts = moved(dataset, FolderDestination(tmp_path / "there"), pool=ExecutorPool(executor, 2))
    assert [receipt.outcome for receipt in receipts] == [Outcome.SENT] * 500


@pytest.mark.usefixtures("small_batches")
def test_a_batch_that_kills_every_worker_is_told_as_failed_and_nothing_else_is(
    dataset: Dataset, tmp_path: Path
) -> None:
    class Poisoned(Mortal):
        def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            self._deaths = int(b"1.zip" in arguments[2] and b"0.zip" not in arguments[2])
            return super().submit(call, *arguments, **named)

    there = FolderDestination(tmp_path / "there")
    with Poisoned(0, MemoryError("killed")) as executor:
        receipts = moved(dataset, there, pool=ExecutorPool(executor, 2))
    failed = [receipt for receipt in receipts if receipt.outcome is Outcome.FAILED]
    assert 0 < len(failed) < len(receipts) == 500
    assert {receipt.item.entry.archive for receipt in failed} == {"1.zip"}
    assert "3 times (MemoryError: killed)" in failed[0].reason
    again = moved(dataset, there, workers=1)
    assert sum(receipt.outcome is Outcome.SENT for receipt in again) == len(failed)


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (RuntimeError("cannot schedule new futures after shutdown"), Interrupted, "run the same command again"),
        (ModuleNotFoundError("No module named 'laden'"), UsageError, "install laden there"),
    ],
)
def test_an_executor_that_is_no_use_ends_the_run_with_a_sentence(
    dataset: Dataset, tmp_path: Path, error: Exception, kind: type[LadenError], sentence: str
) -> None:
    with Mortal(1, error) as executor, pytest.raises(kind, match=sentence):
        moved(dataset, FolderDestination(tmp_path / "there"), pool=ExecutorPool(executor, 2))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="tells workers by /proc")
class Giving(Executor):
    """Does each call at once, and gives what is made of its result."""

    def __init__(self, made: Callable[[Any], Any]) -> None:
        self._made = made

    def submit(self, call: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self._made(call(*arguments)))
        return future


def answered(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Any]:
    """An executor that changes the results of an answer."""

    def made(told: tuple[str, bytes]) -> tuple[str, bytes]:
        return told[0], pickle.dumps(replace(answer := pickle.loads(told[1]), results=change(answer.results)))

    return made


@pytest.mark.parametrize(
    "made",
    [
        lambda _: None,
        lambda told: told[1],
        lambda told: (told[0], None),
        lambda told: [*told, 1],
        lambda told: (told[0], told[1][:40]),
        lambda told: (told[0], pickle.dumps("done")),
        lambda told: (told[0], pickle.dumps(replace(pickle.loads(told[1]), limit=None))),
        lambda told: (told[0], pickle.dumps(replace(pickle.loads(told[1]), retries=["again"]))),
        lambda told: (told[0], pickle.dumps(replace(pickle.loads(told[1]), error=KeyError("sig")))),
        answered(lambda results: ["done"] * len(results)),
        answered(lambda results: [results[0]] * len(results)),
        answered(lambda results: [replace(one, item=one.item._replace(blob="png/other")) for one in results[:1]]),
    ],
)
def test_a_future_of_something_else_is_told_as_that(few: Dataset, tmp_path: Path, made: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match="the executor gave back something else than what the call"):
        moved(few, FolderDestination(tmp_path / "there"), pool=ExecutorPool(Giving(made), 1))


LIES: list[Callable[[Receipt], Any]] = [
    lambda one: replace(one, outcome=Outcome.READ),
    lambda one: replace(one, outcome=Outcome.HELD),
    lambda one: replace(one, outcome="sent"),
    lambda one: replace(one, digests=None),
    lambda one: replace(one, digests=one.digests._replace(size_bytes=1)),  # type: ignore[union-attr]
    lambda one: replace(one, digests=one.digests._replace(crc32=one.item.entry.crc32 ^ 1)),  # type: ignore[union-attr,operator]
    lambda one: replace(one, digests=one.digests._replace(crc32="1")),  # type: ignore[union-attr]
    lambda one: replace(one, digests=one.digests._replace(md5=b"")),  # type: ignore[union-attr]
    lambda one: replace(one, code="put-failed"),
    lambda one: replace(one, outcome=Outcome.FAILED, code=""),
    lambda one: replace(one, outcome=Outcome.CONFLICT, code="verify-missing"),
    lambda one: replace(one, outcome=Outcome.DAMAGED, code="png-zlib"),
    lambda one: replace(one, image=None),  # type: ignore[arg-type]
    lambda one: replace(one, image=one.image._replace(width=-1)),
    lambda one: replace(one, image=one.image._replace(identity="PatientName")),  # type: ignore[arg-type]
]
"""What a transfer that was asked for no more than to send cannot have made of an item that is not there yet."""


def lied(lie: Callable[[Receipt], Any]) -> Callable[[Any], Any]:
    """An executor that lies about one thing of each batch."""
    return answered(lambda results: [lie(results[0]), *results[1:]])


@pytest.mark.parametrize("lie", LIES)
def test_what_a_work_cannot_have_is_tried_again_and_told_as_failed(
    few: Dataset, tmp_path: Path, lie: Callable[[Receipt], Any]
) -> None:
    there = FolderDestination(tmp_path / "there")
    receipts = moved(few, there, pool=ExecutorPool(Giving(lied(lie)), 1))
    assert {(receipt.outcome, receipt.code) for receipt in receipts} == {(Outcome.FAILED, "put-failed")}
    assert {receipt.item for receipt in receipts} == set(items_of(few))
    assert "could not be 3 times (Untrue: " in receipts[0].reason
    again = moved(few, there)
    assert [receipt.outcome for receipt in again] == [Outcome.ALREADY_THERE] * 4


def test_a_worker_that_lied_once_costs_nothing(few: Dataset, tmp_path: Path) -> None:
    lies = iter([LIES[0]])
    pool = ExecutorPool(Giving(lambda told: lied(next(lies, lambda one: one))(told)), 1)
    receipts = moved(few, FolderDestination(tmp_path / "there"), pool=pool)
    assert [receipt.outcome for receipt in receipts] == [Outcome.ALREADY_THERE] * 4


def test_what_is_known_here_is_never_taken_from_a_worker(few: Dataset, tmp_path: Path) -> None:
    """Archive, member and offset, what was planned, and whose it is."""

    def swapped(results: list[Any]) -> list[Any]:
        others = [one.item._replace(action=Action.REPLACE, owner="theirs/") for one in results[1:] + results[:1]]
        return [
            replace(one, item=other._replace(blob=one.item.blob)) for one, other in zip(results, others, strict=True)
        ]

    pool = ExecutorPool(Giving(answered(swapped)), 1)
    receipts = moved(few, FolderDestination(tmp_path / "there"), pool=pool)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert {receipt.item for receipt in receipts} == set(items_of(few))


def test_a_job_believes_of_what_was_only_compared_no_more_than_that(few: Dataset) -> None:
    item = items_of(few)[0]
    digests = Digests(item.entry.size_bytes, item.entry.crc32 or 0, b"m" * 16)
    compared = item._replace(action=Action.COMPARE, md5=b"o" * 16)
    asked = Job("", FolderDestination(Path()), None, Settings())
    replacing = replace(asked, settings=Settings(replace_other=True))
    sent, there = Receipt(item, Outcome.SENT, digests), Receipt(item, Outcome.ALREADY_THERE, digests)
    for told in (sent, there):
        with pytest.raises(Untrue):
            asked.believed(compared, told)
        assert replacing.believed(compared, told) == replace(told, item=compared)
    for theirs in (compared._replace(owner="other/"), compared._replace(theirs=True)):
        with pytest.raises(Untrue):
            replacing.believed(theirs, sent)
    assert asked.believed(compared._replace(md5=digests.md5), there).outcome is Outcome.ALREADY_THERE
    assert asked.believed(compared._replace(md5=None), there).outcome is Outcome.ALREADY_THERE
    held = replace(sent, outcome=Outcome.HELD)
    stops = replace(asked, settings=Settings(phi="stop"))
    with pytest.raises(Untrue):
        stops.believed(item, held)
    named = replace(held, image=held.image._replace(identity=("PatientName",)))
    assert stops.believed(item, named) == named


def test_a_look_sends_nothing(few: Dataset) -> None:
    item = items_of(few)[0]
    digests = Digests(item.entry.size_bytes, item.entry.crc32 or 0, b"m" * 16)
    for outcome in (Outcome.SENT, Outcome.ALREADY_THERE, Outcome.CONFLICT, Outcome.HELD):
        with pytest.raises(Untrue):
            Look("", "structure", "warn").believed(item, Receipt(item, outcome, digests))
    read = Receipt(item, Outcome.READ, digests)
    assert Look("", "structure", "warn").believed(item, replace(read, item=item._replace(blob="other"))) == read


def test_what_is_wrong_with_a_blob_is_what_reading_finds_and_never_less() -> None:
    target = Target("png/a.png", 3, b"m" * 16, "e")
    work = ReadBack(FolderDestination(Path()), None)
    mild = Finding("blob-bytes", Severity.INFO, "it is other", "0.zip", "a.png", 7, "png/b.png")
    assert work.believed(target, (target._replace(etag="other"), mild)) == (
        target,
        Finding("blob-bytes", Severity.ERROR, "it is other", blob="png/a.png"),
    )
    assert work.believed(target, (target._replace(md5=b""), None)) == (target, None)
    for lie in (mild._replace(code="blob-foreign"), mild._replace(message=None), "fine"):  # type: ignore[arg-type]
        with pytest.raises(Untrue):
            work.believed(target, (target, lie))


def test_no_future_at_all_is_told(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Giving, "submit", lambda *_: None)
    with pytest.raises(UsageError, match=r"gave no future for a call \(NoneType\)"):
        moved(dataset, FolderDestination(tmp_path / "there"), pool=ExecutorPool(Giving(id), 1))


def test_an_executor_whose_process_is_killed_ends_the_run_and_a_rerun_completes(
    dataset: Dataset, tmp_path: Path, small_batches: None
) -> None:
    there = FolderDestination(tmp_path / "there")

    def kill(_: Receipt) -> None:
        for worker in workers_of(os.getpid()):
            # Of an earlier receipt, it may be gone.
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    with (
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor,
        pytest.raises(Interrupted, match="run the same command again"),
    ):
        moved(dataset, there, pool=ExecutorPool(executor, 2), during=kill)
    assert len(moved(dataset, there)) == 500
    assert len([*(tmp_path / "there").rglob("*.png")]) == 500


def test_another_version_of_laden_is_refused(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "own_version", lambda: "0.0.9")
    with ThreadPoolExecutor(1) as executor, pytest.raises(UsageError, match=r"laden .*, and this one is 0\.0\.9"):
        moved(dataset, FolderDestination(tmp_path / "there"), pool=ExecutorPool(executor, 1))
    assert not [*(tmp_path / "there").rglob("*.png")]


def test_a_worker_of_another_version_does_not_even_read_what_it_is_given() -> None:
    assert carrying.carry("0.0.9", b"no pickle", b"nor this")[1] == b""


def test_what_travels_is_small_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADEN_SAS", REFUSED)
    target = parse_destination("https://account.blob.core.windows.net/container")
    packed = pickle.dumps(Job("/data/padchest", target, None, Settings()))
    assert SIGNATURE.encode() not in packed
    assert len(packed) < 2_000


@pytest.mark.parametrize(
    ("in_all_bytes", "workers", "expected"),
    [(10**6, 4, 256 << 20), (10**12, 4, 1 << 30), (32 << 30, 4, 512 << 20), (0, 0, 256 << 20)],
)
def test_batches_are_of_a_quarter_to_a_whole_gigabyte(in_all_bytes: int, workers: int, expected: int) -> None:
    assert batch_bytes(in_all_bytes, workers) == expected
