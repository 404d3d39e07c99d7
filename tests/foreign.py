"""Runs a folder of archives, images or tables through laden and through what else reads them; prints disagreements.

    python tests/foreign.py FOLDER

Point it at another project's test files (libzip's, Go's, PngSuite). Of archives, what each of unzip, 7z and bsdtar
gives for a member is compared with what laden gives; of images, whether Pillow, djpeg and pngcheck find them good; of
tables, how many records Python's csv reads. What is not installed is left out. A line is a file on which somebody
disagrees: most are a question of taste (laden refuses what others guess at), and one in which laden gives *other bytes*
than all the rest never is. Nothing is written beside it, nothing fetched.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from laden.dataset.images import look
from laden.dataset.source import Reader, archive_of, entries
from laden.dataset.table import Table
from laden.values.errors import LadenError
from laden.values.records import Entry

_CHUNK_BYTES = 1 << 20
_LIMIT_S = 60
_IMAGES = (".png", ".jpg", ".jpeg", ".dcm")
_TABLES = (".csv", ".csv.gz")

Contents = dict[str, str]
"""Member to MD5 of its bytes, or to what was said instead of them."""


def main(folder: Path) -> int:
    """Print every disagreement and their number; 1 where laden gives other bytes than another program."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    disagreements = wrong = 0
    for path in files:
        for line in _compared(path):
            print(f"{path.relative_to(folder)}: {line}")
            disagreements += 1
            wrong += "OTHER BYTES" in line
    print(f"{len(files)} files, {disagreements} disagreements, {wrong} of them about bytes")
    return 1 if wrong else 0


def _compared(path: Path) -> Iterator[str]:
    name = path.name.lower()
    if archive_of(path.name) == path.name:
        yield from _archive(path)
    elif name.endswith(_IMAGES):
        yield from _image(path)
    elif name.endswith(_TABLES):
        yield from _table(path)


def _archive(path: Path) -> Iterator[str]:
    ours = _laden(path)
    for program, unpack in _UNPACKERS.items():
        if not shutil.which(program) or (program == "unzip" and not path.name.lower().endswith(".zip")):
            continue
        theirs = _unpacked(path, unpack)
        for member in sorted(theirs.keys() | ours.keys()):
            here, there = ours.get(member, "nothing"), theirs.get(member, "nothing")
            if here != there:
                what = "OTHER BYTES" if len(here) == len(there) == 32 else "differs"
                yield f"{what}: {member!a}: laden {here}, {program} {there}"


def _laden(path: Path) -> Contents:
    found: Contents = {}
    try:
        with Reader(str(path.parent)) as reader:
            for one in entries(path.parent, path.name):
                if not isinstance(one, Entry):
                    if one.member and one.severity == "error":
                        found.setdefault(one.member, one.code)
                    continue
                try:
                    digest = hashlib.md5(usedforsecurity=False)
                    for chunk in reader.read(one, _CHUNK_BYTES):
                        digest.update(chunk)
                    found[one.member] = digest.hexdigest()
                except LadenError as error:
                    found[one.member] = getattr(error, "code", str(error))
    except LadenError as error:
        found["(the archive)"] = getattr(error, "code", str(error))
    return found


def _unpacked(path: Path, unpack: Callable[[Path, Path], list[str]]) -> Contents:
    with tempfile.TemporaryDirectory() as temporary:
        there = Path(temporary)
        code = _run(unpack(path.resolve(), there), there)
        found = {
            file.relative_to(there).as_posix(): hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
            for file in there.rglob("*")
            if file.is_file() and not file.is_symlink()
        }
    return found if found or not code else {"(the archive)": f"ends with {code}"}


_UNPACKERS: dict[str, Callable[[Path, Path], list[str]]] = {
    "unzip": lambda path, there: ["unzip", "-qq", "-o", "-P", "", str(path), "-d", str(there)],
    "7z": lambda path, there: ["7z", "x", "-y", "-bd", "-p", f"-o{there}", str(path)],
    "bsdtar": lambda path, there: ["bsdtar", "-xf", str(path), "-C", str(there)],
}


def _run(command: list[str], folder: Path) -> int | str:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return f"no end in {_LIMIT_S} s"
    return done.returncode


def _image(path: Path) -> Iterator[str]:
    facts = look(path.name, path.read_bytes(), "pixels")
    ours = facts.state if facts.kind else "not looked into"
    for program, good in _judges(path):
        if good != (ours == "whole"):
            yield f"laden {ours}, {program} {'good' if good else 'bad'}"


def _judges(path: Path) -> Iterator[tuple[str, bool]]:
    from PIL import Image

    name = path.name.lower()
    if not name.endswith(".dcm"):
        try:
            with Image.open(path, formats=["PNG", "JPEG"]) as image:
                image.load()
            yield "Pillow", True
        except Exception:
            yield "Pillow", False
    for program, ending, arguments in (("pngcheck", ".png", ["-q"]), ("djpeg", (".jpg", ".jpeg"), ["-strict"])):
        if name.endswith(ending) and shutil.which(program):
            yield program, _run([program, *arguments, str(path.resolve())], path.parent) == 0


def _table(path: Path) -> Iterator[str]:
    try:
        ours: int | str = sum(1 for _ in Table.open(path).records())
    except LadenError as error:
        ours = str(error).partition(" is ")[2] or str(error)
    if path.name.lower().endswith(".gz"):
        return
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            theirs: int | str = max(sum(1 for record in csv.reader(file) if record) - 1, 0)
    except (UnicodeDecodeError, csv.Error) as error:
        theirs = f"cannot ({error})"
    if ours != theirs:
        yield f"laden {ours}, csv {theirs}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
