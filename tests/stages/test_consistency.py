"""What images say against the table and each other, asked of the relations alone; and the real table's sizes."""

from pathlib import Path
from typing import Any

from laden.dataset.profile import open_profile
from laden.dataset.table import Table
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.consistency import contradictions
from laden.stages.survey.rows import feed_tables
from laden.stages.survey.tables import SourceTable
from laden.values.events import ignore
from laden.values.records import Finding

pytest_plugins = ("tests.support.padchest",)


def image(blob: str, md5: str, width: int = 4, height: int = 3, bits: int = 16, size_bytes: int = 9) -> tuple[Any, ...]:
    """A row of `receipts`."""
    return blob, "0.zip", f"{blob}.png", "read", size_bytes, md5, 1, "png", width, height, bits, "whole", ""


def told(
    images: list[tuple[Any, ...]], sizes: dict[str, tuple[int, int]] | None = None, unwanted: str = ""
) -> list[Finding]:
    """What is found of images, of which rows 11 and on say those sizes; the first table has ten rows."""
    with Relations() as relations:
        relations.feed("receipts", images)
        relations.feed("table_starts", [("first.csv", 0), ("second.csv", 10)])
        names = list(sizes or {})
        relations.feed("rows", [(11 + n, name, name, None, name, True, True, "") for n, name in enumerate(names)])
        relations.feed("sizes", [(11 + n, *size) for n, size in enumerate((sizes or {}).values())])
        relations.run("CREATE TABLE wanted AS SELECT blob FROM receipts WHERE blob <> ?", [unwanted])
        return list(contradictions(relations, "receipts", 16))


def test_each_extra_copy_is_a_twin_of_the_first() -> None:
    found = told([image("b", "1"), image("a", "1"), image("c", "1"), image("d", "2")])
    assert [(one.code, one.blob, "same as those of a," in one.message) for one in found] == [
        ("image-twin", "b", True), ("image-twin", "c", True),
    ]  # fmt: skip


def test_twins_of_earlier_loads_are_told_once_one_of_them_is_wanted() -> None:
    assert [one.blob for one in told([image("a", "1"), image("b", "1")], unwanted="a")] == ["b"]
    assert [one.blob for one in told([image("a", "1"), image("b", "1")], unwanted="b")] == ["b"]


def test_empty_files_and_those_of_unknown_content_are_no_twins() -> None:
    unknown: Any = None
    empty = [image(blob, "1", size_bytes=0) for blob in "ab"]
    assert told([*empty, image("c", unknown), image("d", unknown)]) == []


def test_sizes_are_compared_and_rows_counted_as_in_their_table() -> None:
    found = told(
        [image("same", "1"), image("other", "2"), image("turned", "3"), image("headless", "4", 0, 0, 0)],
        {"same": (4, 3), "other": (4, 4), "turned": (3, 4), "headless": (4, 3)},
    )
    assert [(one.code, one.severity.value, one.blob, one.row) for one in found] == [
        ("image-size", "error", "other", 2), ("image-turned", "warning", "turned", 3),
    ]  # fmt: skip
    assert found[0].message.startswith("the image is 4 x 3 pixels, and row 2 says 4 x 4")


def test_fewer_bits_than_the_dataset_has_are_told() -> None:
    found = told([image("a", "1", bits=8), image("b", "2"), image("c", "3", bits=1), image("none", "4", bits=0)])
    assert [(one.code, one.blob) for one in found] == [("image-bits", "a"), ("image-bits", "c")]


def test_every_row_of_the_real_table_says_how_large_its_image_is(padchest_table: Path) -> None:
    profile = open_profile("padchest")
    with Relations() as relations, FindingLog(None, ignore) as log:
        table = Table.open(padchest_table).hold(relations.folder)
        feed_tables(relations, log, profile, [SourceTable(table, padchest_table.name)], None)
        assert relations.one("SELECT count(*), min(height), max(height), min(width), max(width) FROM sizes") == (
            160_861, 636, 4280, 612, 4280,
        )  # fmt: skip
