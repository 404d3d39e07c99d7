"""A column that stands twice in a table's header: told, and where nobody can tell which is meant, refused."""

from pathlib import Path

import pytest

from laden.values.errors import SourceError
from laden.values.events import Event, Found
from laden.verbs.select import select
from tests.support.places import check, images, pack, profile, run

DIFFER = [
    # The key, a column of the place and layout, and the key three times.
    ("ImageID,ImageDir,Label,ImageID", ["a.bin,0,x,b.bin", "b.bin,0,y,a.bin"], "'ImageID' (column 1 and 4)", 1),
    ("ImageDir,ImageID,Label,ImageDir", ["0,a.bin,x,0", "0,b.bin,y,1"], "'ImageDir' (column 1 and 4)", 2),
    ("ImageID,ImageID,ImageDir,ImageID", ["a.bin,a.bin,0,a.bin", "b.bin,b.bin,0,"], "(column 1 and 2 and 4)", 2),
]


def _source(folder: Path, header: str, rows: list[str]) -> Path:
    pack(folder / "0.zip", {"a.bin": "a", "b.bin": "b"})
    (folder / "t.csv").write_text("\n".join([header, *rows, ""]))
    return folder


@pytest.mark.parametrize(("header", "rows", "which", "row"), DIFFER)
def test_what_says_which_image_is_meant_is_refused_where_it_differs(
    header: str, rows: list[str], which: str, row: int, tmp_path: Path
) -> None:
    source = _source(tmp_path / "source", header, rows)
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    for act in (lambda: run(source, tmp_path / "there", profiled), lambda: check(source, profile=profiled)):
        with pytest.raises(SourceError, match="which differ, first in row") as refused:
            act()
        assert which in str(refused.value)
        assert f"first in row {row}: " in str(refused.value)
        assert "nobody can tell which one is meant: rename or remove one" in str(refused.value)
    assert not (tmp_path / "there").exists()


def test_select_refuses_two_keys_too(tmp_path: Path) -> None:
    header, rows, _, _ = DIFFER[0]
    source = _source(tmp_path / "source", header, rows)
    with pytest.raises(SourceError, match="2 columns called 'ImageID'"):
        select(source / "t.csv", profile=profile(tmp_path), first=1)


@pytest.mark.parametrize(
    ("header", "rows", "severity", "words"),
    [
        ("ImageID,ImageDir,Label,ImageID", ["a.bin,0,x,a.bin", 'b.bin,0,y," b.bin"'], "info", "which are the same"),
        (
            "ImageID,Label,ImageDir,Label",
            ["a.bin,x,0,x", "b.bin,y,0,z"],
            "warning",
            "2 columns called 'Label' (column 2 and 4), which differ, first in row 2: 'y' and 'z'; the first one is",
        ),
    ],
)
def test_others_are_told(header: str, rows: list[str], severity: str, words: str, tmp_path: Path) -> None:
    source = _source(tmp_path / "source", header, rows)
    told: list[Event] = []
    summary = run(source, tmp_path / "there", profile(tmp_path, archive="{ImageDir}.zip"), observer=told.append)
    assert (summary.exit_code, summary.findings) == (0, {"column-doubled": 1})
    (found,) = (one.finding for one in told if isinstance(one, Found) and one.finding.code == "column-doubled")
    assert found.severity == severity
    assert words in found.message
    assert images(tmp_path / "there") == {"png/0/a.bin": "a", "png/0/b.bin": "b"}


def test_columns_that_mean_nothing_to_laden_are_not_told(tmp_path: Path) -> None:
    source = _source(
        tmp_path / "source", ",ImageID,ImageDir,Label,,Note,Note", ["1,a.bin,0,x,2,n,m", "3,b.bin,0,y,4,,"]
    )
    assert run(source, tmp_path / "there", profile(tmp_path, archive="{ImageDir}.zip")).findings == {}


@pytest.mark.parametrize(
    ("where", "row"), [("lab_1 = 'C'", "a.bin"), ("lab_2 = 'B'", "a.bin"), ("lab_1 = 'F'", "b.bin")]
)
def test_a_name_that_stands_once_keeps_its_meaning(where: str, row: str, tmp_path: Path) -> None:
    """`lab_1` meant the second `lab`, and the column of that name was called otherwise."""
    header, rows = "ImageID,ImageDir,Label,lab,lab,lab_1", ["a.bin,0,x,A,B,C", "b.bin,0,y,D,E,F"]
    source = _source(tmp_path / "source", header, rows)
    run(source, tmp_path / "there", profile(tmp_path, archive="{ImageDir}.zip"), where=where)
    assert images(tmp_path / "there") == {f"png/0/{row}": row[0]}
