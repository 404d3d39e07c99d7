"""The command line as it was typed, without what it held in confidence: for the report of the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_LINE: ContextVar[str] = ContextVar("line", default="")


@contextmanager
def noting(arguments: Sequence[str]) -> Iterator[None]:
    """Note the words of a command while it runs."""
    token = _LINE.set(shlex.join(["laden", *map(_shown, arguments)]))
    try:
        yield
    finally:
        _LINE.reset(token)


def _shown(word: str) -> str:
    if "://" not in word:
        return word
    from laden.store.destination import without_secret

    return without_secret(word)


def typed() -> str:
    """The line; secrets that it holds elsewhere are taken out where it is shown, as everywhere."""
    return _LINE.get()
