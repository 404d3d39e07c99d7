"""Quotes that somebody left in a table: no record swallows others without a word."""

from pathlib import Path

import pytest

from tests.support.places import check, images, pack, profile, run

ALL = {"png/0/a.bin": "a", "png/0/b.bin": "b", "png/0/c.bin": "c"}


@pytest.mark.parametrize(
    ("cells", "odd", "there"),
    [
        # Two quotes too many: the record between them is in the first one's field.
        (['"5 mm nodule', '"6 mm nodule', "normal"], 1, {"png/0/c.bin": "c"}),
        (['"5 mm" nodule', "x", "normal"], 0, ALL),
        (['5" nodule', '6" nodule', "normal"], 0, ALL),
        (['"two\nlines, ""quoted"""', "x", "y"], 0, ALL),
        (
            ['"two\r\nlines"', '"and\nthree\nmore"', "y"],
            0,
            ALL,
        ),
    ],
    ids=["swallowed", "closed too early", "inches", "lines", "more lines"],
)
def test_a_quote_too_many(tmp_path: Path, cells: list[str], odd: int, there: dict[str, str]) -> None:
    source, profiled = tmp_path / "source", profile(tmp_path, archive="{ImageDir}.zip")
    pack(source / "0.zip", {f"{name}.bin": name for name in "abc"})
    rows = "".join(f"0,{name}.bin,{cell}\n" for name, cell in zip("abc", cells, strict=True))
    (source / "t.csv").write_bytes(f"ImageDir,ImageID,Label\n{rows}".encode())
    summary = run(source, tmp_path / "there", profiled)
    assert images(tmp_path / "there") == there
    assert summary.findings.get("row-fields", 0) == odd
    assert summary.exit_code == (3 if odd else 0)
    assert check(source, profile=profiled).findings.get("row-fields", 0) == odd
