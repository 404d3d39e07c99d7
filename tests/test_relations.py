"""The embedded database: what goes in comes out, and no text can make it reach outside its folder."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.relations import Relations

texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.none() | st.integers(0, 2**63 - 1)
rows = st.tuples(texts, numbers, texts, texts, numbers, numbers, numbers, texts, texts)


@settings(max_examples=25, deadline=None)
@given(st.lists(rows, max_size=12))
def test_rows_come_back_as_they_went_in(given_rows: list[tuple[Any, ...]]) -> None:
    with Relations() as relations:
        assert relations.feed("blobs", iter(given_rows)) == len(given_rows)
        assert list(relations.stream("FROM blobs")) == given_rows


def test_many_rows_in_batches_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.relations._BATCH_ROWS", 7)
    with Relations() as relations:
        made = [(number, None, str(number), None, None, number % 3 == 0, True, "") for number in range(100)]
        assert relations.feed("rows", made) == 100
        assert list(relations.stream("FROM rows")) == made


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
