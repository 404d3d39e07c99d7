"""How a share is written, and what schedulers tell of it."""

import pytest

from laden.values.errors import UsageError
from laden.values.share import Share, parse_share


@pytest.mark.parametrize(
    ("text", "environment", "share"),
    [
        ("2/5", {}, Share(2, 5)),
        (" 1/1 ", {}, Share(1, 1)),
        ("5/5", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "9"}, Share(5, 5)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "0"}, Share(1, 3)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}, Share(3, 3)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "7",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "3",
            },
            Share(3, 3),
        ),
        ("auto", {"OMPI_COMM_WORLD_RANK": "7", "OMPI_COMM_WORLD_SIZE": "8"}, Share(8, 8)),
        ("auto/4", {"JOB_COMPLETION_INDEX": "0"}, Share(1, 4)),
        ("auto/4", {"AZ_BATCH_TASK_ID": "load-4"}, Share(1, 4)),
        ("auto/2", {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "8"}, Share(2, 2)),
    ],
)
def test_of_right_ones(text: str, environment: dict[str, str], share: Share) -> None:
    assert parse_share(text, environment) == share


@pytest.mark.parametrize("scheduler", ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "AZ_BATCH_TASK_ID"])
@pytest.mark.parametrize("first", [0, 1, 100])
def test_tasks_that_follow_each_other_get_every_share_once(scheduler: str, first: int) -> None:
    found = {parse_share("auto/5", {scheduler: str(first + task)}).number for task in range(5)}
    assert found == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("", {}, "write 2/5"),
        ("2", {}, "write 2/5"),
        ("0/5", {}, "the first is 1/5"),
        ("6/5", {}, "the last 5/5"),
        ("1/0", {}, "1 to 10,000 shares"),
        ("1/99999", {}, "1 to 10,000 shares"),
        ("-1/5", {}, "write 2/5"),
        ("2/5/7", {}, "write 2/5"),
        ("auto", {}, "no scheduler"),
        ("auto/5", {}, "no scheduler"),
        ("auto", {"JOB_COMPLETION_INDEX": "1"}, "--share auto/5"),
        ("auto/5", {"AZ_BATCH_TASK_ID": "load"}, "does not end in a number"),
    ],
)
def test_of_wrong_ones(text: str, environment: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_share(text, environment)
