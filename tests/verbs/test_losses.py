"""What an earlier load landed and somebody removed or changed since is told by each load, and forgotten by none."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from laden.values.events import Event, Found, Started
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.places import NOW_NS, ROWS, pack, profile, put, run, table, two_archives

PARTS: list[dict[str, Any]] = [
    {"where": "ImageDir = 1", "table_name": "one.csv"},
    {"archives": "1"},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return two_archives(tmp_path / "source")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def profiled(tmp_path: Path) -> str:
    return profile(tmp_path, archive="{ImageDir}.zip")


def documents(there: Path) -> set[str]:
    page = json.loads((there / "_laden/load.json").read_bytes())
    return {one["name"] for one in [page["table"], *page["documents"]] if one}


def codes(place: Path) -> dict[str, int]:
    return dict(verify(str(place)).findings)


@pytest.mark.parametrize("part", PARTS, ids=["selection", "archives"])
@pytest.mark.parametrize("before", [{}, {"where": "ImageDir = 0", "table_name": "zero.csv"}], ids=["all", "selected"])
def test_a_load_of_another_part_forgets_no_loss(
    source: Path, there: Path, profiled: str, part: dict[str, Any], before: dict[str, Any]
) -> None:
    begin(source, there, profiled, **before)
    (there / "png/0/a.bin").unlink()
    put(there / "png/0/b.bin", "garbage")
    for _ in range(2):
        summary = run(source, there, profiled, **part)
        assert (summary.exit_code, summary.findings["blob-lost"]) == (3, 2)
        ended = verify(str(there), deep="all")
        assert (ended.exit_code, ended.deleted, ended.changed) == (3, 1, 1)
    assert run(source, there, profiled, overwrite="changed").exit_code == 0
    assert codes(there) == {}


@pytest.mark.parametrize(
    ("part", "how"),
    [(PARTS[0], "dry run"), (PARTS[1], "declined"), ({}, "dry run"), ({"overwrite": "changed"}, "dry run")],
    ids=["selection", "archives", "all", "changed"],
)
def test_what_is_lost_is_told_before_anything_is_sent(
    source: Path, there: Path, profiled: str, part: dict[str, Any], how: str
) -> None:
    """As the load itself tells it, whose word is the measure; what it would bring back is not lost."""
    begin(source, there, profiled)
    run(source, there, profiled, where="ImageDir = 1", table_name="kept.csv")
    for name in ("png/0/a.bin", "kept.csv", "t.csv"):
        (there / name).unlink(missing_ok=True)
    put(there / "png/0/b.bin", "garbage")
    held: dict[str, Any] = {"dry_run": True} if how == "dry run" else {"confirm": lambda _: False}
    before = sorted(path for path in there.rglob("*"))
    told = [run(source, there, profiled, **part, **held).findings.get("blob-lost") for _ in range(2)]
    assert sorted(path for path in there.rglob("*")) == before
    assert told == [run(source, there, profiled, **part).findings.get("blob-lost")] * 2
    assert told[0] in (1, 2, 3, 4)


def test_a_table_of_another_selection_is_not_called_proved(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled, where="ImageDir = 0", table_name="zero.csv")
    (there / "zero.csv").unlink()
    for _ in range(2):
        summary = run(source, there, profiled, **PARTS[0])
        assert (summary.exit_code, summary.findings) == (3, {"blob-lost": 1})
        assert codes(there) == {"blob-deleted": 1}
    assert run(source, there, profiled, where="ImageDir = 0", table_name="zero.csv").exit_code == 0
    assert codes(there) == {}


def test_two_that_were_exchanged_stay_wrong_whatever_is_run_again(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    a, b = there / "png/0/a.bin", there / "png/0/b.bin"
    a.rename(there / "kept")
    b.rename(a)
    (there / "kept").rename(b)
    for _ in range(2):
        summary = run(source, there, profiled)
        assert (summary.exit_code, summary.findings) == (3, {"blob-conflict": 2, "blob-unchecked": 1})
        assert codes(there) == {"blob-changed": 2}
    assert run(source, there, profiled, overwrite="changed").exit_code == 0
    assert codes(there) == {}


def test_an_image_that_only_the_source_has_otherwise_stays_proved(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    pack(source / "1.zip", {"a.bin": "1/a, the next version"})
    assert run(source, there, profiled).findings == {"blob-conflict": 1, "table-kept": 1}
    assert codes(there) == {}
    (there / "png/1/a.bin").unlink()
    assert codes(there) == {"blob-deleted": 1}
    assert run(source, there, profiled).exit_code == 0
    assert codes(there) == {}


def test_after_another_layout_the_former_images_are_still_watched(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    assert run(source, there, profiled, layout="{ImageDir}-{ImageID}").exit_code == 0
    assert codes(there) == {}
    (there / "png/1/a.bin").unlink()
    assert run(source, there, profiled, layout="{ImageDir}-{ImageID}").findings["blob-lost"] == 1
    assert codes(there) == {"blob-deleted": 1}


def test_what_is_dropped_on_purpose_is_dropped_with_the_manifest(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    table(source, ROWS[:2])
    (source / "1.zip").unlink()
    (there / "png/1/a.bin").unlink()
    assert run(source, there, profiled).findings == {"blob-lost": 1, "table-replaced": 1}
    (there / "_laden/manifest.parquet").unlink()
    (there / "_laden/load.json").unlink()
    assert run(source, there, profiled).findings == {}
    assert codes(there) == {}


@pytest.mark.parametrize("how", ["gone", "another"])
def test_a_manifest_that_somebody_changed_is_told_and_not_believed(
    source: Path, there: Path, profiled: str, how: str
) -> None:
    begin(source, there, profiled)
    manifest, lost = there / "_laden/manifest.parquet", there / "png/0/a.bin"
    lost.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE known AS FROM read_parquet('{manifest}')")
        connection.execute("UPDATE known SET blob = 'invented' WHERE blob = 'png/0/b.bin'")
        manifest.unlink()
        if how == "another":
            connection.execute(f"COPY (FROM known WHERE blob <> 'png/0/a.bin') TO '{manifest}' (FORMAT parquet)")
    summary = run(source, there, profiled, archives="1")
    assert (summary.exit_code, summary.findings) == (3, {"blob-lost": 1})
    assert run(source, there, profiled).findings == {}
    assert codes(there) == {}


def test_what_replaces_images_and_breaks_off_is_finished_by_a_load_of_another_part(
    source: Path, there: Path, profiled: str
) -> None:
    """The page says `changing`: what laden sent meanwhile is no loss."""
    begin(source, there, profiled)
    pack(source / "0.zip", {"a.bin": "0/a, the next", "b.bin": "0/b, the next"})

    def breaks_off(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "manifest":
            raise RuntimeError("the machine goes down")

    with pytest.raises(RuntimeError):
        run(source, there, profiled, overwrite="changed", observer=breaks_off)
    assert run(source, there, profiled, archives="1").findings == {}
    assert codes(there) == {}


# Documents


def test_what_the_source_has_no_more_stays_proved(source: Path, there: Path, tmp_path: Path) -> None:
    """A table under the name of an earlier version, and a copy."""
    text = Path(profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.pdf"]')).read_text()
    profiled = tmp_path / "t.toml"
    profiled.write_text(text.replace('name = "t.csv"', 'name = "t*.csv"'))
    put(source / "protocol.pdf", "of the first version")
    run(source, there, str(profiled))
    (source / "protocol.pdf").unlink()
    (source / "t.csv").rename(source / "t2.csv")
    assert run(source, there, str(profiled)).exit_code == 0
    assert documents(there) == {"t.csv", "t2.csv", "protocol.pdf"}
    assert codes(there) == {}
    put(there / "protocol.pdf", "tampered")
    (there / "t.csv").unlink()
    assert codes(there) == {"blob-changed": 1, "blob-deleted": 1}
    assert run(source, there, str(profiled)).findings == {"blob-lost": 2}
    assert codes(there) == {"blob-changed": 1, "blob-deleted": 1}


def test_a_table_that_somebody_else_changed_is_left_and_told_until_it_is_replaced(
    source: Path, there: Path, profiled: str
) -> None:
    begin(source, there, profiled)
    put(there / "t.csv", "tampered")
    for _ in range(2):
        assert run(source, there, profiled).findings == {"table-conflict": 1}
        assert codes(there) == {"blob-changed": 1}
    assert run(source, there, profiled, overwrite="changed").findings == {}
    assert codes(there) == {}


def test_a_table_and_a_copy_of_other_content_are_replaced_and_told(source: Path, there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.pdf"]')
    put(source / "protocol.pdf", "first")
    begin(source, there, profiled)
    put(source / "protocol.pdf", "second")
    table(source, [*ROWS[:2], ("1", "a.bin", "corrected")])
    summary = run(source, there, profiled)
    assert (summary.exit_code, summary.findings) == (0, {"table-replaced": 1, "sidecar-replaced": 1})
    assert (there / "protocol.pdf").read_text() == "second"
    assert run(source, there, profiled).findings == {}
    put(source / "protocol.pdf", "third")
    assert run(source, there, profiled, overwrite="changed").findings == {}


def test_a_table_that_grows_with_the_images_is_no_news(source: Path, there: Path, profiled: str) -> None:
    away = source.parent / "away.zip"
    (source / "1.zip").rename(away)
    assert "table-replaced" not in run(source, there, profiled).findings
    assert documents(there) == {"t_small.csv"}
    away.rename(source / "1.zip")
    assert run(source, there, profiled).findings == {}
    assert (documents(there), codes(there)) == ({"t.csv"}, {})
    table(source, [*ROWS[:2], ("1", "a.bin", "corrected"), ("2", "absent.bin", "x")])
    assert run(source, there, profiled).findings["table-replaced"] == 1
    assert documents(there) == {"t_small.csv"}


@pytest.mark.parametrize(
    ("second", "findings", "code"),
    [
        ("first", {"sidecar-duplicate": 1}, 0),
        ("other", {"sidecar-duplicate": 1}, 3),
        ("tsrif", {"sidecar-duplicate": 1}, 3),
    ],
    ids=["the same", "another length", "the same length"],
)
def test_of_two_copies_of_one_name_the_second_is_missed_only_if_it_is_another(
    source: Path, there: Path, tmp_path: Path, second: str, findings: dict[str, int], code: int
) -> None:
    put(source / "x/info.pdf", "first")
    put(source / "y/info.pdf", second)
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.pdf"]'))
    assert (summary.findings, summary.exit_code) == (findings, code)


# Datasets below


@pytest.mark.parametrize("own", ["BBBB", "another length"])
def test_images_of_a_dataset_below_are_not_replaced(there: Path, tmp_path: Path, own: str) -> None:
    put(tmp_path / "A/sub/x.txt", "AAAA", NOW_NS)
    put(tmp_path / "A/y.txt", "y")
    put(tmp_path / "B/x.txt", own)
    assert load(tmp_path / "B", str(there / "sub"), profile="files").exit_code == 0
    found: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, Found) and event.finding.code == "blob-conflict":
            found.append(event.finding.message)

    summary = load(tmp_path / "A", str(there), profile="files", overwrite="changed", observer=note)
    assert (summary.exit_code, summary.findings["blob-conflict"]) == (3, 1)
    assert "belongs to the dataset in 'sub/'" in found[0]
    assert (there / "sub/x.txt").read_text() == own
    assert (codes(there), codes(there / "sub")) == ({}, {})


def test_what_an_earlier_version_of_laden_left_is_watched_too(source: Path, there: Path, profiled: str) -> None:
    """Its page knows no originals, and its manifest not how images are known."""
    begin(source, there, profiled)
    manifest, noted = there / "_laden/manifest.parquet", there / "_laden/load.json"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE known AS SELECT * EXCLUDE (known) FROM read_parquet('{manifest}')")
        connection.execute(f"COPY known TO '{manifest}' (FORMAT parquet)")
    page = json.loads(noted.read_bytes())
    del page["table"]["original"]
    page["manifest"] |= {"size_bytes": manifest.stat().st_size, "md5": hashlib.md5(manifest.read_bytes()).hexdigest()}
    noted.write_text(json.dumps(page))
    shutil.rmtree(there / "_laden/history")
    assert codes(there) == {}
    (there / "png/0/a.bin").unlink()
    table(source, [*ROWS[:2], ("1", "a.bin", "corrected")])
    assert run(source, there, profiled, archives="1").findings == {"blob-lost": 1, "table-replaced": 1}
    assert codes(there) == {"blob-deleted": 1}
