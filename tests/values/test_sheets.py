"""Cells that spreadsheets can be trusted with: one look at a whole row tells what a look at each cell would."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from laden.values.sheets import safe_cells

_TEXTS = st.text(st.sampled_from("a1 ;,=+@-\\trn\t\x85\u202e\ud800\uff1d\u00e9"), max_size=6)


@given(st.lists(_TEXTS, max_size=5))
def test_a_row_is_made_safe_as_each_of_its_cells_would_be(cells: list[str]) -> None:
    assert safe_cells(cells) == [safe for cell in cells for safe in safe_cells([cell])]


@given(st.lists(_TEXTS, max_size=5))
def test_no_cell_begins_as_a_formula_with_any_separator(cells: list[str]) -> None:
    for safe in safe_cells(cells):
        assert not any(part.startswith(("=", "+", "@", "-", "\uff1d")) for part in re.split("[;,]", safe))


def test_a_row_of_plain_cells_stays_as_it_is() -> None:
    message = "row 4 names it, and no archive here holds it"
    assert safe_cells(["image-missing", message, 4]) == ["image-missing", message, "4"]
