"""Places that misbehave: listings that change, refuse in part, or never end; sources with archives; many rows."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from laden.explorer.answers import told
from laden.explorer.session import Session
from laden.explorer.stored import StoredPlace
from laden.store import parse_destination
from laden.store.manage import Detail, DetailPage, Undo
from laden.values.errors import AccessDenied, AccessEnded, StoreError
from laden.values.records import Blob
from tests.explorer.served import explored, serving
from tests.support.dataset import make_dataset


def detail(name: str, size_bytes: int = 1) -> Detail:
    return Detail(Blob(name, size_bytes, None, '"1"', {}), 1_700_000_000, "Hot", "image/png")


class Scripted:
    """A listing that a test scripts, page by page."""

    def __init__(self, pages: list[list[str]]) -> None:
        self.pages = pages
        self.gate: Callable[[int], None] = lambda _: None

    async def list_details(self, marker: str = "") -> DetailPage:
        number = int(marker or 0)
        await asyncio.to_thread(self.gate, number)
        last = number + 1 == len(self.pages)
        return DetailPage([detail(name) for name in self.pages[number]], "" if last else str(number + 1))

    async def undo(self) -> Undo:
        return Undo(0, versions=False)

    async def close(self) -> None:
        """Nothing is held open."""


def place_with(folder: Path, listing: Scripted) -> StoredPlace:
    folder.mkdir(exist_ok=True)
    place = StoredPlace(parse_destination(str(folder)))
    place.manage = listing  # type: ignore[assignment]
    return place


def test_the_first_rows_are_there_before_the_listing_ends(tmp_path: Path) -> None:
    import threading

    go = threading.Event()
    listing = Scripted([["a/1.png", "a/2.png"], ["b/1.png"], ["b/2.png", "c.png"]])
    listing.gate = lambda number: None if number == 0 else go.wait(20) and None
    with serving(lambda: place_with(tmp_path / "place", listing), tmp_path) as asker:
        asker.until(lambda: asker.post("view")["rows"] == 2)
        early = asker.post("view")
        assert asker.names(early) == ["a/1.png", "a/2.png"]
        assert asker.get("status")["state"]["phase"] == "listing"
        go.set()
        assert asker.ready()["items"] == 5
        # What was asked for early still means the same: names only came behind it.
        assert asker.names(early) == ["a/1.png", "a/2.png"]
        assert asker.names(asker.post("view")) == ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "c.png"]


def test_a_view_of_an_earlier_listing_shows_no_other_items(tmp_path: Path) -> None:
    listing = Scripted([["b", "c", "d"]])
    with serving(lambda: place_with(tmp_path / "place", listing), tmp_path) as asker:
        asker.ready()
        view = asker.post("view")
        assert asker.names(view) == ["b", "c", "d"]
        listing.pages = [["a", "c", "d"]]
        asker.post("refresh")
        asker.until(lambda: asker.get("rows", view=view["view"]).get("stale"))
        asker.ready()
        assert asker.names(asker.post("view")) == ["a", "c", "d"]
        assert asker.get("rows", view=view["view"]) == {"stale": True}


@pytest.mark.parametrize("sort", ["name", "size_bytes"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_folder_holds_its_own_alone_whatever_order_the_service_lists_in(
    tmp_path: Path, sort: str, descending: bool
) -> None:
    """Accounts with folders list these one by one, others by UTF-16; pages are cut anywhere."""
    old = [f"scan-old/{number}" for number in range(4)]
    listing = Scripted(
        [[*(f"scan/{number}" for number in range(6)), *old[:2]], old[2:], ["scan/7", "\uffee", "\U0001f600"]]
    )
    with serving(lambda: place_with(tmp_path / "place", listing), tmp_path, write=True) as asker:
        asker.ready()
        for folder, held in (
            ("scan-old/", old),
            ("scan/", [f"scan/{number}" for number in (*range(6), 7)]),
            ("", None),
        ):
            view = asker.post("view", folder=folder, sort=sort, descending=descending)
            shown = asker.names(view)
            assert view["rows"] == len(shown)
            if held is None:
                assert sorted(shown) == sorted(name for page in listing.pages for name in page)
                continue
            assert sorted(shown) == held
            plan = asker.post("plan", action="delete", view=view["view"])
            assert (plan["count"], sorted(plan["names"])) == (len(held), held)


def test_what_is_asked_of_a_place_that_is_being_left_is_out_of_date_and_no_fault(tmp_path: Path) -> None:
    async def left() -> list[bytes]:
        closed, go = asyncio.Event(), asyncio.Event()

        def opener(_: str) -> StoredPlace:
            place = place_with(tmp_path / "place", Scripted([["a"]]))
            close = place.close

            async def slowly() -> None:
                await close()
                closed.set()
                await go.wait()

            place.close = slowly  # type: ignore[method-assign]
            return place

        async def asking(_: Request) -> Response:
            assert session.place is not None
            return JSONResponse(session.place.index.relations.one("SELECT 1"))

        session = Session(verbs=cast("Any", None), folder=tmp_path, write=False, opener=opener)
        await session.open()
        await session.filled()
        ask, request = told(asking, session, of_place=False), Request({"type": "http", "headers": []})
        answers = [await ask(request)]
        opening = asyncio.create_task(session.open())
        await closed.wait()
        answers.append(await ask(request))
        go.set()
        await opening
        answers.append(await ask(request))
        await session.close()
        return [bytes(answer.body) for answer in answers]

    assert asyncio.run(left()) == [b"[1]", b'{"stale":true}', b"[1]"]


@pytest.mark.parametrize("changed", [True, False])
def test_what_an_act_changes_while_a_listing_is_under_way_is_listed_after_it(tmp_path: Path, changed: bool) -> None:
    class Early(Scripted):
        """Tells what was there when it was asked."""

        async def list_details(self, marker: str = "") -> DetailPage:
            listed = await Scripted([self.pages[0]]).list_details(marker)
            await asyncio.to_thread(self.gate, 0)
            return listed

    async def names() -> list[tuple[str]]:
        listing, entered, go = Early([["a", "b"]]), threading.Event(), threading.Event()
        place = place_with(tmp_path / "place", listing)
        session = Session(verbs=cast("Any", None), folder=tmp_path, write=True, opener=lambda _: place)
        await session.open()
        await session.filled()

        def gate(_: int) -> None:
            entered.set()
            go.wait(60)

        listing.gate = gate
        await session.refresh()
        await asyncio.to_thread(entered.wait, 60)
        listing.pages, listing.gate = [["a", "c"]], lambda _: None
        await session.refresh(changed=changed)
        go.set()
        await session.filled()
        try:
            assert place.index.state.phase == "ready"
            return place.relations.all("SELECT name FROM items ORDER BY name")
        finally:
            await session.close()

    assert asyncio.run(names()) == [("a",), ("c" if changed else "b",)]


def test_a_listing_that_is_refused_midway_keeps_what_came_and_says_why(tmp_path: Path) -> None:
    listing = Scripted([["a", "b"], ["c"]])

    def refuse(number: int) -> None:
        if number:
            raise AccessEnded("the SAS ended at 12:00 UTC")

    listing.gate = refuse
    with serving(lambda: place_with(tmp_path / "place", listing), tmp_path) as asker:
        status = asker.ready()
        assert status["state"]["phase"] == "failed"
        assert status["state"]["error"] == "the SAS ended at 12:00 UTC"
        assert asker.names(asker.post("view")) == ["a", "b"]


def test_one_prefix_that_is_refused_leaves_the_others_alone(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1})
    (data,) = dataset.blobs.values()

    class Partly:
        async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
            if name.startswith("no/"):
                raise AccessDenied("the credential may not read here")
            return data[offset : offset + length]

        async def close(self) -> None:
            """Nothing is held open."""

    def place() -> StoredPlace:
        one = place_with(tmp_path / "place", Scripted([["no/1.png", "yes/1.png"]]))
        one.store = Partly()  # type: ignore[assignment]
        return one

    with serving(place, tmp_path) as asker:
        asker.ready()
        assert asker.refused("GET", "pixels", name="no/1.png") == (403, "the credential may not read here")
        assert asker.raw("GET", "/api/pixels?name=yes/1.png")[0] == 200
        assert asker.raw("GET", "/api/thumb?name=yes/1.png")[1]["content-type"] == "image/webp"
        job = asker.job(asker.post("download", names=["no/1.png", "yes/1.png"], folder="got")["number"])
        assert job["result"]["outcomes"]["failed"] == 1


def test_a_store_that_breaks_in_a_way_nobody_thought_of_is_told(tmp_path: Path) -> None:
    listing = Scripted([["a"]])

    def fail(_: int) -> None:
        raise StoreError("the service answered with something that is not a listing")

    listing.gate = fail
    with serving(lambda: place_with(tmp_path / "place", listing), tmp_path) as asker:
        assert "not a listing" in asker.ready()["state"]["error"]


def test_archives_are_looked_into_and_nothing_is_unpacked(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 2}, stray=1, missing=1, corrupt=1)
    before = sorted(path.name for path in dataset.folder.rglob("*"))
    with explored(str(dataset.folder)) as asker:
        assert asker.get("status")["place"]["kind"] == "source"
        view = asker.post("view", find=".png")
        names = asker.names(view)
        assert {tuple(name.split("/", 1)) for name in names} == set(dataset.members)
        assert {name for name, *_ in asker.get("folders", view=view["view"])["folders"]} == {"0.zip", "1.zip"}
        assert asker.post("view", where=["laden_fate = 'stray'"], find=".png")["rows"] == 1
        good = next(f"{a}/{m}" for a, m in dataset.members if (a, m) not in dataset.corrupt)
        assert asker.raw("GET", f"/api/pixels?name={good}")[1]["x-laden-image"].startswith('{"width": 16')
        told = asker.get("item", name=good)
        assert told["item"]["crc32"]
        assert told["item"]["offset_bytes"] >= 0
        bad = "/".join(dataset.corrupt[0])
        assert asker.raw("GET", f"/api/pixels?name={bad}")[0] == 200
        status, _, _ = asker.raw("GET", f"/api/file?name={good}")
        assert status == 200
    assert sorted(path.name for path in dataset.folder.rglob("*")) == before


@pytest.mark.parametrize("before", [True, False], ids=["looked at before", "not yet open"])
def test_an_archive_that_is_exchanged_meanwhile_is_told_so_and_not_as_broken(tmp_path: Path, before: bool) -> None:
    """An image of it was shown as one of which not a byte could be had."""
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 2})
    other = make_dataset(tmp_path / "other", {"0": 3}, size=40)
    (dataset.folder / "loose.png").write_bytes(b"plain")
    with explored(str(dataset.folder)) as asker:
        names = [f"{archive}/{member}" for archive, member in dataset.members if archive == "0.zip"]
        kept = next(f"{archive}/{member}" for archive, member in dataset.members if archive == "1.zip")
        if before:
            assert asker.raw("GET", f"/api/pixels?name={names[0]}")[0] == 200
        if not before:
            # Of a file that is open, the content stays, and is shown as what it is.
            (dataset.folder / "0.zip").unlink()
        (dataset.folder / "0.zip").write_bytes((other.folder / "0.zip").read_bytes())
        (dataset.folder / "loose.png").write_bytes(b"longer than it was")
        for name in (*names, "loose.png"):
            status, told = asker.refused("GET", "pixels", name=name)
            assert (status, "changed since it was looked into: Refresh" in told) == (409, True)
        assert asker.raw("GET", f"/api/pixels?name={kept}")[0] == 200
        (dataset.folder / "loose.png").unlink()
        status, told = asker.refused("GET", "pixels", name="loose.png")
        assert (status, "gone since it was looked into" in told) == (404, True)
        asker.post("refresh")
        asker.ready()
        names = asker.names(asker.post("view", find="0.zip/"))
        assert {asker.raw("GET", f"/api/pixels?name={name}")[0] for name in names} == {200}


def test_a_table_without_a_load_is_joined_too(tmp_path: Path) -> None:
    """As AzCopy leaves a dataset: images and table, and nothing of laden's."""
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    folder = tmp_path / "place"
    for name, data in dataset.blobs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / dataset.table.name).write_bytes(dataset.table.read_bytes())
    with serving(lambda: StoredPlace(parse_destination(str(folder))), tmp_path) as asker:
        assert asker.ready()["state"]["table"] == dataset.table.name
        assert asker.post("view", where=["ImageDir = 0"])["rows"] == 3


def test_an_idle_server_ends_and_one_that_works_does_not(tmp_path: Path) -> None:
    from laden.explorer.serve import listening, serve
    from laden.explorer.session import Session, Verbs
    from laden.run.loop import run

    async def session() -> Session:
        def unused(*_: object) -> None:
            raise AssertionError

        return Session(verbs=Verbs(unused, unused, unused, unused), folder=tmp_path, write=False, opener=lambda _: None)  # type: ignore[arg-type,return-value]

    run(serve(listening(None), session, lambda *_: None, idle_s=0.1))


@pytest.mark.parametrize("port", [0])
def test_a_port_that_is_taken_is_a_sentence(port: int) -> None:
    from laden.explorer.serve import listening
    from laden.values.errors import UsageError

    taken = listening(None)
    try:
        with pytest.raises(UsageError, match="name another --port"):
            listening(taken.getsockname()[1])
    finally:
        taken.close()
