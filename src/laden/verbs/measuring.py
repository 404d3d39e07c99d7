"""How fast a destination takes bytes right now, found out in about two seconds; nothing that can be seen is left.

A block is staged alone, for the time of one request; then several at once, larger each time, until a round takes long
enough to tell a speed. They are never committed: staged blocks are in no listing, and the service drops them after a
week. A load that runs finds out by itself how many requests the link bears, and is usually faster.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from laden.run.run import Run
from laden.store import Store, block_id
from laden.values.errors import StoreError
from laden.values.events import Measured, PlanReady, Started

NAME = "_laden/speed"
"""Of the blob that is never made."""

AT_ONCE = 4
_FIRST_BYTES = 256 << 10
_LEAST_BYTES = 64 << 10
_MOST_BYTES = 4 << 20
"""Requests of this size find the service's best path ("Performance checklist for Blob storage")."""
_ROUND_S = 1.0
"""What a round is meant to take; one of half the time is followed by a larger one."""
_TIME_S = 2.0
_PATIENCE_S = 10.0
"""A link that carries nothing in this time is not worth the wait of a person."""
_GROWTH = 4
_USUAL_REQUESTS = 16
"""In flight when a load begins; small images are bound by this number and the time of a request."""


class Pace(NamedTuple):
    """What was measured."""

    bytes_per_s: float
    """With `AT_ONCE` requests at once."""
    request_s: float
    """Of one small request."""

    def seconds(self, items: int, size_bytes: int) -> float:
        """How long so many blobs and bytes would take."""
        return max(size_bytes / self.bytes_per_s, items * self.request_s / _USUAL_REQUESTS)


async def measure(store: Store, name: str = NAME) -> Pace:
    """Stage blocks of chance for a blob, and never commit them.

    Raises:
        StoreError: as `Store.put_block`.
    """
    began_s = time.perf_counter()
    request_s = await _round(store, name, 1, _FIRST_BYTES)
    speed = _FIRST_BYTES / request_s
    size_bytes = int(speed * _ROUND_S / AT_ONCE)
    passed_s = request_s
    while passed_s < _ROUND_S and time.perf_counter() - began_s < _TIME_S:
        size_bytes = min(max(size_bytes, _LEAST_BYTES), _MOST_BYTES)
        passed_s = await _round(store, name, AT_ONCE, size_bytes)
        speed = AT_ONCE * size_bytes / passed_s
        if size_bytes == _MOST_BYTES or passed_s > _ROUND_S / 2:
            break
        size_bytes *= _GROWTH
    return Pace(speed, request_s)


async def agreed(
    run: Run,
    plan: PlanReady,
    confirm: Callable[[PlanReady], bool] | None,
    store: Store,
    *,
    absent: bool,
) -> bool:
    """Whether whoever is asked agrees to a plan; before that, how long it may take is measured.

    Args:
        run: told what was measured.
        plan: what is to be sent.
        confirm: asks; None where nobody is there to be asked.
        store: where to.
        absent: whether there is no container yet.
    """
    if confirm is None:
        return True
    if plan.assumed_s:
        run.tell(await measured(run, plan, None if absent else store))
    return run.answered(confirm, plan)


async def measured(run: Run, plan: PlanReady, store: Store | None) -> Measured:
    """What a plan would take, by a measurement; by an assumed speed where there is nothing to measure, or it fails.

    Args:
        run: told that it begins.
        plan: what is to be sent.
        store: where to; None where no container is there yet.
    """
    if store is not None:
        run.tell(Started("measure"))
        # What is wrong there, the load itself will tell, and more exactly.
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                pace = await measure(store)
            needs_s = pace.seconds(plan.send + plan.replace, plan.bytes_to_send)
            return Measured(pace.bytes_per_s, max(needs_s, plan.limited_s))
    return Measured(0.0, max(plan.assumed_s, plan.limited_s))


async def _round(store: Store, name: str, blocks: int, size_bytes: int) -> float:
    """Stage so many blocks at once; how long that took."""
    parts = [os.urandom(size_bytes) for _ in range(blocks)]
    md5s = [hashlib.md5(part, usedforsecurity=False).digest() for part in parts]
    began_s = time.perf_counter()
    await asyncio.gather(
        *(
            store.put_block(name, block_id(number, md5), part, md5)
            for number, (part, md5) in enumerate(zip(parts, md5s, strict=True))
        )
    )
    return time.perf_counter() - began_s
