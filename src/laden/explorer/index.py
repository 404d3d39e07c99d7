"""The relation `items`: one row for each image or file of a place, in the order of their names.

Filled from a manifest at once, from a listing while it comes in, or from a survey. The place of a row in the order of
names (`pos`) is what views count with; it holds until the relation is made anew, which raises the `generation`. Nothing
is asked of a store here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from laden.explorer.database import PACKED, Shared
from laden.stages.metadata import facts_in_sql, source_in_sql, to_columns
from laden.store.manage import Detail

_TABLE = f"{PACKED}.items"
"""What the view `items` shows: of a million images, a third of what it would be unpacked."""
_ITEMS = f"""
CREATE OR REPLACE TABLE {_TABLE} (
    pos BIGINT, name VARCHAR, size_bytes BIGINT, modified_s BIGINT, md5 VARCHAR, etag VARCHAR, tier VARCHAR,
    type VARCHAR, fate VARCHAR, archive VARCHAR, member VARCHAR, crc32 BIGINT, key VARCHAR, kind VARCHAR,
    width INTEGER, height INTEGER, bits INTEGER, state VARCHAR, entry BIGINT, mark VARCHAR, note VARCHAR)
"""
_MERGED = f"{PACKED}.merged"
LINES = f"{PACKED}.lines"
"""Of each position, the rows of the label table; empty from when positions change until they are joined anew."""
NO_LINES = f"CREATE OR REPLACE TABLE {LINES} (pos BIGINT, line BIGINT)"
SAME = "{} IN ('', 'there', 'named', 'stray')"
"""Condition on a fate: nobody knows that the item is gone, another one now, or a stranger's."""
_ORDER = f"SELECT count(*), bit_xor(hash(pos, name, {SAME.format('fate')})) FROM {{}}"  # noqa: S608 - own text
"""Equal where all positions mean the same items, with the same right to their labels."""
_PACK_ROWS = 50_000
LISTED = f"{PACKED}.listed"
_LISTED = f"""
CREATE OR REPLACE TABLE {LISTED} (
    name VARCHAR, size_bytes BIGINT, md5 VARCHAR, etag VARCHAR, crc32 BIGINT, image VARCHAR, source VARCHAR,
    modified_s BIGINT, tier VARCHAR, type VARCHAR)
"""
_ARCHIVE, _MEMBER = source_in_sql("l.source")
_FACTS = f"(SELECT *, {facts_in_sql('l.image')} AS facts FROM {LISTED} l)"  # noqa: S608 - own text
"""A listing with what is said of each image: as one column, for each place where that long expression stands costs
30 kB of memory for every statement that is planned, which DuckDB never gives back."""
_FROM_LISTING = f"""
SELECT row_number() OVER (ORDER BY l.name) - 1 + ? AS pos, l.name, l.size_bytes, l.modified_s, l.md5, l.etag, l.tier,
  l.type, '' AS fate, {_ARCHIVE} AS archive,
  {_MEMBER} AS member, l.crc32, NULL::VARCHAR AS key,
  nullif(split_part(l.facts, ';', 1), '') AS kind,
  nullif(TRY_CAST(split_part(l.facts, ';', 2) AS INTEGER), 0) AS width,
  nullif(TRY_CAST(split_part(l.facts, ';', 3) AS INTEGER), 0) AS height,
  nullif(TRY_CAST(split_part(l.facts, ';', 4) AS INTEGER), 0) AS bits,
  nullif(split_part(l.facts, ';', 5), '') AS state, NULL::BIGINT AS entry, NULL::VARCHAR AS mark, NULL::VARCHAR AS note
FROM {_FACTS} l ORDER BY l.name
"""  # noqa: S608 - own text


