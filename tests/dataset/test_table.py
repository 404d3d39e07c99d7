"""The label table, byte for byte: the real one, made-up ones, and what people's programs do to them."""

import csv
import gzip
import hashlib
import io
import pickle
import re
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.dataset.table import Record, Table, TableWatch, copy, count, write_subset
from laden.dataset.table.blocks import Block, blocks
from laden.values.errors import SourceError
from laden.values.records import Finding, Severity

pytest_plugins = ("tests.support.padchest",)

TEXTS = ("ImageID", "StudyID", "PatientID", "Report")


def made(folder: Path, content: bytes, name: str = "t.csv") -> Table:
    """A table that is held, by the very file where it is no gzip."""
    path = folder / name
    path.write_bytes(content)
    return Table.open(path).hold(folder)


def texts(block: Block, place: int) -> list[str]:
    edges = (edge.tolist() for edge in block.edges(place, trimmed=False))
    return [block.text[head:tail].tobytes().decode() for head, tail in zip(*edges, strict=True)]


def whole(table: Table) -> bytes:
    out = io.BytesIO()
    copy(table, out)
    return out.getvalue()


def subset(table: Table, rows: set[int]) -> bytes:
    out = io.BytesIO()
    assert write_subset(table, out, np.array(sorted(rows), np.int64)) == len(rows)
    return out.getvalue()


def findings(table: Table, key: str | None = "ImageID") -> list[Finding]:
    watch = TableWatch(table, key, TEXTS)
    for block in blocks(table):
        watch.see(block)
    return [*watch.of_rows(), *watch.of_table()]


# The real table


@pytest.fixture(scope="module")
def real(padchest_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table.open(padchest_table).hold(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def unpacked(padchest_table: Path) -> bytes:
    return gzip.decompress(padchest_table.read_bytes())


def test_real_header(real: Table) -> None:
    assert real.name == "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    assert len(real.columns) == 36
    assert real.columns[:3] == ("", "ImageID", "ImageDir")
    assert (real.delimiter, real.column("ImageDir")) == (",", 2)


def test_real_records_are_exact(real: Table, unpacked: bytes) -> None:
    """Against the csv module over the whole text, and the counts that were published or counted otherwise."""
    oracle = csv.reader(io.StringIO(unpacked.decode(), newline=""))
    assert next(oracle) == list(real.columns)
    digest = hashlib.sha256(real.header_bytes)
    folders: Counter[str] = Counter()
    watch = TableWatch(real, "ImageID", TEXTS)
    places = range(len(real.columns))
    row = 0
    for block in blocks(real):
        watch.see(block)
        cells = [texts(block, place) for place in places]
        # The oracle goes on with the next block, so it comes last.
        for *fields, expected in zip(*cells, oracle):  # noqa: B905
            assert fields == expected
        row += len(block.rows)
        digest.update(b"".join(unpacked[at:end] for at, end in zip(block.starts, block.ends, strict=True)))
        folders.update(cells[2])
    assert digest.digest() == hashlib.sha256(unpacked).digest()
    assert next(oracle, None) is None
    assert [*watch.of_rows(), *watch.of_table()] == []
    assert (row, folders.total(), len(folders)) == (160_861, 160_861, 52)
    assert (folders["0"], folders["50"], folders["54"]) == (3_004, 1, 4_297)


def test_real_subset_of_one_folder(real: Table, unpacked: bytes) -> None:
    lines = unpacked.splitlines(keepends=True)
    rows = {record.row for record in real.records() if record.fields[2] == "54"}
    found = subset(real, rows)
    assert found.startswith(lines[0])
    assert len(rows) == 4_297
    assert [row[2] for row in csv.reader(io.StringIO(found.decode(), newline=""))] == [
        "ImageDir",
        *["54"] * 4_297,
    ]
    # The folder's rows lie together, so they must be one piece of the original.
    assert found.removeprefix(lines[0]) in unpacked


def test_real_copy(real: Table, unpacked: bytes) -> None:
    assert whole(real) == unpacked


def test_real_table_takes_little_memory(real: Table) -> None:
    tracemalloc.start()
    assert sum(len(block.starts) for block in blocks(real, 1 << 20)) == 160_861
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 16 * 2**20


# Any table

FIELDS = st.text(st.one_of(st.characters(codec="utf-8", exclude_characters="\0"), st.sampled_from('",;\t\n\r E+')))
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(FIELDS, min_size=width, max_size=width), min_size=1, max_size=8)
)
STYLES: st.SearchStrategy[Literal[0, 1, 2]] = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])


