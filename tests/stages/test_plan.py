"""The joins of rows, entries and blobs, held against the same answers worked out the slow way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from laden.relations import Relations
from laden.stages.plan import Plan, Written
from laden.values.errors import UsageError
from laden.values.records import Action, Finding, Item, Severity

NOW = 1_700_000_000 * 10**9
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
    known: str = "sent"
    key: str = ""


def place(home: str | None) -> str:
    return (home or "").removesuffix(".zip")


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
                (
                    n,
                    r.key,
                    r.key,
                    r.home,
                    r.blob or (blob(r.key, r.home) if r.usable else None),
                    r.usable,
                    r.selected,
                    place(r.home),
                )
                for n, r in enumerate(rows, 1)
            ),
        )
        relations.feed(
            "entries",
            (
                (m.home or "", m.key, m.size_bytes, m.crc32, m.mtime_ns, 0, m.size_bytes, 0, n, m.key, m.home,
                 blob(m.key, m.home), place(m.home))
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
            (
                (k.blob, "0.zip", "m", k.size_bytes, k.md5, k.crc32, k.key, "png", 1, 1, 16, "whole", k.known, "")
                for k in known or ()
            ),
        )
        yield Plan(relations, send_strays=strays, replace=replace, documents=["table.csv"], places=1)


def summary(plan: Plan) -> Any:
    return plan.summary(profile="p", table="t.csv", absent=())


def findings(plan: Plan, absent: tuple[str, ...] = (), unreadable: tuple[str, ...] = ()) -> list[Finding]:
    return list(plan.findings(absent, unreadable))


def actions(plan: Plan) -> dict[str, Action]:
    return {item.blob: item.action for item in plan.items()}


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
        (Member("a"), [There(NAME, crc32=1, md5=None)], [], "compare"),
        (Member("a"), [There(NAME, md5=None)], [], "compare"),
        (Member("a"), [There(NAME)], [Known(NAME, 1, known="adopted")], "compare"),
        (Member("a"), [There(NAME)], [Known(NAME, 2, known="adopted")], "compare"),
        (Member("a"), [There(NAME, crc32=2)], [], "conflict"),
        (Member("a"), [There(NAME, size_bytes=11, crc32=1)], [], "conflict"),
        (Member("a"), [There(NAME)], [], "compare"),
        (Member("a"), [There(NAME)], [Known(NAME, 1)], "done"),
        (Member("a"), [There(NAME)], [Known(NAME, 2)], "conflict"),
        (Member("a"), [There(NAME, md5=OTHER_MD5)], [Known(NAME, 1)], "compare"),
        (Member("a", crc32=None, mtime_ns=NOW + 5), [There(NAME, mtime_ns=NOW + 5, source="0.zip:a")], [], "done"),
        (Member("a", crc32=None, mtime_ns=NOW + 5), [There(NAME, mtime_ns=NOW + 5, source="0%2ezip:%61")], [], "done"),
        # The time of another member of the same archive, of another archive, and of nobody knows what.
        (Member("a", crc32=None, mtime_ns=NOW + 5), [There(NAME, mtime_ns=NOW + 5, source="0.zip:b")], [], "compare"),
        (Member("a", crc32=None, mtime_ns=NOW + 5), [There(NAME, mtime_ns=NOW + 5, source="1.zip:a")], [], "compare"),
        (Member("a", crc32=None, mtime_ns=NOW + 5), [There(NAME, mtime_ns=NOW + 5)], [], "compare"),
        # A checksum says more than a time.
        (Member("a", crc32=2, mtime_ns=NOW), [There(NAME, crc32=1, mtime_ns=NOW, source="0.zip:a")], [], "conflict"),
        (Member("a", crc32=None, mtime_ns=NOW + 6), [There(NAME, mtime_ns=NOW + 5)], [], "compare"),
        (Member("a", crc32=None, mtime_ns=NOW + 6), [There(NAME, crc32=1)], [Known(NAME, 1)], "compare"),
        (Member("a", crc32=None, mtime_ns=NOW + 5), [There(NAME, size_bytes=9, mtime_ns=NOW + 5)], [], "conflict"),
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


def test_an_image_in_another_archive_than_its_row_says_is_not_taken() -> None:
    with planned([Row("a", "0.zip")], [Member("a", "1.zip")]) as plan:
        assert actions(plan) == {}
        told = {found.code: found for found in findings(plan)}
    assert set(told) == {"image-missing", "image-stray"}
    assert (told["image-missing"].archive, told["image-missing"].severity) == ("0.zip", Severity.ERROR)
    assert "1.zip: a, which was not taken" in told["image-missing"].message


def test_so_it_is_where_its_own_archive_is_absent_and_both_are_told() -> None:
    with planned([Row("a", "0.zip"), Row("b", "0.zip")], [Member("a", "1.zip")]) as plan:
        told = findings(plan, absent=("0.zip",))
    assert [(found.code, found.member) for found in told] == [
        ("archive-absent", ""), ("image-missing", "a"), ("image-stray", "a"),
    ]  # fmt: skip


def test_an_archive_whose_name_says_nothing_gives_what_only_one_row_can_mean() -> None:
    with planned([Row("a", "0.zip")], [Member("a", None)]) as plan:
        assert actions(plan) == {"png/0/a": Action.SEND}
        (told,) = findings(plan)
    assert (told.code, told.severity, told.row) == ("archive-wrong", Severity.WARNING, 1)


@pytest.mark.parametrize(
    "other", [Row("a", "1.zip"), Row("a", "1.zip", selected=False), Row("a", "1.zip", usable=False)]
)
def test_it_gives_nothing_that_two_rows_can_mean(other: Row) -> None:
    with planned([Row("a", "0.zip"), other], [Member("a", None)]) as plan:
        assert actions(plan) == {}
        (told,) = findings(plan)
        assert summary(plan).matched == 0
    assert (told.code, told.severity, told.row) == ("image-ambiguous", Severity.ERROR, 1)


def test_of_two_archives_one_of_which_says_its_place_each_row_gets_its_own_or_none() -> None:
    """The second download of 1.zip, called `1 (1).zip`, is no 0.zip."""
    with planned([Row("a", "0.zip"), Row("a", "1.zip")], [Member("a", "1.zip"), Member("a", None)]) as plan:
        assert actions(plan) == {"png/1/a": Action.SEND}
        assert sorted(found.code for found in findings(plan)) == ["image-ambiguous", "image-missing"][:1]


@pytest.mark.parametrize(
    ("first", "second", "severity", "words"),
    [
        (Member("a"), Member("a"), Severity.INFO, "the same content"),
        (Member("a"), Member("a", None), Severity.INFO, "the same content"),
        (Member("a"), Member("a", None, crc32=2), Severity.WARNING, "other content"),
        (Member("a"), Member("a", None, size_bytes=11), Severity.WARNING, "other content"),
        (Member("a"), Member("a", None, crc32=None, mtime_ns=1), Severity.INFO, "the same length"),
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


@pytest.mark.parametrize(
    "second",
    [Member("a", crc32=2), Member("a", size_bytes=11), Member("a", crc32=None, mtime_ns=1)],
)
@pytest.mark.parametrize("home", ["0.zip", None])
def test_of_two_contents_in_one_place_none_is_sent(second: Member, home: str | None) -> None:
    members = [Member("a", home), second._replace(home=home)]
    with planned([Row("a")], members) as plan:
        assert actions(plan) == {}
        (told,) = findings(plan)
    assert (told.code, told.severity, told.member) == ("image-ambiguous", Severity.ERROR, "a")


@pytest.mark.parametrize("there", [[Member("a"), Member("a", "1.zip", crc32=2)], [Member("a")], []])
def test_a_layout_that_gives_two_places_one_name_is_refused(there: list[Member]) -> None:
    """Also where an image is absent: its row would be told to have the other's."""
    rows = [Row("a", "0.zip", blob="a"), Row("a", "1.zip", blob="a")]
    with (
        pytest.raises(UsageError, match=r"gives two images called a \(rows 1 and 2\) the same name"),
        planned(rows, there),
    ):
        pass


