"""Names in `--archives` that are of no archive: neither here, nor in a table's rows, nor in the complete dataset.

They select nothing. What others select is loaded all the same; the names are told, with those that are near, and stand
in no count of what was asked for.
"""

from __future__ import annotations

import difflib
from dataclasses import replace

from laden.dataset.profile import Profile, parse_ranges
from laden.dataset.source import Found
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.survey.entries import chosen_homes, complete_homes, home_of
from laden.stages.survey.recognition import Choice
from laden.values.records import Finding, Severity
from laden.values.units import plural


def without_unknown(choice: Choice, profile: Profile, found: Found, relations: Relations, log: FindingLog) -> Choice:
    """The choice with the archives that there are, once `rows` and `entries` are filled; the others are told."""
    if choice.archives is None:
        return choice
    known = {home_of(profile, archive) for archive in (*found.archives, *found.lost)} | set(complete_homes(profile))
    named = "SELECT home FROM rows UNION SELECT home FROM entries"
    known |= {home for (home,) in relations.stream(f"SELECT home FROM ({named}) WHERE home IS NOT NULL")}  # noqa: S608
    homes = {value: chosen_homes(profile, value, found) or frozenset() for value in parse_ranges(choice.archives)}
    unknown = [value for value in homes if not homes[value] & known]
    if not unknown:
        return choice
    log.add(_unknown(unknown, min(homes[unknown[0]]), known))
    return replace(choice, archives=",".join(value for value in homes if value not in unknown))


def _unknown(unknown: list[str], home: str, known: set[str]) -> Finding:
    others = f", and {plural(len(unknown) - 1, 'more name')} are of none" if len(unknown) > 1 else ""
    near = difflib.get_close_matches(home, sorted(known), n=3)
    like = f"; near it are {', '.join(near)}" if near else ""
    message = f"--archives names {unknown[0]}, and there is no archive {home}, here or in the table{like}{others}"
    return Finding("archive-absent", Severity.WARNING, f"{message}: name those that you mean", archive=home)
