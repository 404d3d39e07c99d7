"""The label table in the explorer's database: taken in parts, so that its length is no matter of memory."""

import asyncio
import csv
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from laden.dataset.profile import known_profile
from laden.dataset.selection import Part
from laden.dataset.table import Table
from laden.demo import rows
from laden.explorer import labels
from laden.explorer.acts import Acts
from laden.explorer.answers import Stale, of_view
from laden.explorer.chosen import Choice, Chosen
from laden.explorer.database import PACKED, Shared
from laden.explorer.index import Index
from laden.explorer.joined import Naming
from laden.explorer.labels import Labels
from laden.explorer.marks import Marks
from laden.explorer.views import Query, View, Views
from laden.store import FolderDestination
from laden.values.errors import UsageError
from tests.support.dataset import make_dataset


@contextmanager
def _joined(tmp_path: Path) -> Iterator[tuple[Shared, Index, Labels, dict[str, str]]]:
    """An index of a manifest, and the labels of its images; with what each image's row says of its projection."""
    dataset = make_dataset(tmp_path / "source", {"0": 5, "1": 4}, size=32)
    with dataset.table.open(encoding="utf-8", newline="") as file:
        right = {row["ImageID"]: row["Projection"] for row in csv.DictReader(file)}
    with Shared() as relations:
        index, own = Index(relations), Labels(relations)
        try:
            relations.feed(
                "known",
                ((f"png/{name}", "", "", 1, "0" * 32, 1, name, "png", 1, 1, 16, "whole", "sent", "") for name in right),
            )
            index.merge([], listed=False)
            profile = known_profile("padchest")
            assert profile is not None
            own.read(
                [Part(Table.open(dataset.table).hold(relations.folder), profile.table)],
                Naming(profile.layout, profile, manifest=True),
            )
            yield relations, index, own, right
        finally:
            own.close()


def _shown(relations: Shared) -> dict[str, str | None]:
    return dict(
        relations.all("SELECT split_part(name, '/', -1), Projection FROM records JOIN items ON pos = laden_pos")
    )


def test_two_that_join_at_once_do_it_one_after_the_other(tmp_path: Path) -> None:
    with _joined(tmp_path) as (relations, _, own, right), ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(own.join) for _ in range(40)]:
            one.result()
        assert _shown(relations) == right


