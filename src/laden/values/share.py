"""Which part of a load is this machine's: `2/5` is the second of five shares.

A share is a rule, not a list: whoever knows the number of shares knows which entry belongs to which, without talking
to anybody (`laden.stages.plan.dealing`). Numbers come from a person, or from what schedulers tell each of their tasks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from laden.values.errors import UsageError

MOST_SHARES = 10_000
_RANKS: tuple[tuple[str, str, str, str], ...] = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
    ("JOB_COMPLETION_INDEX", "", "", ""),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "", ""),
    ("AZ_BATCH_TASK_ID", "", "", ""),
)
"""Variables that hold a task's number, how many there are, the first number, and how far they lie apart, where a
scheduler tells them: Slurm job arrays, Kubernetes Indexed Jobs, Open MPI (also Azure ML), Azure Batch, whose ids are
names that end in a number."""


@dataclass(frozen=True, slots=True)
class Share:
    """One of several equal parts of a load."""

    number: int
    """From 1 to `of`."""
    of: int

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.number}/{self.of}"


def parse_share(text: str, environment: Mapping[str, str]) -> Share:
    """Read `2/5`, `auto` (both numbers from the scheduler) or `auto/5` (the first one from it).

    Args:
        text: as a person wrote it.
        environment: where a scheduler tells a task its number.

    Raises:
        UsageError: it is none of these, or the scheduler does not tell.
    """
    written = re.fullmatch(r"(\d{1,6}|auto)(?:/(\d{1,6}))?", text.strip())
    if not written or (written[1] != "auto" and not written[2]):
        raise UsageError(f"--share is {text!r}: write 2/5 for the second of five, or auto, or auto/5")
    given = int(written[2]) if written[2] else None
    if given is not None and not 1 <= given <= MOST_SHARES:
        raise UsageError(f"--share is {text!r}: there are 1 to {MOST_SHARES:,} shares")
    if written[1] == "auto":
        return _from_scheduler(given, environment)
    assert given is not None
    if not 1 <= int(written[1]) <= given:
        raise UsageError(f"--share is {text!r}: of {given} shares the first is 1/{given}, the last {given}/{given}")
    return Share(int(written[1]), given)


def _from_scheduler(given: int | None, environment: Mapping[str, str]) -> Share:
    for rank_name, count_name, first_name, step_name in _RANKS:
        if rank_name not in environment:
            continue
        number = re.search(r"\d+$", environment[rank_name])
        if number is None:
            raise UsageError(f"--share auto: {rank_name}={environment[rank_name]} does not end in a number")
        count = given or int(environment.get(count_name) or 0)
        if not count:
            raise UsageError(
                f"--share auto: {rank_name} tells the number, and nothing how many there are: --share auto/5"
            )
        first = int(environment.get(first_name) or 0)
        step = int(environment.get(step_name) or 1) or 1
        # Whatever the first number is, numbers that follow each other get shares that follow each other.
        return Share((int(number[0]) - first) // step % count + 1, count)
    names = ", ".join(name for name, *_ in _RANKS)
    raise UsageError(f"--share auto: no scheduler tells this task its number ({names}): write 2/5")
