"""Text that strangers supply, and secrets that nobody may see.

Hostile names, cells and settings stay text: no SQL, no formula, no entity, no terminal obeys them. Signatures and keys
appear in nothing that a run leaves behind: output, findings, metadata, command lines of its children.
"""

import base64
import csv
import itertools
import json
import random
import re
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from laden.demo.emulator import Emulator
from laden.relations import Relations
from laden.store.answers import page_from_xml
from laden.values.errors import ExitCode, TransientStoreError
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.dataset import make_dataset, tiny_png
from tests.support.harness import COMMAND, client, landed, run, sas, secrets_in, start

# The database

HOSTILE = [
    "'; DROP TABLE rows; --", "a' OR '1'='1", "'); COPY rows TO 'stolen.csv'; --", '"; ATTACH \'x.db\'; --', "$1", "?",
    "{ImageID}", "%s", "' UNION SELECT content FROM read_text('/etc/hostname') --", "\u2019; DROP TABLE rows", "''",
]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "COPY rows TO '{new}' (FORMAT csv)",
        "EXPORT DATABASE '{new}'",
        "ATTACH '{new}'",
        "ATTACH ':memory:' AS other; COPY other.t TO '{new}'",
        "CREATE TABLE t AS FROM '{secret}'",
        "CREATE TABLE t AS FROM read_csv('{secret}')",
        "CREATE TABLE t AS FROM read_blob('{secret}')",
        "CREATE TABLE t AS FROM glob('/etc/*')",
        "COPY rows FROM '{secret}'",
        "CREATE TABLE t AS FROM 'https://127.0.0.1:1/x.parquet'",
        "INSTALL httpfs",
        "LOAD '{secret}'",
        "SET allowed_directories = ['/']",
        "RESET lock_configuration",
        "PRAGMA enable_external_access = true",
        "SET temp_directory = '/tmp'",
        "SET home_directory = '/tmp'",
        "SET autoinstall_known_extensions = true",
        "CREATE PERSISTENT SECRET s (TYPE http)",
        "SET log_query_path = '{new}'",
        "PRAGMA profiling_output = '{new}'",
    ],
)
def test_no_statement_leaves_the_database(tmp_path: Path, statement: str) -> None:
    secret, new = tmp_path / "secret.csv", tmp_path / "new"
    secret.write_text("a\n1\n")
    with Relations() as relations:
        with pytest.raises(Relations.Error):
            relations.run(statement.format(secret=secret, new=new))
        inside = relations.folder / "x.csv"
        climbing = f"{relations.folder}/../{relations.folder.name}/../new.csv"
        with pytest.raises(Relations.Error):
            relations.run(f"COPY rows TO '{climbing}'")
        assert not inside.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv"}


def test_hostile_cells_columns_and_names_are_text(tmp_path: Path) -> None:
    source = tmp_path / "source"
    dataset = make_dataset(source, {"0": 2})
    with dataset.table.open(newline="") as file:
        header, *records = csv.reader(file)
    image, folder = header.index("ImageID"), header.index("ImageDir")
    names = [f"{text}.png" for text in HOSTILE if "/" not in text]
    for text in names:
        record = list(records[0])
        record[image] = text
        records.append(record)
    bad_folder = list(records[0])
    bad_folder[image], bad_folder[folder] = "x.png", "0'; DROP TABLE entries; --"
    records.append(bad_folder)
    with dataset.table.open("w", newline="") as file:
        csv.writer(file).writerows([[*header, "'); DROP TABLE rows; --"], *([*record, "'"] for record in records)])
    with zipfile.ZipFile(source / "0.zip", "a") as archive:
        for number, text in enumerate(names):
            archive.writestr(text, tiny_png(number))
    with zipfile.ZipFile(source / "'; DROP TABLE rows; --.zip", "w") as archive:
        archive.writestr("stray'; --.png", tiny_png(5))
    there = tmp_path / "it's; --"
    summary = load(source, str(there), strays="send", findings_file=tmp_path / "f.csv")
    assert (summary.rows, summary.missing) == (2 + len(names) + 1, 1)
    assert {path.name for path in (there / "png" / "0").iterdir()} >= set(names)
    assert verify(str(there), deep="all").exit_code == ExitCode.COMPLETE
    assert load(source, str(there), strays="send").sent == 0
    for layout in ("{ImageID}'; DROP TABLE rows; --", "{'; DROP TABLE rows; --}", "x' || {ImageID}"):
        ran = run("load", source, tmp_path / "other", "--layout", layout, "--json", cwd=tmp_path)
        assert ran.code in (2, 3)
        assert "Traceback" not in ran.err


# Listings

