"""Where a file is to be had right now: the link that a person gave, and the one that it leads to at the moment.

Links end. A start link redirects to a signed one that lives for hours (Kaggle, Box), a program prints another one each
time (`--link-command`). The one that worked last is used until it is refused; then the start is asked again, once for
a refusal, by one request for all that wait, and the same range goes on from there: no byte is read twice.

Redirects are followed with GET alone, and a login stays with the host that it is for (`login`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from laden.remote.link import Link
from laden.remote.login import Login, find_login
from laden.remote.wire import Wire
from laden.store.answers import error_code
from laden.store.connection import Sink
from laden.store.http import Answer
from laden.values.errors import SourceError, StoreError

_MOST_HOPS = 10
_MOST_RENEWALS = 3
"""Of the link, for one request: one that is refused as often is refused for another reason than its age."""
_MOST_USED_UP = 64
"""The same where each of these links gave somebody else an answer: they end after a few uses."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSED = frozenset({401, 403, 410})
_ENDED = ("ExpiredToken", "AuthenticationFailed", "AccessDenied", "InvalidToken", "RequestExpired", "ExpiredRequest")
"""Codes of services whose signed links end; some of them answer 400 with it."""


class Refused(SourceError):  # noqa: N818 - named for what the host said
    """A host does not give the file to whoever asked, or has none under that link."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, "source-refused")
        self.status = status


class _Way(NamedTuple):
    """A link that was followed, and which one it was."""

    link: Link
    turn: int
    walked: bool = False
    """Whether somebody went it to its end: the link is what it leads to."""


class _Question(NamedTuple):
    """What is asked, wherever it is asked."""

    method: str
    headers: dict[str, str]
    body: bytes
    most_bytes: int
    only: int
    sink: Sink | None


class Location:
    """The link to one file. Used within the wire's loop."""

    def __init__(
        self, wire: Wire, start: Link, login: Login | None = None, renew: Callable[[], Link] | None = None
    ) -> None:
        """Take a link.

        Args:
            wire: that requests go through.
            start: as the person gave it.
            login: for its host; None to look for one.
            renew: gives another start link where this one is refused; called in a thread.
        """
        self.start = start
        self._wire = wire
        self.login = find_login(start) if login is None else login
        self._renew = renew
        self._way = _Way(start, 0)
        self._turn = asyncio.Lock()
        self._answered = -1
        """The turn of the latest way that gave an answer."""

    @property
    def current(self) -> Link:
        """What the start leads to, as far as is known."""
        return self._way.link

    async def ask(
        self,
        headers: dict[str, str],
        *,
        most_bytes: int,
        only: int,
        method: str = "GET",
        body: bytes = b"",
        sink: Sink | None = None,
    ) -> Answer:
        """Ask for the file, wherever it is at the moment.

        Args:
            headers: a range, conditions.
            most_bytes: of the body that is hoped for.
            only: the status that is hoped for.
            method: `GET`, or `PROPFIND` for what a share holds.
            body: of the request.
            sink: takes that body as it comes.

        Returns:
            The answer, which is no redirect, no refusal and no weather; whether it is right is for the caller.

        Raises:
            Refused: neither this link nor a fresh one is accepted, or nothing is there.
            StoreError: as `Host.once`.
        """
        question = _Question(method, headers, body, most_bytes, only, sink)
        renewals = used_up = 0
        while True:
            way = self._way
            if way.walked:
                answer, last = await self._follow(way.link, question)
            else:
                async with self._turn:
                    if self._way is not way:
                        continue
                    answer, last = await self._follow(way.link, question)
                    if not _is_refusal(answer):
                        self._way = _Way(last, way.turn, walked=True)
            if not _is_refusal(answer):
                self._answered = max(self._answered, way.turn)
                return self._there(answer, last)
            used_up += 1
            renewals += self._answered < way.turn
            if renewals > _MOST_RENEWALS or used_up > _MOST_USED_UP or not await self._another(way):
                raise self._refused(answer, last)

    async def _follow(self, link: Link, question: _Question) -> tuple[Answer, Link]:
        method, headers, body, most_bytes, only, sink = question
        for _ in range(_MOST_HOPS):
            grant = await self.login.grant(link)
            to = link if not grant.query else Link(f"{link.url}{'&' if '?' in link.url else '?'}{grant.query}")
            answer = await self._wire.host(link).once(
                method, to, {**headers, **grant.headers}, body, most_bytes=most_bytes, only=only, sink=sink
            )
            if answer.status not in _REDIRECTS:
                return answer, link
            try:
                link = link.joined(answer.headers.get("location", ""))
            except ValueError:
                message = f"{self.start} redirects to an address that is not followed: check the link"
                raise Refused(message, answer.status) from None
        raise Refused(f"{self.start} redirects without end: check the link", answer.status)

    async def _another(self, refused: _Way) -> bool:
        """Whether there is another way to try than the one that was refused; the first who asks goes and looks."""
        async with self._turn:
            if self._way.turn != refused.turn:
                return True
            if refused.link.url != self.start.url:
                self._way = _Way(self.start, refused.turn + 1)
                return True
            if self.login.sign_in():
                self._way = _Way(self.start, refused.turn + 1)
                return True
            if self._renew is None:
                return False
            self.start = await asyncio.to_thread(self._renew)
            self._way = _Way(self.start, refused.turn + 1)
            return True

    def _there(self, answer: Answer, link: Link) -> Answer:
        if answer.status in (404, 405) or (answer.status >= 400 and answer.status not in (412, 416)):
            raise self._refused(answer, link)
        return answer

    def _refused(self, answer: Answer, link: Link) -> Refused:
        code = error_code(answer.headers, answer.body)
        status = f"{answer.status} {code}".rstrip()
        by = "" if link.host == self.start.host else f" ({link.host}, where it leads to,)"
        if answer.status == 404:
            return Refused(f"nothing is at {self.start}{by} ({status}): check the link", answer.status)
        if answer.status == 401 and not self.login.known:
            act = f"put the login for {self.start.host} into .netrc, or into LADEN_HTTP_USER and LADEN_HTTP_PASSWORD"
        elif self.login.known:
            act = f"check the login in {self.login.known}, and whether its account may have this file"
        else:
            act = "a link that has ended is to be had anew where it came from; --link-command gets one by itself"
        return Refused(f"{self.start}{by} is refused with {status}: {act}", answer.status)


def as_source_error(error: StoreError, archive: str) -> SourceError:
    """What a store's errors are called where a source is read."""
    return SourceError(f"{archive} cannot be read: {error}; run the same command again to go on")


def _is_refusal(answer: Answer) -> bool:
    if answer.status in _REFUSED:
        return True
    return answer.status in (400, 404, 409) and error_code(answer.headers, answer.body) in _ENDED
