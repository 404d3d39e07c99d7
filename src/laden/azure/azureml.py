"""An Azure Machine Learning workspace: its datastores and data assets. Made once; what is there is never overwritten.

The service would take a second PUT of a datastore as an update, and refuses one of a data asset's version, so both
are asked for first. It takes wrong keys and ended SAS without a word (`skipValidation` or not, it cannot try them
from where it runs), so `handover` tries them before they come here.

Source: the REST reference of Microsoft.MachineLearningServices, "Datastores", "Data Containers" and "Data Versions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

from laden.azure.clients import Session
from laden.azure.handover import Credentials
from laden.azure.refusals import error_code, explained
from laden.store.destination import Destination, quoted
from laden.values.errors import LadenError, UsageError

AML_API = "2025-12-01"
"""The version whose published schema the requests are held against."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
"""Data assets and versions ("Data Containers", "Create Or Update", URI parameters)."""
_DATASTORE_NAME = re.compile(r"[A-Za-z0-9_]{1,255}")
"""Letters, digits and underscores (reference of `Datastore.register_azure_blob_container`)."""
_NOT_OURS = frozenset({"ResourceGroupNotFound", "SubscriptionNotFound"})
_KINDS = {"None": "identity", "AccountKey": "account key", "Sas": "SAS"}


class Datastore(NamedTuple):
    """A workspace's link to a container."""

    name: str
    account: str
    container: str
    credential: str
    """`identity`, `account key`, `SAS`, or the service's own word for another."""


class Asset(NamedTuple):
    """One version of a data asset."""

    name: str
    version: str
    kind: str
    """`uri_folder` or `mltable`."""
    uri: str
    properties: dict[str, str]
    """What laden noted with it."""

    @property
    def reference(self) -> str:
        """How jobs name it."""
        return f"azureml:{self.name}:{self.version}"

    def is_same(self, other: Asset) -> bool:
        """Whether it stands for the same data, whatever its version."""
        same_place = _below_workspace(self.uri) == _below_workspace(other.uri)
        return (self.kind, self.properties) == (other.kind, other.properties) and same_place


class Container(NamedTuple):
    """What all versions of a data asset have in common."""

    kind: str
    latest: str
    next: str
    """The version after the latest; empty where those are no numbers."""


