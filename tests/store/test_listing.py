"""Ranges of a listing at once: the same blobs as one chain gives, or it says that they do not fit."""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.relations import Relations
from laden.stages import inventory
from laden.stages.inventory import Listing
from laden.store import CREATE_ONLY, Page, Store, listing, parse_destination
from laden.store.blob import BlobStore
from laden.store.credentials import find_credential
from laden.store.listing import RangesDoNotFit, Span, StartFrom, list_all, list_ranges, list_spans
from laden.values.errors import AccessDenied, StoreError
from laden.values.records import Blob
from tests.contracts.store import properties


class Names:
    """A service that lists names in an order of its own, a few at a time; nothing of it is hidden from the test."""

    def __init__(
        self, names: list[str], page_names: int = 3, order: Callable[[str], object] = lambda name: name
    ) -> None:
        self.names = sorted(set(names), key=order)
        self._keys = [order(name) for name in self.names]
        self._order = order
        self._page_names = page_names
        self.knows_ranges = True
        self.says_no = False
        self.asked: list[str] = []

    async def list_page(self, marker: str = "") -> Page:
        await asyncio.sleep(0)
        self.asked.append(marker.name if isinstance(marker, StartFrom) else "")
        at = int(marker or 0)
        if isinstance(marker, StartFrom):
            if self.says_no:
                raise StoreError("the service refused it with 400 InvalidHeaderValue")
            if self.knows_ranges and not marker:
                at = bisect_left(self._keys, self._order(marker.name))  # type: ignore[type-var]
        end = min(at + self._page_names, len(self.names))
        blobs = [Blob(name, 1, None, "", {}) for name in self.names[at:end]]
        following = str(end) if end < len(self.names) else ""
        return Page(blobs, StartFrom(marker.name, following) if isinstance(marker, StartFrom) else following)


def ranges(service: Names, starts: list[str], marker: str = "") -> list[str]:
    async def work() -> list[str]:
        listed = [blob.name async for page in list_ranges(service, marker, starts) for blob in page]  # type: ignore[arg-type]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return listed

    return asyncio.run(work())


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
NAMES = st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=40)
STARTS = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=3), max_size=8)
BINARY: list[Callable[[str], object]] = [str, lambda name: name.encode(), lambda name: name.encode("utf-16-be")]
OTHER: list[Callable[[str], object]] = [
    lambda name: name.replace("/", "\0"),
    lambda name: (name.lower(), name),
    lambda name: name[::-1],
]


@given(NAMES, STARTS, st.sampled_from(BINARY), st.integers(1, 7))
def test_ranges_are_the_whole_listing(names, starts, order, page_names):
    service = Names(names, page_names, order)
    assert sorted(ranges(service, sorted(set(starts)))) == sorted(service.names)


@given(NAMES, STARTS, st.sampled_from(OTHER), st.integers(1, 7))
def test_in_any_other_order_they_are_it_too_or_do_not_fit(names, starts, order, page_names):
    service = Names(names, page_names, order)
    with contextlib.suppress(RangesDoNotFit):
        assert sorted(ranges(service, sorted(set(starts)))) == sorted(service.names)


def spans_between(starts: list[str]) -> list[Span]:
    """Every other stretch between some names, and two that touch."""
    names = sorted({*starts, "~~~~"})
    return [Span(one, other) for number, (one, other) in enumerate(pairwise(names)) if number % 3 != 1]


@settings(deadline=None)
@given(NAMES, STARTS, st.sampled_from(BINARY), st.integers(1, 7))
def test_spans_are_what_lies_in_them_and_nothing_else(names, starts, order, page_names):
    service = Names([name for name in names if name.isascii()], page_names, order)
    spans = spans_between(starts)

    async def work() -> list[str]:
        return [blob.name async for page in list_spans(service, spans) for blob in page]  # type: ignore[arg-type]

    wanted = [name for name in service.names if any(span.start <= name < span.bound for span in spans)]
    assert sorted(asyncio.run(work())) == sorted(wanted)


def test_pages_are_asked_for_at_once_and_no_more_than_needed():
    service = Names([f"{number:03d}" for number in range(100)], 10)
    assert len(ranges(service, ["025", "050", "075"])) == 100
    assert sorted(set(service.asked)) == ["", "025", "050", "075"]
    assert len(service.asked) == 12


@pytest.mark.parametrize("how", ["ignores it", "says no"])
def test_an_older_service_is_noticed(how):
    service = Names(["a", "b", "c", "d", "e"], 2)
    service.knows_ranges, service.says_no = how != "ignores it", how == "says no"
    with pytest.raises(RangesDoNotFit):
        ranges(service, ["c"])


def test_a_refusal_is_not_taken_for_an_older_service():
    class Denying(Names):
        async def list_page(self, marker: str = "") -> Page:
            raise AccessDenied("no")

    with pytest.raises(AccessDenied):
        ranges(Denying(["a", "b"]), ["b"])


