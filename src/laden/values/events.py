"""What happens during a load, as typed values that any face can render: a terminal, JSON lines, a notebook.

A verb calls an observer with each event, in order, from one thread. Events hold numbers and names, never
bytes and never secrets. `to_json` gives the one-line form of `--json`; the last event of every run is a `Summary`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from laden.values.records import Finding, Step, TableFacts
from laden.values.secrets import redacted
from laden.values.signs import Counted, Outage, Progress, Retried, Waiting


@dataclass(frozen=True, slots=True)
class Started:
    """A stage begins.

    `listing`, `source`, `table`, `archives`, `checksums`, `images`, `plan`, `measure`, `word`, `transfer`, `verify`,
    `reading`, `lock`, `download`, `manifest`, `acting` or `report`.
    """

    event: ClassVar[str] = "started"
    stage: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about this run (not the data) that a person should know at once."""

    event: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, as it is made. Long lists are cut here; the findings file has every one."""

    event: ClassVar[str] = "finding"
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a plan knows already, and a summary still says. `rows = matched + missing`."""

    rows: int = 0
    """Selected records of the table; without a table, the files wanted."""
    matched: int = 0
    missing: int = 0
    images: int = 0
    """Blobs that should be there: those already there, sent, and the rest."""
    stray: int = 0
    already_there: int = 0
    conflicts: int = 0
    foreign: int = 0
    """Blobs in the destination that neither table nor manifest knows."""
    selection: tuple[Step, ...] = ()
    """What each step of a selection left, in order; empty where all rows were wanted."""
    excluded: int = 0
    """Files and members that were left out as asked (`--exclude`, `--include`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReady(Counts):
    """What the joins of table, archives and container say, before anything is sent."""

    event: ClassVar[str] = "plan"
    profile: str
    table: str
    send: int
    replace: int
    compare: int
    """To be read and compared, because the listing alone cannot tell whether the content is the same."""
    bytes_to_send: int
    bytes_in_all: int
    archives_absent: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    """Some names of blobs to be sent."""
    place: str = ""
    """Where it goes, for a person: the container, or the local folder; empty where nothing is sent."""
    writes: int = 0
    """Requests that a cloud will bill as writes, at least; large images need more. 0 for what nobody bills."""
    assumed_s: float = 0.0
    """How long sending takes at an assumed speed (100 Mbit/s, 500 blobs a second); 0 for a folder."""
    limited_s: float = 0.0
    """How long it takes at least, as sending is capped; 0 where nothing caps it."""
    source_bytes: int = 0
    """To be fetched from other machines for it; 0 where the source lies on this one."""
    source_requests: int = 0
    """In so many requests."""
    source_s: float = 0.0
    """How long that takes at the pace that a dry run measured; 0 where none was measured."""
    share: str = ""
    """What of it falls to this run, as in 2/5; empty for all of it."""

    @property
    def to_settle(self) -> int:
        """Images that have to be read."""
        return self.send + self.replace + self.compare


@dataclass(frozen=True, slots=True, kw_only=True)
class ActReady:
    """What a command would do to blobs that are there, before it does."""

    event: ClassVar[str] = "act"
    action: str
    """`delete`, `undelete`, `set` or `copy`."""
    sentence: str
    """What, how many and where, for a person."""
    blobs: int
    bytes: int
    of: int
    """Images in the manifest."""
    undo: str = ""
    """Whether it can be undone."""
    costs: tuple[str, ...] = ()
    """What it will cost, or take beside money, a sentence each."""
    examples: tuple[str, ...] = ()
    """Some names."""
    selection: tuple[Step, ...] = ()
    """What each step of a selection left; empty where all images were meant."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the way to the destination carries just now, told before a person is asked whether to go on."""

    event: ClassVar[str] = "measured"
    bytes_per_s: float
    """With a few requests at once; 0 where it could not be measured."""
    seconds: float
    """How long sending would take; by an assumed speed where nothing was measured."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What each step of a selection left of a table, where no images are concerned."""

    event: ClassVar[str] = "selected"
    selection: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """What the columns of a table hold."""

    event: ClassVar[str] = "columns"
    profile: str
    """Name of the profile that declares their types; empty where none knows the table."""
    facts: TableFacts
    all_values: bool = False
    """Whether every value is listed, and not the commonest ones."""


@dataclass(frozen=True, slots=True)
class ToFetch:
    """What is to be brought to this machine, before anything is."""

    event: ClassVar[str] = "to-fetch"
    files: int
    bytes_in_all: int
    """Some of it may be there already: that is seen while it runs."""
    place: str
    """Where it goes, for a person."""


