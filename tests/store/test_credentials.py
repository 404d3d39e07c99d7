"""Which credential is found, how it is renewed, and that it is never shown."""

import asyncio
import math
import threading
import time
import traceback
import urllib.parse
from collections.abc import Callable

import pytest
from azure.core.credentials import AccessToken

from laden.store import credentials, parse_destination
from laden.store.credentials import EMULATOR_KEY, Credential, Grant, find_credential
from laden.store.sas import parse_sas
from laden.values.errors import AccessDenied, AccessEnded, UsageError

SECRET = "c2VjcmV0LWtleS1vci1zaWc="
SAS = f"sv=2023-11-03&se=2999-01-01T00:00:00Z&sp=rcwl&sig={urllib.parse.quote(SECRET)}"
AZURE = "https://acct.blob.core.windows.net/cont"
EMULATOR = "http://127.0.0.1:10000/devstoreaccount1/cont"


def found(url: str = AZURE) -> Credential:
    return find_credential(parse_destination(url))


def granted(credential: Credential) -> Grant:
    return asyncio.run(credential.grant())


def connection(**fields: str) -> str:
    return ";".join(f"{name}={value}" for name, value in fields.items())


def test_the_order_in_which_they_are_found(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
    assert found().kind == "account key"
    fields = connection(AccountName="acct", SharedAccessSignature=SAS + "&from=string")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", fields)
    assert granted(found()).query == SAS + "&from=string"
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", SAS + "&from=az")
    assert granted(found()).query == SAS + "&from=az"
    monkeypatch.setenv("LADEN_SAS", SAS + "&from=environment")
    assert granted(found()).query == SAS + "&from=environment"
    assert granted(found(f"{AZURE}?{SAS}&from=url")).query == SAS + "&from=url"


def test_with_nothing_it_is_a_sign_in():
    assert found().kind == "sign-in"


def test_the_emulator_needs_nothing():
    credential = found(EMULATOR)
    assert credential.kind == "account key"
    assert EMULATOR_KEY not in str(granted(credential).query)


@pytest.mark.parametrize("form", ["{sas}", "?{sas}", "https://acct.blob.core.windows.net/cont?{sas}", "  {sas}\n"])
def test_a_sas_is_taken_as_people_copy_it(monkeypatch, form):
    monkeypatch.setenv("LADEN_SAS", form.format(sas=SAS))
    assert granted(found()) == Grant(SAS, "", float("inf"))


@pytest.mark.parametrize(
    "sas",
    [
        "sv=2023-11-03&sp=rcwl",
        "https://acct.blob.core.windows.net/cont",
        f'"{SAS}"',
        f"{SAS} HTTP/1.1\r\nX-Injected: yes",
        SAS.replace("&", " "),
        SAS + "#x",
        SAS + "ü",
    ],
)
def test_what_is_no_sas_is_refused(monkeypatch, sas):
    monkeypatch.setenv("LADEN_SAS", sas)
    with pytest.raises(UsageError, match="the SAS") as raised:
        found()
    silent(raised.value)


@pytest.mark.parametrize(
    ("account", "fits"),
    [("acct", True), ("other", False), ("", True)],
)
@pytest.mark.parametrize(
    ("setting", "value", "kind"),
    [("AZURE_STORAGE_KEY", SECRET, "account key"), ("AZURE_STORAGE_SAS_TOKEN", f"?{SAS}", "SAS")],
)
def test_a_key_or_token_is_for_its_account(monkeypatch, setting, value, kind, account, fits):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", account)
    monkeypatch.setenv(setting, value)
    assert (found().kind == kind) is fits


def test_a_key_for_azure_is_not_tried_on_the_emulator(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
    expected = granted(found(EMULATOR)).query
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    fields = [dict(urllib.parse.parse_qsl(query)) for query in (expected, granted(found(EMULATOR)).query)]
    assert fields[0].keys() == fields[1].keys()


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"AccountName": "acct", "AccountKey": SECRET}, "account key"),
        ({"accountname": "acct", "ACCOUNTKEY": SECRET, "EndpointSuffix": "core.windows.net"}, "account key"),
        ({"AccountName": "other", "AccountKey": SECRET}, "sign-in"),
        ({"BlobEndpoint": "https://acct.blob.core.windows.net/", "SharedAccessSignature": SAS}, "SAS"),
        ({"BlobEndpoint": "https://acct.blob.core.windows.net", "SharedAccessSignature": "?" + SAS}, "SAS"),
        ({"BlobEndpoint": "https://other.blob.core.windows.net/", "SharedAccessSignature": SAS}, "sign-in"),
        ({"SharedAccessSignature": SAS}, "sign-in"),
        ({"UseDevelopmentStorage": "true"}, "sign-in"),
    ],
)
def test_a_connection_string_is_for_its_account(monkeypatch, fields, kind):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection(**fields) + ";")
    assert found().kind == kind


@pytest.mark.parametrize("text", [";;;", "=", "nothing", "AccountKey"])
def test_a_connection_string_that_is_none_is_passed_over(monkeypatch, text):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert found().kind == "sign-in"


