"""`laden labels export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from laden.cli.cloudface import run_cloud
from laden.values.events import Observer, Shown, Summary, Warned


def run_export(destination: str, output: Path, form: str | None, urls: str, profile: str | None, *, json: bool) -> int:
    """Write labels to a file; return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.store import without_secret
        from laden.verbs.labels import export_labels

        wanted = cast("Literal['jsonl', 'coco', 'csv'] | None", form)
        done = export_labels(destination, output, form=wanted, urls=urls, profile=profile, observer=observer)
        facts = {"name": str(done.path), "format": done.form, "written": done.written, **done.counts._asdict()}
        observer(Shown("labels", facts, "written"))
        if done.counts.unreadable:
            observer(Warned(f"{done.counts.unreadable:,} rows hold no list of labels that can be read"))
        summary = Summary("labels export", destination=without_secret(destination), complete=True)
        observer(summary)
        return summary

    return run_cloud("labels export", work, json=json)
