"""A link, as a person gives it: checked, percent-encoded once, and printable without what is secret in it.

Links may hold a signature, a token or the token of a share, and be worth as much as a password: nothing but requests
gets `url`; messages, pages and metadata get `address`. A user and a password in a link are refused, as a link on a
command line is seen by everybody on the machine (`laden.remote.login` says where they belong).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit, urlunsplit

from laden.values.errors import UsageError
from laden.values.secrets import SHOWN, note

_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CLOUDS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_SECRET = re.compile(r"sig|token|key|credential|policy|secret|password|auth", re.IGNORECASE)
_SHORTEST_SECRET = 8
_SHARE = re.compile(r"(?P<before>.*?)(?:/index\.php)?/s/(?P<token>[A-Za-z0-9._-]{4,64})/?(?:download/?)?", re.DOTALL)
"""Path of a share's page (Nextcloud, ownCloud): `https://host[/base][/index.php]/s/TOKEN[/download]`."""
_SHARED_FILES = re.compile(r"(/public\.php/dav/files/)[^/]+")


@dataclass(frozen=True, slots=True)
class Link:
    """Where something lies: a whole URL, `http` or `https`; or `s3` or `gs` (`laden.remote.clouds`)."""

    url: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port: whoever has another one is somebody else."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def host(self) -> str:
        """Name of the host, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine: an emulator, a test."""
        return _is_loopback(self.host)

    @property
    def in_the_clear(self) -> bool:
        """Whether anybody on the way may read what is sent."""
        return self.url.startswith("http:") and not self.is_local

    @property
    def target(self) -> str:
        """Path and query, as a request has them."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def address(self) -> str:
        """The link without its query and without the token of a share: for messages and for what is kept."""
        parts = urlsplit(self.url)
        path = parts.path
        if (share := _SHARE.fullmatch(path)) is not None:
            path = path.replace(share["token"], SHOWN)
        path = _SHARED_FILES.sub(rf"\g<1>{SHOWN}", path)
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    @property
    def name(self) -> str:
        """The last segment of its path, decoded; empty where there is none."""
        return unquote(urlsplit(self.url).path.rstrip("/").rpartition("/")[2])

    @property
    def share(self) -> tuple[str, str] | None:
        """Where it is a share's page: the server's address up to where its own paths begin, and the share's token."""
        parts = urlsplit(self.url)
        match = _SHARE.fullmatch(parts.path)
        if match is None:
            return None
        return f"{parts.scheme}://{parts.netloc}{match['before']}", match["token"]

    def joined(self, location: str) -> Link:
        """Where a redirect leads.

        Raises:
            ValueError: to no http address, or out of https into the clear.
        """
        url = urljoin(self.url, location)
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError
        link = _noted(parts)
        if self.url.startswith("https:") and link.in_the_clear:
            raise ValueError
        return link

    def __str__(self) -> str:
        return self.address


def is_link(text: str) -> bool:
    """Whether a text is meant as a link, of whatever kind, and not as a path."""
    return bool(_ANY_SCHEME.match(text.strip()))


def parse_link(text: str) -> Link:
    """What a person gave as a link.

    Raises:
        UsageError: it is none that laden reads, or holds a user or a password.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError("a link's host or port is not valid: copy it again") from None
    if parts.scheme in _CLOUDS and host and "@" not in parts.netloc:
        return Link(urlunsplit((_CLOUDS[parts.scheme], parts.netloc, parts.path or "/", "", "")))
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"'{parts.scheme}://' is no source laden can read: give https links, files or a folder")
    if "@" in parts.netloc:
        raise UsageError(
            f"the link to {host} holds a user name or a password, which others see on a command line: put it into"
            f" .netrc (machine {host} login NAME password PASSWORD), or into LADEN_HTTP_USER and LADEN_HTTP_PASSWORD"
        )
    return _noted(parts)


def _noted(parts: SplitResult) -> Link:
    """The link, whose secrets are noted to be kept back from every text."""
    for name, value in parse_qsl(parts.query, keep_blank_values=False):
        if len(value) >= _SHORTEST_SECRET and _SECRET.search(name):
            note(value)
    path = quote(parts.path, safe="/%:@!$&'()*+,;=-._~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=-._~?")
    netloc = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
    link = Link(urlunsplit((parts.scheme, netloc, path, query, "")))
    if (share := link.share) is not None and len(share[1]) >= _SHORTEST_SECRET:
        note(share[1])
    return link


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
