"""Which entry is a row's image: the joins of `rows` and `entries`.

A row names its image by a key and by a place: the values of the columns that names of archives and folders show. An
entry has a key, and as much of a place as its own names say. They agree where their keys are equal and no value that
both know differs. Of the entries that agree with a row, those that say most of the place are its candidates. It gets
one of them

- if all candidates have provably equal content, and
- if that place is known whole; or else if the row is the only one in all tables that could mean that entry, and
- if no other rows want the same entry under other names than the row's.

A row that has candidates and gets none is ambiguous: nothing is sent for it, and a person is told. An entry whose names
say another place than the row's is no candidate, however alone it is.

Values are compared in groups, never pair by pair, so that a name that all folders have costs no more than others. Every
join is by equal texts: rows and entries are taken by which values they know, for which the number of ways is small.
Where all of them know their whole place, and no two entries are called the same there, as in most datasets, no row has
two candidates: then that is one join, and says the same.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from laden.dataset.profile.shape import PLACE_SEPARATOR
from laden.relations import Relations
from laden.stages.linking import place_value

CONTENT = (
    "CASE WHEN {0}.crc32 IS NULL THEN -1 - {0}.id::HUGEINT ELSE {0}.size_bytes::HUGEINT * 4294967296 + {0}.crc32 END"
)
"""A number that is equal for entries of provably equal content; of a plain file nobody knows, so it has its own."""

_PLAIN = """
CREATE OR REPLACE TABLE matches AS
SELECT r.row, e.id, e.home IS DISTINCT FROM r.home AS elsewhere
FROM rows r JOIN entries e ON e.key = r.key AND {entry_value} = {row_value}
WHERE r.usable AND r.blob IS NOT NULL
"""
"""As `_MATCHES`, where no row has more than one candidate, and each says its whole place."""

_SCHEMA = """
CREATE OR REPLACE TABLE offers (row BIGINT, level INTEGER, entries BIGINT, id BIGINT, low HUGEINT, high HUGEINT);
CREATE OR REPLACE TABLE agreed (id BIGINT);
CREATE OR REPLACE TABLE claims (id BIGINT, places BIGINT);
"""

_LEFT = """
CREATE OR REPLACE TABLE ambiguous (row BIGINT, id BIGINT, entries BIGINT, torn BOOLEAN);
CREATE OR REPLACE TABLE spare (id BIGINT, chosen BIGINT);
"""

_OFFERS = """
INSERT INTO offers
SELECT r.row, {level}, g.entries, g.id, g.low, g.high
FROM rows r JOIN (
    SELECT e.key, {entry_value} AS value, count(*) AS entries, min(e.id) AS id,
           min({content}) AS low, max({content}) AS high
    FROM entries e WHERE {entry_mask} = {of_entry} GROUP BY e.key, value) g
  ON g.key = r.key AND g.value = {row_value}
WHERE {row_mask} = {of_row} AND r.usable AND r.blob IS NOT NULL
"""
"""For each row what the entries of one kind offer it: how many, the first, and whether their content is equal."""

_BEST = """
CREATE OR REPLACE TABLE best AS
SELECT row, level, sum(entries)::BIGINT AS entries, min(id) AS id, min(low) AS low, max(high) AS high
FROM offers GROUP BY row, level QUALIFY level = max(level) OVER (PARTITION BY row)
"""

_AGREED = """
SELECT e.id FROM entries e SEMI JOIN (SELECT r.key, {row_value} AS value FROM rows r
    WHERE r.key IS NOT NULL AND {row_mask} = {of_row}) g ON g.key = e.key AND g.value = {entry_value}
WHERE {entry_mask} = {of_entry}
"""
"""Entries that some row means, whether or not it can be loaded."""

_CLAIMS = """
INSERT INTO claims
SELECT c.id, g.places FROM (
    SELECT e.id, e.key, {entry_value} AS value FROM entries e
    WHERE {entry_mask} = {of_entry} AND e.id IN (SELECT id FROM best WHERE level < {whole})) c
