"""What was loaded: one Parquet row for each image. Written last, but for the page about the load (`loadpage`).

The manifest is cumulative and derived: every blob of the listing that laden put there (its metadata say so), that
this run proved equal, or that an earlier manifest knows unchanged. So two loads of one archive each end with the
same bytes as one load of both. It holds neither a time nor a host.

Nothing leaves it by itself: what an earlier manifest names and this load neither found nor sent stays in it as it was
recorded, so that `verify` goes on telling what is gone or changed (`losses`) until a load sends it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from laden.relations import IMAGE_COLUMNS, Relations
from laden.stages.loadpage import Document
from laden.stages.metadata import facts_in_sql, source_in_sql
from laden.values.errors import ManifestUnreadable
from laden.values.records import UNSEEN, Finding, Severity

MANIFEST = "_laden/manifest.parquet"


_LOADED = f"CREATE OR REPLACE TABLE loaded ({IMAGE_COLUMNS})"

_COLUMNS_BEFORE = "blob, archive, member, size_bytes, md5, crc32, key, kind, width, height, bits, state"
_COLUMNS = f"{_COLUMNS_BEFORE}, known, identity"
"""`known` says on what its content rests: `sent` by laden, whose MD5 the service checked; `compared`, another tool's
blob that laden read back; `adopted`, another tool's on that tool's word, which only earlier versions of laden took.
`identity` says whether a look at its header found who a person may be: `named`, `unnamed`, or nothing for no look."""

OTHER = """b.name IS NULL OR b.size_bytes <> k.size_bytes OR coalesce(b.md5 <> k.md5, k.known = 'sent')"""
"""SQL: whether what was recorded (`k`) is not what the listing (`b`, joined from the left) shows."""

_NO_MANIFEST = """
SELECT count(*) FILTER (NOT regexp_full_match(md5, '[0-9a-f]{32}') OR size_bytes < 0) + count(*) - count(DISTINCT blob)
  + CASE WHEN sum(size_bytes) > 1::HUGEINT << 62 THEN 1 ELSE 0 END
FROM known
"""
"""What no manifest of laden's holds: other than MD5s, a negative length, a blob twice, more bytes than can be added up
in 63 bits."""

_LOADS = """
CREATE OR REPLACE TABLE loads AS SELECT left(name, length(name) - length('_laden/load.json')) AS prefix
FROM blobs WHERE ends_with(name, '/_laden/load.json')
"""
_BELOW = """
CREATE OR REPLACE TABLE below AS
WITH above AS (
    SELECT name, unnest(list_transform(range(1, len(string_split(name, '/'))),
        lambda parts: array_to_string(string_split(name, '/')[:parts], '/') || '/')) AS prefix
    FROM blobs WHERE contains(name, '/'))
SELECT name, arg_max(prefix, length(prefix)) AS prefix FROM above
WHERE prefix IN (SELECT prefix FROM loads) GROUP BY name
"""


def find_loads_below(relations: Relations) -> None:
    """Fill the relation `below`: blobs of the listing below a prefix with a load of its own, and that prefix."""
    some = relations.run(_LOADS)
    relations.run(_BELOW if some else "CREATE OR REPLACE TABLE below (name VARCHAR, prefix VARCHAR)")


_NAMED = """
CREATE OR REPLACE TABLE named AS SELECT min(row) AS row FROM rows
WHERE usable AND blob IS NOT NULL AND hash(blob) IN (SELECT hash(name) FROM blobs)
  AND row NOT IN (SELECT row FROM misled) GROUP BY blob
