"""Every 403 is explained, on the forms that the service really answers with (its REST reference shows them)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape

import pytest

from laden.store.answers import refusal
from laden.store.destination import Destination
from laden.values.errors import AccessDenied, AccessEnded

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"
AZURE = Destination("acct", "https://acct.blob.core.windows.net", "cont", "png")
LOCAL = Destination("devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1", "cont", "png")

SAS = f"sv=2023-11-03&st=2020-01-01&se=2999-01-01&sr=c&sp=rcwl&sig={SECRET}%3D"
READ_ONLY = SAS.replace("rcwl", "rl")
DELEGATED = SAS + "&skoid=o&sktid=t&ske=2999-01-01"
POLICY = f"sv=2023-11-03&sr=c&si=load-1&sig={SECRET}%3D"

AUTHENTICATION = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
    " including the signature.\nRequestId:0b1e7c2d-601e-0021-4c3e-5b7a1f000000\nTime:2026-11-22T09:00:00.0000000Z"
)
NOT_AUTHORIZED = "This request is not authorized to perform this operation"


def body(code: str, message: str = "", detail: str = "") -> bytes:
    """An error as the service writes it, byte order mark included."""
    more = f"<AuthenticationErrorDetail>{escape(detail)}</AuthenticationErrorDetail>" if detail else ""
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}'
    return f"\ufeff{text}</Error>".encode()


def explained(
    code: str,
    *,
    message: str = "",
    detail: str = "",
    status: int = 403,
    permission: str = "write",
    kind: str = "SAS",
    query: str = SAS,
    place: Destination = AZURE,
    date: datetime | None = None,
    bare: bool = False,
) -> AccessDenied:
    """The error for an answer; `bare` as to a HEAD, which has no body."""
    headers = {"x-ms-error-code": code} | ({"date": format_datetime(date, usegmt=True)} if date else {})
    xml = b"" if bare else body(code, message, detail)
    error = refusal(status, headers, xml, place, "a.png", permission, kind, query if kind == "SAS" else "")
    assert isinstance(error, AccessDenied)
    assert SECRET not in str(error)
    assert SECRET not in repr(error)
    assert code in str(error)
    return error


FRAME = (
    "Signature not valid in the specified time frame: Start [Sat, 21 Nov 2026 10:00:00 GMT] - Expiry "
    "[Sat, 21 Nov 2026 11:00:00 GMT] - Current [Sun, 22 Nov 2026 09:00:00 GMT]"
)


@pytest.mark.parametrize("bare", [False, True])
def test_expired(bare: bool) -> None:
    query = SAS.replace("2999-01-01", "2026-11-21T11:00:00Z")
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    error = explained("AuthenticationFailed", detail=FRAME, query=query, date=at, bare=bare)
    assert isinstance(error, AccessEnded)
    assert "it ended at 2026-11-21 11:00:00 UTC, and the service's clock says 2026-11-22 09:00:00 UTC" in str(error)


def test_expired_by_the_service_s_word_where_the_sas_does_not_tell() -> None:
    error = explained("AuthenticationFailed", detail=FRAME, query=POLICY)
    assert isinstance(error, AccessEnded)
    assert "it holds from Sat, 21 Nov 2026 10:00:00 GMT to Sat, 21 Nov 2026 11:00:00 GMT" in str(error)


def test_not_yet_valid_and_the_clock() -> None:
    now = datetime.now(UTC)
    start = now + timedelta(minutes=5)
    query = SAS.replace("st=2020-01-01", f"st={start:%Y-%m-%dT%H:%M:%SZ}")
    error = explained("AuthenticationFailed", query=query, date=now)
    assert isinstance(error, AccessEnded)
    assert "it only begins at" in str(error)
    assert "this machine's clock" not in str(error), "the clocks agree"
    behind = explained("AuthenticationFailed", query=query, date=now - timedelta(minutes=30))
    assert "this machine's clock is 30 minutes ahead" in str(behind)
    query = SAS.replace("2999-01-01", f"{now + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}")
    ahead = explained("AuthenticationFailed", query=query, date=now + timedelta(minutes=30))
    assert "it ended at" in str(ahead)
    assert "30 minutes behind" in str(ahead)


@pytest.mark.parametrize(
    ("query", "detail", "told"),
    [
        (SAS, f"Signature did not match. String to sign used was rcwl\n{SECRET}", "its signature is not right"),
        (SAS, "", "its signature is not right"),
        (DELEGATED, f"Signature did not match. String to sign used was {SECRET}", "or revoked"),
        (POLICY, "", "stored access policy 'load-1' has ended or is gone"),
        (POLICY, "SAS identifier cannot be found for specified signed identifier", "policy is not there"),
        (SAS, "se is mandatory. Cannot be empty", "a part is missing"),
    ],
)
def test_signature(query: str, detail: str, told: str) -> None:
    error = explained("AuthenticationFailed", message=AUTHENTICATION, detail=detail, query=query)
    assert isinstance(error, AccessEnded)
    assert told in str(error)


def test_the_emulator_s_word_for_it() -> None:
    error = explained("AuthorizationFailure", message=AUTHENTICATION, place=LOCAL)
    assert isinstance(error, AccessEnded)
    assert "its signature is not right" in str(error)


@pytest.mark.parametrize(
    ("permission", "query", "told"),
    [
        ("write", READ_ONLY, "make one with the permission 'write' (w)"),
        ("list", SAS.replace("rcwl", "rcw"), "make one with the permission 'list' (l)"),
        ("read", SAS.replace("rcwl", "cwl"), "make one with the permission 'read' (r)"),
        ("delete", SAS, "make one with the permission 'delete' (d)"),
        ("write", POLICY, "policy 'load-1' does not let it: give the policy the permission 'write' (w)"),
        ("write", DELEGATED, "whoever made the SAS may not write here"),
        ("create", SAS, "a container's own SAS cannot make it"),
        ("tag", SAS, "make one with the permission 'tags' (t)"),
        ("read the tags of blobs", SAS, "make one with the permission 'tags' (t)"),
        ("do what has no letter", SAS, "the credential may not do what has no letter here"),
        ("do what has no letter", POLICY, "the credential may not do what has no letter here"),
    ],
)
def test_a_missing_permission_of_a_sas(permission: str, query: str, told: str) -> None:
    error = explained(
        "AuthorizationPermissionMismatch",
        message=f"{NOT_AUTHORIZED} using this permission.",
        permission=permission,
        query=query,
    )
    assert not isinstance(error, AccessEnded), "another SAS of the same kind would not help"
    assert told in str(error)


def test_a_role_that_is_missing_or_not_there_yet() -> None:
    error = explained(
        "AuthorizationPermissionMismatch", message=f"{NOT_AUTHORIZED} using this permission.", kind="sign-in"
    )
    assert "Storage Blob Data Contributor" in str(error)
    assert "up to 10 minutes" in str(error)


@pytest.mark.parametrize("query", [SAS, SAS + "&sip=203.0.113.7"])
def test_another_address(query: str) -> None:
    message = f"{NOT_AUTHORIZED} using this source IP 198.51.100.23.\nRequestId:0b1e7c2d"
    error = explained("AuthorizationSourceIPMismatch", message=message, query=query)
    assert "198.51.100.23, as the service sees it" in str(error)
    assert ("only for 203.0.113.7" in str(error)) is ("sip" in query)


@pytest.mark.parametrize(
    ("code", "status", "kind", "told"),
    [
        ("AuthorizationFailure", 403, "SAS", "firewall"),
        ("AuthorizationFailure", 403, "sign-in", "firewall"),
        ("AuthorizationProtocolMismatch", 403, "SAS", "asks for https"),
        ("AuthorizationServiceMismatch", 403, "SAS", "not for the Blob service"),
        ("AuthorizationResourceTypeMismatch", 403, "SAS", "make one for the container"),
        ("KeyBasedAuthenticationNotPermitted", 403, "account key", "does not allow keys"),
        ("KeyBasedAuthenticationNotPermitted", 403, "SAS", "user delegation SAS"),
        ("PublicAccessNotPermitted", 409, "SAS", "no public access"),
        ("NoAuthenticationInformation", 401, "SAS", "no credential reached"),
        ("AccountIsDisabled", 403, "SAS", "disabled"),
        ("InsufficientAccountPermissions", 403, "SAS", "may only be read"),
        ("SomethingNew", 403, "SAS", "may not write here"),
    ],
)
def test_what_else_keeps_out(code: str, status: int, kind: str, told: str) -> None:
    error = explained(code, message=f"{NOT_AUTHORIZED}.", status=status, kind=kind)
    assert not isinstance(error, AccessEnded)
    assert told in str(error)


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("Lifetime validation failed. The token is expired.", "has expired"),
        ("Issuer validation failed. Issuer did not match.", "az login --tenant"),
        ("Audience validation failed. Audience did not match.", "not for Azure Storage"),
        ("Signature validation failed.", "sign in again"),
        ("", "sign in again"),
    ],
)
@pytest.mark.parametrize(("code", "status"), [("InvalidAuthenticationInfo", 401), ("AuthenticationFailed", 403)])
def test_a_bearer_token(code: str, status: int, detail: str, told: str) -> None:
    error = explained(code, status=status, detail=detail, kind="sign-in")
    assert isinstance(error, AccessEnded)
    assert told in str(error)


def test_an_account_key() -> None:
    error = explained("AuthenticationFailed", message=AUTHENTICATION, kind="account key")
    assert isinstance(error, AccessEnded)
    assert "check the key" in str(error)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 09:00:00 GMT"])
def test_without_a_clock_of_the_service_this_machine_s_counts(date: str) -> None:
    query = SAS.replace("2999-01-01", "2026-01-01")
    error = refusal(403, {"date": date}, b"", AZURE, "a", "write", "SAS", query)
    assert "it ended at 2026-01-01" in str(error)
