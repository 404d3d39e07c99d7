"""Runs a transfer in several processes of this machine, one event loop each.

The coordinator hands out batches of items through a pipe, two to a worker at a time, and gets receipts back; workers
share nothing, so that each finds its own number of connections. A worker ends when its pipe does: none outlives the
coordinator, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING

from laden.run.loop import run
from laden.stages.engine.asking import SasAsker, answer
from laden.stages.engine.works import Doing, Hooks, Job, parted
from laden.store import Retry
from laden.values.errors import AccessEnded, Interrupted, LadenError
from laden.values.records import Item, Receipt
from laden.values.secrets import guarded, note_environment

if TYPE_CHECKING:
    from laden.store.credentials import SasSource

_BATCH_ITEMS = 512
_BATCH_BYTES = 64 << 20
_BATCHES_AHEAD = 2
_END_WITHIN_S = 10
_LOOK_S = 0.2
_WORKER_DIED = "a worker process was ended from outside: run the same command again to go on"

_Answer = list[Receipt] | Retry | str | LadenError


async def move_in_processes(
    job: Job,
    items: Iterable[Item],
    hooks: Hooks,
    *,
    workers: int,
    sas: SasSource | None = None,
) -> AsyncIterator[Receipt]:
    """Move items in so many worker processes; see `laden.stages.engine.move`."""
    window_bytes = job.settings.window_bytes // workers
    cap = job.cap and job.cap.shared(workers)
    settings = replace(job.settings, window_bytes=window_bytes)
    share = replace(job, root=parted(job.root, workers), settings=settings, cap=cap)
    coordinator = _Coordinator(share, _batches(items), workers, hooks, sas)
    try:
        async for receipts in coordinator.receipts():
            for receipt in receipts:
                yield receipt
    finally:
        await asyncio.to_thread(coordinator.end)


class _Coordinator:
    """Keeps every worker supplied, and passes on what they say."""

    def __init__(
        self,
        job: Job,
        batches: Iterator[list[Item]],
        workers: int,
        hooks: Hooks,
        sas: SasSource | None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._batches = batches
        self._hooks = hooks
        self._stop = context.Event()
        self._ended: AccessEnded | None = None
        self._workers = [_Worker(context, job, self._stop, sas) for _ in range(workers)]

    async def receipts(self) -> AsyncIterator[list[Receipt]]:
        """The receipts of one batch after the other, from whichever worker is done."""
        done: asyncio.Queue[list[Receipt] | None] = asyncio.Queue()
        watching = asyncio.create_task(self._watch())
        driving = asyncio.gather(*(self._drive(worker, done.put_nowait) for worker in self._workers))
        driving.add_done_callback(lambda _: done.put_nowait(None))
        try:
            while (receipts := await done.get()) is not None:
                yield receipts
            await driving
            if self._ended is not None:
                raise self._ended
        except BrokenPipeError:
            raise Interrupted(_WORKER_DIED) from None
        finally:
            watching.cancel()
            driving.cancel()
            await asyncio.gather(watching, driving, return_exceptions=True)

    async def _drive(self, worker: _Worker, done: Callable[[list[Receipt]], None]) -> None:
        ahead = 0
        while True:
            while ahead < _BATCHES_AHEAD and not self._over() and (batch := next(self._batches, None)):
                worker.pipe.send(batch)
                ahead += 1
            if not ahead:
                return
            match await worker.answers.get():
                case None:
                    raise Interrupted(_WORKER_DIED)
                case AccessEnded() as error:
                    # Every worker tells what it had sent by then.
                    self._ended = error
                case LadenError() as error:
                    raise error
                case Retry() as retry:
                    self._hooks.on_retry(retry)
                case str() as limit:
                    self._hooks.on_limit(limit)
                case receipts:
                    ahead -= 1
                    done(receipts)

    def _over(self) -> bool:
        return self._ended is not None or self._hooks.stopping()

    async def _watch(self) -> None:
        """Pass the wish to stop on; it comes from a signal, which no task can await."""
        while not self._hooks.stopping():  # noqa: ASYNC110 - see above
            await asyncio.sleep(_LOOK_S)
        self._stop.set()

    def end(self) -> None:
        """Tell all workers to end, wait for them, and let go of what they used."""
        self._stop.set()
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.join()


class _Worker:
    """A worker process, its pipe, and a thread that hears what it says until it ends."""

    def __init__(self, context: SpawnContext, job: Job, stop: Event, sas: SasSource | None) -> None:
        self.pipe, theirs = context.Pipe()
        ours, asking = context.Pipe() if sas else (None, None)
        self.answers: asyncio.Queue[_Answer | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        arguments = (job, theirs, asking, stop)
        self.process = context.Process(target=_work, args=arguments, name="laden-worker", daemon=True)
        self.process.start()
        theirs.close()
        self.answerer: threading.Thread | None = None
        if sas and ours and asking:
            asking.close()
            self.answerer = threading.Thread(target=answer, args=(ours, sas), name="laden-sas", daemon=True)
            self.answerer.start()
        self.listener = threading.Thread(target=self._listen, name="laden-listen", daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        answer: _Answer | None = None
        try:
            while True:
                answer = self.pipe.recv()
                self._loop.call_soon_threadsafe(self.answers.put_nowait, answer)
        except (EOFError, OSError):
            self._loop.call_soon_threadsafe(self.answers.put_nowait, None)

    def dismiss(self) -> None:
        """Tell it that nothing more comes."""
        with contextlib.suppress(OSError):
            for _ in range(_BATCHES_AHEAD):
                self.pipe.send(None)

    def join(self) -> None:
        """Wait for its end, which is hastened if it takes too long."""
        self.process.join(_END_WITHIN_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.listener.join()
        if self.answerer is not None:
            self.answerer.join(_END_WITHIN_S)
        self.pipe.close()
        self.process.close()


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size_bytes = 0
    for item in items:
        batch.append(item)
        size_bytes += item.entry.size_bytes
        if len(batch) == _BATCH_ITEMS or size_bytes > _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _work(job: Job, pipe: Connection, asking: Connection | None, stop: Event) -> None:
    """What a worker process does, from its first batch to the end of its pipe."""
    # Ctrl-C, a closed terminal and the end of a service reach every process; the coordinator decides what they mean,
    # and a worker ends when its pipe does.
    for name in ("SIGINT", "SIGHUP", "SIGTERM"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    note_environment()
    # Where the coordinator is gone, there is nobody to tell.
    with guarded(), contextlib.suppress(BrokenPipeError, ConnectionResetError):
        run(_serve(job, pipe, asking, stop))


async def _serve(job: Job, pipe: Connection, asking: Connection | None, stop: Event) -> None:
    turn = asyncio.Lock()
    sas = SasAsker(asking) if asking else None
    hooks = Hooks(on_retry=pipe.send, on_limit=pipe.send, stopping=stop.is_set)

    async def next_batch() -> list[Item] | None:
        async with turn:
            try:
                batch: list[Item] | None = await asyncio.to_thread(pipe.recv)
            except EOFError:
                return None
            return batch

    async def serve(doing: Doing[Item, Receipt]) -> None:
        while batch := await next_batch():
            done: list[Receipt] = []
            try:
                async for receipt in doing(batch):
                    done.append(receipt)  # noqa: PERF401 - what was done is told also when it breaks off
            except LadenError as error:
                stop.set()
                pipe.send(error)
            pipe.send(done)

    async with job.place_with(hooks, sas) as doing:
        await asyncio.gather(*(serve(doing) for _ in range(_BATCHES_AHEAD)))
