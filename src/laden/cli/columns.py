"""`laden columns`."""

from __future__ import annotations

from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.values.events import Event, Observer, Summary


def run_columns(table: str, names: list[str], profile: str | None, *, json: bool) -> int:
    """Show the columns of a table, and return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.verbs.columns import columns

        told: list[Event] = []

        def observe(event: Event) -> None:
            told.append(event)
            observer(event)

        columns(table, names, profile=profile, observer=observe)
        return next(event for event in told if isinstance(event, Summary))

    return run_verb("columns", work, Face(json=json))
