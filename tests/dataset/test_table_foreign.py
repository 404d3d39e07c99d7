"""Tables as strangers' programs save them, and columns of any name."""

import gzip
from pathlib import Path

import pytest

from laden.dataset.table import Table
from laden.values.errors import SourceError
from laden.verbs.columns import columns
from laden.verbs.select import select

ROWS = "a,b\n1,2\n3,4\n"
PAGE = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"

SAVED = {
    "utf-16": (ROWS.encode("utf-16"), "UTF-16 text", "CSV UTF-8"),
    "utf-16 big": (b"\xfe\xff" + ROWS.encode("utf-16-be"), "UTF-16 text", "CSV UTF-8"),
    "utf-16 big without mark": (ROWS.encode("utf-16-be"), "UTF-16 text", "iconv"),
    "utf-16 in gzip": (gzip.compress(ROWS.encode("utf-16")), "UTF-16 text", "CSV UTF-8"),
    "gzip in gzip": (gzip.compress(gzip.compress(ROWS.encode())), "gzip within gzip", "gunzip"),
    "cr": (ROWS.replace("\n", "\r").encode(), "CR alone", "CSV UTF-8"),
    "cr and quotes": (b'"a","b"\r"1","2"\r', "CR alone", "CSV UTF-8"),
    "cr in the header alone": (b"a,b\r1,2\n3,4\n", "CR alone", "CSV UTF-8"),
    "cr, cut": (b"a,b\r1,2", "CR alone", "CSV UTF-8"),
    "sep": (b"sep=;\na;b\n1;2\n", "'sep=;'", "delete that line"),
    "sep, crlf, mark": (b"\xef\xbb\xbfSEP=,\r\na,b\r\n1,2\r\n", "'SEP=,'", "delete that line"),
    "sep, tab": (b"sep=\t\r\na\tb\r\n", "first line for Excel", "delete that line"),
    "page": (PAGE, "a web page", "fetch it again"),
    "page, mark": (b"\xef\xbb\xbf\r\n" + PAGE, "a web page", "fetch it again"),
    "error of a store": (b'<?xml version="1.0"?><Error/>', "a web page", "fetch it again"),
    "parquet": (b"PAR1\x15\x04", "a Parquet file", "CSV"),
    "sqlite": (b"SQLite format 3\0rest", "an SQLite database", "CSV"),
    "bzip2": (b"BZh91AY&SY", "bzip2", "unpack it"),
    "xz": (b"\xfd7zXZ\0", "xz", "unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd\4", "Zstandard", "unpack it"),
    "pdf": (b"%PDF-1.7\n", "a PDF", "CSV"),
}


@pytest.mark.parametrize(("content", "what", "how"), SAVED.values(), ids=SAVED)
def test_what_it_is_and_how_to_save_it(tmp_path: Path, content: bytes, what: str, how: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceError) as raised:
        Table.open(tmp_path / "t.csv")
    message = str(raised.value)
    assert f"the table {tmp_path / 't.csv'} is " in message
    assert what in message
    assert how in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\r\n1,2\r\n",
        b'a,"b\rc"\n1,2\n',
        b'a,b\n1,"x\ry"\n',
        b"separator=x,b\n1,2\n",
        b"sep=a,b\n1,2\n",
        b"a,b\n",
        b"a,b\r",
        "ä,b\n1,2\n".encode(),
        "\u0100,b\n1,2\n".encode(),
    ],
)
def test_what_is_a_table_all_the_same(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert len(Table.open(tmp_path / "t.csv").columns) == 2


OWN = (
    "key",
    "row",
    "records",
    "fields",
    "laden_row",
    "typed",
    "given",
    "rowid",
    "c0",
    "c1",
    "chosen",
    "unit",
    "ROW",
    "",
)


@pytest.mark.parametrize("own", OWN)
def test_a_column_may_be_called_as_laden_s_own(tmp_path: Path, own: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"x,{own}\n1,left\n2,right\n")
    name = {"laden_row": "laden_row_1", "": "column1"}.get(own, own)
    out = tmp_path / "out.csv"
    done = select(path, output=out, where=f"\"{name}\" = 'right' AND x = '2'", first=1)
    assert (done.exit_code, done.rows) == (0, 1)
    assert out.read_text() == f"x,{own}\n2,right\n"
    assert columns(path).columns[1].distinct == 2
