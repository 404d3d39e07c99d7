"""The conductor: loads, checks and verifies by calling the stages in order; the only package that knows them all.

Every run ends with a `Summary` event, also one that ends with an error.
"""

from laden.conductor.checking import check
from laden.conductor.loading import load
from laden.conductor.verifying import verify

__all__ = ["check", "load", "verify"]
