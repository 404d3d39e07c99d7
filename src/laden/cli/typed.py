"""The command line as it was typed, without what it held in confidence: for the report of the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from laden.store.destination import without_secret

_LINE: ContextVar[str] = ContextVar("line", default="")


@contextmanager
def noting(arguments: Sequence[str]) -> Iterator[None]:
    """Note the words of a command while it runs."""
    words = (without_secret(word) if "://" in word else word for word in arguments)
    token = _LINE.set(shlex.join(["laden", *words]))
    try:
        yield
    finally:
        _LINE.reset(token)


def typed() -> str:
    """The line; secrets that it holds elsewhere are taken out where it is shown, as everywhere."""
    return _LINE.get()
