"""What a batch's answer says of each request: whatever is not whole is no answer."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.store.manage.batch import batch_body, batch_parts

TYPE = 'multipart/mixed; boundary="b1"'
WHOLE = (
    b"--b1\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 200 OK\r\nx-ms-version: 1\r\n\r\n"
    b"--b1\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 404 Not there\r\n"
    b"x-ms-error-code: BlobNotFound\r\nContent-Length: 3\r\n\r\n<E>\r\n--b1--"
)


def test_each_answer_has_its_number_and_its_reason() -> None:
    first, second = batch_parts(TYPE, WHOLE)
    assert (first.number, first.status, first.body) == (0, 200, b"")
    assert (second.number, second.status, second.headers["x-ms-error-code"], second.body) == (
        1,
        404,
        "BlobNotFound",
        b"<E>",
    )


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_answer_is_none(at: int) -> None:
    with pytest.raises(ValueError, match="no"):
        batch_parts(TYPE, WHOLE[:at])


@given(st.binary(), st.text())
def test_anything_else_is_an_answer_or_a_value_error(body: bytes, kind: str) -> None:
    for content_type in (kind, TYPE):
        with contextlib.suppress(ValueError):
            batch_parts(content_type, body)


def test_a_body_has_each_target_once() -> None:
    body = batch_body(["/c/a?comp=tier", "/c/b?comp=tier"], {"x-ms-access-tier": "Cool"}).decode()
    assert body.count("PUT /c/a?comp=tier HTTP/1.1\r\nx-ms-access-tier: Cool\r\n") == 1
    assert body.count("Content-ID: 1\r\n") == 1
    assert body.endswith("--\r\n")
