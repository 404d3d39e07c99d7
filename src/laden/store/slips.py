"""What people give as DEST that is meant for a cloud and is none of its addresses, with the right form ready to copy.

In order: quotes that a shell or a word processor left are taken off (`bare`); then `slip` knows connection strings, the
addresses of other services of an account and of other tools, links of the portal and resource ids, addresses whose
scheme is missing or mistyped, and what cannot be meant as a folder. Nothing is asked of network or disk, and no
sentence holds a query: the SAS in it is told as "what followed its '?'".

Sources: "Azure Storage endpoints" (REST reference) for hosts; hadoop-azure for wasb and abfs; adlfs for az; rclone's
azureblob for NAME:PATH; Azure ML's "azureml://" URIs.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from laden.values.commands import command
from laden.values.secrets import redact

FORM = "https://ACCOUNT.blob.core.windows.net/CONTAINER"
"""How a container is addressed in the public cloud."""

_QUOTES = {"'": "'", '"': '"', "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c", "\u00ab": "\u00bb",
           "\u201a": "\u2018", "\u201d": "\u201d", "\u2019": "\u2019", "<": ">"}  # fmt: skip
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
"""Come along when an address is copied from a page or a mail."""

_CLOUD = r"core\.windows\.net|core\.usgovcloudapi\.net|core\.chinacloudapi\.cn|storage\.azure\.net"
_HOST = (
    r"(?P<account>[a-z0-9-]+)(?P<zone>(?:\.z\d+)?(?:\.privatelink)?)"
    rf"\.(?P<service>blob|dfs|file|queue|table|web)\.(?P<cloud>{_CLOUD})"
)
_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)(?P<sep>[:;][/\\]{0,3}|(?<=http)[/\\]+|(?<=https)[/\\]+)|[/\\]{0,3})"
    rf"(?:(?P<user>[^@/\\?]*)@)?{_HOST}(?::\d+)?(?P<path>(?:[/\\][^?]*)?)(?P<query>\?.*)?",
    re.IGNORECASE | re.DOTALL,
)
_CONNECTION = re.compile(
    r"(?:^|;)\s*(?:DefaultEndpointsProtocol|AccountName|AccountKey|BlobEndpoint|SharedAccessSignature|EndpointSuffix"
    r"|UseDevelopmentStorage)\s*=",
    re.IGNORECASE,
)
_RESOURCE = re.compile(r"storageAccounts(?:/|%2F)(?P<account>[a-z0-9]{3,24})(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_PORTAL = re.compile(
    r"(?:https?://)?(?:[a-z0-9-]+\.)*(?:portal\.azure\.(?:com|us|cn)|(?:ml|ai)\.azure\.com)\b", re.IGNORECASE
)
_IN_RESOURCE = re.compile(
    r"(?:containers|/path|containerName|resourcename)(?:/|=|%2F|%22)+(?P<container>[a-z0-9-]{3,63})", re.IGNORECASE
)
_OTHER = re.compile(
    r"(?P<scheme>az|azblob|azure|abfss?|wasbs?|adl|azureml|s3a?|gs|gcs|file|dbfs|sftp|ftp|storageexplorer)"
    r"(?P<sep>:/{0,3})(?P<rest>[^?]*)",
    re.IGNORECASE,
)
_LOCAL = re.compile(
    r"(?:https?[:;]?[/\\]{0,3})?(?P<host>(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?)(?P<path>(?:[/\\][^?]*)?)(?:\?.*)?",
    re.IGNORECASE | re.DOTALL,
)
_ALMOST_HTTP = re.compile(r"(?:h[tx]{1,3}ps?|ttps?|htps?)(?:[:;][/\\]{0,3}|[/\\]{2})(?P<rest>[^?]+)", re.IGNORECASE)
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_HOST_LIKE = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?|[a-z0-9.-]+:\d+|(?:\d+\.){3}\d+", re.IGNORECASE)
_MOST_SHOWN = 120


def bare(text: str) -> str:
    """The text without blanks, signs that nobody sees, and quotes around it: cmd.exe keeps ', Word makes “ of them."""
    text = text.strip().strip(_INVISIBLE).strip()
    while len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def slip(text: str) -> str:
    """Why a text that is meant for a cloud is no address that laden takes, with the right one; or empty."""
    for look in (_half_quoted, _connection, _of_azure, _of_resource, _of_this_machine, _of_another_tool, _almost_http):
        if sentence := look(text):
            return sentence
    if _HTTP.match(text):
        return ""
    if "sig=" in unquote(text) or redact(text) != text:
        return (
            f"the destination holds a secret and is no container's address: give {FORM}, which begins with https://,"
            " and put a SAS in LADEN_SAS or behind a '?', a key in AZURE_STORAGE_KEY"
        )
    return ""


