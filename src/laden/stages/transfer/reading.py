"""The half of a transfer that runs in threads: read, check, hash, look. Pure functions of picklable values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from laden.dataset.images import BROKEN, Level, Phi, checker, look
from laden.dataset.source import Buffer, Reader, crc32
from laden.stages.metadata import to_metadata
from laden.store import Properties, content_type
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import NOT_LOOKED_INTO, Action, Digests, Extras, ImageFacts, Item, Outcome, Receipt


class Loaded(NamedTuple):
    """An item whose bytes are in memory and proved right."""

    item: Item
    data: Buffer
    digests: Digests
    image: ImageFacts
    origin: str = ""
    """Where its archive lies, if that is another machine."""


def read_item(
    reader: Reader, item: Item, *, level: Level, send_broken: bool, replace_other: bool, phi: Phi = "off"
) -> Loaded | Receipt:
    """Read one item whole: bytes ready to send, or the receipt of an item that needs no sending.

    Args:
        reader: opens the entry.
        item: one that fits in memory.
        level: how closely its image is looked at.
        send_broken: whether an image that is broken inside is sent as it is.
        replace_other: whether a blob with other content is replaced.
        phi: what becomes of an image that may say who a person is.
    """
    try:
        (data,) = reader.read(item.entry, max(item.entry.size_bytes, 1))
    except SourceError as error:
        return unread(item, error)
    checksum = crc32(data) if item.entry.crc32 is None else item.entry.crc32
    digests = Digests(len(data), checksum, hashlib.md5(data, usedforsecurity=False).digest())
    image = look(item.entry.member, data, level, identity=phi != "off")
    loaded = Loaded(item, data, digests, image, reader.origin(item.entry))
    return settle(loaded, send_broken=send_broken, replace_other=replace_other, phi=phi)


def settle(loaded: Loaded, *, send_broken: bool, replace_other: bool, phi: Phi = "off") -> Loaded | Receipt:
    """Decide, once content is known, whether an item still has to be sent.

    One that is to be compared with a blob whose MD5 nobody checked is returned as it is: that blob has to be read back
    first, and its MD5 given to `settle` with the item.
    """
    item, _, digests, image, _ = loaded
    if item.action is Action.COMPARE:
        if item.md5 is None:
            return loaded
        if digests.md5 == item.md5:
            return Receipt(item, Outcome.ALREADY_THERE, digests, image)
        if item.owner or item.theirs or not replace_other:
            return Receipt(item, Outcome.CONFLICT, digests, image)
    if image.state in BROKEN and not send_broken:
        reason = f"{BROKEN[image.state]}; not sent, as asked"
        return Receipt(item, Outcome.DAMAGED, digests, image, image.state, reason)
    if image.identity and phi == "stop":
        return Receipt(item, Outcome.HELD, digests, image)
    return loaded


def unread(item: Item, error: SourceError) -> Receipt:
    """The receipt of an item whose bytes could not be had: damaged for good, or failed for now.

    A source that changed since it was surveyed is no damage: what was planned of it does not hold any more.
    """
    damaged = isinstance(error, MemberDamaged) and not error.is_change
    outcome = Outcome.DAMAGED if damaged else Outcome.FAILED
    return Receipt(item, outcome, code=error.code, reason=str(error))


class BlockReader:
    """Reads one large item block by block, keeping the running digests."""

    def __init__(self, reader: Reader, item: Item, block_bytes: int, level: Level, phi: Phi = "off") -> None:
        self.item = item
        self._origin = reader.origin(item.entry)
        self._buffers: Iterator[Buffer] = reader.read(item.entry, block_bytes)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32 = 0
        self._size_bytes = 0
        self._check = checker(item.entry.member, level, item.entry.size_bytes, identity=phi != "off")

    def next_block(self) -> tuple[Buffer, bytes] | None:
        """The next block and its MD5, or None after the last. Raises `SourceError`."""
        block = next(self._buffers, None)
        if block is None:
            return None
        self._md5.update(block)
        self._crc32 = crc32(block, self._crc32)
        self._size_bytes += len(block)
        if self._check is not None:
            self._check.feed(block)
        return block, hashlib.md5(block, usedforsecurity=False).digest()

    def loaded(self) -> Loaded:
        """What is known after the last block; its data are gone."""
        digests = Digests(self._size_bytes, self._crc32, self._md5.digest())
        return Loaded(self.item, b"", digests, self._check.finish() if self._check else NOT_LOOKED_INTO, self._origin)


def properties(loaded: Loaded, tier: str = "") -> Properties:
    """What is stored with the blob, so that a listing alone can tell the next run all about it."""
    metadata = to_metadata(loaded.item.entry, loaded.digests, loaded.image, loaded.origin)
    extras = loaded.item.extras or Extras({}, {})
    kind = content_type(loaded.item.blob)
    return Properties(loaded.digests.md5, kind, {**extras.metadata, **metadata}, tier, extras.tags)


def conflicting(receipt: Receipt, reason: str) -> Receipt:
    """The same item as a conflict."""
    return replace(receipt, outcome=Outcome.CONFLICT, reason=reason)
