"""What no text may show, in any of its forms; and that words stay words."""

import json
import sys
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.values import secrets
from laden.values.errors import AccessDenied, SourceError, UsageError
from laden.values.events import Found, Started, Summary, to_json
from laden.values.records import Finding, Severity
from laden.values.secrets import give, guarded, note, note_environment, redact, redacted

SIGNATURE = "Zm9v+mJh/cXV4+Zm9vYmFy/mJhenF1eCtmb29iYXI0NTY="
KEY = "A1b2C3d4" * 10 + "A1b2C3=="


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a/c?sv=1&sig=abc%2Bd%3D&sp=rw", "https://a/c?sv=1&sig=...&sp=rw"),
        ("https://a/c?sig=abc+d/e=", "https://a/c?sig=..."),
        ("https:/a/c?SIG=abc", "https:/a/c?SIG=..."),
        ("sig=ab cd/ef= end", "sig=... end"),
        ("'sig=abc' and \"sig=def\" <sig=ghi>", "'sig=...' and \"sig=...\" <sig=...>"),
        ("%3Fsv%3D1%26sig%3Dabc%252Bd", "%3Fsv%3D1%26sig%3D..."),
        ("AccountName=a;AccountKey=k==;EndpointSuffix=x", "AccountName=a;AccountKey=...;EndpointSuffix=x"),
        ("accountkey = k", "accountkey = ..."),
        ("SharedAccessSignature=sv=1&sp=r;B=1", "SharedAccessSignature=...;B=1"),
        ("http://user:pa/ss#w@rd@proxy:8080/", "http://...proxy:8080/"),
        ("https://token@host/x", "https://...host/x"),
        ("http:/corp:pass@proxy", "http:/...proxy"),
        ("corp:pass@proxy:8080", "...proxy:8080"),
        ("Authorization: Bearer abc", "Authorization: Bearer ..."),
        ("Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic ..."),
        ("got Bearer abc123def456", "got Bearer ..."),
        ("token eyJhbGciOi.eyJzdWIi.c2ln end", "token ... end"),
        ('{"accessToken": "abc1"}', '{"accessToken": ..."}'),
        ("client_secret=hunter2", "client_secret=..."),
        ("password: hunter2", "password: ..."),
        (f"key {KEY} end", "key ... end"),
        (f"No such option: --{KEY.rstrip('=')}", "No such option: --..."),
        (f"/no/such/{KEY}", "..."),
        (f"key {KEY[:64]}\n{KEY[64:]}\n", "key ...\n"),
        (f"key {KEY[:76]} {KEY[76:]} end", "key ... end"),
        (f"key\r\n  {KEY[:64]}\r\n  {KEY[64:]}", "key\r\n  ..."),
        (f"it is {SIGNATURE}", "it is ..."),
        (f"it is {quote(SIGNATURE, safe='')}", "it is ..."),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, shown: str) -> None:
    told = redact(text)
    assert told == shown if not text.startswith("/no") else KEY not in told
    assert redact(told) == told


@pytest.mark.parametrize(
    "text",
    [
        "there is no token: run 'az login'",
        "the SAS has no signature (sig=...): copy the whole query string, or the whole SAS URL",
        "http://127.0.0.1:10000/devstoreaccount1/padchest/a@b",
        "https://acct.blob.core.windows.net/padchest/png/0/123_abc@2x.png",
        "see docs/sas.md, or write to a@example.org",
        "0.zip: png/0/216840111366964012819207061112010307142602253_04-014-084.png is not what its archive declares",
        "the account key is not valid base64: copy it again from the account",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "/mnt/imaging/studies/collected/between/years/and/then/some/more/for/good/measure/until/it/is/long",
        "bearer of bad news",
        "2026-11-26 10:00:01 UTC, 12:30",
        "ImageID = 'x' AND list_contains(Labels, 'pneumonia')",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("times", [0, 1, 2, 3])
@pytest.mark.parametrize("lower", [False, True])
def test_what_was_given_is_known_in_every_form(times: int, lower: bool) -> None:
    form = SIGNATURE.rstrip("=") + "tail="
    note(f"sv=1&sig={quote(form, safe='')}")
    for _ in range(times):
        form = quote(form, safe="")
    text = f"x{form}y" if not lower else f"x{form.replace('%2B', '%2b').replace('%2F', '%2f').replace('%3D', '%3d')}y"
    assert redact(text) == "x...y"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"it is {SIGNATURE[3:19]}, cut", "it is ..., cut"),
        (f"{SIGNATURE[:20]}\n  {SIGNATURE[20:]} end", "... end"),
        (f"a {SIGNATURE[:9]} b", f"a {SIGNATURE[:9]} b"),
        (f"{SIGNATURE[2:20]} and {SIGNATURE[-18:]}", "... and ..."),
        ("a row of words, ten letters and more in each: extraordinary, uncharacteristic", None),
    ],
)
def test_pieces_of_what_was_given_are_taken_out(text: str, shown: str | None) -> None:
    note(f"sv=1&sig={quote(SIGNATURE, safe='')}")
    assert redact(text) == (text if shown is None else shown)


