"""Takes receipts as they come: what each means is a finding, its numbers go into the relation `receipts` in batches."""

from __future__ import annotations

from types import TracebackType

from laden.dataset.images import BROKEN, DOUBTFUL, WHOLE, Phi, identity_to_text
from laden.run.run import Run
from laden.values.records import UNSEEN, Action, Entry, Finding, ImageFacts, Outcome, Receipt, Severity

_BATCH = 2_000


class Receipts:
    """A context manager: when it is left, all that were added are in the relation."""

    def __init__(self, run: Run, phi: Phi = "warn") -> None:
        """Report to that run; `phi` is what was asked about images that may say who a person is."""
        self._run = run
        self._phi = phi
        self._rows: list[tuple[object, ...]] = []

    def add(self, receipt: Receipt) -> None:
        """Report one, and keep it."""
        self._run.add(meaning(receipt, stored=self._run.command == "load", phi=self._phi))
        settled = receipt.item.action is not Action.COMPARE
        self._run.meter.step(receipt.item.entry.size_bytes if settled else 0)
        self._rows.append(_row(receipt))
        if len(self._rows) >= _BATCH:
            self._feed()

    def __enter__(self) -> Receipts:
        self._run.meter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed()
        self._run.meter.stop()

    def _feed(self) -> None:
        self._run.relations.feed("receipts", self._rows)
        self._rows.clear()


def meaning(receipt: Receipt, *, stored: bool, phi: Phi = "warn") -> list[Finding]:
    """What a person should know of a receipt.

    Args:
        receipt: of an item.
        stored: whether its image is in the destination now.
        phi: what was asked about images that may say who a person is.
    """
    entry, blob = receipt.item.entry, receipt.item.blob
    match receipt.outcome:
        case Outcome.CONFLICT if receipt.code:
            return [Finding(receipt.code, Severity.ERROR, receipt.reason, entry.archive, entry.member, blob=blob)]
        case Outcome.CONFLICT:
            found = conflict(blob, entry.archive, entry.member, receipt.item.owner)
            if receipt.item.action is Action.REPLACE:
                # To replace it is what was asked for: why it could not be is news, the advice to ask for it is not.
                found = found._replace(message=f"{receipt.reason}; it was left as it is")
            return [found]
        case Outcome.DAMAGED | Outcome.FAILED:
            return [Finding(receipt.code, Severity.ERROR, receipt.reason, entry.archive, entry.member, blob=blob)]
    image = receipt.image
    identity = _identity(receipt, phi) if image.identity else []
    if receipt.outcome is Outcome.HELD:
        return identity
    return identity + looked(blob, entry.archive, entry.member, image.state, image.detail, stored=stored)


def looked(blob: str, archive: str, member: str, state: str, detail: str = "", *, stored: bool) -> list[Finding]:
    """What a look at an image found: nothing where it is whole, or where there was none."""
    if state in (WHOLE, UNSEEN):
        return []
    what = DOUBTFUL.get(state) or f"the image is broken inside: {BROKEN.get(state, 'its structure is broken')}"
    message = f"{what} ({detail})" if detail else what
    if stored and state not in DOUBTFUL:
        message += "; it is stored as it was published (leave such out with --damaged skip)"
    severity = Severity.WARNING if state in DOUBTFUL else Severity.ERROR
    return [Finding(state, severity, message, archive=archive, member=member, blob=blob)]


def _identity(receipt: Receipt, phi: Phi) -> list[Finding]:
    """What an image says of a person, by the names of its fields; what they hold is told nowhere."""
    entry, image, severity = receipt.item.entry, receipt.image, Severity.ERROR if phi == "stop" else Severity.WARNING
    fields = ", ".join(image.identity or ())
    there = _THERE if phi == "stop" and receipt.outcome is Outcome.ALREADY_THERE else ""
    fate = _HELD if receipt.outcome is Outcome.HELD else there
    return [identified(image.kind, fields + fate, severity, entry.archive, entry.member, receipt.item.blob)]


_HELD = "; it was not sent, as asked"
_THERE = "; it is there already: delete it there if it must not be"
FOUND_BEFORE = f"found by an earlier load{_THERE}"
"""What is said of an image whose fields nobody kept."""


def named_beside(image: ImageFacts, phi: Phi, entry: Entry, name: str, *, there: bool) -> Finding:
    """The finding for a file that is copied as it is and may say who a person is.

    Args:
        image: what the look at it found.
        phi: what was asked about such.
        entry: of the source.
        name: under which it lands.
        there: whether a file of that name is in the destination.
    """
    fate = (_THERE if there else _HELD) if phi == "stop" else ""
    severity = Severity.ERROR if phi == "stop" else Severity.WARNING
    fields = ", ".join(image.identity or ())
    return identified(image.kind, fields + fate, severity, entry.archive, entry.member, name)


def identified(kind: str, what: str, severity: Severity, archive: str, member: str, blob: str) -> Finding:
    """The finding for an image of that kind whose header may say who a person is; `what` names fields, no values."""
    code = "dicom-identity" if kind == "dicom" else "image-identity"
    return Finding(code, severity, f"its header may say who a person is: {what}", archive, member, blob=blob)


def conflict(blob: str, archive: str = "", member: str = "", owner: str = "") -> Finding:
    """The finding for a blob that is there with other content; `owner` is the prefix of another dataset's."""
    whose = f" and belongs to the dataset in '{owner}', which has a load of its own: it" if owner else " and"
    act = "" if owner else ", or replace such blobs with --overwrite changed"
    return Finding(
        "blob-conflict",
        Severity.ERROR,
        f"a blob of this name with other content is there{whose} was left as it is: load to another prefix{act}",
        archive=archive,
        member=member,
        blob=blob,
    )


def _row(receipt: Receipt) -> tuple[object, ...]:
    entry, digests = receipt.item.entry, receipt.digests
    found = (digests.size_bytes, digests.md5.hex(), digests.crc32) if digests else (None, None, None)
    return (
        receipt.item.blob,
        entry.archive,
        entry.member,
        receipt.outcome.value,
        *found,
        *receipt.image[:5],
        identity_to_text(receipt.image.identity),
    )
