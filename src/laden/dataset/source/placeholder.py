"""What stands in a file's place while its content is elsewhere: pointers of Git LFS and git-annex, iCloud's stand-ins.

Pointers are known by their first line, and only in files of a few hundred bytes ("Git LFS Specification"; git-annex,
"pointer file"); iCloud's by their name, `.NAME.icloud`. The links of a locked git-annex, which lead to nothing, are
the matter of `laden.dataset.source.walk`.
"""

from __future__ import annotations

import re

MOST_BYTES = 1023
"""Of a pointer: Git LFS takes no larger file for one."""

_GIT_LFS = b"version https://git-lfs.github.com/spec/"
_GIT_ANNEX = re.compile(rb"/annex/objects/[^\s/]+\s")
_ICLOUD = re.compile(r"(.*/)?\.([^/]+)\.icloud", re.DOTALL)


def pointer(data: bytes | bytearray | memoryview) -> str | None:
    """What a whole file's or member's bytes are in place of its content, and how to get that; None for any other."""
    if len(data) > MOST_BYTES:
        return None
    start = bytes(data)
    if start.startswith(_GIT_LFS):
        return "is a Git LFS pointer, not the data: fetch the data ('git lfs pull')"
    if _GIT_ANNEX.match(start + b"\n"):
        return "is a git-annex pointer, not the data: fetch the data ('git annex get', 'datalad get')"
    return None


def absent_from_icloud(path: str) -> str | None:
    """The path of the file that iCloud keeps elsewhere, of the stand-in at `path`; None for any other file."""
    match = _ICLOUD.fullmatch(path)
    return (match[1] or "") + match[2] if match else None
