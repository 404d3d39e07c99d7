"""Writes a small dataset shaped as PADCHEST's publisher ships it, with a few defects that laden should find.

In order: `write` names the images, draws and encodes each one while it writes the archives, and writes the
table. Three of PADCHEST's 52 archives, flat, most members stored and some deflated; about 1.5 MB an image.
The same seed gives the same bytes (from the same versions of NumPy and ISA-L). It touches nothing outside the
folder it is given.
"""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Iterable, Iterator
from filecmp import cmp
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from laden.demo import png, radiograph, rows
from laden.values.errors import UsageError

_SHARES = {"0": 0.4, "1": 0.35, "54": 0.25}
"""Archives of the sample, and how much of it each holds."""
_SIZES = ((1104, 912), (1360, 1136), (1024, 1024), (1248, 1040), (1152, 1392))
_LARGE = (2140, 1760)
"""Heights and widths in pixels; every twentieth image is large."""
_DATE = (2019, 2, 1, 0, 0, 0)
_STAMP_S = 1_548_979_200
"""The same day as a file's time (UTC, since 1970). A file that anybody changes gets another."""
_JUNK = (
    ("__MACOSX/._x.png", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(16)),
    (".DS_Store", b"\x00\x00\x00\x01Bud1"),
)


class Sample(NamedTuple):
    """What was written, for whoever loads it and checks what laden says."""

    table: Path
    archives: tuple[str, ...]
    """`0`, `1`, `54`: only these, so a plan must be told so (`--archives 0,1,54`)."""
    rows: int
    """Records of the table: `images` and the one whose image is missing."""
    images: int
    """PNGs that have a row, the broken one counted."""
    missing: str
    """Key (ImageID) of the row without an image."""
    stray: str
    """Place of the PNG without a row, as `0.zip: name.png`."""
    broken: str
    """Place of the PNG that ends early, though its archive's checksum is right."""
    ignored: int
    """Members that are no part of the data: what a Mac leaves in archives."""
    size_bytes: int
    """Of the archives, all together."""


class Member(NamedTuple):
    """What to put into an archive."""

    name: str
    content: bytes
    deflate: bool = False


def write(folder: Path, *, seed: int = 1, images: int = 60) -> Sample:
    """Write `<folder>/0.zip`, `1.zip`, `54.zip` and the table.

    `images` is how many PNGs have a row, 6 at least; one more row has no image, one more PNG has no row.

    Raises:
        UsageError: files of these names are there that a person changed; nothing was written.
        OSError: the disk does not take them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(seed, images + 2)
    missing, stray, broken = pictures[4], pictures[-1], pictures[images // 2]
    size_bytes = 0
    with _Placing(folder) as placing:
        for archive in _SHARES:
            members = _members(pictures, archive, seed, missing=missing, broken=broken)
            path = placing.beside(f"{archive}.zip")
            write_archive(path, members)
            size_bytes += path.stat().st_size
        placing.beside(rows.TABLE_NAME).write_bytes(rows.encode(pictures[:-1], seed))
        placing.place()
    return Sample(
        table=folder / rows.TABLE_NAME,
        archives=tuple(_SHARES),
        rows=images + 1,
        images=images,
        missing=missing.image_id,
        stray=f"{stray.image_dir}.zip: {stray.image_id}",
        broken=f"{broken.image_dir}.zip: {broken.image_id}",
        ignored=len(_JUNK),
        size_bytes=size_bytes,
    )


class _Placing:
    """Writes files beside their places, and moves them there, all or none: over nothing that a person changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[Path, Path] = {}

    def __enter__(self) -> Self:
        """Nothing is written yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing beside."""
        for beside in self._written.values():
            beside.unlink(missing_ok=True)

    def beside(self, name: str) -> Path:
        """Where to write what is to lie under a name."""
        path = self._folder / f".{name}.part"
        self._written[self._folder / name] = path
        return path

    def place(self) -> None:
        """Move all to their places."""
        if changed := [path.name for path, beside in self._written.items() if _is_a_persons(path, beside)]:
            raise UsageError(
                f"in {self._folder}, {' and '.join(changed)} {'is' if len(changed) == 1 else 'are'} not as the demo"
                " writes such files: move what you changed away, or have the sample elsewhere with --folder"
            )
        for path, beside in self._written.items():
            beside.replace(path)
            os.utime(path, (_STAMP_S, _STAMP_S))


def _is_a_persons(path: Path, new: Path) -> bool:
    """Whether a file is there that is neither what is to lie there, nor has the time that the demo gives its files."""
    if not path.exists() or path.stat().st_mtime == _STAMP_S:
        return False
    return not cmp(path, new, shallow=False)


def write_archive(path: Path, members: Iterable[Member]) -> None:
    """Write a zip whose bytes depend on its members alone: one date, no user's or system's marks."""
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, _DATE)
            info.create_system = 0
            info.compress_type = zipfile.ZIP_DEFLATED if member.deflate else zipfile.ZIP_STORED
            archive.writestr(info, member.content, compresslevel=1)


def cut_short(image: bytes) -> bytes:
    """Return a PNG that ends early, as some of PADCHEST's do: no archive's checksum can show it."""
    return image[: len(image) * 3 // 5]


def _pictures(seed: int, count: int) -> list[rows.Picture]:
    rng = random.Random(f"pictures {seed}")  # noqa: S311 - invents, protects nothing
    ends, total = [], 0.0
    for archive, share in _SHARES.items():
        total += share
        ends.append((round(count * total), archive))
    pictures = []
    for number in range(count):
        image_dir = next(archive for end, archive in ends if number < end)
        height, width = _SIZES[number % len(_SIZES)] if number % 20 != 7 else _LARGE
        pictures.append(rows.Picture(rows.image_id(rng, number), image_dir, height, width))
    return pictures


def _members(
    pictures: list[rows.Picture], archive: str, seed: int, *, missing: rows.Picture, broken: rows.Picture
) -> Iterator[Member]:
    for number, picture in enumerate(pictures):
        if picture.image_dir != archive or picture is missing:
            continue
        rng = np.random.Generator(np.random.PCG64([seed, number]))
        image = png.encode(radiograph.draw(rng, picture.height, picture.width))
        content = cut_short(image) if picture is broken else image
        yield Member(picture.image_id, content, deflate=number % 6 == 3)
    if archive == next(iter(_SHARES)):
        yield from (Member(name, content, deflate=True) for name, content in _JUNK)
