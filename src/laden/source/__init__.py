"""Where bytes come from: zip archives and plain files on a local or mounted disk.

In this order: `find` says which archives and files there are, `entries` lists what one archive holds (from
its directory, without reading data), `file_entries` lists plain files, and a `Reader` reads any entry's bytes
and checks them against what was declared. Problems of single members come as findings or as `MemberDamaged`;
an archive that cannot be read as a whole raises `SourceError`.

Nothing is written, unpacked to disk, or fetched over a network here.
"""

from isal.isal_zlib import crc32

from laden.source.files import Found, file_entries, find
from laden.source.positional import Buffer
from laden.source.reader import Reader
from laden.source.zips import entries

__all__ = ["Buffer", "Found", "Reader", "crc32", "entries", "file_entries", "find"]
