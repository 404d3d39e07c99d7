"""Names in `--archives` that are of no archive are told, and not counted; the others are loaded."""

from pathlib import Path

import pytest

from laden.values.errors import UsageError
from laden.values.events import Event, Found, PlanReady
from laden.values.records import Severity
from laden.verbs.check import check
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 3, "1": 2})


@pytest.mark.parametrize(("asked", "others"), [("0,99,1", ""), ("0-1,99,100-101", "2 more names are of none")])
def test_a_name_of_no_archive_is_told_and_not_counted(
    dataset: Dataset, tmp_path: Path, asked: str, others: str
) -> None:
    events: list[Event] = []
    summary = load(dataset.folder, tmp_path / "to", archives=asked, observer=events.append)
    (found,) = (event.finding for event in events if isinstance(event, Found))
    assert (found.code, found.severity, found.archive) == ("archive-absent", Severity.WARNING, "99.zip")
    assert "names 99, and there is no archive 99.zip" in found.message
    assert "near it are" in found.message
    assert others in found.message
    (plan,) = (event for event in events if isinstance(event, PlanReady))
    assert [(step.step, step.about, step.rows) for step in plan.selection][1:] == [("archives", "0,1", 5)]
    assert (summary.exit_code, summary.sent) == (0, 5)


def test_names_of_the_complete_dataset_are_no_mistake(dataset: Dataset) -> None:
    events: list[Event] = []
    check(dataset.folder, archives="0-50,54", observer=events.append)
    assert not [event for event in events if isinstance(event, Found)]


def test_where_nothing_is_left_it_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--archives 99 selects no row"):
        load(dataset.folder, tmp_path / "to", archives="99")
