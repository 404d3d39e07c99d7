"""What to send: the joins of table rows, archive entries and blobs.

Order: match rows with entries by key (the right archive first), collect the wanted blobs, hold them against the
listing, then name what does not fit. Everything is asked of `Relations`; nothing here reads a disk or a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from laden.dataset.images import WHOLE, facts_from_text
from laden.relations import Relations
from laden.run.receipts import conflict
from laden.values.errors import UsageError
from laden.values.events import PlanReady
from laden.values.records import UNSEEN, Action, Entry, Finding, Item, Severity, Step

_MATCH = """
CREATE TABLE matches AS
SELECT r.row, e.id, e.home IS DISTINCT FROM r.home AS elsewhere,
       row_number() OVER (PARTITION BY r.row ORDER BY (e.home IS DISTINCT FROM r.home), e.id) AS choice
FROM rows r JOIN entries e ON e.key = r.key
WHERE r.usable AND r.blob IS NOT NULL;
"""
"""Row and entry of one key; choice 1 is the one that is sent. Narrow: names stay in `rows` and `entries`."""

_WANTED = """
CREATE TABLE wanted AS
SELECT r.blob, min(m.id) AS id, min(hash(r.name)) <> max(hash(r.name)) AS collides
FROM matches m JOIN rows r USING (row) WHERE m.choice = 1 AND r.selected GROUP BY r.blob;
"""

_STRAYS = """
CREATE TABLE strays AS
SELECT id, blob FROM entries WHERE key NOT IN (SELECT key FROM rows WHERE key IS NOT NULL)
"""

_SEND_STRAYS = """
INSERT INTO wanted
SELECT blob, min(id), false FROM strays
WHERE blob IS NOT NULL AND blob NOT IN (SELECT blob FROM wanted) GROUP BY blob;
"""

_TODO = """
CREATE TABLE todo AS
SELECT w.blob, w.id, e.size_bytes,
  CASE
    WHEN b.name IS NULL THEN 'send'
    WHEN b.md5 IS NOT NULL AND b.size_bytes = e.size_bytes AND (
           (e.crc32 IS NOT NULL AND b.crc32 = e.crc32 AND b.source_bytes = e.size_bytes)
        OR (e.mtime_ns IS NOT NULL AND b.mtime_ns = e.mtime_ns AND b.source_bytes = e.size_bytes)
        OR (e.crc32 IS NOT NULL AND k.crc32 = e.crc32 AND k.md5 = b.md5 AND k.size_bytes = b.size_bytes)) THEN 'done'
    WHEN b.md5 IS NOT NULL AND b.size_bytes = e.size_bytes
         AND (e.crc32 IS NULL OR coalesce(b.crc32, k.crc32, e.crc32) = e.crc32) THEN 'compare'
    WHEN ? THEN 'replace'
    ELSE 'conflict'
  END AS action
