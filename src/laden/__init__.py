"""laden loads imaging datasets into the cloud, and proves that they arrived.

`load`, `check`, `verify` and `select` do what the commands of these names do, tell an observer of each event, and
return a `Summary`, as `status` does, which tells how far a load is; `columns` returns what the columns of a table hold;
`init` writes a profile for data that none knows. `register` and `export_labels` do what comes after a load,
`plan_prune` and `prune` remove what a source no longer has, `undelete` brings back what was deleted, `set_properties`
changes tiers, tags and metadata; `explore` serves a page about a place. `progress()` gives an observer that shows in a
notebook how far a run is. What goes wrong raises a kind of `LadenError`.
"""

__all__ = [
    "LadenError",
    "Summary",
    "__version__",
    "check",
    "columns",
    "copy",
    "diff",
    "explore",
    "export_labels",
    "fetch",
    "get",
    "history",
    "init",
    "list",
    "load",
    "lock",
    "open",
    "plan_prune",
    "progress",
    "prune",
    "register",
    "select",
    "set_properties",
    "status",
    "undelete",
    "verify",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from laden.notebook import progress
    from laden.values.errors import LadenError
    from laden.values.events import Summary
    from laden.verbs.check import check
    from laden.verbs.columns import columns
    from laden.verbs.copy import copy
    from laden.verbs.diff import diff
    from laden.verbs.explore import explore
    from laden.verbs.fetch import fetch
    from laden.verbs.get import get
    from laden.verbs.history import history
    from laden.verbs.init import init
    from laden.verbs.labels import export_labels
    from laden.verbs.lists import list_place as list  # noqa: A004 - its name in this package
    from laden.verbs.load import load
    from laden.verbs.lock import lock
    from laden.verbs.properties import set_properties
    from laden.verbs.prune import plan_prune, prune
    from laden.verbs.register import register
    from laden.verbs.select import select
    from laden.verbs.status import status
    from laden.verbs.undelete import undelete
    from laden.verbs.using import open_dataset as open  # noqa: A004 - its name in this package
    from laden.verbs.verify import verify

    __version__: str

_HOMES = {
    "LadenError": "values.errors",
    "Summary": "values.events",
    "check": "verbs.check",
    "columns": "verbs.columns",
    "copy": "verbs.copy",
    "diff": "verbs.diff",
    "explore": "verbs.explore",
    "export_labels": "verbs.labels",
    "fetch": "verbs.fetch",
    "get": "verbs.get",
    "history": "verbs.history",
    "init": "verbs.init",
    "list": "verbs.lists:list_place",
    "load": "verbs.load",
    "lock": "verbs.lock",
    "open": "verbs.using:open_dataset",
    "plan_prune": "verbs.prune",
    "progress": "notebook",
    "prune": "verbs.prune",
    "register": "verbs.register",
    "select": "verbs.select",
    "set_properties": "verbs.properties",
    "status": "verbs.status",
    "undelete": "verbs.undelete",
    "verify": "verbs.verify",
}


def __getattr__(name: str) -> object:
    """Import on first use, so that `laden --help` need not wait for a database and two HTTP libraries."""
    if name in _HOMES:
        from importlib import import_module

        home, _, called = _HOMES[name].partition(":")
        return getattr(import_module(f"laden.{home}"), called or name)
    if name == "__version__":
        from laden._version import VERSION

        return VERSION
    raise AttributeError(f"module 'laden' has no attribute '{name}'")


def __dir__() -> "Iterable[str]":
    """What there is for people, whether or not it was imported yet: for completion."""
    return sorted(__all__)
