"""The last step: a completed load as a data asset of an Azure Machine Learning workspace.

Order: sign in and look the workspace up; list the destination, read page and manifest, and hold them against each
other: what is not complete is not registered. Try the datastore's credential, if one is handed over. Datastore and
data asset are made where they are not there; what is there is shown, compared, and left as it is. With `mltable`,
the labels are written beside the data, each version below a folder of its own, because a registered version must not
change its meaning; then that folder is registered as well.

Run again, nothing is sent: a version that stands for the same manifest is found. After another load into the same
place, it is the next version that is registered.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from laden.azure.azureml import Asset, Datastore, Workspace, check_name
from laden.azure.clients import session
from laden.azure.handover import Kind, choose, prove
from laden.relations import Relations
from laden.relations.trouble import told_locally
from laden.run.loop import run
from laden.stages.inventory import is_listed
from laden.stages.labels import FORMS, MLTABLE
from laden.stages.landed import read_load
from laden.stages.loadpage import LOAD, LoadPage
from laden.stages.proof import wrong
from laden.stages.publish import Publisher
from laden.store import Destination, Store, open_store, parse_destination, place_of
from laden.values.arguments import checked
from laden.values.errors import LadenError, NotAsLanded, UsageError
from laden.values.events import Observer, Shown, Started, Warned, ignore
from laden.verbs.asked import one_of
from laden.verbs.labels import NOT_AS_SAID, NOT_LOADED, read_labels


@dataclass(frozen=True, slots=True)
class Registered:
    """What a workspace has of a load now."""

    datastore: Datastore
    folder: Asset
    labels: Asset | None
    """The MLTable, where it was asked for."""
    table: str
    """Name of the label table below the folder; empty where there is none."""


class _Wanted(NamedTuple):
    """What a person asked for."""

    target: Destination
    name: str
    version: str | None
    datastore: str
    credential: Kind
    profile: str | None
    force: bool


@checked
def register(
    destination: str | Path,
    workspace: str,
    resource_group: str,
    *,
    subscription: str | None = None,
    name: str | None = None,
    version: str | None = None,
    mltable: bool = False,
    credential: Kind = "identity",
    datastore: str | None = None,
    profile: str | None = None,
    force: bool = False,
    observer: Observer = ignore,
) -> Registered:
    """Register a completed load with a workspace.

    Args:
        destination: a container's URL, as in `load`.
        workspace: name of the workspace.
        resource_group: of the workspace.
        subscription: its id; None to find it.
        name: of the data asset; by default the container's, or the last part of the prefix.
        version: of the data asset; by default the one that stands for this load already, or the next.
        mltable: whether the labels are registered too, as `NAME-mltable`.
        credential: what the datastore reads with: the identity of whoever runs a job, or a key or SAS of the
            environment, which is tried first.
        datastore: name of the datastore; by default made of account and container.
        profile: TOML file of a profile that is not built in, for `mltable`.
        force: register what is not complete as well.
        observer: called with each event.

    Raises:
        UsageError: the load is not complete, or something of that name is there and stands for other data.
        AccessDenied: whoever is signed in, or the credential, may not.
        StoreError: Azure did not do it.
    """
    destination = place_of(destination)
    one_of("credential", credential, get_args(Kind))
    target = parse_destination(destination)
    if not isinstance(target, Destination):
        raise UsageError("a folder cannot be registered with Azure ML: load to a container")
    wanted = _Wanted(
        target,
        name or (target.prefix or target.container).rpartition("/")[2],
        version,
        datastore or re.sub(r"\W", "_", f"{target.account}_{target.container}", flags=re.ASCII),
        credential,
        profile,
        force,
    )
    check_name(wanted.name)
    if target.is_local:
        observer(Warned(f"{target} is on this machine: no workspace can read it there, so this is a rehearsal"))
    with session(subscription, extra="aml") as opened, told_locally(), Relations() as relations:
        there = Workspace(opened, resource_group, workspace)
        observer(Shown("workspace", {"name": workspace, "location": there.location}))
        return run(_register(wanted, there, relations, observer, mltable=mltable))


async def _register(
    wanted: _Wanted, workspace: Workspace, relations: Relations, observer: Observer, *, mltable: bool
) -> Registered:
    store = open_store(wanted.target, connections=None)
    try:
        observer(Started("listing", str(wanted.target)))
        page = await read_load(store, relations)
        _refuse_incomplete(page, wanted, relations, observer)
        linked = await _datastore(wanted, workspace, observer)
        noted = _noted(page)
        prefix = f"{wanted.target.prefix}/" if wanted.target.prefix else ""
        folder = _settle(
            workspace,
            wanted.version,
            Asset(wanted.name, "", "uri_folder", workspace.uri(linked.name, prefix), noted),
            lambda version: workspace.uri(linked.name, prefix),
        )
        labels = None
        if mltable:
            if page is None:
                raise UsageError(NOT_LOADED.format(place=wanted.target))
            labels = await _mltable(wanted, workspace, linked, page, store, relations, observer)
        _make(workspace, folder, observer)
        if labels is not None:
            _make(workspace, labels, observer)
        table = page.table.name if page and page.table else ""
        return Registered(linked, folder.asset, labels.asset if labels else None, table)
    finally:
        await store.close()


def _refuse_incomplete(page: LoadPage | None, wanted: _Wanted, relations: Relations, observer: Observer) -> None:
    """Hold what the load promised against what is listed now."""
    kind: type[LadenError] = UsageError
    if page is None:
        told = NOT_LOADED.format(place=wanted.target)
    else:
        found = wrong(relations, page)
        if not found:
            return
        kind, told = NotAsLanded, NOT_AS_SAID.format(place=wanted.target, wrong=found)
    if not wanted.force:
        raise kind(f"{told}; --force registers it all the same")
    observer(Warned(told))


async def _datastore(wanted: _Wanted, workspace: Workspace, observer: Observer) -> Datastore:
    """The datastore of that name, made if it is not there."""
    target, name = wanted.target, wanted.datastore
    there = workspace.datastore(name)
    if there is not None and (there.account, there.container) != (target.account, target.container):
        raise UsageError(
            f"the datastore '{name}' is there and belongs to {there.account}/{there.container}, not to"
            f" {target.account}/{target.container}: give another name with --datastore"
        )
    if there is None:
        credentials = choose(target, wanted.credential)
        await prove(target, credentials, LOAD)
        made = workspace.create_datastore(name, target, credentials)
        observer(Shown("datastore", made._asdict(), "created"))
        return made
    observer(Shown("datastore", there._asdict(), "already there, left as it is"))
    asked = {"identity": "identity", "key": "account key", "sas": "SAS"}[wanted.credential]
    if there.credential != asked:
        observer(Warned(f"the datastore '{name}' reads with: {there.credential}; --credential changes no datastore"))
    return there


class _Settled(NamedTuple):
    """A version of an asset that is there, or is to be made."""

    asset: Asset
    is_there: bool


def _settle(workspace: Workspace, version: str | None, asset: Asset, uri: Callable[[str], str]) -> _Settled:
    """Find the version that stands for this load, or the one to make.

    Args:
        workspace: where.
        version: the one that was asked for; None to choose.
        asset: what is to be registered, without version.
        uri: where a version of it lies.

    Raises:
        UsageError: the version that was asked for stands for something else, or none can be chosen.
    """
    container = workspace.container(asset.name)
    if container is not None and container.kind != asset.kind:
        raise UsageError(
            f"the data asset '{asset.name}' is of the type {container.kind}, and all its versions must be:"
            " give another name with --name"
        )
    looked_at = version or (container.latest if container else "")
    there = workspace.asset(asset.name, looked_at) if looked_at else None
    if there is not None and there.is_same(_as_version(asset, looked_at, uri)):
        return _Settled(there, True)
    if there is not None and version:
        raise UsageError(
            f"{there.reference} is registered already and stands for other data ({there.uri}), and versions cannot"
            " be changed: leave --version out to have the next one made"
        )
    chosen = version or (container.next if container else "1")
    if not chosen:
        raise UsageError(f"the versions of '{asset.name}' are no numbers: give one with --version")
    return _Settled(_as_version(asset, chosen, uri), False)


def _as_version(asset: Asset, version: str, uri: Callable[[str], str]) -> Asset:
    """The same asset as another version."""
    return asset._replace(version=version, uri=uri(version))


async def _mltable(
    wanted: _Wanted,
    workspace: Workspace,
    linked: Datastore,
    page: LoadPage,
    store: Store,
    relations: Relations,
    observer: Observer,
) -> _Settled:
    """Write MLTable and labels beside the data, unless their version is registered and they are there."""
    target, name = wanted.target, f"{wanted.name}-mltable"
    prefix = f"{target.prefix}/" if target.prefix else ""

    def place(version: str) -> str:
        return f"_laden/mltable/{name}/{version}/"

    def uri(version: str) -> str:
        return workspace.uri(linked.name, prefix + place(version))

    settled = _settle(workspace, wanted.version, Asset(name, "", "mltable", "", _noted(page)), uri)
    folder = place(settled.asset.version)
    if settled.is_there and all(is_listed(relations, folder + file) for file in ("MLTable", "labels.jsonl")):
        return settled
    observer(Started("table", page.table.name if page.table else ""))
    labels = await read_labels(store, relations, page, wanted.profile)
    path = relations.folder / "labels.jsonl"
    with path.open("w", encoding="utf-8", newline="") as out:
        count = FORMS["jsonl"](labels, lambda blob: workspace.uri(linked.name, prefix + blob), out)
    if not count:
        raise UsageError("no image of this load has a label, so that there is no MLTable to make")
    publisher = Publisher(store, relations, replace_other=False)
    with path.open("rb") as file:
        await publisher.put(f"{folder}labels.jsonl", file)
    await publisher.put(f"{folder}MLTable", io.BytesIO(MLTABLE.encode()))
    observer(Shown("labels", {"name": f"{folder}labels.jsonl", "written": count, **labels.counts()._asdict()}))
    return settled


def _make(workspace: Workspace, settled: _Settled, observer: Observer) -> None:
    asset = settled.asset
    if not settled.is_there:
        images = asset.properties.get("laden_images", "")
        workspace.create_asset(asset, f"{images} images, loaded and verified by laden" if images else "Made by laden")
    facts = {**asset._asdict(), "name": asset.reference}
    facts.pop("version")
    facts |= facts.pop("properties")
    observer(Shown("data asset", facts, "already there, left as it is" if settled.is_there else "registered"))


def _noted(page: LoadPage | None) -> dict[str, str]:
    """What tells one load from another, for `azureml.NOTED`."""
    if page is None or page.manifest is None:
        return {}
    return {
        "laden_manifest_md5": page.manifest.md5,
        "laden_images": str(page.images),
        "laden_bytes": str(page.size_bytes),
    }
