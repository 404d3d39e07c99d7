"""A dataset with one of each defect among five hundred good images: each found by its own code, and nothing else."""

import csv
import itertools
import random
import re
import struct
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from PIL import Image

from laden import LadenError, check
from laden.demo import rows
from laden.demo.emulator import Emulator
from laden.demo.sample import Member, write_archive
from tests.dataset.test_images_pixels import varied
from tests.support import png
from tests.support.dataset import make_dataset
from tests.support.harness import run

GOOD = 500
SIZE = (24, 16)
"""Height and width of every broken image, as the table says."""


def deep(seed: int, height: int = SIZE[0], width: int = SIZE[1], bits: int = 16, idats: int = 3) -> list[png.Chunk]:
    return png.picture(width, height, bits, 0, png.noise(seed, bits, 0), idats=idats)


def grey(value: int) -> bytes:
    return png.encode(png.picture(SIZE[1], SIZE[0], 16, 0, lambda _x, _y: (value,)))


def photograph() -> bytes:
    file = BytesIO()
    Image.frombytes("L", (SIZE[1], SIZE[0]), random.Random(1).randbytes(SIZE[0] * SIZE[1])).save(file, "JPEG")
    return file.getvalue()


def holed(data: bytes, start: int, count: int) -> bytes:
    return data[:start] + bytes(count) + data[start + count :]


