"""The verbs about the cloud and their options, as typer declares them: `account`, `container`, `doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from laden.cli.app import app
from laden.cli.helping import Rooms, Verbs
from laden.cli.options import EXIT_CODES, Dest, Json, TrustHost

account = Verbs(cls=Rooms, help="Make or look at a storage account.", epilog=EXIT_CODES, rich_markup_mode=None)
container = Verbs(cls=Rooms, help="Make or list containers.", epilog=EXIT_CODES, rich_markup_mode=None)
app.add_typer(account, name="account", no_args_is_help=True)
app.add_typer(container, name="container", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="3 to 24 lower-case letters and digits.")]
Subscription = Annotated[
    str | None,
    typer.Option(
        "--subscription",
        metavar="ID",
        help="Default: AZURE_SUBSCRIPTION_ID, that of 'az account set', or the only one.",
    ),
]


@account.command("create", epilog=EXIT_CODES)
def account_create(
    name: Name,
    resource_group: Annotated[str, typer.Option("--resource-group", "-g", help="It must be there.")],
    location: Annotated[str, typer.Option("--location", "-l", help="As in westeurope or 'West Europe'.")],
    subscription: Subscription = None,
    assign_role: Annotated[
        bool,
        typer.Option(
            "--assign-role", help="Also give whoever is signed in Storage Blob Data Contributor; wait until it works."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Make a storage account with safe defaults; one that is there is shown and left as it is.

    StorageV2, Standard_LRS, TLS 1.2, https only, no public access, no hierarchical namespace. Example:

        laden account create radiographs -g imaging -l westeurope --assign-role
    """
    from laden.cli.account import run_create

    raise typer.Exit(run_create(name, resource_group, location, subscription, assign_role=assign_role, json=json))


@account.command("show", epilog=EXIT_CODES)
def account_show(
    name: Name,
    resource_group: Annotated[
        str | None, typer.Option("--resource-group", "-g", help="Default: wherever it is in the subscription.")
    ] = None,
    subscription: Subscription = None,
    json: Json = False,
) -> None:
    """Show a storage account, and what about it is less safe than it could be."""
    from laden.cli.account import run_show

    raise typer.Exit(run_show(name, resource_group, subscription, json=json))


@container.command("create", epilog=EXIT_CODES)
def container_create(destination: Dest, _: TrustHost = None, json: Json = False) -> None:
    """Make the container of DEST, private. Says so when its account allows public ones."""
    from laden.cli.container import run_create

    raise typer.Exit(run_create(destination, json=json))


@container.command("list", epilog=EXIT_CODES)
def container_list(
    account_or_url: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="An account's name, or the address of its Blob service.")
    ],
    _: TrustHost = None,
    json: Json = False,
) -> None:
    """List the containers of ACCOUNT, and what anybody may read of each."""
    from laden.cli.container import run_list

    raise typer.Exit(run_list(account_or_url, json=json))


@app.command(epilog=EXIT_CODES, short_help="Try all that a load to DEST needs; what to do.")
def doctor(destination: Dest, _: TrustHost = None, json: Json = False) -> None:
    """Try all that a load to DEST needs, and say what is wrong and what to do: a line for each check.

    Signs in, resolves, lists, writes, reads back and deletes a probe blob below _laden/, measures clock, latency
    and throughput, and looks at the container as a stranger would.
    """
    from laden.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(destination, json=json))
