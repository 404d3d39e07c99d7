"""Subscriptions, providers, and Microsoft.Storage: accounts, their names, keys and containers."""

import copy
from typing import TYPE_CHECKING, Any

from laden.demo.emulator import KEY
from tests.support.management.operations import begin
from tests.support.management.values import Refusal, Reply, Request, Route

if TYPE_CHECKING:
    from tests.support.management.server import Management

LOCATIONS = ["East US", "West Europe", "North Europe", "Germany West Central", "Spain Central"]
_DEFAULTS = {"minimumTlsVersion": "TLS1_0", "supportsHttpsTrafficOnly": True, "allowBlobPublicAccess": False}
"""What Azure takes where the request says nothing."""


def _subscriptions(azure: "Management", _: Request) -> Reply:
    return Reply(200, {"value": azure.subscriptions})


def _provider(azure: "Management", request: Request) -> Reply:
    _subscription(azure, request)
    namespace = request.parts["namespace"]
    state = "Registered" if namespace.lower() in azure.registered else "NotRegistered"
    types = [{"resourceType": "storageAccounts", "locations": LOCATIONS, "apiVersions": ["2026-04-01"]}]
    return Reply(200, {"namespace": namespace, "registrationState": state, "resourceTypes": types})


def _register(azure: "Management", request: Request) -> Reply:
    azure.registered.add(request.parts["namespace"].lower())
    return Reply(200, {"namespace": request.parts["namespace"], "registrationState": "Registering"})


