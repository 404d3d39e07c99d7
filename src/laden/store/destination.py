"""DEST, as a person types it: parsed once, checked, and printable without its secret.

A destination is `https://<account>.blob.core.windows.net/<container>[/<prefix>][?<SAS>]`, the emulator's
`http://127.0.0.1:<port>/<account>/<container>[/<prefix>]`, or a local folder, written as a path. What else is meant for
a cloud is refused with the right form (`laden.store.slips`). Nothing is asked of the network here.
"""

from __future__ import annotations

import ipaddress
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from laden.store.slips import bare, no_folder, slip
from laden.values.errors import UsageError
from laden.values.names import problem
from laden.values.room import free_bytes
from laden.values.secrets import redact
from laden.values.units import size

_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}")
"""3 to 63 lower-case letters, digits and single dashes (Naming and Referencing Containers, Microsoft Learn)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A container in a Blob service, and a prefix in it."""

    account: str
    endpoint: str
    """Scheme, host and, for path-style addresses, the account: what comes before `/<container>`."""
    container: str
    prefix: str = ""
    """Without slashes at its ends; empty for the container's root."""
    sas: str = field(default="", repr=False)
    """Query string of a shared access signature, as typed in the URL; secret."""
    sas_variable: str = "LADEN_SAS"
    """Of the environment: where its SAS is looked for, if there is none in the URL."""

    def __str__(self) -> str:
        """Its address, which `parse_destination` takes back; without the SAS. What is readable is left so."""
        return "/".join(
            part for part in (self.endpoint, self.container, _UNREADABLE.sub(_encoded, self.prefix)) if part
        )

    @property
    def about(self) -> str:
        """What it is, for a person."""
        below = f", below {self.prefix}" if self.prefix else ""
        return f"the container {self.container} of the account {self.account}{below}"

    @property
    def is_local(self) -> bool:
        """Whether the service runs on this machine (an emulator, a test)."""
        return _is_loopback(urlsplit(self.endpoint).hostname or "")

    def url(self, name: str = "") -> str:
        """Address of a blob below the prefix, percent-encoded (RFC 3986), without credentials."""
        path = "/".join(part for part in (self.container, self.prefix, name) if part)
        return f"{self.endpoint}/{quoted(path)}"


def without_secret(destination: str) -> str:
    """A destination as it may be shown: without its query or what was meant as one, and without secrets."""
    # First the whole: cut at a `#` in it, a login is none any more.
    shown = re.split(r"[?#]" if "://" in destination else r"\?", redact(destination))[0]
    # A SAS's fields come in any order, so that nothing behind the container's name is safe where one of them is.
    if "sig=" in unquote(shown):
        shown = re.split(r"[&;,]|[^/]*sig(?:=|%3D)", shown, flags=re.IGNORECASE)[0]
    return redact(shown)


def named_fully(destination: str) -> str:
    """A destination as a file names it that is read later, elsewhere: a folder by its real path; without secrets.

    Raises:
        UsageError: it is none.
    """
    parsed = parse_destination(destination)
    if isinstance(parsed, FolderDestination):
        return os.path.realpath(parsed.path)
    return without_secret(destination)


def is_named_fully(destination: str) -> bool:
    """Whether it means the same place in every working folder and for every user."""
    return "://" in destination or Path(destination).is_absolute()


def quoted(path: str) -> str:
    """A path, percent-encoded (RFC 3986, section 3.3)."""
    # Most of a million names need nothing; `quote` takes ten times as long to find that out.
    return path if _UNRESERVED.fullmatch(path) else quote(path, safe="/-._~")


def _encoded(sign: re.Match[str]) -> str:
    return quote(sign[0], safe="")


_UNRESERVED = re.compile("[A-Za-z0-9/._~-]*")
_UNREADABLE = re.compile(r"[^\w/._~!$&'()*+,;=:@-]")
"""What an address must not hold as it is (RFC 3986, section 3.3), but for the letters of all languages (RFC 3987)."""


