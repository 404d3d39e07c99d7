"""Why a member is listed as a finding and not as an entry, in the words that all kinds of archives share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from laden.dataset.source.kinds import is_packed
from laden.values.names import problem
from laden.values.records import Finding, Severity

Refusal = tuple[str, Severity, str]
"""Code, severity and message of a finding."""


def refused(code: str, reason: str) -> Refusal:
    """A refusal whose reason goes on after "because"."""
    return code, Severity.ERROR, f"The member is not loaded, because {reason}."


def refused_name(name: str) -> Refusal | None:
    """The refusal of a name that may not travel, or None."""
    reason = problem(name)
    return refused("name-refused", f"its name {reason}; rename it and pack the archive again") if reason else None


def printable(name: str) -> str:
    """The name as a finding may hold it."""
    return name.encode("unicode_escape").decode("ascii") if problem(name) else name


def junk_finding(archive: str, names: list[str]) -> Finding:
    """The one finding about all members that are no data."""
    what = "member that is" if len(names) == 1 else "members that are"
    left_out = "was left out" if len(names) == 1 else "were left out"
    message = f"{len(names):,} {what} no data (folders, system files) {left_out}, like {printable(names[0]) or './'}."
    return Finding("junk-ignored", Severity.INFO, message, archive=archive)


def nested_findings(archive: str, names: Iterable[str]) -> Iterator[Finding]:
    """The one finding about members that are archives themselves, where there are any."""
    nested = [name for name in names if is_packed(name)]
    if nested:
        what = "member is an archive itself" if len(nested) == 1 else "members are archives themselves"
        message = f"{len(nested):,} {what}, like {printable(nested[0])}, into which laden does not look: if images "
        yield Finding("archive-nested", Severity.WARNING, message + "are in there, unpack it first.", archive=archive)


class Duplicates:
    """Members of one name: of equal ones the first is kept; of different ones none, as nobody knows which."""

    def __init__(self, members: Iterable[tuple[str, Hashable]]) -> None:
        """Take names, each with what tells contents apart."""
        contents: dict[str, Hashable] = {}
        self._seen: set[str] = set()
        self._ambiguous: set[str] = set()
        for name, content in members:
            if contents.setdefault(name, content) != content:
                self._ambiguous.add(name)

    def refusal(self, name: str) -> Refusal | None:
        """The refusal of the next member of that name, or None for the one that is kept."""
        if name in self._ambiguous:
            reason = "the archive holds different members of this name; find out which is right and pack it again"
            return refused("member-duplicate", reason)
        if name in self._seen:
            message = "The archive holds this member more than once with the same content; one is loaded."
            return "member-duplicate", Severity.WARNING, message
        self._seen.add(name)
        return None
