"""What to send: the joins of table rows, archive entries and blobs.

Order: match rows with entries by key and place (`matching`), collect the wanted blobs, refuse names that two contents
or documents would share, hold them against the listing, ask whether what must hold of every plan does (`invariants`),
then name what does not fit (`telling`). Everything is asked of `Relations`; nothing here reads a disk or a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from laden.dataset.images import WHOLE, facts_from_text
from laden.dataset.profile import PLACE_SEPARATOR
from laden.relations import Relations
from laden.stages.manifest import find_loads_below
from laden.stages.plan.dealing import deal
from laden.stages.plan.invariants import hold
from laden.stages.plan.matching import CONTENT, match
from laden.stages.plan.telling import Telling
from laden.values.errors import UsageError
from laden.values.events import PlanReady
from laden.values.records import UNSEEN, Action, Entry, Finding, Item, Step
from laden.values.share import Share

_DOUBLED = """
CREATE OR REPLACE TABLE doubled AS
SELECT hash(blob) AS mark FROM rows WHERE usable AND blob IS NOT NULL GROUP BY mark HAVING count(*) > 1
"""
"""Marks of names that several rows give, of which most datasets have none."""

_SHARED = """
CREATE OR REPLACE TABLE shared (blob VARCHAR);
INSERT INTO shared
SELECT blob FROM rows WHERE usable AND blob IS NOT NULL AND hash(blob) IN (
    SELECT hash(blob) AS mark FROM rows WHERE usable AND hash(blob) IN (SELECT mark FROM doubled)
    GROUP BY mark HAVING min(hash(name, place)) <> max(hash(name, place)))
GROUP BY blob HAVING min(hash(name, place)) <> max(hash(name, place))
"""
"""Blobs that rows of different images name: only a row that has its image may claim one. Names are grouped by a number
first, which takes less room; where two have one, they are looked at themselves."""

_KNOWN_PLACE = f"CASE WHEN replace(r.place, chr({ord(PLACE_SEPARATOR)}), '') <> '' THEN r.place END"
_COLLISIONS = f"""
SELECT r.blob, arg_min(r.name, r.row), arg_max(r.name, r.row), min(r.row), max(r.row)
FROM rows r LEFT JOIN matches m USING (row) LEFT JOIN entries e ON e.id = m.id
WHERE r.selected AND r.usable AND r.blob IN (SELECT blob FROM shared)
GROUP BY r.blob HAVING min(r.name) <> max(r.name)
    OR (min({_KNOWN_PLACE}) <> max({_KNOWN_PLACE})
        AND (count(m.id) < count(*) OR min({CONTENT.format("e")}) <> max({CONTENT.format("e")})))
ORDER BY r.blob LIMIT 1
"""  # noqa: S608 - own text

_WANTED = """
CREATE OR REPLACE TABLE wanted AS
SELECT r.blob, {id} AS id FROM matches m JOIN rows r USING (row) WHERE r.selected {grouped}
"""

_SEND_STRAYS = f"""
INSERT INTO wanted
SELECT s.blob, min(s.id) FROM strays s JOIN entries e USING (id)
WHERE s.blob IS NOT NULL AND s.blob NOT IN (SELECT blob FROM rows WHERE blob IS NOT NULL)
    AND s.blob NOT IN (SELECT name FROM written)
GROUP BY s.blob HAVING min({CONTENT.format("e")}) = max({CONTENT.format("e")})
"""  # noqa: S608 - own text

_TELLING_NS = 347_155_200 * 10**9
"""1981-01-01: what is older is what archives and file systems write where they know no time (1970, 1980)."""

_WEAK_TIMES = """
CREATE OR REPLACE TABLE weak_times AS
WITH files AS (
    SELECT mtime_ns, count(*) AS files FROM entries WHERE archive = '' AND mtime_ns IS NOT NULL GROUP BY mtime_ns
    UNION ALL SELECT mtime_ns, count(*) FROM (
        SELECT max(mtime_ns) AS mtime_ns FROM entries WHERE archive <> '' AND mtime_ns IS NOT NULL GROUP BY archive)
    GROUP BY mtime_ns),
