"""`status`: how far a load is, from the container alone: list it, read page and manifest if they are there, count.

Also of a load that runs elsewhere right now, or was interrupted: every image tells by its metadata that laden sent it.
How many are wanted knows only the load itself until it is complete, and listings hold no times, so neither is told.
Nothing is written, and nothing is proved: that is what `verify` is for.
"""

from __future__ import annotations

from typing import Any

from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.inventory import count_sent, read_load
from laden.stages.manifest import LoadPage
from laden.store import without_secret
from laden.store.access import Ask, Renewal
from laden.store.sas import lacking_for_verify
from laden.values.events import Observer, Shown, Started, Summary, ignore
from laden.values.units import amount, size
from laden.verbs.opening import opened

_KNOWN = """
SELECT count(*), count(*) FILTER (b.name IS NOT NULL AND b.size_bytes = k.size_bytes)
FROM known k LEFT JOIN blobs b ON b.name = k.blob
"""


def status(
    destination: str,
    *,
    connections: int | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
) -> Summary:
    """Tell how far the load to a destination is.

    Args:
        destination: as in `load`.
        connections: requests in flight at most; None to find out what the link bears.
        sas_command: as in `load`.
        ask_sas: as in `load`.
        observer: called with each event; one is `Shown`, with the counts.

    Returns:
        `images` that are there; `complete` is whether a load was completed and nothing came since.

    Raises:
        LadenError: the destination cannot be read.
    """
    with running(Summary("status", destination=without_secret(destination)), observer) as run:
        return run_loop(_status(run, destination, connections, Renewal(sas_command, ask_sas)))


async def _status(run: Run, destination: str, connections: int | None, renewal: Renewal) -> Summary:
    async with opened(run, destination, lacking_for_verify, renewal, connections=connections) as there:
        run.tell(Started("listing", without_secret(destination)))
        page = await read_load(there.store, run.relations, run.tell)
        facts, state = _standing(run, page)
        run.tell(Shown("load", {"name": without_secret(destination), **facts}, state))
        run.note(images=count_sent(run.relations).images, complete=state == _COMPLETE)
        return run.end()


_COMPLETE = "complete"


def _standing(run: Run, page: LoadPage | None) -> tuple[dict[str, Any], str]:
    """What there is to say, and the state in a few words."""
    sent = count_sent(run.relations)
    facts: dict[str, Any] = {"there": f"{amount(sent.images)} images of laden's, {size(sent.size_bytes)}"}
    if sent.broken:
        facts["broken inside"] = amount(sent.broken)
    if page is None:
        if not sent.images:
            return facts, "nothing was loaded here"
        facts["wanted"] = "known to the load itself until it is complete"
        facts["next"] = "the same laden load again sends what is left"
        return facts, "unfinished"
    in_manifest, there = run.relations.one(_KNOWN)
    facts |= {"dataset": page.profile, "rows with an image": f"{amount(page.rows_with_image)} of {amount(page.rows)}"}
    facts["in the manifest"] = f"{amount(in_manifest)} images, of which {amount(there)} are there"
    if sent.newer:
        facts["since then"] = f"{amount(sent.newer)} more images: a load runs, or was interrupted"
    if page.state != _COMPLETE:
        return facts, "a load replaces images, or was interrupted while it did"
    if there < in_manifest:
        return facts, f"{amount(in_manifest - there)} images are gone or changed: laden verify tells which"
    if page.rows and not page.rows_with_image:
        return facts, "no row of the last load's table has its image here: the findings of that load tell why"
    return facts, _COMPLETE if not sent.newer else "complete once, and unfinished since"
