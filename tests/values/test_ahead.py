"""Things made ahead are the same things, and neither an error nor a thread is lost."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.values.ahead import ahead


@given(st.lists(st.integers()), st.integers(1, 4))
def test_the_same_things_come_in_the_same_order(things: list[int], most: int) -> None:
    assert list(ahead(iter(things), most)) == things


def test_no_more_is_made_than_was_asked_for() -> None:
    made: list[int] = []
    enough = threading.Event()

    def things() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 3:
                enough.set()
            yield number

    stream = ahead(things(), 2)
    assert next(stream) == 0
    stream.close()
    # One in hand, two ahead, and one made and not put yet.
    assert len(made) <= 4
    assert not enough.is_set() or made[-1] == 3
    assert "ahead" not in {thread.name for thread in threading.enumerate()}


def test_an_error_comes_behind_what_was_made_before_it() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise KeyError("a")

    stream = ahead(things())
    assert next(stream) == 1
    with pytest.raises(KeyError):
        next(stream)
    assert "ahead" not in {thread.name for thread in threading.enumerate()}
