"""Manifest and listing shown together: in one piece or in many, it is the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from laden.explorer import index
from laden.explorer.database import Shared
from laden.explorer.index import Index
from laden.store.manage import Detail
from laden.values.records import Blob

NAMES = "'png/'||md5(i::VARCHAR)||if(i % 7 = 0, 'é', '')||'.png'"


def shown() -> list[tuple[object, ...]]:
    with Shared() as relations:
        found = Index(relations)
        relations.run(
            f"INSERT INTO packed.listed SELECT {NAMES}, i, md5(i::VARCHAR), '', i, NULL, NULL, i, 'Hot', 'image/png'"
            " FROM range(0, 900) t(i)"
        )
        relations.run(
            f"INSERT INTO known SELECT {NAMES}, '0.zip', 'x', i, md5((i % 800)::VARCHAR), i, '', 'png', 1, 1, 16,"
            " 'whole', 'sent', '' FROM range(100, 1000) t(i)"
        )
        found.merge(["png/mine"], listed=True)
        return relations.all("SELECT * FROM items ORDER BY pos")


def test_in_many_pieces_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown()
    assert [row[0] for row in whole] == list(range(1000))
    assert [row[1] for row in whole] == sorted(str(row[1]) for row in whole)
    assert {row[8] for row in whole} == {"there", "changed", "deleted", "foreign"}
    monkeypatch.setattr(index, "_PART_ROWS", 100)
    assert shown() == whole


def test_a_page_that_asks_meanwhile_sees_one_or_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_PART_ROWS", 100)
    with Shared() as relations, ThreadPoolExecutor(2) as pages:
        found = Index(relations)
        relations.run(
            "INSERT INTO known SELECT 'a'||i, '', '', 1, '', 1, '', '', 1, 1, 1, '', '', '' FROM range(300) t(i)"
        )
        found.merge([], listed=False)
        merging = True

        def ask() -> set[int]:
            seen = set()
            while merging:
                seen.add(found.count()[0])
            return seen

        asked = [pages.submit(ask) for _ in range(2)]
        try:
            for _ in range(12):
                found.merge([], listed=False)
        finally:
            merging = False
        assert [one.result() for one in asked] == [{300}, {300}]


def test_memory_is_given_back_while_others_ask() -> None:
    """As many threads as before, and nobody's question fails of it."""
    with Shared() as relations, ThreadPoolExecutor(4) as pool:
        relations.run("CREATE TABLE numbers AS SELECT range AS n FROM range(200_000)")
        before = relations.one("SELECT current_setting('threads')")
        asked = [pool.submit(relations.one, "SELECT sum(n) FROM (FROM numbers ORDER BY n)") for _ in range(20)]
        for _ in range(10):
            relations.give_back()
        assert {one.result() for one in asked} == {(199_999 * 100_000,)}
        assert relations.one("SELECT current_setting('threads')") == before


def test_a_listing_in_another_order_is_shown_in_that_of_the_names() -> None:
    """As UTF-16 has it, in which what needs two units comes before U+FF21."""
    pages = [["a", "\U0001f600"], ["\uff21", "\uff22"]]
    with Shared() as relations:
        found = Index(relations)
        for _ in range(2):
            found.begin_listing()
            found.clear()
            for names in pages:
                blobs = [Blob(name, 1, None, f"e{name}", {}) for name in names]
                found.take([Detail(blob, 1, "Hot", "x/y") for blob in blobs], show=True)
            before = found.epoch
            found.order()
            assert found.epoch > before
            items = relations.all("SELECT pos, name, etag FROM items ORDER BY pos")
            told = ["a", "\uff21", "\uff22", "\U0001f600"]
            assert items == [(at, name, f"e{name}") for at, name in enumerate(told)]
            before = found.epoch
            found.order()
            assert found.epoch == before
