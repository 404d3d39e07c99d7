"""What people give as DEST that is meant for a cloud: refused with the right form, whatever stands behind it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.store.destination import Destination, parse_destination
from laden.store.slips import bare, is_meant_for_a_cloud, shown, slip, swapped
from laden.values.errors import UsageError

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"
SAS = f"?sv=2023-11-03&sp=rcwl&sig={SECRET}%3D"
BLOB = "https://acct.blob.core.windows.net"
RESOURCE = "/subscriptions/x/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct"
ENCODED = RESOURCE.replace("/", "%2F")
ANY = "https://ACCOUNT.blob.core.windows.net/CONTAINER"

SLIPS = [
    ("https://acct.dfs.core.windows.net/cont/p", f"{BLOB}/cont/p"),
    ("acct.dfs.core.windows.net/cont", f"{BLOB}/cont"),
    ("https://acct.dfs.core.chinacloudapi.cn/cont", "https://acct.blob.core.chinacloudapi.cn/cont"),
    ("https://acct.privatelink.dfs.core.windows.net/c-1", "https://acct.privatelink.blob.core.windows.net/c-1"),
    ("https://acct.file.core.windows.net/share", f"{BLOB}/CONTAINER"),
    ("\\\\acct.file.core.windows.net\\share", f"{BLOB}/CONTAINER"),
    ("https://acct.queue.core.windows.net/q", f"{BLOB}/CONTAINER"),
    ("https://acct.table.core.windows.net/t", f"{BLOB}/CONTAINER"),
    ("https://acct.z6.web.core.windows.net/", "https://acct.z6.blob.core.windows.net/CONTAINER"),
    ("wasb://cont@acct.blob.core.windows.net/p/q", f"{BLOB}/cont/p/q"),
    ("wasbs://cont@acct.blob.core.windows.net", f"{BLOB}/cont"),
    ("abfss://cont@acct.dfs.core.windows.net/p", f"{BLOB}/cont/p"),
    ("ABFSS://cont@acct.dfs.core.windows.net/p", f"{BLOB}/cont/p"),
    ("abfs://cont/p", "https://ACCOUNT.blob.core.windows.net/cont/p"),
    ("az://cont/p", "https://ACCOUNT.blob.core.windows.net/cont/p"),
    ("az:cont", "https://ACCOUNT.blob.core.windows.net/cont"),
    ("azblob:cont/p", "https://ACCOUNT.blob.core.windows.net/cont/p"),
    ("azure://cont", "https://ACCOUNT.blob.core.windows.net/cont"),
    ("azure://acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("azureml:padchest:1", ANY),
    ("azureml://subscriptions/x/resourcegroups/g/workspaces/w/datastores/d/paths/p", ANY),
    ("DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=KEY;EndpointSuffix=core.windows.net", BLOB),
    ("AccountName=acct;AccountKey=KEY;EndpointSuffix=core.chinacloudapi.cn", "https://acct.blob.core.chinacloudapi.cn"),
    ("BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=1", ANY),
    ("UseDevelopmentStorage=true", ANY),
    (
        f"https://portal.azure.com/#view/S/ContainerMenuBlade/~/overview/storageAccountId/{ENCODED}/path/cont",
        f"{BLOB}/cont",
    ),
    (f"https://portal.azure.com/#@t.example/resource{RESOURCE}/storagebrowser", f"{BLOB}/CONTAINER"),
    (f"https://portal.azure.com/#@t.example/resource{RESOURCE}/containersList", f"{BLOB}/CONTAINER"),
    ("https://portal.azure.com/#home", ANY),
    ("https://ms.portal.azure.com/", ANY),
    ("https://ml.azure.com/data/padchest/1", ANY),
    (f"storageexplorer://v=1&accountid={ENCODED}&resourcetype=Azure.BlobContainer&resourcename=cont", f"{BLOB}/cont"),
    (f"{RESOURCE}/blobServices/default/containers/cont", f"{BLOB}/cont"),
    (RESOURCE, f"{BLOB}/CONTAINER"),
    ("acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("acct.privatelink.blob.core.windows.net/cont", "https://acct.privatelink.blob.core.windows.net/cont"),
    ("cont@acct.blob.core.windows.net", f"{BLOB}/cont"),
    ("//acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("https;//acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("https:/acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("https//acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("https:acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("https:\\\\acct.blob.core.windows.net\\cont", f"{BLOB}/cont"),
    ("htps://acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("ttps://acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("hxxps://acct.blob.core.windows.net/cont", f"{BLOB}/cont"),
    ("https;//blobs.example.org/cont", "https://blobs.example.org/cont"),
    ("https:/blobs.example.org/cont", "https://blobs.example.org/cont"),
    (f"'{BLOB}/cont", f"{BLOB}/cont"),
    (f"{BLOB}/cont\u201d", f"{BLOB}/cont"),
    ("localhost:10000/devstoreaccount1/cont", "http://localhost:10000/devstoreaccount1/cont"),
    ("localhost:10000", "http://localhost:10000/devstoreaccount1/CONTAINER"),
    ("127.0.0.1:10000/devstoreaccount1/cont", "http://127.0.0.1:10000/devstoreaccount1/cont"),
    ("[::1]:10000/devstoreaccount1/cont", "http://[::1]:10000/devstoreaccount1/cont"),
    ("http:/127.0.0.1:10000/devstoreaccount1/cont", "http://127.0.0.1:10000/devstoreaccount1/cont"),
    ("blobs.example.org/cont", "https://ACCOUNT.blob.core.windows.net/CONTAINER"),
    ("10.0.0.5/acct/cont", "https://ACCOUNT.blob.core.windows.net/CONTAINER"),
    ("remote:bucket/p", "./remote:bucket/p"),
    ("key=value", "./key=value"),
    ("a;b", "./a;b"),
    ("padchest", "https://ACCOUNT.blob.core.windows.net/padchest"),
    ("padchest", "./padchest"),
    ("nowhere/padchest", "./nowhere/padchest"),
    ("s3://bucket/k", ANY),
    ("gs://bucket", ANY),
    ("dbfs:/mnt/x", ANY),
    ("sftp://host/x", ANY),
    ("file:///data/a%20b", "/data/a b"),
]


@pytest.mark.parametrize(("text", "right"), SLIPS)
def test_it_is_refused_with_the_right_form_to_copy(text: str, right: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        parse_destination(text)
    assert right in str(raised.value)
    assert "KEY" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", dict(SLIPS))
def test_its_signature_is_not_told(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_destination(text + SAS)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("right", sorted({right for _, right in SLIPS if right.startswith("http")}))
def test_the_right_forms_are_ones(right: str) -> None:
    parsed = parse_destination(right.replace("ACCOUNT", "acct").removesuffix("/CONTAINER").rstrip("/") + "/cont/p")
    assert isinstance(parsed, Destination)


@pytest.mark.parametrize(
    "quotes",
    [
        "''",
        '""',
        "``",
        "\u201c\u201d",
        "\u2018\u2019",
        "\u201e\u201c",
        "\u00ab\u00bb",
        "<>",
        "\u200b\u200b",
        "\ufeff ",
        "\xa0\n",
    ],
)
def test_quotes_around_an_address_are_taken_off(quotes: str) -> None:
    wanted = parse_destination(f"{BLOB}/cont{SAS}")
    assert parse_destination(f" {quotes[0]}{BLOB}/cont{SAS}{quotes[1]} ") == wanted
    assert parse_destination(f"{quotes[0]}'{BLOB}/cont{SAS}'{quotes[1]}") == wanted


def test_quotes_around_a_folder_are_taken_off(tmp_path: Path) -> None:
    assert parse_destination("'./a b'") == parse_destination("./a b")


def test_the_account_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "radiographs")
    assert "https://radiographs.blob.core.windows.net/cont" in slip("az://cont")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "DefaultEndpointsProtocol=https;AccountKey=KEY")
    assert "https://ACCOUNT.blob.core.windows.net/cont" in slip("az://cont")


@pytest.mark.parametrize("text", [f"{BLOB}/cont", f"{BLOB}/cont/acct.dfs.core.windows.net", "http://127.0.0.1:1/dev/cont",
                                  "https://blobs.example.org/cont"])  # fmt: skip
def test_right_addresses_are_no_slips(text: str) -> None:
    assert slip(text) == ""
    assert is_meant_for_a_cloud(text)


@pytest.mark.parametrize(
    "text", ["./a", "/data/https", "~/az", "data", "../acct.blob.core.windows.net", "D:\\data", "azure"]
)
def test_folders_are_not_taken_for_slips(text: str) -> None:
    assert slip(text) == ""
    assert not is_meant_for_a_cloud(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"./{BLOB}/cont", "behind a slash"),
        (f"/{BLOB}/cont", "begin it with https://"),
        ("../abfss:/c/x", "begin it with abfss://"),
        ("./S3://bucket/x", "behind a slash"),
        ("FILE", "is a file, and no folder can be there"),
        ("FILE/below", "is a file, and no folder can be there"),
    ],
)
def test_what_can_be_no_folder_is_told(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match=told):
        parse_destination(text.replace("FILE", str(tmp_path / "file")))


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="Linux and macOS have it")
def test_a_device_is_no_folder() -> None:
    with pytest.raises(UsageError, match="/dev/null is a device"):
        parse_destination("/dev/null")


def test_source_and_destination_in_each_others_place(tmp_path: Path) -> None:
    folder, address = str(tmp_path), f"{BLOB}/cont{SAS}"
    for typed in (address, Path(address), address.replace("https", "https;")):
        sentence = swapped([typed], folder)
        assert sentence.startswith("SOURCE and DEST are swapped: laden load ")
        assert folder in sentence
        assert SECRET not in sentence
    assert f"{BLOB}/cont" in swapped([Path(address)], folder)
    assert "give SOURCE, then DEST" in swapped([folder, address], address)
    assert "give SOURCE, then DEST" in swapped([address], "./new")
    assert swapped([folder], address) == ""
    assert swapped([folder], "./new") == ""


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert "\n" not in slip(text)
    assert shown(text).isprintable()
    assert bare(bare(text)) == bare(text)
    swapped([text], text)
