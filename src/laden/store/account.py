"""What lies above a container: the account's containers, and who may read without signing in.

Sources: the REST reference's "List Containers", and "Remediate anonymous read access to blob data" for the answers
that anonymous requests get. Everything is asked of the Blob service; nothing here changes anything.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

from laden.store.answers import error_code
from laden.store.blob import BlobStore
from laden.store.credentials import Credential, Grant
from laden.store.destination import Destination
from laden.store.http import Answer
from laden.values.errors import StoreError

_ANY = (200, 400, 401, 403, 404, 409)


class Container(NamedTuple):
    """One container of an account."""

    name: str
    public: str
    """What may be read without signing in: `blob`, `container` (its listing too), or empty for nothing."""


class Privacy(NamedTuple):
    """What an anonymous request is told."""

    container: str
    """What anybody may read: `blob`, `container`, or empty for nothing."""
    account_allows: bool | None
    """Whether containers of the account may be made public; None where the answer does not tell."""


async def list_containers(endpoint: str, account: str, credential: Credential, most: int = 0) -> list[Container]:
    """The containers of an account, in name order; the first `most` of them where that is not 0.

    Raises:
        AccessDenied: the credential may not list containers; a container's own SAS never may.
        StoreError: the service did not answer as it should.
    """
    store = BlobStore(Destination(account, endpoint, ""), credential)
    found: list[Container] = []
    marker = ""
    try:
        while True:
            query = "comp=list" + (f"&maxresults={most}" if most else "")
            query += f"&marker={quote(marker, safe='')}" if marker else ""
            answer = await store.request("GET", "", (200,), "list", query)
            page, marker = _containers(answer.body)
            found += page
            if not marker or most:
                return found
    finally:
        await store.close()


def _containers(body: bytes) -> tuple[list[Container], str]:
    try:
        root = ET.fromstring(body)  # noqa: S314 - no external entities are loaded; expat bounds internal ones
    except (ET.ParseError, ValueError):
        raise StoreError("the service answered with a list of containers that is not whole") from None
    names = [
        Container(element.findtext("Name") or "", element.findtext("Properties/PublicAccess") or "")
        for element in root.iterfind("Containers/Container")
    ]
    return names, root.findtext("NextMarker") or ""


def stranger(destination: Destination) -> BlobStore:
    """The container as somebody without any credential meets it; close it."""
    return BlobStore(destination, Credential("anonymous request", lambda _: Grant("", "", float("inf"))))


async def look_from_outside(outsider: BlobStore, blob: str = "") -> tuple[Privacy, Answer]:
    """What a stranger gets to see of a container; and the answer to the first request, for its headers.

    Args:
        outsider: what `stranger` returned.
        blob: one that is there, below the prefix, to be asked for; a container may show its blobs and no listing.

    Raises:
        StoreError: the service cannot be reached.
    """
    listing = await outsider.request("GET", "", _ANY, "list", "restype=container&comp=list&maxresults=1")
    public = "container" if listing.status == 200 and b"<EnumerationResults" in listing.body else ""
    if not public and blob:
        head = await outsider.request("HEAD", blob, _ANY, "read")
        public = "blob" if head.status == 200 else ""
    return Privacy(public, _account_allows(listing, public)), listing


def _account_allows(listing: Answer, public: str) -> bool | None:
    """An account that forbids it says so; one that allows it hides a private container behind a 404."""
    code = error_code(listing.headers, listing.body)
    if code == "PublicAccessNotPermitted":
        return False
    return True if public or listing.status == 404 else None
