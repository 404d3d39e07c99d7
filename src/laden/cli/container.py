"""`laden container create` and `laden container list`."""

from __future__ import annotations

from laden.cli.cloudface import run_cloud
from laden.store import without_secret
from laden.values.errors import ExitCode
from laden.values.events import Observer, Shown, Summary, Warned

_ALLOWS = "its account allows public containers: 'az storage account update --allow-blob-public-access false' ends that"


def run_create(destination: str, *, json: bool) -> int:
    """Make a container, private; return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.azure.container import create

        made_at, made, privacy = create(destination)
        facts = {"name": made_at.container, "url": str(made_at), "public": privacy.container or "nothing"}
        observer(Shown("container", facts, "created" if made else "already there"))
        if privacy.account_allows:
            observer(Warned(f"{made_at.account}: {_ALLOWS}"))
        exit_code = ExitCode.COMPLETE
        if privacy.container:
            observer(Warned(f"anybody can read {made_at.container}: make it private before anything is loaded into it"))
            exit_code = ExitCode.FINDINGS
        summary = Summary(
            "container create", destination=str(made_at), complete=not exit_code, exit_code=int(exit_code)
        )
        observer(summary)
        return summary

    return run_cloud("container create", work, json=json)


def run_list(account: str, *, json: bool) -> int:
    """List an account's containers with what anybody may read of them; return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.azure.container import account_address, listed, public_access_allowed

        address = account_address(account)
        containers = listed(address)
        for container in containers:
            facts = {"name": container.name, "public": container.public or "nothing"}
            observer(Shown("container", facts))
        public = [container.name for container in containers if container.public]
        if public:
            observer(Warned(f"anybody can read {', '.join(public)}: patient data must not lie there"))
        elif public_access_allowed(address):
            observer(Warned(f"{address.account}: {_ALLOWS}"))
        summary = Summary("container list", destination=without_secret(address.endpoint), complete=True)
        observer(summary)
        return summary

    return run_cloud("container list", work, json=json)