times AS (SELECT mtime_ns, sum(files) AS files FROM files GROUP BY mtime_ns)
SELECT mtime_ns FROM times
WHERE mtime_ns < ? OR (files > 1 AND 2 * files >= (SELECT sum(files) FROM times))
"""
"""Times that are no evidence of a content: too old, or shared by half of a source's files, as a script sets them."""
_NO_WEAK_TIMES = "CREATE OR REPLACE TABLE weak_times (mtime_ns BIGINT)"

_TODO = """
CREATE OR REPLACE TABLE todo AS
SELECT e.blob, e.id, e.size_bytes,
  -- Whose MD5 somebody checked: the service when laden sent it, or laden when it read it.
  CASE WHEN NOT ? AND (b.source_bytes IS NOT NULL
            OR (k.md5 = b.md5 AND k.size_bytes = b.size_bytes AND k.known <> 'adopted'))
            -- One CRC-32 and two MD5s: somebody wrote other bytes, and all that laden says of its own.
            AND NOT coalesce(k.md5 <> b.md5 AND k.crc32 = b.crc32 AND k.size_bytes = b.size_bytes, false)
       THEN b.md5 END AS checked_md5,
  -- Whether it is laden's, or of its manifest: by --update nothing else is replaced.
  coalesce(b.source_bytes IS NOT NULL OR (k.md5 = b.md5 AND k.size_bytes = b.size_bytes), false) AS own,
  CASE
    WHEN b.name IS NULL THEN 'send'
    WHEN NOT ? AND checked_md5 IS NOT NULL AND b.size_bytes = e.size_bytes AND (
           (e.crc32 IS NOT NULL AND b.crc32 = e.crc32 AND b.source_bytes = e.size_bytes)
        -- All members of a tar have its time, and files that were unpacked together may have one: only of what was
        -- sent from this very place does it say that it is the same.
        OR (e.mtime_ns IS NOT NULL AND b.mtime_ns = e.mtime_ns AND b.source_bytes = e.size_bytes
            AND (b.source = e.source OR (contains(b.source, '%') AND TRY(url_decode(b.source)) = e.source))
            AND e.mtime_ns NOT IN (SELECT mtime_ns FROM weak_times))
        OR (e.crc32 IS NOT NULL AND k.crc32 = e.crc32 AND k.md5 = b.md5)) THEN 'done'
    WHEN b.size_bytes = e.size_bytes
         AND (e.crc32 IS NULL OR e.crc32 = coalesce(
             b.crc32, CASE WHEN k.md5 = b.md5 AND k.known <> 'adopted' THEN k.crc32 END, e.crc32))
         THEN 'compare'
    -- Of a dataset below, with a load of its own, nothing is replaced.
    WHEN ? AND o.name IS NULL AND (own OR NOT ?) THEN 'replace'
    ELSE 'conflict'
  END AS action
FROM (
  -- Joined first, while it is narrow: the offset keeps that in its place.
  SELECT w.blob, w.id, i.size_bytes, i.crc32, i.mtime_ns,
         CASE WHEN i.crc32 IS NULL THEN concat(i.archive, ':', i.member) END AS source
  FROM wanted w JOIN entries i USING (id) OFFSET 0) e
LEFT JOIN blobs b ON b.name = e.blob
LEFT JOIN known k ON k.blob = e.blob
LEFT JOIN below o ON o.name = e.blob;
"""

_ALL_TODO = """
CREATE OR REPLACE TABLE todo AS
SELECT w.blob, w.id, e.size_bytes, NULL::VARCHAR AS checked_md5, false AS own, 'send' AS action
FROM wanted w JOIN entries e USING (id)
"""
"""The same where nothing is there."""

_MOVING = """
CREATE OR REPLACE TABLE moving AS
SELECT id, blob, action, checked_md5, own FROM todo WHERE action IN ('send', 'replace', 'compare') ORDER BY id
"""
_VERSIONS = """
CREATE OR REPLACE TABLE versions AS
SELECT t.id, b.etag, o.prefix FROM todo t JOIN blobs b ON b.name = t.blob LEFT JOIN below o ON o.name = t.blob
WHERE t.action IN ('replace', 'compare')
"""
_NO_VERSIONS = "CREATE OR REPLACE TABLE versions (id BIGINT, etag VARCHAR, prefix VARCHAR)"
"""What is to be read, in its order, and of what is there for it the version: so a part of it is soon found."""