def test_a_writer_at_the_joint_is_noticed():
    class Growing(Names):
        """A name before the joint appears once the range behind it was begun."""

        async def list_page(self, marker: str = "") -> Page:
            page = await super().list_page(marker)
            if isinstance(marker, StartFrom) and "c0" not in self.names:
                self.names = sorted([*self.names, "c0"])
                self._keys = list(self.names)
            return page

    with pytest.raises(RangesDoNotFit):
        ranges(Growing(["a", "b", "b1", "b2", "d", "e"], 1), ["c"])


def listed_by(store: Store, monkeypatch: pytest.MonkeyPatch, rows: list[str]) -> list[str]:
    """What the relation holds after a listing in ranges of five names."""
    monkeypatch.setattr(inventory, "_STARTS", inventory._STARTS.replace("4900", "3"))

    async def work() -> list[str]:
        with Relations() as relations:
            relations.feed_columns("rows", {"row": range(len(rows)), "blob": rows}, {"usable": True})
            listing = Listing(store, relations)
            await listing.begin()
            await listing.finish()
            first = [name for (name,) in relations.stream("SELECT name FROM blobs ORDER BY name")]
            await listing.repeat()
            assert first == [name for (name,) in relations.stream("SELECT name FROM blobs ORDER BY name")]
            return first

    return asyncio.run(work())


@pytest.mark.parametrize("how", ["knows", "ignores it", "says no", "other order"])
def test_whatever_the_service_can_do_every_blob_is_listed_once(monkeypatch, how):
    names = [f"png/{number:02d}/{number}{'é' if number % 5 else ''}" for number in range(60)]
    service = Names(names, 4, (lambda name: name[::-1]) if how == "other order" else (lambda name: name))
    service.knows_ranges, service.says_no = how != "ignores it", how == "says no"
    assert listed_by(service, monkeypatch, [name for name in names if name.isascii()]) == sorted(names)  # type: ignore[arg-type]
    if how in ("ignores it", "says no"):
        assert service.asked.count("") >= 31, "one chain each time"
    assert len(set(service.asked)) > 1, "ranges were tried"


@pytest.mark.parametrize("how", ["knows", "ignores it", "says no"])
def test_a_listing_that_is_narrowed_asks_for_little_where_it_can(how):
    service = Names([f"png/{number:04d}" for number in range(400)] + ["_laden/load.json"], 10)
    service.knows_ranges, service.says_no = how != "ignores it", how == "says no"
    wanted = {"_laden/load.json", *(f"png/{number:04d}" for number in range(200, 220))}

    async def work() -> None:
        with Relations() as relations:
            listing = Listing(service, relations)  # type: ignore[arg-type]
            listing.narrow([Span("_laden/", "_laden0"), Span("png/0200", "png/0220")])
            await listing.begin()
            for again in (listing.finish, listing.repeat):
                await again()
                names = [name for (name,) in relations.stream("SELECT name FROM blobs ORDER BY name")]
                assert len(names) == len(set(names))
                assert set(names) == (wanted if how == "knows" else set(service.names))

    asyncio.run(work())
    assert (len(service.asked) < 12) == (how == "knows")


def test_the_emulator_begins_at_a_name(container):
    destination = parse_destination(f"{container}/data")
    names = [f"png/{number % 7}/{number}" for number in range(20)]

    async def work() -> None:
        store = BlobStore(destination, find_credential(destination))
        try:
            for name in names:
                await store.put(name, b"x", properties(b"x"), CREATE_ONLY)
            one = [blob async for page in list_all(store) for blob in page]
            many = [blob async for page in list_ranges(store, "", ["png/2", "png/3/10", "png/9"]) for blob in page]
            assert sorted(many) == one
            [*_, last] = [page async for page in list_ranges(store, StartFrom("png/6"), ["png/7"])]
            assert {blob.name for blob in last} == {name for name in names if name >= "png/6"}
        finally:
            await store.close()

    asyncio.run(work())


class Endless(Names):
    """A service, or what answers for it, whose listing does not come to an end."""

    def __init__(self, how: str) -> None:
        super().__init__(["a", "b", "c"])
        self.how = how

    async def list_page(self, marker: str = "") -> Page:
        await super().list_page()
        count = len(self.asked)
        marker = {"one marker": "m", "two markers": f"m{count % 2}"}.get(self.how, f"m{count}")
        return Page([] if self.how == "no names" else [Blob(name, 1, None, "", {}) for name in self.names], marker)


@pytest.mark.parametrize("how", ["one marker", "two markers", "the same names", "no names"])
def test_a_listing_that_never_ends_is_given_up(monkeypatch, how):
    monkeypatch.setattr(listing, "_MOST_EMPTY", 5)

    async def all_of_it() -> None:
        async for _ in list_all(Endless(how)):  # type: ignore[arg-type]
            pass

    with pytest.raises(StoreError, match="does not come to an end") as raised:
        asyncio.run(asyncio.wait_for(all_of_it(), 60))
    assert raised.value.exit_code == 6
    with pytest.raises(RangesDoNotFit):
        ranges(Endless(how), ["b"])