def defects(good: bytes) -> dict[str, bytes]:
    """Code to the image that has it; the table says `SIZE` of all of them."""
    head = deep(1)[0]
    noise, one = png.encode(deep(1)), deep(1)[2].encode()
    short = png.picture(SIZE[1], SIZE[0] - 1, 16, 0, png.noise(3, 16, 0))
    return {
        "png-truncated": noise[: len(noise) // 2],
        "png-chunk-crc": noise.replace(one, flip(one)),
        "png-chunk-type": noise.replace(one, bytes(12) + one),
        "png-no-iend": png.encode(deep(5)[:-1]),
        "png-pixels-short": png.encode([png.header(SIZE[1], SIZE[0]), *short[1:]]),
        "png-hole": holed(png.encode(deep(6, idats=1)), 120, 200),
        "image-size": png.encode(deep(7, height=SIZE[0] - 4)),
        "image-turned": png.encode(deep(8, height=SIZE[1], width=SIZE[0])),
        "image-constant": grey(2047),
        "image-twin": good,
        "image-bits": png.encode(deep(9, bits=8)),
        "png-is-jpeg": photograph(),
        "png-zlib": png.encode(png.assembled(head, b"not deflated at all")),
    }  # fmt: skip


def flip(chunk: bytes) -> bytes:
    return chunk[:20] + bytes([chunk[20] ^ 1]) + chunk[21:]


class Set(NamedTuple):
    folder: Path
    names: Mapping[str, str]
    """Code to the name of the image that has it."""
    twin: str
    """The other name of the twin's bytes."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Set:
    folder = tmp_path_factory.mktemp("defects")
    rng = random.Random(5)
    good = []
    number = 0
    while len(good) < GOOD:
        data, values = varied(number)
        number += 1
        if data[24] == 16 and values > 1 and data not in good:
            good.append(data)
    bad = defects(good[0])
    names = [rows.image_id(rng, number) for number in range(GOOD + len(bad))]
    contents = dict(zip(names, [*good, *bad.values()], strict=True))
    sizes = {name: struct.unpack_from(">II", contents[name], 16)[::-1] for name in names[:GOOD]}
    # A twin has the size of what it is a twin of.
    sizes |= dict.fromkeys(names[GOOD:], SIZE)
    sizes[names[GOOD + list(bad).index("image-twin")]] = sizes[names[0]]
    pictures = [rows.Picture(name, "0", *sizes[name]) for name in names]
    (folder / rows.TABLE_NAME).write_bytes(rows.encode(pictures, 1))
    write_archive(folder / "0.zip", (Member(name, data, deflate=True) for name, data in contents.items()))
    return Set(folder, dict(zip(bad, names[GOOD:], strict=True)), names[0])


OF_PIXELS = {"png-pixels-short", "png-zlib", "image-constant"}


def found(path: Path) -> dict[str, str]:
    """Code to member, of a list that has each code once."""
    with path.open(newline="", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    codes = {row["code"]: row["member"] for row in listed}
    assert len(codes) == len(listed), Counter(row["code"] for row in listed)
    return codes


def expected(dataset: Set, without: set[str] | frozenset[str] = frozenset()) -> dict[str, str]:
    names = {code: name for code, name in dataset.names.items() if code not in without}
    return {**names, "image-twin": max(dataset.names["image-twin"], dataset.twin)}


def test_each_defect_has_its_code_and_nothing_good_is_suspected(dataset: Set, tmp_path: Path) -> None:
    ran = run("check", dataset.folder, "--images", "pixels", "--json", cwd=tmp_path)
    assert ran.code == 3
    assert found(tmp_path / "laden-findings-check.csv") == expected(dataset)
    summary = ran.summary
    assert (summary["examined"], summary["rows"]) == (GOOD + len(dataset.names), GOOD + len(dataset.names))
    assert summary["damaged"] == sum(code.startswith("png-") for code in dataset.names)


@pytest.mark.parametrize("level", ["structure", "none"])
def test_less_is_found_where_less_is_looked_at(dataset: Set, tmp_path: Path, level: str) -> None:
    ran = run("check", dataset.folder, "--images", level, "--findings", "f.csv", cwd=tmp_path)
    if level == "none":
        assert (ran.code, list(tmp_path.iterdir())) == (0, [])
        assert ran.out == run("check", dataset.folder, cwd=tmp_path).out, "which is what check does by itself"
    else:
        assert found(tmp_path / "f.csv") == expected(dataset, without=OF_PIXELS)


def test_the_terminal_shows_all_counts_and_the_ten_that_matter(dataset: Set, tmp_path: Path) -> None:
    ran = run("check", dataset.folder, "--images", "pixels", cwd=tmp_path)
    table, shown = ran.out.partition("Findings\n")[2].splitlines()[:13], ran.out.count(" 0.zip: ")
    assert {line.split()[1] for line in table} == set(dataset.names)
    assert [line.split()[2] for line in table] == ["error"] * 10 + ["warning"] * 3, "errors come first"
    assert shown == 10
    assert "and 3 more" in ran.out
    assert "513 of them read" in ran.out


def test_the_parquet_file_says_the_same_with_types(dataset: Set, tmp_path: Path) -> None:
    run("check", dataset.folder, "--images", "pixels", "--findings", "f.csv", cwd=tmp_path)
    with duckdb.connect() as connection:
        table = connection.execute(f"FROM '{tmp_path}/f.parquet'")
        assert [(column[0], str(column[1])) for column in table.description] == [
            ("code", "VARCHAR"), ("severity", "VARCHAR"), ("message", "VARCHAR"), ("archive", "VARCHAR"),
            ("member", "VARCHAR"), ("row", "BIGINT"), ("blob", "VARCHAR"),
        ]  # fmt: skip
        typed = table.fetchall()
    with (tmp_path / "f.csv").open(newline="", encoding="utf-8") as file:
        listed = [tuple(row.values()) for row in csv.DictReader(file)]
    assert [
        tuple(str(value or 0) if index == 5 else value for index, value in enumerate(row)) for row in typed
    ] == listed


def test_a_load_finds_them_on_the_way_and_remembers(
    dataset: Set, tmp_path: Path, emulator: Emulator, container: str
) -> None:
    env = {"AZURE_STORAGE_KEY": emulator.key}
    first = run("load", dataset.folder, container, "--images", "pixels", "--json", cwd=tmp_path, env=env)
    assert found(tmp_path / "laden-findings.csv") == expected(dataset)
    assert (first.code, first.summary["sent"], first.summary["complete"]) == (3, GOOD + len(dataset.names), True)
    again = run("load", dataset.folder, container, "--json", cwd=tmp_path, env=env)
    assert again.summary["sent"] == 0
    assert found(tmp_path / "laden-findings.csv") == expected(dataset), "nothing was read, and all is known"


@pytest.mark.parametrize(("level", "sent"), [("none", 13), ("structure", 7), ("pixels", 5)])
def test_what_is_broken_can_be_left_out(dataset: Set, tmp_path: Path, level: str, sent: int) -> None:
    out = tmp_path / "out"
    ran = run("load", dataset.folder, out, "--images", level, "--damaged", "skip", "--json", cwd=tmp_path)
    assert ran.summary["sent"] == GOOD + sent, "doubtful ones are sent like any other"
    with duckdb.connect() as connection:
        states = dict(connection.execute(
            f"SELECT state, count(*) FROM '{out}/_laden/manifest.parquet' GROUP BY ALL").fetchall())  # fmt: skip
    constant = {"image-constant": 1} if level == "pixels" else {}
    fine = "unseen" if level == "none" else "whole"
    assert states == {fine: GOOD + sent - len(constant), **constant}


def test_five_hundred_of_every_kind_raise_nothing(tmp_path: Path) -> None:
    """Without a table: all bit depths, colour types, filters, interlaced or not; and a JPEG and DICOM beside them."""
    source = tmp_path / "source"
    source.mkdir()
    written: set[bytes] = set()
    for number in range(700):
        data, values = varied(number)
        if values > 1 and data not in written and len(written) < 500:
            (source / f"{number}.png").write_bytes(data)
            written.add(data)
    (source / "photograph.jpg").write_bytes(photograph())
    ran = run("check", source, "--profile", "files", "--images", "pixels", "--json", cwd=tmp_path)
    assert (ran.code, ran.summary["examined"], ran.summary["findings"]) == (0, 501, {})


def test_damaged_members_are_found_while_looking(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "set", broken=1, corrupt=1)
    told = check(tmp_path / "set", images="structure")
    assert told.findings == {"member-crc": 1, "png-truncated": 1}
    assert (told.damaged, told.examined, told.exit_code) == (2, len(made.rows) - 1, 3)
    assert check(tmp_path / "set").findings == {}


def test_a_report_of_a_check_counts_what_was_looked_into(dataset: Set, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    check(dataset.folder, images="pixels", report_file=page)
    text = re.sub(r"<[^>]*>", " ", page.read_text("utf-8"))
    assert re.search(r"there\s+505\s+damaged\s+8", text), "doubtful ones are there"
    assert re.search(r"png-pixels-short\s+needs a person\s+There are fewer or more pixels", text)
    assert re.search(r"image-constant\s+worth knowing\s+All its pixels are equal", text)


def test_a_check_can_be_stopped(dataset: Set) -> None:
    asked = itertools.count()
    told = check(dataset.folder, images="pixels", stopping=lambda: next(asked) >= 20)
    assert (told.exit_code, told.message) == (130, "stopped as you asked: not every image was looked at")
    assert told.examined + told.damaged <= 20 < told.images


def test_a_wrong_level_is_told(tmp_path: Path) -> None:
    wrong: Any = "everything"
    with pytest.raises(LadenError, match="give one of none, structure, pixels"):
        check(tmp_path, images=wrong)
