"""What became of each target: an answer that was lost is no refusal, and what is protected did not change."""

import asyncio

import pytest

from laden.stages.acting import Target, act, told_left
from laden.values.errors import (
    AccessDenied,
    BlobConflict,
    BlobMissing,
    BlobProtected,
    BlobRefused,
    LadenError,
    TransientStoreError,
)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (BlobConflict("x"), "changed"),
        (BlobProtected("x"), "failed"),
        (BlobMissing("x"), "gone"),
        (BlobRefused("x"), "failed"),
        (AccessDenied("x"), "failed"),
        (TransientStoreError("broke"), "unknown"),
        (TransientStoreError("500", answered=True), "unknown"),
        (TransientStoreError("503", throttled=True), "failed"),
    ],
)
def test_what_became_of_a_target_is_told_by_what_was_heard(error: LadenError | None, outcome: str) -> None:
    async def work(target: Target) -> None:
        if error is not None:
            raise error

    async def go() -> list[str]:
        found = act(work, [Target("a", "1", 1)], at_once=1, stopping=lambda: False)
        return [acted.outcome async for acted in found]

    assert asyncio.run(go()) == [outcome]
    if error is not None:
        assert told_left(error).startswith("it was left as it is" if outcome != "unknown" else "it may be done or not")
