"""Takes note of a run's events: the first findings of each code, how long each stage took, how fast bytes went."""

from __future__ import annotations

import time

from laden.report.facts import FindingKind, Moment, Speed
from laden.report.meanings import Meaning, meanings
from laden.values.events import Event, Found, PlanReady, Started, Summary
from laden.values.records import Finding, Severity
from laden.values.signs import Outage, Progress

_EXAMPLES = 5
_MOMENTS = 1_000
"""Kept of a transfer's progress; when there are more, every second one is dropped."""
_OUTAGES = 1_000
_TRANSFER = "transfer"
_WEIGHT = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


class Watch:
    """What the events of one run tell a report."""

    def __init__(self) -> None:
        self.planned = False
        """Whether the joins of the plan were made."""
        self._examples: dict[str, list[Finding]] = {}
        self._stages: dict[str, float] = {}
        self._stage = ""
        self._since_s = time.monotonic()
        self._sending_since_s: float | None = None
        self._moments: list[Moment] = []
        self._outages: list[tuple[float, float]] = []
        self._stride_s = 0.0

    def see(self, event: Event) -> None:
        """Take note of one event."""
        match event:
            case Found(finding):
                self._examples.setdefault(finding.code, []).append(finding)
            case Started(stage):
                self._begin(stage)
            case PlanReady():
                self.planned = True
            case Progress():
                self._moment(event)
            case Outage(seconds, over=True) if self._sending_since_s is not None and len(self._outages) < _OUTAGES:
                ended_s = time.monotonic() - self._sending_since_s
                self._outages.append((max(0.0, ended_s - seconds), ended_s))

    def speed(self) -> Speed:
        """Stages so far, and the transfer's progress."""
        self._begin("")
        return Speed(tuple(self._stages.items()), tuple(self._moments), tuple(self._outages))

    def kinds(self, summary: Summary) -> tuple[FindingKind, ...]:
        """All findings by code: those that need a person first, the most frequent first."""
        found = []
        for code, count in summary.findings.items():
            examples = self._examples.get(code, [])
            severity = min((one.severity for one in examples), key=_WEIGHT.__getitem__, default=Severity.INFO)
            told = meanings().get(code, Meaning("", ""))
            found.append(FindingKind(code, severity, count, *told, tuple(examples[:_EXAMPLES])))
        return tuple(sorted(found, key=lambda kind: (_WEIGHT[kind.severity], -kind.count, kind.code)))

    def _begin(self, stage: str) -> None:
        """Stages may come again (each archive begins one): their times are added up."""
        now_s = time.monotonic()
        if self._stage:
            self._stages[self._stage] = self._stages.get(self._stage, 0.0) + now_s - self._since_s
        self._stage, self._since_s = stage, now_s
        if stage == _TRANSFER:
            self._sending_since_s = now_s

    def _moment(self, event: Progress) -> None:
        if self._sending_since_s is None:
            return
        seconds = time.monotonic() - self._sending_since_s
        if self._moments and seconds - self._moments[-1][0] < self._stride_s:
            return
        self._moments.append(Moment(seconds, event.bytes, event.retries))
        if len(self._moments) > _MOMENTS:
            self._moments = self._moments[1::2]
            self._stride_s = 2 * seconds / _MOMENTS
