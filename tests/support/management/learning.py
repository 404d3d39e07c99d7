"""Microsoft.MachineLearningServices: workspaces, their datastores, and data assets whose versions cannot be changed.

    learning.add_workspace(azure, "research")

As the service does it: a datastore is taken with whatever secret comes with it, and shown without; an asset has one
type for all its versions; an address is answered in its long form, whatever form it was given in.
"""

import copy
from typing import TYPE_CHECKING, Any

from tests.support.management.values import Refusal, Reply, Request, Route

if TYPE_CHECKING:
    from tests.support.management.server import Management

PROVIDER = "Microsoft.MachineLearningServices"
_SECRETS = {"None": "", "AccountKey": "key", "Sas": "sasToken"}


def add_workspace(azure: "Management", name: str) -> str:
    """Have a workspace; returns its id."""
    azure.add(*ROUTES)
    key = azure.resource_id(f"{PROVIDER}/workspaces/{name}")
    azure.resources[key.lower()] = {
        "id": key,
        "name": name,
        "type": f"{PROVIDER}/workspaces",
        "location": "westeurope",
        "properties": {"provisioningState": "Succeeded"},
    }
    return key


def _workspace(azure: "Management", request: Request) -> dict[str, Any]:
    key = request.path[: request.path.lower().index("/workspaces/")] + "/workspaces/" + request.parts["workspace"]
    found = azure.resources.get(key.lower())
    if found is None:
        message = (
            f"The Resource '{PROVIDER}/workspaces/{request.parts['workspace']}' under resource group"
            f" '{request.parts['group']}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        )
        raise Refusal(404, "ResourceNotFound", message)
    return found


def _get_workspace(azure: "Management", request: Request) -> Reply:
    return Reply(200, _workspace(azure, request))


def _get(azure: "Management", request: Request) -> Reply:
    """A datastore or a version, as it was put."""
    _workspace(azure, request)
    found = azure.resources.get(request.path.lower())
    if found is None:
        raise Refusal(404, "UserError", f"{request.path.rpartition('/')[2]} was not found.")
    return Reply(200, found)


def _put_datastore(azure: "Management", request: Request) -> Reply:
    _workspace(azure, request)
    properties = copy.deepcopy(request.body["properties"])
    credentials = properties["credentials"]
    # The schema does not say what is in secrets, so it is looked at here ("Datastores", "Create Or Update").
    named = _SECRETS[credentials["credentialsType"]]
    secrets = credentials.get("secrets", {})
    if set(secrets) != ({"secretsType", named} if named else set()) or secrets.pop(named, "full") == "":
        raise Refusal(400, "UserError", f"The secrets are not those of {credentials['credentialsType']}.")
    known = request.path.lower() in azure.resources
    azure.resources[request.path.lower()] = _resource(request, "datastores", properties)
    return Reply(200 if known else 201, azure.resources[request.path.lower()])


def _get_data(azure: "Management", request: Request) -> Reply:
    _workspace(azure, request)
    versions = _versions(azure, request.path)
    if not versions:
        raise Refusal(404, "UserError", f"Data container {request.parts['name']} was not found.")
    numbers = [int(name) for name in versions if name.isdecimal()]
    latest = list(versions)[-1]
    properties = {
        "dataType": versions[latest]["properties"]["dataType"],
        "latestVersion": latest,
        "nextVersion": str(max(numbers) + 1) if numbers else None,
    }
    return Reply(200, _resource(request, "data", properties))


def _put_version(azure: "Management", request: Request) -> Reply:
    _workspace(azure, request)
    properties = copy.deepcopy(request.body["properties"])
    others = _versions(azure, request.path.rpartition("/versions/")[0])
    if request.parts["version"] in others:
        raise Refusal(409, "UserError", "A data version cannot be changed once it was created.")
    if any(other["properties"]["dataType"] != properties["dataType"] for other in others.values()):
        raise Refusal(400, "UserError", "The data type does not match that of the data container.")
    if not properties["dataUri"].startswith("azureml://"):
        raise Refusal(400, "UserError", "The uri is no datastore's.")
    if properties["dataUri"].startswith("azureml://datastores/"):
        root = f"subscriptions/{request.parts['subscription']}/resourcegroups/{request.parts['group']}"
        properties["dataUri"] = properties["dataUri"].replace(
            "azureml://", f"azureml://{root}/workspaces/{request.parts['workspace']}/"
        )
    azure.resources[request.path.lower()] = _resource(request, "data/versions", properties)
    return Reply(201, azure.resources[request.path.lower()])


def _versions(azure: "Management", data: str) -> dict[str, dict[str, Any]]:
    """The versions of a data asset, oldest first."""
    start = f"{data.lower()}/versions/"
    return {key.removeprefix(start): found for key, found in azure.resources.items() if key.startswith(start)}


def _resource(request: Request, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": request.path,
        "name": request.path.rpartition("/")[2],
        "type": f"{PROVIDER}/workspaces/{kind}",
        "properties": properties,
    }


WORKSPACE = (
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers"
    r"/Microsoft\.MachineLearningServices/workspaces/(?P<workspace>[^/]+)"
)
_DATASTORE = WORKSPACE + r"/datastores/(?P<name>[^/]+)"
_DATA = WORKSPACE + r"/data/(?P<name>[^/]+)"
_VERSION = _DATA + r"/versions/(?P<version>[^/]+)"
ROUTES = (
    Route("GET", WORKSPACE, _get_workspace, f"{PROVIDER}/workspaces/read"),
    Route("GET", _DATASTORE, _get, f"{PROVIDER}/workspaces/datastores/read"),
    Route("PUT", _DATASTORE, _put_datastore, f"{PROVIDER}/workspaces/datastores/write"),
    Route("GET", _DATA, _get_data, f"{PROVIDER}/workspaces/data/read"),
    Route("GET", _VERSION, _get, f"{PROVIDER}/workspaces/data/versions/read"),
    Route("PUT", _VERSION, _put_version, f"{PROVIDER}/workspaces/data/versions/write"),
)
