"""Which names may travel: from an archive or a folder into a blob container.

`problem` says why a name is refused. It is the union of what is unsafe to unpack (absolute paths, `..`, drive
letters) and of what Azure Blob Storage refuses or cannot give back ("Naming and referencing containers,
blobs, and metadata": 1,024 characters, 254 segments, no segment that ends in a dot, no control characters, no
U+E000). `is_junk` knows what operating systems and broken downloads leave beside the data. Neither changes a
name, and neither touches a disk.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 1024
MAX_SEGMENTS = 254

OWN_FOLDER = "_laden"
"""Where laden keeps its notes about a load, below the destination's prefix."""

BESIDE_IMAGES = (".csv", ".csv.gz", ".tsv", ".txt", ".md", ".pdf", ".json", ".xml", ".xlsx", ".html", ".toml", ".log")
"""How names of tables and texts end, which lie beside images and are none."""

_DRIVE = re.compile(r"[A-Za-z]:")
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters (Unicode category Cc)
    "\ud800-\udfff"  # lone surrogates: bytes that are no text (PEP 383)
    "\ue000"  # named by the service's own rules
    "\ufdd0-\ufdef"  # noncharacters (Unicode 23.7), here and the last two of each plane
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
_SEGMENT = r"\.?[\w-]+(?:\.[\w-]+)*"
_PLAIN = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
"""Names of which nothing need be asked: most of a million are."""
_PLAIN_CHARACTERS = 2 * MAX_SEGMENTS
_UNSEEN = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Characters that HFS+ ignores in a file's name."""
_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


def problem(name: str) -> str | None:
    """Why `name` is refused as the name of a member or blob, or None where it is fine.

    The answer is a phrase that continues "its name": `holds a backslash`, `is absolute`.
    """
    if len(name) <= _PLAIN_CHARACTERS and _PLAIN.fullmatch(name):
        return None
    segments = name.split("/")
    if not name:
        return "is empty"
    if len(name) > MAX_CHARACTERS:
        return f"has {len(name):,} characters, more than {MAX_CHARACTERS:,}"
    if len(segments) > MAX_SEGMENTS:
        return f"has {len(segments)} segments, more than {MAX_SEGMENTS}"
    if not (name.isascii() and name.isprintable()) and (unsafe := _UNSAFE.search(name)):
        return f"holds the character U+{ord(unsafe[0]):04X}, which blob names cannot hold"
    if "\\" in name:
        return "holds a backslash"
    if name.startswith("/"):
        return "is absolute"
    if _DRIVE.match(name):
        return "starts with a drive letter"
    return _segment_problem(segments)


def _segment_problem(segments: list[str]) -> str | None:
    if not segments[-1]:
        return "ends with a slash"
    if "" in segments:
        return "has an empty segment"
    for segment in segments:
        if segment in (".", ".."):
            return f"has a `{segment}` segment"
        if segment.endswith("."):
            return "has a segment that ends with a dot"
    return None


def reserved(name: str) -> str | None:
    """Why no blob of a dataset may be called so, or None: laden keeps its own notes below `_laden/`.

    At any depth: where `_laden/load.json` lies, a load of its own begins. And in letters of any size: macOS and Windows
    have one folder for all of them, Windows drops blanks and dots at a name's end, and HFS+ what nobody sees.
    """
    folded = name.lower() if name.isascii() else _UNSEEN.sub("", name).lower()
    if OWN_FOLDER in folded and any(segment.rstrip(" .") == OWN_FOLDER for segment in folded.split("/")):
        return f"lies in {OWN_FOLDER}/, where laden keeps its own notes"
    return None


_SIGNS = r"!-,\-0-9;-\[\]-~ "


def plain_in_sql(column: str) -> str:
    """SQL that is true of names of which nothing need be asked: neither `problem` nor `reserved` says anything.

    Printable ASCII but colons and backslashes, in segments none of which is empty or ends in a dot.
    """
    segments = f"(?:[{_SIGNS}.]*[{_SIGNS}]/)*[{_SIGNS}.]*[{_SIGNS}]"
    short = f"length({column}) < 250 AND NOT contains(lower({column}), '{OWN_FOLDER}')"
    return f"{short} AND regexp_full_match({column}, '{segments}')"


def is_junk(path: str) -> bool:
    """Whether `path` is no data: a folder entry, or what macOS, Windows, AzCopy or gsutil leave behind.

    `path` has forward slashes. `.azDownload-*` and `*_.gstmp` are downloads that never finished.
    """
    *folders, name = path.split("/")
    return (
        not name
        or "__MACOSX" in folders
        or name.startswith(("._", ".azDownload-"))
        or name.endswith("_.gstmp")
        or name.lower() in _JUNK_NAMES
    )
