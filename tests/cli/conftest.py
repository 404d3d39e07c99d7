"""Fixtures of the tests of secrets."""

from tests.support.leaks import closed, laden, refusing, source

__all__ = ["closed", "laden", "refusing", "source"]