@given(TABLES, STYLES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.data())
def test_whatever_a_csv_writer_writes(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    style: Literal[0, 1, 2],
    end: str,
    packed: bool,
    final_end: bool,
    data: st.DataObject,
) -> None:
    if style == csv.QUOTE_MINIMAL and end == "\n":
        # Python's own writer leaves a lone CR unquoted then (until 3.13), which no reader can undo.
        rows = [[field.replace("\r", "") for field in row] for row in rows]
    columns = [f"column {n}" for n in range(len(rows[0]))]
    text = io.StringIO()
    csv.writer(text, quoting=style, lineterminator=end).writerows([columns, *rows])
    content = text.getvalue().encode()
    content = content if final_end else content.removesuffix(end.encode())
    path = tmp_path_factory.getbasetemp() / ("any.csv.gz" if packed else "any.csv")
    path.write_bytes(gzip.compress(content, 1) if packed else content)

    with tempfile.TemporaryDirectory() as folder:
        table = Table.open(path).hold(Path(folder))
        check_written(table, columns, rows, content, data.draw(st.sets(st.integers(1, len(rows)))))


def check_written(table: Table, columns: list[str], rows: list[list[str]], content: bytes, keep: set[int]) -> None:
    records = list(table.records())
    assert (list(table.columns), table.name) == (columns, "any.csv")
    assert [record.fields for record in records] == rows
    assert [record.row for record in records] == list(range(1, len(rows) + 1))
    assert table.header_bytes + b"".join(record.raw for record in records) == content
    assert subset(table, set(range(1, len(rows) + 1))) == content
    read_back = list(csv.reader(io.StringIO(subset(table, keep).decode(), newline="")))
    assert read_back == [columns, *(rows[row - 1] for row in sorted(keep))]


def test_blank_lines_are_no_records(tmp_path: Path) -> None:
    content = b"\na,b\n\n1,2\n\r\n\n3,4\n\n\n"
    table = made(tmp_path, content)
    assert list(table.records()) == [Record(1, ["1", "2"], b"1,2\n"), Record(2, ["3", "4"], b"3,4\n")]
    assert subset(table, {1, 2}) == b"\na,b\n1,2\n3,4\n"
    assert whole(table) == content


def test_header_alone_is_a_table_of_no_records(tmp_path: Path) -> None:
    table = made(tmp_path, b"ImageID,ImageDir")
    assert list(table.records()) == []
    assert findings(table) == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_separator_is_told_by_the_header(tmp_path: Path, delimiter: str) -> None:
    table = made(tmp_path, f'"a, b"{delimiter}c\n1{delimiter}2\n'.encode())
    assert (table.delimiter, table.columns) == (delimiter, ("a, b", "c"))
    assert next(table.records()).fields == ["1", "2"]


