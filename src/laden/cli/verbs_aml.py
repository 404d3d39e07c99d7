"""The verbs about what becomes of a loaded dataset, as typer declares them: `register`, `labels`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from laden.cli.app import app
from laden.cli.helping import Rooms, Verbs
from laden.cli.options import EXIT_CODES, Dest, Json, TrustHost
from laden.cli.verbs_cloud import Subscription

labels = Verbs(cls=Rooms, help="The labels of a loaded dataset.", epilog=EXIT_CODES, rich_markup_mode=None)
app.add_typer(labels, name="labels", no_args_is_help=True)

LabelProfile = Annotated[
    str | None,
    typer.Option("--profile", help="A TOML file that says where the labels are. Default: the load's own."),
]


class Form(StrEnum):
    """How labels are written."""

    jsonl = "jsonl"
    coco = "coco"
    csv = "csv"


class Reads(StrEnum):
    """What a datastore reads with."""

    identity = "identity"
    key = "key"
    sas = "sas"


@labels.command("export", epilog=EXIT_CODES)
def labels_export(
    destination: Dest,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Replaced if it holds such labels, never anything else."),
    ],
    form: Annotated[
        Form | None,
        typer.Option(
            "--format", help="jsonl for AutoML, coco and csv for annotation tools. Default: as FILE ends, else jsonl."
        ),
    ] = None,
    urls: Annotated[
        str,
        typer.Option(
            "--urls",
            metavar="relative|blob|TEXT",
            help="How images are named: below DEST, by blob URL, or with TEXT before, as in https://host/path/.",
        ),
    ] = "relative",
    profile: LabelProfile = None,
    _: TrustHost = None,
    json: Json = False,
) -> None:
    """Write the labels of the dataset loaded to DEST to FILE. Reads table and manifest there, no image.

    jsonl has the images with labels; coco and csv have every image. Broken ones are left out. Example:

        laden labels export https://ACCOUNT.blob.core.windows.net/padchest -o labels.csv --urls blob
    """
    from laden.cli.labels import run_export

    raise typer.Exit(run_export(destination, output, form and form.value, urls, profile, json=json))


@app.command(epilog=EXIT_CODES, short_help="Make a load in DEST an Azure ML data asset.")
def register(
    destination: Dest,
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Of Azure Machine Learning.")],
    resource_group: Annotated[str, typer.Option("--resource-group", "-g", help="Of the workspace.")],
    subscription: Subscription = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the data asset. Default: the container, or the prefix's last part.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Default: the one that stands for this load, or the next.")
    ] = None,
    mltable: Annotated[
        bool, typer.Option("--mltable", help="Also the labels, as the data asset NAME-mltable for AutoML.")
    ] = False,
    credential: Annotated[
        Reads,
        typer.Option(
            "--credential", help="What the datastore reads with: who runs a job, or a key or SAS, tried first."
        ),
    ] = Reads.identity,
    datastore: Annotated[
        str | None, typer.Option("--datastore", metavar="NAME", help="Default: made of account and container.")
    ] = None,
    profile: LabelProfile = None,
    force: Annotated[bool, typer.Option("--force", help="Also what is not complete.")] = False,
    _: TrustHost = None,
    json: Json = False,
) -> None:
    """Register the load in DEST with Azure Machine Learning, once it is complete: a datastore and a data asset.

    What is there already is shown and left as it is; versions cannot be changed. Example:

        laden register https://ACCOUNT.blob.core.windows.net/padchest -w research -g imaging --mltable
    """
    from laden.cli.register import run_register

    options = {
        "subscription": subscription,
        "name": name,
        "version": version,
        "mltable": mltable,
        "credential": credential.value,
        "datastore": datastore,
        "profile": profile,
        "force": force,
    }
    raise typer.Exit(run_register(destination, workspace, resource_group, options, json=json))
