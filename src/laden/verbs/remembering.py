"""What a verb leaves in a destination's history: what was asked for, without secrets and paths, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from laden.remote.link import is_link, parse_link
from laden.run.findings import FindingLog
from laden.run.run import Run
from laden.stages.history import HISTORY, Deed, remember
from laden.store import Store
from laden.values.errors import Interrupted, StoreError
from laden.values.records import Finding, Severity

_FILES = ("images_file", "marks_file", "table", "profile", "lock")
"""Arguments that name files of this machine: the last part of each is told."""


def asked_of(asked: Mapping[str, Any], **options: tuple[Any, Any]) -> dict[str, Any]:
    """What was asked for, where it is not what is done anyway.

    Args:
        asked: keywords as they were given.
        options: further ones, each with its default.
    """
    given = {name: value for name, (value, default) in options.items() if value != default}
    given |= {name: value for name, value in asked.items() if value not in (None, "", (), [], False)}
    return {name: _own_name(str(value)) if name in _FILES else value for name, value in sorted(given.items())}


def _own_name(file: str) -> str:
    """The last part of a path or link, without what a link's query holds."""
    return parse_link(file).name if is_link(file) else Path(file).name


def counts_of(run: Run) -> dict[str, int]:
    """What a load did, and what is there now."""
    outcomes = run.outcomes()
    images, size_bytes = run.relations.one("SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM loaded")
    rows, matched = run.relations.one(
        "SELECT count(*), count(*) FILTER (row IN (SELECT row FROM matches)) FROM rows WHERE selected"
    )
    return {
        "rows": rows,
        "matched": matched,
        "images": images,
        "bytes": size_bytes,
        "sent": outcomes.sent,
        "already_there": outcomes.already_there,
        "conflicts": outcomes.conflicts,
    }


async def record(run: Run, store: Store, deed: Deed, *, listed: bool = False, always: bool = False) -> None:
    """Append a record of what was done, where one is due; where it cannot be, that is told, and the run goes on.

    Arguments as `remember`.
    """
    try:
        await remember(store, run.relations, deed, listed=listed, always=always)
    except Interrupted:
        # Stopped while it did this too: that it began is told.
        return
    except StoreError as error:
        message = f"what was done could not be recorded: {error}; the next complete load records it"
        run.add([Finding("history-missed", Severity.WARNING, message, blob=HISTORY)])


class Word:
    """Leaves word of a deed before its first change, and of its end; of one that changes nothing it leaves none."""

    def __init__(self, run: Run, store: Store, deed: Deed) -> None:
        """Prepare.

        Args:
            run: with a listing of the destination.
            store: the destination.
            deed: what is to be done; its counts are what is meant.
        """
        self._run = run
        self._store = store
        self._deed = deed
        self._lock = asyncio.Lock()
        self.begun = False
        """Whether anything was about to change."""

    async def begin(self) -> None:
        """Call it before each change: the first one is told."""
        async with self._lock:
            if not self.begun:
                await record(self._run, self._store, replace(self._deed, begun=True), always=True)
                self.begun = True

    async def end(
        self,
        counts: Mapping[str, int],
        *,
        changed: bool = False,
        listed: bool = False,
        needing: FindingLog | None = None,
    ) -> None:
        """Tell what came of it, where anything changed, or where the last record tells another state or another end.

        Args:
            counts: what was done, and what is there.
            changed: whether anything was changed, also where `begin` was not called for it.
            listed: as in `remember`.
            needing: whose findings that need a person are told; None where the end is no matter of the state.
        """
        deed = replace(self._deed, counts=counts)
        if needing is not None:
            deed = replace(deed, needs_person=dict(needing.errors), marks=needing.marks)
        await record(self._run, self._store, deed, listed=listed, always=self.begun or changed)
