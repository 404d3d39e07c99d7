"""`history`: what was done to a destination, record by record, and whether the chain of records holds.

In order: list the destination, read the records and the page of the load that is there, and hold each record against
the one before it. Nothing is written.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.history import Record, names, prove, read_history
from laden.stages.inventory import Listing, is_listed
from laden.stages.loadpage import LOAD, MOST_PAGE_BYTES
from laden.store import place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, checked
from laden.values.events import Observer, Remembered, Started, Summary, ignore
from laden.verbs.opening import opened

_UNTOLD = ("previous", "marks", "format")
"""Of a record, what only laden reads."""


@checked
def history(
    destination: str | Path,
    *,
    connections: Connections | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
) -> tuple[Remembered, ...]:
    """Tell what was done to a destination, the first first, and prove that no record was changed since.

    Args:
        destination: as in `load`.
        connections: as in `load`.
        sas_command: as in `load`.
        ask_sas: as in `load`.
        observer: called with each event; a `Remembered` for each record, findings where the chain does not hold.

    Returns:
        The records.

    Raises:
        LadenError: the destination cannot be read.
    """
    destination = place_of(destination)
    with running(Summary("history", destination=without_secret(destination)), observer) as run:
        return run_loop(_history(run, destination, connections, Renewal(sas_command, ask_sas)))


async def _history(run: Run, destination: str, connections: int | None, renewal: Renewal) -> tuple[Remembered, ...]:
    async with opened(run, destination, lacking_for_verify, renewal, connections=connections) as there:
        run.tell(Started("listing", without_secret(destination)))
        await Listing(there.store, run.relations, run.tell).repeat()
        stored = await read_history(there.store, names(run.relations))
        page = await there.store.get(LOAD, 0, MOST_PAGE_BYTES) if is_listed(run.relations, LOAD) else None
        told: list[Remembered] = []
        for one in prove(stored, page):
            if isinstance(one, Record):
                facts = {name: value for name, value in asdict(one).items() if name not in _UNTOLD}
                told.append(Remembered(**facts))
                run.tell(told[-1])
            else:
                run.add([one])
        # Of nothing, nothing holds.
        run.note(complete=bool(told))
        run.end()
        return tuple(told)
