"""laden loads imaging datasets into the cloud, and proves that they arrived.

`load`, `check` and `verify` do what the commands of these names do, tell an observer of each event, and return a
`Summary`. What goes wrong raises a kind of `LadenError`.
"""

from laden.errors import LadenError

__all__ = ["LadenError", "Summary", "check", "load", "verify"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from laden.conductor import check, load, verify
    from laden.events import Summary


def __getattr__(name: str) -> object:
    """Import on first use, so that `laden --help` need not wait for a database and two HTTP libraries."""
    if name == "Summary":
        from laden.events import Summary

        return Summary
    if name in ("check", "load", "verify"):
        from importlib import import_module

        return getattr(import_module("laden.conductor"), name)
    raise AttributeError(f"module 'laden' has no attribute '{name}'")
