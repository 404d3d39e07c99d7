"""What does not fit in a plan, told as findings: rows without image, images without row, doubts, the destination."""

from __future__ import annotations

from collections.abc import Iterator

from laden.relations import Relations
from laden.run.receipts import conflict
from laden.stages.plan.matching import Left
from laden.values.records import Finding, Severity

_ALL_WANTED = """
SELECT count(*) = (SELECT count(*) FROM blobs WHERE NOT starts_with(name, '_laden/')) FROM todo WHERE action <> 'send'
"""
"""Whether every blob that is there is an image of this plan."""

_UNNAMED = """
CREATE OR REPLACE TABLE unnamed AS
SELECT name, source FROM (FROM blobs WHERE NOT starts_with(name, '_laden/')) b ANTI JOIN rows r ON r.blob = b.name
"""
_NAMED_OTHERWISE = """
DELETE FROM unnamed WHERE name IN (SELECT blob FROM wanted) OR name IN (SELECT name FROM below)
"""
"""Blobs that this load has no name for: asked once, for most of them are named."""

_SEEN = """
SELECT count(home),
  coalesce(count(*) FILTER (selected) > (SELECT count(*) FROM matches) OR NOT bool_and(selected), false),
  count(*) FILTER (usable AND blob IS NULL), (SELECT count(*) FILTER (elsewhere) FROM matches)
FROM rows
"""
"""What findings about rows depend on, in one statement."""

_FOREIGN = """
SELECT name FROM (FROM unnamed WHERE source IS NULL) u
ANTI JOIN known k ON k.blob = u.name ANTI JOIN documents d ON d.name = u.name
"""
"""Blobs that neither table nor manifest knows and that laden did not put there."""

_LOST = """
SELECT row FROM rows WHERE selected AND row NOT IN (SELECT row FROM matches) AND row NOT IN (SELECT row FROM ambiguous)
"""
"""Rows of which nobody has an image, nor one that could be it."""

_UNCLAIMED = """
CREATE OR REPLACE TABLE unclaimed AS
SELECT u.name, k.key, url_decode(u.source) AS source FROM unnamed u LEFT JOIN known k ON k.blob = u.name
WHERE k.key IS NOT NULL OR u.source IS NOT NULL
"""
"""Images of earlier loads under names that this one has not."""

_DOUBLES = """
SELECT name FROM unclaimed WHERE key IN (SELECT name FROM rows WHERE usable)
UNION SELECT name FROM unclaimed
WHERE source IN (SELECT e.archive || ':' || e.member FROM wanted JOIN entries e USING (id))
"""
"""Images of this dataset under names that it does not give them now: another layout, or corrected rows."""


