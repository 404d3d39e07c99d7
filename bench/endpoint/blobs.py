"""What the endpoint remembers: containers of blobs without their bytes, in the order of a listing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.sax.saxutils import escape

PAGE_LIMIT = 5000
"""The most that one page of List Blobs may hold (Blob service REST API, List Blobs, `maxresults`)."""
_AFTER_EVERY_NAME = chr(0x10FFFF)


class StoredBlob(NamedTuple):
    """What is left of a blob."""

    size_bytes: int
    md5: str
    """Base64, as in `Content-MD5`; empty where nobody gave or computed one."""
    etag: str
    modified: str
    """As in `Last-Modified`."""
    metadata: dict[str, str]
    content_type: str


class Query(NamedTuple):
    """The parameters of List Blobs that are understood."""

    prefix: str
    marker: str
    start_from: str
    delimiter: str
    max_results: int
    with_metadata: bool


@dataclass(slots=True)
class Container:
    """One container; `blobs` by name, `blocks` by blob name and block id (uncommitted sizes in bytes)."""

    blobs: dict[str, StoredBlob] = field(default_factory=dict)
    blocks: dict[str, dict[str, int]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """The few that are kept."""
    _names: list[str] | None = None
    _told: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, blob: StoredBlob) -> None:
        """Create or replace a blob."""
        if name not in self.blobs:
            self._names = None
        self.blobs[name] = blob
        self._told.pop(name, None)

    def told(self, name: str, *, with_metadata: bool = True) -> str:
        """What a listing says of a blob: written once, so that a page costs next to nothing."""
        if not with_metadata:
            return _blob_xml(name, self.blobs[name], with_metadata=False)
        if (told := self._told.get(name)) is None:
            told = self._told[name] = _blob_xml(name, self.blobs[name], with_metadata=True)
        return told

    def delete(self, name: str) -> bool:
        """Remove a blob; false where there was none."""
        self._names = None
        self.bodies.pop(name, None)
        self._told.pop(name, None)
        return self.blobs.pop(name, None) is not None

    def names(self) -> list[str]:
        """Every name, in code point order."""
        if self._names is None:
            self._names = sorted(self.blobs)
        return self._names

    def walk(self, query: Query) -> Iterator[tuple[str, bool]]:
        """Names from the marker on, as `(name, is_prefix)`: names below a delimiter are rolled up in one."""
        names = self.names()
        at = bisect_left(names, max(query.prefix, query.marker, query.start_from))
        while at < len(names) and names[at].startswith(query.prefix):
            name = names[at]
            cut = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
            if cut >= 0:
                folder = name[: cut + len(query.delimiter)]
                yield folder, True
                at = bisect_left(names, folder + _AFTER_EVERY_NAME)
            else:
                yield name, False
                at += 1


def listing_xml(container: Container, container_name: str, endpoint: str, query: Query) -> bytes:
    """One page, in the shape of the service (Blob service REST API, List Blobs, response body)."""
    parts: list[str] = []
    next_marker = ""
    for name, is_prefix in container.walk(query):
        if len(parts) == query.max_results:
            next_marker = name
            break
        if is_prefix:
            parts.append(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>")
        else:
            parts.append(container.told(name, with_metadata=query.with_metadata))
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>'
        f'<EnumerationResults ServiceEndpoint="{escape(endpoint)}" ContainerName="{escape(container_name)}">'
        f"<Prefix>{escape(query.prefix)}</Prefix><Marker>{escape(query.marker)}</Marker>"
        f"<MaxResults>{query.max_results}</MaxResults><Delimiter>{escape(query.delimiter)}</Delimiter>"
        f"<Blobs>{''.join(parts)}</Blobs><NextMarker>{escape(next_marker)}</NextMarker></EnumerationResults>"
    ).encode()


def _blob_xml(name: str, blob: StoredBlob, *, with_metadata: bool) -> str:
    metadata = ""
    if with_metadata:
        pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
        metadata = f"<Metadata>{pairs}</Metadata>" if pairs else "<Metadata />"
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties>"
        f"<Creation-Time>{blob.modified}</Creation-Time><Last-Modified>{blob.modified}</Last-Modified>"
        f"<Etag>{blob.etag}</Etag><Content-Length>{blob.size_bytes}</Content-Length>"
        f"<Content-Type>{escape(blob.content_type)}</Content-Type>"
        "<Content-Encoding /><Content-Language /><Content-CRC64 />"
        f"<Content-MD5>{blob.md5}</Content-MD5><Cache-Control /><Content-Disposition />"
        "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
        "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        f"<ServerEncrypted>true</ServerEncrypted></Properties>{metadata}<OrMetadata /></Blob>"
    )
