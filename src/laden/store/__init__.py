"""Where bytes go: the port, and the one place where its wrappers are stacked.

A store is a flat set of blobs below a prefix. Two exist: Azure Blob Storage (`blob`) and a local folder
(`folder`), which keeps the same promises without a network. Retries are a wrapper with the same port (`retry`).
Names are relative to the destination's prefix everywhere above this package.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from laden.store.destination import (
    Destination,
    FolderDestination,
    is_named_fully,
    named_fully,
    parse_destination,
    place_of,
    quoted,
    without_secret,
)
from laden.values.errors import UsageError
from laden.values.records import Blob

if TYPE_CHECKING:
    from laden.store.cap import Cap
    from laden.store.credentials import SasSource
    from laden.store.retry import Retrying

__all__ = [
    "CREATE_ONLY",
    "Destination",
    "FolderDestination",
    "Page",
    "Properties",
    "Retry",
    "Store",
    "block_id",
    "content_type",
    "digest",
    "is_named_fully",
    "named_fully",
    "open_store",
    "parse_destination",
    "place_of",
    "quoted",
    "without_secret",
]

_PART_BYTES = 8 << 20

CREATE_ONLY = ""
"""The `etag` of a put that must create: any blob of that name makes it fail with `BlobConflict`."""

Data = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Properties:
    """What is stored with a blob."""

    md5: bytes
    """16 raw bytes. A store refuses bytes that do not hash to it."""
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = field(default_factory=dict)
    """ASCII keys and values."""
    tier: str = ""
    """One of `laden.store.manage.TIERS`; empty for the account's own."""
    tags: dict[str, str] = field(default_factory=dict)
    """Index tags."""


class Page(NamedTuple):
    """Part of a listing."""

    blobs: Sequence[Blob]
    marker: str
    """Where the next page starts; empty after the last."""
    odd: tuple[tuple[str, str], ...] = ()
    """Names of a folder under which no plain file lies, and what does; of these, only links to files are among the
    blobs."""


class Retry(NamedTuple):
    """One failed attempt that will be repeated, told to an observer; or news of a silence without one."""

    reason: str
    """Empty where it is over."""
    wait_s: float
    throttled: bool
    silent_s: float = 0.0
    """For how long the destination did nothing useful for anybody."""
    failed: bool = True
    """Whether it is of an attempt."""


class Store(Protocol):
    """The port. Every method may raise `StoreError` and its kinds; those marked transient may be repeated.

    `put` and `commit` are atomic: no reader ever sees part of a blob, and a failed one changes nothing.
    `etag` says under which condition they act: `CREATE_ONLY`, the etag of the version that may be replaced, or
    None for "whatever is there". A condition that fails raises `BlobConflict`.
    """

    async def create(self) -> bool:
        """Make the container (private) or folder if it is absent; True if it was made now."""

    async def list_page(self, marker: str = "") -> Page:
        """One page of the blobs below the prefix, in name order, with MD5 and metadata.

        A marker is what the page before gave, or `laden.store.listing.StartFrom`, which not every store heeds.
        """

    async def head(self, name: str) -> Blob:
        """One blob's facts. Raises `BlobMissing`."""

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        """Bytes `offset` to `offset + length` of a blob, fewer at its end. Raises `BlobMissing`.

        With an etag, only of that very version; any other raises `BlobConflict`.
        """

    async def read_into(self, name: str, offset: int, room: memoryview, etag: str | None = None) -> int:
        """Bytes of a blob from `offset` on, as `get`, into memory that is there: how many came.

        They are fewer than there is room for only where the blob ends. What failed may have left some.
        """

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        """Store a blob in one request; bytes that do not hash to `properties.md5` are refused."""

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        """Stage one block of a blob; nothing is visible until `commit`. Idempotent for one id and content."""

    async def staged(self, name: str) -> dict[str, int]:
        """Size in bytes of each block that is staged for a blob and not committed, by id."""

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        """Make a blob of its staged blocks, in the order given."""

    async def delete(self, name: str) -> None:
        """Remove a blob. Raises `BlobMissing`."""

    async def close(self) -> None:
        """Let go of connections."""


def block_id(number: int, md5: bytes) -> str:
    """Name of a block: its place and its content, so that no commit can take another writer's block for it.

    All are of one length, and at most 64 bytes (REST reference, "Put Block", URI parameters).
    """
    return f"laden-{number:06d}-{md5.hex()}"


async def digest(store: Store, name: str, size_bytes: int, etag: str | None = None) -> tuple[int, bytes]:
    """Read a blob of so many bytes back, a part at a time: how many there were, and their MD5; raises as `get`."""
    md5 = hashlib.md5(usedforsecurity=False)
    read_bytes = 0
    while read_bytes < size_bytes:
        part = await store.get(name, read_bytes, min(_PART_BYTES, size_bytes - read_bytes), etag)
        if not part:
            break
        read_bytes += len(part)
        await asyncio.to_thread(md5.update, part)
    return read_bytes, md5.digest()


def open_store(
    destination: Destination | FolderDestination,
    *,
    connections: int | None,
    on_retry: Callable[[Retry], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    sas: SasSource | None = None,
    cap: Cap | None = None,
) -> Retrying:
    """The store behind a destination, retries included.

    Args:
        destination: what `parse_destination` returned.
        connections: requests in flight at most; None to find out what the link bears.
        on_retry: called in the event loop for every attempt that will be repeated.
        stopping: once true, writes that have not begun raise `Interrupted`, and nothing is repeated any more.
        sas: gives the SAS and its successors (`laden.store.access`); None for the credential of the environment.
        cap: bytes a second that are sent at most, by all connections together; None for no limit.

    Raises:
        UsageError: the credentials or the proxy in the environment do not fit; or a cap for a folder.
    """
    from laden.store.limit import Limited
    from laden.store.retry import Retrying

    inner: Store
    throttle = None
    if isinstance(destination, FolderDestination):
        if cap is not None:
            raise UsageError("--limit is for a container: what is written to a folder is not capped, leave it out")
        from laden.store.folder import FolderStore

        inner = FolderStore(destination.path)
    else:
        from laden.store.blob import BlobStore
        from laden.store.cap import Throttle
        from laden.store.credentials import find_credential

        throttle = None if cap is None else Throttle(cap)
        inner = BlobStore(
            destination, find_credential(destination, sas), throttle, lambda seconds: retrying.silent(seconds)
        )
    limited = Limited(inner, connections=connections, stopping=stopping)
    retrying = Retrying(
        limited, on_retry=on_retry, stopping=stopping, capped=lambda: throttle is not None and throttle.holds
    )
    return retrying


_CONTENT_TYPES = {".dcm": "application/dicom", ".dicom": "application/dicom", ".csv": "text/csv"}
"""RFC 3240 for DICOM; csv is fixed here because Windows maps it to Excel in the registry."""


def content_type(name: str) -> str:
    """MIME type for a blob name, by its suffix."""
    return _content_type(name[name.rfind(".") :].lower() if "." in name else "")


@lru_cache(1_000)
def _content_type(suffix: str) -> str:
    return _CONTENT_TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"