JOIN (
    SELECT r.key, {row_value} AS value, count(DISTINCT r.place) AS places FROM rows r
    WHERE r.key IS NOT NULL AND {row_mask} = {of_row} GROUP BY r.key, value) g ON g.key = c.key AND g.value = c.value
"""
"""How many places, as rows give them, an entry could be meant by that does not say its own whole."""

_MATCHES = """
CREATE OR REPLACE TABLE matches AS
SELECT b.row, b.id, e.home IS DISTINCT FROM r.home AS elsewhere
FROM best b JOIN rows r USING (row) JOIN entries e ON e.id = b.id
WHERE b.low = b.high AND (b.level = {whole} OR b.id IN (SELECT id FROM claims GROUP BY id HAVING sum(places) = 1))
"""
"""A row and its image, one each. Narrow: names stay in `rows` and `entries`."""

_TORN = """
CREATE OR REPLACE TABLE torn AS
WITH often AS (SELECT id FROM matches GROUP BY id HAVING count(*) > 1)
SELECT m.id FROM matches m SEMI JOIN often USING (id) JOIN rows r USING (row)
GROUP BY m.id HAVING min(hash(r.blob)) <> max(hash(r.blob))
"""
_TOLD_APART = """
DELETE FROM torn WHERE id IN (
    SELECT id FROM (
        SELECT m.id, r.name, r.place, r.blob,
               coalesce((SELECT max(s.before) FROM table_starts s WHERE s.before < r.row), 0) AS before
        FROM torn JOIN matches m USING (id) JOIN rows r USING (row))
    GROUP BY id HAVING min(name) = max(name) AND min(place) = max(place)
        AND count(DISTINCT (before, blob)) = count(DISTINCT before))
"""
"""Tables with layouts of their own may want one image twice, if they name it by the same name and place."""

_AMBIGUOUS = """
INSERT INTO ambiguous
SELECT row, id, CASE WHEN low = high THEN 1 ELSE entries END, false FROM best ANTI JOIN matches USING (row)
"""
_TAKE_TORN = """
INSERT INTO ambiguous SELECT row, id, 1, true FROM matches SEMI JOIN torn USING (id);
DELETE FROM matches WHERE id IN (SELECT id FROM torn);
"""

_STRAYS = """
CREATE OR REPLACE TABLE strays AS SELECT id, blob FROM entries ANTI JOIN {taken} USING (id)
"""

_SPARE = """
INSERT INTO spare
SELECT e.id, g.id FROM entries e JOIN (
    SELECT r.key, {row_value} AS value, min(m.id) AS id FROM matches m JOIN rows r USING (row)
    WHERE {row_mask} = {of_row} GROUP BY r.key, value) g ON g.key = e.key AND g.value = {entry_value}
