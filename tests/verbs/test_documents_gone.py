"""A table or copied file of a load that is gone, or another one now: every verb that goes by the load says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import laden
from laden.stages.loadpage import LOAD
from laden.values.errors import NotAsLanded
from laden.values.events import Summary
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.places import pack, profile, run, two_archives

LAID = {"t.csv", "note.txt"}


@pytest.fixture
def profiled(tmp_path: Path) -> str:
    return profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["note.txt"]')


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return two_archives(tmp_path / "source", "hello world")


@pytest.fixture
def there(source: Path, tmp_path: Path, profiled: str) -> Path:
    begin(source, tmp_path / "there", profiled)
    return tmp_path / "there"


VERBS: dict[str, Callable[[Path, Path, str], Summary]] = {
    "get": lambda there, folder, profiled: laden.get(there, folder / "got", profile=profiled),
    "get --dry-run": lambda there, folder, profiled: laden.get(there, folder / "got", profile=profiled, dry_run=True),
    "copy": lambda there, folder, profiled: laden.copy(there, folder / "copy", profile=profiled),
    "copy --dry-run": lambda there, folder, profiled: laden.copy(there, folder / "c", profile=profiled, dry_run=True),
    "list": lambda there, _, profiled: laden.list(there, profile=profiled),
    "verify": lambda there, *_: laden.verify(there),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", sorted(LAID))
def test_one_that_is_gone_is_told(there: Path, tmp_path: Path, profiled: str, verb: str, name: str) -> None:
    (there / name).unlink()
    ended = VERBS[verb](there, tmp_path, profiled)
    assert (ended.exit_code, ended.findings) == (3, {"blob-deleted": 1})
    if verb == "get":
        got = tmp_path / "got"
        assert {one for one in LAID if (got / one).exists()} == LAID - {name}
        assert not (got / LOAD).exists(), "what proves the whole does not lie beside a part"


@pytest.mark.parametrize("verb", VERBS)
def test_a_copied_file_that_is_another_one_is_told(there: Path, tmp_path: Path, profiled: str, verb: str) -> None:
    (there / "note.txt").write_text("HELLO WORLD, and more")
    ended = VERBS[verb](there, tmp_path, profiled)
    assert (ended.exit_code, ended.findings) == (3, {"blob-changed": 1})
    assert not list(tmp_path.glob("[cg]o*/note.txt"))


GOING_BY_ROWS: dict[str, Callable[[Path, Path, str], object]] = {
    "get": lambda there, folder, profiled: laden.get(there, folder / "got", profile=profiled, where="ImageDir = 0"),
    "get --layout": lambda there, folder, profiled: laden.get(
        there, folder / "got", profile=profiled, layout="{ImageID}"
    ),
    "copy": lambda there, folder, profiled: laden.copy(there, folder / "copy", profile=profiled, first=1),
    "list": lambda there, _, profiled: laden.list(there, profile=profiled, where="ImageDir = 0"),
    "set": lambda there, _, profiled: laden.set_properties(there, profile=profiled, metadata=["a={Label}"]),
    "prune": lambda there, folder, profiled: laden.plan_prune(
        there, folder / "source", profile=profiled, plan_file=folder / "plan.jsonl"
    ),
    "open": lambda there, _, profiled: laden.open(there, profile=profiled),
    "labels": lambda there, folder, profiled: laden.export_labels(there, folder / "l.jsonl", profile=profiled),
    "columns": lambda there, *_: laden.columns(there),
}
LOST: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "gone": (Path.unlink, "blob-deleted", r"t\.csv.*is gone"),
    "another": (
        lambda table: table.write_text(EDITED),
        "blob-changed",
        r"t\.csv.*(is not as the last load|its length is)",
    ),
}
EDITED = "ImageDir,ImageID,Label\n0,a.bin,q\n"


@pytest.mark.parametrize("how", LOST)
def test_a_table_that_is_not_the_loads_ends_with_3_whatever_is_done(
    there: Path, tmp_path: Path, profiled: str, how: str
) -> None:
    """What needs no row of it goes on and tells it; what does refuses, with one sentence."""
    spoil, code, words = LOST[how]
    spoil(there / "t.csv")
    for verb, run_verb in VERBS.items():
        ended = run_verb(there, tmp_path / verb, profiled)
        assert (ended.exit_code, ended.findings) == (3, {code: 1}), verb
    assert laden.status(there).exit_code == 3
    assert len(list((tmp_path / "get/got").rglob("*.bin"))) == 3
    for verb, goes_by_rows in GOING_BY_ROWS.items():
        with pytest.raises(NotAsLanded, match=words) as refused:
            goes_by_rows(there, tmp_path, profiled)
        assert refused.value.exit_code == 3, verb


@pytest.mark.parametrize("name", sorted(LAID))
def test_a_copy_does_not_launder_the_loss(there: Path, tmp_path: Path, source: Path, profiled: str, name: str) -> None:
    (there / name).unlink()
    copy = tmp_path / "copy"
    assert laden.copy(there, copy, profile=profiled).exit_code == 3
    assert not (copy / name).exists()
    assert laden.verify(copy).findings == {"blob-deleted": 1}
    assert laden.status(copy).exit_code == 3
    # Again, and a copy of the copy: still told; and once it is there again, all is well.
    assert laden.copy(there, copy, profile=profiled).exit_code == 3
    assert laden.copy(copy, tmp_path / "further", profile=profiled).exit_code == 3
    assert laden.verify(tmp_path / "further").findings == {"blob-deleted": 1}
    assert run(source, there, profiled).exit_code == 0
    assert laden.copy(there, copy, profile=profiled).exit_code == 0
    assert [verb(copy).exit_code for verb in (laden.verify, laden.status)] == [0, 0]


def test_what_a_copy_has_whole_from_before_stays_so(there: Path, tmp_path: Path, profiled: str) -> None:
    copy = tmp_path / "copy"
    assert laden.copy(there, copy, profile=profiled).exit_code == 0
    (there / "t.csv").unlink()
    assert laden.copy(there, copy, profile=profiled).exit_code == 3
    assert (copy / "t.csv").is_file()
    assert laden.verify(copy).exit_code == 0


def test_both_tables_of_two_datasets_in_one_place_come(tmp_path: Path) -> None:
    """The second load's page knows nothing of the first one's columns."""
    first, there, got = (tmp_path / name for name in ("first", "there", "got"))
    pack(first / "A.zip", {"x.bin": "A/x", "y.bin": "A/y"})
    (first / "scans.csv").write_text("Ward,Scan\nA,x.bin\nA,y.bin\n")
    profiled = tmp_path / "first.toml"
    profiled.write_text(
        'name = "f"\ntitle = "f"\nlayout = "{Ward}/{Scan}"\narchive = "{Ward}.zip"\n[table]\nname = "scans.csv"\n'
        'subset = "scans_part.csv"\nkey = "Scan"\nsuffixes = [".bin"]\n[table.columns]\nWard = "text"\nScan = "text"\n'
    )
    assert run(first, there, str(profiled)).exit_code == 0
    other = make_dataset(tmp_path / "other", {"7": 2})
    assert laden.load(other.folder, there).findings["dataset-other"] == 1
    assert (laden.get(there, got).exit_code, laden.verify(got).exit_code) == (0, 0)
    for name in ("scans.csv", other.table.name):
        assert (got / name).read_bytes() == (there / name).read_bytes()


@pytest.mark.parametrize("how", ["edited", "foreign"])
def test_a_dry_run_tells_of_a_table_in_the_way_as_the_load_does(
    source: Path, tmp_path: Path, profiled: str, how: str
) -> None:
    there = tmp_path / "there"
    if how == "edited":
        run(source, there, profiled)
        assert run(source, there, profiled, dry_run=True).exit_code == 0
    there.mkdir(exist_ok=True)
    (there / "t.csv").write_text("ImageDir,ImageID,Label\n0,a.bin,q\n")
    planned = run(source, there, profiled, dry_run=True)
    assert (planned.exit_code, planned.findings) == (3, {"table-conflict": 1})
    assert run(source, there, profiled, dry_run=True, overwrite="changed").exit_code == 0
    assert run(source, there, profiled).findings["table-conflict"] == 1
