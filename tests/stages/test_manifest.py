"""The manifest and the page: the same data give the same bytes, and what cannot be read is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from laden.relations import Relations
from laden.stages.loadpage import Document, read_load_page, write_load_page
from laden.stages.manifest import collect, losses, read_manifest, write_manifest
from laden.stages.plan import Plan
from laden.values.errors import StoreError
from laden.values.records import Step

MD5 = [f"{number:032x}" for number in range(10)]


@pytest.fixture
def relations() -> Iterator[Relations]:
    with Relations() as opened:
        yield opened


def there(name: str, number: int, source: str | None, image: str | None = "png;4;5;16;whole") -> tuple[Any, ...]:
    """A listed blob, as laden's own metadata describe it, or (without source) as another tool left it."""
    own = (number, 10, None, image, source) if source else (None, None, None, None, None)
    return (name, 10, MD5[number], "etag", *own)


def receipt(name: str, number: int, outcome: str = "sent") -> tuple[Any, ...]:
    return (name, "0.zip", f"{number}.png", outcome, 10, MD5[number], number, "png", 4, 5, 16, "whole", "")


def known(name: str, number: int, state: str = "whole", how: str = "sent") -> tuple[Any, ...]:
    return (name, "0.zip", f"{number}.png", 10, MD5[number], number, "", "png", 4, 5, 16, state, how, "")


def manifest(relations: Relations) -> list[tuple[Any, ...]]:
    Plan(relations, send_strays=False, replace=False, documents=[])
    collect(relations)
    with duckdb.connect() as connection:
        return connection.execute("FROM read_parquet(?)", [str(write_manifest(relations))]).fetchall()


def test_it_holds_what_was_sent_what_was_there_and_what_was_known(relations: Relations) -> None:
    relations.feed("blobs", [there("a", 1, "0.zip:1.png"), there("b", 2, "0.zip:2.png"), there("c", 3, None)])
    relations.feed("receipts", [receipt("a", 1)])
    relations.feed("known", [known("c", 3)])
    assert manifest(relations) == [
        (name, "0.zip", f"{n}.png", 10, MD5[n], n, "", "png", 4, 5, 16, "whole", "sent", "")
        for n, name in enumerate("abc", 1)
    ]


def test_however_it_is_known_the_bytes_are_the_same(tmp_path: Path) -> None:
    found = []
    for way in ("receipts", "metadata", "known", "mixed"):
        with Relations() as relations:
            names = [f"png/{n}" for n in range(1, 9)]
            own = way in ("receipts", "metadata", "mixed")
            relations.feed(
                "blobs",
                [there(name, n, f"0.zip:{n}.png" if own else None) for n, name in enumerate(names, 1)],
            )
            if way in ("receipts", "mixed"):
                relations.feed(
                    "receipts", [receipt(names[n - 1], n) for n in (range(1, 9) if way == "receipts" else (2, 7))]
                )
            if way == "known":
                relations.feed("known", [known(names[n - 1], n) for n in range(1, 9)])
            assert len(manifest(relations)) == 8
            found.append(write_manifest(relations).read_bytes())
    assert set(found) == {found[0]}


def test_what_nobody_looked_into_is_unseen_also_where_earlier_versions_wrote_that_it_is_whole(
    relations: Relations,
) -> None:
    relations.feed("blobs", [
        there("a", 1, "a.nrrd", ";0;0;0;whole"), there("b", 2, None), there("c", 3, "c.nrrd", ";0;0;0;unseen"),
        there("d", 4, "d.nrrd", "nonsense"), there("e", 5, "e.nrrd"),
    ])  # fmt: skip
    relations.feed("known", [("b", "", "b.nrrd", 10, MD5[2], 2, "", "", 0, 0, 0, "whole", "sent", "")])
    relations.feed("receipts", [("e", "", "e.nrrd", "sent", 10, MD5[5], 5, "", 0, 0, 0, "unseen", "")])
    assert {(row[0], row[7], row[11]) for row in manifest(relations)} == {(name, "", "unseen") for name in "abcde"}
    relations.run("DELETE FROM known")
    relations.run("UPDATE loaded SET state = 'whole'")
    read_manifest(relations, write_manifest(relations))
    assert relations.one("SELECT list(DISTINCT state) FROM known") == (["unseen"],)


def test_what_is_gone_or_changed_stays_as_it_was_recorded_and_is_told_and_nothing_foreign_comes_in(
    relations: Relations,
) -> None:
    relations.feed(
        "blobs",
        [
            there("changed", 1, None),
            there("foreign", 2, None),
            there("conflict", 3, "0.zip:x"),
            there("stays", 4, None),
        ],
    )
    relations.feed("known", [known("gone", 5), known("changed", 6), known("stays", 4)])
    relations.feed("receipts", [receipt("conflict", 9, "conflict"), receipt("foreign", 8, "failed")])
    rows = [(row[0], row[4]) for row in manifest(relations)]
    assert rows == [("changed", MD5[6]), ("gone", MD5[5]), ("stays", MD5[4])]
    assert [found.blob for found in losses(relations)] == ["changed", "gone"]


@pytest.mark.parametrize("believed", [True, False], ids=["the manifest holds", "a load broke off"])
def test_metadata_that_were_copied_with_a_blob_do_not_replace_what_was_recorded(
    relations: Relations, believed: bool
) -> None:
    """As a copy within the service leaves them; after a load that broke off, they are what that load sent."""
    relations.feed("blobs", [there("a", 2, "0.zip:2.png")])
    relations.feed("known", [known("a", 1)])
    Plan(relations, send_strays=False, replace=False, documents=[])
    collect(relations, believed=believed)
    assert [found.blob for found in losses(relations)] == ["a"] * believed