def test_a_sas_that_is_encoded_whole_ends_where_its_signature_does() -> None:
    secrets.note_arguments(["load", f"x%3Fsig%3D{quote(SIGNATURE, safe='')}%26se%3D2099-01-01T00%3A00%3A00Z"])
    assert redact("it ends at 2099-01-01T00:00:00Z") == "it ends at 2099-01-01T00:00:00Z"
    assert redact(f"it is {SIGNATURE[1:20]}") == "it is ..."


def test_of_a_proxys_login_only_the_password_has_pieces() -> None:
    note_environment({"HTTPS_PROXY": "http://radiology.hospital:correcthorsebattery@proxy:80"})
    assert redact("radiology.hospital, correcthorse") == "radiology.hospital, ..."
    note_environment({})


def test_settings_are_known_and_forgotten_with_them() -> None:
    note_environment(
        {
            "AZURE_CLIENT_SECRET": "correct horse",
            "https_proxy": "http://corp:l%40den!1@proxy:8080",
            "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=bm9uZSBvZiB5b3Vycw==",
            "LADEN_SAS": "sv=1&sig=YWJjZGVmZ2g%3D",
        }
    )
    for secret in ("correct horse", "l@den!1", "l%40den!1", "bm9uZSBvZiB5b3Vycw==", "YWJjZGVmZ2g=", "Y29ycDpsQGRlbiEx"):
        assert redact(f"it is {secret}, is it") == "it is ..., is it"
    note_environment({})
    assert redact("correct horse") == "correct horse"


def test_a_short_password_is_no_part_of_words() -> None:
    note_environment({"HTTPS_PROXY": "http://corp:load@proxy:80"})
    assert redact("laden load: loaded; 'load' is the word") == "laden ...: loaded; '...' is the word"
    note_environment({"HTTPS_PROXY": "http://corp:abc@proxy:80"})
    assert redact("abc") == "abc"


def test_the_latest_are_kept() -> None:
    for number in range(1_000):
        note(f"secret-number-{number:04}")
    assert redact("secret-number-0999") == "..."
    assert len(secrets._noted) <= 200


def test_errors_events_and_values_hold_none() -> None:
    text = "https://a/c?sv=1&sig=abcdef&sp=r"
    for error in (UsageError(text), SourceError(text, "x"), AccessDenied(text)):
        assert "abcdef" not in f"{error} {error!r} {error.args}"
    finding = Finding("x", Severity.ERROR, text, member=text)
    assert redacted(finding) == Finding("x", Severity.ERROR, redact(text), member=redact(text))
    assert redacted(Found(finding)).finding.severity is Severity.ERROR
    summary = Summary("load", source=text, message=text, findings={text: 1})
    assert "abcdef" not in repr(redacted(summary)) + to_json(summary) + to_json(Started("x", text))
    assert json.loads(to_json(summary))["source"] == redact(text)


def test_no_library_gets_one_onto_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print("sig=abcdef", file=sys.stderr)
        sys.stdout.write("sig=abcdef\n")
        sys.stdout.writelines(["sig=abcdef\n"])
        assert sys.stdout.isatty() is False
        give("https://a/c?sig=asked-for")
    out, err = capsys.readouterr()
    assert (out, err) == ("sig=...\nsig=...\nhttps://a/c?sig=asked-for\n", "sig=...\n")


@given(st.lists(st.text() | st.integers(0, 40).map(lambda at: SIGNATURE[at : at + 14])).map("".join))
def test_any_text_can_be_redacted_twice(text: str) -> None:
    note(f"sig={SIGNATURE}")
    once = redact(text)
    assert redact(once) == once


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_value_keeps_its_shape(value: Any) -> None:
    assert type(redacted(value)) is type(value)