class Telling:
    """Asks a finished plan for its findings."""

    def __init__(self, relations: Relations, left: Left, *, doubled: bool, send_strays: bool, many_rows: bool) -> None:
        """Begin, as long as `todo` holds all that is wanted.

        Args:
            relations: with a plan.
            left: what its joins left over: where nothing is, nothing is asked.
            doubled: whether several rows give one name.
            send_strays: as `Plan`.
            many_rows: as `Plan`.
        """
        self._relations = relations
        self._left = left
        self._doubled = doubled
        self._unnamed = not relations.one(_ALL_WANTED)[0] and bool(relations.run(_UNNAMED))
        """Whether there were any before those were taken out that a plan names otherwise."""
        if self._unnamed:
            relations.run(_NAMED_OTHERWISE)
        self._send_strays = send_strays
        self._many_rows = many_rows
        self._tables = list(relations.stream("SELECT name, before FROM table_starts ORDER BY before DESC"))

    def foreign(self) -> int:
        """How many blobs neither table nor manifest knows, and laden did not put there."""
        if not self._unnamed:
            return 0
        count: int = self._relations.one(f"SELECT count(*) FROM ({_FOREIGN})")[0]  # noqa: S608 - own text
        return count

    def findings(self, absent: tuple[str, ...], unreadable: tuple[str, ...]) -> Iterator[Finding]:
        """Everything in the joins that a person should know.

        Args:
            absent: archives that were expected and are not there; their rows are counted, not listed, unless an image
                of that name lies elsewhere.
            unreadable: archives that have a finding of their own; their rows are not listed either.
        """
        homes, lacking, nameless, elsewhere = self._relations.one(_SEEN)
        yield from self._absent_archives(absent, known=bool(homes))
        listed = absent + unreadable
        # Rows that name no archive may be in any that is not here.
        if lacking:
            yield from self._missing((*listed, "") if listed and not homes else listed)
        if self._left.ambiguous:
            yield from self._ambiguous()
        if not self._many_rows and (self._doubled or nameless):
            yield from self._rows()
        if self._left.strays:
            yield from self._strays()
        if elsewhere:
            yield from self._elsewhere()
        if self._left.spare:
            yield from self._spare()
        yield from self._destination()

    def _absent_archives(self, absent: tuple[str, ...], *, known: bool) -> Iterator[Finding]:
        """`known`: whether rows say which archive their image is in."""
        what = "selected rows are in it" if known else "selected rows have no image, which may be in it"
        missing = self._missing_by_home() if absent else {}
        for home in absent:
            if rows := missing.get(home if known else None):
                yield Finding(
                    "archive-absent",
                    Severity.ERROR,
                    f"the archive {home} is not here; {rows:,} {what}: download it and run again",
                    archive=home,
                )

    def _missing_by_home(self) -> dict[str | None, int]:
        """How many selected rows of each archive have no image."""
        return dict(
            self._relations.stream(
                "SELECT home, count(*) FROM rows ANTI JOIN matches USING (row) WHERE selected GROUP BY home"
            )
        )

    def _place(self, row: int) -> tuple[str, int]:
        """How a person finds a row: `row 4`, or `row 4 of valid.csv` where there are several tables; and its number."""
        for name, before in self._tables:
            if row > before and len(self._tables) > 1:
                return f"row {row - before} of {name}", row - before
        return f"row {row}", row

    def _missing(self, listed_as_archive: tuple[str, ...]) -> Iterator[Finding]:
        for row, name, home, rows, archive, member in self._relations.stream(
            f"WITH lost AS ({_LOST}), others AS (SELECT key, min(id) AS id FROM entries"  # noqa: S608 - own text
            " WHERE key IN (SELECT key FROM rows JOIN lost USING (row)) GROUP BY key)"
            " SELECT min(row), name, coalesce(r.home, ''), count(*), any_value(e.archive), any_value(e.member)"
            " FROM rows r JOIN lost USING (row) LEFT JOIN others o ON o.key = r.key LEFT JOIN entries e ON e.id = o.id"
            " WHERE usable AND (o.id IS NOT NULL OR NOT list_contains(?::VARCHAR[], coalesce(r.home, '')))"
            " GROUP BY name, coalesce(r.home, ''), CASE WHEN ? THEN NULL ELSE row END ORDER BY min(row)",
            [list(listed_as_archive), self._many_rows],
        ):
            place, number = self._place(row)
            named = f"{place} names it" if rows == 1 else f"{rows} rows name it, first {place}"
            if member is None:
                message = f"{named}, and no archive here holds it"
            else:
                other = f"{archive}: {member}" if archive else member
                message = f"{named}, and its place is another than that of {other}, which was not taken for it:"
                message += " put the image where its row says, or correct the row"
            yield Finding("image-missing", Severity.ERROR, message, archive=home, member=name, row=number)

    def _ambiguous(self) -> Iterator[Finding]:
        """One finding for each image that could be several rows', and for each name that several images have."""
        for row, name, rows, entries, torn, archive, member in self._relations.stream(
            "SELECT min(a.row), arg_min(r.name, a.row), count(*), max(a.entries), bool_or(a.torn),"
            " any_value(e.archive), any_value(e.member) FROM ambiguous a JOIN rows r USING (row)"
            " JOIN entries e ON e.id = a.id WHERE r.selected GROUP BY a.id ORDER BY min(a.row)"
        ):
            place, number = self._place(row)
            if entries > 1 and not self._tables:
                why = f"{entries} files here would have the name {name}, and nobody knows whether they are"
                act, number = "the same: remove all but one, or load each archive to a prefix of its own", 0
            elif entries > 1:
                why = f"{entries} files here could be the {name} that {place} names, and nobody knows whether they are"
                act = "the same: remove all but the right one, or put each where its row says"
            elif torn:
                why = f"{rows} rows name it, first {place}, and the layout gives it more than one name by"
                act = "what they say: correct the rows, or choose another --layout"
            else:
                why = f"{place} names it, but other rows could mean it too, and its name does not say its whole place"
                act = "put it in the archive or folder that its row names"
            joint = " " if entries > 1 or torn else ": "
            yield Finding(
                "image-ambiguous",
                Severity.ERROR,
                f"{why}{joint}{act}; none is sent",
                archive=archive,
                member=member,
                row=number,
            )

    def _rows(self) -> Iterator[Finding]:
        for key, count, rows in self._relations.stream(
            # The few that are double first, by their marks: to keep rows of every group would fill the memory.
            "WITH meant AS (SELECT * FROM rows WHERE selected AND usable AND key IS NOT NULL),"
            " marks AS (SELECT hash(key, blob) AS mark FROM meant GROUP BY mark HAVING count(*) > 1),"
            " doubled AS (SELECT key, blob FROM meant WHERE hash(key, blob) IN (SELECT mark FROM marks)"
            " GROUP BY key, blob HAVING count(*) > 1)"
            " SELECT min(name), count(*), min(row, 5) FROM meant"
            " SEMI JOIN doubled d ON d.key = meant.key AND d.blob IS NOT DISTINCT FROM meant.blob"
            " GROUP BY key, blob ORDER BY min(row)"
        ):
            places = ", ".join(self._place(row)[0].removeprefix("row ") for row in rows)
            yield Finding(
                "row-key-duplicate",
                Severity.WARNING,
                f"{key} stands in {count} rows: {places}",
                member=key,
                row=self._place(rows[1])[1],
            )

    def _strays(self) -> Iterator[Finding]:
        """Images that no row names."""
        for archive, member, blob, is_sent in self._relations.stream(
            "SELECT e.archive, e.member, e.blob, id IN (SELECT id FROM wanted)"
            " FROM strays JOIN entries e USING (id) ORDER BY id"
        ):
            severity, refused = Severity.WARNING, ""
            if blob is None:
                refused = "; its name gives it no place, so it cannot be sent"
            elif self._send_strays and not is_sent:
                severity = Severity.ERROR
                refused = f"; it is not sent either, for another has its place '{blob}': choose another --layout"
            yield Finding(
                "image-stray", severity, f"no row of the table names it{refused}", archive=archive, member=member
            )

    def _elsewhere(self) -> Iterator[Finding]:
        """Images that were found in another place than their row says."""
        for row, name, home, archive, member in self._relations.stream(
            "SELECT r.row, r.name, r.home, e.archive, e.member"
            " FROM matches m JOIN entries e USING (id) JOIN rows r USING (row)"
            " WHERE m.elsewhere AND r.selected AND r.home IS NOT NULL ORDER BY r.row"
        ):
            place, number = self._place(row)
            yield Finding(
                "archive-wrong",
                Severity.WARNING,
                f"{place} places {name} in {home}, and it was found in {archive or 'a folder'}, whose name is no place:"
                " the only image and the only row of that name",
                archive=archive,
                member=member,
                row=number,
            )

    def _spare(self) -> Iterator[Finding]:
        """Further copies of images that are taken from elsewhere."""
        for _, archive, member, likeness in self._relations.stream(
            "SELECT DISTINCT ON (e.id) e.id, e.archive, e.member, CASE"
            "  WHEN e.size_bytes <> f.size_bytes OR e.crc32 <> f.crc32 THEN 'other content'"
            "  WHEN e.crc32 = f.crc32 THEN 'the same content' ELSE 'the same length' END"
            " FROM spare s JOIN entries e USING (id) JOIN entries f ON f.id = s.chosen ORDER BY e.id"
        ):
            yield Finding(
                "image-duplicate",
                Severity.WARNING if likeness == "other content" else Severity.INFO,
                f"an image of this name is taken from where its row says, and this one has {likeness}; it is not sent",
                archive=archive,
                member=member,
            )

    def _destination(self) -> Iterator[Finding]:
        one = self._relations.one
        conflicts, compared = one(
            "SELECT count(*) FILTER (action = 'conflict'), count(*) FILTER (action = 'compare') FROM todo"
        )
        if conflicts:
            yield from self._conflicts()
        yield from self._earlier()
        if compared:
            yield from self._unchecked()
        if self.foreign():
            count, examples = one(f"SELECT count(*), min(name, 3) FROM ({_FOREIGN})")  # noqa: S608 - own text
            yield Finding(
                "blob-foreign",
                Severity.INFO,
                f"{count:,} blobs in the destination are not of this dataset, for example {', '.join(examples)}",
            )

    def _conflicts(self) -> Iterator[Finding]:
        for found in self._relations.stream(
            "SELECT t.blob, e.archive, e.member, coalesce(o.prefix, '') FROM todo t JOIN entries e USING (id)"
            " LEFT JOIN below o ON o.name = t.blob WHERE t.action = 'conflict' ORDER BY t.id"
        ):
            yield conflict(*found)

    def _earlier(self) -> Iterator[Finding]:
        """Images of this dataset that are there under other names."""
        count, examples = 0, []
        if self._unnamed and self._relations.run(_UNCLAIMED):
            count, examples = self._relations.one(f"SELECT count(*), min(name, 3) FROM ({_DOUBLES})")  # noqa: S608
        if count:
            yield Finding(
                "blob-earlier",
                Severity.WARNING,
                f"{count:,} images of this dataset are there under other names, for example {', '.join(examples)}: an"
                " earlier load had another layout or other rows; remove them, or load to another prefix",
            )

    def _unchecked(self) -> Iterator[Finding]:
        """What others put there, whose MD5 nobody checked."""
        count, examples = self._relations.one(
            "SELECT count(*), min(t.blob, 3) FROM todo t JOIN blobs b ON b.name = t.blob"
            " WHERE t.action = 'compare' AND t.checked_md5 IS NULL AND b.source_bytes IS NULL"
        )
        if count:
            yield Finding(
                "blob-unchecked",
                Severity.INFO,
                f"{count:,} blobs were put there by another tool, for example {', '.join(examples)}: nobody checked"
                " their MD5, so they are read back and compared",
            )

    def no_longer(self) -> Iterator[Finding]:
        """Images of earlier loads that neither table nor source names any more; to be asked after `findings`."""
        if not self._unnamed:
            return
        for (name,) in self._relations.stream(f"SELECT name FROM unclaimed EXCEPT ({_DOUBLES}) ORDER BY name"):  # noqa: S608
            yield Finding(
                "blob-withdrawn",
                Severity.WARNING,
                "an earlier load landed it, and neither a table nor the source names it any more: it was left as it is;"
                " laden prune removes such, by a plan",
                blob=name,
            )