_IDS_AT_ONCE = 200_000
"""All at once, joined and ordered, would take the more memory the more there are."""

_ITEMS = """
WITH wished AS (SELECT * FROM moving WHERE id BETWEEN $first AND $last),
there AS (SELECT * FROM versions WHERE id BETWEEN $first AND $last)
SELECT e.archive, e.member, e.size_bytes, e.crc32, e.mtime_ns, e.offset_bytes, e.stored_bytes, e.method,
  m.blob, m.action, coalesce(v.etag, ''), m.checked_md5, coalesce(v.prefix, ''), NOT m.own
FROM wished m JOIN entries e ON e.id = m.id AND e.id BETWEEN $first AND $last LEFT JOIN there v ON v.id = m.id
ORDER BY m.id
"""


_SUMMARY = """
SELECT (SELECT count(*) FROM rows WHERE selected),
  (SELECT count(*) FROM rows SEMI JOIN matches USING (row) WHERE selected),
  (SELECT count(*) FROM strays),
  count(*) FILTER (action = 'send'), count(*) FILTER (action = 'replace'), count(*) FILTER (action = 'compare'),
  count(*) FILTER (action = 'done'), count(*) FILTER (action = 'conflict'), count(*),
  coalesce(sum(size_bytes) FILTER (action IN ('send', 'replace')), 0), coalesce(sum(size_bytes), 0),
  arg_min(blob, id, 3) FILTER (action = 'send')
FROM todo
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A blob that a load may write and that is no image."""

    name: str
    what: str
    """How a person knows it: `the table t.csv`, `docs/t.csv, which is copied as it is`."""


