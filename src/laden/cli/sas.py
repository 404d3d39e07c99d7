"""`laden sas`: makes a SAS and prints its URL alone on stdout, or shows what one permits. Explanations go to stderr."""

from __future__ import annotations

import ipaddress
import json as json_format
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from laden.cli.lines import plain_console, say
from laden.cli.text import escaped
from laden.store import Destination, parse_destination, without_secret
from laden.store.sas import PERMISSIONS, Sas, abilities, lacking_for_load, letters_of, parse_sas, query_of, utc
from laden.values.errors import ExitCode, LadenError, UsageError
from laden.values.secrets import give, note
from laden.values.units import duration

if TYPE_CHECKING:
    from laden.store.minting import Minted

_LONG_HOURS = 7 * 24


def run_make(
    destination: str, permissions: str | None, hours: float | None, addresses: str | None, policy: str | None
) -> int:
    """Make a SAS, and return the exit code."""
    from laden.store.minting import Wanted, mint

    try:
        letters = letters_of(permissions) if permissions is not None else None
        target = _container(destination)
        minted = mint(target, Wanted(letters, hours, addresses, policy))
    except LadenError as error:
        _say(f"laden sas: {error}")
        return int(error.exit_code)
    _explain(target, minted, addresses, policy)
    give(f"{target.url()}?{minted.query}")
    return int(ExitCode.COMPLETE)


def _container(destination: str) -> Destination:
    target = parse_destination(destination)
    if not isinstance(target, Destination):
        raise UsageError(f"a SAS is for a container, and '{target}' is a folder: give the container's URL")
    return target


def _explain(target: Destination, minted: Minted, addresses: str | None, policy: str | None) -> None:
    """Tell on stderr what was made, and what to mind."""
    sas = parse_sas(minted.query)
    end = f" until {_both(minted.end)}" if minted.end else ""
    _say(f"A {sas.kind} SAS (signed with the {minted.signed_by}) for the container '{target.container}'{end}:")
    for permission in PERMISSIONS:
        if permission.letter in minted.letters:
            _say(f"  {permission.letter}  {permission.word}: {permission.purpose}")
    if target.prefix:
        _say(f"It is for the whole container, not only for '{target.prefix}': the service knows no narrower one here.")
    # What the policy says stands in for the letters that the SAS then does not hold.
    if why := lacking_for_load(parse_sas(f"{minted.query}&sp={minted.letters}")):
        _say(f"Not enough for a load: {why}.")
    if addresses and _is_private(addresses):
        _say("Its addresses are private, and the service sees public ones: it may let nobody in.")
    _revocation(target, minted, policy)
    _say("Whoever has this URL has these rights: keep it out of mails, logs and shell histories.")


def _revocation(target: Destination, minted: Minted, policy: str | None) -> None:
    if policy:
        made = "was made for it" if minted.policy_made else "was there, and says what it permits and until when"
        _say(
            f"The stored access policy '{policy}' {made}. To revoke it (in force within 30 s): az storage container"
            f" policy delete --account-name {target.account} --container-name {target.container} --name {policy}"
        )
    elif minted.signed_by == "sign-in":
        _say(
            "To revoke it, with all of the account's user delegation SAS: az storage account revoke-delegation-keys"
            f" --name {target.account} --resource-group GROUP"
        )
    else:
        left_hours = (minted.end - datetime.now(UTC)).total_seconds() / 3600 if minted.end else 0
        long = " It is a long one." if left_hours > _LONG_HOURS else ""
        _say(f"It can only be revoked with the account key itself; with --policy NAME it can be by itself.{long}")


def _is_private(addresses: str) -> bool:
    first = addresses.split("-")[0].split("/")[0].strip()
    return ipaddress.ip_address(first).is_private


def run_inspect(url: str | None, *, json: bool) -> int:
    """Show what a SAS permits, and return the exit code."""
    try:
        text, where = _given(url)
        sas = parse_sas(query_of(text))
    except LadenError as error:
        if json:
            from laden.cli.faces import tell_end

            return tell_end("sas inspect", str(error), error.exit_code)
        _say(f"laden sas inspect: {error}")
        return int(error.exit_code)
    now = datetime.now(UTC)
    if json:
        print(json_format.dumps(_as_json(sas, where, now)))
    else:
        console = plain_console()
        for line in _lines(sas, where, now):
            say(console, escaped(line), 13)
    usable = sas.state(now) == "valid" and not lacking_for_load(sas)
    return int(ExitCode.COMPLETE if usable else ExitCode.ACCESS)