_BOTH = f"""
SELECT coalesce(l.name, k.blob) AS name,
  coalesce(l.size_bytes, k.size_bytes) AS size_bytes, l.modified_s, coalesce(l.md5, k.md5) AS md5,
  l.etag, coalesce(l.tier, '') AS tier, coalesce(l.type, '') AS type,
  CASE WHEN NOT $listed THEN '' WHEN l.name IS NULL THEN 'deleted'
       WHEN k.blob IS NULL THEN if(starts_with(l.name, '_laden/') OR list_contains($own, l.name), '', 'foreign')
       WHEN l.size_bytes <> k.size_bytes OR coalesce(l.md5 <> k.md5, k.known = 'sent') THEN 'changed'
       ELSE 'there' END AS fate,
  coalesce(k.archive, {_ARCHIVE}) AS archive,
  coalesce(k.member, {_MEMBER}) AS member,
  coalesce(k.crc32, l.crc32) AS crc32, nullif(k.key, '') AS key,
  nullif(coalesce(k.kind, split_part(l.facts, ';', 1)), '') AS kind,
  nullif(coalesce(k.width, TRY_CAST(split_part(l.facts, ';', 2) AS INTEGER)), 0) AS width,
  nullif(coalesce(k.height, TRY_CAST(split_part(l.facts, ';', 3) AS INTEGER)), 0) AS height,
  nullif(coalesce(k.bits, TRY_CAST(split_part(l.facts, ';', 4) AS INTEGER)), 0) AS bits,
  nullif(coalesce(k.state, split_part(l.facts, ';', 5)), '') AS state,
  NULL::BIGINT AS entry, NULL::VARCHAR AS mark, NULL::VARCHAR AS note
FROM (SELECT * FROM {_FACTS} WHERE name >= $since AND ($until IS NULL OR name < $until)) l
  FULL JOIN (SELECT * FROM known WHERE blob >= $since AND ($until IS NULL OR blob < $until)) k ON k.blob = l.name
"""  # noqa: S608 - own text
_NAMES = f"(SELECT name FROM {LISTED} UNION ALL SELECT blob FROM known)"  # noqa: S608 - own text
_PART_ROWS = 60_000
"""Of listing and manifest that are joined at once: a join holds what it joins."""
_SAMPLES = 50
"""Names that are drawn for each part, to find where to cut."""
_SURVEYED = """
SELECT if(e.archive = '', e.member, e.archive || '/' || e.member) AS name, e.size_bytes,
  e.mtime_ns // 1000000000 AS modified_s, NULL::VARCHAR AS md5, '' AS etag, '' AS tier, '' AS type,
  {fate} AS fate,
  e.archive, e.member, e.crc32, e.key, NULL::VARCHAR AS kind, NULL::INTEGER AS width, NULL::INTEGER AS height,
  NULL::INTEGER AS bits, NULL::VARCHAR AS state, e.id AS entry, NULL::VARCHAR AS mark, NULL::VARCHAR AS note
FROM entries e
"""
_NAMED = "if(e.id IN (SELECT id FROM strays), 'stray', 'named')"


@dataclass
class State:
    """How far the index is, for a page that asks."""

    phase: str = "opening"
    """`opening`, `listing`, `ready` or `failed`."""
    as_of_s: int = 0
    """Unix time of the manifest that is shown while the listing comes; 0 where it is a listing."""
    listed: int = 0
    """Blobs of the listing so far."""
    table: str = ""
    """The label table's name; empty until it is joined, or where there is none."""
    error: str = ""
    generation: int = 0
    """Raised when what was asked before is out of date."""
    read_bytes: int = 0
    """Read from the place for the page, the index included."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: no table could be read, and why."""


