"""What the service takes as tags, metadata, tiers and types; whatever else is refused before anything is sent.

Sources: the REST reference's "Set Blob Tags" (Remarks), "Set Blob Metadata", "Naming and referencing containers,
blobs, and metadata" and "Setting and retrieving properties and metadata for Blob resources"; Microsoft Learn, "Access
tiers for blob data".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from laden.store.manage import TIERS
from laden.values.errors import UsageError

MOST_TAGS = 10
_MOST_TAG_NAME = 128
_MOST_METADATA_BYTES = 8 << 10
"""Of all names and values of a blob."""
_TAG = re.compile(r"[A-Za-z0-9 +\-./:=_]{0,256}")
"""What names and values of tags may hold; names have at least one character, 128 at most."""
_METADATA_NAME = re.compile(r"[a-z_][a-z0-9_]*")
"""As a header carries it and C# takes it."""
_TYPE = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?[A-Za-z0-9.=+-]+)?")

LEAST_DAYS = {"Hot": 0, "Cool": 30, "Cold": 90, "Archive": 180}
"""Days that a blob is billed for in a tier at least; whoever moves or deletes it sooner pays for the rest."""


def tier_of(text: str) -> str:
    """One of `TIERS`, in any case; raises UsageError."""
    for tier in TIERS:
        if text.lower() == tier.lower():
            return tier
    raise UsageError(f"'{text}' is no tier: it must be one of {', '.join(TIERS)}")


def type_of(text: object) -> str:
    """A content type; raises UsageError."""
    if not isinstance(text, str) or not _TYPE.fullmatch(text):
        raise UsageError("a content type looks like image/png")
    return text


def wrong_tag(name: str, value: str) -> str:
    """Why this cannot be a tag, as a sentence's end; empty where it can."""
    if not name or len(name) > _MOST_TAG_NAME or not _TAG.fullmatch(name):
        return f"'{name}' cannot be a tag's name: 1 to {_MOST_TAG_NAME} letters, digits, spaces and + - . / : = _"
    if not _TAG.fullmatch(value):
        return f"'{value}' cannot be a tag: up to 256 letters, digits, spaces and + - . / : = _ are allowed"
    return ""


def wrong_metadata(name: str, value: str) -> str:
    """Why this cannot be metadata, as a sentence's end; empty where it can."""
    if not _METADATA_NAME.fullmatch(name):
        return f"'{name}' cannot be metadata: names are lower-case letters, digits and _"
    if not (value.isascii() and value.isprintable()):
        return f"'{value}' cannot be metadata: values are printable ASCII"
    return ""


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """All tags of a blob; raises UsageError."""
    if len(tags) > MOST_TAGS:
        raise UsageError(f"a blob has at most {MOST_TAGS} tags")
    for name, value in tags.items():
        if reason := wrong_tag(name, value):
            raise UsageError(reason)
    return dict(tags)


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """All metadata of a blob; raises UsageError."""
    for name, value in metadata.items():
        if reason := wrong_metadata(name, value):
            raise UsageError(reason)
    if too_long(metadata):
        raise UsageError("names and values of a blob's metadata have at most 8 KiB together")
    return dict(metadata)


def too_long(metadata: Mapping[str, str]) -> bool:
    """Whether this is more metadata than a blob can have."""
    return sum(len(name) + len(value) for name, value in metadata.items()) > _MOST_METADATA_BYTES
