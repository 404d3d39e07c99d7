"""Lists in cells: whatever Python or NumPy prints is read as it was, everything else is no list."""

import ast
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.dataset.table.cells import MISSING, parse_cuis, parse_list, present

TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("'\"\\, []\n\r\t")), max_size=12)
WORDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="\\"), max_size=12)


def trimmed(items: list[str | None]) -> tuple[str | None, ...]:
    return tuple(None if item is None or item.strip() in MISSING else item.strip() for item in items)


@given(st.lists(st.none() | TEXTS))
def test_whatever_python_prints(items: list[str | None]) -> None:
    assert parse_list(repr(items)) == trimmed(items)


@given(st.lists(WORDS, max_size=40), st.integers(10, 90))
def test_whatever_numpy_prints(items: list[str], width: int) -> None:
    """Broken at any width, as NumPy does with long arrays."""
    printed = np.array2string(np.array(items, dtype=object), max_line_width=width)
    assert parse_cuis(printed) == trimmed([*items])


@given(TEXTS)
def test_any_text_is_a_list_or_none(text: str) -> None:
    """What is read as a list of texts alone is what Python reads."""
    found = parse_list(text)
    parse_cuis(text)
    try:
        expected = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return
    if isinstance(expected, list) and expected and all(isinstance(item, str) for item in expected):
        # Python glues neighbours without a comma; a list is printed with one.
        assert found in (trimmed(expected), None)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['a', ' b']", ("a", "b")),
        ("[]", ()),
        ("[ ]", ()),
        ("['']", (None,)),
        ("['', nan, None, 'nan', ' None ']", (None,) * 5),
        ("[1, 2.5]", ("1", "2.5")),
        ("['a',]", ("a",)),
        (" ['a'\n, 'b'] ", ("a", "b")),
        ('["it\'s", \'say "x"\']', ("it's", 'say "x"')),
        (r"['tab\there', '\x41']", ("tab\there", "A")),
        ("['a' 'b']", None),
        ("[['a'], 'b']", None),
        ("['a'", None),
        ("'a'", None),
        ("[,]", None),
        ("['a', , 'b']", None),
        (r"['\ud800']", None),
        (r"['\x4']", None),
        ("nan", None),
        ("[__import__('os').system('true')]", None),
    ],
)
def test_lists(text: str, items: tuple[str | None, ...] | None) -> None:
    assert parse_list(text) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['C1' 'C2'\n 'C3']", ("C1", "C2", "C3")),
        ("[]", ()),
        ("['C1']", ("C1",)),
        ("['C1' nan]", ("C1", None)),
        ("['C1', 'C2']", None),
        ("['C1' ... 'C9']", None),
        ("['C1''C2']", None),
        ("[C1]", None),
        ("", None),
    ],
)
def test_arrays(text: str, items: tuple[str | None, ...] | None) -> None:
    assert parse_cuis(text) == items


@pytest.mark.parametrize(
    ("text", "value"), [("None", None), ("nan", None), (" ", None), (" a ", "a"), ("NaN", "NaN"), ("none", "none")]
)
def test_three_spellings_mean_nothing(text: str, value: str | None) -> None:
    assert present(text) == value


@given(st.integers(0, 3000), st.sampled_from(["'", '"', "\\", ",", " ", "[", "a", "'a' "]))
def test_no_text_takes_long(count: int, part: str) -> None:
    """Possessive patterns: the time grows with the length and no faster."""
    for text in ("[" + part * count, "['" + part * count + "]", "['a', " * count):
        parse_list(text)
        parse_cuis(text)


def test_glued_concepts_are_what_is_to_be_avoided() -> None:
    cell = "['C0034069' 'C0742362'\n 'C2073625']"
    assert ast.literal_eval(cell) == ["C0034069C0742362C2073625"]
    assert parse_cuis(cell) == tuple(re.findall(r"C\d+", cell))
