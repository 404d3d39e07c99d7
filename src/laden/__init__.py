"""laden loads imaging datasets into the cloud, and proves that they arrived.

`load`, `check`, `verify` and `select` do what the commands of these names do, tell an observer of each event, and
return a `Summary`, as `status` does, which tells how far a load is; `columns` returns what the columns of a table hold;
`init` writes a profile for data that none knows. `register` and `export_labels` do what comes after a load, `explore`
serves a page about a place. `progress()` gives an observer that shows in a notebook how far a run is. What goes wrong
raises a kind of `LadenError`.
"""

from laden.values.errors import LadenError

__all__ = [
    "LadenError",
    "Summary",
    "__version__",
    "check",
    "columns",
    "explore",
    "export_labels",
    "init",
    "load",
    "progress",
    "register",
    "select",
    "status",
    "verify",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from laden.notebook import progress
    from laden.values.events import Summary
    from laden.verbs.check import check
    from laden.verbs.columns import columns
    from laden.verbs.explore import explore
    from laden.verbs.init import init
    from laden.verbs.labels import export_labels
    from laden.verbs.load import load
    from laden.verbs.register import register
    from laden.verbs.select import select
    from laden.verbs.status import status
    from laden.verbs.verify import verify

    __version__: str

_HOMES = {
    "Summary": "values.events",
    "check": "verbs.check",
    "columns": "verbs.columns",
    "explore": "verbs.explore",
    "export_labels": "verbs.labels",
    "init": "verbs.init",
    "load": "verbs.load",
    "progress": "notebook",
    "register": "verbs.register",
    "select": "verbs.select",
    "status": "verbs.status",
    "verify": "verbs.verify",
}


def __getattr__(name: str) -> object:
    """Import on first use, so that `laden --help` need not wait for a database and two HTTP libraries."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"laden.{_HOMES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("laden")
    raise AttributeError(f"module 'laden' has no attribute '{name}'")


def __dir__() -> list[str]:
    """What there is, whether or not it was imported yet: for completion."""
    return sorted({*globals(), *__all__})
