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
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from laden.explorer.answers import named
from laden.explorer.carrying import carry_out
from laden.explorer.chosen import LIVING, Choice, Chosen, of_choice
from laden.explorer.facets import quoted_text
from laden.explorer.jobs import Job
from laden.explorer.marks import BLOB, Marks
from laden.explorer.marks import FILE as MARKS_FILE
from laden.explorer.saved import FILE as VIEWS_FILE
from laden.explorer.stored import StoredPlace
from laden.run.tasks import several
from laden.stages.acting import told_undo
from laden.stages.metadata import refuse_own
from laden.store import Destination
from laden.store.manage.limits import checked_metadata, checked_tags, tier_of, type_of
from laden.values.errors import LadenError, UsageError
from laden.values.names import OWN_FOLDER, problem, reserved
from laden.values.units import plural

_EARLY = "the listing is still coming in, and not all that was chosen is there yet: wait for it"
_LIFE_S = 15 * 60
_AT_ONCE = 16
_COUNT = re.compile(r"\d+|\d{1,3}(?:[,. \u00a0\u202f\u2019_]\d{3})+")
"""As people write it."""
_LOOKED_AT = 100
"""Blobs of a deletion that are each asked for snapshots, before it is carried out."""
_NAMED = 20
"""Of a plan, shown."""
_FILES = f"regexp_extract(name, '[^/]*$') IN ('{MARKS_FILE}', '{VIEWS_FILE}')"
_NOTES = f"(name = '{BLOB}' OR ends_with(name, '/{BLOB}') OR {_FILES})"
"""Condition over `items`: it is what people noted here."""


