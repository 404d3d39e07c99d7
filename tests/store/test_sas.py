"""What a SAS says of itself, and the commands that make one and read one."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import ContainerClient
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from laden.cli import verbs_sas  # noqa: F401 - declares the verb
from laden.cli.app import app
from laden.store import parse_destination
from laden.store.minting import Minted, Wanted, address_range, mint
from laden.store.sas import (
    PERMISSIONS,
    abilities,
    lacking_for_load,
    lacking_for_verify,
    letters_of,
    parse_sas,
    query_of,
    utc,
)
from laden.values.errors import AccessDenied, UsageError
from tests.conftest import EMULATOR_API_VERSION
from tests.support.harness import Ran, run

AZURE = "https://acct.blob.core.windows.net/cont"
SECRET = "c2VjcmV0LWtleS1vci1zaWc="
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LETTERS = "".join(permission.letter for permission in PERMISSIONS)
SERVICE = "sv=2023-11-03&st=2026-11-22T11:45:00Z&se=2026-11-23T12%3A00%3A00Z&sr=c&sp=rcwl&sig=c2ln"
ACCOUNT = "sv=2023-11-03&ss=b&srt=co&sp=rwlc&se=2026-11-23&sip=1.2.3.4-1.2.3.9&spr=https&sig=c2ln"
DELEGATED = SERVICE + "&skoid=o&sktid=t&skt=2026-11-22T11:45:00Z&ske=2026-11-22T18:00:00Z&sks=b&skv=2023-11-03"
POLICY = "sv=2023-11-03&sr=c&si=load-1&sig=c2ln"


def test_a_service_sas_is_read() -> None:
    sas = parse_sas(SERVICE)
    assert (sas.kind, sas.words, sas.resource, sas.policy) == ("service", ["read", "create", "write", "list"], "c", "")
    assert (sas.start, sas.end) == (datetime(2026, 11, 22, 11, 45, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert sas.protocol == "https,http"


def test_an_account_sas_is_read() -> None:
    sas = parse_sas(ACCOUNT)
    assert (sas.kind, sas.addresses, sas.protocol) == ("account", "1.2.3.4-1.2.3.9", "https")
    assert sas.end == datetime(2026, 11, 23, tzinfo=UTC)


def test_a_user_delegation_sas_ends_with_its_key() -> None:
    sas = parse_sas(DELEGATED)
    assert (sas.kind, sas.end) == ("user delegation", datetime(2026, 11, 22, 18, tzinfo=UTC))


def test_what_a_policy_says_is_not_known() -> None:
    sas = parse_sas(POLICY)
    assert (sas.policy, sas.letters, sas.end, sas.ends_s) == ("load-1", None, None, float("inf"))
    assert lacking_for_load(sas) == lacking_for_verify(sas) == sas.lacks(LETTERS) == ""


@pytest.mark.parametrize(
    ("hours", "state"), [(-1, "not yet valid"), (-0.25, "valid"), (0, "valid"), (24, "ended"), (25, "ended")]
)
def test_whether_it_holds(hours: float, state: str) -> None:
    assert parse_sas(SERVICE).state(NOW + timedelta(hours=hours)) == state


@pytest.mark.parametrize(
    ("sas", "load", "verify"),
    [
        ("sr=c&sp=rcwl", "", ""),
        ("sr=c&sp=rwl", "", ""),
        ("sr=c&sp=wl", "", "it lacks 'read' (r)"),
        ("sr=c&sp=rcl", "", ""),
        ("sr=c&sp=rl", "it lacks 'write' (w)", ""),
        ("sr=c&sp=rcw", "it lacks 'list' (l)", "it lacks 'list' (l)"),
        ("sr=c&sp=d", "it lacks 'list' (l) and 'write' (w)", "it lacks 'read' (r) and 'list' (l)"),
        ("sr=b&sp=rcwl", "it is for a single blob", "it is for a single blob"),
        ("ss=q&srt=co&sp=rcwl", "not for the Blob service", "not for the Blob service"),
        ("ss=bq&srt=co&sp=rcwl", "", ""),
        ("ss=b&srt=c&sp=rcwl", "not for blobs", "not for blobs"),
        ("ss=b&srt=o&sp=rcwl", "not for containers", "not for containers"),
        ("sr=c", "it lacks 'list' (l) and 'write' (w)", "it lacks 'read' (r) and 'list' (l)"),
    ],
)
def test_what_it_is_enough_for(sas: str, load: str, verify: str) -> None:
    parsed = parse_sas(sas)
    assert load in lacking_for_load(parsed)
    assert bool(lacking_for_load(parsed)) is bool(load)
    assert verify in lacking_for_verify(parsed)
    assert bool(lacking_for_verify(parsed)) is bool(verify)


def test_what_laden_can_do_with_it() -> None:
    can = {what for what, why_not in abilities(parse_sas("sr=c&sp=rcwl")).items() if not why_not}
    assert can == {"load", "resume", "verify", "overwrite"}
    can = {what for what, why_not in abilities(parse_sas("ss=b&srt=co&sp=rwdlc")).items() if not why_not}
    assert can == {"load", "resume", "verify", "overwrite", "remove an outdated table", "create the container"}
    assert "srt" in abilities(parse_sas("ss=b&srt=o&sp=rwdlc"))["create the container"]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("read,create,write,list", "rcwl"),
        ("list, write create\tREAD", "rcwl"),
        ("lwcr", "rcwl"),
        ("read,wl", "rwl"),
        ("rr,read", "r"),
        ("tags", "t"),
        ("move,delete-version,permanent-delete", "xym"),
        (LETTERS[::-1], "racwdxyltfmei"),
    ],
)
def test_permissions_in_words_and_letters(text: str, letters: str) -> None:
    assert letters_of(text) == letters


@pytest.mark.parametrize("text", ["", ",", "read,", "wirte", "creat", "raed", "z", "read;write", "read=1"])
def test_what_is_no_permission_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no permission: .* list \(l\)"):
        letters_of(text)


@given(st.sets(st.sampled_from(PERMISSIONS), min_size=1), st.randoms(use_true_random=False), st.booleans())
def test_any_set_in_any_order_comes_out_canonical(wanted, random, words) -> None:
    parts = [permission.word if words else permission.letter for permission in wanted]
    random.shuffle(parts)
    expected = "".join(letter for letter in "racwdxyltfmei" if letter in {p.letter for p in wanted})
    assert letters_of(",".join(parts)) == expected


@given(st.text(max_size=80) | st.lists(st.tuples(st.sampled_from(["se", "st", "ske", "sp", "si"]), st.text())).map(str))
def test_any_text_is_read_or_refused(text: str) -> None:
    sas = parse_sas(text)
    assert isinstance(abilities(sas), dict)
    sas.state(NOW)
    with suppress(UsageError):
        assert "sig=" in query_of(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7-203.0.113.9", "203.0.113.7-203.0.113.9"),
        ("203.0.113.0/24", "203.0.113.0-203.0.113.255"),
    ],
)
def test_addresses(text: str, wanted: str) -> None:
    assert address_range(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "::1", "1.2.3.9-1.2.3.4", "1.2.3.4-", "1.2.3.4/8", "a-b", "1.2.3.4&sp=d"]
)
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="--ip"):
        address_range(text)


def made(monkeypatch: pytest.MonkeyPatch, **wanted: object) -> Minted:
    monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
    return mint(parse_destination(AZURE), Wanted(**wanted))  # type: ignore[arg-type]


def test_one_made_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {name: values[0] for name, values in parse_qs(made(monkeypatch).query).items()}
    assert {name: fields[name] for name in ("sp", "sr", "spr")} == {"sp": "rcwl", "sr": "c", "spr": "https"}
    start, end = (datetime.fromisoformat(fields[name]) for name in ("st", "se"))
    now = datetime.now(UTC)
    assert timedelta(minutes=14, seconds=50) < now - start < timedelta(minutes=15, seconds=10)
    assert timedelta(hours=23, minutes=59) < end - now <= timedelta(hours=24)
    assert "sip" not in fields
    assert SECRET not in repr(made(monkeypatch))
    assert fields["sig"] not in repr(made(monkeypatch))


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf"), 1e9])
def test_times_that_are_none(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    with pytest.raises(UsageError, match="--hours"):
        made(monkeypatch, hours=hours)


def test_seven_days_at_most_with_a_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="168 hours"):
        mint(parse_destination(AZURE), Wanted(hours=168.1))
    assert parse_sas(made(monkeypatch, hours=169).query).end is not None, "a key signs longer ones"


def test_a_policy_needs_the_key() -> None:
    with pytest.raises(UsageError, match="AZURE_STORAGE_KEY"):
        mint(parse_destination(AZURE), Wanted(policy="load-1"))


def test_a_sas_makes_no_sas() -> None:
    with pytest.raises(UsageError, match="cannot make another"):
        mint(parse_destination(f"{AZURE}?{SERVICE}"), Wanted())


def test_without_anybody_signed_in_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", SECRET)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureDeveloperCliCredential")
    with pytest.raises(AccessDenied, match="az login") as raised:
        mint(parse_destination(AZURE), Wanted())
    assert SECRET not in str(raised.value)


def command(*arguments: object, given: str | None = None, **env: str) -> Ran:
    """`laden sas`, in this process."""
    result = CliRunner().invoke(app, ["sas", *map(str, arguments)], input=given, env=env)
    return Ran(result.exit_code, result.stdout, result.stderr)


def test_stdout_holds_the_url_alone() -> None:
    ran = command(f"{AZURE}/pre", "--permissions", "list,read", "--ip", "203.0.113.7", AZURE_STORAGE_KEY=SECRET)
    assert ran.code == 0, ran.err
    assert ran.out.count("\n") == 1
    url = urlsplit(ran.out.strip())
    fields = parse_qs(url.query)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{AZURE}/pre"
    assert (fields["sp"], fields["sip"]) == (["rl"], ["203.0.113.7"])
    for told in (
        "r  read: ",
        "l  list: ",
        "not only for 'pre'",
        "Not enough for a load: it lacks 'write' (w)",
        "--policy",
    ):
        assert told in ran.err
    assert SECRET not in ran.err
    assert fields["sig"][0] not in ran.err


def test_options_may_stand_before_the_destination() -> None:
    assert command("--hours", "1", AZURE, AZURE_STORAGE_KEY=SECRET).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["/tmp"], 2, "is a folder"),
        ([AZURE, "--permissions", "everything"], 2, "'everything' is no permission"),
        ([AZURE, "--hours", "200"], 2, "168 hours"),
        ([AZURE, "--ip", "::1"], 2, "--ip"),
        ([AZURE, "--policy", "p"], 2, "AZURE_STORAGE_KEY"),
        ([f"{AZURE}?{SERVICE}"], 2, "cannot make another"),
        (["inspect", "nothing"], 2, "no signature"),
        (["inspect"], 2, "LADEN_SAS"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], code: int, told: str) -> None:
    ran = command(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_both_forms_stand_in_the_help() -> None:
    ran = command("--help")
    assert ran.code == 0
    assert "sas [OPTIONS]" in ran.out
    assert "laden sas inspect" in ran.out
    assert "--policy" in ran.out
    assert "sas inspect [OPTIONS]" in command("inspect", "--help").out


def inspected(text: str, *options: str) -> Ran:
    return command("inspect", *options, LADEN_SAS=text)


def test_inspect_tells_in_words() -> None:
    end = datetime.now(UTC) + timedelta(hours=5, minutes=30, seconds=30)
    ran = inspected(f"{AZURE}?sp=rl&sr=c&se={end:%Y-%m-%dT%H:%M:%SZ}&sip=1.2.3.4&spr=https&sig=c2ln")
    assert ran.code == 4, "not enough for a load"
    for told in (
        f"for          {AZURE}",
        "service SAS",
        "read, list",
        utc(end),
        "5 h 30 min left",
        "1.2.3.4",
        "no   load: it lacks 'write' (w)",
        "yes  verify",
        "no   create the container",
    ):
        assert told in ran.out
    assert "c2ln" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("sas", "code", "state"),
    [(SERVICE.replace("2026", "2999"), 4, "not yet valid"), ("se=2020-01-01&sig=x", 4, "ended")],
)
def test_one_that_does_not_hold_ends_with_4(sas: str, code: int, state: str) -> None:
    ran = inspected(sas, "--json")
    assert (ran.code, json.loads(ran.out)["state"]) == (code, state)


@pytest.mark.parametrize("sas", [SERVICE, ACCOUNT, DELEGATED, POLICY])
def test_inspect_as_json(sas: str) -> None:
    sas = sas.replace("2026-11", "2999-11").replace("st=2999", "st=2020")
    ran = inspected(sas, "--json")
    told = json.loads(ran.out)
    assert ran.code == 0
    assert told["kind"] == parse_sas(sas).kind
    assert told["can"]["load"] is True
    assert "c2ln" not in ran.out + ran.err


def test_inspect_reads_from_stdin() -> None:
    ran = command("inspect", "-", "--json", given=f"{AZURE}?{SERVICE}\n")
    assert json.loads(ran.out)["letters"] == "rcwl"
    assert "command line" not in ran.err


def test_inspect_warns_of_the_process_list() -> None:
    ran = command("inspect", f"{AZURE}?{SERVICE}")
    assert "command line" in ran.err
    assert "c2ln" not in ran.out + ran.err


def test_a_sas_of_this_command_is_taken_by_the_service(emulator, container) -> None:
    ran = run("sas", container)
    assert ran.code == 0
    assert parse_sas(urlsplit(ran.out.strip()).query).protocol == "https,http", "the emulator speaks http"
    with ContainerClient.from_container_url(ran.out.strip(), api_version=EMULATOR_API_VERSION) as client:
        client.upload_blob("a", b"x")
        assert [blob.name for blob in client.list_blobs()] == ["a"]


GOOD = "sv=2023-11-03&sr=c&sp=rcwl&se=2099-01-01T00%3A00%3A00Z&sig=c2VjcmV0LXNpZ25hdHVyZS1vZi0zMi1ieXRlcy1sb25nLg%3D"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (GOOD.replace("%3A", "A"), "se=2099-01-01T00A00A00Z is no time and its percent signs were lost"),
        (GOOD.replace("se=", "st=2020-01-01T00A00A00Z&se="), "st=2020-01-01T00A00A00Z is no time and its percent"),
        (GOOD.replace("2099-01-01", "soon"), "is no time"),
        (GOOD.replace("sp=rcwl", "sp=rc wl"), "sp=rc wl makes no sense"),
        (GOOD.replace("sp=rcwl", "sp=READ"), "sp=READ makes no sense"),
        (GOOD.replace("sv=2023-11-03", "sv=2023"), "sv=2023 makes no sense"),
        (GOOD + "&spr=ftp", "spr=ftp makes no sense"),
        (GOOD + "&sip=my-host", "sip=my-host makes no sense"),
        (GOOD.replace("sr=c", "ss=x&srt=co"), "ss=x makes no sense"),
        (GOOD.replace("sr=c", "ss=b&srt=container"), "srt=container makes no sense"),
        (GOOD[: GOOD.index("sig=")] + "sig=" + "QUJD" * 11, "its percent signs were lost"),
        (GOOD.replace("sr=c", "sr=d&sdd=1"), "one directory (sr=d)"),
        (GOOD.replace("sr=c", "sr=s"), "not for containers (sr=s)"),
        (GOOD, ""),
        (GOOD + "&sip=10.0.0.1-10.0.0.9&spr=https", ""),
        (GOOD.replace("&se=2099-01-01T00%3A00%3A00Z", "&se=2099-01-01"), ""),
    ],
)
def test_what_no_service_would_have_written_is_named(query: str, told: str) -> None:
    sas = parse_sas(query)
    for lacking in (lacking_for_load(sas), lacking_for_verify(sas)):
        assert told in lacking
        assert bool(lacking) is bool(told)
    assert "QUJD" not in repr(sas)
