"""Hashes and writes small files in threads, as many at a time as have come meanwhile.

A thread's turn costs more than one small file does. The smallest are written by one thread: of each, the system's calls
take most, and two threads that make such calls mostly hand the interpreter's lock to each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Executor
from typing import NamedTuple

from laden.stages.download.ranges import WrongBytes, proved
from laden.stages.download.wanted import Wanted
from laden.store import Data
from laden.store.intake import Brought, Intake, Placed
from laden.store.journal import Version
from laden.values.errors import StoreError, UsageError

_AT_ONCE = 64
_AT_ONCE_BYTES = 16 << 20
_WORTH_BYTES = 256 << 10
"""From here on, hashing takes a thread so long that another one is worth it."""


class Written(NamedTuple):
    """What became of a file."""

    md5: bytes
    error: StoreError | None
    """Why it did not get its place."""


class _Job(NamedTuple):
    item: Wanted
    data: Data
    own: Version | None
    done: asyncio.Future[Written]


class Writers:
    """So many threads at most that prove and write; each takes all that waits, up to a limit."""

    def __init__(self, intake: Intake, pool: Executor, threads: int) -> None:
        self._intake = intake
        self._pool = pool
        self._threads = self._idle = threads
        self._waiting: deque[_Job] = deque()
        self._turns: set[asyncio.Task[None]] = set()

    async def write(self, item: Wanted, data: Data, own: Version | None) -> Written:
        """Prove bytes and give them their place.

        Raises:
            WrongBytes: they are not what is known of the item.
            UsageError: the folder cannot take more.
        """
        job = _Job(item, data, own, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._idle == self._threads or (self._idle and len(data) >= _WORTH_BYTES):
            self._idle -= 1
            turn = asyncio.create_task(self._take_turns())
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)
        return await job.done

    async def _take_turns(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while jobs := self._next():
                try:
                    results = await loop.run_in_executor(self._pool, self._work, jobs)
                except BaseException as error:
                    for job in jobs:
                        _settle(job, error if isinstance(error, Exception) else asyncio.CancelledError())
                    if not isinstance(error, Exception):
                        raise
                    continue
                for job, result in zip(jobs, results, strict=True):
                    _settle(job, result)
        finally:
            self._idle += 1

    def _next(self) -> list[_Job]:
        jobs: list[_Job] = []
        size_bytes = 0
        while self._waiting and len(jobs) < _AT_ONCE and size_bytes <= _AT_ONCE_BYTES:
            jobs.append(self._waiting.popleft())
            size_bytes += len(jobs[-1].data)
        return jobs

    def _work(self, jobs: list[_Job]) -> list[Written | WrongBytes | UsageError]:
        def judge(number: int, size_bytes: int, md5: bytes, crc32: int) -> str:
            return proved(jobs[number].item, size_bytes, md5, crc32)

        placed = self._intake.put([Brought(job.item.place, job.data, job.own) for job in jobs], judge)
        return [_result(one) for one in placed]


def _result(placed: Placed) -> Written | WrongBytes | UsageError:
    if placed.wrong:
        return WrongBytes(placed.wrong)
    return placed.error if isinstance(placed.error, UsageError) else Written(placed.md5, placed.error)


def _settle(job: _Job, result: Written | BaseException) -> None:
    if job.done.done():
        return
    if isinstance(result, Written):
        job.done.set_result(result)
    else:
        job.done.set_exception(result)