class Index:
    """What is known of one place."""

    def __init__(self, relations: Shared) -> None:
        self.relations = relations
        self.state = State()
        self._last, self._disordered = "", False
        """Of a listing that is shown as it comes: the last of its names, and whether they came in another order."""
        self.epoch = 0
        """Of positions: views of an earlier one would show other items."""
        relations.run(_ITEMS)
        relations.run(NO_LINES)
        relations.run(f"CREATE OR REPLACE VIEW items AS SELECT * FROM {_TABLE}")  # noqa: S608 - own text
        relations.run(_LISTED)

    def raised(self, *, moved: bool = False) -> None:
        """What was asked before is out of date; `moved` is whether positions mean other items now."""
        self.state.generation += 1
        self.epoch += moved

    def begin_listing(self) -> None:
        """Forget an earlier listing, and nothing that is shown."""
        self.relations.run(_LISTED)
        self.state.listed = 0

    def take(self, details: Iterable[Detail], *, show: bool) -> int:
        """Take in a page of a listing; where nothing else is there to be shown, show it at once."""
        rows = _rows([detail for detail in details if detail.current])
        if show:
            self._append(rows)
        else:
            self.relations.feed(LISTED, rows)
            self._pack_now_and_then(len(rows))
        self.state.listed += len(rows)
        return len(rows)

    def _append(self, rows: list[tuple[Any, ...]]) -> None:
        """A page after those that are shown."""
        names = [row[0] for row in rows]
        # Letters compare by their code points, which is the order of their UTF-8.
        self._disordered |= min(names, default=self._last) < self._last
        self._last = max([self._last, *names])
        self.relations.run(_LISTED)
        self.relations.feed(LISTED, rows)
        self.relations.run(f"INSERT INTO {_TABLE} {_FROM_LISTING}", [self.state.listed])
        self._pack_now_and_then(len(rows))
        self.raised()

    def _pack_now_and_then(self, more: int) -> None:
        if self.state.listed // _PACK_ROWS < (self.state.listed + more) // _PACK_ROWS:
            self.relations.pack()

    def clear(self) -> None:
        """Show nothing."""
        self._last, self._disordered = "", False
        with self._moving():
            self.relations.run(f"BEGIN; {_ITEMS}; {NO_LINES}; COMMIT")

    def order(self) -> None:
        """Put what was shown as it came into the order of its names, where a service lists in another (UTF-16)."""
        if not self._disordered:
            return
        self.relations.run(_ITEMS.replace(_TABLE, _MERGED))
        numbered = f"SELECT row_number() OVER (ORDER BY name) - 1, * EXCLUDE (pos) FROM {_TABLE} ORDER BY name"  # noqa: S608
        self.relations.run(f"INSERT INTO {_MERGED} {numbered}")
        with self._moving():
            swap = [f"DROP TABLE {_TABLE}", f"ALTER TABLE {_MERGED} RENAME TO items", NO_LINES]
            self.relations.run("; ".join(["BEGIN", *swap, "COMMIT"]))
        self._disordered = False

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """While positions change: what was asked before, or is asked meanwhile, is out of date at the end."""
        with self.relations.positions:
            self.relations.settled = False
            self.epoch += 1
            try:
                yield
            finally:
                self.raised(moved=True)

    def merge(self, own: Collection[str], *, listed: bool) -> None:
        """Show manifest and listing together.

        Args:
            own: names of blobs that belong to the load and are in no manifest.
            listed: whether the listing is complete; else only the manifest is believed.
        """
        run, items = self.relations.run, 0
        run(_ITEMS.replace(_TABLE, _MERGED))
        cuts = self._cuts()
        for since, until in zip(["", *cuts], [*cuts, None], strict=True):
            given = {"own": list(own), "listed": listed, "since": since, "until": until}
            numbered = f"SELECT row_number() OVER (ORDER BY name) - 1 + {items}, * FROM ({_BOTH})"  # noqa: S608
            run(f"INSERT INTO {_MERGED} {numbered}", given)
            self.relations.pack()
            (items,) = self.relations.one(f"SELECT count(*) FROM {_MERGED}")  # noqa: S608 - own text
        with self._moving():
            one = self.relations.one
            moved = one(_ORDER.format(_TABLE)) != one(_ORDER.format(_MERGED))
            # A page that asks meanwhile sees the one or the other, and no label of what stood there before.
            swap = [f"DROP TABLE {_TABLE}", f"ALTER TABLE {_MERGED} RENAME TO items", *([NO_LINES] if moved else [])]
            run("; ".join(["BEGIN", *swap, "COMMIT"]))
        run(_LISTED)

    def _cuts(self) -> list[str]:
        """Names that part listing and manifest into pieces that can be joined in little memory."""
        (names,) = self.relations.one(f"SELECT count(*) FROM {_NAMES}")  # noqa: S608 - own text
        drawn = _SAMPLES * (names // _PART_ROWS)
        if not drawn:
            return []
        sample = f"SELECT name FROM {_NAMES} USING SAMPLE reservoir({drawn} ROWS)"  # noqa: S608 - own text
        found = sorted({name for (name,) in self.relations.all(sample)})
        return found[_SAMPLES::_SAMPLES]

    def survey(self, *, table: bool) -> None:
        """Show the relation `entries`; `table` is whether rows were matched with them (`strays`)."""
        query = _SURVEYED.format(fate=_NAMED if table else "''")
        with self._moving():
            self.relations.run(NO_LINES)
            self.relations.run(
                f"CREATE OR REPLACE TABLE {_TABLE} AS"  # noqa: S608 - own text
                f" SELECT row_number() OVER () - 1 AS pos, * FROM ({query} ORDER BY name, entry)"
            )
        self.relations.pack()

    def count(self) -> tuple[int, int]:
        """Items, and bytes of all."""
        items, size_bytes = self.relations.one("SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM items")
        return items, size_bytes


def _rows(details: list[Detail]) -> list[tuple[Any, ...]]:
    """Rows of `listed`."""
    columns = to_columns([detail.blob for detail in details])
    told = [columns[name] for name in ("name", "size_bytes", "md5", "etag", "crc32", "image", "source")]
    more = [(detail.modified_s, detail.tier, detail.content_type) for detail in details]
    return [(*row, *rest) for row, rest in zip(zip(*told, strict=True), more, strict=True)]
