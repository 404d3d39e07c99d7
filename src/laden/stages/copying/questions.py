"""What a copy asks of the relations: which images, which of them are there, and whether all arrived."""

from __future__ import annotations

from laden.stages.manifest import OTHER
from laden.stages.metadata import Copied

ORIGIN = f"""
CREATE TABLE origin AS
SELECT k.*, b.etag, b.mtime_ns, CASE WHEN b.source_bytes IS NOT NULL THEN b.image END AS image,
       CASE WHEN b.source_bytes IS NOT NULL THEN b.source END AS source
FROM picked p JOIN known k USING (blob) JOIN blobs b ON b.name = k.blob WHERE NOT coalesce({OTHER}, false)
"""  # noqa: S608 - own text
LOST = f"""
SELECT k.blob, k.archive, k.member, b.name IS NOT NULL FROM picked p JOIN known k USING (blob)
LEFT JOIN blobs b ON b.name = k.blob WHERE coalesce({OTHER}, false) ORDER BY k.blob
"""  # noqa: S608 - own text
ROWS = """
INSERT INTO rows (row, key, name, blob, usable, selected, place)
SELECT l.row, k.key, coalesce(k.key, ''), l.blob, l.blob IS NOT NULL, {selected}, ''
FROM (SELECT row, min(blob) AS blob FROM links GROUP BY row) l LEFT JOIN known k USING (blob)
"""
ROWS_OF_FILES = """
INSERT INTO rows (row, key, name, blob, usable, selected, place)
SELECT row_number() OVER (ORDER BY blob), key, key, blob, true, true, '' FROM origin
"""
PLAN = """
CREATE TABLE wanted AS SELECT blob, 0::BIGINT AS id FROM origin;
CREATE TABLE shared (blob VARCHAR);
CREATE TABLE matches (row BIGINT, id BIGINT);
CREATE TABLE todo AS
SELECT o.blob, 0::BIGINT AS id, o.size_bytes, o.md5 AS checked_md5, coalesce(b.etag, '') AS there_etag,
       coalesce(w.prefix, '') AS owner,
  CASE WHEN b.name IS NULL THEN 'send'
       WHEN b.md5 = o.md5 AND b.size_bytes = o.size_bytes
         AND (b.source_bytes IS NOT NULL OR (k.md5 = b.md5 AND k.known <> 'adopted')) THEN 'done'
       WHEN b.size_bytes = o.size_bytes AND coalesce(b.md5 = o.md5, true) THEN 'compare'
       WHEN ? AND w.name IS NULL THEN 'replace' ELSE 'conflict' END AS action
FROM origin o LEFT JOIN blobs b ON b.name = o.blob LEFT JOIN known k ON k.blob = o.blob
LEFT JOIN below w ON w.name = o.blob
"""
EXAMPLES = "SELECT blob FROM todo WHERE action = 'send' ORDER BY blob LIMIT 3"
TOTALS = """
SELECT count(*) FILTER (action = 'send'), count(*) FILTER (action = 'replace'), count(*) FILTER (action = 'compare'),
       count(*) FILTER (action = 'done'), count(*) FILTER (action = 'conflict'), count(*),
       coalesce(sum(size_bytes) FILTER (action IN ('send', 'replace')), 0)::BIGINT,
       coalesce(sum(size_bytes), 0)::BIGINT
FROM todo
"""
JOBS = f"""
SELECT o.blob, o.md5, o.etag, t.action, t.there_etag, coalesce(s.tags, '{{}}'),
       {", ".join(f"o.{name}" for name in Copied._fields)}
FROM todo t JOIN origin o USING (blob) LEFT JOIN source_tags s ON s.name = o.blob
WHERE t.action IN ('send', 'replace', 'compare') ORDER BY o.blob
"""  # noqa: S608 - own text
UNPROVEN = """
SELECT t.blob, b.name IS NOT NULL FROM todo t LEFT JOIN blobs b ON b.name = t.blob
LEFT JOIN receipts r ON r.blob = t.blob
WHERE (t.action = 'done' OR r.outcome IN ('sent', 'already_there'))
  AND (b.name IS NULL OR b.size_bytes <> t.size_bytes OR coalesce(b.md5 <> t.checked_md5, r.outcome = 'sent'))
ORDER BY t.blob
"""
