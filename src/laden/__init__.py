"""laden loads imaging datasets into the cloud, and proves that they arrived.

`load`, `check`, `verify` and `select` do what the commands of these names do, tell an observer of each event, and
return a `Summary`; `columns` returns what the columns of a table hold. What goes wrong raises a kind of `LadenError`.
"""

from laden.errors import LadenError

__all__ = ["LadenError", "Summary", "check", "columns", "load", "select", "verify"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from laden.conductor import check, load, verify
    from laden.events import Summary
    from laden.sift import columns, select


def __getattr__(name: str) -> object:
    """Import on first use, so that `laden --help` need not wait for a database and two HTTP libraries."""
    if name == "Summary":
        from laden.events import Summary

        return Summary
    if name in ("check", "load", "verify"):
        from importlib import import_module

        return getattr(import_module("laden.conductor"), name)
    if name in ("columns", "select"):
        from importlib import import_module

        return getattr(import_module("laden.sift"), name)
    raise AttributeError(f"module 'laden' has no attribute '{name}'")
