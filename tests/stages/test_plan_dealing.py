"""How a plan is dealt to shares: every image falls to exactly one, whatever else a machine sees."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePosixPath

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from laden.relations import Relations
from laden.stages.plan.dealing import RUN_BYTES, deal, spans_of
from laden.store.listing import Span
from laden.values.share import Share

Member = tuple[str, str, int]
"""Archive (or nothing), path, offset."""

ARCHIVES = st.sampled_from(["", "0.zip", "1.zip", "sub/2.zip"])
MEMBERS = st.lists(
    st.tuples(ARCHIVES, st.text("ab/", min_size=1, max_size=6), st.integers(0, 40 * RUN_BYTES)),
    max_size=60,
    unique=True,
)


@pytest.fixture(scope="module")
def relations() -> Iterator[Relations]:
    """One database for all examples: to open one takes longer than to deal."""
    with Relations() as opened:
        yield opened


def emptied(relations: Relations) -> Relations:
    for table in ("entries", "rows"):
        relations.run(f"TRUNCATE {table}")
    return relations


def dealt(relations: Relations, members: list[Member], share: Share) -> set[Member]:
    emptied(relations).feed(
        "entries",
        (
            (archive, path, 1, None, None, offset, 1, 0, number, path, None, None, "")
            for number, (archive, path, offset) in enumerate(members, 1)
        ),
    )
    relations.run("CREATE OR REPLACE TABLE todo AS SELECT id FROM entries")
    deal(relations, share)
    left = relations.stream("SELECT id FROM todo")
    return {members[number - 1] for (number,) in left}


@settings(max_examples=60, deadline=None)
@given(members=MEMBERS, of=st.integers(1, 7))
def test_every_image_falls_to_exactly_one_share(relations: Relations, members: list[Member], of: int) -> None:
    shares = [dealt(relations, members, Share(number, of)) for number in range(1, of + 1)]
    assert sum(map(len, shares)) == len(members)
    assert set().union(*shares) == set(members)


@settings(max_examples=40, deadline=None)
@given(members=MEMBERS, seen=st.sets(ARCHIVES), share=st.integers(1, 4))
def test_what_else_is_there_changes_nothing(
    relations: Relations, members: list[Member], seen: set[str], share: int
) -> None:
    """A machine that has only some of the archives, under another folder, agrees with all others on those."""
    part = [(archive, path, offset) for archive, path, offset in members if archive in seen]
    moved = [(f"elsewhere/{PurePosixPath(archive).name}" if archive else "", *rest) for archive, *rest in part]
    of_all = dealt(relations, members, Share(share, 4))
    chosen = dealt(relations, moved, Share(share, 4))  # type: ignore[arg-type]
    assert [one in of_all for one in part] == [one in chosen for one in moved]


def test_neighbours_stay_together_and_every_share_gets_some_of_a_large_archive(relations: Relations) -> None:
    members = [("0.zip", f"{number}", number * RUN_BYTES // 10) for number in range(200)]
    shares = [dealt(relations, members, Share(number, 4)) for number in range(1, 5)]
    assert [len(share) for share in shares] == [50] * 4
    for share in shares:
        runs = {offset // RUN_BYTES for _, _, offset in share}
        assert len(runs) == 5


def fed(relations: Relations, members: list[Member]) -> None:
    """Entries, and for each a row that gives it the name `png/<archive>/<path>`."""
    relations.feed(
        "entries",
        (
            (archive, path, 1, None, None, offset, 1, 0, number, path, None, None, "")
            for number, (archive, path, offset) in enumerate(members, 1)
        ),
    )
    relations.feed(
        "rows",
        (
            (number, path, path, None, f"png/{archive}/{path}", True, True, "")
            for number, (archive, path, _) in enumerate(members, 1)
        ),
    )


@settings(max_examples=60, deadline=None)
@given(members=MEMBERS, share=st.integers(1, 4))
def test_every_image_of_a_share_lies_in_its_spans(relations: Relations, members: list[Member], share: int) -> None:
    fed(emptied(relations), members)
    spans = spans_of(relations, Share(share, 4))
    for archive, path, _ in dealt(relations, members, Share(share, 4)):
        assert any(span.start <= f"png/{archive}/{path}" < span.bound for span in spans)
    assert all(one.bound <= other.start for one, other in pairwise(spans))


def test_a_share_of_neighbours_asks_for_its_own_names_alone() -> None:
    members = [("0.zip", f"{number:06d}", number * RUN_BYTES // 8_000) for number in range(64_000)]
    with Relations() as relations:
        fed(relations, members)
        parts = [spans_of(relations, Share(number, 4)) for number in range(1, 5)]
    for spans in parts:
        own = [span for span in spans if span.start.startswith("png/")]
        names = sum(int(span.bound[10:16]) - int(span.start[10:16]) for span in own)
        # Two runs of 8,000 names, each in two or three parts, of 64,000.
        assert 4 <= len(own) <= 6
        assert 15_990 < names <= 16_000
    assert spans_of_nothing() == []


def spans_of_nothing() -> list[Span]:
    """What is asked for where names cannot be told apart by their order everywhere."""
    with Relations() as relations:
        fed(relations, [("0.zip", "caf\u00e9", 0)])
        return spans_of(relations, Share(1, 1))
