"""The part of a copy in which images are copied: each proved on its way, and what became of it kept.

In order: the service of the destination is asked to take each image, or this machine brings it; what came of each is a
receipt; once the destination was listed again, what the listing shows otherwise is told (`unproven`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from laden.run.receipts import conflict
from laden.run.run import Run
from laden.stages.copying import Copier, Done, Job
from laden.stages.copying.questions import JOBS, UNPROVEN
from laden.stages.metadata import Copied
from laden.stages.proof import disprove
from laden.store import Destination
from laden.store.taking import Taker, open_taker
from laden.values.events import Started, Warned
from laden.values.records import Finding, Outcome, Severity
from laden.verbs.opening import Opened

_BATCH = 2_000


async def transfer(run: Run, origin: Opened, there: Opened, tier: str, *, replaces: bool) -> None:
    """Copy what the plan says, and keep what became of it in the relation `receipts`.

    Args:
        run: with the plan; told of it, and asked whether to stop.
        origin: where the images are.
        there: where they go.
        tier: of the images; empty for the account's own.
        replaces: whether a blob of other content is replaced.
    """
    run.tell(Started("transfer"))
    taker = _taker(origin, there)
    copier = Copier(
        origin.store, there.store, taker, tier=tier, replaces=replaces, tell=lambda text: run.tell(Warned(text))
    )
    rows: list[tuple[object, ...]] = []
    try:
        async for done in copier.copy(_jobs(run), run.stopping):
            run.add(_meaning(done))
            run.meter.step(0 if done.job.action == "compare" else done.job.image.size_bytes)
            rows.append(_receipt(done))
            if len(rows) >= _BATCH:
                run.relations.feed("receipts", rows)
                rows.clear()
    finally:
        run.relations.feed("receipts", rows)
        run.meter.tell(last=True)
        if taker is not None:
            await taker.close()


def unproven(run: Run) -> Iterator[Finding]:
    """What was copied, and the listing shows otherwise; it counts as failed from then on."""
    found = [*run.relations.stream(UNPROVEN)]
    disprove(run.relations, (blob for blob, _ in found))
    for blob, listed in found:
        what = "is listed with other content" if listed else "is not in the listing"
        yield Finding(
            "verify-changed" if listed else "verify-missing",
            Severity.ERROR,
            f"it was copied, but afterwards {what}: somebody else may be writing there; run the same command again",
            blob=blob,
        )


def _taker(origin: Opened, there: Opened) -> Taker | None:
    """The service that takes from another; None where this machine has to bring it."""
    target, source = there.target, origin.target
    if not (isinstance(target, Destination) and isinstance(source, Destination)):
        return None
    return open_taker(target, source, there.store.ask, sas=there.access.source, source_sas=origin.access.source)


def _jobs(run: Run) -> Iterator[Job]:
    for blob, md5, etag, action, there_etag, tags, *image in run.relations.stream(JOBS):
        yield Job(blob, bytes.fromhex(md5), etag, action, there_etag, json.loads(tags), Copied(*image))


def _meaning(done: Done) -> list[Finding]:
    job = done.job
    if done.outcome is Outcome.CONFLICT:
        return [conflict(job.name, job.image.archive, job.image.member)]
    if not done.code:
        return []
    return [Finding(done.code, Severity.ERROR, done.reason, job.image.archive, job.image.member, blob=job.name)]


def _receipt(done: Done) -> tuple[object, ...]:
    job, image = done.job, done.job.image
    about = (
        image.size_bytes,
        job.md5.hex(),
        image.crc32,
        image.kind,
        image.width,
        image.height,
        image.bits,
        image.state,
        image.identity,
    )
    return (job.name, image.archive, image.member, done.outcome.value, *about)
