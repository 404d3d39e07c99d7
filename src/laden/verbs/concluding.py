"""How a load ends: what was sent is held against source and listing; only if all is proved, table and manifest land.

What earlier loads landed and is lost is told here too, also where nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from laden.dataset.images import Level
from laden.dataset.source import Reader
from laden.run.outcome import failed
from laden.run.run import Run
from laden.stages.consistency import contradictions, not_looked_into
from laden.stages.loadpage import Document
from laden.stages.manifest import MANIFEST, collect, losses, lost_documents
from laden.stages.proof import confirm
from laden.stages.publish import Landing, Publisher
from laden.stages.survey import Choice, Survey
from laden.stages.survey.unchanged import changed, changed_tables
from laden.values.errors import ExitCode
from laden.values.events import Started, Summary
from laden.values.records import Finding
from laden.verbs.planning import bits_of

_AT_STORE = ("put-", "verify-")
"""How the codes of findings begin of which the destination is the cause."""


def landings_of(surveyed: Survey, choice: Choice) -> list[Landing]:
    """The tables that are to land: as far as images are there, or only their selected rows."""
    selection = choice.selection
    steps = surveyed.steps if selection.lands_alone else ()
    names = [placed.shape.subset for placed in surveyed.tables]
    names[:1] = [selection.table_name or name for name in names[:1]]
    return [
        Landing(placed.table, placed.shape, name, placed.rows, steps)
        for placed, name in zip(surveyed.tables, names, strict=True)
    ]


def proved(run: Run, surveyed: Survey) -> Summary | None:
    """Hold source and last listing against what was sent; how the run ends where they do not agree."""
    before = run.log.counts.total()
    run.add(changed(run.relations, surveyed.root, surveyed.stamps))
    if run.log.counts.total() > before:
        return run.end(ExitCode.SOURCE, "the source changed while it was loaded: run the same command again")
    run.add(confirm(run.relations))
    at_store = any(code.startswith(_AT_STORE) for code in run.log.counts)
    if at_store or failed(run.relations):
        message = "not everything could be sent: run the same command again to send the rest"
        return run.end(ExitCode.DESTINATION if at_store else ExitCode.SOURCE, message)
    return None


async def conclude(run: Run, surveyed: Survey, landings: Sequence[Landing], publisher: Publisher) -> None:
    """Land table and manifest of what is proved. Raises `Overtaken` as `Publisher.publish`; nothing is told then."""
    run.tell(Started("manifest"))
    with Reader(surveyed.root) as reader:
        run.add(await publisher.publish(surveyed.profile, landings, surveyed.sidecars, reader))


def tell_concluded(run: Run, surveyed: Survey, level: Level) -> None:
    """Tell what is known of all that is loaded, now that table and manifest landed."""
    run.add(changed_tables(surveyed.table_files))
    run.add(losses(run.relations))
    run.add(contradictions(run.relations, "loaded", bits_of(surveyed)))
    if level != "none":
        run.add(not_looked_into(run.relations, "loaded"))


def lost_before(
    run: Run, surveyed: Survey, landings: Sequence[Landing], earlier: Sequence[Document]
) -> Iterator[Finding]:
    """What earlier loads landed, and is lost, and what is planned would not bring back."""
    collect(run.relations, believed=any(document.name == MANIFEST for document in earlier))
    yield from losses(run.relations, planned=True)
    written = {MANIFEST, *surveyed.sidecars}
    for landing in landings:
        written |= {landing.subset} if landing.selection else {landing.table.name, landing.subset}
    yield from lost_documents(run.relations, (document for document in earlier if document.name not in written))
