"""`laden doctor`."""

from __future__ import annotations

from laden.cli.cloudface import run_cloud
from laden.values.events import Observer, Summary


def run_doctor(destination: str, *, json: bool) -> int:
    """Examine a destination, and return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.verbs.doctor import examine

        return examine(destination, observer=observer)

    return run_cloud("doctor", work, json=json)
