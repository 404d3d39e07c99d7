"""Rows whose image is not found, held against images that no row names: are they the same under other names?

Two names are near when they are equal without folders, ending, and the difference of capital and small letters. The
answer is one finding with an example and what differs, so that nobody fetches again what is there.
"""

from __future__ import annotations

from laden.relations import Relations
from laden.values.records import Finding, Severity

_BARE = (
    "nullif(lower(strip_accents(nfc_normalize(regexp_replace(regexp_replace(trim({}), '^.*[/\\\\]', ''),"
    " '([.][A-Za-z][A-Za-z0-9]{{1,5}}){{1,2}}$', '')))), '')"
)
"""A name without folders (of either slash), up to two endings, accents and capitals."""
_NEAR = f"""
WITH missing AS (
    SELECT row, key, name, {_BARE.format("name")} AS bare FROM rows
    WHERE selected AND name <> '' AND row NOT IN (SELECT row FROM matches)),
stray AS (
    SELECT id, key, archive, member, {_BARE.format("member")} AS bare FROM entries WHERE id IN (SELECT id FROM strays)),
near AS (
    SELECT m.row, m.name, s.archive, s.member FROM missing m JOIN stray s USING (bare)
    WHERE m.key IS DISTINCT FROM s.key
      AND bare IN (SELECT bare FROM missing GROUP BY bare HAVING count(DISTINCT name) = 1)
      AND bare IN (SELECT bare FROM stray GROUP BY bare HAVING count(*) = 1)
      AND NOT (contains(m.name, '/') AND contains(s.member, '/')
               AND split_part(m.name, '/', -1) = split_part(s.member, '/', -1)))
SELECT count(*), (SELECT count(*) FROM missing), arg_min(name, row), arg_min(archive, row), arg_min(member, row),
       min(row)
FROM near
"""  # noqa: S608 - own text
"""Names that are there more than once without folders (`view1.jpg`) say nothing, nor do equal ones in other folders.

Where the keys are equal the names do not differ, but the places."""


def near_names(relations: Relations) -> Finding | None:
    """The finding about rows whose images are here under other names, once `matches` and `strays` are made; or None."""
    count, missing, name, archive, member, row = relations.one(_NEAR)
    if not count:
        return None
    which = "none of the rows finds its image" if _none_match(relations) else f"{count:,} of {missing:,} rows without"
    which = which if "none" in which else f"{which} an image seem to have it here"
    place = archive or "the folder"
    message = (
        f"{which}: the table says '{name}', {place} has '{member}' ({difference(name, member)}); correct the table,"
        " or say in a profile how names match (match, segments, ignore_case: laden profiles)"
    )
    return Finding("names-differ", Severity.ERROR, message, archive=archive, member=member, row=row)


def difference(name: str, member: str) -> str:
    """In what a row's name and a member's differ, as a phrase."""
    reasons = []
    if "\\" in name:
        reasons.append("the table's has folders with backslashes, as on Windows")
    elif "/" in name:
        reasons.append("the table's has a folder")
    ours, theirs = (text.strip().replace("\\", "/").rpartition("/")[2] for text in (name, member))
    stems = [text.partition(".")[0] for text in (ours, theirs)]
    if ours.casefold() != theirs.casefold() and stems[0].casefold() == stems[1].casefold():
        ends = [text.partition(".")[2] for text in (ours, theirs)]
        reasons.append(_endings(*ends))
    elif ours != theirs and stems[0] == stems[1]:
        reasons.append("the endings differ in capital and small letters")
    if stems[0] != stems[1]:
        same = stems[0].casefold() == stems[1].casefold()
        reasons.append("capital and small letters differ" if same else "letters differ in their accents")
    return "; ".join(reasons) or "they lie in other folders"


def _endings(ours: str, theirs: str) -> str:
    if not ours:
        return f"the table's lacks the ending .{theirs}"
    return f"the endings differ, .{ours} and .{theirs}" if theirs else f"the table's has an ending, .{ours}"


def _none_match(relations: Relations) -> bool:
    rows: int = relations.one("SELECT count(*) FROM rows WHERE selected AND row IN (SELECT row FROM matches)")[0]
    return not rows