WHERE {entry_mask} = {of_entry} AND e.id NOT IN (SELECT id FROM matches) AND e.id NOT IN (SELECT id FROM ambiguous)
"""


class Left(NamedTuple):
    """How many rows and entries have no plain answer."""

    ambiguous: int
    strays: int
    spare: int


def match(relations: Relations, places: int) -> Left:
    """Make `matches` (row, id), `ambiguous` (rows that get none of their candidates), `strays` and `spare`.

    Args:
        relations: `rows` and `entries` are filled.
        places: how many values a place has (`Profile.place_fields`).
    """
    of_rows, of_entries = _found_kinds(relations, places)
    kinds = [_Pair(places, of_row, of_entry) for of_row, (of_entry, _) in product(of_rows, of_entries)]
    relations.run(_LEFT)
    whole = (1 << places) - 1
    if (of_rows, of_entries) == ([whole], [(whole, False)]):
        return _plainly(relations, kinds[0])
    relations.run(_SCHEMA)
    for pair in kinds:
        relations.run(pair.fill(_OFFERS, content=CONTENT.format("e")))
        relations.run("INSERT INTO agreed" + pair.fill(_AGREED))
    relations.run("CREATE OR REPLACE TABLE best AS FROM offers" if len(kinds) <= 1 else _BEST)
    # In a whole dataset every place is known, and nothing is left over: that costs nothing then.
    if relations.one("SELECT count(*) FROM best WHERE level < ?", [places])[0]:
        for pair in kinds:
            relations.run(pair.fill(_CLAIMS, whole=places))
    relations.run(_MATCHES.format(whole=places))
    ambiguous = relations.run(_AMBIGUOUS) + _take_torn(relations)
    strays, spare = relations.run(_STRAYS.format(taken="agreed")), 0
    taken = "SELECT count(*) > (SELECT count(DISTINCT id) FROM matches) FROM agreed"
    for pair in kinds if relations.one(taken)[0] else ():
        spare += relations.run(pair.fill(_SPARE))
    relations.run(";".join(f"DROP TABLE {done}" for done in ("offers", "agreed", "claims", "best")))
    return Left(ambiguous, strays, spare)


def _plainly(relations: Relations, pair: _Pair) -> Left:
    """The same where all rows and entries are of one kind, that knows its whole place, and no two entries are alike."""
    relations.run(pair.fill(_PLAIN))
    strays = relations.run(_STRAYS.format(taken="matches"))
    if strays:
        # What is meant by a row that cannot be loaded is no stray.
        strays -= relations.run(f"DELETE FROM strays WHERE id IN ({pair.fill(_AGREED)})")  # noqa: S608 - own text
    return Left(_take_torn(relations), strays, 0)


def _take_torn(relations: Relations) -> int:
    """Take out of `matches` the rows that want one image under several names; returns how many."""
    if not relations.run(_TORN):
        return 0
    relations.run(_TOLD_APART)
    taken: int = relations.one("SELECT count(*) FROM matches SEMI JOIN torn USING (id)")[0]
    relations.run(_TAKE_TORN)
    return taken


class _Pair:
    """Rows that know some values of their place, and entries that know some of theirs, as numbers of bits."""

    def __init__(self, places: int, of_row: int, of_entry: int) -> None:
        shared = of_row & of_entry
        self._parts = {
            "level": str(shared.bit_count()),
            "of_row": str(of_row),
            "of_entry": str(of_entry),
            "row_mask": _mask("r", places),
            "entry_mask": _mask("e", places),
            "row_value": _values("r", places, shared),
            "entry_value": _values("e", places, shared),
        }

    def fill(self, statement: str, **more: object) -> str:
        """The statement about these rows and entries."""
        return statement.format(**self._parts, **more)


def _found_kinds(relations: Relations, places: int) -> tuple[list[int], list[tuple[int, bool]]]:
    """Which values rows know, and which entries know, as numbers of bits.

    And of entries whether some of a kind have one key and place, or seem to, by a mark of 64 bits.
    """
    rows = f"SELECT DISTINCT {_mask('r', places)} FROM rows r WHERE r.key IS NOT NULL"  # noqa: S608 - own text
    whole = _values("e", places, (1 << places) - 1)
    marked = f"SELECT {_mask('e', places)} AS mask, count(*) AS alike FROM entries e"  # noqa: S608 - own text
    entries = f"SELECT mask, max(alike) > 1 FROM ({marked} GROUP BY mask, hash(e.key, {whole})) GROUP BY mask"  # noqa: S608
    return sorted(mask for (mask,) in relations.stream(rows)), sorted(relations.stream(entries))


def _mask(table: str, places: int) -> str:
    bits = (f"CASE WHEN {place_value(table, at)} <> '' THEN {1 << at} ELSE 0 END" for at in range(places))
    return f"({' + '.join(bits) or '0'})"


def _values(table: str, places: int, mask: int) -> str:
    """The values of a place that `mask` has bits for, as one text."""
    if not mask:
        return "''"
    if mask == (1 << places) - 1:
        return f"{table}.place"
    wanted = ", ".join(place_value(table, at) for at in range(places) if mask >> at & 1)
    return f"concat_ws(chr({ord(PLACE_SEPARATOR)}), {wanted})"