def test_header_of_several_lines_with_byte_order_mark(tmp_path: Path) -> None:
    table = made(tmp_path, b'\xef\xbb\xbf"Image\nID","b"\r\n1,2\r\n')
    assert table.columns == ("Image\nID", "b")
    assert table.header_bytes == b'\xef\xbb\xbf"Image\nID","b"\r\n'
    assert [record.raw for record in table.records()] == [b"1,2\r\n"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_may_be_as_long_as_any_line(tmp_path: Path, packed: bool) -> None:
    """One of a hundred thousand columns, as tables of expression values have."""
    names = [f"ENSG{number:011}" for number in range(100_000)]
    content = f"{','.join(names)}\n{','.join(['1'] * 100_000)}\n".encode()
    table = made(tmp_path, gzip.compress(content) if packed else content)
    assert (table.columns, len(table.header_bytes)) == (tuple(names), 1_600_000)
    assert whole(table) == content
    assert [len(record.fields) for record in table.records()] == [100_000]
    assert count(table) == 1


def test_bytes_that_are_not_utf8_are_kept_and_shown_as_replaced(tmp_path: Path) -> None:
    table = made(tmp_path, "ImageID,Report\na,no\nb,señal\nc,corazón\n".encode("latin-1"))
    assert [record.fields[1] for record in table.records()] == ["no", "se\ufffdal", "coraz\ufffdn"]
    assert subset(table, {2}) == b"ImageID,Report\nb,se\xf1al\n"
    (found,) = findings(table)
    assert (found.code, found.severity, found.row) == ("table-encoding", Severity.WARNING, 2)


def test_utf8_is_no_finding(tmp_path: Path) -> None:
    assert findings(made(tmp_path, "ImageID,Report\na,señal\n".encode())) == []


def test_a_table_can_be_pickled(tmp_path: Path) -> None:
    table = made(tmp_path, b"a,b\n1,2\n")
    assert list(pickle.loads(pickle.dumps(table)).records()) == list(table.records())


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    table = made(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv")
    assert next(table.records()).raw == b"1,2\n"


# What cannot be read

PACKED = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(50_000)))
REFUSED = {
    "empty": ("t.csv", b"", "is empty"),
    "empty gzip": ("t.csv.gz", b"", "is empty"),
    "gzip of nothing": ("t.csv.gz", gzip.compress(b""), "is empty"),
    "blank": ("t.csv", b"\n\r\n", "does not start with a line of column names"),
    "only separators": ("t.csv", b",,,\n1,2,3,4\n", "does not start with a line of column names"),
    "byte order mark alone": ("t.csv", b"\xef\xbb\xbf", "does not start with a line of column names"),
    "header never ends": ("t.csv", b'"a,b\n1,2\n', "does not start with a line of column names"),
    "one endless line": ("t.csv", b"a,b," * (5 << 20), "has more than 16 MiB, so it is no line of column names"),
    "utf-16": ("t.csv", "a,b\n".encode("utf-16"), "is UTF-16 text"),
    "utf-16 without mark": ("t.csv", "a,b\n".encode("utf-16-le"), "is UTF-16 text"),
    "workbook": ("t.csv", b"PK\x03\x04rest", "is a zip archive or an Excel workbook"),
    "old workbook": ("t.csv", b"\xd0\xcf\x11\xe0rest", "is an old Excel workbook"),
    "zeros": ("t.csv", bytes(1000), "is binary data"),
    "not gzip": ("t.csv.gz", b"a,b\n1,2\n", "is not gzip"),
    "gzip header only": ("t.csv.gz", PACKED[:10], "is damaged gzip"),
    "old Mac": ("t.csv", b"a,b\r1,2\r3,4\r", "lines end with CR alone"),
}


