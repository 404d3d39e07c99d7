"""The part of a load in which images are sent: by this process, by several, or by a pool's workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from laden.run.receipts import Receipts
from laden.run.run import Run
from laden.stages.engine import Job, Pool, move, parted, workers_for
from laden.stages.survey import Survey
from laden.values.errors import AccessEnded
from laden.values.events import PlanReady, Started
from laden.values.records import Item
from laden.verbs.engines import hooks_of, refuse_unseen, rooted
from laden.verbs.opening import Opened
from laden.verbs.wishes import LoadWishes


class Sending:
    """Whether to stop, asked while images are being sent; table and manifest of a finished load are not held back."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._now = False

    def stopping(self) -> bool:
        return self._now and self._run.stopping()

    def __enter__(self) -> None:
        self._now = True

    def __exit__(self, *_: object) -> None:
        self._now = False


async def send(
    run: Run,
    items: Iterable[Item],
    ready: PlanReady,
    surveyed: Survey,
    there: Opened,
    wishes: LoadWishes,
    pool: Pool | None,
) -> None:
    """Send items, and keep what became of each.

    Args:
        run: told of it, and asked whether to stop.
        items: of the plan.
        ready: its counts.
        surveyed: the source.
        there: the destination.
        wishes: of the load.
        pool: has its workers do it; None for this machine.

    Raises:
        AccessEnded: the credential has, and there is no other.
        StoreError: the destination does not answer any more.
    """
    run.tell(Started("transfer"))
    moving = move(
        _job(surveyed, there, wishes, pool),
        items,
        there.store,
        hooks_of(run),
        workers=wishes.engine.workers or _workers(ready),
        sas=there.access.source,
        pool=pool,
        in_all_bytes=ready.bytes_to_send,
    )
    try:
        with Receipts(run, wishes.settings.phi) as settled:
            async for receipt in moving:
                settled.add(receipt)
    except AccessEnded as error:
        # Asked to stop while it waited for another credential: that is how the run ends.
        if not run.stopping():
            remedy = there.access.remedy
            raise AccessEnded(f"{error}. {run.standing()}, and the same command with {remedy} goes on") from None


def _job(surveyed: Survey, there: Opened, wishes: LoadWishes, pool: Pool | None) -> Job:
    job = Job(rooted(surveyed.root), there.target, wishes.connections, wishes.settings, wishes.cap)
    if pool is None:
        return job
    refuse_unseen(pool, surveyed.root, surveyed.stamps)
    cap = wishes.cap and wishes.cap.shared(pool.workers)
    return replace(job, root=parted(job.root, pool.workers), cap=cap, sas_command=wishes.renewal.command)


def _workers(ready: PlanReady) -> int:
    """Processes that are worth it: one for a source on other machines, whose hosts are asked together."""
    return 1 if ready.source_bytes else workers_for(ready.to_settle, ready.bytes_to_send)
