"""Role assignments: made once, told of twice. Microsoft.Authorization, api-version 2022-04-01.

No schema of this provider is at hand, so the body is looked at here: "Role Assignments - Create" names
`roleDefinitionId` and `principalId` as required.
"""

import re
from typing import TYPE_CHECKING

from tests.support.management.values import Refusal, Reply, Request, Route

if TYPE_CHECKING:
    from tests.support.management.server import Management

_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PRINCIPALS = {"User", "Group", "ServicePrincipal", "ForeignGroup", "Device", None}


def assignments(azure: "Management", scope: str, role: str, principal: str) -> list[str]:
    """The keys of what gives a role to a principal at exactly this scope."""
    return [
        key
        for key, resource in azure.resources.items()
        if key.startswith(f"{scope.lower()}/providers/microsoft.authorization/roleassignments/")
        and resource["properties"]["principalId"] == principal
        and resource["properties"]["roleDefinitionId"].lower().endswith(f"/{role.lower()}")
    ]


def _create(azure: "Management", request: Request) -> Reply:
    properties = (request.body or {}).get("properties", {})
    role, principal = str(properties.get("roleDefinitionId", "")), str(properties.get("principalId", ""))
    if not re.fullmatch(rf"/subscriptions/{_GUID}/providers/Microsoft\.Authorization/roleDefinitions/{_GUID}", role):
        raise Refusal(400, "BadRequestFormat", f"The role definition id '{role}' is not valid.")
    if not re.fullmatch(_GUID, principal) or properties.get("principalType") not in _PRINCIPALS:
        raise Refusal(400, "InvalidPrincipalId", f"The principal '{principal}' is not valid.")
    if not re.fullmatch(_GUID, request.parts["name"]):
        raise Refusal(400, "InvalidRoleAssignmentId", "The role assignment's name must be a GUID.")
    if assignments(azure, request.parts["scope"], role.rpartition("/")[2], principal):
        raise Refusal(409, "RoleAssignmentExists", "The role assignment already exists.")
    resource = {
        "id": request.path,
        "name": request.parts["name"],
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {**properties, "scope": request.parts["scope"]},
    }
    azure.resources[request.path.lower()] = resource
    return Reply(201, resource)


ROUTES = (
    Route(
        "PUT",
        r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/roleAssignments/(?P<name>[^/]+)",
        _create,
        "Microsoft.Authorization/roleAssignments/write",
    ),
)