def _check_name(azure: "Management", request: Request) -> Reply:
    _registered(azure, request)
    body = request.body or {}
    if set(body) != {"name", "type"} or body["type"] != "Microsoft.Storage/storageAccounts":
        raise Refusal(400, "InvalidRequestContent", "The request content was invalid.")
    name = body["name"]
    if azure.judge.template({**body, "apiVersion": request.api_version}):
        return Reply(
            200, {"nameAvailable": False, "reason": "AccountNameInvalid", "message": f"{name} is not a valid name."}
        )
    if name in azure.taken or any(key.endswith(f"/storageaccounts/{name}") for key in azure.resources):
        message = f"The storage account named {name} is already taken."
        return Reply(200, {"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return Reply(200, {"nameAvailable": True})


def _list(azure: "Management", request: Request) -> Reply:
    _registered(azure, request)
    accounts = [
        resource
        for resource in azure.resources.values()
        if resource["type"] == "Microsoft.Storage/storageAccounts"
        and resource["id"].lower().startswith(f"/subscriptions/{request.parts['subscription'].lower()}/")
    ]
    return Reply(200, {"value": accounts})


def _create(azure: "Management", request: Request) -> Reply:
    _registered(azure, request)
    _group(azure, request)
    name, key, body = request.parts["name"], request.path.lower(), request.body or {}
    if missing := {"sku", "kind", "location"} - set(body):
        raise Refusal(400, "InvalidRequestContent", f"The request lacks {', '.join(sorted(missing))}.")
    if body["location"].replace(" ", "").lower() not in [place.replace(" ", "").lower() for place in LOCATIONS]:
        message = f"The provided location '{body['location']}' is not available for resource type 'storageAccounts'."
        raise Refusal(400, "LocationNotAvailableForResourceType", message)
    if name in azure.taken:
        raise Refusal(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    known = key in azure.resources
    azure.resources[key] = _account(azure, request, copy.deepcopy(body))
    if known:
        azure.resources[key]["properties"]["provisioningState"] = "Succeeded"
        return Reply(200, azure.resources[key])
    return begin(azure, key, api_version=request.api_version)


def _account(azure: "Management", request: Request, body: dict[str, Any]) -> dict[str, Any]:
    name = request.parts["name"]
    endpoint = f"{azure.url}/{name}/" if azure.azurite else f"https://{name}.blob.core.windows.net/"
    return {
        **body,
        "id": request.path,
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": body["location"].replace(" ", "").lower(),
        "sku": {**body["sku"], "tier": body["sku"]["name"].partition("_")[0]},
        "properties": {
            **_DEFAULTS,
            **body.get("properties", {}),
            "provisioningState": "Creating",
            "primaryEndpoints": {"blob": endpoint},
            "networkAcls": {"defaultAction": "Allow", "bypass": "AzureServices"},
        },
    }


def _get(azure: "Management", request: Request) -> Reply:
    _group(azure, request)
    return Reply(200, azure.resources[_known(azure, request.path)])


def _keys(azure: "Management", request: Request) -> Reply:
    _known(azure, request.path.rpartition("/")[0])
    return Reply(200, {"keys": [{"keyName": "key1", "value": KEY, "permissions": "FULL"}]})


def _put_container(azure: "Management", request: Request) -> Reply:
    account = azure.resources[_known(azure, request.path.partition("/blobServices")[0])]
    public = (request.body or {}).get("properties", {}).get("publicAccess", "None")
    if public != "None" and not account["properties"]["allowBlobPublicAccess"]:
        raise Refusal(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
    known = request.path.lower() in azure.resources
    azure.resources[request.path.lower()] = resource = {
        "id": request.path,
        "name": request.parts["container"],
        "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
        "properties": {"publicAccess": public},
    }
    return Reply(200 if known else 201, resource)


def _known(azure: "Management", path: str) -> str:
    if path.lower() not in azure.resources:
        kind, name = path.split("/")[-2:]
        message = f"The Resource 'Microsoft.Storage/{kind}/{name}' under resource group was not found."
        raise Refusal(404, "ResourceNotFound", message)
    return path.lower()


def _subscription(azure: "Management", request: Request) -> None:
    wanted = request.parts["subscription"]
    if wanted.lower() not in [known["subscriptionId"].lower() for known in azure.subscriptions]:
        raise Refusal(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")


def _registered(azure: "Management", request: Request) -> None:
    _subscription(azure, request)
    if "microsoft.storage" not in azure.registered:
        message = "The subscription is not registered to use namespace 'Microsoft.Storage'."
        raise Refusal(409, "MissingSubscriptionRegistration", message)


def _group(azure: "Management", request: Request) -> None:
    from tests.support.management.server import GROUP

    _subscription(azure, request)
    if request.parts["group"].lower() != GROUP:
        message = f"Resource group '{request.parts['group']}' could not be found."
        raise Refusal(404, "ResourceGroupNotFound", message)


_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_ACCOUNT = (
    _SUBSCRIPTION + r"/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Storage/storageAccounts/(?P<name>[^/]+)"
)
_STORAGE = "Microsoft.Storage"
PROVIDERS_READ = "Microsoft.Resources/subscriptions/providers/read"
NAME_READ = f"{_STORAGE}/checknameavailability/read"
ROUTES = (
    Route("GET", r"/subscriptions/?", _subscriptions),
    Route("GET", _SUBSCRIPTION + r"/providers/(?P<namespace>[^/]+)", _provider, PROVIDERS_READ),
    Route("POST", _SUBSCRIPTION + r"/providers/(?P<namespace>[^/]+)/register", _register, "*/register/action"),
    Route("POST", _SUBSCRIPTION + r"/providers/Microsoft\.Storage/checkNameAvailability", _check_name, NAME_READ),
    Route(
        "GET",
        _SUBSCRIPTION + r"/providers/Microsoft\.Storage/storageAccounts",
        _list,
        f"{_STORAGE}/storageAccounts/read",
    ),
    Route("PUT", _ACCOUNT, _create, f"{_STORAGE}/storageAccounts/write"),
    Route("GET", _ACCOUNT, _get, f"{_STORAGE}/storageAccounts/read"),
    Route("POST", _ACCOUNT + "/listKeys", _keys, f"{_STORAGE}/storageAccounts/listKeys/action"),
    Route(
        "PUT",
        _ACCOUNT + r"/blobServices/default/containers/(?P<container>[^/]+)",
        _put_container,
        f"{_STORAGE}/storageAccounts/blobServices/containers/write",
    ),
)
