"""Links as people give them: what is refused, what is shown, and that their secrets are not."""

from __future__ import annotations

import pytest

from laden.remote import is_link, parse_link
from laden.values.errors import UsageError
from laden.values.secrets import redact


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("https://me:word@example.org/a.zip", "netrc"),
        ("https://me@example.org/a.zip", "netrc"),
        ("ftp://example.org/a.zip", "no source"),
        ("s3:///a.zip", "no source"),
        ("https:///a.zip", "no source"),
        ("https://example.org:port/a.zip", "not valid"),
        ("http://[::1/a.zip", "not valid"),
    ],
)
def test_what_is_no_link_for_laden_is_a_sentence(text: str, sentence: str) -> None:
    assert is_link(text)
    with pytest.raises(UsageError, match=sentence) as caught:
        parse_link(text)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("text", ["a.zip", "C:/data/a.zip", "/data/a.zip", "./x:y"])
def test_paths_are_no_links(text: str) -> None:
    assert not is_link(text)


def test_a_path_is_encoded_once_and_a_query_stays() -> None:
    link = parse_link("https://example.org/CheXpert v1 (small)/train%20set&a.zip?sig=a%2Bb%3D&x=1")
    assert link.target == "/CheXpert%20v1%20(small)/train%20set&a.zip?sig=a%2Bb%3D&x=1"
    assert link.name == "train set&a.zip"
    assert parse_link(link.url) == link


@pytest.mark.parametrize(
    "query",
    [
        "sv=2019&sig=vErYsEcReTsIgNaTuRe%2Babc%3D",
        "X-Amz-Algorithm=A&X-Amz-Signature=vErYsEcReTsIgNaTuRe0123",
        "X-Goog-Signature=vErYsEcReTsIgNaTuRe0123&X-Goog-Expires=259200",
        "AWSAccessKeyId=K&Signature=vErYsEcReTsIgNaTuRe0123",
        "Policy=vErYsEcReTsIgNaTuRe0123&Key-Pair-Id=1",
        "access_token=vErYsEcReTsIgNaTuRe0123",
    ],
)
def test_signed_links_are_shown_without_what_signs_them(query: str) -> None:
    # A text of somebody else's, which never passed here as a link.
    assert "vErYsEc" not in redact(f"GET https://example.org/a.zip?{query} failed")
    link = parse_link(f"https://example.org/a.zip?{query}")
    assert str(link) == "https://example.org/a.zip"
    assert "vErYsEc" not in repr(link)
    assert "vErYsEc" not in redact(f"{link.url} and {link.target}")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://cloud.example.org/index.php/s/Ab3dEf6hIj9kLmN", "https://cloud.example.org"),
        ("https://cloud.example.org/s/Ab3dEf6hIj9kLmN/download", "https://cloud.example.org"),
        ("https://example.org/nextcloud/index.php/s/Ab3dEf6hIj9kLmN/", "https://example.org/nextcloud"),
    ],
)
def test_shares_are_known_and_their_token_is_not_shown(text: str, base: str) -> None:
    link = parse_link(text)
    assert link.share == (base, "Ab3dEf6hIj9kLmN")
    assert "Ab3dEf6hIj9kLmN" not in str(link)
    assert "Ab3dEf6hIj9kLmN" not in redact(text)


def test_the_clear_is_only_for_this_machine() -> None:
    assert parse_link("http://example.org/a.zip").in_the_clear
    assert not parse_link("http://127.0.0.1:1234/a.zip").in_the_clear
    with pytest.raises(ValueError):  # noqa: PT011 - nobody reads what it says
        parse_link("https://example.org/a.zip").joined("http://example.org/b.zip")