def is_meant_for_a_cloud(text: str) -> bool:
    """Whether it is an address, right or not."""
    text = bare(text)
    return bool(_HTTP.match(text) or slip(text))


def swapped(sources: Iterable[object], destination: str) -> str:
    """The sentence for a source and a destination in each other's place; empty where they are not."""
    given = [str(source) for source in sources]
    address = next((source for source in given if is_meant_for_a_cloud(source)), "")
    if not address:
        return ""
    place = bare(destination)
    if is_meant_for_a_cloud(place) or not os.path.exists(os.path.expanduser(place)):  # noqa: PTH110, PTH111 - any text
        return (
            f"SOURCE is a folder or files on this machine, and {shown(address)} is an address: give SOURCE, then DEST"
        )
    return f"SOURCE and DEST are swapped: {command('load', shown(place), shown_address(address))}"


def no_folder(text: str) -> str:
    """Why what is no address cannot be meant as a folder either, or cannot be told to be; or empty.

    A folder is written as a path; without that, it or the folder that it is to be made in must be there, and its name
    must not be one that an address or a setting has.
    """
    if "\0" in text:
        return f"'{shown(text)}' can be no folder's path: it holds a character that none can"
    if meant := re.match(r"(?:\.{0,2}[/\\])+(https?|abfss?|wasbs?|az|s3|gs):[/\\]", text, re.IGNORECASE):
        return f"'{shown(text)}' is an address behind a slash, and no folder: begin it with {meant[1]}://"
    if re.match(r"~|\.{1,2}(?:[/\\]|$)|[/\\]|[A-Za-z]:[/\\]", text):
        return ""
    path = Path(text)
    looks = bool(re.search(r"[:;=]", text) or _HOST_LIKE.fullmatch(re.split(r"[/\\]", text)[0]))
    with contextlib.suppress(OSError):
        if not looks and (path.is_dir() or (len(path.parts) > 1 and path.parent.is_dir())):
            return ""
    name = text if re.fullmatch(r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}", text) else "CONTAINER"
    container = f"https://{_account()}.blob.core.windows.net/{name}"
    return (
        f"'{shown(text)}' is neither a container's address nor written as a folder: give {container} for a"
        f" container, ./{shown(text)} for a folder on this machine"
    )


def shown(text: str) -> str:
    """A text that was typed, for a sentence: without secrets, printable and not long."""
    told = "".join(sign if sign.isprintable() else "\ufffd" for sign in redact(text))
    return told if len(told) <= _MOST_SHOWN else f"{told[:_MOST_SHOWN]}..."


def shown_address(text: str) -> str:
    """An address without its query, for a sentence; one that was taken for a path has lost a slash."""
    return re.sub(r"^(https?):/+", r"\1://", shown(text).partition("?")[0])


def _account() -> str:
    """The account that Azure CLI's own setting names, or a word for it."""
    name = os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    return name if re.fullmatch(r"[a-z0-9]{3,24}", name) else "ACCOUNT"


def _form(host: str, *path: str) -> str:
    """An address to copy; what is not known stands in capitals."""
    parts = [part for text in path for part in re.split(r"[/\\]+", text) if part]
    return shown("/".join([f"https://{host}", *(parts or ["CONTAINER"])]))


def _behind(query: str | None) -> str:
    return ", and behind it what followed the '?'" if query else ""


def _half_quoted(text: str) -> str:
    inner = bare(text.strip("".join({*_QUOTES, *_QUOTES.values()})))
    if inner == text or not (_HTTP.match(inner) or slip(inner)):
        return ""
    right, _, query = inner.partition("?")
    return f"the address has a quote at one end only: give {shown(right)}{_behind(query)}"