FROM wanted w JOIN entries e USING (id)
LEFT JOIN blobs b ON b.name = w.blob
LEFT JOIN known k ON k.blob = w.blob;
"""


class Plan:
    """The joins of one run, made once `rows`, `entries`, `blobs` and `known` are filled."""

    def __init__(
        self,
        relations: Relations,
        *,
        send_strays: bool,
        replace: bool,
        documents: Sequence[str],
        many_rows: bool = False,
    ) -> None:
        """Make the joins.

        Args:
            relations: filled with everything but receipts.
            send_strays: whether entries without a row are wanted too.
            replace: whether a blob with other content is replaced; otherwise it is a conflict.
            documents: names that tables and sidecars may have in the destination.
            many_rows: whether several rows may name one image.

        Raises:
            UsageError: the layout gives two images one name.
        """
        self._relations = relations
        self._many_rows = many_rows
        self._tables = list(relations.stream("SELECT name, before FROM table_starts ORDER BY before DESC"))
        relations.run("CREATE TABLE documents AS SELECT unnest(?::VARCHAR[]) AS name", [list(documents)])
        relations.run(_MATCH)
        relations.run(_WANTED)
        relations.run(_STRAYS)
        self._refuse_collisions()
        self._send_strays = send_strays
        if send_strays:
            relations.run(_SEND_STRAYS)
        relations.run(_TODO, [replace])

    def _refuse_collisions(self) -> None:
        collisions = list(
            self._relations.stream(
                "SELECT w.blob, list(DISTINCT r.name ORDER BY r.name) FROM wanted w JOIN rows r USING (blob)"
                " WHERE w.collides AND r.selected GROUP BY w.blob ORDER BY w.blob LIMIT 1"
            )
        )
        if collisions:
            blob, names = collisions[0]
            raise UsageError(
                f"the layout gives {names[0]} and {names[1]} the same name '{blob}': choose another --layout"
            )

    def items(self) -> Iterator[Item]:
        """What has to be read: everything to send, replace or compare, in the order it lies in the archives."""
        for row in self._relations.stream(
            "SELECT e.archive, e.member, e.size_bytes, e.crc32, e.mtime_ns, e.offset_bytes, e.stored_bytes, e.method,"
            " t.blob, t.action, coalesce(b.etag, ''), b.md5"
            " FROM todo t JOIN entries e USING (id) LEFT JOIN blobs b ON b.name = t.blob"
            " WHERE t.action IN ('send', 'replace', 'compare') ORDER BY t.id"
        ):
            blob, action, etag, md5 = row[8:]
            yield Item(Entry(*row[:8]), blob, Action(action), etag, bytes.fromhex(md5) if md5 else None)

    def found_before(self) -> Iterator[tuple[str, str, str, str]]:
        """Images already there that an earlier run found broken or doubtful: blob, archive, member, state."""
        for blob, archive, member, image, known in self._relations.stream(
            "SELECT t.blob, e.archive, e.member, b.image, k.state"
            " FROM todo t JOIN entries e USING (id) JOIN blobs b ON b.name = t.blob"
            " LEFT JOIN known k ON k.blob = t.blob WHERE t.action = 'done'"
            " AND (b.image NOT LIKE '%;whole' OR (b.image IS NULL AND k.state <> 'whole'))"
            " ORDER BY t.id"
        ):
            facts = facts_from_text(image) if image else None
            state = facts.state if facts else known
            if state not in (None, WHOLE, UNSEEN):
                yield blob, archive, member, state

    def summary(
        self, *, profile: str, table: str, absent: tuple[str, ...], selection: tuple[Step, ...] = ()
    ) -> PlanReady:
        """The counts of the plan. `rows = matched + missing` by construction."""
        one = self._relations.one
        rows, matched = one(
            "SELECT count(*), count(*) FILTER (row IN (SELECT row FROM matches)) FROM rows WHERE selected"
        )
        send, replace, compare, done, conflicts, images, to_send, in_all = one(
            "SELECT count(*) FILTER (action = 'send'), count(*) FILTER (action = 'replace'),"
            " count(*) FILTER (action = 'compare'), count(*) FILTER (action = 'done'),"
            " count(*) FILTER (action = 'conflict'), count(*),"
            " coalesce(sum(size_bytes) FILTER (action IN ('send', 'replace')), 0), coalesce(sum(size_bytes), 0)"
            " FROM todo"
        )
        examples = self._relations.stream("SELECT blob FROM todo WHERE action = 'send' ORDER BY id LIMIT 3")
        return PlanReady(
            profile=profile,
            table=table,
            rows=rows,
            matched=matched,
            missing=rows - matched,
            images=images,
            stray=one("SELECT count(*) FROM strays")[0],
            send=send,
            replace=replace,
            compare=compare,
            already_there=done,
            conflicts=conflicts,
            foreign=self._foreign(),
            bytes_to_send=to_send,
            bytes_in_all=in_all,
            archives_absent=absent,
            examples=tuple(blob for (blob,) in examples),
            selection=selection,
        )

    def _foreign(self) -> int:
        count: int = self._relations.one(f"SELECT count(*) FROM ({FOREIGN})")[0]  # noqa: S608 - own text
        return count

    def findings(self, absent: tuple[str, ...], unreadable: tuple[str, ...]) -> Iterator[Finding]:
        """Everything in the joins that a person should know.

        Args:
            absent: archives that were expected and are not there; their rows are counted, not listed.
            unreadable: archives that have a finding of their own; their rows are not listed either.
        """
        yield from self._absent_archives(absent)
        listed = absent + unreadable
        # Rows that name no archive may be in any that is not here.
        yield from self._missing((*listed, "") if listed and not self._has_homes() else listed)
        if not self._many_rows:
            yield from self._rows()
        yield from self._entries()
        yield from self._duplicates()
        yield from self._destination()

    def _absent_archives(self, absent: tuple[str, ...]) -> Iterator[Finding]:
        known = self._has_homes()
        for home in absent:
            rows = self._missing_rows_of(home if known else None)
            what = "selected rows are in it" if known else "selected rows have no image, which may be in it"
            if rows:
                yield Finding(
                    "archive-absent",
                    Severity.ERROR,
                    f"the archive {home} is not here; {rows:,} {what}: download it and run again",
                    archive=home,
                )

    def _has_homes(self) -> bool:
        """Whether rows say which archive their image is in."""
        return bool(self._relations.one("SELECT count(home) FROM rows")[0])

    def _missing_rows_of(self, home: str | None) -> int:
        count: int = self._relations.one(
            "SELECT count(*) FROM rows WHERE selected AND home IS NOT DISTINCT FROM ?"
            " AND row NOT IN (SELECT row FROM matches)",
            [home],
        )[0]
        return count

    def _place(self, row: int) -> tuple[str, int]:
        """How a person finds a row: `row 4`, or `row 4 of valid.csv` where there are several tables; and its number."""
        for name, before in self._tables:
            if row > before and len(self._tables) > 1:
                return f"row {row - before} of {name}", row - before
        return f"row {row}", row

    def _missing(self, listed_as_archive: tuple[str, ...]) -> Iterator[Finding]:
        for row, name, home, rows in self._relations.stream(
            "SELECT min(row), name, coalesce(home, ''), count(*) FROM rows WHERE selected AND usable"
            " AND row NOT IN (SELECT row FROM matches) AND NOT list_contains(?::VARCHAR[], coalesce(home, ''))"
            " GROUP BY name, coalesce(home, ''), CASE WHEN ? THEN NULL ELSE row END ORDER BY min(row)",
            [list(listed_as_archive), self._many_rows],
        ):
            place, number = self._place(row)
            named = f"{place} names it" if rows == 1 else f"{rows} rows name it, first {place}"
            yield Finding(
                "image-missing",
                Severity.ERROR,
                f"{named}, and no archive here holds it",
                archive=home,
                member=name,
                row=number,
            )

    def _rows(self) -> Iterator[Finding]:
        for key, rows in self._relations.stream(
            "SELECT min(name), list(row ORDER BY row) FROM rows WHERE selected AND usable AND key IS NOT NULL"
            " GROUP BY key, blob HAVING count(*) > 1 ORDER BY min(row)"
        ):
            places = ", ".join(self._place(row)[0].removeprefix("row ") for row in rows[:5])
            yield Finding(
                "row-key-duplicate",
                Severity.WARNING,
                f"{key} stands in {len(rows)} rows: {places}",
                member=key,
                row=self._place(rows[1])[1],
            )

    def _entries(self) -> Iterator[Finding]:
        for archive, member, blob, is_sent in self._relations.stream(
            "SELECT e.archive, e.member, e.blob, id IN (SELECT id FROM wanted)"
            " FROM strays JOIN entries e USING (id) ORDER BY id"
        ):
            severity, refused = Severity.WARNING, ""
            if blob is None:
                refused = "; its name gives it no place, so it cannot be sent"
            elif self._send_strays and not is_sent:
                severity = Severity.ERROR
                refused = f"; it is not sent either, for another image has its place '{blob}': choose another --layout"
            yield Finding(
                "image-stray", severity, f"no row of the table names it{refused}", archive=archive, member=member
            )
        for row, name, home, found_in, archive, member in self._relations.stream(
            "SELECT r.row, r.name, r.home, e.home, e.archive, e.member"
            " FROM matches m JOIN entries e USING (id) JOIN rows r USING (row)"
            " WHERE m.choice = 1 AND m.elsewhere AND r.selected AND r.home IS NOT NULL ORDER BY r.row"
        ):
            place, number = self._place(row)
            yield Finding(
                "archive-wrong",
                Severity.WARNING,
                f"{place} places {name} in {home}, but it is in {found_in or archive or 'a folder'}",
                archive=archive,
                member=member,
                row=number,
            )

    def _duplicates(self) -> Iterator[Finding]:
        # Of many rows that name an image, one tells it.
        for _, name, archive, member, likeness, settled in self._relations.stream(
            "SELECT DISTINCT e.id, r.name, e.archive, e.member, CASE"
            "  WHEN e.size_bytes <> f.size_bytes OR e.crc32 <> f.crc32 THEN 'other content'"
            "  WHEN e.crc32 = f.crc32 THEN 'the same content' ELSE 'the same length' END,"
            " m.elsewhere AND NOT c.elsewhere"
            " FROM matches m JOIN entries e USING (id) JOIN rows r USING (row)"
            " JOIN matches c ON c.row = m.row AND c.choice = 1 JOIN entries f ON f.id = c.id"
            " WHERE m.choice > 1 AND r.selected ORDER BY e.id"
        ):
            # Of two contents in the very archive (or path) where one is expected, nobody knows which is right.
            doubtful = Severity.WARNING if settled else Severity.ERROR
            yield Finding(
                "image-duplicate",
                doubtful if likeness == "other content" else Severity.INFO,
                f"{name} is there more than once, here with {likeness}; this copy is not sent",
                archive=archive,
                member=member,
            )

    def _destination(self) -> Iterator[Finding]:
        for blob, archive, member in self._relations.stream(
            "SELECT t.blob, e.archive, e.member FROM todo t JOIN entries e USING (id)"
            " WHERE t.action = 'conflict' ORDER BY t.id"
        ):
            yield conflict(blob, archive, member)
        if count := self._foreign():
            examples = [
                name
                for (name,) in self._relations.stream(f"SELECT name FROM ({FOREIGN}) ORDER BY name LIMIT 3")  # noqa: S608
            ]
            yield Finding(
                "blob-foreign",
                Severity.INFO,
                f"{count:,} blobs in the destination are not of this dataset, for example {', '.join(examples)}",
            )


FOREIGN = """
SELECT name FROM blobs b
WHERE NOT EXISTS (FROM rows r WHERE r.blob = b.name) AND NOT EXISTS (FROM wanted w WHERE w.blob = b.name)
  AND NOT EXISTS (FROM known k WHERE k.blob = b.name) AND NOT EXISTS (FROM documents d WHERE d.name = b.name)
  AND source IS NULL AND NOT starts_with(name, '_laden/')
"""
"""Blobs that neither table nor manifest knows and that laden did not put there."""
