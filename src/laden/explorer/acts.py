"""What changes blobs: first a plan, then, with the plan's number and its count typed back, the act.

A plan names every blob with the ETag that was listed, says how many and how many bytes, in whose account, and whether
it can be undone. It is used once, and for some minutes. A blob that changed since the listing is left alone and
counted. What could not be done is told as the job's findings; nothing is done at a place that was not opened with
`--write`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

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
MOST = 1_000_000
_NAMED = 20
"""Of a plan, shown."""


@dataclass
class Plan:
    """What would be done."""

    number: str
    action: str
    targets: list[Target]
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
            "bytes": sum(target.size_bytes for target in self.targets),
            "sentence": self.sentence,
            "undo": self.undo,
            "names": [target.name for target in self.targets[:_NAMED]],
        }


class Acts:
    """Plans of one place, and what became of them."""

    def __init__(self, place: StoredPlace) -> None:
        self._place = place
        self._plans: dict[str, Plan] = {}

    async def plan(self, action: str, names: list[str], values: dict[str, Any]) -> Plan:
        """What an action would do to blobs.

        Raises:
            UsageError: it cannot be done so, or the listing is not complete yet.
        """
        if action not in _ACTIONS:
            raise UsageError(f"'{action}' is nothing that can be done here")
        values = _checked(action, values)
        targets = await asyncio.to_thread(self._targets, action, names)
        if not targets:
            raise UsageError("nothing was chosen that is there")
        plan = Plan(secrets.token_urlsafe(16), action, targets, "", "", values)
        verb = _ACTIONS[action].format(**{**values, "to": values.get("prefix", "")})
        plan.sentence = f"{verb} {plural(len(targets), 'blob')} in {self._where()}"
        plan.undo = " ".join(filter(None, (await self._undo(action), self._own(action, targets))))
        self._plans = {key: one for key, one in self._plans.items() if time.monotonic() - one.made_s < _LIFE_S}
        self._plans[plan.number] = plan
        return plan

    def take(self, number: str, count: str) -> Plan:
        """The plan, to be carried out; it is void afterwards, and also where the count was wrong.

        Raises:
            UsageError: there is none, it is too old, or another count was typed.
        """
        plan = self._plans.pop(number, None)
        if plan is None or time.monotonic() - plan.made_s > _LIFE_S:
            raise UsageError("there is no such plan (any more): make it again")
        if re.sub(r"[,. \u2019_]", "", count) != str(len(plan.targets)):
            raise UsageError(
                f"the plan is about {len(plan.targets):,} blobs, and '{count}' was typed: nothing was done"
            )
        return plan

    async def carry_out(self, plan: Plan, job: Job) -> None:
        """Do it, many at once; each blob on its own."""
        job.in_all, job.bytes_in_all = len(plan.targets), sum(target.size_bytes for target in plan.targets)
        outcomes = {"done": 0, "changed": 0, "gone": 0, "failed": 0}
        async for acted in act(self._work(plan), plan.targets, at_once=_AT_ONCE, stopping=lambda: job.stopping):
            outcomes[acted.outcome] += 1
            job.done, job.done_bytes = job.done + 1, job.done_bytes + acted.target.size_bytes
            _note(job, acted)
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

    def _targets(self, action: str, names: list[str]) -> list[Target]:
        if action == "undelete":
            return [Target(name, "", 0) for name in names if problem(name) is None]
        relations = self._place.relations
        with relations.aside("name VARCHAR", ((name,) for name in names)) as chosen:
            rows = relations.all(
                f"SELECT name, coalesce(etag, ''), size_bytes FROM items WHERE name IN (SELECT name FROM {chosen})"  # noqa: S608
                f" AND fate <> 'deleted' ORDER BY pos LIMIT {MOST + 1}"
            )
        if len(rows) > MOST:
            raise UsageError(f"more than {MOST:,} blobs at once are not changed here: choose fewer")
        if any(not etag for _, etag, _ in rows):
            raise UsageError("the listing is still coming in, and only what was listed can be changed: wait for it")
        return [Target(*row) for row in rows]

    def _where(self) -> str:
        destination = self._place.destination
        if isinstance(destination, Destination):
            prefix = f"/{destination.prefix}" if destination.prefix else ""
            return f"the container {destination.container}{prefix} of the account {destination.account}"
        return f"the folder {destination}"

    def _own(self, action: str, targets: list[Target]) -> str:
        """That a deletion would take what proves the load, or its table."""
        page = self._place.load
        if action != "delete" or page is None:
            return ""
        documents = {document.name for document in page.documents}
        own = [one.name for one in targets if one.name.startswith("_laden/") or one.name in documents]
        if not own:
            return ""
        which = f"{own[0]} is" if len(own) == 1 else f"{len(own):,} of them are, such as {own[0]},"
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
        prefix = given.get("prefix")
        asked = prefix.strip("/") if isinstance(prefix, str) else ""
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
