"""Files that laden itself wrote beside the data: reports and lists of findings are never its input.

A name alone says nothing, and files of other names are not opened: only one that is called as laden calls its own and
that begins, or ends, as they do is left out.
"""

from __future__ import annotations

from pathlib import Path

_REPORT = b"<!DOCTYPE html>\n<!-- laden report -->\n"
_FINDINGS = b"code,severity,message,archive,member,row,blob"
_PARQUET = b"PAR1"
_PARQUET_MARK = b"laden_findings"
_FOOTER_BYTES = 64 << 10


def is_own(root: Path, name: str) -> bool:
    """Whether the file `name` below `root` is a report or list of findings of laden's."""
    base = name.rpartition("/")[2].lower()
    if not base.startswith(("laden-report", "laden-findings")):
        return False
    try:
        with (root / name).open("rb") as file:
            start = file.read(len(_FINDINGS))
            if start.startswith((_REPORT, _FINDINGS)):
                return True
            file.seek(-min(_FOOTER_BYTES, file.seek(0, 2)), 2)
            return start.startswith(_PARQUET) and _PARQUET_MARK in file.read()
    except OSError:
        return False