class Workspace:
    """A workspace that is there and may be read."""

    def __init__(self, session: Session, resource_group: str, name: str) -> None:
        """Look it up.

        Raises:
            UsageError: there is none of that name.
            AccessDenied: it may not be read.
        """
        self._session = session
        self._group = resource_group
        self.name = name
        self._path = (
            f"/subscriptions/{session.subscription}/resourceGroups/{quote(resource_group, safe='')}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{quote(name, safe='')}"
        )
        found = self._find("", f"read the workspace '{name}'")
        if found is None:
            raise UsageError(
                f"there is no Azure ML workspace '{name}' in the resource group {resource_group}:"
                " 'az ml workspace list' shows those there are"
            )
        self.location = str(found.get("location", ""))

    def uri(self, datastore: str, path: str = "") -> str:
        """The long form of a datastore's address, which needs no workspace around it to be understood."""
        return (
            f"azureml://subscriptions/{self._session.subscription}/resourcegroups/{self._group}"
            f"/workspaces/{self.name}/datastores/{datastore}/paths/{quoted(path)}"
        )

    def datastore(self, name: str) -> Datastore | None:
        """A datastore, or None.

        Raises:
            UsageError: there is one of that name that is no blob container's, or that is no name.
        """
        if not _DATASTORE_NAME.fullmatch(name):
            raise UsageError(f"'{name}' cannot be a datastore's name: letters, digits and underscores")
        found = self._find(f"/datastores/{name}", f"read the datastore '{name}'")
        if found is None:
            return None
        properties = found["properties"]
        if properties.get("datastoreType") != "AzureBlob":
            raise UsageError(
                f"the datastore '{name}' is of the type {properties.get('datastoreType')}, no blob container's:"
                " give another name with --datastore"
            )
        kind = str((properties.get("credentials") or {}).get("credentialsType", "None"))
        return Datastore(
            name, str(properties.get("accountName")), str(properties.get("containerName")), _KINDS.get(kind, kind)
        )

    def create_datastore(self, name: str, destination: Destination, credentials: Credentials) -> Datastore:
        """Link a container; there must be no datastore of that name."""
        suffix = destination.endpoint.partition("://")[2].partition(".blob.")[2]
        properties: dict[str, Any] = {
            "datastoreType": "AzureBlob",
            "accountName": destination.account,
            "containerName": destination.container,
            "endpoint": suffix or destination.endpoint.partition("://")[2].partition("/")[0],
            "protocol": destination.endpoint.partition("://")[0],
            "credentials": credentials.body,
            "description": "Made by laden",
        }
        with _without(credentials.secret), explained(f"create the datastore '{name}'"):
            self._session.request("PUT", f"{self._path}/datastores/{name}", AML_API, {"properties": properties})
        return Datastore(name, destination.account, destination.container, credentials.kind)

    def container(self, name: str) -> Container | None:
        """What is registered under a name, or None."""
        check_name(name)
        found = self._find(f"/data/{name}", f"read the data asset '{name}'")
        if found is None:
            return None
        properties = found["properties"]
        latest = str(properties.get("latestVersion") or "")
        following = str(int(latest) + 1) if latest.isdecimal() else ""
        return Container(str(properties.get("dataType")), latest, str(properties.get("nextVersion") or following))

    def asset(self, name: str, version: str) -> Asset | None:
        """One version, or None."""
        check_name(version)
        found = self._find(f"/data/{name}/versions/{version}", f"read the data asset '{name}:{version}'")
        if found is None:
            return None
        properties = found["properties"]
        noted = {key: str(value) for key, value in (properties.get("properties") or {}).items() if key in NOTED}
        return Asset(name, version, str(properties.get("dataType")), str(properties.get("dataUri")), noted)

    def create_asset(self, asset: Asset, description: str) -> None:
        """Register a version for good: it can be archived later, not changed or deleted."""
        properties: dict[str, Any] = {
            "dataType": asset.kind,
            "dataUri": asset.uri,
            "description": description,
            "properties": asset.properties,
            "isAnonymous": False,
            "isArchived": False,
        }
        if asset.kind == "mltable":
            properties["referencedUris"] = ["./labels.jsonl"]
        path = f"{self._path}/data/{asset.name}/versions/{asset.version}"
        with explained(f"register the data asset '{asset.name}:{asset.version}'"):
            self._session.request("PUT", path, AML_API, {"properties": properties})

    def _find(self, path: str, doing: str) -> dict[str, Any] | None:
        from azure.core.exceptions import HttpResponseError

        with explained(doing):
            try:
                return self._session.request("GET", self._path + path, AML_API)
            except HttpResponseError as error:
                if error.status_code == 404 and error_code(error) not in _NOT_OURS:
                    return None
                raise


NOTED = ("laden_manifest_md5", "laden_images", "laden_bytes")
"""Properties of an asset that tell which load it stands for."""


def check_name(name: str) -> None:
    """Raise `UsageError` for what cannot be the name or version of a data asset."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name or version of a data asset: letters, digits, '-' and '_', and one of the"
            " first two at its beginning"
        )


def _below_workspace(uri: str) -> str:
    """From the datastore on: the service answers in the long form, whatever it was given."""
    return re.sub(r".*?/datastores/", "", uri.replace("azureml://datastores/", "/datastores/")).rstrip("/")


@contextmanager
def _without(secret: str) -> Iterator[None]:
    """Take a secret out of errors: a service may repeat what it was sent."""
    try:
        yield
    except LadenError as error:
        if not secret or secret not in str(error):
            raise
        raise type(error)(str(error).replace(secret, "(secret)")) from None
