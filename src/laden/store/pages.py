"""Pages of "List Blobs" read as text where they are plain, which costs a third of what an XML tree does.

A page is plain where each of its blobs, one after the other, has the form that the service writes: a name, properties
without anything within them, metadata, all closed, no letter escaped, no attribute, nothing between. A page that is
anything else, or not whole, is for the parser (`answers.page_from_xml`); of a plain one, the parser would say the same.

Source: the REST reference's "List Blobs", response body.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TEXTS = r"(?:<({0})>[^<&]*</\{1}>|<{0} ?/>)*"
_BLOB = re.compile(
    r"<Blob><Name>([^<&\x00-\x1f\ufffe\uffff]+)</Name>"
    rf"<Properties>({_TEXTS.format('[A-Za-z0-9-]+', 3)})</Properties>"
    rf"(?:<Metadata>({_TEXTS.format('[A-Za-z0-9_]+', 5)})</Metadata>|<Metadata ?/>)?"
    r"(?:<[A-Za-z0-9-]+ ?/>)*</Blob>"
)
_END = re.compile(r"</Blobs>(?:<NextMarker ?/>|<NextMarker>([^<&]*)</NextMarker>)?</EnumerationResults>\s*\Z")
_PAIR = re.compile(r"<([^<>/ ]+)>([^<]*)<")


class PlainBlob(NamedTuple):
    """What a page says of a blob, as text."""

    name: str
    properties: str
    metadata: dict[str, str]
    """By names in small letters."""

    def property(self, tag: str) -> str | None:
        """What an element of the properties holds; None where there is none, or it holds nothing."""
        at = self.properties.find(f"<{tag}>")
        if at < 0:
            return None
        at += len(tag) + 2
        return self.properties[at : self.properties.find("<", at)]


def plain_page(text: str) -> tuple[list[PlainBlob], str] | None:
    """The blobs of a page, and the marker of the next one; None where it is not plain."""
    at = text.find("<Blobs>") + len("<Blobs>")
    # What could change the meaning of all that follows stands before it.
    if at < len("<Blobs>") or "<!" in text[:at]:
        return None
    blobs = []
    while found := _BLOB.match(text, at):
        name, properties, _, metadata, _ = found.groups()
        pairs = {key.lower(): value for key, value in _PAIR.findall(metadata)} if metadata else {}
        blobs.append(PlainBlob(name, properties, pairs))
        at = found.end()
    end = _END.match(text, at)
    return None if end is None else (blobs, end[1] or "")
