"""DEST as people type it: what it means, what is refused, and that its secret is never shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.store.destination import Destination, FolderDestination, parse_destination, place_of
from laden.values.errors import UsageError
from laden.values.names import problem

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ%3D"
SAS = f"sv=2023-11-03&sp=rcwl&sig={SECRET}"
AZURE = "https://acct.blob.core.windows.net"


@pytest.mark.parametrize(
    ("text", "account", "endpoint", "container", "prefix"),
    [
        (f"{AZURE}/cont", "acct", AZURE, "cont", ""),
        (f"{AZURE}/cont/", "acct", AZURE, "cont", ""),
        (f"{AZURE}/cont//a//b/", "acct", AZURE, "cont", "a/b"),
        (f"  {AZURE}/cont/a \n", "acct", AZURE, "cont", "a"),
        (f"{AZURE}/cont/a%20b%2Fc%25%23%C3%BC+", "acct", AZURE, "cont", "a b/c%#ü+"),
        ("HTTPS://Acct.Blob.Core.Windows.Net/cont/A", "acct", "https://Acct.Blob.Core.Windows.Net", "cont", "A"),
        ("https://acct.blob.core.chinacloudapi.cn/c-1", "acct", "https://acct.blob.core.chinacloudapi.cn", "c-1", ""),
        ("http://127.0.0.1:10000/dev/cont/p", "dev", "http://127.0.0.1:10000/dev", "cont", "p"),
        ("http://localhost:10000/dev/cont", "dev", "http://localhost:10000/dev", "cont", ""),
        ("http://[::1]:10000/dev/cont", "dev", "http://[::1]:10000/dev", "cont", ""),
        ("https://10.0.0.5:10000/dev/cont", "dev", "https://10.0.0.5:10000/dev", "cont", ""),
        (f"{AZURE}/{'a' * 63}", "acct", AZURE, "a" * 63, ""),
        (f"{AZURE}/abc", "acct", AZURE, "abc", ""),
    ],
)
def test_an_address_is_taken_apart(text, account, endpoint, container, prefix):
    assert parse_destination(text) == Destination(account, endpoint, container, prefix)
    assert parse_destination(f"{text.strip()}?{SAS}") == Destination(account, endpoint, container, prefix, SAS)


@pytest.mark.parametrize(
    "text",
    ["./a b", "./acct.blob.core.windows.net", "./a:b", "../x", ".", "..", "/abs/olute", "~/x", "C:\\data", "c:/data"],
)
def test_what_is_written_as_a_path_is_a_folder(text):
    is_folder(text)


def test_a_folder_that_is_there_needs_not_be_written_as_a_path(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "a.old").mkdir()
    for text in ("data", "data/new", "data/", "a.old/new.d"):
        if not text.startswith("a.old"):
            is_folder(text)
            continue
        with pytest.raises(UsageError, match=r"\./a\.old/new\.d for a folder"):
            parse_destination(text)


def is_folder(text):
    found = parse_destination(text)
    assert isinstance(found, FolderDestination)
    assert found.path.is_absolute()
    assert found.path == Path(text).expanduser().absolute()
    assert str(found) == str(found.path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        (AZURE, "names no container"),
        (f"{AZURE}/?{SAS}", "names no container"),
        ("http://127.0.0.1:10000/dev", "<account>/<container>"),
        ("http://acct.blob.core.windows.net/cont", "in the clear"),
        ("http://10.0.0.5/dev/cont", "in the clear"),
        ("s3://bucket/key", "'s3://' is not"),
        ("https:///cont", "is not a destination"),
        (f"https://user:{SECRET}@acct.blob.core.windows.net/cont", "user name or password"),
        ("https://@acct.blob.core.windows.net/cont", "user name or password"),
        ("https://acct.blob.core.windows.net:99999/cont", "port"),
        ("https://acct.blob.core.windows.net:x/cont", "port"),
        ("https://[::1/cont", "host"),
        (f"{AZURE}/cont/%FF", "percent-encoding"),
        (f"{AZURE}/cont/a#b", "%23"),
        (f"{AZURE}/cont/a#?{SAS}", "%23"),
        (f"{AZURE}/ab", "3 to 63"),
        (f"{AZURE}/{'a' * 64}", "3 to 63"),
        (f"{AZURE}/Cont", "lower-case"),
        (f"{AZURE}/-cont", "beginning and ending"),
        (f"{AZURE}/cont-", "beginning and ending"),
        (f"{AZURE}/co--nt", "single dashes"),
        (f"{AZURE}/$root", "cannot be a container's name"),
        (f"{AZURE}/cont/a/../b", "prefix 'a/../b' cannot be used: "),
        (f"{AZURE}/cont/a%5Cb", "backslash"),
        (f"{AZURE}/cont/{'a' * 1025}", "1,025 characters"),
        (f"{AZURE}/cont/a%00b", "U+0000"),
        (f"acct.blob.core.windows.net/cont?{SAS}", "begins with https://"),
        ("acct.blob.core.windows.net/cont", "begins with https://"),
        (f"https:/acct.blob.core.windows.net/cont?{SAS}", "begins with https://"),
        (f"/acct/cont?{SAS}", "begins with https://"),
        (f"?{SAS}", "begins with https://"),
        ("~nobody-of-that-name/data", "no home folder for '~nobody-of-that-name'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(UsageError) as raised:
        parse_destination(text)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(raised.value)


def test_the_signature_is_not_shown():
    destination = parse_destination(f"{AZURE}/cont/pre?{SAS}")
    assert isinstance(destination, Destination)
    assert destination.sas == SAS
    shown = f"{destination} {destination!r} {destination.url('a')} {destination.url()}"
    assert SECRET not in shown
    assert "sig" not in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b/ü~-._%+#?&=.png", "/cont/pre%20fix/a%20b/%C3%BC~-._%25%2B%23%3F%26%3D.png"),
        ("cafe\u0301", "/cont/pre%20fix/cafe%CC%81"),
        ("", "/cont/pre%20fix"),
    ],
)
def test_addresses_of_blobs_are_percent_encoded(name, expected):
    assert Destination("acct", AZURE, "cont", "pre fix").url(name) == AZURE + expected


@given(st.text().filter(lambda name: problem(name) is None and "sig=" not in name))
def test_any_prefix_comes_back_from_its_address(prefix):
    destination = Destination("acct", AZURE, "cont", prefix)
    assert parse_destination(destination.url()) == parse_destination(str(destination)) == destination


@pytest.mark.parametrize(
    "prefix", ["a%20b", "a%2Fb", "png ", " png", "png\u00a0", "q?r", "h#", '"a"', "a;b", "größe/日本"]
)
def test_what_is_shown_of_a_place_means_that_place_again(prefix, tmp_path):
    destination = Destination("acct", AZURE, "cont", prefix)
    assert parse_destination(str(destination)) == destination
    folder = FolderDestination(tmp_path / prefix)
    assert parse_destination(str(folder)) == parse_destination(place_of(folder.path)) == folder


def test_what_anybody_can_read_of_a_place_stays_readable():
    assert str(Destination("acct", AZURE, "cont", "größe/日本/a+b=(c)")) == f"{AZURE}/cont/größe/日本/a+b=(c)"
    assert str(FolderDestination(Path("/data/a b"))) == "/data/a b"


@given(st.text())
def test_any_text_is_a_destination_or_refused(text):
    try:
        found = parse_destination(text)
    except UsageError:
        return
    assert str(found)


@given(st.text(st.characters(codec="utf-8")))
def test_any_address_is_a_destination_or_refused(text):
    try:
        found = parse_destination("https://" + text)
    except UsageError:
        return
    assert isinstance(found, Destination)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("http://127.0.0.1:1/dev/cont", True),
        ("http://127.9.9.9/dev/cont", True),
        ("http://[::1]/dev/cont", True),
        ("http://localhost/dev/cont", True),
        (f"{AZURE}/cont", False),
        ("https://10.0.0.1/dev/cont", False),
        ("https://localhost.example.com/cont", False),
    ],
)
def test_this_machine_is_known(text, local):
    assert parse_destination(text).is_local is local