@pytest.mark.parametrize(("name", "content", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        made(tmp_path, content, name)
    assert str(tmp_path / name) in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no table"):
        Table.open(tmp_path / "none.csv")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        Table.open(tmp_path)


@pytest.mark.parametrize("damaged", [PACKED[:-5], PACKED[:-8] + bytes(8)], ids=["cut", "wrong checksum"])
def test_gzip_damaged_late(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "t.csv.gz").write_bytes(damaged)
    table = Table.open(tmp_path / "t.csv.gz")
    with pytest.raises(SourceError, match="is damaged gzip"):
        list(table.records())
    with pytest.raises(SourceError, match="is damaged gzip"):
        table.hold(tmp_path)


def test_a_full_disk_is_not_blamed_on_the_table(tmp_path: Path) -> None:
    class Full(io.RawIOBase):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    table = made(tmp_path, b"a,b\n1,2\n")
    with pytest.raises(OSError, match="No space left"):
        copy(table, cast("BinaryIO", Full()))
    with pytest.raises(OSError, match="No space left"):
        write_subset(table, cast("BinaryIO", Full()), np.array([1]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'a,b\n1,2\n3,"4\n5,6\n', "row 2 .* opens a quote that is never closed"),
        (b'a,b\n1,2\n3,4\n5,"', "row 3 .* opens a quote that is never closed"),
        (b"a,b\n1,2\n3,4\r5,6\n", "row 2 .* cannot be read"),
        (b'a,b\n1,2\n3,"' + (b"4" * 1023 + b"\n") * (17 << 10), "row 2 .* cannot be read .*record of more than 16 MiB"),
        (b"a,b\n1,2\n" + b"3" * (17 << 20), "a line of more than 16 MiB"),
    ],
    ids=["quote", "quote at the end", "lone CR", "large field", "long line"],
)
def test_broken_csv_names_the_row(tmp_path: Path, content: bytes, words: str) -> None:
    table = made(tmp_path, content)
    records = table.records()
    assert next(records).fields == ["1", "2"]
    with pytest.raises(SourceError, match=words):
        list(records)
    with pytest.raises(SourceError, match=words):
        list(blocks(table))
    with pytest.raises(SourceError, match=words):
        count(table)


def test_a_long_field_is_read(tmp_path: Path) -> None:
    content = b'a,b\n1,"' + b"4\n" * (1 << 20) + b'"\n'
    table = made(tmp_path, content)
    (record,) = table.records()
    assert len(record.fields[1]) == 2 << 20
    (block,) = blocks(table, 1 << 20)
    assert [len(text) for text in texts(block, 1)] == [2 << 20]


# What is odd


def test_field_counts_and_empty_keys(tmp_path: Path) -> None:
    content = b'ImageID,b\nx,1\ny\nz,1,2\n,3\n" ",4\n'
    found = findings(made(tmp_path, content))
    assert [(one.code, one.row) for one in found] == [
        ("row-fields", 2),
        ("row-fields", 3),
        ("row-key-empty", 4),
        ("row-key-empty", 5),
    ]
    assert {one.severity for one in found} == {Severity.ERROR}
    assert "row 2 has 1 fields where the header has 2" in found[0].message


def test_without_a_key_empty_fields_are_fine(tmp_path: Path) -> None:
    assert findings(made(tmp_path, b"ImageID,b\n,3\n"), key=None) == []


def test_a_missing_key_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column 'ImageID', only 'a', 'b'"):
        findings(made(tmp_path, b"a,b\n"))


EXCEL = {
    "byte order mark": (b"\xef\xbb\xbfImageID,Age\na,3\n", "byte order mark", 0),
    "CRLF beside another sign": (b"ImageID;Age\r\na;3\r\n", "; as separator, CRLF line ends", 0),
    "semicolons": (b"ImageID;Age\na;3\n", "; as separator", 0),
    "ids": (b"ImageID,StudyID\na,3\nb,2.16E+44\nc,2E+40\n", "like 2.16E\\+44 from row 2", 2),
    "ids with a comma": (b'ImageID,StudyID\na,"2,16E+44"\n', "like 2,16E\\+44 from row 1", 1),
    "all": (b"\xef\xbb\xbfImageID;StudyID\r\na;2,16E+44\r\n", "mark, ; as.*2,16E\\+44 from row 1 on, CRLF", 1),
}


@pytest.mark.parametrize(("content", "words", "row"), EXCEL.values(), ids=EXCEL)
def test_spreadsheet_damage_is_one_sentence(tmp_path: Path, content: bytes, words: str, row: int) -> None:
    (found,) = findings(made(tmp_path, content))
    assert (found.code, found.severity, found.row) == ("table-excel", Severity.WARNING, row)
    assert re.search(words, found.message)


@pytest.mark.parametrize(
    "content", [b"ImageID,Age\na,5.1E+02\n", b"ImageID,Report\na,dose 2.16E+44\n", b"ImageID,Age\r\na,3\r\n"]
)
def test_numbers_elsewhere_and_line_ends_of_rfc_4180_are_no_damage(tmp_path: Path, content: bytes) -> None:
    assert findings(made(tmp_path, content)) == []
