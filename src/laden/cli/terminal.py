"""Draws events for a person: the plan as a table, one line that moves, findings by kind, a short honest summary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laden.cli.acts import acted, draw_act
from laden.cli.described import draw_columns
from laden.cli.lines import numbered, plain_console, say, steps
from laden.cli.live import Line
from laden.cli.text import escaped
from laden.cli.told import Told
from laden.cli.verdict import verdict
from laden.values.commands import command
from laden.values.errors import ExitCode
from laden.values.events import (
    ActReady,
    Compared,
    Described,
    Event,
    Found,
    Measured,
    PlanReady,
    Remembered,
    Selected,
    Serving,
    Started,
    Summary,
    ToFetch,
    Total,
    Warned,
)
from laden.values.phases import PHASES
from laden.values.records import Finding, Severity
from laden.values.signs import Counted, Outage, Progress, Retried
from laden.values.units import amount, duration, plural, size

_COLOURS = {Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_MERELY_TOLD = _SEVERITIES.index(Severity.INFO)
_SYMPTOMS = ("image-missing", "image-stray")
WRITE_PRICES = (0.055, 0.18)
"""USD for 10,000 writes, hot and cold: sample prices (Microsoft Learn, "Estimate the cost of using AzCopy")."""
KEEPING_PRICES = (0.0115, 0.0208)
"""USD for a GB a month, cool and hot: sample prices ("Estimate the cost of using Azure Blob Storage", same place)."""
_LEAST_S = 0.05
_SHOWN = 10
"""Findings that are drawn, the gravest first; the file has all."""
_TOLD_PER_CODE = 10
"""So many of one code are told as events, and no more (`laden.run.findings.SHOWN_PER_CODE`)."""
_SHOWN_PER_CODE = 3
"""At most so many of one code."""


class Terminal:
    """Draws the events of one run."""

    def __init__(self, *, quiet: bool, verbose: bool, aside: bool = False, name: str = "") -> None:
        """`name` is the command's as it was typed, where a verb does its work under another; see `face.Face`."""
        self._console = plain_console(errors=aside)
        self._errors = plain_console(errors=True)
        self._quiet = quiet
        self._name = name
        self._aside = aside
        self._verbose = verbose
        self._findings: dict[str, list[Finding]] = {}
        self._stage = ""
        self._held = False
        self._line = Line(self._console)
        self._plan_told: PlanReady | None = None
        self.measures = False
        """Whether how long it may take will be measured, after the plan and before a question."""
        self._source = ""
        self._told = Told(self._say, every=verbose)

    def show(self, event: Event) -> None:
        """Draw one event."""
        match event:
            case Warned():
                say(self._errors, f"[yellow]Warning:[/] {escaped(event.message)}", 2)
            case Summary():
                self.close()
                self._summary(event)
            case PlanReady():
                self.close()
                self._plan_told = event
                self._plan(event)
            case ActReady():
                self.close()
                if not self._quiet:
                    draw_act(self._console, event)
            case Measured() if not self._quiet:
                self.close()
                self._lasting(event)
            case Found():
                self._findings.setdefault(event.finding.code, []).append(event.finding)
            case _ if not self._quiet or self._answers(event):
                self._follow(event)

    def _answers(self, event: Event) -> bool:
        """Whether an event is what was asked for, which quiet does not silence, and no sign of life."""
        if isinstance(event, Selected):
            return self._name == "select" and not self._aside
        return isinstance(event, Compared)

    def _follow(self, event: Event) -> None:
        """Draw what is of interest only while it runs."""
        match event:
            case Started():
                self._started(event)
            case Selected() | Described():
                self._described(event)
            case Serving():
                self._serving(event)
            case ToFetch() | Total() | Compared() | Remembered():
                self.close()
                self._told.see(event)
            case Progress() | Counted() if not self._held:
                self._line.see(event)
            case Retried() if self._verbose:
                what = f"{plural(event.attempts, 'attempt')} will be repeated ({amount(event.throttled)} throttled)"
                self._say(f"[dim]{what}: {escaped(event.reason)}[/]")
            case Outage() if event.over:
                self._say(f"Something gets through again, after {duration(event.seconds)}")
            case Outage():
                told = f"[yellow]Nothing got through for {duration(event.seconds)}[/]; laden goes on trying"
                self._say(f"{told}: {escaped(event.reason)}" if event.reason else told, 2)

    def close(self) -> None:
        """Take the line that moves off the screen."""
        self._line.end()

    def _serving(self, event: Serving) -> None:
        self.close()
        self._say(f"The explorer is at {escaped(event.url)}")
        self._say("The link works once; Ctrl-C stops the server.")
        if event.write:
            self._say("[yellow]With --write: what is shown can be changed from the page.[/]")

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Draw no progress while somebody is asked something."""
        self._held = True
        self.close()
        try:
            yield
        finally:
            self._held = False

    def _described(self, event: Selected | Described) -> None:
        if isinstance(event, Described):
            draw_columns(self._console, event)
        else:
            numbered(self._console, "", steps(event.selection))

    def _started(self, event: Started) -> None:
        what = PHASES[event.stage]
        if event.stage == "source":
            self._source = event.about
        if self._verbose and event.about:
            self._say(f"[dim]{what}: {escaped(event.about)}[/]", 2)
        elif event.stage != self._stage:
            self._say(f"[dim]{what}[/]")
        self._stage = event.stage
        if not self._held:
            self._line.begin(what)

    def _say(self, markup: str, hang: int = 0) -> None:
        say(self._console, markup, hang)

    def _plan(self, plan: PlanReady) -> None:
        if self._quiet:
            return
        rows = [
            *(
                steps(plan.selection)
                or [(plan.rows, f"rows of {escaped(plan.table)}" if plan.table else "files wanted")]
            ),
            (plan.matched, "of them have their image here"),
            (plan.missing, "of them have none (missing)"),
            (plan.stray, "images that no row names (strays)"),
            (plan.excluded, "files and members left out, as asked"),
            (plan.images, f"images wanted, {size(plan.bytes_in_all)}"),
            (plan.already_there, "of them are in the destination already"),
            (plan.send + plan.replace, f"to be sent, {size(plan.bytes_to_send)}"),
            (plan.replace, "of them replace a blob with other content"),
            (plan.compare, "to be read and compared with what is there"),
            (plan.conflicts, "left alone: a blob with other content is there"),
            (plan.foreign, "other blobs in the destination"),
        ]
        # Where nothing is going anywhere, nothing is to be sent.
        rows = rows if plan.place else [row for row in rows if not row[1].startswith("to be sent")]
        always = ("rows", "of them have", "images wanted", "to be sent")
        shown = [(count, what) for count, what in rows if count or what.startswith(always)]
        title = (
            f"Plan ({escaped(plan.profile)}, share {plan.share})" if plan.share else f"Plan ({escaped(plan.profile)})"
        )
        numbered(self._console, title, shown)
        if plan.source_bytes:
            what = f"{size(plan.source_bytes)} in {plural(plan.source_requests, 'request')}"
            pace = f", {duration(plan.source_s)} at the pace of now" if plan.source_s else ""
            self._say(f"  from other machines: {what}{pace}; nothing of it is kept on this disk", 5)
        if plan.place:
            if self._source:
                self._say(f"  from {escaped(self._source)}", 5)
            self._say(f"  to {escaped(plan.place)}", 5)
        if plan.assumed_s and not self.measures:
            self._lasting(Measured(0.0, max(plan.assumed_s, plan.limited_s)))
        if plan.writes:
            self._cost(plan)
        if plan.examples:
            self._say(f"  [dim]such as {escaped(plan.examples[0])}[/]", 10)
        if plan.archives_absent:
            self._say(f"  [yellow]not here: {escaped(_some(plan.archives_absent))}[/]", 12)

    def _lasting(self, measured: Measured) -> None:
        pace = "at 12.5 MB/s and 500 images/s, assumed until it is measured"
        if self._plan_told is not None and measured.seconds == self._plan_told.limited_s:
            pace = "within --limit"
        elif measured.bytes_per_s:
            speed = size(int(measured.bytes_per_s))
            pace = f"at {speed}/s, measured just now; a load is usually faster after some seconds"
        self._say(f"  about {duration(measured.seconds)} {pace}", 4)

    def _cost(self, plan: PlanReady) -> None:
        """A range, for tiers differ: what the documentation takes for an example is no offer."""
        writes = [plan.writes / 10_000 * price for price in WRITE_PRICES]
        kept = [plan.bytes_in_all / 1e9 * price for price in KEEPING_PRICES]
        self._say(
            f"  at least {amount(plan.writes)} writes: {_usd(*writes)} USD, hot to cold; keeping"
            f" {size(plan.bytes_in_all)}: {_usd(*kept)} USD a month, cool to hot (the documentation's sample prices)",
            4,
        )

    def _summary(self, summary: Summary) -> None:
        self._draw_findings(summary)
        if summary.command in ("load", "check") and summary.rows:
            parts = [
                f"{amount(summary.rows)} rows = {amount(summary.matched)} matched + {amount(summary.missing)} missing"
            ]
            if self._plan_told is not None and not self._plan_told.table:
                # Without a table, rows are the files themselves.
                parts = [plural(summary.rows, "file")]
            if summary.command == "load":
                parts += _counts(summary, "sent", "already_there", "damaged", "held", "conflicts", "failed", "stray")
                if summary.bytes_sent:
                    parts.append(_pace(summary.bytes_sent, summary.moving_seconds))
            else:
                parts += [plural(summary.images, "image"), *_counts(summary, "stray", "damaged", "failed")]
                if summary.bytes_examined:
                    read = _pace(summary.bytes_examined, summary.moving_seconds)
                    parts.append(f"{amount(summary.examined)} of them read, {read}")
            self._say("; ".join(parts), 2)
        elif summary.command == "select" and summary.rows and summary.complete:
            self._say(f"{plural(summary.rows, 'row')} written to {escaped(_place(summary.destination))}")
        elif summary.command == "verify" and summary.images:
            parts = [
                f"{plural(summary.images, 'image')} in the manifest",
                *_counts(summary, "deleted", "changed", "foreign"),
            ]
            self._say("; ".join(parts), 2)
        self._fetched(summary)
        if summary.message:
            say(self._errors, f"[red]laden {self._name or summary.command}:[/] {escaped(summary.message)}", 2)
        self._verdict(summary)

    def _fetched(self, summary: Summary) -> None:
        if summary.command not in ("get", "fetch") or not (summary.complete or summary.fetched):
            return
        told = ("fetched", "already_there", "conflicts", "damaged", "failed")
        what = "image" if summary.command == "get" else "file"
        parts = [plural(summary.images, what), *_counts(summary, *told)]
        if summary.bytes_fetched and summary.seconds:
            speed = int(summary.bytes_fetched / summary.seconds)
            parts.append(f"{size(summary.bytes_fetched)} in {duration(summary.seconds)} ({size(speed)}/s)")
        self._say("; ".join(parts), 2)

    def _verdict(self, summary: Summary) -> None:
        if summary.findings_file:
            more = "laden help findings CODE tells what one means"
            self._say(f"All findings: {escaped(summary.findings_file)}, and as .parquet beside it; {more}", 2)
        if summary.report_file:
            address = Path(summary.report_file).absolute().as_uri()
            self._say(f"A page to look at: [link={address}]{escaped(summary.report_file)}[/link]", 2)
        if summary.message or summary.command == "columns":
            return
        if told := acted(summary):
            self._say(told, 2)
        colour = "yellow" if summary.exit_code == ExitCode.FINDINGS else "green"
        later = summary.command == "load" and summary.complete and not summary.exit_code
        more = f" Later: {escaped(command('verify', summary.destination))}" if later else ""
        if last := verdict(summary, self._plan_told):
            self._say(f"[{colour}]{escaped(last)}[/]{more}", 2)

    def known(self) -> bool:
        """Draw what is known to be wrong before anything is sent; whether it needs a person."""
        self.close()
        counts = {code: len(findings) for code, findings in self._findings.items()}
        self._list_findings("Known already", counts, more="+")
        return any(_gravity(findings) == 0 for findings in self._findings.values())

    def _draw_findings(self, summary: Summary) -> None:
        if self._quiet:
            known = [code for code in self._ordered(summary.findings) if _gravity(self._findings[code]) < _MERELY_TOLD]
            self._list_foremost(known, summary.findings)
        else:
            self._list_findings("Findings", summary.findings)

    def _list_findings(self, title: str, counts: dict[str, int], more: str = "") -> None:
        """The counts of all codes, then the findings that matter most; `more` marks counts of lists that are cut."""
        known = self._ordered(counts)
        if not known:
            return
        self._say(f"[italic]{title}[/]")
        told = [f"{amount(counts[code])}{more if counts[code] >= _TOLD_PER_CODE else ''}" for code in known]
        widths = max(map(len, told)), max(map(len, known))
        for code, count in zip(known, told, strict=True):
            severity = _SEVERITIES[_gravity(self._findings[code])]
            coloured = f"[{_COLOURS[severity]}]{code}[/]{'':{widths[1] - len(code)}}"
            self._say(f"  {count:>{widths[0]}}  {coloured}  {severity.value}")
        self._list_foremost(known, counts)

    def _ordered(self, counts: dict[str, int]) -> list[str]:
        """The codes of what was found, the gravest first."""
        known = [code for code in counts if code in self._findings]
        # What is missing is often so because of what stands above it.
        known.sort(key=lambda code: (_gravity(self._findings[code]), code in _SYMPTOMS, -counts[code], code))
        return known

    def _list_foremost(self, known: list[str], counts: dict[str, int]) -> None:
        """A line for each finding that matters most of these codes, and how many more there are."""
        lists = [self._findings[code] for code in known]
        shown = [finding for findings in lists for finding in findings] if self._verbose else _foremost(lists)
        for finding in shown:
            place = ": ".join(part for part in (finding.archive, finding.member or finding.blob) if part)
            text = escaped(f"{place} - {finding.message}" if place else finding.message)
            self._say(f"  [{_COLOURS[finding.severity]}]{finding.code}[/] {text}", 4)
        if left := sum(counts[code] for code in known) - len(shown):
            self._say(f"  [dim]and {amount(left)} more[/]")


def _pace(size_bytes: int, seconds: float) -> str:
    """`2.5 MB in 2.0 s (1.2 MB/s)`; without a speed where the time is too short to tell one."""
    told = f"{size(size_bytes)} in {duration(seconds)}"
    return f"{told} ({size(int(size_bytes / seconds))}/s)" if seconds >= _LEAST_S else told


def _usd(low: float, high: float) -> str:
    if high < 0.01:
        return "under 0.01"
    return f"{low:,.2f} to {high:,.2f}"


def _gravity(findings: list[Finding]) -> int:
    """Errors before warnings, before what is merely told."""
    return min(_SEVERITIES.index(finding.severity) for finding in findings)


def _foremost(lists: list[list[Finding]]) -> list[Finding]:
    """The findings to draw, from those of each code, the gravest code first."""
    return [finding for findings in lists for finding in findings[:_SHOWN_PER_CODE]][:_SHOWN]


def _place(destination: str) -> str:
    return "stdout" if destination == "-" else destination


_COUNTED = {"conflicts": "conflict", "stray": "stray"}
"""Counts that are named by nouns; others are what became of them."""


def _counts(summary: Summary, *names: str) -> list[str]:
    """The counts that are not nought, with their names; what was sent is always told."""
    counts = [(name, getattr(summary, name)) for name in names]
    return [
        plural(count, _COUNTED[name]) if name in _COUNTED else f"{amount(count)} {name.replace('_', ' ')}"
        for name, count in counts
        if count or name == "sent"
    ]


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
