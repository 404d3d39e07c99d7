"""How a plan is dealt to shares: every image falls to exactly one, whatever else a machine sees."""

from pathlib import PurePosixPath

import hypothesis.strategies as st
from hypothesis import given, settings

from laden.relations import Relations
from laden.stages.plan.dealing import RUN_BYTES, deal
from laden.values.share import Share

Member = tuple[str, str, int]
"""Archive (or nothing), path, offset."""

ARCHIVES = st.sampled_from(["", "0.zip", "1.zip", "sub/2.zip"])
MEMBERS = st.lists(
    st.tuples(ARCHIVES, st.text("ab/", min_size=1, max_size=6), st.integers(0, 40 * RUN_BYTES)),
    max_size=60,
    unique=True,
)


def dealt(members: list[Member], share: Share) -> set[Member]:
    with Relations() as relations:
        rows = enumerate(members, 1)
        relations.feed(
            "entries",
            (
                (archive, path, 1, None, None, offset, 1, 0, number, path, None, None, "")
                for number, (archive, path, offset) in rows
            ),
        )
        relations.run("CREATE TABLE todo AS SELECT id FROM entries")
        deal(relations, share)
        left = relations.stream("SELECT id FROM todo")
        return {members[number - 1] for (number,) in left}


@settings(max_examples=60, deadline=None)
@given(members=MEMBERS, of=st.integers(1, 7))
def test_every_image_falls_to_exactly_one_share(members: list[Member], of: int) -> None:
    shares = [dealt(members, Share(number, of)) for number in range(1, of + 1)]
    assert sum(map(len, shares)) == len(members)
    assert set().union(*shares) == set(members)


@settings(max_examples=40, deadline=None)
@given(members=MEMBERS, seen=st.sets(ARCHIVES), share=st.integers(1, 4))
def test_what_else_is_there_changes_nothing(members: list[Member], seen: set[str], share: int) -> None:
    """A machine that has only some of the archives, under another folder, agrees with all others on those."""
    part = [(archive, path, offset) for archive, path, offset in members if archive in seen]
    moved = [(f"elsewhere/{PurePosixPath(archive).name}" if archive else "", *rest) for archive, *rest in part]
    of_all = dealt(members, Share(share, 4))
    chosen = dealt(moved, Share(share, 4))  # type: ignore[arg-type]
    assert [one in of_all for one in part] == [one in chosen for one in moved]


def test_neighbours_stay_together_and_every_share_gets_some_of_a_large_archive() -> None:
    members = [("0.zip", f"{number}", number * RUN_BYTES // 10) for number in range(200)]
    shares = [dealt(members, Share(number, 4)) for number in range(1, 5)]
    assert [len(share) for share in shares] == [50] * 4
    for share in shares:
        runs = {offset // RUN_BYTES for _, _, offset in share}
        assert len(runs) == 5
