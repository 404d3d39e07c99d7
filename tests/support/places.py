"""Small datasets in which one file name stands for several images, and what lands of them."""

import os
import time
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from laden.values.events import Summary
from laden.verbs.check import check as verbs_check
from laden.verbs.load import load as verbs_load

NOW_NS = time.time_ns()


def profile(
    folder: Path,
    *,
    archive: str | None = None,
    in_folder: str | None = None,
    layout: str = "png/{ImageDir}/{ImageID}",
    kind: str = "integer",
    more: str = "",
    of_table: str = "",
) -> str:
    """Write a profile beside the dataset; returns its path. A row has ImageDir, ImageID and Label."""
    lines = ['name = "t"', 'title = "t"', f'layout = "{layout}"']
    lines += [f'archive = "{archive}"'] if archive else []
    lines += [f'folder = "{in_folder}"'] if in_folder else []
    lines += [more, "[table]", 'name = "t.csv"', 'subset = "t_small.csv"', 'key = "ImageID"', 'suffixes = [".bin"]']
    lines += [of_table, "[table.columns]", f'ImageDir = "{kind}"', 'ImageID = "text"', 'Label = "text"']
    path = folder / "t.toml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return str(path)


def table(source: Path, rows: Iterable[tuple[str, str, str]], name: str = "t.csv") -> Path:
    source.mkdir(parents=True, exist_ok=True)
    (source / name).write_text("ImageDir,ImageID,Label\n" + "".join(",".join(row) + "\n" for row in rows))
    return source / name


def pack(path: Path, members: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)


ROWS = [("0", "a.bin", "x"), ("0", "b.bin", "y"), ("1", "a.bin", "z")]


def two_archives(source: Path, note: str = "") -> Path:
    """A source with the images of `ROWS`, and a `note.txt` beside them if a text is given; returns it."""
    table(source, ROWS)
    pack(source / "0.zip", {"a.bin": "0/a", "b.bin": "0/b"})
    pack(source / "1.zip", {"a.bin": "1/a"})
    if note:
        (source / "note.txt").write_text(note)
    return source


def put(path: Path, text: str, mtime_ns: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def images(there: Path) -> dict[str, str]:
    """What landed beside tables and laden's own."""
    files = {path.relative_to(there).as_posix(): path for path in there.rglob("*") if path.is_file()}
    return {
        name: path.read_text()
        for name, path in sorted(files.items())
        if "_laden" not in name.split("/") and path.suffix not in (".csv", ".pdf")
    }


def load(*arguments: Any, **options: Any) -> Summary:
    """A load, without the word that files called `.bin` are not looked into."""
    return _unseen(verbs_load(*arguments, **options))


def check(*arguments: Any, **options: Any) -> Summary:
    """A check, likewise."""
    return _unseen(verbs_check(*arguments, **options))


def run(source: Path, there: Path, profiled: str, **options: object) -> Summary:
    return load(source, str(there), profile=profiled, **options)


def _unseen(summary: Summary) -> Summary:
    return replace(summary, findings={code: n for code, n in summary.findings.items() if code != "image-unseen"})
