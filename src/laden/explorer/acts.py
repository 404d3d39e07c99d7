"""What changes blobs: first a plan, then, with the plan's number and its count typed back, the act.

A plan names every blob with the ETag that was listed, says how many and how many bytes, in whose account, and whether
it can be undone. It is used once, and for some minutes. A blob that changed since the listing is left alone and
counted. What could not be done is told as the job's findings; nothing is done at a place that was not opened with
`--write`. The blobs of a plan lie in a file until it is over: a million of them would take a third of a gigabyte.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from laden.explorer.answers import named
from laden.explorer.chosen import LIVING, Choice, Chosen, of_choice
from laden.explorer.jobs import Job
from laden.explorer.stored import StoredPlace
from laden.stages.acting import Acted, Target, act, refuse_other, told_undo, with_own
from laden.store import Destination
from laden.store.manage.limits import checked_metadata, checked_tags, tier_of, type_of
from laden.values.errors import UsageError
from laden.values.names import problem, reserved
from laden.values.records import Finding, Severity
from laden.values.units import plural

_LIFE_S = 15 * 60
_AT_ONCE = 16
_COUNT = re.compile(r"\d+|\d{1,3}(?:[,. \u00a0\u202f\u2019_]\d{3})+")
"""As people write it."""
_NAMED = 20
"""Of a plan, shown."""


@dataclass
class Plan:
    """What would be done."""

    number: str
    action: str
    targets: Chosen
    sentence: str
    undo: str
    values: dict[str, Any] = field(default_factory=dict)
    made_s: float = field(default_factory=time.monotonic)

    def told(self) -> dict[str, Any]:
        """The plan, for the page."""
        return {
            "plan": self.number,
            "action": self.action,
            "count": len(self.targets),
            "bytes": self.targets.size_bytes,
            "sentence": self.sentence,
            "undo": self.undo,
            "names": [target.name for target in islice(self.targets, _NAMED)],
        }


class Acts:
    """Plans of one place, and what became of them."""

    def __init__(self, place: StoredPlace) -> None:
        self._place = place
        self._plans: dict[str, Plan] = {}

    async def plan(self, action: str, choice: Choice, values: dict[str, Any]) -> Plan:
        """What an action would do to blobs.

        Raises:
            UsageError: it cannot be done so, or the listing is not complete yet.
        """
        if action not in _ACTIONS:
            raise UsageError(f"'{action}' is nothing that can be done here")
        values = _checked(action, values)
        undo = await self._undo(action)
        targets, own = await self._meant(action, choice)
        verb = _ACTIONS[action].format(**{**values, "to": values.get("prefix", "")})
        sentence = f"{verb} {plural(len(targets), 'blob')} in {self._where()}"
        plan = Plan(secrets.token_urlsafe(16), action, targets, sentence, " ".join(filter(None, (undo, own))), values)
        for old in [one for one in self._plans.values() if time.monotonic() - one.made_s >= _LIFE_S]:
            self._plans.pop(old.number).targets.close()
        self._plans[plan.number] = plan
        return plan

    async def _meant(self, action: str, choice: Choice) -> tuple[Chosen, str]:
        """The blobs, and what is to be said where the load's own are among them."""
        if action != "undelete":
            return await of_choice(self._place, choice, lambda condition: self._targets(action, condition))
        if choice.view is not None:
            raise UsageError("name the deleted blobs that are to come back: a view shows what is there")
        names = [name for name in choice.names if problem(name) is None]
        return await asyncio.to_thread(Chosen.of_names, self._place.relations, names), ""

    def take(self, number: str, count: str) -> Plan:
        """The plan, to be carried out; it is void afterwards, and also where the count was wrong.

        Raises:
            UsageError: there is none, it is too old, or another count was typed.
        """
        plan = self._plans.pop(number, None)
        if plan is None or time.monotonic() - plan.made_s > _LIFE_S:
            raise UsageError("there is no such plan (any more): make it again")
        if not _COUNT.fullmatch(count.strip()) or re.sub(r"\D", "", count) != str(len(plan.targets)):
            plan.targets.close()
            raise UsageError(
                f"the plan is about {len(plan.targets):,} blobs, and '{count}' was typed: nothing was done"
            )
        return plan

    async def carry_out(self, plan: Plan, job: Job) -> None:
        """Do it, many at once; each blob on its own."""
        job.in_all, job.bytes_in_all = len(plan.targets), plan.targets.size_bytes
        outcomes = {"done": 0, "changed": 0, "gone": 0, "failed": 0}
        targets = (Target(name, etag, size_bytes) for name, etag, size_bytes, _ in plan.targets)
        try:
            async for acted in act(self._work(plan), targets, at_once=_AT_ONCE, stopping=lambda: job.stopping):
                outcomes[acted.outcome] += 1
                job.done, job.done_bytes = job.done + 1, job.done_bytes + acted.target.size_bytes
                _note(job, acted)
        finally:
            targets.close()
            plan.targets.close()
        job.result["outcomes"] = outcomes
        left = sum(count for outcome, count in outcomes.items() if outcome != "done")
        job.message = f"{outcomes['done']:,} of {len(plan.targets):,} blobs are done"
        if left:
            job.message += f"; {outcomes['changed']:,} changed since the listing, {outcomes['gone']:,} were gone"
            job.message += f", {outcomes['failed']:,} were refused: nothing was done to these"

    def _work(self, plan: Plan) -> Callable[[Target], Awaitable[None]]:
        manage, values = self._place.manage, plan.values

        async def metadata(target: Target) -> None:
            there = (await self._place.store.head(target.name)).metadata
            await manage.set_metadata(target.name, with_own(there, values["metadata"]), target.etag)

        async def tier(target: Target) -> None:
            await refuse_other(self._place.store, target)
            await manage.set_tier(target.name, values["tier"])

        async def tags(target: Target) -> None:
            await refuse_other(self._place.store, target)
            await manage.set_tags(target.name, values["tags"])

        return {
            "delete": lambda target: manage.delete(target.name, target.etag),
            "undelete": lambda target: manage.undelete(target.name),
            "tier": tier,
            "tags": tags,
            "type": lambda target: manage.set_content_type(target.name, values["type"], target.etag),
            "copy": lambda target: manage.copy(target.name, values["prefix"] + target.name, target.etag),
            "metadata": metadata,
        }[plan.action]

    def _targets(self, action: str, condition: str) -> tuple[Chosen, str]:
        relations = self._place.relations
        unlisted = f"SELECT count(*) FROM items WHERE ({condition}) AND {LIVING} AND coalesce(etag, '') = ''"  # noqa: S608
        if relations.one(unlisted) != (0,):
            raise UsageError("the listing is still coming in, and only what was listed can be changed: wait for it")
        return Chosen.of_items(relations, condition), self._own(condition) if action == "delete" else ""

    def _where(self) -> str:
        destination = self._place.destination
        if isinstance(destination, Destination):
            prefix = f"/{destination.prefix}" if destination.prefix else ""
            return f"the container {destination.container}{prefix} of the account {destination.account}"
        return f"the folder {destination}"

    def _own(self, condition: str) -> str:
        """That a deletion would take what proves the load, or its table."""
        page = self._place.load
        if page is None:
            return ""
        own, first = self._place.relations.one(
            f"SELECT count(*), min(name) FROM items WHERE ({condition}) AND {LIVING}"  # noqa: S608 - own text
            " AND (starts_with(name, '_laden/') OR list_contains(?, name))",
            [[document.name for document in page.documents]],
        )
        if not own:
            return ""
        which = f"{first} is" if own == 1 else f"{own:,} of them are, such as {first},"
        return (
            f"{which} the load's own: without that, nobody can prove its images or use their labels. Take it for final."
        )

    async def _undo(self, action: str) -> str:
        if action in ("undelete", "copy", "tags", "type", "tier"):
            return {
                "undelete": "",
                "copy": "Copies can be deleted again; nothing is replaced.",
                "tags": "The tags that were there are replaced.",
                "type": "",
                "tier": "Another tier may cost, and blobs of the archive tier cannot be read for hours.",
            }[action]
        if action == "metadata":
            return "Metadata that were there are replaced, but for laden's own."
        return told_undo(await self._place.manage.undo(), folder=self._place.kind == "folder")


