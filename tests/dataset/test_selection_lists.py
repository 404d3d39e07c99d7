"""Whole columns asked in SQL: keys and lists are what the functions for single ones make of them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.profile import open_profile
from laden.dataset.selection import listed
from laden.dataset.selection.keys import entry_key, fold, is_image, row_key
from laden.dataset.selection.lists import declare_lists, read_lists
from laden.dataset.table.cells import parse_cuis, parse_list
from laden.relations import Relations

ITEMS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("ab ,'\"\\\n\u3000\xa0")), max_size=5
)
LISTS = st.lists(st.one_of(ITEMS, st.none(), st.just("nan"), st.just(" a")), max_size=4)
NEAR = st.text(st.sampled_from("[]'\"\\ ,ab\n"), max_size=12)
KEYS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs", "Cc"]), st.sampled_from("aB/\u00df\u0130.")), max_size=8
)


def as_numpy(items: list[str | None]) -> str:
    return "[" + " ".join(map(repr, items)).replace(" ", "\n ", 1) + "]"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(LISTS.map(repr), LISTS.map(as_numpy), NEAR), min_size=1, max_size=20))
@pytest.mark.parametrize(("kind", "parse"), [("list", parse_list), ("cuis", parse_cuis)])
def test_lists_are_read_as_single_cells_are(kind: str, parse: object, cells: list[str]) -> None:
    assert callable(parse)
    texts = sorted({cell.strip() for cell in cells})
    with Relations() as relations:
        relations.run("CREATE TABLE fields (c3 VARCHAR)")
        relations.feed("fields", [(text,) for text in texts])
        declare_lists(relations, 3)
        read_lists(relations, "fields", 3, kind)
        found = dict(relations.stream("SELECT text3, items3 FROM lists3"))
    expected = {text: parse(text) for text in texts}
    assert found == {text: None if items is None else list(items) for text, items in expected.items()}


@settings(max_examples=25, deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=20), st.booleans(), st.sampled_from(["name", "path"]), st.integers(0, 3))
def test_keys_are_those_of_single_rows(texts: list[str], ignore_case: bool, match: str, segments: int) -> None:
    table = open_profile("padchest").table
    assert table is not None
    shape = replace(table, ignore_case=ignore_case, match=match, segments=segments)
    with Relations() as relations:
        relations.run("CREATE TABLE t (text VARCHAR, key VARCHAR)")
        relations.feed("t", [(text, text) for text in texts])
        relations.run(f"UPDATE t SET key = {row_key(shape, 'text')}")
        fold(relations, "t", shape)
        assert sorted(relations.stream("SELECT * FROM t")) == sorted((text, shape.row_key(text)) for text in texts)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(KEYS, st.sampled_from(["", ".png", ".PNG", ".x.png", ".b\u0130n"])), min_size=1, max_size=20),
    st.booleans(),
    st.sampled_from(["name", "stem", "path"]),
    st.sampled_from([(), (".png", ".x.png", ".it's")]),
)
def test_keys_of_files_are_those_of_single_ones(
    parts: list[tuple[str, str]], ignore_case: bool, match: str, suffixes: tuple[str, ...]
) -> None:
    table = open_profile("padchest").table
    assert table is not None
    shape = replace(table, ignore_case=ignore_case, match=match, segments=2, suffixes=suffixes)
    texts = [start + end for start, end in parts]
    with Relations() as relations:
        relations.run("CREATE TABLE t (text VARCHAR, key VARCHAR, image BOOLEAN)")
        relations.feed("t", [(text, text, None) for text in texts])
        relations.run(f"UPDATE t SET key = {entry_key(shape, 'text')}, image = {is_image(shape, 'text')}")
        fold(relations, "t", shape)
        expected = sorted((text, shape.entry_key(text), shape.is_image(text)) for text in texts)
        assert sorted(relations.stream("SELECT * FROM t")) == expected


@pytest.mark.parametrize(
    ("line", "key"),
    [("a.png", "a.png"), (' "a.png" ', "a.png"), ('"a.png', '"a.png'), ('a.png"', 'a.png"'), ('"', '"'), ('""', "")],
)
def test_quotes_are_taken_off_where_they_are_around_a_key(line: str, key: str) -> None:
    """One at an end alone is part of the name: another image would be meant without it."""
    assert listed(line) == key
