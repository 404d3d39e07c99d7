"""`laden register`: registers, then says how jobs and notebooks get at the data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from laden.cli.cloudface import run_cloud
from laden.values.events import Observer, Shown, Summary

if TYPE_CHECKING:
    from laden.verbs.register import Registered

_LABELING = """\
Azure ML's labeling projects were retired on 2026-09-30. For annotation tools (Label Studio, CVAT):
laden labels export {destination} -o labels.csv"""


def run_register(destination: str, workspace: str, resource_group: str, options: dict[str, Any], *, json: bool) -> int:
    """Register a load, and return the exit code."""
    done: list[Registered] = []

    def work(observer: Observer) -> Summary:
        from laden.store import without_secret
        from laden.verbs.register import register

        registered = register(destination, workspace, resource_group, observer=observer, **options)
        done.append(registered)
        if json:
            use = {"name": registered.folder.reference, "job": job_input(registered), "notebook": notebook(registered)}
            observer(Shown("use", use))
        summary = Summary("register", destination=without_secret(destination), complete=True)
        observer(summary)
        return summary

    code = run_cloud("register", work, json=json)
    if done and not json:
        sys.stdout.write(_told(done[0], destination))
    return code


def job_input(registered: Registered) -> str:
    """The line of a job (SDK v2, `azure.ai.ml.Input`) that mounts the data."""
    return f'Input(type="uri_folder", path="{registered.folder.reference}", mode="ro_mount")'


def notebook(registered: Registered) -> str:
    """What reads table and labels in a notebook of the workspace.

    As text, because ids of up to 39 digits are no numbers.
    """
    lines = [f'folder = "{registered.folder.uri}"']
    if registered.table:
        lines = [
            "import pandas",
            "",
            *lines,
            f'table = pandas.read_csv(folder + "{registered.table}", dtype=str)',
        ]
    else:
        lines = [
            "from azureml.fsspec import AzureMachineLearningFileSystem",
            "",
            *lines,
            'files = AzureMachineLearningFileSystem(folder).glob("**")',
        ]
    if registered.labels:
        lines = ["import mltable", *lines, f'labels = mltable.load("{registered.labels.uri}").to_pandas_dataframe()']
    return "\n".join(lines) + "\n"


def _told(registered: Registered, destination: str) -> str:
    from laden.store import without_secret

    packages = "azureml-fsspec pandas" + (" mltable" if registered.labels else "")
    references = [asset.reference for asset in (registered.folder, registered.labels) if asset]
    code = "".join(f"    {line}\n" if line else "\n" for line in notebook(registered).splitlines())
    return (
        f"\n{' and '.join(references)}\n\n"
        f"In a job (the identity that it runs as needs Storage Blob Data Reader):\n    {job_input(registered)}\n\n"
        f"In a notebook (pip install {packages}):\n{code}\n"
        f"{_LABELING.format(destination=without_secret(destination))}\n"
    )
