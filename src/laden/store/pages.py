"""Pages of "List Blobs" as columns: where plain, they are read straight from the bytes, with no object for each blob.

A page is plain where its blobs have the form that the service writes: a name, properties without anything within them,
metadata, all closed, no letter escaped, no attribute, nothing between. Blobs that say the same kinds of things have one
shape: all that stands outside of their texts is the same, byte for byte. So one blob of each shape is held against the
form, and of the others NumPy proves that they have it too. What stands around the blobs is
parsed. A page that is anything else, or not whole, or has many shapes, is for the parser (`answers.page_from_xml`); of
a plain one, the parser would say the same.

Source: the REST reference's "List Blobs", response body.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from laden.values.arrow import Texts
from laden.values.records import Blob

_MOST_SHAPES = 16
"""The service's pages have a few: with another property, or metadata of another kind."""

_BEGIN, _END, _FIRST_TAG = b"<Blobs>", b"</Blobs>", b"<Blob>"
_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml [^<>?]*\?>)?\s*<EnumerationResults[\s>]")
_NEVER = ("\ufffe".encode(), "\uffff".encode())
"""What XML does not allow within a text; nor does it letters below the blank, but for some that it changes."""

_TAG = re.compile(rb"<[^<>]+>")
_TEXTS = rb"(?:<(%s)>[^<]*</\%d>|<%s ?/>)*"
_PROPERTY, _METADATUM = rb"[A-Za-z][A-Za-z0-9-]*", rb"[A-Za-z_][A-Za-z0-9_]*"
_BLOB = re.compile(
    rb"<Blob><Name>[^<]+</Name>"
    rb"<Properties>(" + _TEXTS % (_PROPERTY, 2, _PROPERTY) + rb")</Properties>"
    rb"(?:<Metadata>(" + _TEXTS % (_METADATUM, 4, _METADATUM) + rb")</Metadata>|<Metadata ?/>)?"
    rb"(?:<" + _PROPERTY + rb" ?/>)*</Blob>"
)

METADATUM = "meta:"
"""How keys of metadata begin, so that they are no properties; no tag has a colon."""

Places = NDArray[np.int64]
_DIGITS = np.full(256, 99, np.uint64)
_DIGITS[list(b"0123456789abcdef")] = range(16)
_DIGITS[list(b"ABCDEF")] = range(10, 16)
_MOST_DIGITS = {10: 19, 16: 16}
"""So many fit into 64 bits, whatever they are."""


class Span(NamedTuple):
    """Where the texts of one kind lie in a page; both are -1 where a blob has none."""

    heads: Places
    tails: Places


class PlainBlobs(Sequence[Blob]):
    """The blobs of a plain page: where their texts lie. A `Blob` is made of them when one is asked for."""

    def __init__(self, body: bytes, spans: Mapping[str, Span], size_bytes: NDArray[np.int64]) -> None:
        """Note what was found.

        Args:
            body: the page.
            spans: the places of names (`Name`, without the prefix), properties (`Etag`), and metadata (`METADATUM`
                and the name in small letters).
            size_bytes: the lengths of the blobs.
        """
        self.size_bytes = size_bytes
        self._body = body
        self._spans = spans

    def __len__(self) -> int:
        return len(self.size_bytes)

    @overload
    def __getitem__(self, at: int) -> Blob: ...
    @overload
    def __getitem__(self, at: slice) -> PlainBlobs: ...
    def __getitem__(self, at: int | slice) -> Blob | PlainBlobs:
        if isinstance(at, slice):
            return PlainBlobs(self._body, _rows(self._spans, at), self.size_bytes[at])
        told = {
            key: self._body[span.heads[at] : span.tails[at]].decode()
            for key, span in self._spans.items()
            if span.heads[at] >= 0
        }
        md5, etag = decode_md5(told.get("Content-MD5")), quoted_etag(told.get("Etag", ""))
        metadata = {key[len(METADATUM) :]: text for key, text in told.items() if key.startswith(METADATUM)}
        return Blob(told["Name"], int(self.size_bytes[at]), md5, etag, metadata)

    def names(self) -> list[str]:
        """All names, in the order of the page."""
        heads, tails = self._spans["Name"]
        return [self._body[head:tail].decode() for head, tail in zip(heads.tolist(), tails.tolist(), strict=True)]

    def has(self, key: str) -> bool:
        """Whether any blob has such a text; keys as `spans`."""
        return key in self._spans

    def texts(self, key: str) -> tuple[Texts, NDArray[np.int64]]:
        """A column of texts, and 1 where a blob has one, else 0 (and an empty text); keys as `spans`.

        Every second text counts; between them lies the rest of the page.
        """
        heads, tails = self._spans.get(key) or _nowhere(len(self))
        here = heads >= 0
        # An empty text lies within its blob, too, for texts must follow each other.
        elsewhere = self._spans["Name"].heads
        at = Texts.between(
            np.where(here, heads, elsewhere), np.where(here, tails, elsewhere), np.frombuffer(self._body, np.uint8)
        )
        return at, here.astype(np.int64)

    def numbers(self, key: str, base: int) -> NDArray[np.int64]:
        """A column of whole numbers; -1 where a blob has none that is written in that base."""
        return _numbers(self._body, self._spans.get(key) or _nowhere(len(self)), base)


