"""Objects of S3 and Google Cloud Storage, through obstore: the extra `clouds`.

obstore signs and sends; which content is meant, how many requests run at once and what is tried again stays here, as
for any other host (`wire`, `file`). Each range is asked for with `If-Match`, and its answer held against the first one.
Credentials are obstore's own settings of the environment (`AWS_ACCESS_KEY_ID`, `GOOGLE_SERVICE_ACCOUNT` ...,
`AWS_SKIP_SIGNATURE=true` or `GOOGLE_SKIP_SIGNATURE=true` for what is open to all), `AWS_REQUEST_PAYER` included.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from laden.remote.answers import Said, Version
from laden.remote.link import Link
from laden.remote.location import Refused
from laden.remote.wire import Wire
from laden.values.errors import SourceError, TransientStoreError, UsageError

_HOSTS = {"s3": "s3.amazonaws.com", "gs": "storage.googleapis.com"}
"""Whose pace it is: all buckets of a service are one host here."""
_REQUEST_S = 600
"""obstore has a limit for a whole request; this is one that a stalled connection meets."""


class Listed(NamedTuple):
    """One object of a listing."""

    name: str
    link: Link
    version: Version


class CloudObject:
    """One object at one version; what `laden.remote.file.RemoteFile` reads. Used within the wire's loop."""

    def __init__(self, wire: Wire, link: Link, name: str, version: Version) -> None:
        """See `pin_object`, which makes one."""
        self.name = name
        self.version = version
        self.address = link.address
        self.changed = False
        self.read_bytes = 0
        self.said: tuple[Said, ...] = ()
        """obstore passes none on."""
        self._wire = wire
        self._link = link

    async def range(self, at: int, count: int) -> bytes:
        """So many bytes from there on; raises as `laden.remote.pinned.Pinned.range`."""
        host = self._wire.host(_host_of(self._link))
        data = await host.repeat(lambda: host.let_in(lambda: self._some(at, count), count))
        self.read_bytes += count
        return data

    async def _some(self, at: int, count: int) -> bytes:
        if self.changed:
            raise self._other()
        options = {"range": (at, at + count), "if_match": self.version.etag}
        found = await _asked(
            self._wire, self._link, lambda store, path, library: library.get_async(store, path, options=options)
        )
        if found is None or _version(found.meta) != self.version:
            self.changed = True
            raise self._other()
        data = bytes(await _asked(self._wire, self._link, lambda *_: found.bytes_async()))
        if tuple(found.range) != (at, at + count) or len(data) != count:
            raise TransientStoreError(f"{self.address} came with other bytes than were asked for", answered=True)
        return data

    def _other(self) -> SourceError:
        return SourceError(
            f"{self.name} changed at {self.address} since it was first looked at: run the same command again",
            "archive-changed",
        )


def is_cloud(link: Link) -> bool:
    """Whether a link is an address of S3 or of Google Cloud Storage."""
    return urlsplit(link.url).scheme in _HOSTS


def lists_objects(link: Link) -> bool:
    """Whether it is a bucket or a prefix in it, and no single object."""
    path = urlsplit(link.url).path
    return path.endswith("/") or "." not in path.rpartition("/")[2]


async def pin_object(wire: Wire, link: Link, name: str) -> CloudObject:
    """Ask for an object's length and version, and hold it to that.

    Raises:
        SourceError: it cannot be had.
        TransientStoreError: not now.
        UsageError: the extra is not installed.
    """
    host = wire.host(_host_of(link))
    meta = await host.repeat(
        lambda: host.let_in(lambda: _asked(wire, link, lambda store, path, library: library.head_async(store, path)), 0)
    )
    return CloudObject(wire, link, name or link.name, _version(meta))


async def objects_of(wire: Wire, link: Link) -> list[Listed]:
    """All objects below a bucket's prefix; raises as `pin_object`."""
    parts = urlsplit(link.url)
    prefix = unquote(parts.path).strip("/")
    below = f"{prefix}/" if prefix else ""

    async def collect(store: Any, _: str, library: Any) -> list[Any]:
        return [meta async for page in library.list(store, prefix=prefix or None) for meta in page]

    metas = await wire.host(_host_of(link)).repeat(lambda: _asked(wire, link, collect))
    found: list[Listed] = []
    for meta in metas:
        path = meta["path"]
        if path.startswith(below) and not path.endswith("/"):
            inside = Link(f"{parts.scheme}://{parts.netloc}/{quote(path, safe='/-._~')}")
            found.append(Listed(path[len(below) :], inside, _version(meta)))
    return found


def _host_of(link: Link) -> Link:
    return Link(f"https://{_HOSTS[urlsplit(link.url).scheme]}")


def _version(meta: Any) -> Version:
    modified: datetime = meta["last_modified"]
    return Version(int(meta["size"]), meta["e_tag"] or "", format_datetime(modified, usegmt=True))


async def _asked(wire: Wire, link: Link, ask: Any) -> Any:
    """What obstore answers, its errors told in sentences; None where the content is another one than was asked for."""
    library = _library()
    parts = urlsplit(link.url)
    failures = library.exceptions
    try:
        store = wire.kept.get(link.origin)
        if store is None:
            kind = library.store.S3Store if parts.scheme == "s3" else library.store.GCSStore
            # Options that are given here take the place of the environment's.
            in_the_clear = _may_be_in_the_clear(parts.scheme)
            limit = {"timeout": timedelta(seconds=_REQUEST_S), "allow_http": in_the_clear}
            store = wire.kept[link.origin] = kind(parts.netloc, client_options=limit, retry_config={"max_retries": 0})
        return await ask(store, unquote(parts.path).lstrip("/"), library)
    except failures.PreconditionError:
        return None
    except (failures.NotFoundError, FileNotFoundError):
        raise Refused(f"nothing is at {link} (404): check the link", 404) from None
    except (failures.PermissionDeniedError, failures.UnauthenticatedError):
        setting, skip = _SETTINGS[parts.scheme]
        act = f"check the credentials in the environment ({setting} and its like), or set {skip}=true for what is open"
        raise Refused(f"{link} is refused: {act} to all", 403) from None
    except failures.UnknownConfigurationKeyError:
        raise UsageError(f"a setting of the environment for {parts.scheme}:// is none that obstore knows") from None
    except failures.BaseError:
        raise TransientStoreError(f"{parts.scheme}://{parts.netloc} does not answer as it should") from None


_SETTINGS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SKIP_SIGNATURE"),
}


def _may_be_in_the_clear(scheme: str) -> bool:
    """Whether a person set an endpoint that is spoken to without TLS, as those on this machine are."""
    if scheme == "gs":
        return os.environ.get("GOOGLE_BASE_URL", "").startswith("http://")
    return os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"


def _library() -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise UsageError("s3:// and gs:// need the extra 'clouds': pip install 'laden[clouds]'") from None
    return obstore
