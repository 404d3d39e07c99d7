"""Keeps the count of a run: receipts in, progress and summary out, findings for what needs a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from laden.dataset.images import BROKEN, DOUBTFUL, WHOLE
from laden.relations import Relations, told_locally
from laden.run.findings import FindingLog
from laden.store import Retry
from laden.values.errors import ExitCode, LadenError
from laden.values.events import Observer, PlanReady, Progress, Summary
from laden.values.records import Action, Finding, Outcome, Receipt, Severity

_PROGRESS_S = 0.2
_RECEIPTS_PER_BATCH = 2_000


class Tally:
    """The numbers of one run. Counts hold at any moment, so a run that breaks off still tells the truth."""

    def __init__(
        self,
        summary: Summary,
        observer: Observer,
        log: FindingLog,
        conclude: Callable[[Summary], Summary] = lambda summary: summary,
    ) -> None:
        """Start counting.

        Args:
            summary: with the names of command, source and destination.
            observer: told of progress and of the summary.
            log: gets the findings that receipts mean.
            conclude: given the final summary before anybody is told; what it returns is told.
        """
        self._summary = summary
        self._observer = observer
        self._log = log
        self._conclude = conclude
        self._started_s = time.monotonic()
        self._told_s = 0.0
        self._outcomes: Counter[Outcome] = Counter()
        self._settled_bytes = 0
        self._sent_bytes = 0
        self._read_bytes = 0
        self._broken = 0
        self._unproven = 0
        self._retries = 0
        self._to_read = (0, 0)
        self._unlisted = 0
        self._waiting = ""
        self.failed_code = ""
        """Code of a failed item, where there is one."""
        self.finished = False
        """Whether the summary was told."""

    @property
    def changed_destination(self) -> bool:
        """Whether blobs are there that the listing before did not show: sent now, or found there instead."""
        return self._unlisted > 0

    @property
    def to_settle(self) -> tuple[int, int]:
        """Items of the plan that must be read, and the bytes of those to be sent."""
        return self._to_read

    @property
    def unfinished(self) -> int:
        """Items that were to be settled and are not."""
        return self._to_read[0] - sum(self._outcomes.values()) + self._outcomes[Outcome.FAILED]

    def standing(self) -> str:
        """How far it is, for a sentence about a run that broke off."""
        there = self._summary.already_there + self._outcomes[Outcome.SENT] + self._outcomes[Outcome.ALREADY_THERE]
        return f"{there:,} of {self._summary.images:,} images are there"

    def note(self, **fields: object) -> None:
        """Set fields of the summary."""
        self._summary = replace(self._summary, **fields)  # type: ignore[arg-type]

    def plan(self, plan: PlanReady) -> None:
        """Take over the plan's counts."""
        self._to_read = (plan.send + plan.replace + plan.compare, plan.bytes_to_send)
        self.note(
            rows=plan.rows,
            matched=plan.matched,
            missing=plan.missing,
            images=plan.images,
            stray=plan.stray,
            conflicts=plan.conflicts,
            already_there=plan.already_there,
            foreign=plan.foreign,
            selection=plan.selection,
        )
        self._observer(plan)

    def receipt(self, receipt: Receipt) -> None:
        """Count one receipt, and report what it means."""
        outcome, entry = receipt.outcome, receipt.item.entry
        self._outcomes[outcome] += 1
        self._waiting = ""
        if outcome is Outcome.SENT or (outcome is Outcome.ALREADY_THERE and receipt.item.action is not Action.COMPARE):
            self._unlisted += 1
        if receipt.item.action is not Action.COMPARE:
            self._settled_bytes += entry.size_bytes
        if outcome is Outcome.SENT:
            self._sent_bytes += entry.size_bytes
        elif outcome is Outcome.CONFLICT:
            found = conflict(receipt.item.blob, entry.archive, entry.member)
            if receipt.item.action is Action.REPLACE:
                # To replace it is what was asked for: why it could not be is news, the advice to ask for it is not.
                found = found._replace(message=f"{receipt.reason}; it was left as it is")
            self._log.add(found)
        elif outcome is Outcome.READ:
            self._read_bytes += entry.size_bytes
        elif outcome is not Outcome.ALREADY_THERE:
            self._log.add(
                Finding(
                    receipt.code,
                    Severity.ERROR,
                    receipt.reason,
                    archive=entry.archive,
                    member=entry.member,
                    blob=receipt.item.blob,
                )
            )
            if outcome is Outcome.FAILED:
                self.failed_code = receipt.code
        if outcome in (Outcome.SENT, Outcome.ALREADY_THERE, Outcome.READ):
            self.look(receipt.item.blob, entry.archive, entry.member, receipt.image.state, receipt.image.detail)
        self.progress()

    def look(self, blob: str, archive: str, member: str, state: str, detail: str = "") -> None:
        """Take over what a look at an image found; one that is broken inside is counted."""
        if state == WHOLE:
            return
        what = DOUBTFUL.get(state) or f"the image is broken inside: {BROKEN.get(state, 'its structure is broken')}"
        message = f"{what} ({detail})" if detail else what
        if state not in DOUBTFUL:
            self._broken += 1
            if self._summary.command == "load":
                message += "; it is stored as it was published (leave such out with --damaged skip)"
        severity = Severity.WARNING if state in DOUBTFUL else Severity.ERROR
        self._log.add(Finding(state, severity, message, archive=archive, member=member, blob=blob))

    def unproven(self, finding: Finding) -> None:
        """Count a blob that was sent and is not there as sent."""
        self._log.add(finding)
        self._unproven += 1
        self.failed_code = finding.code

    def retry(self, retry: Retry) -> None:
        """Count a failed attempt that will be repeated."""
        self._retries += 1
        self._waiting = retry.reason
        self.progress()

    def progress(self, *, last: bool = False) -> None:
        """Tell how far it is, a few times a second."""
        now_s = time.monotonic()
        if not last and now_s - self._told_s < _PROGRESS_S:
            return
        self._told_s = now_s
        items, size_bytes = self._to_read
        self._observer(
            Progress(
                sum(self._outcomes.values()),
                items,
                self._settled_bytes,
                size_bytes,
                now_s - self._started_s,
                self._retries,
                self._waiting,
            )
        )

    def reading(self, files: int, files_in_all: int, size_bytes: int, bytes_in_all: int) -> None:
        """Tell how far the reading of whole files is."""
        seconds = time.monotonic() - self._started_s
        self._observer(Progress(files, files_in_all, size_bytes, bytes_in_all, seconds, 0))

    def finish(self, exit_code: ExitCode | None = None, message: str = "") -> Summary:
        """The summary, told to the observer as the last event.

        Args:
            exit_code: by default 0, or 3 where findings need a person.
            message: one sentence, where the run did not end as it should.
        """
        if exit_code is None:
            exit_code = ExitCode.FINDINGS if self._log.needs_person else ExitCode.COMPLETE
            self._log.settle()
        elif exit_code is ExitCode.USAGE:
            self._log.discard()
        written = self._log.finish()
        planned, outcomes = self._summary, self._outcomes
        self.note(
            sent=outcomes[Outcome.SENT],
            already_there=planned.already_there + outcomes[Outcome.ALREADY_THERE],
            conflicts=planned.conflicts + outcomes[Outcome.CONFLICT],
            damaged=outcomes[Outcome.DAMAGED] + self._broken,
            failed=outcomes[Outcome.FAILED] + self._unproven,
            examined=outcomes[Outcome.READ],
            bytes_sent=self._sent_bytes,
            bytes_examined=self._read_bytes,
            retries=self._retries,
            seconds=round(time.monotonic() - self._started_s, 3),
            findings=dict(self._log.counts),
            findings_file=str(written) if written else "",
            message=message,
            exit_code=int(exit_code),
        )
        self._summary = self._conclude(self._summary)
        self.finished = True
        self._observer(self._summary)
        return self._summary