def test_one_image_twice_may_have_one_name() -> None:
    rows = [Row("a", "0.zip", blob="a"), Row("a", "1.zip", blob="a")]
    with planned(rows, [Member("a"), Member("a", "1.zip")]) as plan:
        assert actions(plan) == {"a": Action.SEND}


def test_a_stray_is_never_sent_under_the_name_of_a_row_without_image() -> None:
    with planned([Row("a", "0.zip", blob="png/1/a")], [Member("a", "1.zip")], strays=True) as plan:
        assert actions(plan) == {}
        assert [found.severity for found in findings(plan) if found.code == "image-stray"] == [Severity.ERROR]


def test_one_image_with_two_names_is_not_sent() -> None:
    rows = [Row("a", blob="Kim/a"), Row("a", blob="Lee/a")]
    with planned(rows, [Member("a")]) as plan:
        assert actions(plan) == {}
        (told,) = [found for found in findings(plan) if found.code == "image-ambiguous"]
    assert "2 rows name it" in told.message


@pytest.mark.parametrize(
    ("times", "weak"),
    [
        ([NOW + 5, NOW + 6, NOW + 7], False),
        ([NOW + 5, NOW + 5, NOW + 7], True),
        ([NOW + 5, NOW + 6, NOW + 6, NOW + 7], False),
        ([NOW + 5], False),
        ([315_532_800 * 10**9], True),
        ([5], True),
    ],
)
def test_a_time_that_most_files_share_or_that_none_has_proves_nothing(times: list[int], weak: bool) -> None:
    members = [Member(f"m{number}", None, crc32=None, mtime_ns=time) for number, time in enumerate(times)]
    there = [There("png/0/m0", mtime_ns=times[0], source=":m0")]
    with planned([Row(member.key) for member in members], members, there) as plan:
        told = summary(plan)
        assert (told.already_there, told.compare) == ((0, 1) if weak else (1, 0))