class Plan:
    """The joins of one run, made once `rows`, `entries`, `blobs` and `known` are filled."""

    def __init__(
        self,
        relations: Relations,
        *,
        send_strays: bool,
        replace: bool,
        documents: Sequence[str],
        written: Sequence[Written] = (),
        places: int = 0,
        many_rows: bool = False,
        compare_all: bool = False,
        read_back: bool = False,
        share: Share | None = None,
        own_only: bool = False,
    ) -> None:
        """Make the joins.

        Args:
            relations: filled with everything but receipts.
            send_strays: whether entries without a row are wanted too.
            replace: whether a blob with other content is replaced; otherwise it is a conflict.
            documents: names that tables and sidecars of this and of earlier loads may have in the destination.
            written: what this load may write beside the images.
            places: how many values a place has (`Profile.place_fields`).
            many_rows: whether several rows may name one image.
            compare_all: whether every image that is there is read and compared, whatever its CRC-32 or time say.
            read_back: whether what is there is read for that, too: a folder does not keep what it holds from others.
            share: what of it is to be done by this run; None for all.
            own_only: whether of blobs with other content only those are replaced that laden put there.

        Raises:
            UsageError: two things would get one name.
            LadenError: the plan is not what a plan must be, which is a bug.
        """
        self._relations = relations
        relations.run("CREATE OR REPLACE TABLE documents AS SELECT unnest(?::VARCHAR[]) AS name", [list(documents)])
        self._refuse_doubles(written)
        find_loads_below(relations)
        left = match(relations, places)
        doubled = self._want()
        self._refuse_documents(written)
        if send_strays:
            relations.run(_SEND_STRAYS)
        self._own_only = own_only
        there, dated = relations.one("SELECT count(*), count(mtime_ns) FROM blobs")
        if there:
            relations.run(*((_WEAK_TIMES, [_TELLING_NS]) if dated else (_NO_WEAK_TIMES,)))
            relations.run(_TODO, [read_back, compare_all, replace, own_only])
        else:
            relations.run(_ALL_TODO)
        hold(relations, places)
        self._telling = Telling(relations, left, doubled=doubled, send_strays=send_strays, many_rows=many_rows)
        self._share = share
        if share:
            deal(relations, share)

    def _want(self) -> bool:
        """Make `shared` and `wanted`; whether several rows give one name."""
        if not self._relations.run(_DOUBLED):
            self._relations.run("CREATE OR REPLACE TABLE shared (blob VARCHAR)")
            self._relations.run(_WANTED.format(id="m.id", grouped=""))
            return False
        if self._relations.run(_SHARED):
            self._refuse_collisions()
        self._relations.run(_WANTED.format(id="min(m.id)", grouped="GROUP BY r.blob"))
        return True

    def _refuse_doubles(self, written: Sequence[Written]) -> None:
        taken: dict[str, Written] = {}
        for one in written:
            other = taken.setdefault(one.name, one)
            if other != one:
                raise UsageError(
                    f"{other.what} and {one.what} would both be '{one.name}' in the destination: rename one of them"
                )
        self._relations.run("CREATE OR REPLACE TABLE written AS SELECT unnest(?::VARCHAR[]) AS name", [list(taken)])

    def _refuse_collisions(self) -> None:
        for blob, first, last, row, other in self._relations.stream(_COLLISIONS):
            what = f"{first} and {last}" if first != last else f"two images called {first} (rows {row} and {other})"
            raise UsageError(f"the layout gives {what} the same name '{blob}': choose another --layout")

    def _refuse_documents(self, written: Sequence[Written]) -> None:
        for (blob,) in self._relations.stream(
            "SELECT blob FROM wanted WHERE blob IN (SELECT name FROM written) ORDER BY blob LIMIT 1"
        ):
            what = next(one.what for one in written if one.name == blob)
            raise UsageError(f"{what} and an image would both be '{blob}' in the destination: choose another --layout")

    def items(self) -> Iterator[Item]:
        """What has to be read: everything to send, replace or compare, in the order it lies in the archives."""
        if not self._relations.run(_MOVING):
            return
        first, last, some = self._relations.one("SELECT min(id), max(id), bool_or(action <> 'send') FROM moving")
        self._relations.run(_VERSIONS if some else _NO_VERSIONS)
        for start in range(first, last + 1, _IDS_AT_ONCE):
            for row in self._relations.stream(_ITEMS, {"first": start, "last": start + _IDS_AT_ONCE - 1}):
                blob, action, etag, md5, owner, others = row[8:]
                theirs = self._own_only and others
                known = bytes.fromhex(md5) if md5 else None
                yield Item(Entry(*row[:8]), blob, Action(action), etag, known, owner, theirs)

    def found_before(self) -> Iterator[tuple[str, str, str, str]]:
        """Images already there that an earlier run found broken or doubtful: blob, archive, member, state."""
        for blob, archive, member, image, known in self._relations.stream(
            "SELECT t.blob, e.archive, e.member, b.image, k.state"
            " FROM todo t JOIN entries e USING (id) JOIN blobs b ON b.name = t.blob"
            " LEFT JOIN known k ON k.blob = t.blob WHERE t.action = 'done'"
            " AND ((b.image IS NULL AND k.state <> 'whole') OR b.image NOT SIMILAR TO '.*;whole(;[a-z]+)?')"
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
        rows, matched, stray, send, replace, compare, done, conflicts, images, to_send, in_all, examples = (
            self._relations.one(_SUMMARY)
        )
        return PlanReady(
            profile=profile,
            table=table,
            rows=rows,
            matched=matched,
            missing=rows - matched,
            images=images,
            stray=stray,
            send=send,
            replace=replace,
            compare=compare,
            already_there=done,
            conflicts=conflicts,
            foreign=self._telling.foreign(),
            bytes_to_send=to_send,
            bytes_in_all=in_all,
            archives_absent=absent,
            examples=tuple(examples or ()),
            selection=selection,
            share=str(self._share or ""),
        )

    def no_longer(self) -> Iterator[Finding]:
        """Images of earlier loads that nothing names any more, once `findings` were asked for."""
        return self._telling.no_longer()

    def findings(self, absent: tuple[str, ...], unreadable: tuple[str, ...]) -> Iterator[Finding]:
        """Everything in the joins that a person should know; arguments as `Telling.findings`."""
        return self._telling.findings(absent, unreadable)
