"""Whether a blob that is there holds certain bytes: what laden did not put there is read, not believed."""

from __future__ import annotations

from laden.stages.metadata import is_own
from laden.store import Store, digest
from laden.values.records import Blob, Digests


async def is_same(store: Store, blob: Blob, digests: Digests) -> bool:
    """Whether a blob holds these bytes; one that laden did not put there is read, whatever MD5 it is said to have."""
    if blob.size_bytes != digests.size_bytes:
        return False
    md5 = blob.md5 if is_own(blob) else (await digest(store, blob.name, blob.size_bytes))[1]
    return md5 == digests.md5
