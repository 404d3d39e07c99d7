"""`verify --at`: is a state that the history tells of still kept, as versions or as it is?

Order: list; prove the chain of records and take the one that was asked for; list every state that the service keeps;
read the manifest that the record names, by its MD5; hold all that it names, and the tables and notes of then, against
those states. Nothing is changed: what is kept as a version can be brought back by whoever wants it.
"""

from __future__ import annotations

from laden.run.run import Run
from laden.run.ticks import Ticks
from laden.stages.earlier import find_then, keeps_earlier, list_states, read_manifest_of
from laden.stages.history import Record, name_of, names, prove, read_history
from laden.stages.inventory import Listing
from laden.stages.loadpage import LOAD
from laden.stages.manifest import MANIFEST
from laden.store import without_secret
from laden.store.access import Renewal
from laden.store.sas import lacking_for_verify
from laden.values.errors import UsageError
from laden.values.events import Started, Summary
from laden.values.records import Finding, Severity
from laden.verbs.opening import Opened, managed, opened


async def verify_at(run: Run, destination: str, number: int, connections: int | None, renewal: Renewal) -> Summary:
    """Hold what is kept against the state that a record tells of; arguments as `laden.verbs.verify.verify`.

    Raises:
        UsageError: there is no such record.
        StoreError: the destination cannot be read.
    """
    async with (
        opened(run, destination, lacking_for_verify, renewal, connections=connections) as there,
        managed(there) as manage,
    ):
        run.tell(Started("listing", without_secret(destination)))
        await Listing(there.store, run.relations, run.tell).repeat()
        record = await _record(run, there, number)
        if record is None:
            return run.end()
        await list_states(manage, run.relations, Ticks(run.tell, "states listed"))
        run.tell(Started("verify"))
        manifest = record.documents.get(MANIFEST, "")
        if not await read_manifest_of(manage, run.relations, manifest):
            run.add([_unproved(run, number)])
            return run.end()
        run.add(find_then(run.relations, {**record.documents, LOAD: record.page}))
        run.note(
            images=run.relations.one("SELECT count(*) FROM known")[0],
            deleted=run.log.counts["at-gone"],
            complete=True,
        )
        return run.end()


async def _record(run: Run, there: Opened, number: int) -> Record | None:
    """The record of that number, once the chain was held against itself; None where it cannot be read."""
    listed = names(run.relations)
    if name_of(number) not in listed:
        if not listed:
            raise UsageError(f"there is no history in {there.place}: a load that ends leaves the first record")
        raise UsageError(f"there is no record {number} in {there.place}: laden history lists those that are there")
    found: Record | None = None
    for one in prove(await read_history(there.store, listed), None):
        if isinstance(one, Finding):
            run.add([one])
        elif one.number == number:
            found = one
    return found


def _unproved(run: Run, number: int) -> Finding:
    if keeps_earlier(run.relations):
        why = "no version of its manifest is kept: it was replaced before versions were kept, or they are over"
    else:
        why = "its manifest was replaced since, and no versions are kept here (blob versioning is off)"
    message = f"nobody can prove what record {number} tells of: {why}"
    return Finding("at-unproved", Severity.ERROR, message, blob=MANIFEST)
