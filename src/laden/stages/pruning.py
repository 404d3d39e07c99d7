"""What would go from a destination, and the file that says so: the plan of `prune`.

A plan names images that the manifest owns and that nothing names any more: no row of the source's tables, no file of
the source, no table that landed; each with the ETag that was listed. It is a file of JSON lines: one about all, one for
each image, and one that closes it, with a hash over all before, so that a plan that is cut or was edited is none. The
last line's hash is the plan's name. Nothing is asked of a store here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from laden.dataset.profile import Profile, Template
from laden.relations import Relations
from laden.stages.manifest import OTHER, find_loads_below
from laden.values.errors import UsageError
from laden.values.told import from_json

PLAN_START = b'{"laden_prune": 1'
"""How every plan begins."""
_HEADER_BYTES = 1 << 20
LIFE_S = 24 * 3600
"""Of a plan: what was true of a source a day ago need not be."""
MOST = 1_000
MOST_SHARE = 0.01
"""Images that go without having been asked for by number: at most so many, and so much of all."""

_NAMED = """
CREATE OR REPLACE TABLE named_now AS
SELECT blob FROM rows WHERE blob IS NOT NULL
UNION SELECT blob FROM entries WHERE blob IS NOT NULL
UNION SELECT k.blob FROM known k JOIN entries e ON k.archive = e.archive AND k.member = e.member
"""
"""Also by rows without an image, and of entries that are no row's."""
_SUPERFLUOUS = """
CREATE OR REPLACE TABLE superfluous AS
SELECT k.blob FROM known k
WHERE k.known = 'sent'
  AND NOT EXISTS (FROM named_now n WHERE n.blob = k.blob) AND NOT EXISTS (FROM below o WHERE o.name = k.blob)
"""
"""What another tool put there is not laden's to remove, though laden read it back and its manifest names it."""
_TO_GO = f"""
SELECT k.blob, k.size_bytes, k.md5, k.archive, k.member, coalesce(b.etag, ''), coalesce({OTHER}, false),
       b.name IS NOT NULL
FROM superfluous s JOIN known k USING (blob) LEFT JOIN blobs b ON b.name = k.blob ORDER BY k.blob
"""  # noqa: S608 - own text


T = TypeVar("T", "About", "Going")


@dataclass(frozen=True, slots=True)
class Going:
    """One image that is to go."""

    blob: str
    size_bytes: int
    md5: str
    """Hexadecimal."""
    etag: str
    """Of the version that was listed; empty for one that is gone already, and only leaves the manifest."""
    archive: str
    member: str


@dataclass(frozen=True, slots=True)
class About:
    """What a plan says of itself."""

    destination: str
    """Without credentials; a folder by its real path."""
    source: str
    made_s: int
    """Unix time."""
    page_md5: str
    """Of the page about the load that the plan was made of."""
    images: int
    """In the manifest."""
    blobs: int
    """That are to go."""
    bytes: int
    profile: str = ""
    laden: str = ""

    @property
    def most(self) -> int:
        """Images that may go unasked."""
        return min(MOST, int(self.images * MOST_SHARE))


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that was read, whole."""

    name: str
    """The hash over it, hexadecimal."""
    about: About
    going: tuple[Going, ...]


def find_superfluous(relations: Relations) -> int:
    """Fill the relation `superfluous`: images of the manifest that the source does not name; returns how many.

    Args:
        relations: with `rows` and `entries` of a source that was surveyed whole, `known` and `blobs`.
    """
    find_loads_below(relations)
    relations.run(_NAMED)
    relations.run(_SUPERFLUOUS)
    count: int = relations.one("SELECT count(*) FROM superfluous")[0]
    return count


def keep(relations: Relations, relation: str) -> int:
    """Take images out of `superfluous` that another relation (of `blob`) names; returns how many there were."""
    (count,) = relations.one(f"SELECT count(*) FROM superfluous WHERE blob IN (SELECT blob FROM {relation})")  # noqa: S608
    relations.run(f"DELETE FROM superfluous WHERE blob IN (SELECT blob FROM {relation})")  # noqa: S608
    return int(count)


def keep_other_layouts(relations: Relations, profile: Profile) -> int:
    """Take images out of `superfluous` that this dataset could not have named so; returns how many there were."""
    layouts: Sequence[Template] = [profile.layout, *(profile.layout_of(shape) for shape in profile.tables)]
    strange = (
        (blob,)
        for (blob,) in list(relations.stream("SELECT blob FROM superfluous"))
        if all(layout.match(blob) is None for layout in layouts)
    )
    relations.run("CREATE OR REPLACE TABLE strange (blob VARCHAR)")
    relations.feed("strange", strange)
    return keep(relations, "strange")


def going(relations: Relations) -> tuple[list[Going], int]:
    """Those that are to go, by name; and how many are left, because what is there is not what laden put there."""
    found: list[Going] = []
    changed = 0
    for blob, size_bytes, md5, archive, member, etag, other, there in relations.stream(_TO_GO):
        if there and other:
            changed += 1
        else:
            found.append(Going(blob, size_bytes, md5, etag, archive, member))
    return found, changed


def write_plan(about: About, images: Sequence[Going], file: BinaryIO) -> str:
    """Write a plan; returns its name."""
    digest = hashlib.sha256()
    for value in ({"laden_prune": 1, **asdict(about)}, *map(asdict, images)):
        line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
        digest.update(line)
        file.write(line)
    file.write(json.dumps({"end": len(images), "sha256": digest.hexdigest()}).encode() + b"\n")
    return digest.hexdigest()


def read_plan(path: Path) -> Plan:
    """A plan, whole and as it was written.

    Raises:
        UsageError: it cannot be read, or is none (any more).
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read ({error.strerror}): check the path") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} is no plan of 'laden prune', or was cut or edited since it was written: make it again"
        ) from None


def _read(file: BinaryIO) -> Plan:
    header = file.readline(_HEADER_BYTES)
    if not header.startswith(PLAN_START):
        raise ValueError("another file")
    digest = hashlib.sha256(header)
    told = from_json(header)
    del told["laden_prune"]
    about = _typed(About(**told))
    images: list[Going] = []
    for value, line in _lines(file):
        if "end" in value:
            if (value["end"], value["sha256"]) != (len(images), digest.hexdigest()) or file.readline():
                raise ValueError("another end")
            if (about.blobs, about.bytes) != (len(images), sum(one.size_bytes for one in images)):
                raise ValueError("other counts")
            return Plan(digest.hexdigest(), about, tuple(images))
        digest.update(line)
        images.append(_typed(Going(**value)))
    raise ValueError("no end")


def _typed(read: T) -> T:
    """The same; raises TypeError and ValueError for a field as none is written."""
    kinds = {"str": str, "int": int}
    for one in fields(read):
        value = getattr(read, one.name)
        if not isinstance(value, kinds[str(one.type)]) or isinstance(value, bool):
            raise TypeError(f"another {one.name}")
        if isinstance(value, int) and not 0 <= value < 1 << 63:
            raise ValueError(f"another {one.name}")
    return read


def _lines(file: BinaryIO) -> Iterator[tuple[dict[str, Any], bytes]]:
    while line := file.readline(_HEADER_BYTES):
        yield from_json(line), line
