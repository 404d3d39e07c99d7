"""One run: what a verb hands to its stages.

`running` opens the list of findings and the database, gives the `Run`, and ends it: whatever happens, one summary is
told, and it is the last event. A run counts nothing that the relations know: a summary asks them (`outcome`). What it
keeps by itself is what no relation has: attempts that were repeated, and how far it is right now (`Meter`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from laden.relations import Relations
from laden.relations.trouble import told_locally
from laden.run.findings import FindingLog
from laden.run.meter import Meter
from laden.run.outcome import Outcomes, outcomes
from laden.values.errors import ExitCode, LadenError, last_words
from laden.values.events import Observer, PlanReady, Summary
from laden.values.records import Finding
from laden.values.secrets import StreamLost, note_environment

Conclude = Callable[[Summary, Relations | None], Summary]
"""Given the final summary before anybody is told; what it returns is told."""


_clock = time.monotonic


def never() -> bool:
    """Nobody asks to stop."""
    return False


class Run:
    """What a run has: names and counts, findings, relations, what it may tell, and when it must stop."""

    def __init__(
        self,
        summary: Summary,
        log: FindingLog,
        observer: Observer,
        stopping: Callable[[], bool],
        conclude: Conclude,
        clock: Callable[[], float],
    ) -> None:
        """See `running`, which makes one."""
        self.log = log
        self.tell = observer
        self.stopping = stopping
        self.meter = Meter(observer, clock)
        self.ended = False
        """Whether the summary was told."""
        self._summary = summary
        self._conclude = conclude
        self._clock = clock
        self._started_s = clock()
        self._relations: Relations | None = None

    @property
    def command(self) -> str:
        """What is run: `load`, `check` ..."""
        return self._summary.command

    @property
    def relations(self) -> Relations:
        """The database of this run."""
        assert self._relations is not None
        return self._relations

    def add(self, findings: Iterable[Finding]) -> None:
        """Report findings as they come."""
        for finding in findings:
            self.log.add(finding)

    def note(self, **fields: Any) -> None:
        """Set fields of the summary."""
        self._summary = replace(self._summary, **fields)

    def plan(self, plan: PlanReady) -> None:
        """Take over the plan's counts, and tell it."""
        self.note(
            rows=plan.rows,
            matched=plan.matched,
            missing=plan.missing,
            images=plan.images,
            stray=plan.stray,
            foreign=plan.foreign,
            selection=plan.selection,
            excluded=plan.excluded,
        )
        self.log.settle()
        self.meter.begin(plan.to_settle, plan.bytes_to_send)
        self.tell(plan)

    def answered(self, question: Callable[[PlanReady], bool], plan: PlanReady) -> bool:
        """Ask a person, whose time is none of the run's."""
        asked_s = self._clock()
        answer = question(plan)
        self._started_s += self._clock() - asked_s
        return answer

    def outcomes(self) -> Outcomes:
        """What became of the plan's images so far."""
        return outcomes(self.relations)

    def standing(self) -> str:
        """How far it is, for a sentence about a run that broke off."""
        return f"{self.outcomes().there:,} of {self._summary.images:,} images are there"

    def end(self, exit_code: ExitCode | None = None, message: str = "") -> Summary:
        """The summary, told as the last event.

        Args:
            exit_code: by default 0, or 3 where findings need a person.
            message: one sentence, where the run did not end as it should.
        """
        if exit_code is None:
            exit_code = ExitCode.FINDINGS if self.log.needs_person else ExitCode.COMPLETE
            self.log.settle()
        elif exit_code is ExitCode.USAGE:
            self.log.discard()
        self.meter.rest()
        written = self.log.finish()
        if self._relations is not None:
            counts = outcomes(self._relations).counts()
            self.note(**{name: count for name, count in counts.items() if count})
        self.note(
            retries=self.meter.retries,
            seconds=round(self._clock() - self._started_s, 3),
            moving_seconds=round(self.meter.moving_s, 3),
            findings=dict(self.log.counts),
            findings_file=str(written) if written else "",
            message=message,
            exit_code=int(exit_code),
        )
        self._summary = self._conclude(self._summary, self._relations)
        self.ended = True
        self.tell(self._summary)
        return self._summary

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the database open; an error ends the run with a summary while it still is."""
        with self._told(), Relations() as relations, self.log.kept_in(relations):
            self._relations = relations
            try:
                with self._told():
                    yield
            finally:
                self._relations = None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with told_locally():
                yield
        except LadenError as error:
            if not self.ended:
                self.end(error.exit_code, last_words(error, self.command))
            raise
        except Exception as error:
            # Whoever waits for the last event gets it; that telling it fails as well is no news.
            if not self.ended and not isinstance(error, StreamLost):
                with suppress(Exception):
                    self.end(ExitCode.BUG, f"a bug in laden ended it ({type(error).__name__})")
            raise


@contextmanager
def running(
    summary: Summary,
    observer: Observer,
    *,
    findings_file: Path | None = None,
    stopping: Callable[[], bool] = never,
    conclude: Conclude = lambda summary, _: summary,
) -> Iterator[Run]:
    """Begin a run; one that raises ends with a summary all the same.

    Args:
        summary: with the names of command, source and destination.
        observer: told of each event; the last is the summary.
        findings_file: CSV file for all findings; None writes none.
        stopping: asked often; once true, what is in flight ends and the run stops.
        conclude: given the final summary, and the relations where they are open, before anybody is told.
    """
    note_environment()
    with FindingLog(findings_file, observer) as log:
        run = Run(summary, log, observer, stopping, conclude, _clock)
        with run.opened():
            yield run
