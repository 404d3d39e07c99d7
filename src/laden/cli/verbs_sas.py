"""Declares `laden sas DEST` and `laden sas inspect URL`. What they do is in `sas`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from laden.cli.app import app
from laden.cli.helping import Verbs
from laden.cli.options import EXIT_CODES, TrustHost

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAKE = "make"


class _MakesByDefault(TyperGroup):
    """A group whose first command runs where none is named: `laden sas DEST` beside `laden sas inspect URL`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out; every other first word is a destination or an option of it."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help of the command that runs by default, then the commands beside it."""
        self.commands[_MAKE].format_help(ctx, formatter)

    def list_commands(self, ctx: Any) -> Iterable[str]:  # type: ignore[override]
        """Those with a name of their own."""
        return [name for name in super().list_commands(ctx) if name != _MAKE]


sas = Verbs(cls=_MakesByDefault, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(sas, name="sas", help="Make a SAS for a container, or read one.")


@sas.command(_MAKE, epilog=EXIT_CODES, hidden=True)
def make(
    destination: Annotated[
        str,
        typer.Argument(metavar="DEST", help="https://ACCOUNT.blob.core.windows.net/CONTAINER, or an emulator's URL."),
    ],
    permissions: Annotated[
        str | None,
        typer.Option("--permissions", help="Words or letters, as in read,create,write,list or rcwl (the default)."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", help="How long it holds. Default: 24; 168 at most with a sign-in.")
    ] = None,
    ip: Annotated[
        str | None, typer.Option("--ip", metavar="RANGE", help="Only from this IPv4 address, range or network.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", metavar="NAME", help="Through a stored access policy, so that it can be revoked."),
    ] = None,
    _: TrustHost = None,
) -> None:
    """Make a SAS for the container of DEST, and print its URL, alone, on stdout.

    It is signed with the account key of AZURE_STORAGE_KEY or AZURE_STORAGE_CONNECTION_STRING where there is one, else
    for whoever is signed in (a user delegation SAS). It begins 15 minutes back, against clocks that differ, and is for
    https only. The default permissions are the fewest that load, resume and verify. Example:

        laden sas https://ACCOUNT.blob.core.windows.net/padchest --hours 12

    'laden sas inspect URL' shows what a SAS is for.
    """
    from laden.cli.sas import run_make

    raise typer.Exit(run_make(destination, permissions, hours, ip, policy))


@sas.command(epilog=EXIT_CODES)
def inspect(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="A SAS or a URL with one; '-' reads it from stdin. Default: LADEN_SAS."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Show what a SAS permits, until when, and what laden can do with it; never its signature.

    Nothing is asked of the service. The exit code is 4 where it does not hold now or is not enough for a load.
    """
    from laden.cli.sas import run_inspect

    raise typer.Exit(run_inspect(url, json=json))
