"""`laden report`: a verify or a check that leaves a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.cli.typed import typed
from laden.values.errors import UsageError
from laden.values.events import Observer, Summary


def run_report(
    places: list[str], output: Path, options: dict[str, Any], face: Face, *, images: Literal["some", "none"]
) -> int:
    """Write the page, and return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.values.ownfiles import is_report, refuse
        from laden.verbs.check import check
        from laden.verbs.verify import verify

        refuse(output, is_report, "report", "--output")
        report: Any = {"report_file": output, "report_images": images, "report_command": typed()}
        if not any(map(_is_destination, places)):
            return check([Path(place) for place in places], observer=observer, **report, **options)
        given = [f"--{name}" for name, value in options.items() if value is not None]
        if len(places) > 1 or given:
            what = given[0] if given else "a second place"
            raise UsageError(f"{what} is for sources, and {_shown(places)} is a destination: leave it out")
        return verify(places[0], observer=observer, **report)

    return run_verb("report", work, face)


def _is_destination(place: str) -> bool:
    """Whether something was loaded there, or only can have been."""
    from laden.stages.loadpage import LOAD
    from laden.store.slips import is_meant_for_a_cloud

    return is_meant_for_a_cloud(place) or (Path(place).expanduser() / LOAD).is_file()


def _shown(places: list[str]) -> str:
    from laden.store import without_secret

    return without_secret(next(filter(_is_destination, places)))
