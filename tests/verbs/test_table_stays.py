"""A table that says which images are there is not taken away by a load whose images are others."""

from pathlib import Path
from typing import Any

import pytest

from laden.values.events import Event, Shown
from laden.verbs.status import status
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.places import pack, profile, run

COLUMNS = "ImageDir,ImageID,Label,q\n"
ROWS = [("0", "a.bin", "x", "1"), ("0", "b.bin", "y", "1"), ("1", "a.bin", "z", "0"), ("1", "b.bin", "w", "0")]
EXCHANGED = {"layout": "png/{q}/{ImageID}"}


def written(source: Path, rows: list[tuple[str, ...]]) -> None:
    (source / "t.csv").write_text(COLUMNS + "".join(",".join(row) + "\n" for row in rows))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for number in "01":
        pack(source / f"{number}.zip", {name: f"{number}/{name}" for name in ("a.bin", "b.bin")})
    written(source, ROWS)
    return source


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def profiled(tmp_path: Path) -> str:
    return profile(tmp_path, archive="{ImageDir}.zip") + ""


def tables(there: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in there.glob("*.csv")}


def state(there: Path) -> str:
    events: list[Event] = []
    status(str(there), observer=events.append)
    return next(event.state for event in events if isinstance(event, Shown))


def test_a_load_that_sends_nothing_takes_no_table_away(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    before = tables(there)
    told = run(source, there, profiled, **EXCHANGED)
    assert (told.exit_code, told.sent, told.findings) == (3, 0, {"blob-conflict": 4, "table-kept": 1})
    assert tables(there) == before == {"t.csv": COLUMNS + "".join(",".join(row) + "\n" for row in ROWS)}
    assert verify(str(there)).exit_code == 0
    assert "no row" in state(there)
    assert run(source, there, profiled).exit_code == 0
    assert (state(there), tables(there)) == ("complete", before)


@pytest.mark.parametrize(
    "part", [{"archives": "0"}, {"archives": "0", "where": "ImageDir = 0"}], ids=["archive", "rows"]
)
def test_nor_one_of_some_rows(source: Path, there: Path, profiled: str, part: dict[str, Any]) -> None:
    begin(source, there, profiled, **part)
    before = tables(there)
    assert list(before) == ["t_small.csv"]
    pack(source / "0.zip", {"a.bin": "0/a, the next", "b.bin": "0/b.bin"})
    written(source, [("0", "a.bin", "next", "1"), *ROWS[1:]])
    told = run(source, there, profiled, **part)
    assert (told.exit_code, told.findings) == (3, {"blob-conflict": 1, "table-kept": 1})
    assert tables(there) == before
    assert run(source, there, profiled, overwrite="changed", **part).exit_code == 0
    assert ",next," in tables(there)["t_small.csv"]


def test_where_some_images_conflict_both_tables_are_there_and_the_reason_is_told(
    source: Path, there: Path, profiled: str
) -> None:
    begin(source, there, profiled)
    before = tables(there)["t.csv"]
    pack(source / "0.zip", {"a.bin": "0/a, the next", "b.bin": "0/b.bin"})
    written(source, [("0", "a.bin", "next", "1"), *ROWS[1:]])
    for _ in range(2):
        told = run(source, there, profiled)
        assert (told.exit_code, told.findings) == (3, {"blob-conflict": 1, "table-kept": 1})
        assert tables(there)["t.csv"] == before
        assert tables(there)["t_small.csv"].splitlines() == [COLUMNS.strip(), *(",".join(row) for row in ROWS[1:])]
        assert verify(str(there)).exit_code == 0
    assert run(source, there, profiled, overwrite="changed").exit_code == 0
    assert list(tables(there)) == ["t.csv"]


def test_a_table_goes_on_shrinking_with_images_that_are_gone(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    (source / "1.zip").unlink()
    for name in ("a.bin", "b.bin"):
        (there / "png/1" / name).unlink()
    run(source, there, profiled)
    assert list(tables(there)) == ["t_small.csv"]
    for path in there.rglob("png/*/*.bin"):
        path.unlink()
    archive = source / "0.zip"
    archive.write_bytes(archive.read_bytes().replace(b"0/", b"1/"))
    before = tables(there)
    told = run(source, there, profiled)
    assert (told.sent, told.damaged, told.findings["table-kept"]) == (0, 2, 1)
    assert tables(there) == before, "an empty one replaces none"
