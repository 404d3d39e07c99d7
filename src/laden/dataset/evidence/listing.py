"""Holds a publisher's listing of a zip, `0.zip.unzip-l.txt`, against the members that its directory has.

The format is what Info-ZIP's `unzip -l` prints: three lines of heading, one line for each member (length, date, time,
name), two lines of footing with the sum. Folders and system files are left out on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from laden.dataset.evidence.trust import Trust, read_evidence
from laden.dataset.source import Root
from laden.values.names import is_junk
from laden.values.records import Entry, Finding, Severity

SUFFIX = ".unzip-l.txt"

_MEMBER = re.compile(r" *([0-9]+) +[0-9-]+ [0-9]{2}:[0-9]{2}  [ ^](.*)", re.DOTALL)
_RULE = re.compile(r"-{5,}[ -]*")
_SUM = re.compile(r" *([0-9]+) +([0-9]+) files?")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def is_listing(file: str) -> bool:
    """Whether the file at that path is called as listings are."""
    return file.endswith(SUFFIX)


def compared(
    root: Root, archive: str, found: Iterable[Entry | Finding], files: frozenset[str], trust: Trust
) -> Iterator[Entry | Finding]:
    """Pass on what an archive holds, then the differences from its publisher's listing, if there is one.

    Findings: `evidence-member-missing`, `evidence-member-size`, `evidence-member-extra`, `evidence-unreadable`.

    Args:
        root: of the source.
        archive: its path below the root.
        found: its members and what is wrong with them.
        files: the source's plain files, as paths below the root.
        trust: what a person trusts more than the listing.
    """
    listing = archive + SUFFIX
    if listing not in files:
        yield from found
        return
    here: dict[str, list[int]] = {}
    refused: set[str] = set()
    for one in found:
        yield one
        if isinstance(one, Entry):
            here.setdefault(one.member, []).append(one.size_bytes)
        elif one.member:
            refused.add(_shown(one.member))
    try:
        listed = read_listing(root / listing)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"{listing} cannot be compared with {archive}: {reason}; fetch it again."
        yield Finding("evidence-unreadable", Severity.WARNING, message, archive=archive)
        return
    for finding in _differences(archive, listing, listed, here, refused):
        yield trust.judged(finding, archive, listing)


def read_listing(path: Path) -> list[tuple[str, int]]:
    """Name and size of each member of the listing; raises OSError, and ValueError where it is none, or is cut."""
    lines = read_evidence(path).replace("\r\n", "\n").split("\n")
    rules = [number for number, line in enumerate(lines) if _RULE.fullmatch(line)]
    if len(rules) < 2:
        raise ValueError("it is not what `unzip -l` prints, or is cut off")
    members: list[tuple[str, int]] = []
    for number in range(rules[0] + 1, rules[-1]):
        member = _MEMBER.fullmatch(lines[number])
        if member is None:
            raise ValueError(f"its line {number + 1:,} is not one of `unzip -l`")
        members.append((member[2], int(member[1])))
    total = _SUM.fullmatch(lines[rules[-1] + 1]) if len(lines) > rules[-1] + 1 else None
    if total is None or (int(total[1]), int(total[2])) != (sum(size for _, size in members), len(members)):
        raise ValueError("its members do not add up to the sum in its last line")
    return members


def _differences(
    archive: str, listing: str, listed: list[tuple[str, int]], here: dict[str, list[int]], refused: set[str]
) -> Iterator[Finding]:
    names: set[str] = set()
    for name, size_bytes in listed:
        names.add(name)
        sizes = here.get(name)
        if is_junk(name) or name in refused or (sizes and size_bytes in sizes):
            continue
        if sizes:
            message = f"{listing} says {size_bytes:,} bytes, and it has {sizes[0]:,}; download {archive} again."
            yield Finding("evidence-member-size", Severity.ERROR, message, archive, name)
        else:
            message = f"{listing} lists it, and {archive} does not hold it; download {archive} again."
            yield Finding("evidence-member-missing", Severity.ERROR, message, archive, name)
    for name in here:
        if name not in names:
            message = f"{archive} holds it, and {listing} does not list it; is one of them of another version?"
            yield Finding("evidence-member-extra", Severity.WARNING, message, archive, name)


def _shown(member: str) -> str:
    """The name of a refused member as `unzip -l` shows it: findings escape what no terminal should get."""
    name = member.encode("ascii").decode("unicode_escape") if member.isascii() else member
    return _CONTROL.sub(lambda control: f"^{chr(ord(control[0]) ^ 0x40)}", name)
