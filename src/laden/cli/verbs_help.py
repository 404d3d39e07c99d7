"""Declares `laden help` and `laden completion`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from laden.cli.app import app


class Shell(StrEnum):
    """For which commands can be completed."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


@app.command("help", short_help="The pages about laden, one of them, or what a finding means.")
def show_help(
    topic: Annotated[
        str | None, typer.Argument(metavar="[PAGE|COMMAND]", help="The one to show. Default: a list of them.")
    ] = None,
    word: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="Of the page on findings: only what it says of this code.")
    ] = None,
) -> None:
    """Show a page about laden, as it came with it; no network is asked.

    What a finding means, and what to do about it:

        laden help findings png-truncated
    """
    from laden.cli.pages import run_help

    raise typer.Exit(run_help(topic, word))


@app.command(short_help="Completion of commands and options in your shell.")
def completion(shell: Annotated[Shell, typer.Argument(help="The shell that you use.")]) -> None:
    """Print what makes SHELL complete laden's commands and options when you press Tab.

    laden completion bash >> ~/.bashrc
    laden completion zsh >> ~/.zshrc
    laden completion fish > ~/.config/fish/completions/laden.fish
    laden completion powershell >> $PROFILE
    """
    from laden.cli.pages import run_completion

    raise typer.Exit(run_completion(shell.value))
