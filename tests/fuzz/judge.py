"""Reads one archive as a load does, and holds what was accepted against the archive's own bytes.

The bytes are parsed here a second time, by other code. Every accepted member of a zip must stand in a directory record
with this name, length and CRC-32, its local header must say the same, and its bytes must hash to it by the standard
library; one of a tar must lie behind a header of its own that says so. Refusals are counted by code; anything but
`SourceError` is a crash.
"""

import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from laden.dataset.source import Reader, entries
from laden.values.errors import SourceError
from laden.values.names import problem
from laden.values.records import Entry
from tests.fuzz import tars
from tests.fuzz.archives import CENTRAL, LOCAL

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class WrongError(AssertionError):
    """Something was accepted that must not be."""


class Verdict(NamedTuple):
    accepted: int
    read_bytes: int
    refused: Counter[str]


def judge(path: Path, data: bytes, chunk_bytes: int) -> Verdict:
    """Read everything in a zip; raises `WrongError`, or whatever a reader raised that is no `SourceError`.

    `data` are its bytes, if they lie in parts, then joined.
    """
    return _judge(path, data, chunk_bytes, _check_zipped)


def judge_tar(path: Path, data: bytes, chunk_bytes: int) -> Verdict:
    """The same of a tar, plain or in gzip data."""
    plain = tars.inflated(data) if data[:2] == b"\x1f\x8b" else data
    verdict = _judge(path, plain or b"", chunk_bytes, _check_in_tar)
    _must(plain is not None or not verdict.accepted, "gzip data were believed that are not whole")
    return verdict


def _judge(path: Path, data: bytes, chunk_bytes: int, check: Callable[[Entry, bytes, int], None]) -> Verdict:
    codes: Counter[str] = Counter()
    try:
        found = list(entries(path.parent, path.name))
    except SourceError as error:
        _check_sentence(error)
        return Verdict(0, 0, Counter([error.code]))
    accepted: list[Entry] = []
    with Reader(str(path.parent)) as reader:
        for one in found:
            if not isinstance(one, Entry):
                codes[one.code] += 1
                _must(one.code == "junk-ignored" or bool(one.message), "a refusal without a reason")
                continue
            try:
                check(one, data, _read(reader, one, chunk_bytes))
            except SourceError as error:
                _check_sentence(error)
                codes[error.code] += 1
            else:
                accepted.append(one)
    names = [entry.member for entry in accepted]
    _must(len(names) == len(set(names)), "two members of one name")
    _must(sum(entry.stored_bytes for entry in accepted) <= len(data), "members share their data")
    return Verdict(len(accepted), sum(entry.size_bytes for entry in accepted), codes)


def _read(reader: Reader, entry: Entry, chunk_bytes: int) -> int:
    """Read a member, and return its CRC-32."""
    checksum = seen_bytes = buffers = 0
    for buffer in reader.read(entry, chunk_bytes):
        checksum = zlib.crc32(buffer, checksum)
        seen_bytes += len(buffer)
        buffers += 1
        _must(len(buffer) <= chunk_bytes, "a buffer longer than asked for")
        _must(seen_bytes <= entry.size_bytes, "more bytes than declared")
    _must(seen_bytes == entry.size_bytes, "fewer bytes than declared")
    _must(entry.crc32 in (None, checksum), "bytes that are not as declared")
    _must(buffers == max(1, -(-seen_bytes // chunk_bytes)), "another number of buffers than promised")
    _must(problem(entry.member) is None, "a name that is refused")
    return checksum


def _check_in_tar(entry: Entry, data: bytes, checksum: int) -> None:
    lies = data[entry.offset_bytes : entry.offset_bytes + entry.size_bytes]
    _must(checksum == zlib.crc32(lies), "other bytes than lie there")
    _must(tars.right_member(data, entry), "a header that says otherwise")


def _check_zipped(entry: Entry, data: bytes, checksum: int) -> None:
    _must(checksum == entry.crc32, "a member without its checksum")
    records = [record for record in _directory(data) if record[:3] == (entry.crc32, entry.size_bytes, entry.member)]
    _must(bool(records), "a member that no directory names")
    _must(_local(data, entry), "a local header that says otherwise")


def _must(true: bool, what: str) -> None:
    if not true:
        raise WrongError(what)


def _check_sentence(error: SourceError) -> None:
    text = str(error)
    _must(not _CONTROL.search(text) and len(text) < 3000, f"no sentence for a person: {text[:300]!r}")
    _must(bool(error.code), "no code")


def _directory(data: bytes) -> list[tuple[int, int, str]]:
    """CRC-32, size and name of everything in the file that looks like a record of a directory."""
    found = []
    at = data.find(b"PK\1\2")
    while 0 <= at <= len(data) - CENTRAL.size:
        values = CENTRAL.unpack_from(data, at)
        flags, crc, size, name_bytes, extra_bytes = values[3], values[6], values[8], values[9], values[10]
        start = at + CENTRAL.size
        # A name that would run over the directory's end is read up to there, by the standard library too.
        end = re.search(b"PK?[\5\6]?[\6]?$|PK[\5\6]\6", data[start : start + name_bytes])
        name = _text(data[start : start + (end.start() if end else name_bytes)], flags)
        if size == 2**32 - 1:
            wide = _wide(data[start + name_bytes :][:extra_bytes])
            size = wide[0] if wide else size
        found.append((crc, size, name))
        at = data.find(b"PK\1\2", at + 1)
    return found


def _local(data: bytes, entry: Entry) -> bool:
    at = entry.offset_bytes
    if data[at : at + 4] != b"PK\3\4" or len(data) - at < LOCAL.size:
        return False
    _, _, flags, method, _, _, stored, size, name_bytes, extra_bytes = LOCAL.unpack_from(data, at)
    start = at + LOCAL.size
    if stored == 2**32 - 1 or size == 2**32 - 1:
        wide = _wide(data[start + name_bytes :][:extra_bytes])
        size, stored = (*wide, stored)[:2] if len(wide) > 1 else (size, stored)
    right_sizes = flags & 8 or (stored, size) == (entry.stored_bytes, entry.size_bytes)
    named = _text(data[start : start + name_bytes], flags) == entry.member
    inside = start + name_bytes + extra_bytes + entry.stored_bytes <= len(data)
    return bool(right_sizes and named and inside and method == entry.method and not flags & 1)


def _text(raw: bytes, flags: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if flags & 0x800 else raw.decode("cp437")


def _wide(extra: bytes) -> list[int]:
    """The numbers of the zip64 extra field."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 1:
            body = extra[4 : 4 + size]
            return list(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
        extra = extra[4 + size :]
    return []
