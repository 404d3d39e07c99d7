"""Who laden is to a host that a source lies on: from `.netrc`, from the environment, from the link, or nobody.

In this order: what the link itself says (a share's token, a SAS in its query), `LADEN_HTTP_TOKEN` or `LADEN_HTTP_USER`
and `LADEN_HTTP_PASSWORD`, the host's own entry in `.netrc` (`NETRC` names another file); for Kaggle's host its own
`KAGGLE_USERNAME` and `KAGGLE_KEY`; for Azure an account's key of the environment, and a sign-in where an anonymous
request was refused. A login goes to the host of the link that a person gave, and to no other that one redirects to;
and never in the clear. The two settings of laden's own are for one host: with links to several, `.netrc` says which.
"""

from __future__ import annotations

import base64
import netrc
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from laden.remote.link import Link
from laden.store.credentials import Credential, find_key, identity_credential, key_credential
from laden.store.destination import Destination
from laden.store.trust import is_azure
from laden.values.errors import UsageError
from laden.values.secrets import note

TOKEN, USER, PASSWORD = "LADEN_HTTP_TOKEN", "LADEN_HTTP_USER", "LADEN_HTTP_PASSWORD"
_KAGGLE = "www.kaggle.com"
_API_VERSION = "2023-11-03"
"""Without one, Azure answers as in 2009, when it knew no open ranges and told nobody that it knows any at all."""


class Grant(NamedTuple):
    """What is added to one request."""

    headers: dict[str, str]
    query: str = ""

    def __repr__(self) -> str:
        return f"Grant({', '.join(self.headers)})"


@dataclass
class Login:
    """What goes to one host with each request. Made before the run, picklable; asked in the event loop."""

    origin: str
    header: str = field(default="", repr=False)
    """Value of `Authorization`; empty for none."""
    headers: dict[str, str] = field(default_factory=dict)
    azure: Destination | None = field(default=None, repr=False)
    """Of a blob in Azure whose link has no SAS."""
    known: str = ""
    """Where it was found, for a sentence; empty where there is none."""
    _credential: Credential | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_credential": None}

    async def grant(self, link: Link) -> Grant:
        """What this host gets, where the link leads to it; nothing for any other host."""
        headers = dict(self.headers) if link.origin == self.origin else {}
        if is_azure(link.host):
            headers["x-ms-version"] = _API_VERSION
        if link.origin != self.origin or link.in_the_clear:
            return Grant(headers)
        if self._credential is not None:
            given = await self._credential.grant()
            if given.header:
                headers["Authorization"] = given.header
            return Grant(headers, given.query)
        if self.header:
            headers["Authorization"] = self.header
        return Grant(headers)

    def sign_in(self) -> bool:
        """Whether there is another credential to try after a refusal; it is used from now on."""
        if self.azure is None or self._credential is not None:
            return False
        key = find_key(self.azure)
        if not key and not is_azure(urlsplit(self.origin).hostname or ""):
            return False
        self._credential = key_credential(self.azure, key) if key else identity_credential()
        self.known = "the account key" if key else "the sign-in"
        return True


def find_login(link: Link) -> Login:
    """The login for the host of a link that a person gave.

    Raises:
        UsageError: settings that contradict each other.
    """
    if (azure := _azure(link)) is not None:
        return Login(link.origin, headers={"x-ms-version": _API_VERSION}, azure=azure)
    if "sig" in parse_qs(urlsplit(link.url).query):
        return Login(link.origin, headers={"x-ms-version": _API_VERSION})
    token, user = os.environ.get(TOKEN, ""), os.environ.get(USER, "")
    if token and user:
        raise UsageError(f"{TOKEN} and {USER} are both set: a host gets one of them, unset the other")
    if token:
        note(token)
        return Login(link.origin, f"Bearer {token}", known=TOKEN)
    if user:
        return basic(link.origin, user, password(), USER)
    if link.host == _KAGGLE and (key := os.environ.get("KAGGLE_KEY", "")):
        return basic(link.origin, os.environ.get("KAGGLE_USERNAME", ""), key, "KAGGLE_KEY")
    if (found := _of_netrc(link.host)) is not None:
        return basic(link.origin, *found, ".netrc")
    return Login(link.origin)


def basic(origin: str, user: str, password: str, known: str) -> Login:
    """A login by name and password (RFC 7617)."""
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()
    note(packed, password)
    return Login(origin, f"Basic {packed}", known=known)


def password() -> str:
    """The password that a person set for the host that is asked, also a share's; empty where there is none."""
    return os.environ.get(PASSWORD, "")


def refuse_many_hosts(links: Iterable[Link]) -> None:
    """Refuse a login of the environment that would go to several hosts.

    Raises:
        UsageError: it would.
    """
    name = next((name for name in (TOKEN, USER) if os.environ.get(name)), None)
    hosts = sorted({link.host for link in links if _azure(link) is None})
    if name and len(hosts) > 1:
        raise UsageError(
            f"{name} would go to {hosts[0]} and to {hosts[1]}: put each host's own login into .netrc instead"
        )


def _azure(link: Link) -> Destination | None:
    """The account of a link to Azure that holds no SAS."""
    parts = urlsplit(link.url)
    if "sig" in parse_qs(parts.query):
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if is_azure(link.host):
        return Destination(link.host.partition(".")[0], link.origin, segments[0] if segments else "")
    if link.is_local and len(segments) > 1 and segments[0] == "devstoreaccount1":
        return Destination(segments[0], f"{link.origin}/{segments[0]}", segments[1])
    return None


def _of_netrc(host: str) -> tuple[str, str] | None:
    """User and password of a host's own entry; no default entry is used, which would go to anybody."""
    named = os.environ.get("NETRC", "")
    names = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    path = next((path for path in names if path.is_file()), None)
    if path is None:
        return None
    try:
        entries = netrc.netrc(str(path)).hosts
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        where = f", line {error.lineno}" if isinstance(error, netrc.NetrcParseError) and error.lineno else ""
        raise UsageError(f"{path} cannot be read{where}: correct it, or name another file in NETRC") from None
    entry = entries.get(host)
    if entry is None:
        return None
    user, _, password = entry
    return user, password or ""
