"""What was done to a destination: a record for each change, below `_laden/history/`, appended and never replaced.

A record is a small JSON file, numbered from 1. It holds when, what, how many, by which version, the MD5s of the table,
the manifest and the page that were there afterwards, who where `LADEN_WHO` tells, and the SHA-256 of the record before:
so none can be changed or taken out of the middle unseen. It is created under the condition that nothing of its name is
there; of two writers at once, the later takes the next number and links to the earlier.

Of a deed that no page tells of until it has ended, there are two: `begun`, before its first change, and the one of its
end. Where the second is absent, the deed was killed, or stopped by an error.

Records hold times, and nothing else that laden leaves in a destination does. One is due where anything was stored or
removed, though it led to the same state again, as where lost images were sent anew; where the last record does not name
the page that is there; and where a load ended with other findings that need a person. So a run that finds all in place
leaves none, and a run that was killed before it wrote its own is told by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from laden._version import VERSION
from laden.relations import Relations
from laden.stages.loadpage import LOAD, MOST_PAGE_BYTES
from laden.store import CREATE_ONLY, Properties, Store
from laden.values.errors import BlobConflict, BlobMissing, StoreError
from laden.values.names import OWN_FOLDER
from laden.values.records import Finding, Severity
from laden.values.secrets import redact
from laden.values.told import from_json

HISTORY = f"{OWN_FOLDER}/history/"
WHO_VARIABLE = "LADEN_WHO"
"""Of the environment: who does it. Nobody is named unless it is set."""
FORMAT = 1
_MOST_BYTES = 1 << 20
_MOST_WHO = 200
_ATTEMPTS = 100
"""Of writers that take the number before us, one after the other."""
_READINGS = 3


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done."""

    command: str
    """`load`, `prune`, `copy` ..."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, by the names of `laden.load` and its like; nothing that is secret, no path of a machine."""
    source: str = ""
    """What it came from: the last part of its name."""
    counts: Mapping[str, int] = field(default_factory=dict)
    begun: bool = False
    """Whether this is told before its first change; its counts are what is meant then."""
    needs_person: Mapping[str, int] | None = None
    """Of a load or copy that ended: how many of its findings need a person, by their codes."""
    marks: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """Of each of these codes, a hash of each place that is meant, as far as there is room."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a history."""

    number: int
    previous: str
    """SHA-256 of the record before, hexadecimal; empty for the first."""
    when: str
    """UTC, as in `2026-11-26T19:30:00Z` (RFC 3339)."""
    who: str
    command: str
    arguments: dict[str, Any]
    source: str
    counts: dict[str, int]
    laden: str
    """Its version."""
    profile: str
    documents: dict[str, str]
    """MD5 of the table, the manifest and whatever else the load landed, by name."""
    page: str
    """MD5 of `_laden/load.json`: the state that it left, or found where it began; empty for none."""
    begun: bool = False
    needs_person: dict[str, int] = field(default_factory=dict)
    """Of a load or copy that ended: how many of its findings need a person, by their codes."""
    marks: dict[str, str] = field(default_factory=dict)
    """Of each of these codes, a hash of each place that is meant, as far as there is room; blanks between them."""
    format: int = FORMAT

    @property
    def name(self) -> str:
        """Of its blob."""
        return name_of(self.number)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return (json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n").encode()


def name_of(number: int) -> str:
    """Name of a record's blob; names sort as numbers do."""
    return f"{HISTORY}{number:08d}.json"


def names(relations: Relations) -> list[str]:
    """Names of the records that the last listing shows, in order."""
    query = "SELECT name FROM blobs WHERE starts_with(name, ?) AND ends_with(name, '.json') ORDER BY name"
    return [name for (name,) in relations.stream(query, [HISTORY])]


async def remember(
    store: Store,
    relations: Relations,
    deed: Deed,
    *,
    listed: bool = False,
    always: bool = False,
    now: datetime | None = None,
) -> Record | None:
    """Append a record of what was done, unless the last one tells of the state that is there already.

    Args:
        store: the destination, where the deed is done and its page is written.
        relations: with a listing, which need not know the latest records.
        listed: whether it knows the page as this run left it, so that the page need not be read where nothing is due.
        always: whether a record is due although no page tells of what was done, as of tags or of what came back.
        deed: what was done.
        now: the time; None for this machine's clock.

    Returns:
        What was written; None where nothing was due.

    Raises:
        StoreError: it cannot be written, or what it links to cannot be read.
    """
    there = names(relations)
    number = _number(there[-1]) if there else 0
    before = await _as_stored(store, relations, name_of(number), _MOST_BYTES) if number else b""
    (state,) = relations.one("SELECT min(md5) FROM blobs WHERE name = ?", [LOAD])
    if listed and not always and _tells(before, state, deed):
        return None
    page = await _as_stored(store, relations, LOAD, MOST_PAGE_BYTES)
    state = hashlib.md5(page, usedforsecurity=False).hexdigest() if page else ""
    for _ in range(_ATTEMPTS):
        if not always and _tells(before, state, deed):
            return None
        record = _record(number + 1, before, deed, page, state, now or datetime.now(UTC))
        data = record.to_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        try:
            await store.put(record.name, data, Properties(md5, "application/json"), CREATE_ONLY)
        except BlobConflict:
            number, before = number + 1, await _as_stored(store, relations, name_of(number + 1), _MOST_BYTES)
            if before == data:
                return record  # our own put, whose answer was lost
            continue
        return record
    raise StoreError(f"{HISTORY} is written by so many others that no record could be appended: run again")


async def read_history(store: Store, listed: Iterable[str]) -> list[tuple[str, bytes]]:
    """Names and bytes of records, in order. Raises `StoreError`."""
    return [(name, await store.get(name, 0, _MOST_BYTES)) for name in listed]


def prove(stored: Iterable[tuple[str, bytes]], page: bytes | None) -> Iterator[Record | Finding]:
    """Every record that can be read, in order, and what is wrong with the chain.

    Args:
        stored: names and bytes of the records, in order.
        page: of the load that is there; None where there is none.
    """
    number, before = 0, b""
    last: Record | None = None
    for name, data in stored:
        number += 1
        if name != name_of(number):
            yield _broken(name, f"the record before it, number {number}, is gone")
            number = _number(name)
            before = b""
        record = parse(data)
        if record is None or record.number != number:
            yield _broken(name, "it is no record of this number")
        else:
            if before and record.previous != _hash(before):
                yield _broken(name, "the record before it is not as it was when this one was written")
            yield record
            last = record
        before = data
    state = None if page is None else hashlib.md5(page, usedforsecurity=False).hexdigest()
    if state is not None and (last is None or last.page != state):
        yield _behind(page, recorded=number > 0)


async def behind(store: Store, relations: Relations) -> list[Finding]:
    """Hold the page that the last listing shows against the last record of the history alone, where there is one."""
    listed = names(relations)
    record = parse(await _read(store, _number(listed[-1]))) if listed else None
    (state,) = relations.one("SELECT min(md5) FROM blobs WHERE name = ?", [LOAD])
    return [_behind(None)] if record is not None and state not in (None, record.page) else []


def _behind(page: bytes | None, *, recorded: bool = True) -> Finding:
    message = f"{_what_is_there(page, recorded=recorded)}: the next complete load records it"
    return Finding("history-behind", Severity.WARNING, message, blob=LOAD)


_OF_A_PART = frozenset({"archives", "where", "images_file", "marks_file", "sample", "first", "exclude", "include"})
"""Arguments by which a load is of a part of its source, and tells nothing of the rest."""


class Needing(NamedTuple):
    """How many findings of one code need a person."""

    findings: int
    at_least: bool = False
    """Whether there may be more: of several loads told so many that nobody knows which of them are the same."""


async def needing(store: Store, listed: Sequence[str]) -> dict[str, Needing]:
    """Findings that need a person, of the load that made what is there: how many of each code. Raises `StoreError`.

    Loads of parts add up, each as it ended last, back to the last one of all; what several of them told counts once.

    Args:
        store: the destination.
        listed: names of the records, in order.
    """
    parts: dict[str, Record] = {}
    for name in reversed(listed):
        record = parse(await store.get(name, 0, _MOST_BYTES))
        if record is None or record.begun or record.command not in ("load", "copy"):
            continue
        asked = {name: value for name, value in record.arguments.items() if name in _OF_A_PART}
        parts.setdefault(json.dumps(asked, sort_keys=True), record)
        if not asked:
            break
    codes = {code for part in parts.values() for code in part.needs_person}
    return {code: _in_all(code, parts.values()) for code in sorted(codes)}


def _in_all(code: str, parts: Iterable[Record]) -> Needing:
    known: set[str] = set()
    unknown: list[int] = []
    for part in parts:
        marks = set(part.marks.get(code, "").split())
        known |= marks
        if (more := part.needs_person.get(code, 0) - len(marks)) > 0:
            unknown.append(more)
    return Needing(len(known) + max(unknown, default=0), len(unknown) > 1)


def _what_is_there(page: bytes | None, *, recorded: bool) -> str:
    """Why the last record does not name the page that is there, as far as the page itself tells."""
    try:
        state = str(from_json(page or b"")["state"])
    except (ValueError, KeyError, TypeError):
        state = ""
    known = {
        "unfinished": "a first load began here, and has not come to its end",
        "changing": "a load that replaces images began here, and has not come to its end",
    }
    other = "what is there is another state than the last record tells"
    return known.get(state, other if recorded else "a load is here and no record of any, as where get brought it")


def parse(data: bytes) -> Record | None:
    """The record in these bytes; None where they are none that this version can read."""
    try:
        given = from_json(data)
        record = Record(**given)
        dicts = (record.arguments, record.counts, record.needs_person, record.marks)
        sound = record.format == FORMAT and all(isinstance(one, dict) for one in dicts)
        sound &= all(isinstance(count, int) for count in record.needs_person.values())
        sound &= all(isinstance(marks, str) for marks in record.marks.values())
    except (ValueError, TypeError, AttributeError):
        return None
    return record if sound else None


def _record(number: int, before: bytes, deed: Deed, page: bytes, state: str, now: datetime) -> Record:
    profile, documents = _of_page(page)
    return Record(
        number,
        _hash(before) if before else "",
        now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        redact(os.environ.get(WHO_VARIABLE, "").strip()[:_MOST_WHO]),
        deed.command,
        {name: _told(value) for name, value in deed.arguments.items()},
        redact(deed.source),
        dict(deed.counts),
        VERSION,
        profile,
        documents,
        state,
        deed.begun,
        dict(sorted((deed.needs_person or {}).items())),
        {code: " ".join(sorted(marks)) for code, marks in sorted(deed.marks.items())},
    )


def _of_page(page: bytes) -> tuple[str, dict[str, str]]:
    """The profile that a page tells of, and the MD5s of the documents; nothing of what was made no page any more."""
    try:
        told = from_json(page)
        named = [told["table"], told["manifest"], *told.get("documents", [])]
        return str(told["profile"]), {str(one["name"]): str(one["md5"]) for one in named if one}
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", {}


def _told(value: Any) -> Any:
    """A value as JSON holds it, without secrets."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    return redact(str(value))


def _tells(data: bytes, state: str | None, deed: Deed) -> bool:
    """Whether a record tells of this state already, and that what led to it ended so."""
    record = parse(data) if data else None
    if record is None or record.page != state:
        return False
    return deed.needs_person is None or record.needs_person == deed.needs_person


async def _as_stored(store: Store, relations: Relations, name: str, most_bytes: int) -> bytes:
    """What lies there, or nothing; what is hashed into a record for good is not taken from one reading's word.

    It is where its MD5 is the one that was listed or that is there now, or where two readings agree: then the bytes
    were changed where they lie, which the chain or `verify` tells.
    """
    (listed,) = relations.one("SELECT min(md5) FROM blobs WHERE name = ?", [name])
    earlier: bytes | None = None
    for _ in range(_READINGS):
        try:
            data = await store.get(name, 0, most_bytes)
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
            if md5.hex() == listed or data == earlier or (await store.head(name)).md5 in (md5, None):
                return data
        except BlobMissing:
            return b""
        earlier = data
    raise StoreError(f"{name} was read otherwise each time: see that nothing on the way changes what passes, run again")


async def _read(store: Store, number: int) -> bytes:
    try:
        return await store.get(name_of(number), 0, _MOST_BYTES)
    except BlobMissing:
        return b""


def _number(name: str) -> int:
    text = name.removeprefix(HISTORY).removesuffix(".json")
    return int(text) if text.isdecimal() else 0


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _broken(name: str, reason: str) -> Finding:
    message = f"{reason}: what the history tells up to there was changed by somebody"
    return Finding("history-broken", Severity.ERROR, message, blob=name)