@dataclass(frozen=True, slots=True)
class FolderDestination:
    """A local folder that keeps the layout of a container: the offline twin."""

    path: Path

    def __str__(self) -> str:
        """Its path, which `parse_destination` takes back."""
        return _typed(self.path)

    @property
    def about(self) -> str:
        """What it is, for a person: that it is on this machine, and how much room there is."""
        return f"a local folder, {self.path} ({size(self.free_bytes())} free)"

    def free_bytes(self) -> int:
        """Room on the disk that it is on, or will be."""
        return free_bytes(self.path)


def place_of(place: str | Path) -> str:
    """A destination from Python, as a person would type it: a path is a folder, however it was made.

    One that was made of an address has lost a slash; it stays as it is, to be told as that.
    """
    if isinstance(place, str) or slip(str(place)):
        return str(place)
    return _typed(os.path.join(os.curdir, place.expanduser()))  # noqa: PTH118 - pathlib drops the dot


def _typed(path: str | Path) -> str:
    """A path as a person would type it: behind a slash, blanks at its end are part of it."""
    return text if bare(text := str(path)) == text else f"{text}{os.sep}"


def parse_destination(text: str) -> Destination | FolderDestination:
    """What a person typed as DEST.

    Raises:
        UsageError: not an address laden can load to, with what is wrong with it.
    """
    text = bare(text)
    if sentence := slip(text):
        raise UsageError(sentence)
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        return _folder(text)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
        segments = [unquote(segment, errors="strict") for segment in parts.path.split("/") if segment]
    except ValueError:
        raise UsageError("the destination's host, port or percent-encoding is not valid") from None
    _check_scheme(parts, host)
    path_style = _is_loopback(host) or _is_address(host)
    account = segments.pop(0) if path_style and segments else host.partition(".")[0]
    if not segments:
        wanted = "<account>/<container>" if path_style else "<container>"
        raise UsageError(f"the destination names no container: {parts.scheme}://{parts.netloc}/{wanted}")
    container, prefix = segments[0], "/".join(segments[1:])
    if not _CONTAINER.fullmatch(container):
        raise UsageError(
            f"'{container}' cannot be a container's name: 3 to 63 lower-case letters, digits and single dashes,"
            " beginning and ending with a letter or digit"
        )
    if prefix and (reason := problem(prefix)):
        raise UsageError(f"the prefix '{prefix}' cannot be used: {reason}")
    endpoint = f"{parts.scheme}://{parts.netloc}" + (f"/{account}" if path_style else "")
    return Destination(account, endpoint, container, prefix, parts.query)


def _folder(text: str) -> FolderDestination:
    if not text:
        raise UsageError("the destination is empty: give a container's URL or a folder")
    if sentence := no_folder(text):
        raise UsageError(sentence)
    try:
        path = Path(text).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"there is no home folder for '{Path(text).parts[0]}': give the folder's whole path") from None
    with suppress(OSError):
        there = next(above for above in (path, *path.parents) if above.exists())
        if not there.is_dir():
            kind = "a file" if there.is_file() else "a device, a pipe or the like"
            raise UsageError(f"{there} is {kind}, and no folder can be there: give a folder")
    return FolderDestination(path)


def _check_scheme(parts: SplitResult, host: str) -> None:
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(
            f"'{parts.scheme}://' is not a destination laden can load to:"
            " give https://<account>.blob.core.windows.net/<container> or a folder"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(f"http://{host} would send data and credentials in the clear: use https://")
    if parts.username or parts.password or "@" in parts.netloc:
        raise UsageError("the destination must not hold a user name or password; put a SAS in LADEN_SAS")
    if "sig=" in unquote(parts.path):
        raise UsageError("a SAS follows the container's address after a '?': copy the whole SAS URL, or use LADEN_SAS")
    if parts.fragment:
        raise UsageError("the destination holds a '#': write it as %23 where it belongs to the prefix")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
