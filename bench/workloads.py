"""The data that is measured: made once, the same on every machine, kept in a cache folder.

`images` are unique 16-bit PNGs like radiographs, named as the first ones of PADCHEST's folder 0, as a folder, one
deflated zip, one stored zip, and four zips; PADCHEST's table (`table`) lies beside the folder and the zips, as a person
has it. As with real PNGs, deflating them again gains nothing, and the deflater falls back to stored blocks
(RFC 1951, 3.2.4). `loose` are the same with PNGs that are not compressed inside, so that the zip really has
to be inflated. `small` are files of 20 kB; `there` are as many members as PADCHEST has; `mix` is many
archives of the images. A folder is complete when its `done.json` is there; anything else is made again.
Nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.table import names, table

IMAGES = 160
SPLIT = 4
"""More archives would be slower with AzCopy, which looks only every two seconds whether it has finished."""
SMALL_SIDE_PIXELS = 99
"""Makes uncompressed PNGs of 20 kB."""
TINY_SIDE_PIXELS = 4
SMALL_FILES = 5000
THERE_FILES = 160_861
"""Rows of the PADCHEST table."""
THERE_ARCHIVES = 52
SIDE_PIXELS = 2800
"""Makes PNGs of about 7.75 MB."""
LOOSE_SIDE_PIXELS = 1968
"""The same where the PNG itself is not compressed."""
_EARLY = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Workload:
    """One set of files in the shapes that the tools take. Folders that a set doesn't have stay absent."""

    root: Path
    files: int
    size_bytes: int
    """Of the files, uncompressed."""

    @property
    def extracted(self) -> Path:
        """Hold the plain files."""
        return self.root / "extracted"

    @property
    def plain(self) -> Path:
        """Hold the plain images, without the table beside them."""
        return self.extracted / "0" if (self.extracted / "0").is_dir() else self.extracted

    @property
    def deflated(self) -> Path:
        """Hold one deflated zip with everything."""
        return self.root / "deflated"

    @property
    def stored(self) -> Path:
        """Hold one stored zip with everything."""
        return self.root / "stored"

    @property
    def split(self) -> Path:
        """Hold the same members in several deflated zips."""
        return self.root / "split"


def images(work: Path, count: int = IMAGES, *, loose: bool = False) -> Workload:
    """Make `count` PNGs of about 7.75 MB each in every shape."""
    labels = table(work)

    def make(root: Path) -> None:
        folder = _fresh(root / "extracted" / "0")
        paths = [folder / name for name in names(labels, count)]
        with ProcessPoolExecutor() as pool:
            for _ in pool.map(_write_image, paths, range(count), [loose] * count, chunksize=4):
                pass
        files = sorted(folder.iterdir())
        _write_zip(_fresh(root / "deflated") / "0.zip", files, zipfile.ZIP_DEFLATED)
        _write_zip(_fresh(root / "stored") / "0.zip", files, zipfile.ZIP_STORED)
        split = _fresh(root / "split")
        for part in range(SPLIT):
            _copy_members(root / "deflated" / "0.zip", split / f"{part}.zip", slice(part, None, SPLIT))
        for shape in ("extracted", "deflated", "stored"):
            shutil.copyfile(labels, root / shape / labels.name)

    return _once(work / f"{'loose' if loose else 'radiographs'}-{count}", make)


def small(work: Path, count: int = SMALL_FILES) -> Workload:
    """Make `count` PNGs of 20 kB, and a zip of them."""

    def make(root: Path) -> None:
        folder = _fresh(root / "extracted")
        for i in range(count):
            (folder / f"{i:06d}.png").write_bytes(png(i, SMALL_SIDE_PIXELS, level=0))
        _write_zip(_fresh(root / "deflated") / "0.zip", sorted(folder.iterdir()), zipfile.ZIP_DEFLATED)

    return _once(work / f"small-{count}", make)


def there(work: Path, count: int = THERE_FILES) -> Workload:
    """Make `count` of the smallest PNGs in 52 zips, and the same as a folder."""

    def make(root: Path) -> None:
        folder, zips = _fresh(root / "extracted"), _fresh(root / "split")
        for archive in range(THERE_ARCHIVES):
            (folder / str(archive)).mkdir()
            with zipfile.ZipFile(zips / f"{archive}.zip", "w") as out:
                for i in range(archive, count, THERE_ARCHIVES):
                    name = f"{2168400000 + i * 7919}_00-{i % 1000:03d}.png"
                    data = png(i, TINY_SIDE_PIXELS, level=0)
                    out.writestr(zipfile.ZipInfo(name, _EARLY), data)
                    (folder / str(archive) / name).write_bytes(data)

    return _once(work / f"there-{count}", make)


