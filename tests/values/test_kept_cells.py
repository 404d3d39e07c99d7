"""Cells of tables that laden reads again: no spreadsheet runs them, and every text comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.values.sheets import kept_cell, read_cell

FORMULA = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"


@given(st.text(st.sampled_from([*FORMULA, "'", "a", ",", "\n", "ü"])) | st.text())
def test_every_text_comes_back_and_none_is_a_formula(text: str) -> None:
    assert read_cell(kept_cell(text)) == text
    assert kept_cell(text)[:1] not in [*FORMULA]


@pytest.mark.parametrize("text", ["", "exclude", "png/0/1.png", "a=b", "'twas dark", "'a'=b", "1-2"])
def test_what_no_spreadsheet_runs_stays_as_it_is(text: str) -> None:
    assert kept_cell(text) == read_cell(text) == text


@pytest.mark.parametrize("text", [*FORMULA])
def test_what_stood_there_before_or_by_hand_is_read_as_it_is(text: str) -> None:
    assert read_cell(f"{text}1") == f"{text}1"