"""
"""The rows that name an image first, of those that are there and their own. By itself: what a group holds is given back
before the joins take theirs."""

_DOUBTED = """
CREATE OR REPLACE TABLE doubted AS
SELECT k.blob FROM known k JOIN blobs b ON b.name = k.blob
WHERE b.size_bytes <> k.size_bytes OR b.md5 IS DISTINCT FROM k.md5;
DELETE FROM doubted USING todo t WHERE t.blob = doubted.blob AND t.action = 'done'
"""
"""Blobs whose metadata prove nothing against a manifest that holds: these can be copied with a blob."""

_ARCHIVE, _MEMBER = source_in_sql("source")


def found_source(part: str) -> str:
    """SQL: `archive` or `member` of an image, as the earlier manifest (`k`) or else the blob (`b`) tells it."""
    return f"coalesce(k.{part}, {source_in_sql('b.source')[part == 'member']})"


_COLLECT = f"""
INSERT INTO loaded
WITH found AS (
    SELECT b.name AS blob, coalesce(r.archive, k.archive) AS archive, coalesce(r.member, k.member) AS member,
           b.source, b.size_bytes, coalesce(b.md5, r.md5) AS md5, coalesce(r.crc32, b.crc32, k.crc32) AS crc32,
           coalesce(n.name, k.key, '') AS key, {facts_in_sql("b.image")} AS image,
           coalesce(r.kind, k.kind) AS kind, coalesce(r.width, k.width) AS width,
           coalesce(r.height, k.height) AS height, coalesce(r.bits, k.bits) AS bits,
           coalesce(r.state, k.state) AS state, coalesce(nullif(r.identity, ''), k.identity) AS identity,
           CASE WHEN b.source IS NOT NULL AND b.crc32 IS NOT NULL THEN 'sent' WHEN r.outcome = 'sent' THEN 'sent'
                WHEN r.blob IS NOT NULL THEN 'compared' ELSE k.known END AS known
    FROM blobs b
    LEFT JOIN receipts r ON r.blob = b.name AND r.outcome IN ('sent', 'already_there') AND (r.md5 = b.md5
      -- Another tool's blob may have no MD5; its bytes were read back.
      OR (b.md5 IS NULL AND r.outcome = 'already_there' AND r.size_bytes = b.size_bytes))
    LEFT JOIN known k ON k.blob = b.name AND k.md5 = b.md5 AND k.size_bytes = b.size_bytes
    LEFT JOIN (SELECT blob, name FROM rows SEMI JOIN named USING (row)) n ON n.blob = b.name
    LEFT JOIN doubted d ON d.blob = b.name
    ANTI JOIN (SELECT name FROM below ANTI JOIN wanted ON wanted.blob = below.name) o ON o.name = b.name
    ANTI JOIN (SELECT blob FROM todo WHERE action = 'conflict') t ON t.blob = b.name
    ANTI JOIN (SELECT blob FROM receipts WHERE outcome = 'conflict') c ON c.blob = b.name
    WHERE (r.blob IS NOT NULL OR k.blob IS NOT NULL
        OR (b.source IS NOT NULL AND b.crc32 IS NOT NULL AND d.blob IS NULL))
      AND coalesce(b.md5, r.md5) IS NOT NULL AND NOT starts_with(b.name, '_laden/'))
SELECT blob, coalesce(archive, {_ARCHIVE}), coalesce(member, {_MEMBER}), size_bytes, md5, crc32, key,
       coalesce(kind, split_part(image, ';', 1), ''),
       coalesce(width, TRY_CAST(split_part(image, ';', 2) AS INTEGER), 0),
       coalesce(height, TRY_CAST(split_part(image, ';', 3) AS INTEGER), 0),
       coalesce(bits, TRY_CAST(split_part(image, ';', 4) AS INTEGER), 0),
       CASE WHEN coalesce(kind, split_part(image, ';', 1), '') = '' THEN '{UNSEEN}'
            ELSE coalesce(state, split_part(image, ';', 5)) END, known,
       coalesce(nullif(identity, ''), split_part(image, ';', 6), '')
FROM found
"""  # noqa: S608 - own text


_KEPT = f"""
CREATE OR REPLACE TABLE kept AS
SELECT k.*, coalesce({OTHER}, false) AS lost, b.name IS NOT NULL AS listed
FROM known k LEFT JOIN blobs b ON b.name = k.blob ANTI JOIN loaded l ON l.blob = k.blob
"""  # noqa: S608 - own text
_LOST = """
SELECT blob, archive, member, listed FROM (FROM kept WHERE lost)
ANTI JOIN (SELECT blob FROM todo WHERE action = 'conflict' OR $planned) t USING (blob)
ANTI JOIN (SELECT blob FROM receipts WHERE outcome = 'conflict') c USING (blob)
ORDER BY blob
"""


def collect(relations: Relations, *, believed: bool = True) -> None:
    """Fill the relations `loaded`, from the listing, the receipts and the earlier manifest, and `kept`.

    Args:
        relations: with `todo` too.
        believed: whether the earlier manifest holds: no load that replaces images broke off since.
    """
    find_loads_below(relations)
    relations.run(_LOADED)
    relations.run(_NAMED)
    doubted = believed and relations.one("SELECT count(*) FROM known")[0]
    relations.run(_DOUBTED if doubted else "CREATE OR REPLACE TABLE doubted (blob VARCHAR)")
    relations.run(_COLLECT)
    relations.run("DROP TABLE named")
    relations.run(_KEPT)


def keep_but(relations: Relations, gone: str) -> None:
    """Fill `loaded` with what the earlier manifest names, but for the images in the relation `gone`."""
    relations.run(_LOADED)
    relations.run(f"INSERT INTO loaded SELECT {_COLUMNS} FROM known WHERE blob NOT IN (SELECT blob FROM {gone})")  # noqa: S608
    relations.run("CREATE OR REPLACE TABLE kept AS SELECT *, false AS lost, false AS listed FROM known WHERE false")


def documents_take(relations: Relations, documents: Sequence[Document]) -> None:
    """Take out of `loaded` and `kept` what is a document now: its name stands for the document's content."""
    for name, _, md5, *_ in documents:
        relations.run("DELETE FROM loaded WHERE blob = ? AND md5 <> ?", [name, md5])
        relations.run("DELETE FROM kept WHERE blob = ?", [name])