def mix(work: Path, archives: int = THERE_ARCHIVES, per_archive: int = 30) -> Workload:
    """Make many zips (12 GB with 52 of 30) out of the images, half of them stored, each image many times.

    Raises OSError if the disk has less than twice that much room.
    """
    source = images(work)
    wanted_bytes = archives * per_archive * source.size_bytes // source.files
    if not (work / f"mix-{archives}" / "done.json").exists() and shutil.disk_usage(work).free < 2 * wanted_bytes:
        raise OSError(f"making the mix of {wanted_bytes / 1e9:.0f} GB needs twice that much room in {work}")

    def make(root: Path) -> None:
        zips = _fresh(root / "split")
        for archive in range(archives):
            kind = "stored" if archive % 2 else "deflated"
            first = archive * per_archive % (source.files - per_archive)
            wanted = slice(first, first + per_archive)
            _copy_members(source.root / kind / "0.zip", zips / f"{archive}.zip", wanted, folder=f"{archive}/")

    return _once(work / f"mix-{archives}", make)


def _once(root: Path, make: Callable[[Path], None]) -> Workload:
    done = root / "done.json"
    if not done.exists():
        print(f"making {root.name} (once)", flush=True)
        make(_fresh(root))
        done.write_text(json.dumps(_count(root)))
    counted = json.loads(done.read_text())
    return Workload(root, counted["files"], counted["size_bytes"])


def _count(root: Path) -> dict[str, int]:
    """Files and bytes of the first shape that is there."""
    if (root / "extracted").exists():
        files = (path for path in (root / "extracted").rglob("*") if path.suffix == ".png")
        sizes = [path.stat().st_size for path in files]
    else:
        archives = [zipfile.ZipFile(path) for path in sorted((root / "split").iterdir())]
        sizes = [info.file_size for archive in archives for info in archive.infolist()]
    return {"files": len(sizes), "size_bytes": sum(sizes)}


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write_zip(path: Path, files: Iterable[Path], method: int) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=6) as out:
        for file in files:
            info = zipfile.ZipInfo(file.name, _EARLY)
            info.compress_type = method
            out.writestr(info, file.read_bytes())


def _copy_members(source: Path, target: Path, wanted: slice, folder: str = "") -> None:
    """Write members of one zip to another, into a folder in it (deflated again, or stored, as they were)."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w", compresslevel=6) as out:
        for info in archive.infolist()[wanted]:
            copy = zipfile.ZipInfo(folder + info.filename, _EARLY)
            copy.compress_type = info.compress_type
            out.writestr(copy, archive.read(info))


def _write_image(path: Path, number: int, loose: bool) -> None:
    path.write_bytes(png(number, LOOSE_SIDE_PIXELS, level=0) if loose else png(number, SIDE_PIXELS, level=6))


def png(seed: int, side: int, level: int) -> bytes:
    """Make a 16-bit grey PNG (PNG specification, 3rd edition): a smooth chest, noise, a black frame."""
    noise = np.random.default_rng(seed)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    body = np.exp(-(across[:, None] ** 2) * (2 + seed % 3) - np.abs(across[None, :] - seed % 7 * 0.02))
    pixels = body * 3200 + noise.standard_normal((side, side), np.float32) * np.sqrt(body) * 40 + 300
    frame = max(1, side // 20)
    samples = np.zeros((side, side), ">u2")
    samples[frame:-frame, frame:-frame] = np.clip(pixels, 0, 4095)[frame:-frame, frame:-frame]
    raw = samples.view(np.uint8)
    # Filter type 1 (Sub, PNG 9.2): each byte less the one a pixel to its left.
    filtered = np.zeros((side, side * 2 + 1), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1:3] = raw[:, :2]
    filtered[:, 3:] = raw[:, 2:] - raw[:, :-2]
    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    pixels_zlib = zlib.compress(filtered.tobytes(), level)
    chunks = ((b"IHDR", header), (b"IDAT", pixels_zlib), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
