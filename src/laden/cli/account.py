"""`laden account create` and `laden account show`."""

from __future__ import annotations

from dataclasses import asdict

from laden.cli.cloudface import run_cloud
from laden.values.events import Observer, Shown, Summary, Warned
from laden.values.signs import Waiting


def run_create(
    name: str, resource_group: str, location: str, subscription: str | None, *, assign_role: bool, json: bool
) -> int:
    """Make an account, or show the one that is there; return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.azure.account import check_name, create
        from laden.azure.clients import session
        from laden.azure.role import assign_role as assign

        def waiting(what: str, seconds: float) -> None:
            observer(Waiting(what, seconds))

        check_name(name)
        with session(subscription) as opened:
            account, made = create(opened, name, resource_group, location, waiting=waiting)
            observer(Shown("account", asdict(account), "created" if made else "already there, left as it is"))
            for concern in account.concerns():
                observer(Warned(f"{name}: {concern}"))
            if assign_role:
                principal = assign(opened, account, waiting=waiting)
                facts = {"name": "Storage Blob Data Contributor", "of": principal, "on": account.name}
                observer(Shown("role", facts, "works"))
        return _ended("account create", observer, account.endpoint)

    return run_cloud("account create", work, json=json)


def run_show(name: str, resource_group: str | None, subscription: str | None, *, json: bool) -> int:
    """Show an account; return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.azure.account import check_name, find
        from laden.azure.clients import session

        check_name(name)
        with session(subscription) as opened:
            account = find(opened, name, resource_group)
        observer(Shown("account", asdict(account)))
        for concern in account.concerns():
            observer(Warned(f"{name}: {concern}"))
        return _ended("account show", observer, account.endpoint)

    return run_cloud("account show", work, json=json)


def _ended(command: str, observer: Observer, destination: str) -> Summary:
    summary = Summary(command, destination=destination, complete=True)
    observer(summary)
    return summary
