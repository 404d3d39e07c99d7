"""The right to an account's blobs, for the one who is signed in: given, and waited for.

Azure gives whoever makes an account no right to what is in it. Assigning a role needs a right of its own, takes a
while to reach the Blob service, and says nothing when it has: so the Blob service itself is asked.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from laden.azure.account import Account, Waiting
from laden.azure.clients import AUTHORIZATION_API, Session
from laden.azure.refusals import error_code, explained
from laden.run.loop import run
from laden.store.account import list_containers
from laden.store.credentials import identity_credential
from laden.values.errors import AccessDenied, TransientStoreError

CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor ("Azure built-in roles for Storage")."""

_ROLE_WAIT_S = 600
"""Microsoft: a role assignment takes up to 10 minutes ("Troubleshoot Azure RBAC")."""

_NOT_YET = ("AuthorizationPermissionMismatch", "AuthorizationFailure")
"""What the Blob service says while it does not know of a role ("Blob service error codes")."""


def assign_role(session: Session, account: Account, *, waiting: Waiting, limit_s: float = _ROLE_WAIT_S) -> str:
    """Give the one who is signed in Storage Blob Data Contributor on an account, and wait until it works.

    Args:
        session: the one who is signed in.
        account: to be given.
        waiting: told how long the role has been on its way.
        limit_s: how long to wait at most.

    Returns:
        The object id that has the role now.

    Raises:
        AccessDenied: roles may not be assigned here, or the role does not work in time.
    """
    claims = session.signed_in.claims(session.cloud.scope)
    principal = str(claims.get("oid", ""))
    if not principal:
        raise AccessDenied("the sign-in's token does not name its holder, so no role can be given: assign it yourself")
    # Only tokens of people carry `scp` ("Access token claims reference"); naming the kind spares Azure a look-up
    # that fails for identities made a moment ago.
    _assign(session, account, principal, "User" if "scp" in claims else "ServicePrincipal")
    _await_role(account, waiting, limit_s)
    return principal


def _assign(session: Session, account: Account, principal: str, kind: str) -> None:
    from azure.core.exceptions import ResourceExistsError

    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{account.id.lower()}/{principal}/{CONTRIBUTOR}"))
    role = f"/subscriptions/{session.subscription}/providers/Microsoft.Authorization/roleDefinitions/{CONTRIBUTOR}"
    with session.authorization() as client, explained("give the role Storage Blob Data Contributor"):
        from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

        assignments: Any = client.role_assignments
        parameters = RoleAssignmentCreateParameters(
            role_definition_id=role, principal_id=principal, principal_type=kind
        )
        try:
            assignments.create(account.id, name, parameters, api_version=AUTHORIZATION_API)
        except ResourceExistsError as error:
            if error_code(error) != "RoleAssignmentExists":
                raise


def _await_role(account: Account, waiting: Waiting, limit_s: float) -> None:
    """Ask the Blob service itself: an assignment that is there may not be known to it yet."""
    began_s = time.monotonic()
    pause_s = 0.5
    while True:
        try:
            run(list_containers(account.endpoint, account.name, identity_credential(), most=1))
        except (AccessDenied, TransientStoreError) as error:
            # The name of a new account takes a while to be known as well.
            if isinstance(error, AccessDenied) and error.code not in _NOT_YET:
                raise
            passed_s = time.monotonic() - began_s
            if passed_s + pause_s > limit_s:
                raise AccessDenied(
                    f"the role is assigned, but does not work after {passed_s:.0f} s: it may need more time,"
                    f" or a new sign-in ('az login'); the last answer was: {error}"
                ) from None
            waiting("Waiting until the role works (usually a few minutes)", passed_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 10)
        else:
            return
