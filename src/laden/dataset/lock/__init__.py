"""Lock files: what a dataset's archives and files are, byte for byte, in one Parquet file without any of their content.

In this order: `record` (a source, archive by archive, into the relation `locking`), `write_lock`, `open_lock` (strict,
for it comes from elsewhere), and `Holding`: a source held against it, or listed from it where it vouches. No image, no
cell of a table and no secret of a link is in one.
"""

from laden.dataset.lock.file import MARK, Lock, LockedArchive, LockedFile, is_lock, open_lock, write_lock
from laden.dataset.lock.holding import Holding
from laden.dataset.lock.record import begin, record_archive, record_files

__all__ = [
    "MARK",
    "Holding",
    "Lock",
    "LockedArchive",
    "LockedFile",
    "begin",
    "is_lock",
    "open_lock",
    "record_archive",
    "record_files",
    "write_lock",
]