def test_metadata_that_are_not_whole_make_no_manifest_row(relations: Relations) -> None:
    relations.feed("blobs", [("a", 10, MD5[1], "e", None, None, None, "nonsense", "0.zip:a")])
    assert manifest(relations) == []


def test_names_in_the_metadata_are_read_back(relations: Relations) -> None:
    relations.feed("blobs", [there("x", 1, "d%20e/0.zip:a%3Ab%20%C3%A4.png")])
    assert [row[1:3] for row in manifest(relations)] == [("d e/0.zip", "a:b \u00e4.png")]


def test_a_manifest_is_read_again(relations: Relations, tmp_path: Path) -> None:
    relations.feed("blobs", [there("a", 1, "0.zip:1.png", "png;4;5;16;png-truncated")])
    rows = manifest(relations)
    read_manifest(relations, write_manifest(relations))
    assert list(relations.stream("SELECT * FROM known")) == rows
    assert rows[0][-3:] == ("png-truncated", "sent", "")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 10])
def test_what_is_no_manifest_is_told(relations: Relations, content: bytes) -> None:
    path = relations.folder / "other.parquet"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="remove it and run the load again"):
        read_manifest(relations, path)


def test_a_parquet_file_of_other_columns_is_told(relations: Relations) -> None:
    path = relations.folder / "other.parquet"
    relations.run(f"COPY (SELECT 1 AS x) TO '{path}' (FORMAT parquet)")
    with pytest.raises(StoreError, match="is not a manifest"):
        read_manifest(relations, path)


def test_a_manifest_with_gaps_is_told(relations: Relations) -> None:
    path = relations.folder / "other.parquet"
    relations.feed("receipts", [receipt("a", 1)])
    gaps = "blob, archive, member, size_bytes, md5, NULL::BIGINT AS crc32, '' AS key, kind, width, height, bits, state"
    relations.run(f"COPY (SELECT {gaps} FROM receipts) TO '{path}' (FORMAT parquet)")
    with pytest.raises(StoreError, match="is not a manifest"):
        read_manifest(relations, path)


@pytest.mark.parametrize(
    "lie", ["SELECT *", *(f"SELECT * REPLACE ({n}::BIGINT AS size_bytes)" for n in (-1, 2**63 - 1))]
)
def test_a_manifest_that_laden_cannot_have_written_is_told(relations: Relations, lie: str) -> None:
    path = relations.folder / "other.parquet"
    md5 = "repeat('0', 32) AS md5"
    told = f"blob, archive, member, size_bytes, {md5}, 0 AS crc32, '' AS key, kind, width, height, bits, state"
    twice = [receipt("a", 1)] * (2 if lie == "SELECT *" else 1)
    relations.feed("receipts", twice)
    relations.run(f"COPY ({lie} FROM (SELECT {told} FROM receipts)) TO '{path}' (FORMAT parquet)")
    with pytest.raises(StoreError, match="is not a manifest"):
        read_manifest(relations, path)


def test_a_page_says_what_and_how_much_and_no_time(relations: Relations) -> None:
    relations.feed("blobs", [there("a", 1, "0.zip:1.png"), there("b", 2, "1.zip:2.png", "png;0;0;0;png-header")])
    relations.feed("rows", [(1, "k", "k", "0.zip", "a", True, True, ""), (2, "l", "l", "0.zip", "z", True, True, "")])
    manifest(relations)
    document = Document("t.csv", 5, MD5[3])
    pages = [
        write_load_page(
            relations,
            profile="p",
            layout="l",
            state="complete",
            table=document,
            others=[],
            manifest=document,
        )
        for _ in range(2)
    ]
    assert pages[0] == pages[1]
    page = json.loads(pages[0])
    assert page["archives"] == {"0.zip": {"images": 1, "bytes": 10}, "1.zip": {"images": 1, "bytes": 10}}
    assert (page["images"], page["images_broken_inside"], page["bytes"]) == (2, 1, 20)
    assert (page["rows"], page["rows_with_image"]) == (2, 1)
    read = read_load_page(pages[0])
    assert (read.state, read.documents) == ("complete", (document, document))


def test_a_page_names_each_selections_table(relations: Relations) -> None:
    manifest(relations)
    here = Document("here.csv", 5, MD5[1], (Step("table", "t.csv", 9), Step("where", "x = 'y'", 3)))
    before = Document("before.csv", 6, MD5[2], (Step("table", "t.csv", 9), Step("first", "2 images", 2)))
    parquet = Document("m.parquet", 7, MD5[3])
    data = write_load_page(
        relations,
        profile="p",
        layout="l",
        state="complete",
        table=here,
        others=[before],
        manifest=parquet,
    )
    assert read_load_page(data).documents == (parquet, here, before)
    assert here.asked == (("where", "x = 'y'"),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"format": 1, "state": "complete", "manifest": null, "table": null, "documents": [{"name": "x"}]}',
        b'{"format": 1, "state": "complete", "manifest": null, "table": null, "documents": 7}',
        b"[]",
        b"{}",
        b"\xff",
        b"null",
        b'{"format": 2, "state": "complete", "manifest": null, "table": null}',
        b'{"format": 1, "state": "complete", "manifest": {"x": 1}, "table": null}',
        b'{"format": 1, "state": "complete", "manifest": 7, "table": null}',
    ],
)
def test_what_is_no_page_is_told(data: bytes) -> None:
    with pytest.raises(StoreError, match="not a page this version can read"):
        read_load_page(data)