ENTITY = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>
<EnumerationResults><Blobs><Blob><Name>&e;</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>
</Blobs></EnumerationResults>"""
LAUGHS = (
    b"<!DOCTYPE x [<!ENTITY a0 'ha'>"
    + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><EnumerationResults><Blobs><Blob><Name>&a11;</Name><Properties><Content-Length>1</Content-Length>"
    b"</Properties></Blob></Blobs></EnumerationResults>"
)
QUADRATIC = (
    b"<!DOCTYPE x [<!ENTITY a '" + b"x" * 100_000 + b"'>]><EnumerationResults><Blobs><Blob><Name>" + b"&a;" * 50_000
) + b"</Name></Blob></Blobs></EnumerationResults>"


@pytest.mark.parametrize("body", [ENTITY, LAUGHS, QUADRATIC], ids=["external", "laughs", "quadratic"])
def test_a_listing_with_entities_is_refused_before_they_are_expanded(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TransientStoreError, match=r"not whole|lacks names"):
            page_from_xml(body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 << 20, "and not the gigabytes that they stand for"


# Terminals and spreadsheets

ESCAPES = ["\x1b[2J\x1b[H.png", "\x1b]0;title\x07.png", "\x9b31m.png", "a\u202egnp.png", "\rgone.png", "\x08\x08.png"]


def test_no_name_reaches_the_terminal_or_a_spreadsheet_raw(tmp_path: Path) -> None:
    source = tmp_path / "source"
    dataset = make_dataset(source, {"0": 2})
    with dataset.table.open(newline="") as file:
        header, *records = csv.reader(file)
    image = header.index("ImageID")
    names = [*ESCAPES, "=cmd|' /C calc'!A0.png", "@SUM(1).png", "+1.png", "-1.png"]
    for name in names:
        records.append([name if column == image else cell for column, cell in enumerate(records[0])])
    with dataset.table.open("w", newline="") as file:
        csv.writer(file).writerows([header, *records])
    with zipfile.ZipFile(source / "0.zip", "a") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(f"stray {name}"), b"x")
            archive.writestr(zipfile.ZipInfo(f"{name}x"), b"x")
    (source / "\x1b[31mred.zip").write_bytes(b"")
    findings = tmp_path / "f.csv"
    for face in ("--verbose", "--quiet", "--json"):
        ran = run("check", source, face, "--findings", findings, env={"FORCE_COLOR": "1", "TERM": "xterm"})
        assert ran.code == 3, ran.err
        # Colours are laden's own, and the line that is drawn again and again; nothing else may begin with an escape.
        text = re.sub("\r?\x1b\\[(?:[0-9;]*m|\\?25[lh]|2K|1A)", "", ran.out + ran.err)
        assert not set(text) & set("\x1b\x07\x08\x9b\u202e\r")
        assert "\x1b[31mred" not in ran.out + ran.err
        raw = findings.read_bytes().decode()
        assert not set(raw.replace("\r\n", "\n")) & set("\x1b\x07\x08\x9b\u202e\r")
        with findings.open(newline="") as file:
            cells = list(itertools.chain(*csv.reader(file)))
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert "'=cmd|' /C calc'!A0.png" in cells


# Secrets


def forms(secret: str) -> set[str]:
    """A secret as it may turn up: as it is, percent-encoded, decoded, and in pieces."""
    plain = unquote(secret)
    return {form for form in (secret, plain, quote(plain, safe=""), plain[:16], plain[-16:-2]) if len(form) > 10}


def expired(emulator: Emulator, url: str) -> str:
    past = datetime.now(UTC) - timedelta(days=2)
    return generate_container_sas(
        emulator.account, url.rpartition("/")[2], account_key=emulator.key, expiry=past + timedelta(hours=1),
        permission=ContainerSasPermissions.from_string("rwdlc"), start=past, version="2023-11-03",
    )  # fmt: skip


def signature(text: str) -> str:
    found = re.search("sig=([^&]+)", text)
    assert found is not None
    return found[1]


def command_lines(pid: int, seen: set[str]) -> None:
    """Command lines of the children of a process, as any user of the machine can see them."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = place.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                seen.add(place.joinpath("cmdline").read_bytes().decode())
        except OSError:
            continue


