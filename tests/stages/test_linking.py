"""Which image a row means, and that what is in doubt means none."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from laden.dataset.profile import Template, known_profile, open_profile
from laden.dataset.selection import Part
from laden.dataset.table import Table
from laden.relations import Relations
from laden.stages.linking import layout_of, link, name_rows
from tests.support.places import profile, table

A0, A1 = ("png/0/a.bin", "a.bin"), ("png/1/a.bin", "a.bin")
Row = tuple[str, str, str]


def _linked(
    tmp_path: Path, rows: Iterable[Row], blobs: Iterable[tuple[str, str]], layout: str, *, many: bool = False
) -> dict[str, str]:
    """Labels of rows with what each means."""
    given = list(rows)
    shape = open_profile(profile(tmp_path)).table
    with Relations() as relations:
        opened = Table.open(table(tmp_path, given)).hold(relations.folder)
        named, _ = name_rows(relations, Part(opened, shape, 5), Template(layout))
        relations.run("CREATE TABLE there (blob VARCHAR, key VARCHAR)")
        relations.feed("there", blobs)
        link(relations, named, "there", many=many, shapes=[shape])

        return {given[row - 6][2]: blob for row, blob in relations.stream("SELECT row, blob FROM linked")}


@pytest.mark.parametrize(
    ("rows", "blobs", "expected"),
    [
        # By the layout, whatever else has the key.
        ([("0", "a.bin", "x"), ("1", "a.bin", "z")], [A0, A1], {"x": A0[0], "z": A1[0]}),
        # What another row makes is not that of a row whose own is not there.
        ([("0", "a.bin", "x"), ("1", "a.bin", "z")], [A0], {"x": A0[0]}),
        # By the key, where one image alone has it.
        ([("0.0", "a.bin", "x"), ("0.0", "b.bin", "y")], [A0, A1, ("png/0/b.bin", "b.bin")], {"y": "png/0/b.bin"}),
        # Two rows that tell two images, of which one may be meant by either.
        ([("0.0", "a.bin", "x"), ("1.0", "a.bin", "z")], [A0], {}),
        # Two rows of one image.
        ([("0.0", "a.bin", "x"), ("0.0", "a.bin", "z")], [A0], {"x": A0[0], "z": A0[0]}),
        # What lies under the name that the layout makes was landed as another key's: then by the key.
        ([("0", "a.bin", "x")], [("png/0/a.bin", "c.bin"), ("other/a.bin", "a.bin")], {"x": "other/a.bin"}),
        ([("0", "a.bin", "x"), ("0", "c.bin", "z")], [("png/0/a.bin", "c.bin")], {"z": "png/0/a.bin"}),
        # The same key, though a table spells it otherwise.
        ([("0", "a.bin", "x")], [("png/0/a.bin", "in/A.dcm")], {"x": "png/0/a.bin"}),
        ([("0", "e\u0301.bin", "x")], [("png/0/e\u0301.bin", "\u00e9.bin")], {"x": "png/0/e\u0301.bin"}),
        # An image that no row named when it was loaded.
        ([("", "", "x")], [("png/0/a.bin", "")], {}),
    ],
)
def test_a_row_means_what_the_layout_makes_of_it(
    tmp_path: Path, rows: list[Row], blobs: list[tuple[str, str]], expected: dict[str, str]
) -> None:
    assert _linked(tmp_path, rows, blobs, "png/{ImageDir}/{ImageID}") == expected


def test_where_no_layout_tells_rows_of_one_key_are_one_image_only_where_a_profile_says_so(tmp_path: Path) -> None:
    rows = [("0", "a.bin", "x"), ("1", "a.bin", "z"), ("1", "b.bin", "y")]
    blobs = [A0, ("png/1/b.bin", "b.bin")]
    assert _linked(tmp_path, rows, blobs, "{path}") == {"y": "png/1/b.bin"}
    assert _linked(tmp_path, rows, blobs, "{path}", many=True) == {"x": A0[0], "z": A0[0], "y": "png/1/b.bin"}


def test_a_table_with_a_layout_of_its_own_is_named_by_that(tmp_path: Path) -> None:
    known = open_profile(profile(tmp_path))
    assert known.table is not None
    own = replace(known.table, layout=Template("own/{ImageID}"))
    assert str(layout_of("png/{ImageDir}/{ImageID}", known, own)) == "own/{ImageID}"
    assert str(layout_of("{ImageID}", known, own)) == "{ImageID}", "a person gave another for all"
    assert str(layout_of("{ImageID}", None, None)) == "{ImageID}"
    assert str(layout_of("{path}", known_profile("padchest"), None)) == "{path}"
