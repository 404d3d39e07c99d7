"""The joins of rows, entries and blobs, held against the same answers worked out the slow way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.relations import Relations
from laden.stages.plan import Plan
from laden.values.errors import UsageError
from laden.values.records import Action, Finding, Item, Severity

MD5 = "0123456789abcdef" * 2
OTHER_MD5 = "f" * 32


class Row(NamedTuple):
    key: str
    home: str | None = "0.zip"
    blob: str | None = None
    selected: bool = True
    usable: bool = True


class Member(NamedTuple):
    key: str
    home: str | None = "0.zip"
    size_bytes: int = 10
    crc32: int | None = 1
    mtime_ns: int | None = None


class There(NamedTuple):
    name: str
    size_bytes: int = 10
    md5: str | None = MD5
    crc32: int | None = None
    mtime_ns: int | None = None
    source: str | None = None


class Known(NamedTuple):
    blob: str
    crc32: int
    md5: str = MD5
    size_bytes: int = 10


def blob(key: str, home: str | None) -> str:
    return f"png/{(home or 'x').removesuffix('.zip')}/{key}"


@contextmanager
def planned(
    rows: list[Row],
    members: list[Member],
    there: list[There] | None = None,
    known: list[Known] | None = None,
    *,
    strays: bool = False,
    replace: bool = False,
) -> Iterator[Plan]:
    with Relations() as relations:
        relations.feed(
            "rows",
            (
                (n, r.key, r.key, r.home, r.blob or (blob(r.key, r.home) if r.usable else None), r.usable, r.selected)
                for n, r in enumerate(rows, 1)
            ),
        )
        relations.feed(
            "entries",
            (
                (m.home or "", m.key, m.size_bytes, m.crc32, m.mtime_ns, 0, m.size_bytes, 0, n, m.key, m.home,
                 blob(m.key, m.home))
                for n, m in enumerate(members, 1)
            ),
        )  # fmt: skip
        relations.feed(
            "blobs",
            (
                (b.name, b.size_bytes, b.md5, "etag", b.crc32, b.size_bytes if b.crc32 or b.mtime_ns else None,
                 b.mtime_ns, None, b.source)
                for b in there or ()
            ),
        )  # fmt: skip
        relations.feed(
            "known",
            ((k.blob, "0.zip", "m", k.size_bytes, k.md5, k.crc32, "", "png", 1, 1, 16, "whole") for k in known or ()),
        )
        yield Plan(relations, send_strays=strays, replace=replace, documents=["table.csv"])


def summary(plan: Plan) -> Any:
    return plan.summary(profile="p", table="t.csv", absent=())


def findings(plan: Plan, absent: tuple[str, ...] = (), unreadable: tuple[str, ...] = ()) -> list[Finding]:
    return list(plan.findings(absent, unreadable))


def actions(plan: Plan) -> dict[str, Action]:
    return {item.blob: item.action for item in plan.items()}


keys = st.sampled_from(["a", "b", "c", "d"])
homes = st.sampled_from(["0.zip", "1.zip"])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.builds(Row, keys, homes, st.none(), st.booleans(), st.booleans()), max_size=8),
    st.lists(st.builds(Member, keys, homes, st.integers(1, 2), st.just(1), st.none()), max_size=8),
    st.booleans(),
)
def test_every_selected_row_is_matched_or_missing_and_every_entry_has_a_row_or_is_stray(
    rows: list[Row], members: list[Member], strays: bool
) -> None:
    with planned(rows, members, strays=strays) as plan:
        told = summary(plan)
        items = list(plan.items())
    wanted = [row for row in rows if row.selected]
    present = {member.key for member in members}
    matched = [row for row in wanted if row.usable and row.key in present]
    assert (told.rows, told.matched, told.missing) == (len(wanted), len(matched), len(wanted) - len(matched))
    lonely = [member for member in members if member.key not in {row.key for row in rows}]
    assert told.stray == len(lonely)
    names = {blob(row.key, row.home) for row in matched}
    if strays:
        names |= {blob(member.key, member.home) for member in lonely}
    assert {item.blob for item in items} == names
    assert told.images == told.send == len(names) == len(items)
    assert told.bytes_to_send == sum(item.entry.size_bytes for item in items)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["0.zip", "1.zip", None]), min_size=1, max_size=4))
def test_the_entry_of_the_right_archive_is_chosen_else_the_first(found_in: list[str | None]) -> None:
    members = [Member("a", home) for home in found_in]
    with planned([Row("a", "1.zip")], members) as plan:
        (item,) = plan.items()
    right = [member.home for member in members if member.home == "1.zip"]
    assert item.entry.archive == (right[0] if right else members[0].home or "")


def test_items_come_in_the_order_in_which_they_lie() -> None:
    rows = [Row("c"), Row("a"), Row("b")]
    with planned(rows, [Member("b"), Member("c"), Member("a")]) as plan:
        assert [item.entry.member for item in plan.items()] == ["b", "c", "a"]


def test_an_item_holds_its_entry_as_it_was() -> None:
    with planned([Row("a")], [Member("a", size_bytes=7, crc32=5)]) as plan:
        (item,) = plan.items()
    assert item == Item(("0.zip", "a", 7, 5, None, 0, 7, 0), "png/0/a", Action.SEND, "", None)  # type: ignore[arg-type]


NAME = "png/0/a"


@pytest.mark.parametrize(
    ("member", "there", "known", "expected"),
    [
        (Member("a"), [], [], "send"),
        (Member("a"), [There("png/0/b", crc32=1)], [], "send"),
        (Member("a"), [There(NAME, crc32=1)], [], "done"),
        (Member("a"), [There(NAME, crc32=1, md5=None)], [], "conflict"),
        (Member("a"), [There(NAME, crc32=2)], [], "conflict"),
        (Member("a"), [There(NAME, size_bytes=11, crc32=1)], [], "conflict"),
        (Member("a"), [There(NAME)], [], "compare"),
        (Member("a"), [There(NAME)], [Known(NAME, 1)], "done"),
        (Member("a"), [There(NAME)], [Known(NAME, 2)], "conflict"),
        (Member("a"), [There(NAME, md5=OTHER_MD5)], [Known(NAME, 1)], "compare"),
        (Member("a", crc32=None, mtime_ns=5), [There(NAME, mtime_ns=5)], [], "done"),
        (Member("a", crc32=None, mtime_ns=6), [There(NAME, mtime_ns=5)], [], "compare"),
        (Member("a", crc32=None, mtime_ns=6), [There(NAME, crc32=1)], [Known(NAME, 1)], "compare"),
        (Member("a", crc32=None, mtime_ns=5), [There(NAME, size_bytes=9, mtime_ns=5)], [], "conflict"),
    ],
)
@pytest.mark.parametrize("replace", [False, True])
def test_what_a_listing_means(
    member: Member, there: list[There], known: list[Known], expected: str, replace: bool
) -> None:
    if replace and expected == "conflict":
        expected = "replace"
    with planned([Row("a")], [member], there, known, replace=replace) as plan:
        told = summary(plan)
        counts = {
            "send": told.send,
            "replace": told.replace,
            "compare": told.compare,
            "done": told.already_there,
            "conflict": told.conflicts,
        }
        items = list(plan.items())
        conflicts = [finding.blob for finding in findings(plan) if finding.code == "blob-conflict"]
    assert {name for name, count in counts.items() if count} == {expected}
    assert [item.action.value for item in items] == ([expected] if expected in ("send", "replace", "compare") else [])
    assert conflicts == ([NAME] if expected == "conflict" else [])
    if expected in ("replace", "compare"):
        assert items[0].etag == "etag"


def test_foreign_blobs_are_those_nobody_knows() -> None:
    there = [
        There("mine.txt"),
        There("other/b.png"),
        There("_laden/manifest.parquet"),
        There("table.csv"),
        There("png/0/a"),
        There("png/9/earlier", source="9.zip:earlier"),
        There("png/8/adopted"),
        There("png/0/of-a-row-without-entry"),
    ]
    rows = [Row("a"), Row("of-a-row-without-entry")]
    with planned(rows, [Member("a")], there, [Known("png/8/adopted", 1)]) as plan:
        assert summary(plan).foreign == 2
        (told,) = [finding for finding in findings(plan) if finding.code == "blob-foreign"]
    assert told.severity is Severity.INFO
    assert "mine.txt, other/b.png" in told.message


def test_two_images_of_one_name_are_refused() -> None:
    rows = [Row("a", blob="same"), Row("b", blob="same")]
    with (
        pytest.raises(UsageError, match="gives a and b the same name 'same'"),
        planned(rows, [Member("a"), Member("b")]),
    ):
        pass


def test_two_rows_of_one_image_are_one_blob_and_told() -> None:
    with planned([Row("a"), Row("a")], [Member("a")]) as plan:
        told = summary(plan)
        assert (told.rows, told.matched, told.images) == (2, 2, 1)
        assert [(found.code, found.row) for found in findings(plan)] == [("row-key-duplicate", 2)]


def test_a_missing_image_is_told_with_its_row() -> None:
    with planned([Row("a"), Row("b")], [Member("a")]) as plan:
        (told,) = findings(plan)
    assert (told.code, told.row, told.member, told.archive) == ("image-missing", 2, "b", "0.zip")
    assert told.severity is Severity.ERROR


def test_an_absent_archive_is_one_finding_with_its_rows() -> None:
    rows = [Row("a"), *(Row(f"x{number}", "7.zip") for number in range(1234)), Row("y", "7.zip", selected=False)]
    with planned(rows, [Member("a")]) as plan:
        (told,) = findings(plan, absent=("7.zip",))
        assert summary(plan).missing == 1234
    assert (told.code, told.archive) == ("archive-absent", "7.zip")
    assert "1,234" in told.message


def test_an_unreadable_archive_s_rows_are_not_listed_again() -> None:
    with planned([Row("a", "7.zip")], []) as plan:
        assert findings(plan, unreadable=("7.zip",)) == []
        assert summary(plan).missing == 1


def test_an_image_in_the_wrong_archive_is_sent_and_told() -> None:
    with planned([Row("a", "0.zip")], [Member("a", "1.zip")]) as plan:
        assert actions(plan) == {"png/0/a": Action.SEND}
        (told,) = findings(plan)
    assert (told.code, told.severity, told.archive, told.row) == ("archive-wrong", Severity.WARNING, "1.zip", 1)


@pytest.mark.parametrize(
    ("first", "second", "severity", "words"),
    [
        (Member("a"), Member("a", "1.zip"), Severity.INFO, "the same content"),
        (Member("a"), Member("a", "1.zip", crc32=2), Severity.WARNING, "other content"),
        (Member("a"), Member("a", "1.zip", size_bytes=11), Severity.WARNING, "other content"),
        (Member("a"), Member("a", crc32=2), Severity.ERROR, "other content"),
        (Member("a", None), Member("a", None, crc32=2), Severity.ERROR, "other content"),
        (Member("a"), Member("a", crc32=None, mtime_ns=1), Severity.INFO, "the same length"),
        (Member("a", crc32=None, mtime_ns=1), Member("a", "1.zip", crc32=None, mtime_ns=2), Severity.INFO, "length"),
    ],
)
def test_a_second_copy_is_told_by_how_alike_it_is(
    first: Member, second: Member, severity: Severity, words: str
) -> None:
    with planned([Row("a", first.home)], [first, second]) as plan:
        assert len(list(plan.items())) == 1
        (told,) = [finding for finding in findings(plan) if finding.code == "image-duplicate"]
    assert told.severity is severity
    assert words in told.message


def test_rows_that_are_not_selected_make_no_strays_and_send_nothing() -> None:
    with planned([Row("a", selected=False), Row("b")], [Member("a"), Member("b")]) as plan:
        told = summary(plan)
        assert (told.rows, told.stray, told.images) == (1, 0, 1)
        assert findings(plan) == []


def test_broken_images_that_are_there_are_known_from_the_listing() -> None:
    with Relations() as relations:
        relations.feed("rows", [(1, "a", "a", "0.zip", NAME, True, True)])
        relations.feed("entries", [("0.zip", "a", 10, 1, None, 0, 10, 0, 1, "a", "0.zip", NAME)])
        relations.feed("blobs", [(NAME, 10, MD5, "e", 1, 10, None, "png;4;4;16;png-truncated", "0.zip:a")])
        plan = Plan(relations, send_strays=False, replace=False, documents=[])
        assert list(plan.found_before()) == [(NAME, "0.zip", "a", "png-truncated")]


def test_of_two_strays_with_one_place_the_other_is_named() -> None:
    members = [Member("x", "0.zip", 1, 1, None), Member("x", "0.zip", 2, 2, None)]
    for strays, severities in ((True, [Severity.WARNING, Severity.ERROR]), (False, [Severity.WARNING] * 2)):
        with planned([], members, strays=strays) as plan:
            found = [finding for finding in findings(plan) if finding.code == "image-stray"]
        assert [finding.severity for finding in found] == severities
        assert ("its place" in found[1].message) is strays
