"""Where bytes come from: zips, tars, tars in gzip data, and plain files, on a disk or elsewhere (`root`).

In this order: `find` says which archives and files there are and what else lies there (as far as a `Scope` goes),
`entries` lists what one archive holds (from its directory or headers; only gzip data have to be read whole),
`file_entries` lists plain files, and a `Reader` reads any entry's bytes and checks them against what was declared.
Archives in parts are read as one.

Problems of single members come as findings or as `MemberDamaged`; an archive that cannot be read as a whole raises
`SourceError`.

Nothing is written, unpacked to disk, or fetched over a network here: who brings a root elsewhere does that.
"""

from collections.abc import Iterator

from isal.isal_zlib import crc32

from laden.dataset.source import tars, zips
from laden.dataset.source.files import Found, file_entries, find, sort_out
from laden.dataset.source.kinds import archive_of, is_zip, stem
from laden.dataset.source.opening import open_archive, opened
from laden.dataset.source.positional import Buffer
from laden.dataset.source.reader import Reader
from laden.dataset.source.root import Elsewhere, Root, folder_of, name_of
from laden.dataset.source.scope import Scope
from laden.values.records import Entry, Finding

__all__ = [
    "Buffer",
    "Elsewhere",
    "Found",
    "Reader",
    "Root",
    "Scope",
    "archive_of",
    "crc32",
    "entries",
    "file_entries",
    "find",
    "folder_of",
    "name_of",
    "open_archive",
    "opened",
    "sort_out",
    "stem",
    "zips",
]


def entries(root: Root, archive: str, encoding: str | None = None) -> Iterator[Entry | Finding]:
    """List what the archive `root / archive` holds, in the order in which it lies there, and what is wrong with it.

    Args:
        root: the source's folder.
        archive: path of the archive below it.
        encoding: of names that do not say how their letters are encoded, where a person named it.

    Raises `SourceError` where the archive as a whole is unreadable. Codes as in `laden.dataset.source.zips` and
    `laden.dataset.source.tars`.
    """
    if is_zip(archive):
        return zips.entries(root, archive, encoding)
    return tars.entries(root, archive, encoding)
