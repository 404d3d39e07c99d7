"""The label table in the explorer's database: taken in parts, so that its length is no matter of memory."""

from pathlib import Path
from typing import Any

import pytest

from laden.dataset.profile import known_profile
from laden.dataset.selection import Part
from laden.dataset.table import Table
from laden.explorer import labels
from laden.explorer.database import PACKED, Shared
from laden.explorer.index import Index
from laden.explorer.labels import Labels
from tests.support.dataset import make_dataset


def _read(table: Path) -> list[tuple[Any, ...]]:
    with Shared() as relations:
        Index(relations)
        own = Labels(relations)
        try:
            profile = known_profile("padchest")
            assert profile is not None
            own.read([Part(Table.open(table).hold(relations.folder), profile.table)])
            assert relations.all(f"SELECT count(*) FROM {PACKED}.labels") == relations.all(
                "SELECT count(*) FROM labels"
            )
            return relations.all("SELECT * FROM labels ORDER BY laden_row")
        finally:
            own.close()


def test_a_table_that_is_taken_in_parts_is_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 5, "1": 4}, size=32)
    whole = _read(dataset.table)
    assert len(whole) == 9
    monkeypatch.setattr(labels, "_PART_ROWS", 2)
    assert _read(dataset.table) == whole


def test_a_table_without_a_record_has_its_columns(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1}, size=32)
    dataset.table.write_text(dataset.table.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    assert _read(dataset.table) == []
