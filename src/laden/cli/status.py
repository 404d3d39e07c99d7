"""`laden status`."""

from __future__ import annotations

from typing import Any

from laden.cli.cloudface import run_cloud
from laden.values.events import Observer, Summary


def run_status(destination: str, options: dict[str, Any], *, json: bool) -> int:
    """Tell how far a load is, and return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.verbs.status import status

        return status(destination, observer=observer, **options)

    return run_cloud("status", work, json=json)