def plain_blobs(body: bytes, prefix: str) -> tuple[PlainBlobs, bytes] | None:
    """The blobs of a page, and the page without them; None where there is none, or it is not plain.

    Args:
        body: the answer, XML.
        prefix: what each name begins with; it is taken off.
    """
    begin, end = body.find(_BEGIN) + len(_BEGIN), body.rfind(_END)
    if not len(_BEGIN) <= begin < end or not _is_text(body, begin, end):
        return None
    around = body[:begin] + body[end:]
    # Within a comment and such, a tag is none.
    if (head := _HEAD.match(around)) is None or any(around.find(other, head.end()) >= 0 for other in (b"<!", b"<?")):
        return None
    spans = _found(body, begin, end)
    if spans is None:
        return None
    spans = _without_folders(body, spans)
    heads, tails = spans["Name"]
    size_bytes = _numbers(body, spans.get("Content-Length", _nowhere(len(heads))), 10)
    start = prefix.encode()
    if start and not ((tails - heads > len(start)) & (_at(body, heads, len(start)) == start)).all():
        return None
    blobs = PlainBlobs(body, {**spans, "Name": Span(heads + len(start), tails)}, size_bytes)
    return (blobs, around) if (size_bytes >= 0).all() else None


def quoted_etag(text: str) -> str:
    """In quotes, as `If-Match` wants it (RFC 9110, 8.8.3): listings leave them out, headers do not."""
    return f'"{text}"' if text and not text.endswith('"') else text


def decode_md5(text: str | None) -> bytes | None:
    """The 16 bytes of a `Content-MD5`; None where it is none."""
    try:
        raw = base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == 16 else None


def _is_text(body: bytes, begin: int, end: int) -> bool:
    """Whether what stands there is UTF-8 in which every letter means itself."""
    region = np.frombuffer(body, np.uint8)[begin:end]
    if region.min() < ord(" ") or body.find(b"&", begin, end) >= 0:
        return False
    # One letter is found many times as fast as three.
    if body.find(b"]", begin, end) >= 0 and body.find(b"]]>", begin, end) >= 0:
        return False
    if region.max() < 0x80:
        return True
    try:
        body[begin:end].decode()
    except UnicodeDecodeError:
        return False
    return all(body.find(never, begin, end) < 0 for never in _NEVER)


class _Shape:
    """What blobs that say the same kinds of things have in common: all but their texts."""

    def __init__(self, blob: bytes, form: re.Match[bytes]) -> None:
        tags = list(_TAG.finditer(blob))
        opens = [
            not tag[0].endswith(b"/>") and following[0] == b"</" + tag[0][1:]
            for tag, following in zip(tags, [*tags[1:], tags[0]], strict=True)
        ]
        self.fields: dict[str, tuple[int, int, bool]] = {}
        """By key: number and length of the tag before a text, and whether there is any text."""
        for number, (tag, is_open) in enumerate(zip(tags, opens, strict=True)):
            if is_open or tag[0].endswith(b"/>"):
                self._note(form, tag, (number, len(tag[0]), is_open))
        self._runs = _runs(tags, opens)

    def _note(self, form: re.Match[bytes], tag: re.Match[bytes], field: tuple[int, int, bool]) -> None:
        key = tag[0].strip(b"</ >").decode()
        properties, metadata = form.span(1), form.span(3)
        if metadata[0] <= tag.start() < metadata[1]:
            # Of several, the last counts.
            self.fields[METADATUM + key.lower()] = field
        elif properties[0] <= tag.start() < properties[1] or tag.start() == len(_FIRST_TAG):
            self.fields.setdefault(key, field)

    def fits(self, body: bytes, tags: Places, ends: Places) -> NDArray[np.bool_]:
        """Which blobs have it: in `tags`, the n-th row says where the n-th tag of each is; `ends`, where it ends."""
        last, run = self._runs[-1]
        fits: NDArray[np.bool_] = tags[last] + len(run) == ends
        for number, run in self._runs:
            fits &= _at(body, tags[number], len(run)) == run
        return fits


