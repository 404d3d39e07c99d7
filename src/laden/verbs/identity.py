"""Whether headers say who a person is: a quick look before anything is sent, and what earlier loads found.

A few hundred files at most are taken, spread over all that are wanted, and of each no more is read than its beginning.
What is found is a warning before the question; where images are looked at on their way, each has its own finding then.
Members of tars in gzip data are left out: to reach them is to inflate what lies before.

Of images that an earlier load sent, blobs and manifest keep whether their headers named somebody; that is told again by
each load, and where nobody looked, that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from laden.dataset.images import NAMED, Phi, look
from laden.dataset.images.identity import UNREAD
from laden.dataset.source import Reader, Root
from laden.run.receipts import FOUND_BEFORE, identified
from laden.run.run import Run
from laden.values.errors import SourceError, UsageError
from laden.values.events import Warned
from laden.values.records import IN_GZIP, Entry, Finding, Severity

_MOST_FILES = 200
_HEAD_BYTES = 1 << 20
"""Headers of radiographs take some kilobytes."""
_NAMED = 8
_CANDIDATES = """
FROM todo t JOIN entries e USING (id)
WHERE t.action IN ('send', 'replace', 'compare') AND e.method <> $gzip AND e.size_bytes > 132
  AND NOT regexp_matches(lower(e.member), '\\.(png|jpe?g|tiff?|nii|gz)$')
"""
_SPREAD = f"""
SELECT archive, member, size_bytes, crc32, mtime_ns, offset_bytes, stored_bytes, method FROM (
    SELECT e.*, row_number() OVER (ORDER BY e.id) AS nth {_CANDIDATES})
WHERE nth % $step = 0 ORDER BY id
"""  # noqa: S608 - own text
_SETTLED = """
SELECT t.blob, e.archive, e.member, coalesce(nullif(k.kind, ''), split_part(b.image, ';', 1), '') AS kind,
    coalesce(nullif(k.identity, ''), split_part(b.image, ';', 6), '') AS identity, t.id
FROM todo t JOIN entries e USING (id) JOIN blobs b ON b.name = t.blob
LEFT JOIN known k ON k.blob = t.blob AND k.md5 = b.md5 WHERE t.action = 'done'
"""
_NAMED_BEFORE = f"SELECT blob, archive, member, kind FROM ({_SETTLED}) WHERE identity = ? ORDER BY id"  # noqa: S608
_UNLOOKED = f"""
SELECT count(*), min(blob) FROM ({_SETTLED}) WHERE identity = ''
  AND (kind IN ('png', 'jpeg', 'dicom', 'tiff')
    OR (kind = '' AND regexp_matches(lower(member), '\\.(png|jpe?g|dcm|dicom|dic|ima|tiff?)$')))
"""  # noqa: S608 - own text


def refuse_unlooked(phi: Phi, level: str) -> None:
    """Raise `UsageError` where images are to be held back that nobody is to look at."""
    if phi == "stop" and level == "none":
        raise UsageError(
            "--phi stop holds back images by their headers, and --images none looks at none: leave one out"
        )


def recall_identity(run: Run, phi: Phi) -> None:
    """Tell what earlier loads found in the headers of images that are there, and of how many nobody knows it."""
    if phi == "off":
        return
    severity = Severity.ERROR if phi == "stop" else Severity.WARNING
    for blob, archive, member, kind in run.relations.stream(_NAMED_BEFORE, [NAMED]):
        run.add([identified(kind, FOUND_BEFORE, severity, archive, member, blob)])
    (count, first) = run.relations.one(_UNLOOKED)
    if count:
        these = "1 image is" if count == 1 else f"{count:,} images are"
        told = (
            f"{these} there, sent by a load that did not look for persons in headers: 'laden check --images structure'"
            " looks at the source's; --compare all does so once and remembers it"
        )
        run.add([Finding("identity-unlooked", severity, told, blob=first)])


def look_for_identity(run: Run, root: Root, phi: Phi, *, alone: bool) -> None:
    """Warn where headers of a sample say who a person is.

    Args:
        run: whose plan is made.
        root: of the source.
        phi: what was asked; nobody looks where it is `off`.
        alone: whether this is the only look, so that what it finds is a finding of the run.
    """
    if phi == "off":
        return
    gzip = {"gzip": IN_GZIP}
    (count,) = run.relations.one(f"SELECT count(*) {_CANDIDATES}", gzip)
    step = -(-count // _MOST_FILES) or 1
    named: Counter[str] = Counter()
    seen = saying = 0
    with Reader(root) as reader:
        for entry in map(Entry._make, run.relations.stream(_SPREAD, {**gzip, "step": step})):
            for kind, identity in _headers(reader, entry):
                seen += kind == "dicom"
                saying += bool(identity)
                named.update(identity or ())
    if saying:
        shown = ", ".join(f"{name} ({files:,})" for name, files in named.most_common(_NAMED))
        more = f" and {len(named) - _NAMED} others" if len(named) > _NAMED else ""
        told = (
            f"{saying:,} of {seen:,} DICOM headers that were looked at may say who a person is: {shown}{more};"
            " --phi stop sends no such image"
        )
        run.tell(Warned(told))
        if alone:
            run.add([Finding("dicom-identity", Severity.ERROR if phi == "stop" else Severity.WARNING, told)])


def _headers(reader: Reader, entry: Entry) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Kind and fields of the beginning of a file; nothing of one that cannot be read, which is told when it is sent."""
    try:
        facts = look(entry.member, next(reader.read(entry, _HEAD_BYTES)), identity=True)
    except SourceError:
        return
    found = facts.identity
    if entry.size_bytes > _HEAD_BYTES and found is not None:
        # That the beginning breaks off says nothing of the rest.
        found = tuple(name for name in found if name != UNREAD)
    yield facts.kind, found