def test_no_secret_in_anything_that_a_run_leaves(container: str, emulator: Emulator, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3}, missing=1)
    key = "Hq5x/" + base64.b64encode(random.Random("key").randbytes(64)).decode()[5:]
    account = emulator.account
    good, wrong = (
        sas(emulator, container),
        "sv=2023-11-03&sr=c&sp=rwl&se=2099-01-01&sig=" + quote(key[:43] + "=", safe=""),
    )
    connection = f"DefaultEndpointsProtocol=https;AccountName=nobody;AccountKey={key};EndpointSuffix=invalid.example"
    closed = "http://127.0.0.1:9/devstoreaccount1/xxx"
    plain, nowhere = emulator.url("none"), "https://nobody.blob.invalid/xxx"
    runs: list[tuple[str, dict[str, str]]] = []
    for text in (
        good,
        expired(emulator, container),
        wrong,
        "?" + wrong,
        wrong + "&comp=list",
        wrong.replace("sv", "s"),
    ):
        runs += [
            (f"{container}?{text}", {}),
            (container, {"LADEN_SAS": text}),
            (container + "/a%zz", {"LADEN_SAS": text}),
        ]
    runs += [
        (f"{closed}?{wrong}", {}),
        (f"http://user:{key[:40]}@127.0.0.1:9/devstoreaccount1/xxx", {}),
        (f"http://user:{key[5:40].replace('/', 'a')}@127.0.0.1:9/devstoreaccount1/xxx", {}),
        (f"ftp://nobody.invalid/xxx?{wrong}", {}),
        (f"{container}#{wrong}", {}),
        (f"{container}&{wrong}", {}),
        (f"{container}/{quote(wrong)}", {}),
        (f"{container}/{wrong}?", {}),
        (wrong, {}),
        (nowhere, {"LADEN_SAS": wrong}),
        (f"http://nobody.blob.core.windows.net/xxx?{wrong}", {}),
        (nowhere, {"AZURE_STORAGE_KEY": key, "AZURE_STORAGE_ACCOUNT": "nobody"}),
        (nowhere, {"AZURE_STORAGE_KEY": key + "!not base 64"}),
        (nowhere, {"AZURE_STORAGE_CONNECTION_STRING": connection}),
        (nowhere, {"AZURE_STORAGE_CONNECTION_STRING": connection.replace(";EndpointSuffix=", ";BlobEndpoint=::")}),
        (plain, {"AZURE_STORAGE_KEY": key, "AZURE_STORAGE_ACCOUNT": account, "LADEN_SAS": wrong}),
    ]
    secrets = forms(key) | forms(key[:40]) | forms(key[:44]) | forms(key[5:40].replace("/", "a"))
    for text in (good, expired(emulator, container), wrong):
        secrets |= forms(signature(text))
    children: set[str] = set()
    codes = set()
    for number, (destination, env) in enumerate(runs):
        face = ["--json"] if number % 2 else ["--verbose", "--yes"]
        findings = tmp_path / "f.csv"
        arguments = ("load", dataset.folder, destination, *face, "--findings", findings)
        process = start(*arguments, env=env, cwd=tmp_path)
        watcher = threading.Thread(
            target=lambda pid: [command_lines(pid, children) for _ in range(3)], args=[process.pid]
        )
        watcher.start()
        with process:
            out, err = process.communicate(timeout=300)
        watcher.join()
        codes.add(process.returncode)
        left = out + err + (findings.read_text() if findings.exists() else "")
        assert "Traceback" not in left, left
        assert process.returncode in (2, 3, 4, 6), left
        assert not [one for one in secrets if one in left], f"run {number} shows a secret"
    assert codes >= {2, 3, 4, 6}
    assert not [one for one in secrets if any(one in line for line in children)]
    stored = json.dumps({name: blob.metadata for name, blob in landed(emulator, container).items()})
    with client(emulator, container) as opened:
        stored += opened.download_blob("_laden/load.json").readall().decode()
        stored += opened.download_blob("_laden/manifest.parquet").readall().decode("latin-1")
    assert not [one for one in secrets if one in stored]
    assert not [
        one for one in secrets for path in tmp_path.rglob("*") if path.is_file() and one.encode() in path.read_bytes()
    ]


def test_an_exception_from_the_library_holds_no_secret(container: str, emulator: Emulator, tmp_path: Path) -> None:
    """Also the chain behind it: what a notebook or a crash report would print."""
    dataset = make_dataset(tmp_path / "source", {"0": 1})
    wrong = "sv=2023-11-03&sr=c&sp=rwl&se=2099-01-01&sig=" + "c2VjcmV0" * 5
    script = "import sys, laden; laden.load(sys.argv[1], sys.argv[2])"
    for destination in (
        f"{container}?{wrong}",
        f"http://127.0.0.1:9/devstoreaccount1/xxx?{wrong}",
        f"{container}_?{wrong}",
    ):
        ran = subprocess.run(
            [sys.executable, "-c", script, str(dataset.folder), destination],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert "Traceback" in ran.stderr
        assert "c2VjcmV0" not in ran.stderr
    assert COMMAND.exists()


def test_the_harness_knows_a_secret_when_it_sees_one() -> None:
    """So that every command which any test runs is held to printing none of those that it was given."""
    given = (
        "https://a.blob.core.windows.net/c?sv=1&sig=abc%2Bdefghijklmnop%3D&sp=r",
        "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=0123456789abcdef==;EndpointSuffix=x",
    )
    assert secrets_in(*given, "--archives", "0") == {
        "abc%2Bdefghijklmnop%3D", "abc+defghijklmnop=", "0123456789abcdef==",
    }  # fmt: skip
