"""Has a container's service take blobs from another place by itself: no byte of them passes this machine.

Two requests of the REST reference: "Put Blob From URL" (one write, 5,000 MiB at most) and "Put Block From URL" (to be
committed afterwards, 4,000 MiB at most in one block). With both goes the MD5 that the bytes must have and the ETag of
the version that is meant, so that the service itself refuses anything else. How it may read the source goes in a header
where that is a sign-in's token. A SAS has to stand in the address, which the service notes: an account's key makes one
for it that may read and nothing else. Addresses are shown nowhere.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from urllib.parse import quote

from laden.store import CREATE_ONLY, Properties, block_id
from laden.store.answers import error_code
from laden.store.blob import BlobStore, beside
from laden.store.credentials import Credential, Grant, SasSource, find_credential, find_key, find_sas
from laden.store.destination import Destination
from laden.store.manage import Asking
from laden.values.errors import BlobRefused, CopySourceRefused, NotOffered, TransientStoreError
from laden.values.secrets import note

MOST_BLOB_BYTES = 5_000 << 20
MOST_BLOCK_BYTES = 4_000 << 20
_LENT_HOURS = 12.0
_MOST_BROKEN = 1
_OTHER_BYTES = frozenset({"Md5Mismatch", "InvalidMd5"})


class Source:
    """A container that blobs are taken from, as another service is told of it."""

    def __init__(self, place: Destination, credential: Credential) -> None:
        """Prepare; nothing is asked for yet."""
        self.place = place
        self._credential = credential

    async def headers(self, name: str) -> dict[str, str]:
        """Where a blob is, and how it may be read there."""
        grant = await self._credential.grant()
        headers = {"x-ms-copy-source": self.place.url(name) + (f"?{grant.query}" if grant.query else "")}
        return headers | ({"x-ms-copy-source-authorization": grant.header} if grant.header else {})


class Taker:
    """Takes blobs into a container; needs a running event loop."""

    def __init__(self, target: Destination, credential: Credential, source: Source, ask: Asking) -> None:
        """Prepare; nothing is opened yet.

        Args:
            target: where they go.
            credential: for that.
            source: where they come from.
            ask: makes all requests.
        """
        self._store = BlobStore(target, credential)
        self._source = source
        self._ask = ask
        self._done: set[str] = set()
        self._broken: Counter[str] = Counter()

    async def take(self, name: str, source_etag: str, properties: Properties, etag: str) -> None:
        """One blob in one request, with its source's metadata where `properties` has none.

        Raises:
            NotOffered: the service does not have this request.
            CopySourceRefused: it cannot read the source, or the source is not that version or those bytes.
            BlobConflict: the condition failed: `etag` is that of the version to replace, or `CREATE_ONLY`.
        """
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-copy-source-blob-properties": "false",
            "x-ms-blob-content-type": properties.content_type,
            "x-ms-blob-content-md5": _base64(properties.md5),
            **beside(properties),
            **({"If-None-Match": "*"} if etag == CREATE_ONLY else {"If-Match": etag}),
        }
        await self._put(name, "", source_etag, properties.md5, headers)

    async def stage(self, name: str, source_etag: str, md5: bytes) -> str:
        """All of a blob as one block, to be committed; its id. Raises as `take`."""
        name_of_block = block_id(0, md5)
        query = f"comp=block&blockid={quote(_base64(name_of_block.encode()), safe='')}"
        await self._put(name, query, source_etag, md5, {})
        return name_of_block

    async def _put(self, name: str, query: str, source_etag: str, md5: bytes, headers: dict[str, str]) -> None:
        async def request() -> None:
            told = await self._source.headers(name)
            proof = {"x-ms-source-content-md5": _base64(md5), "x-ms-source-if-match": source_etag}
            sent = {**headers, **told, **proof}
            answer = await self._store.request("PUT", name, (201, 400, 500), "write", query, sent)
            if answer.status == 500:
                self._refuse_broken(query[:10])
            self._done.add(query[:10])
            if answer.status == 400:
                code = error_code(answer.headers, answer.body)
                if code in _OTHER_BYTES:
                    raise CopySourceRefused(
                        f"the bytes of {self._source.place}/{name} are not those of the manifest", is_other=True
                    )
                raise BlobRefused(f"the service refused to take {self._source.place}/{name} ({code or 400})")

        await self._ask(request)

    def _refuse_broken(self, kind: str) -> None:
        """Of a request that breaks the service each time, as Azurite's by a SAS do, it has none."""
        self._broken[kind] += 1
        if kind not in self._done and self._broken[kind] > _MOST_BROKEN:
            raise NotOffered("the service breaks over a copy from an address")
        raise TransientStoreError("the service answered 500", answered=True)

    async def close(self) -> None:
        """Let go of connections."""
        await self._store.close()


def open_taker(
    target: Destination, source: Destination, ask: Asking, *, sas: SasSource | None, source_sas: SasSource | None
) -> Taker:
    """A taker between two places.

    Args:
        target: where blobs go.
        source: where they come from.
        ask: makes all requests.
        sas: gives the target's SAS and its successors; None for the credential of the environment.
        source_sas: the same for the source.

    Raises:
        UsageError: a credential in the environment does not fit.
    """
    lent = Source(source, _lending(source, "r", source_sas))
    return Taker(target, _lending(target, "rcw", sas), lent, ask)


def _lending(place: Destination, letters: str, sas: SasSource | None) -> Credential:
    """The credential for a place; where that is an account's key, a SAS for this container with these letters alone."""
    if sas is not None or find_sas(place) or not find_key(place):
        return find_credential(place, sas)

    def mint_one(_: Grant | None) -> Grant:
        from laden.store.minting import Wanted, mint

        minted = mint(place, Wanted(letters, _LENT_HOURS))
        note(minted.query)
        return Grant(minted.query, "", minted.end.timestamp() if minted.end else math.inf)

    return Credential("account key", mint_one)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
