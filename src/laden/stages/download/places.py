"""Whether each wanted file can lie where it is to lie, on this machine and on others.

Names come from a container, so from anybody. Before anything is written, each is held against what no path may hold
(`laden.values.names`), against the others (two files in one place, a file where a folder must be), and against what
Windows and file systems that take large and small letters for the same make of it. What cannot lie there is taken out
and told; what can lie here and not elsewhere is told. No name is ever changed to fit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from laden.relations import Relations
from laden.values.names import plain_in_sql, problem, reserved
from laden.values.records import Finding, Severity

GETTING = """
CREATE OR REPLACE TABLE getting (
    place VARCHAR, blob VARCHAR, size_bytes BIGINT, md5 VARCHAR, crc32 BIGINT, etag VARCHAR)
"""
"""The relation of what is wanted: where each file is to lie, and what is known of it."""

_SEGMENT = r"(con|prn|aux|nul|conin\$|conout\$|com[0-9\x{b9}\x{b2}\x{b3}]|lpt[0-9\x{b9}\x{b2}\x{b3}])(\.[^/]*)?"
_WINDOWS = rf"regexp_matches(lower(place), '(^|/){_SEGMENT}(/|$)') OR regexp_matches(place, '[<>:\"|?*]|[ .](/|$)')"
"""Names that Windows keeps for devices, and what it allows in none ("Naming Files, Paths, and Namespaces")."""
_FOLDERS = """
CREATE OR REPLACE TABLE folders AS
SELECT DISTINCT unnest(list_transform(range(1, len(string_split(place, '/'))),
    lambda parts: array_to_string(string_split(place, '/')[:parts], '/'))) AS place
FROM getting WHERE contains(place, '/')
"""
_TWINS = """
CREATE OR REPLACE TABLE twins AS
SELECT lower(nfc_normalize(place)) AS folded, min(place) AS first FROM getting GROUP BY 1 HAVING count(*) > 1
"""


def refuse_places(relations: Relations, folder: Path) -> Iterator[Finding]:
    """Take out of `getting` what cannot lie in a folder, and tell it, and what cannot lie elsewhere."""
    yield from _unsafe(relations)
    yield from _shared(relations)
    yield from _folders(relations)
    yield from _folded(relations, merged=merges_case(folder))
    yield from _device_names(relations)


def _unsafe(relations: Relations) -> Iterator[Finding]:
    doubtful = relations.stream(f"SELECT DISTINCT place FROM getting WHERE NOT ({plain_in_sql('place')})")  # noqa: S608 - own text
    judged = ((place, problem(place) or reserved(place)) for (place,) in doubtful)
    relations.run("CREATE OR REPLACE TABLE refused_places (place VARCHAR, reason VARCHAR)")
    relations.feed("refused_places", ((place, reason) for place, reason in judged if reason is not None))
    for place, blob, reason in relations.stream(
        "SELECT place, blob, reason FROM getting JOIN refused_places USING (place) ORDER BY place, blob"
    ):
        yield _refused(blob, f"it would lie at '{place}', whose name {reason}")
    relations.run("DELETE FROM getting WHERE place IN (SELECT place FROM refused_places)")


def _shared(relations: Relations) -> Iterator[Finding]:
    """Two files in one place: the first by name comes; the others only where their bytes are the same."""
    relations.run(
        "CREATE OR REPLACE TABLE firsts AS SELECT place, min(blob) AS blob, arg_min(md5, blob) AS md5"
        " FROM getting GROUP BY place HAVING count(*) > 1"
    )
    for place, blob, first in relations.stream(
        "SELECT g.place, g.blob, f.blob FROM getting g JOIN firsts f USING (place)"
        " WHERE g.blob <> f.blob AND g.md5 IS DISTINCT FROM f.md5 ORDER BY g.place, g.blob"
    ):
        yield _refused(blob, f"it would lie at '{place}', where {first} is to lie: choose another --layout")
    relations.run("DELETE FROM getting USING firsts f WHERE f.place = getting.place AND f.blob <> getting.blob")


def _folders(relations: Relations) -> Iterator[Finding]:
    relations.run(_FOLDERS)
    for place, blob in relations.stream("SELECT place, blob FROM getting SEMI JOIN folders USING (place) ORDER BY 1"):
        yield _refused(blob, f"it would lie at '{place}', which is a folder that others lie in")
    relations.run("DELETE FROM getting WHERE place IN (SELECT place FROM folders)")


def _folded(relations: Relations, *, merged: bool) -> Iterator[Finding]:
    """Places that differ only in large and small letters, or in how their accents are written (Unicode, NFC)."""
    relations.run(_TWINS)
    query = "FROM getting g JOIN twins t ON lower(nfc_normalize(g.place)) = t.folded WHERE g.place <> t.first"
    for blob, first in relations.stream(f"SELECT g.blob, t.first {query} ORDER BY 2, 1"):
        if merged:
            yield _refused(blob, f"this file system takes its name for the same as '{first}', which comes")
        else:
            yield _elsewhere(
                blob, f"on Windows and macOS its name is the same as '{first}', so one would hide the other"
            )
    if merged:
        relations.run(
            "DELETE FROM getting USING twins t"
            " WHERE lower(nfc_normalize(getting.place)) = t.folded AND getting.place <> t.first"
        )


def _device_names(relations: Relations) -> Iterator[Finding]:
    here = os.name == "nt"
    for place, blob in relations.stream(f"SELECT place, blob FROM getting WHERE {_WINDOWS} ORDER BY 1"):  # noqa: S608
        tell = _refused if here else _elsewhere
        yield tell(blob, f"Windows takes no file that is called '{place}'")
    if here:
        relations.run(f"DELETE FROM getting WHERE {_WINDOWS}")  # noqa: S608 - own text


def merges_case(folder: Path) -> bool:
    """Whether the file system of a folder, which need not be there yet, takes `A` and `a` for the same."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    for path in (there, *there.parents):
        other = path.with_name(path.name.swapcase()) if path.name else path
        if other.name != path.name:
            return other.exists() and other.samefile(path)
    return sys.platform in ("win32", "darwin")


def _refused(blob: str, reason: str) -> Finding:
    return Finding("get-name", Severity.ERROR, f"it is not fetched: {reason}", blob=blob)


def _elsewhere(blob: str, reason: str) -> Finding:
    return Finding("name-portable", Severity.WARNING, f"it can lie here, but not everywhere: {reason}", blob=blob)
