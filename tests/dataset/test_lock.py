"""Lock files as files: what is written is read again, and what could not have been written is refused."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.lock import Holding, begin, is_lock, open_lock, record_archive, record_files, write_lock
from laden.dataset.lock.file import COLUMNS, FORMAT, MARK, same_names
from laden.dataset.source import entries, find
from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.records import Entry, Finding
from tests.support.dataset import Dataset, make_dataset


def locked(folder: Path, to: Path) -> Path:
    """The lock file of a folder."""
    with Relations() as relations:
        begin(relations)
        found = find([folder])
        for archive in found.archives:
            list(record_archive(relations, found.root, archive))
        list(record_files(relations, found.root, found.files))
        return Path(shutil.copyfile(write_lock(relations), to))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 4, "1": 3}, stray=1, junk=True)


@pytest.fixture(scope="module")
def lock_file(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return locked(dataset.folder, tmp_path_factory.mktemp("lock") / "d.lock")


def refusal(path: Path) -> str:
    with Relations() as relations, pytest.raises(UsageError) as caught:
        _list_all(path, relations)
    return str(caught.value)


def _list_all(path: Path, relations: Relations) -> None:
    lock = open_lock(path, relations)
    for name in lock.archives:
        list(lock.listed(name, name))


def edited(path: Path, to: Path, sql: str, *, mark: str = f"{MARK}: '{FORMAT}'", sealed: bool = False) -> Path:
    """The same file after somebody changed its rows; `sealed` by a program that knows how seals are made."""
    with Relations() as relations:
        own = shutil.copyfile(path, relations.folder / "before.parquet")
        begin(relations)
        relations.run(f"INSERT INTO locking SELECT {', '.join(COLUMNS)} FROM read_parquet('{own}')")
        relations.run(sql)
        if sealed:
            return Path(shutil.copyfile(write_lock(relations), to))
        (seal,) = relations.one(f"SELECT value::VARCHAR FROM parquet_kv_metadata('{own}') WHERE key = '{MARK}_seal'")
        out = relations.folder / "after.parquet"
        footer = f"{mark}, {MARK}_seal: '{seal}'"
        relations.run(f"COPY locking TO '{out}' (FORMAT parquet, KV_METADATA {{{footer}}})")
        return Path(shutil.copyfile(out, to))


def test_a_source_listed_from_its_lock_is_what_reading_it_gives(dataset: Dataset, lock_file: Path) -> None:
    with Relations() as relations:
        lock = open_lock(lock_file, relations)
        for archive in ("0.zip", "1.zip"):
            assert list(lock.listed(archive, archive)) == list(entries(dataset.folder, archive))
        holding = Holding(lock, dataset.folder, ["0.zip", "1.zip"], believed=True)
        assert holding.agrees("0.zip")
        assert holding.agrees("1.zip")
        (table,) = lock.files()
        assert (table.name, table.size_bytes) == (dataset.table.name, dataset.table.stat().st_size)


def test_it_holds_no_image_and_no_label(dataset: Dataset, lock_file: Path) -> None:
    rows = duckdb.sql(f"FROM read_parquet('{lock_file}')").fetchall()
    texts = "\n".join(str(cell) for row in rows for cell in row)
    assert "pneumonia" not in texts
    assert "Projection" not in texts
    assert lock_file.stat().st_size < 8_000
    assert is_lock(lock_file)


def test_a_lock_in_a_source_is_no_data_of_it(dataset: Dataset, lock_file: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset.folder, tmp_path / "source")
    shutil.copy(lock_file, tmp_path / "source" / "d.lock")
    assert find([tmp_path / "source"]).files == [dataset.table.name]
    (tmp_path / "source" / "poetry.lock").write_text("somebody else's")
    assert "poetry.lock" in find([tmp_path / "source"]).files


def test_cut_off_or_something_else(lock_file: Path, tmp_path: Path) -> None:
    cut, other = tmp_path / "cut.lock", tmp_path / "other.lock"
    data = lock_file.read_bytes()
    for kept in (0, 3, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:kept])
        assert "no lock file, or is cut off" in refusal(cut)
    other.write_bytes(b"ImageID,Labels\n")
    assert "no lock file" in refusal(other)
    duckdb.sql(f"COPY (SELECT 1 AS position) TO '{other}' (FORMAT parquet)")
    assert "no lock file: give one" in refusal(other)
    assert "check the path" in refusal(tmp_path / "absent.lock")
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("told", ["2", "0", "x", ""])
def test_another_format_is_refused(lock_file: Path, tmp_path: Path, told: str) -> None:
    newer = edited(lock_file, tmp_path / "newer.lock", "SELECT 1", mark=f"{MARK}: '{told}'")
    assert f"format '{told}'" in refusal(newer)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE locking SET crc32 = crc32 + 1 WHERE position = 2",
        "UPDATE locking SET member = member || 'x' WHERE position = 3",
        "DELETE FROM locking WHERE position = 4",
        "INSERT INTO locking FROM locking WHERE position = 12",
        "UPDATE locking SET size_bytes = size_bytes - 1 WHERE kind = 'archive'",
        "UPDATE locking SET etag = '\"x\"' WHERE kind = 'archive'",
    ],
)
def test_edited_it_is_known(lock_file: Path, tmp_path: Path, sql: str) -> None:
    assert "do not add up to its seal" in refusal(edited(lock_file, tmp_path / "e.lock", sql))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE locking SET member = '../../up.png' WHERE position = 2",
        "UPDATE locking SET member = '/etc/passwd' WHERE position = 2",
        "UPDATE locking SET member = '' WHERE position = 2",
        "UPDATE locking SET archive = '../0.zip' WHERE archive = '0.zip'",
        "UPDATE locking SET offset_bytes = -1 WHERE position = 2",
        "UPDATE locking SET offset_bytes = NULL WHERE position = 2",
        "UPDATE locking SET offset_bytes = 1099511627776 WHERE position = 2",
        "UPDATE locking SET offset_bytes = (SELECT offset_bytes FROM locking WHERE position = 3) WHERE position = 2",
        "UPDATE locking SET size_bytes = 1125899906842624 WHERE position = 2",
        "UPDATE locking SET size_bytes = -5 WHERE position = 2",
        "UPDATE locking SET stored_bytes = 9223372036854775807 WHERE position = 2",
        "UPDATE locking SET method = 12 WHERE position = 2",
        "UPDATE locking SET method = NULL WHERE position = 2",
        "UPDATE locking SET crc32 = NULL WHERE position = 2",
        "UPDATE locking SET crc32 = 8589934592 WHERE position = 2",
        "UPDATE locking SET md5 = 'X' WHERE position = 2",
        "UPDATE locking SET kind = 'else' WHERE position = 2",
        "UPDATE locking SET kind = NULL WHERE position = 2",
        "UPDATE locking SET tail_bytes = 0 WHERE kind = 'archive'",
        "UPDATE locking SET tail_sha256 = NULL WHERE kind = 'archive'",
        "UPDATE locking SET severity = 'fatal' WHERE kind = 'finding'",
        "DELETE FROM locking WHERE kind = 'archive'",
        "UPDATE locking SET md5 = NULL WHERE kind = 'file'",
        "INSERT INTO locking FROM locking WHERE kind = 'archive'",
    ],
)
def test_what_no_archive_has_is_refused_however_well_sealed(lock_file: Path, tmp_path: Path, sql: str) -> None:
    assert "that no archive has" in refusal(edited(lock_file, tmp_path / "e.lock", sql, sealed=True))


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], exclude_characters='/\\:*?"<>|.'),
    min_size=1,
    max_size=12,
).map(lambda text: f"a{text}b.png")


@settings(max_examples=15, deadline=None)
@given(
    archives=st.dictionaries(
        st.sampled_from(["0.zip", "1.zip", "deep/er/2.zip", "ü é.zip"]),
        st.dictionaries(NAMES, st.tuples(st.binary(max_size=200), st.booleans()), max_size=6),
        min_size=1,
    ),
    files=st.dictionaries(st.sampled_from(["t.csv", "x/y.txt", "plain.png"]), st.binary(max_size=50)),
)
def test_whatever_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    archives: dict[str, dict[str, tuple[bytes, bool]]],
    files: dict[str, bytes],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name, members in archives.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / name, "w") as made:
            for member, (data, packed) in members.items():
                made.writestr(member, data, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    path = locked(folder, tmp_path_factory.mktemp("to") / "a.lock")
    with Relations() as relations:
        lock = open_lock(path, relations)
        assert set(lock.archives) == set(archives)
        for name in archives:
            read: list[Entry | Finding] = list(entries(folder, name))
            assert list(lock.listed(name, name)) == read
        assert {one.name: one.size_bytes for one in lock.files()} == {name: len(data) for name, data in files.items()}
        holding = Holding(lock, folder, list(archives), believed=True)
        assert all(map(holding.agrees, archives))
        held = Holding(lock, folder, list(archives), believed=False)
        assert not [one for name in archives for one in held.listed(name, None) if _is_difference(one)]


def _is_difference(one: Entry | Finding) -> bool:
    return isinstance(one, Finding) and one.code.startswith("lock-")


def test_names_are_the_same_or_the_one_of_that_end() -> None:
    assert same_names(["0.zip", "a/1.zip", "2.zip"], ["x/0.zip", "a/1.zip", "b/2.zip", "c/2.zip"]) == {
        "0.zip": "x/0.zip",
        "a/1.zip": "a/1.zip",
    }
    assert same_names(["a/0.zip", "b/0.zip"], ["0.zip"]) == {}
