"""What the Blob service answers, turned into values and errors.

Sources: the REST reference's "List Blobs", "Get Blob Properties" and "Blob service error codes". No I/O here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from laden.store import Page
from laden.store.denial import CODES, Refused, explain
from laden.store.destination import Destination
from laden.store.pages import decode_md5, plain_blobs, quoted_etag
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobArchived,
    BlobConflict,
    BlobMissing,
    BlobProtected,
    BlobRefused,
    ContainerMissing,
    CopySourceRefused,
    NotOffered,
    StoreError,
    TransientStoreError,
)
from laden.values.records import Blob
from laden.values.units import whole_number

_NAMELESS = "the service answered with a listing that lacks names"
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_THROTTLED = frozenset({429, 503})

_CONFLICTS = frozenset({"BlobAlreadyExists", "ContainerAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})

_OF_SOURCE = frozenset({"CannotVerifyCopySource", "SourceConditionNotMet", "InvalidSourceBlobType", "CopyIdMismatch"})
"""About the other end of a copy, whatever the status: a 403 among them says nothing of the credential."""

_PROTECTED = {
    "BlobArchived": "it is in the archive tier; rehydrate it first (set its tier to Hot or Cool, which takes hours)",
    "BlobBeingRehydrated": "it is being rehydrated from the archive tier, which takes hours; try again then",
    "BlobImmutableDueToPolicy": "an immutability policy or legal hold protects it",
    "LeaseIdMissing": "somebody holds a lease on it",
    "LeaseLost": "somebody held a lease on it",
    "InvalidBlobType": "it is not a block blob",
    "SnapshotsPresent": "it has snapshots",
    "InvalidBlockList": "the blocks staged for it are gone; somebody else may be writing it",
    "UnauthorizedBlobOverwrite": "it is there already, and the credential may create blobs but not overwrite them",
}
_OFFLINE = frozenset({"BlobArchived", "BlobBeingRehydrated"})
_OTHER_THERE = frozenset({"InvalidBlockList", "UnauthorizedBlobOverwrite"})
"""Of these, those that say that what is there is not what was expected."""


def page_from_xml(body: bytes, *, prefix: str = "") -> Page:
    """A page of "List Blobs".

    Args:
        body: the answer, XML.
        prefix: what each name begins with; it is taken off.

    Raises:
        TransientStoreError: the listing is cut off or garbled.
    """
    try:
        if (plain := plain_blobs(body, prefix)) is not None:
            blobs, around = plain
            root = tree(around.decode("utf-8-sig"))
            if list(root.iter("Blobs")) == root.findall("Blobs")[:1]:
                return Page(blobs, root.findtext("NextMarker") or "")
        root = tree(body.decode("utf-8-sig"))
    except (ET.ParseError, LookupError, ValueError):
        raise TransientStoreError("the service answered with a listing that is not whole") from None
    listed = root.find("Blobs")
    if root.tag != "EnumerationResults" or listed is None:
        raise TransientStoreError("the service answered with something that is not a listing")
    found = [blob for one in listed.iter("Blob") if (blob := blob_from_element(one, len(prefix))) is not None]
    return Page(found, root.findtext("NextMarker") or "")


def tree(text: str) -> ET.Element:
    """The XML of an answer; raises ParseError or ValueError.

    A document type declares entities, which can stand for gigabytes, and no answer of the service has one. Text that
    is no UTF-8 could hide it.
    """
    if "<!DOCTYPE" in text:
        raise ValueError("a document type")
    return ET.fromstring(text)  # noqa: S314 - without one, nothing is loaded or expanded


def blob_from_element(element: ET.Element, strip: int) -> Blob | None:
    """One blob of a listing; None for a folder of an account with a hierarchical namespace.

    So too for one that is called as the prefix itself, as some tools leave it there: it has no name below that.
    """
    name = element.find("Name")
    properties = element.find("Properties")
    if name is None or properties is None or not name.text:
        raise TransientStoreError(_NAMELESS)
    metadata = {item.tag.lower(): item.text or "" for item in element.iterfind("Metadata/*")}
    if properties.findtext("ResourceType") == "directory" or metadata.get("hdi_isfolder") == "true":
        return None
    text = (unquote(name.text) if name.get("Encoded") == "true" else name.text)[strip:]
    if not text:
        return None
    return Blob(
        text,
        _length(properties.findtext("Content-Length")),
        decode_md5(properties.findtext("Content-MD5")),
        quoted_etag(properties.findtext("Etag") or ""),
        metadata,
    )


def uncommitted_from_xml(body: bytes) -> dict[str, int]:
    """Sizes by id from "Get Block List". Ids that are not text are left out: they are not laden's.

    Raises `TransientStoreError` if the list is cut off or garbled.
    """
    try:
        root = tree(body.decode("utf-8-sig"))
        blocks = {}
        for block in root.iterfind("UncommittedBlocks/Block"):
            with suppress(UnicodeDecodeError, binascii.Error):
                name = base64.b64decode(block.findtext("Name") or "", validate=True).decode()
                blocks[name] = int(block.findtext("Size") or "")
    except (ET.ParseError, LookupError, ValueError):
        raise TransientStoreError("the service answered with a list of blocks that is not whole") from None
    return blocks


def blob_from_headers(name: str, headers: Mapping[str, str]) -> Blob:
    """A blob from "Get Blob Properties"."""
    metadata = {
        key[len("x-ms-meta-") :].lower(): value
        for key, value in headers.items()
        if key.lower().startswith("x-ms-meta-")
    }
    return Blob(
        name,
        _length(headers.get("content-length")),
        decode_md5(headers.get("content-md5")),
        quoted_etag(headers.get("etag", "")),
        metadata,
    )


def _length(text: str | None) -> int:
    if (length := whole_number(text)) is None:
        raise TransientStoreError("the service answered without a blob's length")
    return length


def refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    destination: Destination,
    name: str,
    permission: str,
    credential: str,
    query: str = "",
) -> StoreError:
    """The error that an answer means.

    Args:
        status: HTTP status.
        headers: of the answer.
        body: of the answer; XML with a code, or anything.
        destination: where the request went.
        name: of the blob; empty for the container.
        permission: what the request needed: `read`, `write`, `list`, `create`, `delete`.
        credential: what kind of credential was shown.
        query: the SAS that was shown, where there was one; read, never quoted.
    """
    code = error_code(headers, body)
    where = f"{destination}/{name}" if name else str(destination)
    if error := _of_its_own(status, code, where, reading=permission == "read"):
        return error
    if status in (401, 403) or code in CODES:
        texts = _tag(body, "AuthenticationErrorDetail"), _tag(body, "Message")
        denial = explain(Refused(code, *texts, headers, permission, credential, query, destination))
        kind = AccessEnded if denial.of_credential else AccessDenied
        return kind(
            f"{destination.account} refused the {credential} to {permission} {_place(destination)}:"
            f" {denial.reason} ({code or status})",
            code,
        )
    return (
        _for_now(status, code, where, headers, destination)
        or _of_what_is_there(status, code, where, destination, name)
        or _unexpected(status, code, where, destination, name)
    )


def _for_now(
    status: int, code: str, where: str, headers: Mapping[str, str], destination: Destination
) -> StoreError | None:
    """The errors that pass."""
    if code in ("Md5Mismatch", "InvalidMd5"):
        return TransientStoreError(f"bytes of {where} changed on the way; the service refused them")
    if code == "ContainerBeingDeleted":
        return TransientStoreError(
            f"the container {destination.container} is being deleted; its name is free again in about a minute", 10
        )
    if status in _TRANSIENT:
        return TransientStoreError(
            f"the service answered {status} {code}".rstrip(),
            _retry_after_s(headers),
            throttled=status in _THROTTLED,
            answered=True,
        )
    return None


def _of_what_is_there(status: int, code: str, where: str, destination: Destination, name: str) -> StoreError | None:
    """The errors that tell what is there, or is not."""
    if status == 404 and (not name or code in ("ContainerNotFound", "ResourceNotFound")):
        return ContainerMissing(
            f"there is no container '{destination.container}' at {destination.endpoint}: create it, or check the name"
        )
    if status == 404:
        return BlobMissing(f"there is no blob {where}")
    if status == 412 or code in _CONFLICTS:
        return BlobConflict(f"{where} is there already, or changed meanwhile")
    return None


def _unexpected(status: int, code: str, where: str, destination: Destination, name: str) -> StoreError:
    """Whatever else a service, or what stands before it, answers."""
    other = BlobRefused if name else StoreError
    if status < 400:
        why = "where the Blob service never does" if status < 300 else "a redirect, which laden does not follow"
        return (other if status < 300 else StoreError)(
            f"{destination.endpoint} answered {status}, {why}:"
            " check the address; a proxy or sign-in page may be in between"
        )
    return other(f"the service refused {where} with {status} {code}".rstrip())


def _of_its_own(status: int, code: str, where: str, *, reading: bool) -> StoreError | None:
    """The errors that say what they mean by their code, whatever their status, and the operation that is not there."""
    if code in _PROTECTED:
        if reading and code in _OFFLINE:
            return BlobArchived(f"{where} cannot be read: {_PROTECTED[code]}")
        kind = BlobConflict if code in _OTHER_THERE else BlobProtected
        return kind(f"{where} cannot be {'read' if reading else 'written'}: {_PROTECTED[code]}")
    if code in _OF_SOURCE:
        is_other = code == "SourceConditionNotMet"
        return CopySourceRefused(f"the service could not copy {where} from its source ({code})", is_other=is_other)
    if status == 501:
        return NotOffered(f"the service does not have what was asked of {where} ({code or status})")
    return None


def _place(destination: Destination) -> str:
    return f"in '{destination.container}'" if destination.container else "containers"


def error_code(headers: Mapping[str, str], body: bytes) -> str:
    """The service's error code; empty for anything that does not look like one: it ends up in sentences."""
    code = headers.get("x-ms-error-code") or _tag(body, "Code")
    return code if re.fullmatch(r"[A-Za-z0-9]{1,64}", code) else ""


def _tag(body: bytes, tag: str) -> str:
    """The text of one element of an error's XML body, without trusting the rest of it."""
    match = re.search(rb"<%s>([^<]{0,2000})</%s>" % (tag.encode(), tag.encode()), body[:65536])
    return match[1].decode("utf-8", "replace").strip() if match else ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, given as such or as a date (RFC 9110, 10.2.3), by the clock of who answered where it tells its time."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:12])
    then, now = _date(text), _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds()) if then else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