@dataclass(frozen=True, slots=True)
class Total:
    """What the images of a place come to, taken together by something of theirs."""

    event: ClassVar[str] = "total"
    by: str
    """`all`, `folder`, `label`, `tier` or `state`."""
    value: str
    """Which folder, label ...; empty for all, and for images that have none."""
    images: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Compared:
    """How many names of two places have the same content, and how many do not."""

    event: ClassVar[str] = "compared"
    same: int
    other: int
    only_here: int
    only_there: int
    unknown: int
    """Of the same length, where nothing that both places know tells whether their bytes are the same."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One record of what was done to a destination; see docs/history.md."""

    event: ClassVar[str] = "record"
    number: int
    when: str
    """UTC, as in `2026-11-26T19:30:00Z`."""
    who: str
    """Empty where nobody told."""
    command: str
    arguments: dict[str, Any]
    source: str
    counts: dict[str, int]
    laden: str
    """Version that did it."""
    profile: str
    documents: dict[str, str]
    """MD5 of table, manifest and the like, by name."""
    page: str
    """MD5 of `_laden/load.json`."""
    begun: bool = False
    """Whether it tells that the deed began; another record tells its end, if it came to one."""
    needs_person: dict[str, int] = field(default_factory=dict)
    """Of a load or copy that ended: how many of its findings need a person, by their codes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Something of the cloud as it is now: an account, a container."""

    event: ClassVar[str] = "shown"
    kind: str
    facts: dict[str, Any]
    """Names as they are told to people, and values that JSON knows."""
    state: str = ""
    """What was done about it: `created`, or `already there`; empty where it was only looked at."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One line of `doctor`."""

    event: ClassVar[str] = "checked"
    check: str
    outcome: str
    """`pass`, `warn`, `fail`, or `untested`."""
    message: str
    todo: str = ""
    """What to do about it, where something is to be done."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A page is served on this machine, and can be opened."""

    event: ClassVar[str] = "serving"
    url: str
    """With a token that works once."""
    write: bool
    """Whether what is shown may be changed from the page."""


@dataclass(frozen=True, slots=True, repr=False)
class Summary(Counts):
    """How a run ended: the last event."""

    event: ClassVar[str] = "summary"
    command: str
    source: str = ""
    destination: str = ""
    damaged: int = 0
    """Members that are not what their archive declares (never sent), and images broken inside (sent as they are)."""
    sent: int = 0
    failed: int = 0
    deleted: int = 0
    """Of `verify`: blobs the manifest names that are gone."""
    changed: int = 0
    """Of `verify`: blobs whose length or MD5 is not the manifest's."""
    examined: int = 0
    """Of `check`: files that were read whole, and looked into where their kind is known. Of `verify`: images that were
    read back and hashed."""
    unseen: int = 0
    """Files of this run that were not looked into, or not to the end: nobody knows whether they are whole."""
    held: int = 0
    """Not sent, as asked, because they may say who a person is."""
    fetched: int = 0
    """Of `get`: files that were brought to this machine."""
    bytes_fetched: int = 0
    acted: int = 0
    """Of `prune`, `undelete`, `set`, and what is done from the page of `explore`: blobs to which it was done."""
    as_wanted: int = 0
    """Of the same: blobs that were so already."""
    left: int = 0
    """Of the same: blobs that were left as they are, because they changed or the service refused."""
    bytes_sent: int = 0
    bytes_examined: int = 0
    retries: int = 0
    seconds: float = 0.0
    """All of it, but for what a person took to answer."""
    moving_seconds: float = 0.0
    """Of these, while images were sent or read: without planning, listing and proof."""
    complete: bool = False
    share: str = ""
    """The share of a load that was sent and proved, as in 2/5: not the whole of it, so never `complete`."""
    findings: dict[str, int] = field(default_factory=dict)
    """How often each finding code was given."""
    findings_file: str = ""
    report_file: str = ""
    """The HTML report, where one was written."""
    message: str = ""
    """One sentence when the run did not end as it should."""
    exit_code: int = 0

    @property
    def by_notes(self) -> bool:
        """Of `verify`: whether a folder's images were held by what is noted beside them, and not by all their bytes."""
        in_a_folder = bool(self.destination) and "://" not in self.destination
        return self.command == "verify" and in_a_folder and self.examined < self.images

    def __repr__(self) -> str:
        """What there is to say: fields that are not as in an empty one."""
        return f"Summary({', '.join(f'{name}={value!r}' for name, value in self._told().items())})"

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        rows = "".join(
            f"<tr><th>{html.escape(name.replace('_', ' '))}</th><td>{html.escape(_shown(value))}</td></tr>"
            for name, value in self._told().items()
        )
        return f"<table>{rows}</table>"

    def _told(self) -> dict[str, Any]:
        always = ("command", "complete", "exit_code")
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name in always or getattr(self, one.name) not in ("", 0, 0.0, (), {}, None)
        }


Event = (
    Started
    | Warned
    | Found
    | PlanReady
    | Measured
    | ActReady
    | Selected
    | Described
    | ToFetch
    | Total
    | Compared
    | Remembered
    | Progress
    | Counted
    | Retried
    | Outage
    | Waiting
    | Shown
    | Checked
    | Serving
    | Summary
)
Observer = Callable[[Event], None]


def _shown(value: Any) -> str:
    """A field for a person."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{count:,} {code}" for code, count in value.items())
    if isinstance(value, tuple):
        return ", ".join(f"{step.step} {step.about}: {step.rows:,}" for step in value)
    return str(value)


def to_json(event: Event) -> str:
    """One line of JSON in ASCII, whatever names hold and the terminal can show; `event` comes first."""
    told = event.finding._asdict() if isinstance(event, Found) else asdict(event)
    return json.dumps({"event": event.event, **redacted(told)}, separators=(", ", ": "))


def ignore(_: Event) -> None:
    """The observer that does nothing."""
