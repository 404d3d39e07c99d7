"""What the service answers, as values and errors."""

import contextlib
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.store import Page
from laden.store.answers import blob_from_headers, page_from_xml, refusal
from laden.store.destination import Destination
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobConflict,
    BlobMissing,
    BlobProtected,
    BlobRefused,
    ContainerMissing,
    StoreError,
    TransientStoreError,
)

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"
SAS = f"sv=2023-11-03&sp=rcwl&se=2999-01-01&sig={SECRET}%3D"
AZURE = Destination("acct", "https://acct.blob.core.windows.net", "cont", "png", SAS)

BLOB = (
    "<Blob><Name>{name}</Name><Properties><Content-Length>{size}</Content-Length><Etag>0x8D</Etag>"
    "<Content-MD5>{md5}</Content-MD5></Properties><Metadata>{metadata}</Metadata></Blob>"
)


def listing(blobs: str, marker: str = "") -> bytes:
    text = f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x"><Blobs>{blobs}</Blobs>'
    return f"\ufeff{text}<NextMarker>{escape(marker)}</NextMarker></EnumerationResults>".encode()


ONE_BLOB = listing(BLOB.format(name="a", size=1, md5="nN0PiLgSKdeTrCNV+Izuog==", metadata=""))


def test_a_listing_as_the_service_writes_it():
    names = '<Blob><Name Encoded="true">png/a%EF%BF%BE%2Bb</Name><Properties><Content-Length>7</Content-Length>'
    names += "<Content-MD5 /><ResourceType>file</ResourceType></Properties></Blob>"
    folders = "<Blob><Name>png/d</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>"
    folders += BLOB.format(name="png/e", size=0, md5="", metadata="<hdi_isfolder>true</hdi_isfolder>")
    blob = BLOB.format(name="png/a", size=1, md5="nN0PiLgSKdeTrCNV+Izuog==", metadata="<Laden_Size>1</Laden_Size>")
    page = page_from_xml(listing(blob + names + folders, marker="2!a&b"), prefix="png/")
    assert page.marker == "2!a&b"
    assert page.blobs == [
        ("a", 1, bytes.fromhex("9cdd0f88b81229d793ac2355f88ceea2"), '"0x8D"', {"laden_size": "1"}),
        ("a\ufffe+b", 7, None, "", {}),
    ]


@given(
    st.lists(st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters="\ufffe\uffff"), min_size=1))
)
def test_any_names_come_back_from_a_listing(names):
    blobs = "".join(BLOB.format(name=escape(name), size=1, md5="", metadata="") for name in names)
    assert [blob.name for blob in page_from_xml(listing(blobs)).blobs] == names


@given(st.integers(0, len(ONE_BLOB) - 1))
def test_a_listing_cut_anywhere_is_transient(end):
    with pytest.raises(TransientStoreError):
        page_from_xml(ONE_BLOB[:end])


@given(
    st.binary()
    | st.text().map(lambda text: listing(text))
    | st.integers(0, 600).map(lambda at: ONE_BLOB[:at] + ONE_BLOB[at + 1 :])
)
def test_any_bytes_are_a_page_or_transient(body):
    with contextlib.suppress(TransientStoreError):
        assert isinstance(page_from_xml(body), Page)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>proxy</body></html>",
        b"<EnumerationResults/>",
        b"{}",
        listing("<Blob><Name>a</Name></Blob>"),
        listing("<Blob><Properties><Content-Length>1</Content-Length></Properties></Blob>"),
        listing("<Blob><Name>a</Name><Properties><Content-Length>-1</Content-Length></Properties></Blob>"),
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><EnumerationResults><Blobs>&l9;</Blobs>'.encode(),
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><EnumerationResults><Blobs>&f;</Blobs></EnumerationResults>',
    ],
    ids=[
        "empty",
        "html",
        "no blobs",
        "json",
        "no properties",
        "no name",
        "negative length",
        "laughs",
        "external entity",
    ],
)
def test_what_is_no_listing_is_transient(body):
    with pytest.raises(TransientStoreError):
        page_from_xml(body)


@pytest.mark.parametrize("length", [None, "", "-1", "1.5", "1e3", "0x10", str(1 << 63), "9" * 20, "9" * 5000])
def test_a_blob_without_length_is_transient(length):
    headers = {"etag": '"0x8D"'} | ({} if length is None else {"content-length": length})
    with pytest.raises(TransientStoreError):
        blob_from_headers("a", headers)


def refused(status: int, code: str = "", *, name: str = "a.png", permission: str = "write", body: bytes = b"", **more):
    error = refusal(status, {"x-ms-error-code": code}, body, AZURE, name, permission, "SAS", **more)
    assert SECRET not in str(error)
    assert SECRET not in repr(error)
    return error