def test_a_connection_string_with_a_broken_address_is_told(monkeypatch):
    fields = connection(BlobEndpoint="https://[::1", SharedAccessSignature=SAS)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", fields)
    with pytest.raises(UsageError, match="AZURE_STORAGE_CONNECTION_STRING") as raised:
        found()
    silent(raised.value)


@pytest.mark.parametrize("url", [AZURE, "http://127.0.0.1:10000/acct/cont"])
def test_a_key_never_travels_but_signs_a_short_sas(monkeypatch, url):
    monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
    grant = granted(found(url))
    fields = dict(urllib.parse.parse_qsl(grant.query))
    assert fields["ss"] == "b"
    assert set(fields["srt"]) == set("sco")
    assert set(fields["sp"]) == set("rwdlct")
    assert fields["spr"] == ("https" if url.startswith("https") else "https,http")
    assert 11 * 3600 < grant.expires_s - time.time() <= 12 * 3600
    assert grant.header == ""
    assert SECRET not in grant.query
    assert urllib.parse.quote(SECRET) not in grant.query


@pytest.mark.parametrize("key", ["abc", "not base64 at all", "ü"])
def test_a_key_that_is_none_is_told(monkeypatch, key):
    monkeypatch.setenv("AZURE_STORAGE_KEY", key)
    with pytest.raises(UsageError, match="account key is not valid") as raised:
        found()
    assert key not in str(raised.value)


class Renewals:
    """Gives grants that hold for some seconds, or raises, and counts."""

    def __init__(self, *script: float | Exception) -> None:
        self._script = list(script)
        self.count = 0

    def __call__(self, _: Grant | None = None) -> Grant:
        line = self._script[min(self.count, len(self._script) - 1)]
        self.count += 1
        if isinstance(line, Exception):
            raise line
        return Grant("", f"Bearer {self.count}", time.time() + line)


async def ask(credential: Credential, times: int) -> list[str]:
    return [(await credential.grant()).header for _ in range(times)]


@pytest.mark.parametrize(("life_s", "used_s"), [(3600, 3300), (1200, 900), (100, 75), (1, 1), (-5, 1)])
def test_a_grant_is_renewed_in_good_time(monkeypatch, life_s, used_s):
    clock = Clock(monkeypatch)
    credential = Credential("sign-in", lambda _: Grant("", f"Bearer {clock.now_s}", clock.now_s + life_s))

    async def work() -> list[str]:
        found = []
        for later_s in (0, used_s - 0.1, 0.2, 0):
            clock.now_s += later_s
            found.append((await credential.grant()).header)
        return found

    first, kept, renewed, again = asyncio.run(work())
    assert first == kept != renewed == again


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000_000.0
        monkeypatch.setattr(credentials, "time", self)

    def time(self) -> float:
        return self.now_s


def test_many_requests_at_once_renew_once():
    renewals = Renewals(10_000)
    credential = Credential("sign-in", renewals)

    async def work() -> None:
        await asyncio.gather(*(credential.grant() for _ in range(50)))

    asyncio.run(work())
    assert renewals.count == 1


def test_a_renewal_that_fails_early_does_no_harm(monkeypatch):
    clock = Clock(monkeypatch)
    calls = []

    def renew(old: Grant | None) -> Grant:
        calls.append(clock.now_s)
        if old:
            raise AccessDenied("nobody is signed in")
        return Grant("", "Bearer 1", clock.now_s + 200)

    credential = Credential("sign-in", renew)

    async def work() -> None:
        await credential.grant()
        clock.now_s += 151
        assert [grant.header for grant in [await credential.grant() for _ in range(5)]] == ["Bearer 1"] * 5
        assert len(calls) == 2, "the next attempt comes half a minute later"
        clock.now_s += 31
        await credential.grant()
        assert len(calls) == 3
        clock.now_s += 31
        for _ in range(3):
            with pytest.raises(AccessEnded, match="nobody"):
                await credential.grant()
        assert len(calls) == 4, "once it has ended, nobody is asked again"

    asyncio.run(work())


def test_while_a_grant_is_renewed_early_the_old_one_serves(monkeypatch):
    clock = Clock(monkeypatch)
    may_end = threading.Event()

    def renew(old: Grant | None) -> Grant:
        if old:
            assert may_end.wait(10)
        return Grant("", f"Bearer {clock.now_s:.0f}", clock.now_s + 100)

    credential = Credential("sign-in", renew)

    async def work() -> None:
        first = await credential.grant()
        clock.now_s += 80
        renewing = asyncio.create_task(credential.grant())
        await asyncio.sleep(0)
        assert await credential.grant() is first
        may_end.set()
        assert await renewing is not first

    asyncio.run(work())


def test_without_anybody_it_is_told():
    with pytest.raises(AccessDenied, match="nobody"):
        asyncio.run(ask(Credential("sign-in", Renewals(AccessDenied("nobody"))), 2))


