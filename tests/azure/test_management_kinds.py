"""The judge and bodies that come in kinds: Microsoft's schema taken literally refuses Microsoft's own example."""

import json
from collections import Counter
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from laden.azure.azureml import AML_API
from laden.azure.clients import session
from tests.support.management import Judge, Management, learning, tally
from tests.support.management.judge import COMMON, FROZEN
from tests.support.management.kinds import read_by_kind

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
EXAMPLE = {
    "description": "string",
    "tags": {"string": "string"},
    "credentials": {
        "credentialsType": "AccountKey",
        "secrets": {"secretsType": "AccountKey", "key": "string"},
    },
    "datastoreType": "AzureBlob",
    "accountName": "string",
    "containerName": "string",
    "endpoint": "core.windows.net",
    "protocol": "https",
}
"""Azure/azure-rest-api-specs, Microsoft.MachineLearningServices, examples/Datastore/AzureBlobWAccountKey/
createOrUpdate.json (MIT License), the body's properties without the one that is null."""


def judged(path: str, properties: dict[str, Any]) -> list[str]:
    return Judge(FROZEN, Counter()).resource(f"{WORKSPACE}/{path}", AML_API, {"properties": properties})


def published() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(
        (FROZEN / f"Microsoft.MachineLearningServices.{AML_API}.json").read_text("utf-8")
    )
    return schema


def test_taken_literally_the_schema_refuses_microsofts_example() -> None:
    common = json.loads((FROZEN / COMMON).read_text("utf-8"))
    documents = [(one["id"].rstrip("#"), DRAFT4.create_resource(one)) for one in (published(), common)]
    registry: Registry[Any] = Registry().with_resources(documents)
    reference = f"{published()['id'].rstrip('#')}#/definitions/DatastoreProperties"
    errors = [error.message for error in Draft4Validator({"$ref": reference}, registry=registry).iter_errors(EXAMPLE)]
    assert any("'accountName'" in error and "were unexpected" in error for error in errors)


def test_read_as_it_is_meant_it_takes_the_example() -> None:
    assert judged("datastores/d", EXAMPLE) == []


@pytest.mark.parametrize(
    "change",
    [
        {"acountName": "a"},
        {"fileShareName": "of another kind"},
        {"accountName": 5},
        {"datastoreType": "Blob"},
        {"credentials": {"credentialsType": "AccountKey"}},
        {"credentials": {"credentialsType": "None", "secrets": {"secretsType": "AccountKey", "key": "k"}}},
        {"credentials": {"credentialsType": "Sas", "secrets": {"secretsType": "Password", "sasToken": "s"}}},
        {"tags": {"a": 1}},
    ],
)
def test_what_no_kind_has_is_rejected(change: dict[str, Any]) -> None:
    assert judged("datastores/d", {**EXAMPLE, **change})


@pytest.mark.parametrize(
    ("properties", "is_right"),
    [
        ({"dataType": "uri_folder", "dataUri": "azureml://x"}, True),
        ({"dataType": "mltable", "dataUri": "azureml://x", "referencedUris": ["./a"]}, True),
        ({"dataType": "uri_folder", "dataUri": "azureml://x", "referencedUris": ["./a"]}, False),
        ({"dataType": "uri_folder"}, False),
        ({"dataType": "folder", "dataUri": "azureml://x"}, False),
        ({"dataType": "mltable", "dataUri": "azureml://x", "properties": {"images": 5}}, False),
    ],
)
def test_versions_of_data_assets(properties: dict[str, Any], is_right: bool) -> None:
    assert bool(judged("data/d/versions/1", properties)) != is_right


def test_schemas_without_kinds_are_read_as_they_are() -> None:
    (path,) = FROZEN.glob("Microsoft.Storage.*.json")
    schema = json.loads(path.read_text("utf-8"))
    assert read_by_kind(schema) == schema
    changed = read_by_kind(published())
    kinds = {name for name, one in changed["definitions"].items() if one != published()["definitions"][name]}
    assert {"DatastoreProperties", "DatastoreCredentials", "DataVersionBaseProperties"} <= kinds


def test_a_wrong_request_does_not_pass(azure: Management, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.env.items():
        monkeypatch.setenv(name, value)
    key = learning.add_workspace(azure, "research")
    before = tally["rejected"]
    wrong = {"properties": {**EXAMPLE, "acountName": "a"}}
    with session() as opened, pytest.raises(HttpResponseError, match="InvalidRequestContent"):
        opened.request("PUT", f"{key}/datastores/d", AML_API, wrong)
    assert tally["rejected"] == before + 1
    tally["rejected"] -= 1
    tally["rejected on purpose"] += 1
    assert list(azure.resources) == [key.lower()]
