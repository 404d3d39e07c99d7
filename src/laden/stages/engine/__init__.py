"""Where a transfer runs: in this process, or in several on this machine (`processes`).

An engine takes a job, which is picklable, and items, and gives receipts in any order; what is sent and how stays in
`transfer`. One process keeps any link busy with images: its threads inflate and hash on every core. Several
are worth their start only for very many small files, where Python itself is the limit.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laden.dataset.source import Reader, Root
from laden.stages.transfer import Settings, transfer
from laden.store import Destination, FolderDestination, Retry, Store
from laden.values.records import Item, Receipt

if TYPE_CHECKING:
    from laden.store.cap import Cap
    from laden.store.credentials import SasSource

_WORTH_ITEMS = 20_000
_SMALL_BYTES = 128 << 10
_MOST_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Job:
    """What every process of a transfer needs to know; credentials beside it come from the environment."""

    root: str | Root
    """Of the source."""
    destination: Destination | FolderDestination
    connections: int | None
    """Requests in flight at most, in each process; None to find out."""
    settings: Settings
    cap: Cap | None = None
    """Bytes a second that this process sends at most."""


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
    *,
    workers: int,
    on_retry: Callable[[Retry], None],
    on_limit: Callable[[str], None],
    stopping: Callable[[], bool],
    sas: SasSource | None = None,
) -> AsyncIterator[Receipt]:
    """Move items, and yield their receipts as they come.

    Args:
        job: what to do it with.
        items: what to move.
        store: the opened destination, used where one process does it all.
        workers: processes; 1 is this one.
        on_retry: told of attempts that will be repeated.
        on_limit: told what keeps it from being faster, when that changes.
        stopping: once true, nothing more is begun.
        sas: gives other processes the SAS and its successors; None for the credential of the environment.

    Raises:
        StoreError: as `laden.stages.transfer.transfer`.
        Interrupted: a worker process was ended from outside.
    """
    if workers == 1:
        with Reader(job.root) as reader:
            async for receipt in transfer(items, reader, store, job.settings, stopping, on_limit):
                yield receipt
        return
    from laden.stages.engine.processes import move_in_processes

    moving = move_in_processes(
        job, items, workers=workers, on_retry=on_retry, on_limit=on_limit, stopping=stopping, sas=sas
    )
    async for receipt in moving:
        yield receipt
