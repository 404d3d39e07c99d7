"""What of a worker's word is taken: what only it can know, and only what its work can have.

Which thing it is, where its bytes lie, their length and CRC-32, and what was planned of it are known here, and never
taken from an answer. One that contradicts them is refused (`Untrue`). It does not prove what is taken: MD5s are held
against a listing by whoever asked for the work (`laden.stages.proof`).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from laden.stages.proof import Target
from laden.values.records import Digests, Entry, Finding, ImageFacts, Item, Outcome, Receipt, Severity

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CONFLICTS = ("", "blob-name", "blob-archived")
_READ_BACK = ("blob-deleted", "blob-changed", "blob-archived", "blob-bytes")
"""What can be wrong with a blob that is read."""
_WITH_DIGESTS = (Outcome.SENT, Outcome.ALREADY_THERE, Outcome.READ, Outcome.HELD)
_MD5_BYTES = 16
_MOST_CRC32 = (1 << 32) - 1
_MOST_PIXELS = (1 << 31) - 1


class Untrue(Exception):  # noqa: N818 - named for what it is
    """A worker told what cannot be."""


def receipt_of(item: Item, told: object, possible: Collection[Outcome]) -> Receipt:
    """A worker's receipt of an item, as far as it is taken.

    Args:
        item: as it was given to the worker.
        told: what came back of it.
        possible: what can become of it.

    Raises:
        Untrue: that cannot be.
    """
    match told:
        case Receipt(
            outcome=Outcome() as outcome,
            digests=(Digests() | None) as digests,
            image=ImageFacts() as image,
            code=str() as code,
            reason=str() as reason,
        ):
            if outcome not in possible:
                raise Untrue(f"{outcome.value} is nothing that could become of {item.blob}")
            if not _has_code(outcome, code):
                raise Untrue(f"{item.blob} is told as {outcome.value} for no reason that there is")
            if digests is None and outcome in _WITH_DIGESTS:
                raise Untrue(f"{item.blob} is told as {outcome.value} without its MD5")
            if digests is not None and not _fits(digests, item.entry):
                raise Untrue(f"what was read for {item.blob} is not {item.entry.place}")
            if not _are_facts(image):
                raise Untrue(f"what is told of the image {item.blob} is nothing that a look finds")
            return Receipt(item, outcome, digests, image, code, reason)
    raise Untrue(f"what is told of {item.blob} is no receipt")


def read_of(target: Target, told: object) -> Finding | None:
    """What a worker that read a blob back found wrong with it, as far as it is taken; raises `Untrue`."""
    match told:
        case None:
            return None
        case Finding(code=str() as code, message=str() as message) if code in _READ_BACK:
            return Finding(code, Severity.ERROR, message, blob=target.blob)
    raise Untrue(f"what is told of {target.blob} is nothing that reading it back finds")


def _has_code(outcome: Outcome, code: str) -> bool:
    match outcome:
        case Outcome.FAILED | Outcome.DAMAGED:
            return _CODE.fullmatch(code) is not None
        case Outcome.CONFLICT:
            return code in _CONFLICTS
    return not code


def _fits(digests: Digests, entry: Entry) -> bool:
    size_bytes, crc32, md5 = digests
    if not (isinstance(crc32, int) and 0 <= crc32 <= _MOST_CRC32):
        return False
    proved = size_bytes == entry.size_bytes and entry.crc32 in (None, crc32)
    return proved and isinstance(md5, bytes) and len(md5) == _MD5_BYTES


def _are_facts(image: ImageFacts) -> bool:
    kind, *numbers, state, detail, identity = image
    return (
        all(isinstance(text, str) for text in (kind, state, detail))
        and all(isinstance(number, int) and 0 <= number <= _MOST_PIXELS for number in numbers)
        and _CODE.fullmatch(state) is not None
        and (identity is None or (isinstance(identity, tuple) and all(isinstance(name, str) for name in identity)))
    )