def test_a_grant_that_was_refused_is_replaced_once_for_all_who_used_it():
    replaced = []

    def replace(old: Grant) -> Grant:
        replaced.append(old.query)
        return Grant("new", "", math.inf)

    credential = Credential("SAS", lambda _: Grant("old", "", math.inf), replace)

    async def one() -> str:
        grant = await credential.grant()
        await asyncio.sleep(0.01)
        if grant.query == "old":
            await credential.replace(grant, AccessEnded("refused"), again=True)
        return (await credential.grant()).query

    async def work() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(50)))

    assert asyncio.run(work()) == ["new"] * 50
    assert replaced == ["old"]


def test_where_there_is_no_other_nothing_is_given_any_more():
    def nothing(_: Grant) -> Grant:
        raise AccessDenied("no new SAS was given")

    for credential, told in (
        (Credential("SAS", lambda _: Grant("old", "", math.inf)), "it ended$"),
        (Credential("SAS", lambda _: Grant("old", "", math.inf), nothing), "it ended; no new SAS was given$"),
    ):

        async def work(credential: Credential = credential, told: str = told) -> None:
            grant = await credential.grant()
            for _ in range(3):
                with pytest.raises(AccessEnded, match=told):
                    await credential.replace(grant, AccessEnded("it ended"), again=True)
                with pytest.raises(AccessEnded, match=told):
                    await credential.grant()

        asyncio.run(work())


def test_nothing_of_it_is_shown(monkeypatch):
    monkeypatch.setenv("LADEN_SAS", SAS)
    credential = found()
    grant = granted(credential)
    bearer = Grant("", f"Bearer {SECRET}", 0)
    shown = f"{credential} {credential!r} {grant} {grant!r} {bearer!r} {[grant]} %s" % (grant,)
    assert SECRET not in shown
    assert urllib.parse.quote(SECRET) not in shown
    assert "sig" not in shown.replace("sign-in", "")


def silent(error: BaseException) -> None:
    shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
    assert SECRET not in shown
    assert urllib.parse.quote(SECRET) not in shown


def test_a_setting_that_azure_s_library_refuses_is_told(monkeypatch):
    monkeypatch.setenv("AZURE_TENANT_ID", "not a tenant!")
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    with pytest.raises((UsageError, AccessDenied)) as raised:
        granted(found())
    silent(raised.value)


async def refused_until(credential: Credential, good: Callable[[Grant], bool], service_s: float | None) -> list[Grant]:
    """Grants that were tried, as a request tries them, until one is good."""
    tried = []
    while True:
        grant = await credential.grant()
        tried.append(grant)
        if good(grant):
            credential.accepted(grant)
            return tried
        await credential.replace(grant, AccessEnded("refused"), again=True, service_s=service_s)


class Chain:
    """Stands for azure-identity: gives the next of its tokens, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked = 0
        monkeypatch.setattr(credentials, "SignIn", lambda: self)

    def __enter__(self) -> "Chain":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_token(self, _: str) -> AccessToken:
        self.asked += 1
        return AccessToken(self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0], int(time.time()) + 3600)


def test_a_token_that_is_refused_is_replaced_once(monkeypatch):
    chain = Chain(monkeypatch, "old", "new", "newer")
    tried = asyncio.run(refused_until(found(), lambda grant: grant.header == "Bearer new", None))
    assert [grant.header for grant in tried] == ["Bearer old", "Bearer new"]
    assert chain.asked == 2


def test_a_token_that_is_refused_again_later_is_replaced_again(monkeypatch):
    Chain(monkeypatch, "1", "2", "3")
    credential = found()

    async def work() -> None:
        for token in "123":
            await refused_until(credential, lambda grant, token=token: grant.header == f"Bearer {token}", None)

    asyncio.run(work())


@pytest.mark.parametrize("tokens", [("old",), ("old", "old", "new"), ("old", "new", "newer")])
def test_where_another_token_does_not_help_it_ends(monkeypatch, tokens):
    chain = Chain(monkeypatch, *tokens)
    with pytest.raises(AccessEnded, match="refused"):
        asyncio.run(refused_until(found(), lambda _: False, None))
    assert chain.asked == 2


@pytest.mark.parametrize("off_s", [-7 * 24 * 3600, -1200, 1200, 86_400])
def test_what_a_key_signs_follows_the_service_s_clock(monkeypatch, off_s):
    monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
    service_s = time.time() + off_s

    def holds(grant: Grant) -> bool:
        sas = parse_sas(grant.query)
        return sas.start.timestamp() <= service_s < sas.end.timestamp()

    tried = asyncio.run(refused_until(found(), holds, service_s))
    assert len(tried) <= 2
    assert len(tried) == 1 or tried[1].expires_s == pytest.approx(service_s + 12 * 3600, abs=60)


def test_a_key_that_is_wrong_is_tried_twice(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
    tried = []
    with pytest.raises(AccessEnded, match="refused"):
        asyncio.run(refused_until(found(), lambda grant: bool(tried.append(grant)), time.time()))
    assert len(tried) == 2
