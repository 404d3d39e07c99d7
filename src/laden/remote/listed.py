"""What links to many files hold: shares of Nextcloud and ownCloud (WebDAV), and containers of Azure.

Each is read strictly, a share folder by folder, a container page by page. What a listing says of a file is its name,
its link, its length, and what vouches for its content.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.etree import ElementTree as ET

from laden.remote.answers import Version
from laden.remote.link import Link
from laden.remote.location import Location, Refused
from laden.remote.login import PASSWORD, Login, basic, find_login, password
from laden.remote.wire import Wire
from laden.store.answers import tree
from laden.store.trust import is_azure
from laden.values.errors import SourceError, TransientStoreError
from laden.values.units import whole_number

_MOST_FOLDERS = 10_000
_MOST_BYTES = 64 << 20
_DAV = "{DAV:}"
_MULTI_STATUS = 207
_WANTED = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:resourcetype/><d:getcontentlength/><d:getetag/>'
    b"<d:getlastmodified/></d:prop></d:propfind>"
)


class Listed(NamedTuple):
    """One file of a listing."""

    name: str
    """Path below what was listed."""
    link: Link
    login: Login
    version: Version


def lists(link: Link) -> bool:
    """Whether a link leads to many files, as far as it says so itself."""
    return link.share is not None or _container(link) is not None


async def listed(wire: Wire, link: Link) -> list[Listed]:
    """All files that a link leads to; within the wire's loop.

    Raises:
        SourceError: it cannot be listed.
        StoreError: its host does not answer.
    """
    if link.share is not None:
        return await _share(wire, link)
    parts = _container(link)
    assert parts is not None
    return await _blobs(wire, link, *parts)


async def _share(wire: Wire, link: Link) -> list[Listed]:
    assert link.share is not None
    base, token = link.share
    login = basic(link.origin, token, password(), PASSWORD)
    try:
        return await _folders(wire, Link(f"{base}/public.php/webdav/"), login)
    except Refused as error:
        if error.status not in (404, 405):
            raise
    # Newer servers have shares there alone.
    return await _folders(wire, Link(f"{base}/public.php/dav/files/{token}/"), login)


async def _folders(wire: Wire, top: Link, login: Login) -> list[Listed]:
    found: list[Listed] = []
    pending, seen = [top.url], {top.url}
    while pending:
        url = pending.pop()
        for href, is_folder, version in await _folder(wire, Link(url), login):
            inside = Link(urljoin(url, href))
            if inside.origin != top.origin or not inside.url.startswith(top.url):
                continue
            if not is_folder:
                found.append(Listed(unquote(inside.url[len(top.url) :]), inside, login, version))
            elif inside.url not in seen and len(seen) < _MOST_FOLDERS:
                seen.add(inside.url)
                pending.append(inside.url)
    return found


async def _folder(wire: Wire, link: Link, login: Login) -> list[tuple[str, bool, Version]]:
    location = Location(wire, link, login)
    answer = await wire.host(link).repeat(
        lambda: location.ask(
            {"Depth": "1", "Content-Type": "application/xml"},
            most_bytes=_MOST_BYTES,
            only=_MULTI_STATUS,
            method="PROPFIND",
            body=_WANTED,
        )
    )
    if answer.status != _MULTI_STATUS:
        raise Refused(f"{link} is no share that can be listed ({answer.status}): check the link", 405)
    try:
        return [_described(one) for one in tree(answer.body.decode("utf-8-sig")).iter(f"{_DAV}response")]
    except (ET.ParseError, LookupError, ValueError):
        raise SourceError(f"{link} lists its files in a way that cannot be read: check the link") from None


def _described(response: ET.Element) -> tuple[str, bool, Version]:
    href = (response.findtext(f"{_DAV}href") or "").strip()
    length = whole_number(next((one.text for one in response.iter(f"{_DAV}getcontentlength")), None))
    modified = next((one.text or "" for one in response.iter(f"{_DAV}getlastmodified")), "")
    is_folder = next(response.iter(f"{_DAV}collection"), None) is not None
    # Of a file that says no length, the first answer tells it. ETags of listings need not be those of files.
    return href, is_folder, Version(-1 if length is None else length, "", modified)


def is_account(link: Link) -> bool:
    """Whether a link is to an account of Azure, and to no container in it."""
    segments, before = _segments(link)
    return before is not None and len(segments) <= before


def _segments(link: Link) -> tuple[list[str], int | None]:
    """The parts of a link's path, and how many come before a container's name; None where it is none of Azure."""
    segments = [segment for segment in urlsplit(link.url).path.split("/") if segment]
    return segments, 0 if is_azure(link.host) else 1 if link.is_local and segments[:1] == ["devstoreaccount1"] else None


def _container(link: Link) -> tuple[str, str] | None:
    """The address of a container and a prefix in it, where a link is to that and not to one blob."""
    segments, before = _segments(link)
    if before is None or len(segments) <= before:
        return None
    inside = segments[before + 1 :]
    if inside and "." in inside[-1]:
        return None
    return f"{link.origin}/{'/'.join(segments[: before + 1])}", unquote("/".join(inside))


async def _blobs(wire: Wire, link: Link, container: str, prefix: str) -> list[Listed]:
    query = urlsplit(link.url).query
    login = find_login(link)
    found: list[Listed] = []
    marker, below = "", f"{prefix}/" if prefix else ""
    while True:
        asked = f"restype=container&comp=list&prefix={quote(below, safe='')}&marker={quote(marker, safe='')}"
        page = Link(f"{container}?{asked}" + (f"&{query}" if query else ""))
        body = await _page(wire, page, login)
        blobs, marker = _of_page(body)
        for name, version in blobs:
            inside = Link(f"{container}/{quote(name, safe='/-._~')}" + (f"?{query}" if query else ""))
            found.append(Listed(name[len(below) :], inside, login, version))
        if not marker:
            return found


async def _page(wire: Wire, page: Link, login: Login) -> bytes:
    location = Location(wire, page, login)
    answer = await wire.host(page).repeat(lambda: location.ask({}, most_bytes=_MOST_BYTES, only=200))
    if answer.status != 200:
        raise SourceError(f"{page} cannot be listed: it answered {answer.status}")
    return answer.body


def _of_page(body: bytes) -> tuple[list[tuple[str, Version]], str]:
    """Names and versions of a page of "List Blobs", and where the next one begins."""
    try:
        root = tree(body.decode("utf-8-sig"))
    except (ET.ParseError, LookupError, ValueError):
        raise TransientStoreError("a container's listing is not whole") from None
    found: list[tuple[str, Version]] = []
    for blob in root.iterfind("Blobs/Blob"):
        name, properties = blob.findtext("Name") or "", blob.find("Properties")
        if properties is None or not name or properties.findtext("ResourceType") == "directory":
            continue
        length = whole_number(properties.findtext("Content-Length"))
        etag = properties.findtext("Etag") or ""
        etag = etag if not etag or etag.endswith('"') else f'"{etag}"'
        found.append(
            (name, Version(-1 if length is None else length, etag, properties.findtext("Last-Modified") or ""))
        )
    return found, root.findtext("NextMarker") or ""
