"""The embedded database: what goes in comes out, and no text can make it reach outside its folder."""

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.relations import Relations
from laden.relations.trouble import local_trouble, told_locally
from laden.values.arrow import Stream
from laden.values.errors import UsageError

texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.none() | st.integers(0, 2**63 - 1)
rows = st.tuples(texts, numbers, texts, texts, numbers, numbers, numbers, texts, texts)


@settings(max_examples=25, deadline=None)
@given(st.lists(rows, max_size=12))
def test_rows_come_back_as_they_went_in(given_rows: list[tuple[Any, ...]]) -> None:
    with Relations() as relations:
        assert relations.feed("blobs", iter(given_rows)) == len(given_rows)
        assert Counter(relations.stream("FROM blobs")) == Counter(given_rows)


def test_many_rows_in_batches_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.relations.BATCH_ROWS", 7)
    with Relations() as relations:
        made = [(number, None, str(number), None, None, number % 3 == 0, True, "") for number in range(100)]
        assert relations.feed("rows", made) == 100
        assert sorted(relations.stream("FROM rows")) == made


def test_a_stream_is_not_harmed_by_what_happens_meanwhile() -> None:
    with Relations() as relations:
        relations.feed("rows", ((number, "", "", "", "", True, True, "") for number in range(5000)))
        seen = 0
        for (number,) in relations.stream("SELECT row FROM rows ORDER BY row"):
            assert number == seen
            if not seen:
                relations.run("DELETE FROM rows")
            seen += 1
        assert seen == 5000


def test_a_text_that_was_read_before_is_answered_anew() -> None:
    """In another database, over other rows, after its table was made another one, and with other parameters."""
    asked = "DELETE FROM known; INSERT INTO origins VALUES ('x', 'y'); FROM rows SELECT row WHERE row > ?"
    for above in (1, 2, 1):
        with Relations() as relations:
            relations.feed("rows", ((number, "", "", "", "", True, True, "") for number in range(above + 3)))
            assert sorted(relations.stream(asked, [above])) == [(above + 1,), (above + 2,)]
            relations.run("CREATE OR REPLACE TABLE rows AS SELECT 'text' AS row, 5 AS other")
            assert relations.one("FROM rows") == ("text", 5)
            with pytest.raises(Relations.Error):
                relations.one(asked, [above])
            assert relations.one("SELECT count(*) FROM origins") == (2,), "what stands before it is done first"


def test_any_number_of_texts_is_read() -> None:
    with Relations() as relations:
        assert [relations.one(f"SELECT {number}") for number in range(1_200)] == [(n,) for n in range(1_200)]


def test_its_folder_is_private_and_gone_afterwards() -> None:
    with Relations() as relations:
        folder = relations.folder
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_its_folder_is_gone_after_an_error_too() -> None:
    relations = Relations()
    with pytest.raises(KeyboardInterrupt), relations:
        raise KeyboardInterrupt
    assert not relations.folder.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{outside}'",
        "CREATE TABLE t AS FROM read_csv('{inside}')",
        "ATTACH '{outside}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "CREATE TABLE t AS FROM read_text('/etc/hostname')",
    ],
)
def test_nothing_outside_can_be_reached(tmp_path: Path, statement: str) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with Relations() as relations, pytest.raises(Relations.Error):
        relations.run(statement.format(outside=tmp_path / "new", inside=tmp_path / "secret.csv"))
    assert not (tmp_path / "new").exists()


def test_a_folder_with_a_quote_in_its_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "it's here").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "it's here"))
    with Relations() as relations:
        relations.feed("rows", [(1, "", "", "", "", True, True, "")])
        quoted = str(relations.folder / "x.parquet").replace("'", "''")
        relations.run(f"COPY rows TO '{quoted}' (FORMAT parquet)")
        assert relations.one(f"SELECT count(*) FROM read_parquet('{quoted}')") == (1,)


def test_a_long_statement_draws_no_bar_into_the_output() -> None:
    """After two seconds DuckDB would draw one, in the middle of the lines of `--json`."""
    with Relations() as relations:
        assert relations.one("SELECT current_setting('enable_progress_bar')") == (False,)


def test_columns_may_be_some_and_constant() -> None:
    with Relations() as relations:
        columns = {"member": ["a", None], "crc32": [7, None], "id": np.arange(2)}
        relations.feed_columns("entries", columns, {"archive": "0.zip", "home": None, "method": 8})
        told = list(relations.stream("SELECT archive, member, crc32, id, home, method, key FROM entries ORDER BY id"))
    assert told == [("0.zip", "a", 7, 0, None, 8, None), ("0.zip", None, None, 1, None, 8, None)]


def memory_mib(relations: Relations) -> float:
    (text,) = relations.one("SELECT current_setting('memory_limit')")
    return float(text.split()[0]) * {"MiB": 1, "GiB": 1024, "TiB": 1 << 20}[text.split()[1]]


def in_use(relations: Relations) -> int:
    (threads,) = relations.one("SELECT current_setting('threads')")
    return int(threads)