def _runs(tags: Sequence[re.Match[bytes]], opens: Sequence[bool]) -> list[tuple[int, bytes]]:
    """Tags that follow each other without a text between: the number of the first, and all of them."""
    runs: list[tuple[int, bytes]] = []
    for number, tag in enumerate(tags):
        if number and not opens[number - 1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + tag[0])
        else:
            runs.append((number, tag[0]))
    return runs


def _at(body: bytes, places: Places, size_bytes: int) -> NDArray[np.bytes_]:
    """So many bytes from each place on, or from the last one that has as many."""
    at_all: NDArray[np.bytes_] = np.ndarray((len(body) - size_bytes + 1,), f"S{size_bytes}", body, strides=(1,))
    return at_all[np.minimum(places, len(at_all) - 1)]


def _found(body: bytes, begin: int, end: int) -> dict[str, Span] | None:
    """Where all texts of all blobs lie; None where the page is not plain."""
    bytes_of = np.frombuffer(body, np.uint8)
    marks = np.flatnonzero(bytes_of[begin:end] == ord("<")) + begin
    firsts = np.flatnonzero(bytes_of[marks + 1] == _FIRST_TAG[1])
    firsts = firsts[_at(body, marks[firsts], len(_FIRST_TAG)) == _FIRST_TAG]
    if not len(firsts) or marks[firsts[0]] != begin:
        return None
    counts = np.diff(firsts, append=len(marks))
    starts, ends = marks[firsts], np.append(marks[firsts[1:]], end)
    spans: dict[str, Span] = {}
    rest = np.arange(len(firsts))
    for _ in range(_MOST_SHAPES):
        blob = body[starts[rest[0]] : ends[rest[0]]]
        form = _BLOB.fullmatch(blob)
        if form is None:
            return None
        shape = _Shape(blob, form)
        alike = rest[counts[rest] == counts[rest[0]]]
        tags = marks[firsts[alike] + np.arange(counts[rest[0]])[:, None]]
        fits = shape.fits(body, tags, ends[alike])
        _note(spans, len(firsts), alike[fits], tags[:, fits], shape)
        rest = np.setdiff1d(rest, alike[fits], assume_unique=True)
        if not len(rest):
            return spans if (spans["Name"].heads < spans["Name"].tails).all() else None
    return None


def _note(spans: dict[str, Span], count: int, rows: Places, tags: Places, shape: _Shape) -> None:
    """Add where the texts of blobs of one shape lie."""
    for key, (number, size_bytes, is_open) in shape.fields.items():
        span = spans.setdefault(key, _nowhere(count))
        span.heads[rows] = heads = tags[number] + size_bytes
        span.tails[rows] = tags[number + 1] if is_open else heads


def _nowhere(count: int) -> Span:
    return Span(np.full(count, -1), np.full(count, -1))


def _rows(spans: Mapping[str, Span], which: slice | NDArray[np.bool_]) -> dict[str, Span]:
    return {key: Span(heads[which], tails[which]) for key, (heads, tails) in spans.items()}


def _without_folders(body: bytes, spans: dict[str, Span]) -> dict[str, Span]:
    """Without folders of an account with a hierarchical namespace, which are no blobs."""
    says = partial(_says, body, spans)
    folders = says("ResourceType", b"directory") | says(METADATUM + "hdi_isfolder", b"true")
    return _rows(spans, ~folders) if folders.any() else spans


def _says(body: bytes, spans: Mapping[str, Span], key: str, text: bytes) -> NDArray[np.bool_]:
    """Which blobs have that very text."""
    if key not in spans:
        return np.zeros(len(spans["Name"].heads), np.bool_)
    heads, tails = spans[key]
    says: NDArray[np.bool_] = (tails - heads == len(text)) & (_at(body, heads, len(text)) == text)
    return says


def _numbers(body: bytes, span: Span, base: int) -> NDArray[np.int64]:
    """Whole numbers of digits alone; -1 where there is none that fits into 63 bits."""
    bytes_of = np.frombuffer(body, np.uint8)
    sizes = span.tails - span.heads
    right = (sizes > 0) & (sizes <= _MOST_DIGITS[base])
    number = np.zeros(len(sizes), np.uint64)
    for back in range(int(sizes[right].max(initial=0)), 0, -1):
        here = right & (sizes >= back)
        digit = _DIGITS[bytes_of[np.where(here, span.tails - back, 0)]]
        number = np.where(here, number * np.uint64(base) + digit, number)
        right &= ~here | (digit < base)
    right &= number < 1 << 63
    return np.where(right, number, 0).astype(np.int64) - ~right