@dataclass
class Plan:
    """What would be done."""

    number: str
    action: str
    targets: Chosen
    sentence: str
    undo: str
    values: dict[str, Any] = field(default_factory=dict)
    marks: int | None = None
    """Which marks it goes by (`Marks.current`); None where it goes by none."""
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

    def __init__(self, place: StoredPlace, marks: Marks) -> None:
        self._place = place
        self._marks = marks
        self._plans: dict[str, Plan] = {}

    async def plan(self, action: str, choice: Choice, values: dict[str, Any]) -> Plan:
        """What an action would do to blobs.

        Raises:
            UsageError: it cannot be done so, or the listing is not complete yet.
        """
        if action not in _ACTIONS:
            raise UsageError(f"'{action}' is nothing that can be done here")
        values = _checked(action, values)
        if action == "copy":
            await asyncio.to_thread(self._refuse_among_images, values["prefix"])
        undo = await self._undo(action)
        marks = await self._marks.of_view(choice.view)
        targets, own = await self._meant("archive" if values.get("tier") == "Archive" else action, choice)
        if action == "delete" and self._place.kind != "folder":
            undo = f"{await self._snapshots(targets)} {undo}"
        verb = _ACTIONS[action].format(**{**values, "to": values.get("prefix", "")})
        sentence = f"{verb} {plural(len(targets), 'blob')} in {self._where()}"
        told = " ".join(filter(None, (undo, own)))
        plan = Plan(secrets.token_urlsafe(16), action, targets, sentence, told, values, marks)
        for old in [one for one in self._plans.values() if time.monotonic() - one.made_s >= _LIFE_S]:
            self.forget(old.number)
        self._plans[plan.number] = plan
        return plan

    def _refuse_among_images(self, prefix: str) -> None:
        """Raise where images of the load that is shown lie: what is copied there, notes too, would be taken for its."""
        (images,) = self._place.relations.one("SELECT count(*) FROM known WHERE starts_with(blob, ?)", [prefix])
        if images:
            raise UsageError(
                f"below {prefix} lie images of the load that is shown: name a prefix of its own, as review/"
            )

    def forget(self, number: str) -> None:
        """Nobody will carry this plan out."""
        if (plan := self._plans.pop(number, None)) is not None:
            plan.targets.close()

    async def _meant(self, action: str, choice: Choice) -> tuple[Chosen, str]:
        """The blobs, and what is to be said where the load's own are among them."""
        if action != "undelete":
            named = choice.view is None
            ask = partial(self._targets, action, named=named)
            try:
                targets, own = await of_choice(self._place, choice, ask)
            except UsageError:
                if choice.view is None and self._place.index.state.phase == "listing":
                    raise UsageError(_EARLY) from None
                raise
            return targets, f"{self._absent(choice, targets)} {own}".strip()
        if choice.view is not None:
            raise UsageError("name the deleted blobs that are to come back: a view shows what is there")
        # A name that no load would give comes back too; a listing in pages may show one several times.
        names = [name for name in dict.fromkeys(choice.names) if name]
        return await asyncio.to_thread(Chosen.of_names, self._place.relations, names), ""

    def _absent(self, choice: Choice, targets: Chosen) -> str:
        """That some of the names that were chosen are not there; raises `UsageError` where nobody can know that yet."""
        chosen = len(set(choice.names)) if choice.view is None else len(targets)
        if chosen == len(targets):
            return ""
        if self._place.index.state.phase == "listing":
            targets.close()
            raise UsageError(_EARLY)
        absent = chosen - len(targets)
        return f"{absent:,} of the {chosen:,} that were chosen {'is' if absent == 1 else 'are'} not there (any more)."

    async def take(self, number: str, count: str) -> Plan:
        """The plan, to be carried out; it is void afterwards, and also where the count was wrong.

        Raises:
            UsageError: there is none, it is too old, another count was typed, or it goes by marks that changed.
            LadenError: it goes by marks, and they cannot be asked for.
        """
        plan = self._plans.pop(number, None)
        if plan is None or time.monotonic() - plan.made_s > _LIFE_S:
            if plan is not None:
                plan.targets.close()
            raise UsageError("there is no such plan (any more): make it again")
        if not _COUNT.fullmatch(count.strip()) or re.sub(r"\D", "", count) != str(len(plan.targets)):
            plan.targets.close()
            raise UsageError(
                f"the plan is about {plural(len(plan.targets), 'blob')}, and '{count}' was typed: nothing was done"
            )
        try:
            await self._refuse_other_marks(plan)
        except BaseException:
            plan.targets.close()
            raise
        return plan

    async def _refuse_other_marks(self, plan: Plan) -> None:
        """What was chosen by marks is not done after these have changed, by whomever."""
        if plan.marks is not None and await self._marks.current() != plan.marks:
            raise UsageError("marks have changed since the plan was made, and it goes by marks: make it again")

    async def carry_out(self, plan: Plan, job: Job) -> None:
        """Do it, many at once; each blob on its own."""
        await carry_out(self._place, plan.action, plan.values, plan.targets, job)

    def _targets(self, action: str, condition: str, *, named: bool) -> tuple[Chosen, str]:
        relations = self._place.relations
        unlisted = f"SELECT count(*) FROM items WHERE ({condition}) AND {LIVING} AND coalesce(etag, '') = ''"  # noqa: S608
        if relations.one(unlisted) != (0,):
            raise UsageError("the listing is still coming in, and only what was listed can be changed: wait for it")
        if action == "archive":
            condition, own = self._readable(condition, named=named)
            return Chosen.of_items(relations, condition), own
        return Chosen.of_items(relations, condition), self._own(condition) if action == "delete" else ""

    def _where(self) -> str:
        destination = self._place.destination
        if isinstance(destination, Destination):
            prefix = f"/{destination.prefix}" if destination.prefix else ""
            return f"the container {destination.container}{prefix} of the account {destination.account}"
        return f"the folder {destination}"

    def _own(self, condition: str) -> str:
        """That a deletion would take what proves the load, its table, or what people noted here."""
        query = (
            f"SELECT count(*), min(name), coalesce(bool_or({_NOTES}), false), coalesce(bool_or(NOT {_NOTES}), false)"  # noqa: S608
            f" FROM items WHERE ({condition}) AND {LIVING} AND {self._is_own}"
        )
        own, first, noted, loads = self._place.relations.one(query)
        if not own:
            return ""
        which = f"{first} is" if own == 1 else f"{own:,} of them are, such as {first},"
        lost = ["nobody can prove its images or use their labels"] if loads else []
        lost += ["the marks or views that people kept here are gone"] if noted else []
        whose = "laden's" if noted else "the load's"
        return f"{which} {whose} own: without that, {', and '.join(lost)}. Take it for final."

    @property
    def _is_own(self) -> str:
        """The condition over `items` that something is laden's own: of this load, of another below it, or of people."""
        destination = self._place.destination
        if isinstance(destination, Destination) and OWN_FOLDER in destination.prefix.split("/"):
            # Notes alone are shown, by what they are called below their folder.
            return "true"
        documents = (
            ", ".join(quoted_text(document.name) for document in self._place.load.documents) if self._place.load else ""
        )
        own = f"starts_with(name, '{OWN_FOLDER}/') OR contains(name, '/{OWN_FOLDER}/')"
        return f"({own} OR list_contains([{documents}]::VARCHAR[], name) OR {_NOTES})"

    def _readable(self, condition: str, *, named: bool) -> tuple[str, str]:
        """What of it goes to the archive tier, and what is to be said: without its own, no load can be looked at.

        Args:
            condition: over `items`.
            named: whether each was chosen by its name; all of a view means images.
        """
        is_own = self._is_own
        query = (
            f"SELECT count(*), count_if({is_own}), min(name) FILTER (WHERE {is_own})"  # noqa: S608 - own text
            f" FROM items WHERE ({condition}) AND {LIVING}"
        )
        count, own, first = self._place.relations.one(query)
        if not own:
            return condition, ""
        lost = "in the archive tier it cannot be read for hours, nor the load verified, looked at or gone on with"
        if named:
            which = f"{first} is" if own == 1 else f"{own:,} of them are, such as {first},"
            return condition, f"{which} laden's own: {lost}."
        if own == count:
            raise UsageError(f"all of this is laden's own, and {lost}: choose by name what is meant all the same")
        stay = "1 more is" if own == 1 else f"{own:,} more are"
        which = first if own == 1 else f"such as {first}"
        told = f"{stay} laden's own and left out ({which}): {lost}. Chosen by name, it goes too."
        return f"({condition}) AND NOT {is_own}", told

    async def _snapshots(self, targets: Chosen) -> str:
        """What goes with blobs that are deleted: the service deletes none that has snapshots without them."""
        if len(targets) > _LOOKED_AT:
            return "Snapshots that any of them have are deleted with them."
        asked = (self._place.manage.history(target.name) for target in targets)
        try:
            states = [
                [one for one in found if one.snapshot and not one.deleted] async for found in several(asked, _AT_ONCE)
            ]
        except LadenError as error:
            return f"Snapshots that any of them have are deleted with them; which have, cannot be listed: {error}"
        if not (having := sum(1 for found in states if found)):
            return ""
        count = plural(sum(map(len, states)), "snapshot")
        return f"{having:,} of them {'has' if having == 1 else 'have'} {count}, deleted too."

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
        if action == "tags":
            return {action: checked_tags(pairs)}
        refuse_own(pairs)
        return {action: checked_metadata(pairs)}
    return {}
