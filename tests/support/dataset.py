"""Builds tiny datasets of PADCHEST's shape, with named defects, and tells the truth about what it built."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from laden.demo import png, rows
from laden.demo.sample import Member, cut_short, write_archive

JUNK = {
    "__MACOSX/._x.png": b"\x00\x05\x16\x07",
    ".DS_Store": b"\x00\x00\x00\x01Bud1",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
}


@dataclass(frozen=True)
class Dataset:
    """What was built. Places are `(archive, member)`, such as `("0.zip", "123_abc.png")`."""

    folder: Path
    table: Path
    archives: tuple[str, ...]
    """`0`, `1`: as an option that selects archives takes them."""
    rows: dict[str, str]
    """ImageID to ImageDir, of every record of the table, in its order."""
    members: dict[tuple[str, str], bytes]
    """What each member, junk too, should be read as; of those in `corrupt`, what they were before."""
    missing: tuple[str, ...] = ()
    """ImageIDs of rows without a member."""
    stray: tuple[tuple[str, str], ...] = ()
    """Members without a row."""
    broken: tuple[tuple[str, str], ...] = ()
    """PNGs that end early, in a healthy zip."""
    corrupt: tuple[tuple[str, str], ...] = ()
    """Members of which one byte in the zip was flipped: their CRC-32 is wrong."""
    junk: tuple[tuple[str, str], ...] = field(default=())

    @property
    def blobs(self) -> dict[str, bytes]:
        """Blob name to content, for every member with a row (broken and corrupt ones too); no table."""
        places = {(f"{folder}.zip", name) for name, folder in self.rows.items()} & set(self.members)
        return {f"png/{zip_[:-4]}/{name}": self.members[zip_, name] for zip_, name in sorted(places)}

    @property
    def md5s(self) -> dict[str, bytes]:
        """Blob name to MD5 (16 raw bytes), as `blobs`."""
        return {name: hashlib.md5(content).digest() for name, content in self.blobs.items()}


def tiny_png(seed: int, *, height: int = 16, width: int = 16) -> bytes:
    """Return a 16-bit PNG of noise, another for each seed."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return png.encode(rng.integers(0, 4096, (height, width), dtype=np.uint16))


def make_dataset(
    folder: Path,
    dirs: Mapping[str, int] | None = None,
    *,
    missing: int = 0,
    stray: int = 0,
    broken: int = 0,
    corrupt: int = 0,
    junk: bool = False,
    deflate: bool | None = None,
    seed: int = 1,
    size: int = 16,
) -> Dataset:
    """Write `<folder>/<dir>.zip` for each of `dirs` (ImageDir to images with a row) and the table.

    `missing` and `stray` come on top of those images, dealt to the archives in turn; `broken` and `corrupt`
    are the first of those images, never the same ones. `deflate`: all members, none, or (None) every other.
    Images are `size` x `size` pixels.
    """
    dirs = {"0": 3, "1": 2} if dirs is None else dirs
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"dataset {seed}")
    numbers = iter(range(10**9))

    def picture(image_dir: str) -> rows.Picture:
        return rows.Picture(rows.image_id(rng, next(numbers)), image_dir, size, size)

    present = [picture(image_dir) for image_dir, count in dirs.items() for _ in range(count)]
    lost = [picture(list(dirs)[number % len(dirs)]) for number in range(missing)]
    extra = [picture(list(dirs)[number % len(dirs)]) for number in range(stray)]
    assert broken + corrupt <= len(present), "not enough images for that many defects"
    broken_places = tuple(_place(one) for one in present[:broken])
    corrupt_places = tuple(_place(one) for one in present[broken : broken + corrupt])

    members: dict[tuple[str, str], bytes] = {}
    for number, one in enumerate(present + extra):
        content = tiny_png(seed * 10**6 + number, height=size, width=size)
        members[_place(one)] = cut_short(content) if _place(one) in broken_places else content
    junk_places = tuple((f"{next(iter(dirs))}.zip", name) for name in JUNK) if junk else ()
    members |= {place: JUNK[place[1]] for place in junk_places}

    _write_archives(folder, dirs, members, deflate)
    for zip_, name in corrupt_places:
        _flip_a_byte(folder / zip_, name)
    listed = sorted(present + lost, key=lambda one: list(dirs).index(one.image_dir))
    table = folder / rows.TABLE_NAME
    table.write_bytes(rows.encode(listed, seed))
    return Dataset(
        folder=folder,
        table=table,
        archives=tuple(dirs),
        rows={one.image_id: one.image_dir for one in listed},
        members=members,
        missing=tuple(one.image_id for one in lost),
        stray=tuple(_place(one) for one in extra),
        broken=broken_places,
        corrupt=corrupt_places,
        junk=junk_places,
    )


def _place(picture: rows.Picture) -> tuple[str, str]:
    return f"{picture.image_dir}.zip", picture.image_id


def _write_archives(
    folder: Path, dirs: Mapping[str, int], members: Mapping[tuple[str, str], bytes], deflate: bool | None
) -> None:
    for image_dir in dirs:
        own = [(name, content) for (zip_, name), content in members.items() if zip_ == f"{image_dir}.zip"]
        write_archive(
            folder / f"{image_dir}.zip",
            (
                Member(name, content, number % 2 == 1 if deflate is None else deflate)
                for number, (name, content) in enumerate(own)
            ),
        )


def _flip_a_byte(archive: Path, name: str) -> None:
    """Flip one bit of the member's data, which follows its name in the archive (APPNOTE 4.3.7)."""
    content = bytearray(archive.read_bytes())
    content[content.index(name.encode()) + len(name) + 20] ^= 0x10
    archive.write_bytes(content)
