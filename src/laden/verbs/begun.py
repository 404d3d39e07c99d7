"""What every verb has that changes what is there: how it is reached, told, stopped; and its run, within its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from laden.run.logfile import LogFile
from laden.run.run import Run, never, running
from laden.store.access import Ask, Renewal
from laden.values.arguments import Connections
from laden.values.events import Observer, Summary, ignore
from laden.verbs.asked import path_of, refuse_same


class Doing(TypedDict, total=False):
    """By keyword, as in `laden.load`."""

    connections: Connections | None
    """Requests in flight at most; None to find out what the link bears."""
    findings_file: str | Path | None
    """CSV file for all findings; None writes none."""
    log_file: str | Path | None
    """File to which every event is added, as a line of JSON with the time; None writes none."""
    sas_command: str | None
    """A program that prints a SAS for the destination."""
    ask_sas: Ask | None
    """Asked for another SAS when one is not accepted any more."""
    observer: Observer
    """Called with each event, in order; the last is the summary that is also returned."""
    stopping: Callable[[], bool]
    """Asked often; once true, what is in flight ends and the run stops."""


@contextmanager
def begun(summary: Summary, doing: Doing) -> Iterator[Run]:
    """The run of a verb.

    Args:
        summary: with the names of command, source and destination.
        doing: what was given by keyword.
    """
    findings, log_file = doing.get("findings_file"), doing.get("log_file")
    refuse_same(None, findings, log_file)
    log = LogFile(path_of(log_file), doing.get("observer", ignore))
    with (
        log,
        running(summary, log.observe, findings_file=path_of(findings), stopping=doing.get("stopping", never)) as run,
    ):
        yield run


def renewal_of(doing: Doing) -> Renewal:
    """Where another SAS comes from."""
    return Renewal(doing.get("sas_command"), doing.get("ask_sas"))