def _given(url: str | None) -> tuple[str, str]:
    """The SAS, and the address in front of it, where there is one."""
    if url == "-":
        text = sys.stdin.read(1 << 16).strip()
    elif url is None:
        text = os.environ.get("LADEN_SAS", "") or os.environ.get("AZURE_STORAGE_SAS_TOKEN", "")
        if not text:
            raise UsageError("there is nothing to inspect: give a SAS URL, '-' to read it from stdin, or set LADEN_SAS")
    else:
        text = url
        note(url)
        if "sig=" in url:
            _say("A SAS on the command line can be seen by other users of this machine: '-' reads it from stdin.")
    return text, without_secret(text.strip()) if "://" in text else ""


def _lines(sas: Sas, where: str, now: datetime) -> list[str]:
    lines = [f"for          {where}"] if where else []
    signer = {
        "user delegation": "user delegation SAS: signed for a person or identity; it may do what they may, at most",
        "service": "service SAS: signed with the account key, for one resource",
        "account": "account SAS: signed with the account key, for the account",
    }[sas.kind]
    lines.append(f"kind         {signer}")
    if sas.policy:
        lines.append(f"policy       '{sas.policy}': a stored access policy, which can revoke it")
    lines.append(f"permissions  {', '.join(sas.words) if sas.letters is not None else 'as the policy says'}")
    lines.append(f"begins       {_both(sas.start) if sas.start else 'at once' + _policy_says(sas)}")
    lines.append(f"ends         {_ending(sas, now)}")
    lines.append(f"addresses    {sas.addresses or 'any'}")
    lines += [f"nonsense     {what}" for what in sas.nonsense]
    lines.append(f"protocol     {sas.protocol.replace(',', ' and ')}")
    lines.append("laden can")
    for what, why_not in abilities(sas).items():
        lines.append(f"  {'no ' if why_not else 'yes'}  {what}{f': {why_not}' if why_not else ''}")
    if sas.letters is None:
        lines.append("  (as far as can be told: what the policy permits is known to the service alone)")
    return lines


def _ending(sas: Sas, now: datetime) -> str:
    if sas.end is None:
        return f"not told{_policy_says(sas)}"
    left_s = (sas.end - now).total_seconds()
    state = f"{duration(left_s)} left" if left_s > 0 else f"ENDED {duration(-left_s)} ago"
    if sas.state(now) == "not yet valid":
        state = "NOT YET VALID"
    return f"{_both(sas.end)}: {state}"


def _policy_says(sas: Sas) -> str:
    return ", or as the policy says" if sas.policy else ""


def _as_json(sas: Sas, where: str, now: datetime) -> dict[str, Any]:
    return {
        "url": where,
        "kind": sas.kind,
        "policy": sas.policy,
        "permissions": None if sas.letters is None else sas.words,
        "letters": sas.letters,
        "start": sas.start.isoformat() if sas.start else None,
        "end": sas.end.isoformat() if sas.end else None,
        "seconds_left": round((sas.end - now).total_seconds()) if sas.end else None,
        "state": sas.state(now),
        "addresses": sas.addresses,
        "protocol": sas.protocol,
        "version": sas.version,
        "nonsense": list(sas.nonsense),
        "can": {what: not why_not for what, why_not in abilities(sas).items()},
        "cannot": {what: why_not for what, why_not in abilities(sas).items() if why_not},
    }


def _both(moment: datetime) -> str:
    """In this machine's time and in UTC, where they differ."""
    if not moment.astimezone().utcoffset():
        return utc(moment)
    return f"{moment.astimezone().strftime('%Y-%m-%d %H:%M:%S %Z')} ({utc(moment)})"


def _say(text: str) -> None:
    """To stderr: stdout is for the URL alone."""
    say(plain_console(errors=True), escaped(text), 2)
