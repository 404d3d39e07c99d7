"""`status`: how far a load is, from the container alone: list it, read page and manifest if they are there, count.

Also of a load that runs elsewhere right now, or was interrupted: every image tells by its metadata that laden sent it,
the page says what a first load has before it, and where something is unfinished the dates of the images tell how fast
they come. Nothing is written, and nothing is proved: that is what `verify` is for.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.arrivals import Arrivals, arrivals
from laden.stages.history import Needing, behind, names, needing
from laden.stages.inventory import (
    Listing,
    is_believed,
    lacks_manifest,
    lacks_page,
    read_known,
    read_page,
)
from laden.stages.loadpage import COMPLETE, LOAD, UNFINISHED, LoadPage
from laden.stages.manifest import MANIFEST, OTHER
from laden.stages.proof import documents_amiss
from laden.stages.sent import Sent, count_sent
from laden.store import Store, place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.manage import open_manage
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, checked
from laden.values.errors import ExitCode
from laden.values.events import Observer, Shown, Started, Summary, ignore
from laden.values.names import OWN_FOLDER
from laden.values.units import amount, duration, plural, share, size
from laden.verbs.opening import opened

_KNOWN = f"""
SELECT count(*), count(*) FILTER (b.name IS NULL), count(*) FILTER (b.name IS NOT NULL AND ({OTHER}))
FROM known k LEFT JOIN blobs b ON b.name = k.blob
"""  # noqa: S608 - own text


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
        lacks = lacks_manifest(run.relations, page)
        known = await read_known(there.store, run.relations)
        if page is not None and not known and not lacks and page.state != UNFINISHED:
            page = None
        sent = count_sent(run.relations, landed=page is not None and page.state == COMPLETE)
        came = None
        if sent.images and (page is None or page.state == UNFINISHED or sent.newer):
            manage = open_manage(there.target, there.access.source)
            try:
                came = await arrivals(manage, time.time())
            finally:
                await manage.close()
        doubts = await _doubts(run, there.store, page, lacks=lacks)
        facts, state = _standing(run, page, sent, came, doubts)
        run.tell(Shown("load", {"name": without_secret(destination), **facts}, state))
        run.note(images=sent.images, complete=state in (COMPLETE, _AS_FAR))
        return run.end(ExitCode.COMPLETE if state == COMPLETE else ExitCode.FINDINGS)


_AS_FAR = "complete as far as possible: findings of its load need a person"
_BEHIND = "complete by its page, which is not the one that the history's last record names: the same laden load tells"


class _Doubts(NamedTuple):
    """What speaks against a page's word that all is there."""

    needs: dict[str, Needing]
    """Findings of its load that need a person, by their codes."""
    manifest: str = ""
    """What is wrong with the manifest, as a state."""
    documents: tuple[str, ...] = ()
    """Tables and copied files that are gone or other ones: name and what it is."""
    is_behind: bool = False
    """Whether the history's last record names another page."""


async def _doubts(run: Run, store: Store, page: LoadPage | None, *, lacks: bool) -> _Doubts:
    if page is None and lacks_page(run.relations):
        return _Doubts(
            {}, f"the page about the load ({LOAD}) is gone: the same laden load makes it anew, of what is there"
        )
    if page is None or page.state == UNFINISHED:
        return _Doubts({})
    manifest = ""
    if lacks:
        manifest = f"the manifest ({MANIFEST}) is gone: the same laden load makes it anew, of what is there"
    elif not is_believed(run.relations, page):
        manifest = "the manifest was changed since the last load, so nothing in it is believed: laden verify"
    documents = tuple(
        f"{document.name} {'is gone' if found.code == 'blob-deleted' else 'is another one'}"
        for document, found in documents_amiss(run.relations, page)
    )
    needs = await needing(store, names(run.relations))
    return _Doubts(needs, manifest, documents, bool(await behind(store, run.relations)))


def _standing(
    run: Run, page: LoadPage | None, sent: Sent, came: Arrivals | None, doubts: _Doubts
) -> tuple[dict[str, Any], str]:
    """What there is to say, and the state in a few words."""
    facts: dict[str, Any] = {"there": f"{amount(sent.images)} images of laden's, {size(sent.size_bytes)}"}
    if sent.broken:
        facts["broken inside"] = amount(sent.broken)
    if page is None and doubts.manifest:
        return facts, doubts.manifest
    if page is None and not sent.images:
        if others := run.relations.one("SELECT count(*) FROM blobs WHERE NOT starts_with(name, ?)", [f"{OWN_FOLDER}/"])[
            0
        ]:
            facts["also there"] = f"{plural(others, 'file')} that no load sent, as where get brought a part"
        return facts, "nothing was loaded here"
    if page is None or page.state == UNFINISHED:
        return _unfinished(facts, page, sent, came)
    facts |= {"dataset": page.profile, "rows with an image": f"{amount(page.rows_with_image)} of {amount(page.rows)}"}
    if doubts.needs:
        codes = ", ".join(
            f"{'at least ' * at_least}{amount(count)} {code}" for code, (count, at_least) in doubts.needs.items()
        )
        facts["need a person"] = f"{codes}; laden help findings CODE tells what one means"
    in_manifest, gone, changed = run.relations.one(_KNOWN)
    if not doubts.manifest:
        wrong = (f"{amount(gone)} gone" if gone else "", f"{amount(changed)} changed" if changed else "")
        there = f"{amount(in_manifest - gone - changed)} are there"
        facts["in the manifest"] = f"{amount(in_manifest)} images, of which {', '.join(filter(None, (there, *wrong)))}"
    if doubts.documents:
        facts["tables and files"] = ", ".join(doubts.documents)
    if sent.newer and came is not None and not doubts.manifest:
        facts |= {"since then": f"{amount(sent.newer)} more {'image' if sent.newer == 1 else 'images'}", **_pace(came)}
    return facts, _state(page, sent, came, doubts, gone + changed)


def _state(page: LoadPage, sent: Sent, came: Arrivals | None, doubts: _Doubts, amiss: int) -> str:
    """The worst first; `amiss` images are gone or changed."""
    if doubts.manifest:
        return doubts.manifest
    if page.state != COMPLETE:
        return "a load replaces images, or was interrupted while it did"
    if amiss:
        return f"{plural(amiss, 'image')} {'is' if amiss == 1 else 'are'} gone or changed: laden verify tells which"
    if sent.newer:
        # A load that is under way may have a table of more rows by now.
        return f"complete once, and unfinished since: {_life(came)}"
    if doubts.documents:
        return f"{', '.join(doubts.documents)}: the same laden load lands it again, or tells why not"
    if page.rows and not page.rows_with_image:
        return "no row of the last load's table has its image here: the findings of that load tell why"
    if doubts.is_behind:
        return _BEHIND
    return _AS_FAR if doubts.needs else COMPLETE


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
