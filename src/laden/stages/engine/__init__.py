"""Where work is done: in this process, in several on this machine (`processes`), or by a pool of others (`spreading`).

A work (`works`) is picklable, and is done the same wherever that is. One process keeps any link busy with images: its
threads inflate and hash on every core. Several are worth their start only for very many small files, where Python
itself is the limit. A pool is whatever takes calls: an executor, or Dask's workers on other machines (`dask`).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, TypeVar

from laden.dataset.source import Reader
from laden.stages.engine.works import Hooks, Job, Look, Pool, ReadBack, Work, parted
from laden.stages.transfer import transfer
from laden.store import Store
from laden.values.records import Item, Receipt

if TYPE_CHECKING:
    from laden.store.credentials import SasSource

T = TypeVar("T")
R = TypeVar("R")

__all__ = ["Hooks", "Job", "Look", "Pool", "ReadBack", "done_by", "move", "parted", "workers_for"]

_WORTH_ITEMS = 20_000
_SMALL_BYTES = 128 << 10
_MOST_WORKERS = 4


def workers_for(items: int, size_bytes: int, processors: int | None = None) -> int:
    """How many processes are worth it.

    Args:
        items: to be moved.
        size_bytes: of all of them.
        processors: of this machine; None to ask.
    """
    processors = processors or os.cpu_count() or 1
    if items < _WORTH_ITEMS or size_bytes / items > _SMALL_BYTES:
        return 1
    return max(1, min(_MOST_WORKERS, processors // 2))


async def move(
    job: Job,
    items: Iterable[Item],
    store: Store,
    hooks: Hooks,
    *,
    workers: int = 1,
    sas: SasSource | None = None,
    pool: Pool | None = None,
    in_all_bytes: int = 0,
) -> AsyncIterator[Receipt]:
    """Move items, and yield their receipts as they come.

    Args:
        job: what to do it with.
        items: what to move.
        store: the opened destination, used where one process does it all.
        hooks: told of attempts that will be repeated and of what keeps it from being faster; once stopping, nothing
            more is begun.
        workers: processes; 1 is this one.
        sas: gives other processes the SAS and its successors; None for the credential of the environment.
        pool: does it instead, with credentials of its own.
        in_all_bytes: about how much it is, for a pool.

    Raises:
        StoreError: as `laden.stages.transfer.transfer`.
        Interrupted: a worker process was ended from outside, or the pool is gone.
    """
    if pool is not None:
        async for receipt in done_by(pool, job, items, hooks, in_all_bytes=in_all_bytes):
            yield receipt
        return
    if workers == 1:
        with Reader(job.root) as reader:
            async for receipt in transfer(items, reader, store, job.settings, hooks.stopping, hooks.on_limit):
                yield receipt
        return
    from laden.stages.engine.processes import move_in_processes

    async for receipt in move_in_processes(job, items, hooks, workers=workers, sas=sas):
        yield receipt


async def done_by(
    pool: Pool, work: Work[T, R], things: Iterable[T], hooks: Hooks, *, in_all_bytes: int
) -> AsyncIterator[R]:
    """Have a pool do a work, and yield what became of each thing; see `laden.stages.engine.spreading.spread`."""
    from laden.stages.engine.spreading import spread

    async for results in spread(pool, work, things, hooks, in_all_bytes=in_all_bytes):
        for result in results:
            yield result
