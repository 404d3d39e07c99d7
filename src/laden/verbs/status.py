"""`status`: how far a load is, from the container alone: list it, read page and manifest if they are there, count.

Also of a load that runs elsewhere right now, or was interrupted: every image tells by its metadata that laden sent it,
the page says what a first load has before it, and where something is unfinished the dates of the images tell how fast
they come. Nothing is written, and nothing is proved: that is what `verify` is for.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.arrivals import Arrivals, arrivals
from laden.stages.history import names, needing
from laden.stages.inventory import Listing, Sent, count_sent, is_believed, read_known, read_page
from laden.stages.loadpage import COMPLETE, UNFINISHED, LoadPage
from laden.store import place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.manage import open_manage
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, checked
from laden.values.errors import ExitCode
from laden.values.events import Observer, Shown, Started, Summary, ignore
from laden.values.units import amount, duration, share, size
from laden.verbs.opening import opened

_KNOWN = """
SELECT count(*), count(*) FILTER (b.name IS NOT NULL AND b.size_bytes = k.size_bytes)
FROM known k LEFT JOIN blobs b ON b.name = k.blob
"""


@checked
def status(
    destination: str | Path,
    *,
    connections: Connections | None = None,
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
        `images` that are there; `complete` is whether a load was completed and nothing came since; `exit_code` is 0
        only where that load ended with 0.

    Raises:
        LadenError: the destination cannot be read.
    """
    destination = place_of(destination)
    with running(Summary("status", destination=without_secret(destination)), observer) as run:
        return run_loop(_status(run, destination, connections, Renewal(sas_command, ask_sas)))


async def _status(run: Run, destination: str, connections: int | None, renewal: Renewal) -> Summary:
    async with opened(run, destination, lacking_for_verify, renewal, connections=connections) as there:
        run.tell(Started("listing", without_secret(destination)))
        await Listing(there.store, run.relations, run.tell).repeat()
        page = await read_page(there.store, run.relations)
        if page is not None and not await read_known(there.store, run.relations) and page.state != UNFINISHED:
            page = None
        believed = page is None or page.state == UNFINISHED or is_believed(run.relations, page)
        sent = count_sent(run.relations)
        came = None
        if sent.images and (page is None or page.state == UNFINISHED or sent.newer):
            manage = open_manage(there.target, there.access.source)
            try:
                came = await arrivals(manage, time.time())
            finally:
                await manage.close()
        needs = await needing(there.store, names(run.relations)) if page is not None else {}
        facts, state = _standing(run, page, sent, came, needs)
        if not believed:
            state = "the manifest was changed since the last load, so nothing in it is believed: laden verify"
        run.tell(Shown("load", {"name": without_secret(destination), **facts}, state))
        run.note(images=sent.images, complete=state in (COMPLETE, _AS_FAR))
        return run.end(ExitCode.COMPLETE if state == COMPLETE else ExitCode.FINDINGS)


_AS_FAR = "complete as far as possible: findings of its load need a person"


def _standing(
    run: Run, page: LoadPage | None, sent: Sent, came: Arrivals | None, needs: dict[str, int]
) -> tuple[dict[str, Any], str]:
    """What there is to say, and the state in a few words."""
    facts: dict[str, Any] = {"there": f"{amount(sent.images)} images of laden's, {size(sent.size_bytes)}"}
    if sent.broken:
        facts["broken inside"] = amount(sent.broken)
    if page is None and not sent.images:
        return facts, "nothing was loaded here"
    if page is None or page.state == UNFINISHED:
        return _unfinished(facts, page, sent, came)
    in_manifest, there = run.relations.one(_KNOWN)
    facts |= {"dataset": page.profile, "rows with an image": f"{amount(page.rows_with_image)} of {amount(page.rows)}"}
    if needs:
        codes = ", ".join(f"{amount(count)} {code}" for code, count in needs.items())
        facts["need a person"] = f"{codes}; laden help findings CODE tells what one means"
    facts["in the manifest"] = f"{amount(in_manifest)} images, of which {amount(there)} are there"
    if sent.newer and came is not None:
        facts |= {"since then": f"{amount(sent.newer)} more images", **_pace(came)}
    if page.state != COMPLETE:
        return facts, "a load replaces images, or was interrupted while it did"
    if there < in_manifest:
        return facts, f"{amount(in_manifest - there)} images are gone or changed: laden verify tells which"
    if page.rows and not page.rows_with_image:
        return facts, "no row of the last load's table has its image here: the findings of that load tell why"
    if not sent.newer:
        return facts, _AS_FAR if needs else COMPLETE
    return facts, f"complete once, and unfinished since: {_life(came)}"


def _unfinished(
    facts: dict[str, Any], page: LoadPage | None, sent: Sent, came: Arrivals | None
) -> tuple[dict[str, Any], str]:
    """Of a load that never was complete."""
    if page is None or page.planned is None:
        facts |= {"wanted": "known to the load itself until it is complete", **(_pace(came) if came else {})}
    else:
        planned = page.planned
        done = f"{amount(sent.images)} of {amount(planned.images)} images"
        of_bytes = f"{size(sent.size_bytes)} of {size(planned.size_bytes)}"
        facts["there"] = f"{done}, {of_bytes} ({share(sent.size_bytes, planned.size_bytes)})"
        facts |= {"dataset": page.profile, "since": _since(planned.begun), **(_pace(came) if came else {})}
        left_bytes = planned.size_bytes - sent.size_bytes
        if came is not None and (left_s := came.left_s(left_bytes)) is not None:
            facts["left"] = f"{duration(left_s)} at this speed, {size(left_bytes)}"
    facts["next"] = "where none runs, the same laden load again sends what is left"
    return facts, f"unfinished: {_life(came)}"


_RUNS = "it runs, or was stopped a moment ago"


def _life(came: Arrivals | None) -> str:
    if came is None:
        return "no image came yet"
    if came.runs:
        return _RUNS
    return f"interrupted, as it seems: nothing came for {duration(came.ago_s)}"


def _pace(came: Arrivals) -> dict[str, Any]:
    facts = {"last image": f"{duration(came.ago_s)} ago"}
    if came.bytes_per_s and came.runs:
        facts["speed"] = f"{size(int(came.bytes_per_s))}/s in the last {duration(came.window_s)}"
    return facts


def _since(begun: str) -> str:
    """When it began, and how long ago; only as it stands there where it is no time."""
    try:
        moment = datetime.fromisoformat(begun)
        ago_s = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    except (ValueError, TypeError):
        return begun
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {duration(ago_s)} ago"