def losses(relations: Relations, *, planned: bool = False) -> Iterator[Finding]:
    """What the earlier manifest names, and is gone or other now, and this load did not send; conflicts are told.

    Args:
        relations: after `collect`.
        planned: nothing was sent yet: what is planned to be sent is not lost.
    """
    for blob, archive, member, listed in relations.stream(_LOST, {"planned": planned}):
        yield lost(blob, "it has other content" if listed else "it is gone", archive, member, again=listed)


def lost_documents(relations: Relations, documents: Iterable[Document]) -> Iterator[Finding]:
    """What of an earlier load's documents is gone, or has other content."""
    for document in documents:
        listed = list(relations.stream("SELECT coalesce(md5, '') FROM blobs WHERE name = ?", [document.name]))
        if listed != [(document.md5,)]:
            what = "it has other content" if listed else "it is gone"
            yield lost(document.name, what, again=bool(listed))


def lost(blob: str, what: str, archive: str = "", member: str = "", *, again: bool = False) -> Finding:
    """The finding for what an earlier load landed and is not so any more."""
    act = "load it again" + (" with --overwrite changed" if again else "")
    return Finding(
        "blob-lost",
        Severity.ERROR,
        f"an earlier load landed it, and since then {what}: {act}; until then 'laden verify' tells it too",
        archive=archive,
        member=member,
        blob=blob,
    )


def write_manifest(relations: Relations) -> Path:
    """Write `loaded` and `kept` as a Parquet file in the run's own folder; the same rows give the same bytes.

    Where anything was read on another machine, a column `origin` tells where, as the blobs' metadata do.
    """
    rows = f"(SELECT {_COLUMNS} FROM loaded UNION ALL SELECT {_COLUMNS} FROM kept)"  # noqa: S608 - own names
    query = f"SELECT {_COLUMNS} FROM {rows} ORDER BY blob"  # noqa: S608 - own names
    if relations.one("SELECT count(*) FROM origins")[0]:
        query = (
            f"SELECT m.*, coalesce(b.origin, '') AS origin FROM {rows} m"  # noqa: S608 - own names
            " LEFT JOIN origins b ON b.name = m.blob ORDER BY m.blob"
        )
    return relations.to_parquet(query, "manifest.parquet", "laden_format")


def read_manifest(relations: Relations, path: Path) -> None:
    """Fill the relation `known` from a manifest file in the run's own folder.

    Raises:
        ManifestUnreadable: it is not a manifest laden can read.
    """
    try:
        file = f"read_parquet('{_quoted(path)}')"
        columns = {name for (name, *_) in relations.stream(f"DESCRIBE FROM {file}")}
        # What earlier versions did not find sent they had taken on another tool's word.
        known = "known" if "known" in columns else "'adopted'"
        identity = "identity" if "identity" in columns else "''"
        relations.run(f"INSERT INTO known SELECT {_COLUMNS_BEFORE}, {known}, {identity} FROM {file}")  # noqa: S608
        # Of what nobody looked into, they wrote that it is whole.
        relations.run(f"UPDATE known SET state = '{UNSEEN}' WHERE kind = '' AND state <> '{UNSEEN}'")  # noqa: S608
        (bad,) = relations.one(_NO_MANIFEST)
    except relations.Error:
        bad = 1
    if bad:
        raise _unreadable()


def named_below(relations: Relations, path: Path, prefix: str) -> int:
    """How many blobs below a prefix a manifest file names. Raises `ManifestUnreadable`."""
    try:
        (count,) = relations.one(
            f"SELECT count(*) FROM read_parquet('{_quoted(path)}') WHERE starts_with(blob, ?)",  # noqa: S608
            [prefix],
        )
    except relations.Error:
        raise _unreadable() from None
    return int(count)


def _unreadable() -> ManifestUnreadable:
    return ManifestUnreadable(
        f"{MANIFEST} is not a manifest this version can read: remove it and run the load again to have it made anew"
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
