"""What "List Blobs", "Get Blob Tags" and "Get Blob Service Properties" answer beyond what a load asks for; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from laden.store.answers import blob_from_element, tree
from laden.store.manage import Detail, DetailPage
from laden.values.errors import TransientStoreError
from laden.values.units import whole_number


def details_from_xml(body: bytes, strip: int) -> DetailPage:
    """A page of "List Blobs", the prefix's characters taken off; raises `TransientStoreError` where it is not whole."""
    root = _root(body, "EnumerationResults")
    details = [detail for element in root.iterfind("Blobs/Blob") if (detail := _detail(element, strip)) is not None]
    return DetailPage(details, root.findtext("NextMarker") or "")


def _detail(element: ET.Element, strip: int) -> Detail | None:
    blob = blob_from_element(element, strip)
    if blob is None:
        return None
    days = element.findtext("Properties/RemainingRetentionDays") or ""
    snapshot, version = element.findtext("Snapshot") or "", element.findtext("VersionId") or ""
    deleted = element.findtext("Deleted") == "true"
    tag_count = element.findtext("Properties/TagCount") or ""
    latest = not version or element.findtext("IsCurrentVersion") == "true"
    return Detail(
        blob,
        _seconds(element.findtext("Properties/Last-Modified")),
        element.findtext("Properties/AccessTier") or "",
        element.findtext("Properties/Content-Type") or "",
        version,
        unquote(snapshot),
        deleted,
        whole_number(days),
        latest and not deleted and not snapshot,
        whole_number(tag_count) or 0,
        tuple(_tags(element.find("Tags"))),
    )


def _tags(element: ET.Element | None) -> Iterator[tuple[str, str]]:
    for tag in () if element is None else element.iterfind("TagSet/Tag"):
        yield tag.findtext("Key") or "", tag.findtext("Value") or ""


def _seconds(text: str | None) -> int:
    """Unix time of a date as HTTP writes it (RFC 9110, section 5.6.7); 0 where it is none."""
    try:
        return int(parsedate_to_datetime(text or "").timestamp())
    except (ValueError, TypeError):
        return 0


def tags_from_xml(body: bytes) -> dict[str, str]:
    """The answer to "Get Blob Tags"."""
    return dict(_tags(_root(body, "Tags")))


def tags_to_xml(tags: Mapping[str, str]) -> bytes:
    """The body of "Set Blob Tags"."""
    root = ET.Element("Tags")
    tag_set = ET.SubElement(root, "TagSet")
    for key, value in tags.items():
        tag = ET.SubElement(tag_set, "Tag")
        ET.SubElement(tag, "Key").text = key
        ET.SubElement(tag, "Value").text = value
    return bytes(ET.tostring(root, "utf-8"))


def kept_days(body: bytes) -> int:
    """Days that deleted blobs are kept, of "Get Blob Service Properties"; 0 where they are not."""
    policy = _root(body, "StorageServiceProperties").find("DeleteRetentionPolicy")
    if policy is None or (policy.findtext("Enabled") or "").lower() != "true":
        return 0
    return whole_number(policy.findtext("Days")) or 0


def _root(body: bytes, tag: str) -> ET.Element:
    try:
        root = tree(body.decode("utf-8-sig"))
    except (ET.ParseError, LookupError, ValueError):
        root = None
    if root is None or root.tag != tag:
        raise TransientStoreError("the service answered with something that is not whole")
    return root