_ACTIONS = {
    "delete": "Delete",
    "undelete": "Bring back",
    "tier": "Move to the tier {tier}",
    "tags": "Replace the tags of",
    "metadata": "Replace the metadata of",
    "type": "Give the type {type} to",
    "copy": "Copy below {prefix}",
}


def _checked(action: str, given: dict[str, Any]) -> dict[str, Any]:
    """The values that an action needs, and no others; raises `UsageError`."""
    if action == "tier":
        return {"tier": tier_of(str(given.get("tier")))}
    if action == "type":
        return {"type": type_of(given.get("type"))}
    if action == "copy":
        asked = named(given, "prefix").strip("/")
        if not asked or problem(asked) or reserved(asked):
            raise UsageError("name the prefix that the copies go below, as in review/")
        return {"prefix": asked + "/"}
    if action in ("tags", "metadata"):
        pairs = given.get(action)
        if not isinstance(pairs, dict) or not all(isinstance(one, str) for pair in pairs.items() for one in pair):
            raise UsageError(f"the {action} must be names with values")
        return {action: checked_tags(pairs) if action == "tags" else checked_metadata(pairs)}
    return {}


def _note(job: Job, acted: Acted) -> None:
    """Tell of a blob that was left as it is."""
    if acted.error is None:
        return
    code = f"left-{acted.outcome}"
    job.counts[code] = job.counts.get(code, 0) + 1
    kept = job.examples.setdefault(code, [])
    if len(kept) < _NAMED:
        kept.append(Finding(code, Severity.ERROR, str(acted.error), blob=acted.target.name))