@pytest.mark.parametrize(
    ("status", "code", "kind", "sentence"),
    [
        (400, "Md5Mismatch", TransientStoreError, "changed on the way"),
        (400, "InvalidBlockList", BlobConflict, "are gone"),
        (400, "InvalidAuthenticationInfo", AccessEnded, "sign in again"),
        (401, "NoAuthenticationInformation", AccessDenied, "LADEN_SAS"),
        (403, "AuthenticationFailed", AccessEnded, "signature is not right"),
        (403, "AuthorizationFailure", AccessDenied, "firewall"),
        (403, "AuthorizationPermissionMismatch", AccessDenied, "may not write here"),
        (403, "KeyBasedAuthenticationNotPermitted", AccessDenied, "az login"),
        (403, "AccountIsDisabled", AccessDenied, "disabled"),
        (403, "Whatever", AccessDenied, "may not write here"),
        (403, "", AccessDenied, r"may not write here \(403\)"),
        (403, "UnauthorizedBlobOverwrite", BlobConflict, "create blobs but not overwrite"),
        (404, "BlobNotFound", BlobMissing, "no blob https://acct.blob.core.windows.net/cont/png/a.png"),
        (404, "", BlobMissing, "no blob"),
        (404, "ContainerNotFound", ContainerMissing, "no container 'cont'"),
        (409, "BlobAlreadyExists", BlobConflict, "there already"),
        (409, "BlobArchived", BlobProtected, "written: it is in the archive tier; rehydrate it first"),
        (409, "BlobImmutableDueToPolicy", BlobProtected, "immutability"),
        (409, "ContainerBeingDeleted", TransientStoreError, "free again in about a minute"),
        (412, "LeaseIdMissing", BlobProtected, "lease"),
        (412, "ConditionNotMet", BlobConflict, "changed meanwhile"),
        (412, "", BlobConflict, "changed meanwhile"),
        (413, "RequestBodyTooLarge", BlobRefused, "413 RequestBodyTooLarge"),
        (302, "", StoreError, "redirect"),
        (200, "", BlobRefused, "answered 200, where the Blob service never does"),
    ],
)
def test_each_refusal_is_one_kind_and_one_sentence(status, code, kind, sentence):
    error = refused(status, code)
    assert type(error) is kind
    with pytest.raises(kind, match=sentence):
        raise error


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_transient(status):
    error = refusal(status, {"retry-after": "7"}, b"<html>busy</html>", AZURE, "", "list", "SAS")
    assert type(error) is TransientStoreError
    assert (error.retry_after_s, error.throttled) == (7, status in (429, 503))


@pytest.mark.parametrize(
    ("text", "date", "expected_s"),
    [
        ("7", "", 7),
        ("1" * 9, "", 111_111_111),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:30 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "", 0),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_by_the_clock_of_who_gave_it(text, date, expected_s):
    error = refusal(503, {"retry-after": text, "date": date}, b"", AZURE, "", "list", "SAS")
    assert isinstance(error, TransientStoreError)
    assert error.retry_after_s == expected_s
    assert error.answered


@pytest.mark.parametrize("text", ["", "-1", "soon", "Wed, 99 Oct 2026 07:28:00 GMT", "1.5", "nan"])
def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(text):
    error = refusal(503, {"retry-after": text}, b"", AZURE, "", "list", "SAS")
    assert isinstance(error, TransientStoreError)
    assert error.retry_after_s is None


def test_without_a_name_a_refusal_is_about_the_container():
    assert type(refused(404, name="")) is ContainerMissing
    assert type(refused(400, "InvalidHeaderValue", name="")) is StoreError


def test_the_times_of_an_expired_sas_are_quoted_from_the_service():
    detail = "Signature not valid in the specified time frame: Start [Sat, 21 Nov 2026 10:00:00 GMT] - Expiry "
    detail += "[Sat, 21 Nov 2026 11:00:00 GMT] - Current [Sun, 22 Nov 2026 09:00:00 GMT]"
    body = f"<Error><AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail></Error>"
    error = refusal(403, {"x-ms-error-code": "AuthenticationFailed"}, body.encode(), AZURE, "a", "write", "SAS")
    assert "holds from Sat, 21 Nov 2026 10:00:00 GMT to Sat, 21 Nov 2026 11:00:00 GMT" in str(error)
    assert "clock says Sun, 22 Nov 2026 09:00:00 GMT" in str(error)


@pytest.mark.parametrize("place", ["code", "header", "detail", "start"])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 503])
def test_what_the_service_repeats_of_the_request_is_not_told(status, place):
    detail = f"Signature did not match. String to sign used was {SECRET}"
    if place == "start":
        detail = f"Signature not valid in the specified time frame: Start [{SECRET}/] - Expiry [x] - Current [y]"
    code = f"/cont?{SAS}" if place == "code" else "AuthenticationFailed"
    body = f"<Error><Code>{escape(code)}</Code><AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail></Error>"
    headers = {"x-ms-error-code": f"x {SAS}"} if place == "header" else {}
    error = refusal(status, headers, body.encode(), AZURE, "a", "write", "SAS")
    assert SECRET not in str(error)
