"""The sample dataset is what it says: PADCHEST's shape, whole images, and exactly the defects it names."""

import csv
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from laden.cli import run_command
from laden.demo import png, radiograph, rows, sample
from laden.values.errors import UsageError
from tests.support.dataset import make_dataset, tiny_png


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> sample.Sample:
    return sample.write(tmp_path_factory.mktemp("sample"), seed=3, images=12)


def records(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.read_bytes().decode(), newline="")))


def pngs(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None, "every checksum of the archive is right, the broken PNG's too"
        return {name: opened.read(name) for name in opened.namelist() if name[0].isdigit()}


def decode(image: bytes) -> np.ndarray:
    """Read a 16-bit PNG whose rows all use the filter Up, checking every chunk (PNG specification)."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    place, chunks = 8, []
    while place < len(image):
        length, kind = struct.unpack_from(">I4s", image, place)
        data = image[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", image, place + 8 + length)[0] == zlib.crc32(kind + data), kind
        chunks.append((kind, data))
        place += 12 + length
    assert [chunks[0][0], chunks[-1]] == [b"IHDR", (b"IEND", b"")]
    width, height, bits, colour, *methods = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (bits, colour, methods) == (16, 0, [0, 0, 0])
    data = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    lines = np.frombuffer(data, np.uint8).reshape(height, 1 + 2 * width)
    assert set(lines[:, 0]) == {2}
    return np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).view(">u2").astype(np.uint16)


def test_png_holds_the_pixels() -> None:
    pixels = np.random.Generator(np.random.PCG64(5)).integers(0, 65536, (301, 203), dtype=np.uint16)
    assert np.array_equal(decode(png.encode(pixels)), pixels)


def test_counts_add_up(written: sample.Sample) -> None:
    listed = {record["ImageID"]: record["ImageDir"] for record in records(written.table)}
    held = {name: folder for folder in written.archives for name in pngs(written.table.parent / f"{folder}.zip")}
    assert len(listed) == written.rows == written.images + 1
    assert listed.keys() - held.keys() == {written.missing}
    assert [f"{held[name]}.zip: {name}" for name in held.keys() - listed.keys()] == [written.stray]
    assert {name: listed[name] for name in listed.keys() & held.keys()} == {
        name: folder for name, folder in held.items() if name in listed
    }
    assert set(written.archives) == {"0", "1", "54"} == set(listed.values())
    assert written.size_bytes == sum(path.stat().st_size for path in written.table.parent.glob("*.zip"))


def test_exactly_the_named_image_is_broken(written: sample.Sample) -> None:
    broken = []
    sizes = {record["ImageID"]: (record["Rows_DICOM"], record["Columns_DICOM"]) for record in records(written.table)}
    for folder in written.archives:
        for name, image in pngs(written.table.parent / f"{folder}.zip").items():
            try:
                pixels = decode(image)
            except (AssertionError, struct.error, zlib.error):
                broken.append(f"{folder}.zip: {name}")
            else:
                assert sizes.get(name, pixels.shape) in (tuple(map(str, pixels.shape)), pixels.shape)
    assert broken == [written.broken]


def test_members_are_stored_and_deflated_and_a_mac_left_its_junk(written: sample.Sample) -> None:
    members = [
        info
        for folder in written.archives
        for info in zipfile.ZipFile(written.table.parent / f"{folder}.zip").infolist()
    ]
    images = [info for info in members if info.filename[0].isdigit()]
    assert {info.compress_type for info in images} == {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    assert [info.filename for info in members if info not in images] == ["__MACOSX/._x.png", ".DS_Store"]
    assert len(members) - len(images) == written.ignored


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    for folder, seed in ((first, 1), (again, 1), (other, 2)):
        sample.write(folder, seed=seed, images=6)
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
        assert path.read_bytes() != (other / path.name).read_bytes()


def test_what_a_person_changed_stays_and_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    written = sample.write(folder, images=6)
    # Again, and by a version that draws other images: the demo's own files give way.
    sample.write(folder, images=6)
    sample.write(folder, images=6, seed=2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    edited = before[written.table.name].replace(b"normal", b"NORMAL")
    written.table.write_bytes(edited)
    with pytest.raises(UsageError, match=rf"{written.table.name} is not as the demo writes .* --folder"):
        sample.write(folder, images=6)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {**before, written.table.name: edited}
    # One that has the right bytes is right, whoever put it there.
    written.table.write_bytes(before[written.table.name])
    assert sample.write(folder, images=6, seed=2).images == 6


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert run_command(["demo", "--folder", str(tmp_path / "file" / "below")]) == 2
    assert "name another place with --folder" in capsys.readouterr().err.replace("\n", " ")


def test_the_table_has_the_oddities_of_the_real_one(written: sample.Sample) -> None:
    text = written.table.read_bytes().decode("ascii")
    found = records(written.table)
    assert rows.COLUMNS[:4] == ("", "ImageID", "ImageDir", "StudyDate_DICOM")
    assert (len(rows.COLUMNS), len(set(rows.COLUMNS)), rows.COLUMNS[-1]) == (36, 36, "LocalizationsCUIS")
    assert tuple(found[0]) == rows.COLUMNS
    assert [record[""] for record in found] == [str(index) for index in range(written.rows)]
    assert "\r" not in text
    assert text.count("\n") > written.rows + 1, "some quoted fields hold line breaks"
    assert all(len(record["PatientID"]) == 39 for record in found)
    assert all(record["ImageID"].startswith(record["StudyID"] + "_") for record in found)
    values = {value for record in found for value in record.values()}
    assert {"None", "nan", ""} <= values
    assert any("' " in record["Labels"] for record in found), "labels with a leading blank"
    assert any("_-" in record["ImageID"] for record in found)


def test_a_radiograph_has_dark_lungs_a_bright_middle_and_air_around() -> None:
    image = radiograph.draw(np.random.Generator(np.random.PCG64(1)), 400, 320)
    assert image.dtype == np.uint16
    assert image.max() < 4096
    lung_left, lung_right = image[150:220, 70:100].mean(), image[120:160, 225:245].mean()
    assert image[:20, :30].mean() < min(lung_left, lung_right) / 2
    assert max(lung_left, lung_right) < image[150:220, 150:170].mean() / 2


def test_tiny_datasets_hold_the_defects_they_are_asked_for(tmp_path: Path) -> None:
    built = make_dataset(tmp_path, {"3": 5, "54": 2}, missing=1, stray=2, broken=1, corrupt=2, junk=True)
    assert list(built.rows.values()).count("3") == 6
    assert [record["ImageID"] for record in records(built.table)] == list(built.rows)
    damaged = set()
    for (archive, member), content in built.members.items():
        with zipfile.ZipFile(tmp_path / archive) as opened:
            try:
                assert opened.read(member) == content
            except (zipfile.BadZipFile, zlib.error):
                damaged.add((archive, member))
    assert damaged == set(built.corrupt)
    assert len(damaged) == 2
    assert len(built.blobs) == 7
    assert built.blobs.keys() == built.md5s.keys()
    assert set(built.missing) == {name for name in built.rows if f"png/{built.rows[name]}/{name}" not in built.blobs}
    assert all(member not in built.rows for _, member in (*built.stray, *built.junk))
    with pytest.raises((AssertionError, struct.error)):
        decode(built.members[built.broken[0]])
    assert decode(tiny_png(1)).shape == (16, 16)
