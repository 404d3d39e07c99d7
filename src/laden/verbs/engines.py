"""Where a verb's work is done, as a person asks for it: on this machine, by an executor, or by Dask's workers.

What would tell others a secret, or could not be done elsewhere, is refused before anything is asked of anybody.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from laden.dataset.source import Root
from laden.remote.linked import LinkedRoot
from laden.run.run import Run
from laden.stages.engine import Hooks, Pool
from laden.store import Destination, FolderDestination
from laden.store.access import Renewal
from laden.values.errors import UsageError
from laden.values.events import Warned
from laden.values.secrets import redact
from laden.verbs.opening import Opened

WINDOW_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Engine:
    """What a person asked for."""

    executor: Executor | None = None
    scheduler: str = ""
    """Of Dask's; empty for none."""
    workers: int | None = None
    """How many batches an executor does at once; None to ask it."""

    @property
    def is_here(self) -> bool:
        """Whether nobody else is asked."""
        return self.executor is None and not self.scheduler

    @asynccontextmanager
    async def pool(
        self, run: Run, there: Opened | None, renewal: Renewal, window_bytes: int = WINDOW_BYTES
    ) -> AsyncIterator[Pool | None]:
        """The workers that were asked for, looked at; None for this process.

        Args:
            run: told what a person should know.
            there: the destination, where there is one.
            renewal: its program is run by each worker.
            window_bytes: in a worker's memory for each batch.

        Raises:
            UsageError: they cannot be reached or used, or would be told a secret.
        """
        if self.is_here:
            yield None
            return
        _refuse(there, renewal.command)
        if self.executor is not None:
            from laden.stages.engine.spreading import ExecutorPool

            yield ExecutorPool(self.executor, self.workers or _workers_of(self.executor))
            return
        from laden.stages.engine.dask import dask_pool

        if self.scheduler.startswith("tcp:") and not _is_here(self.scheduler):
            run.tell(Warned(_OPEN))
        with dask_pool(self.scheduler) as pool:
            await asyncio.to_thread(pool.check, window_bytes)
            yield pool


_OPEN = (
    "whoever reaches the scheduler or a worker over tcp:// can run programs there, and read what passes: keep them in a"
    " network of your own, or use tls://"
)


def engine_of(
    engine: Literal["dask"] | None, scheduler: str | None, executor: Executor | None, workers: int | None
) -> Engine:
    """What was asked for; raises UsageError."""
    if engine is not None and engine != "dask":
        raise UsageError(f"--engine is dask, or left out for this machine, not '{engine}'")
    if (engine is None) != (scheduler is None):
        raise UsageError("--engine dask and --scheduler ADDRESS go together, as in --scheduler tcp://10.0.0.4:8786")
    if scheduler is not None:
        if executor is not None:
            raise UsageError("give an executor or --engine dask, not both")
        if workers is not None:
            raise UsageError("--workers is of this machine: how many Dask has, its scheduler knows")
        if redact(scheduler) != scheduler or "://" not in scheduler:
            raise UsageError("--scheduler is an address, as in tcp://10.0.0.4:8786 or tls://10.0.0.4:8786")
    return Engine(executor, scheduler or "", workers)


def _refuse(there: Opened | None, command: str | None) -> None:
    """Refuse what cannot be done by others, or would tell them a secret."""
    if there is not None and isinstance(there.target, FolderDestination):
        raise UsageError("workers elsewhere load to a container: a folder's notes have one writer")
    if there is not None and isinstance(there.target, Destination) and there.target.sas:
        raise UsageError(
            "a SAS in the URL stays on this machine: set LADEN_SAS where the workers are started, give them a managed"
            " identity, or --sas-command, which each worker runs"
        )
    if command is not None and redact(command) != command:
        raise UsageError("--sas-command is run by each worker, and travels to it: what it holds must be no secret")


def refuse_unseen(pool: Pool, root: Root, stamps: Mapping[str, tuple[int, ...] | None]) -> None:
    """Refuse a source that workers do not see, or of which they would be told a secret; raises UsageError.

    Args:
        pool: the workers.
        root: the source's.
        stamps: sizes and times of its archives, as surveyed.
    """
    if isinstance(root, LinkedRoot) and (host := root.private()):
        raise UsageError(
            f"the link or login of {host} is a secret, which no worker elsewhere gets: load with --share on each"
            " machine, or fetch the files first"
        )
    if isinstance(root, Path):
        pool.see(str(root.absolute()), {name: sum(stamp[::2]) for name, stamp in stamps.items() if stamp})


def hooks_of(run: Run) -> Hooks:
    """What a run hears of work that is done for it."""
    meter = run.meter
    return Hooks(meter.retried, meter.limited, meter.on_way, run.stopping)


def rooted(root: Root) -> str | Root:
    """A source's root as others find it."""
    return str(root.absolute()) if isinstance(root, Path) else root


def _workers_of(executor: Executor) -> int:
    """How many calls it does at once, where it says so, as those of the standard library do."""
    return int(getattr(executor, "_max_workers", 0) or os.cpu_count() or 1)


def _is_here(address: str) -> bool:
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")
