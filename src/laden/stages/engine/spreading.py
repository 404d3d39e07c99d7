"""The near end of an engine: cuts what is to be done into batches of neighbours, and keeps a pool of workers supplied.

In order: things come in the order they lie in, and are cut into batches of 256 MB to 1 GB, each under a key of its own;
two for each worker are under way; what became of a batch's things is handed on as one list. A batch whose worker died
is given out again, three times in all, and its things are told as failed then; nothing else is lost with it. So is a
batch of which a worker tells what cannot be (`believing`). Where the pool itself is gone, the run ends, and the same
command again goes on: the container is the journal.

It knows nothing of what is done, and how a pool reaches its workers is the pool's matter.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import pickle
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar

from laden.stages.engine.believing import Untrue
from laden.stages.engine.carrying import Answer, carry, leave, own_version
from laden.stages.engine.works import Hooks, Pool, Told, Work
from laden.store import Retry
from laden.values.errors import AccessEnded, Interrupted, LadenError, UsageError
from laden.values.secrets import redact

T = TypeVar("T")
R = TypeVar("R")

LEAST_BATCH_BYTES, MOST_BATCH_BYTES = 256 << 20, 1 << 30
_MOST_BATCH_ITEMS = 4_096
"""So that a batch is a megabyte at most where it travels."""
_BATCHES_A_WORKER = 16
"""At least, where there is enough for it: the last ones end at about the same time."""
_AHEAD = 2
_ATTEMPTS = 3
_LOOK_S = 0.5
_END_WITHIN_S = 10.0
_OTHER = "use one whose futures hold each call's own result"


class ExecutorPool:
    """Any `concurrent.futures.Executor`, whose owner ends it."""

    name = "the executor"

    def __init__(self, executor: Executor, workers: int) -> None:
        """Give it so many batches at once."""
        self._executor = executor
        self.workers = workers

    def submit(self, key: str, work: bytes, things: bytes) -> Future[Told]:
        return self._executor.submit(carry, own_version(), work, things)

    def gone(self, error: BaseException) -> bool:
        # A call that never began is cancelled by whoever shut it down; RuntimeError: nothing is taken any more.
        return isinstance(error, BrokenExecutor | FutureCancelled | RuntimeError)

    def see(self, path: str, sizes: Mapping[str, int]) -> None:
        """Nobody knows where an executor's workers are."""

    def on_way(self, tell: Callable[[str, int, int], None]) -> None:
        """An executor has nothing but results."""


@dataclass(slots=True)
class _Batch:
    things: list[Any]
    number: int
    attempts: int = 0
    key: str = ""
    call: Future[Told] | None = None


