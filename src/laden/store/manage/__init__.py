"""The second port: what a person who looks after blobs needs, and a load does not.

Beside `Store`, which moves bytes: listings that also tell date, tier and type, what one blob has of versions,
snapshots and tags, and what changes blobs without sending any bytes. Two exist, as of the first port: `azure` and
`folder`. What a place cannot do, it refuses with `BlobRefused` and a sentence; nothing is done in part. Names are
relative to the destination's prefix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from laden.store.destination import Destination, FolderDestination
from laden.values.errors import StoreError
from laden.values.records import Blob

if TYPE_CHECKING:
    from laden.store.credentials import SasSource

T = TypeVar("T")

TIERS = ("Hot", "Cool", "Cold", "Archive")
"""As "Set Blob Tier" takes them; of the archive tier nothing can be read until it is rehydrated."""


AT_ONCE = 256
"""Blobs of one request ("Blob Batch")."""


class Detail(NamedTuple):
    """One blob, or an earlier state of it, as a listing shows it."""

    blob: Blob
    modified_s: int
    """Unix time of the last change; 0 where it is not told."""
    tier: str
    """One of `TIERS`; empty where there is none."""
    content_type: str
    version: str = ""
    """Id of the version, where the account keeps versions."""
    snapshot: str = ""
    """Time of the snapshot that this is; empty for the blob itself."""
    deleted: bool = False
    """Whether it can still be brought back, and is gone otherwise."""
    days_left: int | None = None
    """Of a deleted one: how long it can be brought back."""
    current: bool = True
    """Whether it is what a reader gets."""
    tag_count: int = 0
    """Index tags that it has, where the service tells."""
    tags: tuple[tuple[str, str], ...] = ()
    """Names and values, where they were asked for."""


class DetailPage(NamedTuple):
    """Part of a listing."""

    details: list[Detail]
    marker: str
    """Where the next page starts; empty after the last."""


class Undo(NamedTuple):
    """What becomes of a blob that is deleted here."""

    kept_days: int | None
    """Days that a deleted blob can be brought back; 0 for not at all, None where the credential may not ask."""
    versions: bool | None
    """Whether what was there stays as an earlier version; None where nobody can tell."""


class Manage(Protocol):
    """The port. Methods may raise `StoreError` and its kinds, as those of `Store` do.

    `etag` names the version that may change: any other raises `BlobConflict`.
    """

    async def list_details(self, marker: str = "", *, earlier: bool = False, tags: bool = False) -> DetailPage:
        """One page of the blobs below the prefix, in name order.

        Where asked for, with all that `history` tells, and with tags, which need a permission of their own.
        """

    async def history(self, name: str) -> list[Detail]:
        """The blob, its versions and snapshots, those deleted too, the latest first; empty where there is nothing."""

    async def read(self, state: Detail, offset: int, length: int) -> bytes:
        """Bytes of a state that a listing showed, as `Store.get`; raises `BlobMissing` where it is not kept."""

    async def head(self, name: str) -> Blob:
        """One blob, as a listing shows it, asked for now. Raises `BlobMissing`."""

    async def properties(self, name: str) -> dict[str, str]:
        """All that the service tells of one blob, by the names of its headers. Raises `BlobMissing`."""

    async def tags(self, name: str) -> dict[str, str]:
        """The blob's index tags."""

    async def undo(self) -> Undo:
        """Whether a deletion can be undone."""

    async def delete(self, name: str, etag: str) -> None:
        """Remove that version of a blob. Raises `BlobConflict`, `BlobMissing`."""

    async def undelete(self, name: str) -> None:
        """Bring a deleted blob back. Raises `BlobMissing` where there is none to bring back."""

    async def copy(self, name: str, target: str, etag: str) -> None:
        """Copy that version under another name below the prefix, where nothing is yet; raises `BlobConflict`."""

    async def set_tier(self, name: str, tier: str) -> None:
        """Move a blob to one of `TIERS`."""

    async def set_tiers(self, names: Sequence[str], tier: str) -> dict[str, StoreError]:
        """Move many blobs to a tier, in one request where the place has such; returns those it refused, and why.

        At most `AT_ONCE` of them.
        """

    async def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Replace all tags of a blob."""

    async def set_metadata(self, name: str, metadata: Mapping[str, str], etag: str) -> str:
        """Replace all metadata of a blob; returns the ETag that it has then."""

    async def set_content_type(self, name: str, content_type: str, etag: str) -> str:
        """Replace the type, and nothing else; returns the ETag that it has then."""

    async def close(self) -> None:
        """Let go of connections."""


class Asking(Protocol):
    """Makes a request when its turn has come, and again where that may help (`laden.store.retry.Retrying.ask`)."""

    async def __call__(self, request: Callable[[], Awaitable[T]], /) -> T:
        """What the request answers in the end."""


def open_manage(
    destination: Destination | FolderDestination, sas: SasSource | None = None, *, ask: Asking | None = None
) -> Manage:
    """The second port of a destination.

    Args:
        destination: where it is.
        sas: gives the SAS and its successors; None for the credential of the environment.
        ask: makes all requests; by default they are made at once, and reads alone tried a few times.

    Raises:
        UsageError: the credentials in the environment do not fit.
    """
    if isinstance(destination, FolderDestination):
        from laden.store.manage.folder import FolderManage

        return FolderManage(destination.path)
    from laden.store.credentials import find_credential
    from laden.store.manage.azure import AzureManage

    return AzureManage(destination, find_credential(destination, sas), ask)