def _connection(text: str) -> str:
    if not _CONNECTION.search(text) or _HTTP.match(text):
        return ""
    fields = {name.strip().lower(): value for name, _, value in (part.partition("=") for part in text.split(";"))}
    account, suffix = fields.get("accountname", "").strip(), fields.get("endpointsuffix", "").strip()
    account = account if re.fullmatch(r"[a-z0-9]{3,24}", account) else "ACCOUNT"
    suffix = suffix if re.fullmatch(_CLOUD, suffix) else "core.windows.net"
    return (
        "a connection string is no destination: put it in AZURE_STORAGE_CONNECTION_STRING, and give"
        f" {_form(f'{account}.blob.{suffix}')}"
    )


def _of_azure(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if not found:
        return ""
    scheme, service, user = (found["scheme"] or "").lower(), found["service"].lower(), found["user"]
    written_so = scheme in ("http", "https") and found["sep"] == "://"
    if written_so and (service == "blob" or user is not None):
        return ""
    host = f"{found['account']}{found['zone']}.blob.{found['cloud']}".lower()
    right = _form(host, user or "", found["path"])
    behind = _behind(found["query"])
    if what := _SERVICES.get(service):
        return f"this is the address of an account's {what}, and laden loads into containers: give {_form(host)}"
    if scheme in _WITH_CONTAINER:
        return f"{scheme}:// is another tool's way to write it: give {right}{behind}"
    if service == "dfs":
        return f"this is an account's Data Lake endpoint (dfs), and laden uses the Blob endpoint: give {right}{behind}"
    return f"a container's address begins with https://: give {right}{behind}"


_WITH_CONTAINER = ("abfs", "abfss", "wasb", "wasbs", "az", "azure", "azblob", "adl")
_SERVICES = {"file": "file shares", "queue": "queues", "table": "tables", "web": "static website"}


def _of_resource(text: str) -> str:
    portal = _PORTAL.match(text)
    found = _RESOURCE.search(text)
    if not found or not (portal or "subscriptions" in text.lower()):
        advice = f"give {FORM}, which the container's 'Properties' there show as its URL"
        return f"a link to the portal is no destination: {advice}" if portal else ""
    inside = _IN_RESOURCE.search(found["rest"])
    right = _form(f"{found['account'].lower()}.blob.core.windows.net", inside["container"] if inside else "")
    what = "a link to the portal" if portal else "a resource id"
    return f"{what} is no destination: give {right}"


def _of_this_machine(text: str) -> str:
    found = _LOCAL.fullmatch(text)
    if not found or _HTTP.match(text) or not (found["path"] or ":" in found["host"]):
        return ""
    parts = [part for part in re.split(r"[/\\]+", found["path"]) if part]
    right = "/".join([f"http://{found['host']}", *(parts or ["devstoreaccount1", "CONTAINER"])])
    return f"an emulator's address begins with http://: give {shown(right)}"


def _of_another_tool(text: str) -> str:
    found = _OTHER.match(text)
    if not found:
        return ""
    scheme, rest = found["scheme"].lower(), found["rest"]
    if scheme == "azureml":
        return (
            "an Azure ML address names no account: give the address of the container behind its datastore"
            f" ('az ml datastore show' tells account and container): {FORM}"
        )
    if scheme == "file":
        return f"a folder is given as a path: {shown(unquote(rest) if rest.startswith('/') else f'/{unquote(rest)}')}"
    if scheme in ("az", "azblob", "azure", "abfs", "abfss", "wasb", "wasbs", "adl"):
        container, _, below = rest.partition("@")[0].partition("/")
        right = _form(f"{_account()}.blob.core.windows.net", container, below)
        return f"{scheme}: is another tool's way to write it, without the account: give {right}"
    return (
        f"'{scheme}{shown(found['sep'])}' is not a destination laden can load to: give {FORM} or a folder, as ./FOLDER"
    )


def _almost_http(text: str) -> str:
    found = _ALMOST_HTTP.match(text)
    if not found or _HTTP.match(text):
        return ""
    right = "/".join(part for part in re.split(r"[/\\]+", found["rest"]) if part)
    return (
        f"a container's address begins with https://: give https://{shown(right)}{_behind('?' if '?' in text else '')}"
    )