class Receipts:
    """Takes receipts as they come: counted at once, into the relation `receipts` in batches."""

    def __init__(self, tally: Tally, relations: Relations) -> None:
        self._tally = tally
        self._relations = relations
        self._rows: list[tuple[object, ...]] = []

    def add(self, receipt: Receipt) -> None:
        self._tally.receipt(receipt)
        self._rows.append(_row(receipt))
        if len(self._rows) >= _RECEIPTS_PER_BATCH:
            self._feed()

    def close(self) -> None:
        """After the last one."""
        self._feed()
        self._tally.progress(last=True)

    def _feed(self) -> None:
        self._relations.feed("receipts", self._rows)
        self._rows.clear()


def _row(receipt: Receipt) -> tuple[object, ...]:
    entry, digests = receipt.item.entry, receipt.digests
    found = (digests.size_bytes, digests.md5.hex(), digests.crc32) if digests else (None, None, None)
    return (receipt.item.blob, entry.archive, entry.member, receipt.outcome.value, *found, *receipt.image[:5])


@contextmanager
def told(tally: Tally) -> Iterator[None]:
    """Ends a run that raised with a summary all the same."""
    try:
        with told_locally():
            yield
    except LadenError as error:
        if not tally.finished:
            tally.finish(error.exit_code, str(error))
        raise


def conflict(blob: str, archive: str = "", member: str = "") -> Finding:
    """The finding for a blob that is there with other content."""
    return Finding(
        "blob-conflict",
        Severity.ERROR,
        "a blob of this name with other content is there and was left as it is:"
        " load to another prefix, or replace such blobs with --overwrite changed",
        archive=archive,
        member=member,
        blob=blob,
    )