def test_no_image_gets_the_labels_of_what_stood_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that comes while labels are joined moves all positions by one."""
    with _joined(tmp_path) as (relations, index, own, right), ThreadPoolExecutor(1) as pool:
        relations.run("INSERT INTO packed.listed (name, size_bytes) VALUES ('a', 1)")
        joined, merging = labels.join_lines, []

        def slow(*given: Any) -> None:
            joined(*given)
            merging.append(pool.submit(index.merge, [], listed=False))
            # It waits for the join; did it not, it would be over long before.
            with suppress(TimeoutError):
                merging[-1].result(1)

        with monkeypatch.context() as patched:
            patched.setattr(labels, "join_lines", slow)
            own.join()
        merging[0].result()
        shown = _shown(relations)
        assert shown.keys() == {*right, "a"}
        assert {*shown.values()} == {None}, "until they are joined anew"
        own.join()
        assert _shown(relations) == {**right, "a": None}
        relations.run("INSERT INTO packed.listed (name, size_bytes) VALUES ('a', 2)")
        index.merge([], listed=False)
        assert _shown(relations) == {**right, "a": None}, "nothing moved"


def test_rows_of_a_new_table_are_not_taken_for_those_of_the_old_one(tmp_path: Path) -> None:
    with _joined(tmp_path) as (relations, _, own, right):
        own.join()
        table = tmp_path / "turned.csv"
        with (tmp_path / "source" / rows.TABLE_NAME).open(encoding="utf-8", newline="") as file:
            header, *records = csv.reader(file)
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *reversed(records)])
        profile = known_profile("padchest")
        assert profile is not None
        own.read(
            [Part(Table.open(table).hold(relations.folder), profile.table)],
            Naming(profile.layout, profile, manifest=True),
        )
        assert {*_shown(relations).values()} == {None}, "until it is joined"
        own.join()
        assert _shown(relations) == right


def _names(views: Views, view: View) -> list[Any]:
    return [row[1] for row in views.window(view, 0, 100)]


def test_what_is_asked_of_a_view_while_items_move_is_out_of_date(tmp_path: Path) -> None:
    with _joined(tmp_path) as (relations, index, own, _):
        views = Views(relations, own)
        place: Any = SimpleNamespace(views=views, index=index)
        view = views.open(Query(), index.state.generation, index.epoch)

        def meanwhile(view: View) -> list[str]:
            relations.run("INSERT INTO packed.listed (name, size_bytes) VALUES ('a', 1)")
            index.merge([], listed=False)
            return _names(views, view)

        assert len(asyncio.run(of_view(place, view.number, partial(_names, views)))) == 9
        for ask in (meanwhile, partial(_names, views)):
            with pytest.raises(Stale):
                asyncio.run(of_view(place, view.number, ask))


def test_nothing_goes_by_labels_and_marks_that_are_still_on_their_way(tmp_path: Path) -> None:
    """Without its marks, an image that was excluded would be in what is exported, fetched or deleted."""
    with _joined(tmp_path) as (relations, index, own, _):
        own.join()
        views = Views(relations, own)
        place: Any = SimpleNamespace(views=views, index=index)
        query = Query(where=("laden_mark IS DISTINCT FROM 'exclude'",))
        chosen = views.open(query, index.state.generation, index.epoch).number
        every = views.open(Query(), index.state.generation, index.epoch).number
        relations.settled = True
        assert len(asyncio.run(of_view(place, chosen, partial(_names, views)))) == 9
        relations.settled = False
        assert len(asyncio.run(of_view(place, every, partial(_names, views)))) == 9
        for number, labelled in ((chosen, False), (every, True)):
            with pytest.raises(Stale):
                asyncio.run(of_view(place, number, partial(_names, views), labelled=labelled))
        index.state.phase = "failed"
        with pytest.raises(UsageError, match="Refresh"):
            asyncio.run(of_view(place, chosen, partial(_names, views)))
        for disturb in (
            lambda: index.merge([], listed=False),
            index.clear,
            lambda: _read_again(relations, own, tmp_path),
        ):
            relations.settled = True
            disturb()
            assert not relations.settled


def _read_again(relations: Shared, own: Labels, tmp_path: Path) -> None:
    profile = known_profile("padchest")
    assert profile is not None
    own.read(
        [Part(Table.open(tmp_path / "source" / rows.TABLE_NAME).hold(relations.folder), profile.table)],
        Naming(profile.layout, profile, manifest=True),
    )


def test_a_place_is_left_while_a_thread_still_makes_something_in_it() -> None:
    long = "CREATE TABLE long AS SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(10_000_000) b"
    relations = Shared()
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(relations.run, long)
        tick = threading.Event()
        while relations._lock.acquire(blocking=False):
            relations._lock.release()
            tick.wait(0.01)
        relations.close()
        assert isinstance(making.exception(60), Shared.Error)
    assert not relations.folder.exists()


def test_a_place_is_left_while_others_ask_it() -> None:
    def ask(relations: Shared) -> None:
        with suppress(Shared.Error):
            while True:
                relations.one("SELECT 1")

    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            relations = Shared()
            asking = [pool.submit(ask, relations) for _ in range(3)]
            relations.one("SELECT 1")
            relations.close()
            for one in asking:
                one.result(60)
            assert not relations.folder.exists()


def test_what_several_choose_at_once_is_kept_apart(tmp_path: Path) -> None:
    with _joined(tmp_path) as (relations, _, _, right), ThreadPoolExecutor(4) as pool:
        index = SimpleNamespace(relations=relations)
        destination = FolderDestination(tmp_path)
        place: Any = SimpleNamespace(relations=relations, load=None, index=index, destination=destination)
        acts = Acts(place, Marks(place, tmp_path, write=False))

        async def chosen(names: list[str]) -> Chosen:
            return (await acts._meant("delete", Choice(tuple(names))))[0]

        relations.run("UPDATE packed.items SET etag = 'e'")
        wanted = [[f"png/{name}"] for name in right] * 20
        for names, targets in zip(wanted, pool.map(lambda names: asyncio.run(chosen(names)), wanted), strict=True):
            assert [target.name for target in targets] == names


def _read(table: Path) -> list[tuple[Any, ...]]:
    with Shared() as relations:
        Index(relations)
        own = Labels(relations)
        try:
            profile = known_profile("padchest")
            assert profile is not None
            own.read(
                [Part(Table.open(table).hold(relations.folder), profile.table)],
                Naming(profile.layout, profile, manifest=True),
            )
            assert relations.all(f"SELECT count(*) FROM {PACKED}.labels") == relations.all(
                "SELECT count(*) FROM labels"
            )
            return relations.all("SELECT * FROM labels ORDER BY laden_row")
        finally:
            own.close()


def test_a_table_that_is_taken_in_parts_is_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 5, "1": 4}, size=32)
    whole = _read(dataset.table)
    assert len(whole) == 9
    monkeypatch.setattr(labels, "_PART_ROWS", 2)
    assert _read(dataset.table) == whole


def test_a_table_without_a_record_has_its_columns(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1}, size=32)
    dataset.table.write_text(dataset.table.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    assert _read(dataset.table) == []


def test_parts_of_a_table_with_long_records_have_fewer_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "_PART_BYTES", 1_000)
    packed: list[int] = []

    def pack(shared: Shared) -> None:
        if shared.has(f"{PACKED}.labels"):
            packed.append(*shared.one(f"SELECT count(*) FROM {PACKED}.labels"))

    monkeypatch.setattr(Shared, "pack", pack)
    with _joined(tmp_path) as (relations, _, own, right):
        own.join()
        assert _shown(relations) == right
    # Two records of some 500 bytes each.
    steps = [after - before for before, after in zip([0, *packed], packed, strict=False)]
    assert len(steps) > 3
    assert max(steps) <= 4
