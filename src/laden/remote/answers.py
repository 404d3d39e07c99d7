"""What a host's answer says of a file and of a range of it, read strictly: servers, and what stands before them, lie.

An answer is believed where its status, its `Content-Range` and its validators (RFC 9110, sections 8.8 and 14.4) say the
same as those of the first one did. No I/O here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote

from laden.store.http import Answer
from laden.values.errors import TransientStoreError
from laden.values.units import whole_number

PARTIAL = 206
_WEATHER = frozenset({408, 425, 429, 500, 502, 503, 504})
_THROTTLED = frozenset({429, 503})
_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE)
_MOST_FIELD = 200


class Version(NamedTuple):
    """Which content of a file is meant."""

    size_bytes: int
    etag: str
    """As the host wrote it; empty where it gives none."""
    modified: str
    """`Last-Modified`, as the host wrote it; empty where it gives none."""

    @property
    def is_strong(self) -> bool:
        """Whether the ETag says that each byte is the same (RFC 9110, 8.8.1)."""
        return bool(self.etag) and not self.etag.startswith("W/")

    @property
    def condition(self) -> dict[str, str]:
        """The header that lets a host answer for this content only."""
        if self.is_strong:
            return {"If-Match": self.etag}
        return {"If-Unmodified-Since": self.modified} if self.modified else {}

    def may_be(self, other: Version) -> bool:
        """Whether another answer may be about the same content, as far as both vouch for any."""
        if self.etag and other.etag:
            return self.etag.removeprefix("W/") == other.etag.removeprefix("W/")
        return not (self.modified and other.modified) or self.modified == other.modified

    def is_other(self, now: Version) -> bool:
        """Whether everything that both vouch with says that it is about another content by now."""
        known = [(self.etag.removeprefix("W/"), now.etag.removeprefix("W/")), (self.modified, now.modified)]
        known = [(before, after) for before, after in known if before and after]
        return bool(known) and all(before != after for before, after in known)

    @property
    def validator(self) -> str:
        """What vouches for it, for people and for what is kept: the ETag, or the time, or nothing."""
        return self.etag or self.modified

    @property
    def mtime_ns(self) -> int:
        """`Last-Modified` in nanoseconds since 1970; 0 where there is none."""
        date = date_of(self.modified)
        return int(date.timestamp()) * 1_000_000_000 if date else 0


class Part(NamedTuple):
    """What a `Content-Range` says."""

    first: int
    last: int
    """Of the bytes in the answer, both included; -1 where there are none."""
    total_bytes: int | None
    """Of the whole file, where the host tells it."""


class CutOff(TransientStoreError):  # noqa: N818 - named for what happened
    """An answer broke off; what had come of it is kept."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message, answered=True)
        self.answer = answer


def part_of(headers: Mapping[str, str]) -> Part | None:
    """The range that an answer holds; None where it does not say it."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return None
    total_bytes = None if match[3] == "*" else int(match[3])
    return Part(int(match[1]), int(match[2]), total_bytes) if match[1] else Part(-1, -1, total_bytes)


def version_of(headers: Mapping[str, str], size_bytes: int) -> Version:
    """Which content an answer is of."""
    return Version(size_bytes, headers.get("etag", "")[:_MOST_FIELD], headers.get("last-modified", "")[:_MOST_FIELD])


def whole_version(headers: Mapping[str, str]) -> Version | None:
    """Which content an answer with the whole file is of; None where no length is told, or not the file's."""
    length = whole_number(headers.get("content-length", "").strip())
    return None if length is None or is_packed(headers) else version_of(headers, length)


class Said(NamedTuple):
    """A digest of a whole file that its host gives."""

    algorithm: str
    digest: str
    """Hexadecimal."""
    field: str
    """Of the answer's head."""


def digests_in(headers: Mapping[str, str], *, whole: bool) -> tuple[Said, ...]:
    """What an answer says of the whole file's bytes, also where it is about a range.

    That is Azure's `x-ms-blob-content-md5`, Google's `x-goog-hash` (its MD5; composite objects have a CRC-32C alone),
    and `Repr-Digest` (RFC 9530); `Content-MD5` is of what was answered, and so counts of a whole answer only.
    """
    fields = {"x-ms-blob-content-md5": headers.get("x-ms-blob-content-md5", "")}
    if whole:
        fields["content-md5"] = headers.get("content-md5", "")
    found = [("md5", text, field) for field, text in fields.items()]
    hashes = (part.strip().partition("=") for part in headers.get("x-goog-hash", "").split(","))
    found += [("md5", text, "x-goog-hash") for name, _, text in hashes if name == "md5"]
    for name, text in _REPR_DIGEST.findall(headers.get("repr-digest", "")):
        found.append((name.replace("-", ""), text, "repr-digest"))
    said = (Said(name, _digest(text, name), field) for name, text, field in found)
    return tuple(one for one in said if one.digest)


_REPR_DIGEST = re.compile(r"(?:^|,)\s*(sha-256|sha-512)=:([A-Za-z0-9+/=]{1,100}):")
_DIGEST_BYTES = {"md5": 16, "sha256": 32, "sha512": 64}


def _digest(text: str, algorithm: str) -> str:
    """A digest in base64 as hexadecimal digits; empty where it is none."""
    try:
        digest = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        return ""
    return digest.hex() if len(digest) == _DIGEST_BYTES[algorithm] else ""


def is_packed(headers: Mapping[str, str]) -> bool:
    """Whether the body was packed on the way, although that was not wanted."""
    return headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def is_page(answer: Answer) -> bool:
    """Whether it is a web page, or a service's error in XML, in place of a file."""
    kind = answer.headers.get("content-type", "").lower()
    start = answer.body[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return kind.startswith(("text/html", "application/xhtml")) or start.startswith(
        (b"<!doctype html", b"<html", b"<head", b"<error", b"<?xml")
    )


def weather(host: str, answer: Answer) -> TransientStoreError | None:
    """The error where an answer says that it may be asked again later; None for any other."""
    headers = answer.headers
    limited = answer.status in (403, 429) and headers.get("x-ratelimit-remaining", "").strip() == "0"
    if answer.status not in _WEATHER and not limited:
        return None
    return TransientStoreError(
        f"{host} answered {answer.status}",
        wish_s(headers),
        throttled=limited or answer.status in _THROTTLED,
        answered=True,
    )


def wish_s(headers: Mapping[str, str]) -> float | None:
    """For how long a host wants to be left alone: `Retry-After` (RFC 9110, 10.2.3), else `X-RateLimit-Reset`.

    The latter is seconds from now with some hosts, and a time since 1970 with others.
    """
    now = date_of(headers.get("date", "")) or datetime.now(UTC)
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:12])
    if (then := date_of(text)) is not None:
        return max(0.0, (then - now).total_seconds())
    reset = headers.get("x-ratelimit-reset", "").strip()
    if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", reset):
        return None
    seconds = float(reset)
    return max(0.0, seconds - now.timestamp()) if seconds > _LONG_AGO_S else seconds


_LONG_AGO_S = 1e9
"""A larger number of seconds is a time, not a span."""


def name_in(headers: Mapping[str, str]) -> str:
    """The file name that an answer gives (RFC 6266); empty where it gives none."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    try:
        name = message.get_filename() or ""
    except (LookupError, ValueError):
        return ""
    return unquote(name).replace("\\", "/").rpartition("/")[2]


def date_of(text: str) -> datetime | None:
    """A date as HTTP writes it; None for anything else."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