@dataclass(slots=True)
class _Spread:
    """One run's batches under way."""

    pool: Pool
    work: Work[Any, Any]
    hooks: Hooks
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    packed: bytes = b""
    running: dict[asyncio.Future[Told], _Batch] = field(default_factory=dict)
    again: list[_Batch] = field(default_factory=list)
    way: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Things and bytes done of batches under way, by key, as far as their workers tell."""
    ended: AccessEnded | None = None
    until_s: float = math.inf
    """When the last is waited for, of a run that is to stop."""
    alone_since_s: float | None = None
    """Since when there is no worker."""

    def __post_init__(self) -> None:
        self.packed = pickle.dumps((self.token, self.work))

    def give(self, batch: _Batch) -> None:
        """Have a batch done, under a key that tells nothing of it."""
        batch.attempts += 1
        things = pickle.dumps(batch.things)
        mark = hashlib.sha256(things).hexdigest()[:12]
        batch.key = f"laden-{self.token}-{batch.number}-{mark}-{batch.attempts}"
        try:
            batch.call = self.pool.submit(batch.key, self.packed, things)
            future = asyncio.wrap_future(_checked(batch.call, self.pool.name))
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
        self.running[future] = batch

    def taken(self, future: asyncio.Future[Told]) -> list[Any]:
        """What became of a batch that ended; its things are to be done again where its worker died.

        Raises:
            LadenError: it ends the run.
        """
        batch = self.running.pop(future)
        self.way.pop(batch.key, None)
        if future.cancelled() and self.until_s < math.inf:
            return []
        if future.cancelled():
            raise Interrupted(self._lost("it cancelled what was given to it"))
        if (error := future.exception()) is not None:
            return self._failed(batch, error)
        answer = self._answer_of(batch, future.result())
        try:
            results = self._believed(batch, answer.results)
        except Untrue as untrue:
            # Whoever told one untruth is believed nothing of the batch; what it did all the same, the next one finds.
            return self._failed(batch, untrue, "what workers told of it could not be", "leave that machine out")
        for retry in answer.retries:
            self.hooks.on_retry(retry)
        if answer.limit:
            self.hooks.on_limit(answer.limit)
        if isinstance(answer.error, AccessEnded):
            self.ended = answer.error
        elif answer.error is not None:
            raise _Ending(answer.error, results)
        elif len(results) < len(batch.things):
            return self._failed(batch, LadenError("it came back before all of it was done"))
        return results

    def _answer_of(self, batch: _Batch, told: object) -> Answer:
        """What a worker says of a batch; raises UsageError where its laden is another, or it says no such thing."""
        match told:
            case (str() as version, bytes() as body) if version == own_version():
                with suppress(Exception):  # whatever unpickling raises
                    answer = pickle.loads(body)  # noqa: S301 - of a worker, who may do all that this run may
                    if _is_answer(answer) and self._is_about(batch, answer.results):
                        return answer
            case (str() as version, bytes()):
                raise UsageError(
                    f"a worker of {self.pool.name} has laden {version}, and this one is {own_version()}: install the"
                    " same version everywhere, then run the same command again"
                )
        raise UsageError(
            f"{self.pool.name} gave back something else than what the call that it was given returns"
            f" ({type(told).__name__}): {_OTHER}"
        )

    def _is_about(self, batch: _Batch, results: list[Any]) -> bool:
        """Whether all results are about things of that batch, each once."""
        given = [self.work.blob_of(result) for result in results]
        return len(set(given)) == len(given) and set(given) <= {thing.blob for thing in batch.things}

    def _believed(self, batch: _Batch, results: list[Any]) -> list[Any]:
        """The results, each about the very thing that was given out; raises `Untrue`."""
        things = {thing.blob: thing for thing in batch.things}
        return [self.work.believed(things[self.work.blob_of(result)], result) for result in results]

    def _failed(
        self,
        batch: _Batch,
        error: BaseException,
        fate: str = "the workers that were given it ended",
        remedy: str = "more memory may help them",
    ) -> list[Any]:
        what = redact(f"{type(error).__name__}: {error}".partition("\n")[0][:300])
        if self.pool.gone(error):
            raise Interrupted(self._lost(what))
        if isinstance(error, ImportError):
            raise UsageError(f"a worker of {self.pool.name} cannot run laden ({what}): install laden there too")
        if batch.attempts < _ATTEMPTS:
            self.again.append(batch)
            return []
        reason = f"{fate} {batch.attempts} times ({what}): {remedy}"
        return [self.work.lost(thing, reason) for thing in batch.things]

    def listener(self) -> Callable[[str, int, int], None]:
        """Notes, called from any thread, how far a batch is."""
        loop = asyncio.get_running_loop()

        def heard(key: str, things_done: int, bytes_done: int) -> None:
            with suppress(RuntimeError):  # the loop is closed: a worker goes on that this run left
                loop.call_soon_threadsafe(self.way.__setitem__, key, (things_done, bytes_done))

        return heard

    def goes_on(self, batches: Iterator[_Batch]) -> bool:
        """Give out more, or begin to stop; whether there is anything to wait for."""
        if self.ended is None and not self.hooks.stopping():
            self._supply(batches)
        elif self.until_s == math.inf:
            self.until_s = time.monotonic() + _END_WITHIN_S
            self.cancel()
        return bool(self.running) and time.monotonic() < self.until_s

    def _supply(self, batches: Iterator[_Batch]) -> None:
        while len(self.running) < _AHEAD * max(self.pool.workers, 1):
            batch = self.again.pop() if self.again else next(batches, None)
            if batch is None:
                return
            self.give(batch)

    def cancel(self) -> None:
        """Take back what no worker has begun; what one has begun it ends, and does no harm by it."""
        for batch in self.running.values():
            if batch.call is not None:
                batch.call.cancel()

    def look(self) -> None:
        """Tell how far it is, and that there is nobody to do it."""
        told = [self.way[batch.key] for batch in self.running.values() if batch.key in self.way]
        self.hooks.on_way(sum(things for things, _ in told), sum(size_bytes for _, size_bytes in told))
        now_s = time.monotonic()
        if self.pool.workers:
            self.alone_since_s = None
        elif self.alone_since_s is None:
            self.alone_since_s = now_s
        else:
            silent_s = now_s - self.alone_since_s
            self.hooks.on_retry(Retry(f"{self.pool.name} has no workers any more", _LOOK_S, False, silent_s))

    def _lost(self, what: str) -> str:
        return f"{self.pool.name} is gone ({what}): start it again, and run the same command again to go on"


def _is_answer(told: object) -> TypeGuard[Answer]:
    """Whether a worker gave back what `carry` makes."""
    match told:
        case Answer(results=list(), retries=list() as retries, limit=str(), error=None | LadenError()):
            return all(isinstance(retry, Retry) for retry in retries)
    return False


def _checked(call: object, pool: str) -> Future[Told]:
    """What was given for a call; raises UsageError where it is no future."""
    if not isinstance(call, Future):
        raise UsageError(f"{pool} gave no future for a call ({type(call).__name__}): {_OTHER}")
    return call


class _Ending(Exception):  # noqa: N818 - carries what was done before it
    def __init__(self, error: LadenError, results: list[Any]) -> None:
        super().__init__()
        self.error = error
        self.results = results


async def spread(
    pool: Pool, work: Work[T, R], things: Iterable[T], hooks: Hooks, *, in_all_bytes: int
) -> AsyncIterator[list[R]]:
    """Have all things done by a pool; yields what became of them, batch by batch.

    Args:
        pool: of workers, each of which reaches what the work names.
        work: what is done.
        things: neighbours next to each other.
        hooks: `stopping`, once true, begins nothing more, and gives what is under way ten seconds.
        in_all_bytes: about how much it is in all.

    Raises:
        UsageError: a worker has no laden, or another version.
        Interrupted: the pool is gone.
        LadenError: as the work.
    """
    state = _Spread(pool, work, hooks)
    batches = _batches(things, work.size_bytes, batch_bytes(in_all_bytes, pool.workers))
    pool.on_way(state.listener())
    try:
        while state.goes_on(batches):
            ended, _ = await asyncio.wait(state.running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            for future in ended:
                if results := state.taken(future):
                    yield results
            state.look()
        if state.ended is not None:
            raise state.ended
    except _Ending as ending:
        yield ending.results
        raise ending.error from None
    finally:
        state.cancel()
        for future in state.running:
            future.cancel()
        await asyncio.to_thread(leave, state.packed)


def batch_bytes(in_all_bytes: int, workers: int) -> int:
    """How much goes in a batch: little enough that all workers have some, and enough that handing it out costs little.

    Args:
        in_all_bytes: to be done.
        workers: that do it.
    """
    return min(max(in_all_bytes // (_BATCHES_A_WORKER * max(workers, 1)), LEAST_BATCH_BYTES), MOST_BATCH_BYTES)


def _batches(things: Iterable[T], size_of: Callable[[T], int], most_bytes: int) -> Iterator[_Batch]:
    batch: list[T] = []
    size_bytes = number = 0
    for thing in things:
        batch.append(thing)
        size_bytes += size_of(thing)
        if size_bytes >= most_bytes or len(batch) == _MOST_BATCH_ITEMS:
            yield _Batch(batch, number)
            batch, size_bytes, number = [], 0, number + 1
    if batch:
        yield _Batch(batch, number)