def test_two_documents_of_one_name_are_refused() -> None:
    written = [Written("t.csv", "the table t.csv"), Written("t.csv", "docs/t.csv, which is copied as it is,")]
    with Relations() as relations, pytest.raises(UsageError, match=r"the table t\.csv and docs/t\.csv"):
        Plan(relations, send_strays=False, replace=False, documents=[], written=written)


def test_an_image_where_a_document_goes_is_refused() -> None:
    with Relations() as relations:
        relations.feed("rows", [(1, "a", "a", None, "t.csv", True, True, "")])
        relations.feed("entries", [("0.zip", "a", 10, 1, None, 0, 10, 0, 1, "a", None, "t.csv", "")])
        with pytest.raises(UsageError, match=r"and an image would both be 't\.csv'"):
            Plan(
                relations, send_strays=False, replace=False, documents=[], written=[Written("t.csv", "the table t.csv")]
            )


def test_rows_that_are_not_selected_make_no_strays_and_send_nothing() -> None:
    with planned([Row("a", selected=False), Row("b")], [Member("a"), Member("b")]) as plan:
        told = summary(plan)
        assert (told.rows, told.stray, told.images) == (1, 0, 1)
        assert findings(plan) == []


def test_broken_images_that_are_there_are_known_from_the_listing() -> None:
    with Relations() as relations:
        relations.feed("rows", [(1, "a", "a", "0.zip", NAME, True, True, "0")])
        relations.feed("entries", [("0.zip", "a", 10, 1, None, 0, 10, 0, 1, "a", "0.zip", NAME, "0")])
        relations.feed("blobs", [(NAME, 10, MD5, "e", 1, 10, None, "png;4;4;16;png-truncated", "0.zip:a")])
        plan = Plan(relations, send_strays=False, replace=False, documents=[])
        assert list(plan.found_before()) == [(NAME, "0.zip", "a", "png-truncated")]


def test_two_strays_with_one_name_are_not_sent() -> None:
    members = [Member("x", "0.zip", 1, 1, None), Member("x", "0.zip", 2, 2, None)]
    for strays, severity in ((True, Severity.ERROR), (False, Severity.WARNING)):
        with planned([], members, strays=strays) as plan:
            assert list(plan.items()) == []
            found = [finding for finding in findings(plan) if finding.code == "image-stray"]
        assert [finding.severity for finding in found] == [severity] * 2
        assert ("its place" in found[1].message) is strays


def test_images_under_the_names_of_another_layout_are_told() -> None:
    there = [There("0/a", source="0.zip:a", crc32=1), There("flat-b"), There("flat-c")]
    with planned([Row("a"), Row("b")], [Member("a")], there, [Known("flat-b", 1, key="b"), Known("flat-c", 1)]) as plan:
        (told,) = [found for found in findings(plan) if found.code == "blob-earlier"]
    assert told.severity is Severity.WARNING
    assert "2 images" in told.message
    assert "0/a, flat-b" in told.message
