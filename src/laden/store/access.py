"""The SAS of a run, checked before anything is sent, and where another comes from when it ends.

In order: the SAS of the URL or the environment, or else of `--sas-command`; its letters held against what is to be
done; later, when a process of the run needs another, one that somebody else has got already, the program's, or what
the person at the terminal gives. Every new one is checked the same way before it is used. Thread-safe: all processes
of a run share one `Access`, so that a program is run, and a person asked, once. It sends no requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from laden.store.credentials import find_sas
from laden.store.destination import Destination, FolderDestination, parse_destination
from laden.store.sas import Sas, parse_sas, query_of, utc
from laden.values.commands import command
from laden.values.errors import AccessDenied, Interrupted, LadenError, UsageError

_ATTEMPTS = 3
"""Of a person, to give a SAS that fits."""

_FAILURE_HOLDS_S = 5.0
"""A failure is passed on to all who need a SAS at that moment, rather than found anew by each."""

Ask = Callable[[str, Callable[[], bool]], str]
"""Asks a person for a SAS, telling why; empty where none is given, or the second argument says that it is over."""


class Renewal(NamedTuple):
    """What a person gave for the case that the SAS ends."""

    command: str | None = None
    """A program that prints a SAS."""
    ask: Ask | None = None


class Access:
    """Where a run's SAS comes from; the `SasSource` of its credentials."""

    def __init__(
        self,
        destination: Destination | FolderDestination,
        lacking: Callable[[Sas], str],
        renewal: Renewal = Renewal(),  # noqa: B008 - a frozen value
        *,
        tell: Callable[[str], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Find the SAS, where one is used, without running anything.

        Args:
            destination: where it is for.
            lacking: why a SAS is not enough for what is to be done (`laden.store.sas`), or empty.
            renewal: where another comes from.
            tell: told what the program writes to stderr; called from any thread.
            stopping: asked while a program runs or a person is asked; once true, that ends.

        Raises:
            UsageError: the SAS or the command cannot be used.
            AccessDenied: the SAS lacks a permission, or is for something else.
        """
        if renewal.command is not None and isinstance(destination, FolderDestination):
            raise UsageError("--sas-command is for a container: a folder needs no SAS")
        self._destination = destination
        self._lacking = lacking
        self._words = _words_of(renewal.command)
        self._ask = self._asking = renewal.ask
        self._tell = tell
        self._stopping = stopping
        self._closed = False
        self._lock = threading.Lock()
        self._query = find_sas(destination) if isinstance(destination, Destination) else ""
        self._failure: AccessDenied | None = None
        self._failed_s = -math.inf
        self._check()

    def close(self) -> None:
        """The run is over: a program that still runs is ended, a person no longer asked."""
        self._closed = True

    @property
    def ahead(self) -> bool:
        """Whether another SAS comes by itself, before the last one ends."""
        return bool(self._words)

    @property
    def source(self) -> Access | None:
        """Itself, where it can give another SAS; None where the credential of the environment is all there is."""
        return self if self._words or (self._query and self._ask) else None

    @property
    def sas(self) -> Sas | None:
        """What is known of the SAS in use; None where there is none (yet)."""
        return parse_sas(self._query) if self._query else None

    def ends_s(self) -> float:
        """Unix time after which a person is needed; infinity where none is."""
        return self.sas.ends_s if self.sas and not self.ahead else math.inf

    @property
    def remedy(self) -> str:
        """What goes on where it ended, for a sentence."""
        return "a new SAS" if self._query else "a credential that holds"

    def _check(self) -> None:
        if self.sas and (why := self._lacking(self.sas)):
            raise AccessDenied(
                f"the SAS is not enough: {why}; make one with read, create, write and list"
                f" (sp=rcwl), for example with: {command('sas', self._destination)}"
            )

    def _over(self) -> bool:
        return self._closed or self._stopping()

    def fresh(self, old: str, *, refused: bool) -> str:
        """Another SAS than the old one; see `laden.store.credentials.SasSource`."""
        with self._lock:
            if self._query and (self._query != old or not (refused or self.ahead)):
                return self._query
            if self._failure and refused and time.monotonic() - self._failed_s < _FAILURE_HOLDS_S:
                raise AccessDenied(str(self._failure))
            try:
                self._query = self._from_program(refused) if self._words else self._from_person()
            except AccessDenied as error:
                self._failure, self._failed_s = error, time.monotonic()
                raise
            return self._query

    def give(self, text: str) -> None:
        """Go on with a SAS that a person gave without being asked; raises `LadenError` where it does not fit."""
        with self._lock:
            self._query = self._checked(text, refused=True)
            self._failure, self._ask = None, self._asking

    def _from_program(self, refused: bool) -> str:
        from laden.store.program import printed_sas

        text = printed_sas(self._words, self._over, self._tell)
        try:
            return self._checked(text, refused)
        except LadenError as error:
            raise AccessDenied(f"--sas-command gave a SAS that cannot be used: {error}") from None

    def _from_person(self) -> str:
        if self._ask is None:
            raise AccessDenied("there is no other SAS")
        why = "the service does not accept the SAS (any more)"
        if self.sas and self.sas.end and self.sas.state(datetime.now(UTC)) == "ended":
            why = f"the SAS ended at {utc(self.sas.end)}"
        for _ in range(_ATTEMPTS):
            text = self._ask(why, self._over)
            if self._over():
                raise Interrupted("stopped while waiting for a new SAS")
            if not text.strip():
                break
            try:
                return self._checked(text, refused=True)
            except LadenError as error:
                why = str(error)
        self._ask = None
        raise AccessDenied("no new SAS was given")

    def _checked(self, text: str, refused: bool) -> str:
        """The query string of a SAS that fits; raises `LadenError` with the reason where it does not."""
        query = query_of(text)
        if "://" in text:
            given = parse_destination(text)
            if not _same_container(given, self._destination):
                raise AccessDenied(f"it is for another container, {given}")
        sas = parse_sas(query)
        if query == self._query and refused:
            raise AccessDenied("it is the one that the service does not accept any more")
        if sas.end and sas.state(datetime.now(UTC)) == "ended":
            raise AccessDenied(f"it ended already, at {utc(sas.end)}")
        if why := self._lacking(sas):
            raise AccessDenied(why)
        return query


def _words_of(command: str | None) -> list[str]:
    if command is None:
        return []
    from laden.store.program import words_of

    return words_of(command)


def _same_container(one: Destination | FolderDestination, other: Destination | FolderDestination) -> bool:
    if not isinstance(one, Destination) or not isinstance(other, Destination):
        return False
    return (one.endpoint.lower(), one.container) == (other.endpoint.lower(), other.container)
