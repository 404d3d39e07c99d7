"""`laden explore`."""

from __future__ import annotations

from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.values.events import Observer, Summary


def run_explore(
    place: str,
    port: int | None,
    profile: str | None,
    sas_command: str | None,
    *,
    open_page: bool,
    write: bool,
    json: bool,
) -> int:
    """Serve the explorer until it is stopped, and return the exit code."""
    interrupts = Interrupts()

    def work(observer: Observer) -> Summary:
        from laden.verbs.explore import explore

        return explore(
            place,
            port=port,
            open_page=open_page,
            write=write,
            profile=profile,
            sas_command=sas_command,
            observer=observer,
            stopping=interrupts.asked,
        )

    return run_verb("explore", work, Face(json=json), interrupts=interrupts)