def take_in_many(relations: Relations) -> None:
    relations.run("INSERT INTO table_starts SELECT '', range FROM range(20001)")


def test_the_database_takes_its_share_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LADEN_MEMORY", raising=False)
    machine_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    with Relations() as relations:
        take_in_many(relations)
        assert 256 <= memory_mib(relations) <= max(256, machine_mib / 4)
        assert in_use(relations) * 128 <= memory_mib(relations)


@pytest.mark.parametrize("way", ["run", "feed", "absorb"])
def test_few_names_are_joined_by_one_thread_and_many_by_all(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADEN_MEMORY", "1G")
    with Relations() as relations:
        assert in_use(relations) == 1
        for start in (0, 10_001):
            assert in_use(relations) == 1
            if way == "run":
                count = relations.run("INSERT INTO table_starts SELECT '', range FROM range(10001)")
                assert count == 10_001
            elif way == "feed":
                relations.feed("table_starts", (("", start + number) for number in range(10_001)))
            else:
                stream = Stream({"before": "integer"}, iter([(10_001, (np.arange(10_001),))]))
                relations.absorb("INSERT INTO table_starts SELECT '', before FROM batch", stream)
        assert relations.one("SELECT count(*) FROM table_starts") == (20_002,)
        assert in_use(relations) == min(os.cpu_count() or 1, 8)
        with pytest.raises(Relations.Error, match="locked"):
            relations.run("SET memory_limit = '2GiB'")


def test_a_table_is_known_once_it_is_made() -> None:
    with Relations() as relations:
        assert relations.has("rows")
        assert not relations.has("todo")
        assert relations.run("CREATE TABLE todo AS SELECT 1 AS id") == 1
        assert relations.has("todo")


def test_what_asks_nothing_opens_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("nothing was asked")

    monkeypatch.setattr(duckdb, "connect", opened)
    with Relations() as relations:
        assert relations.has("rows")
        assert not relations.has("todo")
        assert relations.folder.is_dir()
        with pytest.raises(AssertionError, match="nothing was asked"):
            relations.one("SELECT 1")
    assert not relations.folder.exists()


def test_threads_that_ask_first_at_once_open_one_database() -> None:
    begin = threading.Barrier(4)

    def add(number: int) -> None:
        begin.wait()
        list(relations.stream("INSERT INTO table_starts VALUES ('', ?)", [number]))

    with Relations() as relations, ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(4)))
        assert relations.one("SELECT count(DISTINCT before) FROM table_starts") == (4,)


def test_one_of_several_takes_no_more_than_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a thread for each 128 MiB, so that everything can spill; never more than there is for one."""
    for most_mb, environment, expected in ((192, "", 192), (64, "", 64), (512, "200M", 200)):
        monkeypatch.setenv("LADEN_MEMORY", environment)
        with Relations(most_mb) as relations:
            (told, threads) = relations.one("SELECT current_setting('memory_limit'), current_setting('threads')")
            assert (told, threads) == (f"{expected}.0 MiB", 1)


@pytest.mark.parametrize(
    ("asked", "mib", "most_threads"),
    [("128M", 128, 1), ("2G", 2048, 16), ("1 GiB", 1024, 8), ("300mb", 300, 2), ("1T", 1 << 20, 8192)],
)
def test_the_environment_says_how_much(
    monkeypatch: pytest.MonkeyPatch, asked: str, mib: int, most_threads: int
) -> None:
    monkeypatch.setenv("LADEN_MEMORY", asked)
    with Relations() as relations:
        assert memory_mib(relations) == pytest.approx(mib, rel=0.001)
        assert 1 <= relations.one("SELECT current_setting('threads')")[0] <= most_threads


@pytest.mark.parametrize("asked", ["much", "-1G", "127M", "2", "0G", "2G; SET threads = 1"])
def test_an_amount_that_makes_no_sense_is_told(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("LADEN_MEMORY", asked)
    with pytest.raises(UsageError, match=r"LADEN_MEMORY is .*: give the memory"):
        Relations()


def test_memory_that_does_not_do_is_called_memory_and_a_full_disk_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADEN_MEMORY", "128M")
    with (
        pytest.raises(UsageError, match=r"more memory than .* \(128\.0 MiB\): set LADEN_MEMORY to more"),
        told_locally(),
        Relations() as relations,
    ):
        relations.run("CREATE TABLE t AS SELECT list(range::VARCHAR || repeat('x', 100)) AS l FROM range(3000000)")
    full = duckdb.OutOfMemoryException(
        "failed to offload data block of size 256.0 KiB (1.0 GiB/1.0 GiB used).\nThis limit was set by the"
        " 'max_temp_directory_size' setting."
    )
    assert "there is no room" in (local_trouble(full) or "")


def test_a_signal_that_comes_while_a_statement_runs_is_no_fault() -> None:
    def interrupted(relations: Relations) -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        relations.one("SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(10_000_000) b")

    with Relations() as relations, pytest.raises(KeyboardInterrupt), told_locally():
        interrupted(relations)
    with pytest.raises(RuntimeError, match="another"), told_locally():
        raise RuntimeError("another")
