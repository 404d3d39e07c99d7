"""Signs of life: how far a run is, and what it waits for. Events as those of `events`, a few times a second at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the transfer is, or another stage that reads all bytes; several times a second at most."""

    event: ClassVar[str] = "progress"
    images: int
    """Or files, where whole ones are read."""
    images_in_all: int
    bytes: int
    bytes_in_all: int
    seconds: float
    """Since the first of them; planning and questions are not in it."""
    retries: int
    waiting: str = ""
    """Why requests are waiting for a retry right now; empty while all is well."""
    bytes_per_s: float = 0.0
    """Of the last half minute."""
    limit: str = ""
    """What keeps it from being faster: `service`, `link`, `--limit`, `disk` or `processor`; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How far a stage is that only counts: rows read, members or blobs listed; a few times a second at most."""

    event: ClassVar[str] = "counted"
    count: int
    what: str


@dataclass(frozen=True, slots=True)
class Retried:
    """Attempts that failed and will be repeated, since this was told last; once a second at most."""

    event: ClassVar[str] = "retried"
    attempts: int
    throttled: int
    """So many of them because the service asked for less."""
    reason: str
    """Of the last one."""


@dataclass(frozen=True, slots=True)
class Outage:
    """The destination does nothing for anybody, or does so again."""

    event: ClassVar[str] = "outage"
    seconds: float
    """For how long already, or how long it was."""
    over: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that the cloud takes its time for."""

    event: ClassVar[str] = "waiting"
    what: str
    seconds: float
    """For how long already."""
