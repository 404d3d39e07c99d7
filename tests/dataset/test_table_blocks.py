"""Tables block by block, held against Python's `csv` module: the same records, fields, places and errors."""

import gzip
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from laden.dataset.table import BATCH, Table, columns, copy, count, write_subset
from laden.dataset.table.blocks import BLOCK_BYTES, Block, blocks
from laden.dataset.table.copying import Copy
from laden.dataset.table.scan import scan
from laden.relations import Relations
from laden.values.errors import SourceError

PIECES = [b'"', b'""', b",", b",", b";", b"\n", b"\n", b"\r\n", b"\r", b"\t", b" ", b"a", b"bc", b"\0"]
PIECES += [
    "\u00e9".encode(),
    "\u3000".encode(),
    "\u00a0".encode(),
    b"\xff",
    b"\xc3",
    b"\xe2\x80",
    b'"a","b"\n',
    b"x,y\r\n",
]
BODIES = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)

Found = tuple[int, list[str] | int, bytes]
"""Of a record: its number, its fields (or how many, where that are not as many as the header has), its bytes."""


def runs_on(raw: bytes, delimiter: str) -> bool:
    """Whether a quoted field with line ends is closed before the field ends, by what RFC 4180 calls a field."""
    text, mark = raw.decode("utf-8", "replace"), re.escape(delimiter)
    field = rf'(?:"(?:[^"]|"")*"|(?!")[^{mark}\r\n]*)'
    whole = re.fullmatch(rf"{field}(?:{mark}{field})*[\r\n]*", text)
    return whole is None and "\n" in text.rstrip("\r\n")


def oracle(table: Table) -> tuple[list[Found], str]:
    """What the `csv` module makes of it, and the error that ends it."""
    found: list[Found] = []
    width = len(table.columns)
    try:
        for record in table.records():
            count = -1 if runs_on(record.raw, table.delimiter) else len(record.fields)
            found.append((record.row, record.fields if count == width else count, record.raw))
    except SourceError as error:
        return found, str(error)
    return found, ""


def by_blocks(table: Table, size_bytes: int) -> tuple[list[Found], str]:
    found: list[Found] = []
    content = table.content.read_bytes()
    try:
        for block in blocks(table, size_bytes):
            found += of_block(block, content, len(table.columns))
    except SourceError as error:
        return found, str(error)
    return found, ""


def of_block(block: Block, content: bytes, width: int) -> list[Found]:
    cells = [[t.decode() for t in slices(block, place, trimmed=False)] for place in range(width)]
    stripped = [[t.decode() for t in slices(block, place, trimmed=True)] for place in range(width)]
    assert stripped == [[cell.strip() for cell in column] for column in cells]
    rows = zip(*cells, strict=True)
    fields = [list(next(rows)) if right else int(wide) for right, wide in zip(block.right, block.widths, strict=True)]
    places = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
    return [
        (block.row + n, one, content[slice(*place)]) for n, (one, place) in enumerate(zip(fields, places, strict=True))
    ]


def slices(block: Block, place: int, *, trimmed: bool) -> list[bytes]:
    heads, tails = block.edges(place, trimmed=trimmed)
    return [block.text[head:tail].tobytes() for head, tail in zip(heads, tails, strict=True)]


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([b",", b";", b"\t"]), BODIES, st.sampled_from([1, 5, 16, 64, BLOCK_BYTES]))
@example(b",", b'1,"2', BLOCK_BYTES)
@example(b",", b'1,2"2\n1,"2"\n', BLOCK_BYTES)
@example(b",", b'1,"2"x\n"",""""\n', BLOCK_BYTES)
@example(b",", b"\r\r\n1,2\r\r\n3,4\r", BLOCK_BYTES)
@example(b",", b"1,\xff\n\xc3,\0\n\n\n1,2,3\n4", BLOCK_BYTES)
@example(b",", b"            1               ,\xe3\x80\x80 2\xc2\x85\n", BLOCK_BYTES)
def test_the_same_as_the_csv_module(delimiter: bytes, body: bytes, size_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        # So long that a few NULs are not taken for binary data.
        path.write_bytes(b"a" + delimiter + b"b" * 5_000 + b"\n" + body)
        table = Table.open(path).hold(Path(folder))
        records, error = oracle(table)
        found, told = by_blocks(table, size_bytes)
        assert told == error
        # Where the table ends in an error, a block that was begun is lost with it.
        assert found == records[: len(found)]
        if error:
            with pytest.raises(SourceError):
                count(table)
            return
        assert len(found) == len(records)
        assert count(table) == len(records)
        check_unclean(table, records, size_bytes)


def check_unclean(table: Table, records: list[Found], size_bytes: int) -> None:
    def is_unclean(raw: bytes) -> bool:
        return b"\0" in raw or "\ufffd" in raw.decode("utf-8", "replace")

    first = next((block.row + block.unclean for block in blocks(table, size_bytes) if block.unclean >= 0), 0)
    assert first == next((row for row, _, raw in records if is_unclean(raw)), 0)


@settings(max_examples=40, deadline=None)
@given(BODIES)
def test_columns_reach_the_database_as_they_are(body: bytes) -> None:
    with Relations() as relations:
        path = relations.folder / "t.csv"
        path.write_bytes(b"a," + b"b" * 5_000 + b"\n" + body)
        table = Table.open(path).hold(relations.folder)
        records, error = oracle(table)
        relations.run("CREATE TABLE t (row BIGINT, a VARCHAR, b VARCHAR)")
        statement = f"INSERT INTO t SELECT row, c0, c1 FROM {BATCH}"
        if error:
            with pytest.raises(SourceError, match=re.escape(error)):
                relations.absorb(statement, columns(table, [0, 1]))
            return
        relations.absorb(statement, columns(table, [0, 1]))
        expected = [(row, *(cell.strip() for cell in cells)) for row, cells, _ in records if isinstance(cells, list)]
        assert list(relations.stream("SELECT * FROM t ORDER BY row")) == expected


def test_a_table_of_thousands_takes_no_csv_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What publishers write is plain: quotes, quoted line ends, doubled quotes, CRLF, and a bad byte here and there."""
    monkeypatch.setattr(Table, "records_from", None)
    line = b'%d,"a ""quoted"" cell","of\r\ntwo, lines",\xff\xc3\xb1\r\n'
    body = [line % n for n in range(5_000)]
    (tmp_path / "t.csv").write_bytes(b"a,b,c,d\r\n" + b"".join(body))
    table = Table.open(tmp_path / "t.csv").hold(tmp_path)
    found = by_blocks(table, 1 << 16)[0]
    assert [raw for *_, raw in found] == body
    assert found[-1][1] == ["4999", 'a "quoted" cell', "of\r\ntwo, lines", "\ufffd\u00f1"]


@pytest.mark.parametrize(
    "odd", [b'x,5" wide\n', b'"x"y,1\n', b"a\r\r\n", b'x, "1"\n', b'x,"never', b"no line end", b""]
)
def test_what_is_not_plain_is_not_scanned(odd: bytes) -> None:
    assert scan(np.frombuffer(odd, np.uint8), ord(",")) is None


def test_slices_are_the_bytes_of_the_copy(tmp_path: Path) -> None:
    body = [b"%d,%s\n" % (n, b"x" * (n % 50)) for n in range(2_000)]
    (tmp_path / "t.csv").write_bytes(b"a,b\n" + b"\n".join(body).replace(b"\n\n", b"\n", 900))
    table = Table.open(tmp_path / "t.csv").hold(tmp_path)
    rows = [1, 2, 3, 500, 501, 1_999, 2_000]
    with (tmp_path / "out").open("w+b") as out:
        assert write_subset(table, out, np.array(rows)) == 7
        out.seek(0)
        assert out.read() == b"a,b\n" + b"".join(body[row - 1] for row in rows)


def test_the_copy_is_what_was_read_first(tmp_path: Path) -> None:
    """Edited, replaced or gone afterwards: the run goes on with what it read."""
    path, private = tmp_path / "t.csv", tmp_path / "private"
    private.mkdir()
    path.write_bytes(b"a,b\n1,2\n")
    table = Table.open(path).hold(private)
    path.write_bytes(b"a,b\n3,4\n")
    path.unlink()
    with (tmp_path / "out").open("w+b") as out:
        copy(table, out)
        out.seek(0)
        assert out.read() == b"a,b\n1,2\n"
    assert [record.fields for record in table.records()] == [["1", "2"]]


def test_a_table_that_changed_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    path, private = tmp_path / "t.csv", tmp_path / "private"
    private.mkdir()
    path.write_bytes(b"a,b\n1,2\n")
    table = Table.open(path)
    path.write_bytes(b"a,c\n3,4\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        table.hold(private)


LONG = b"a,b\n" + b"1,2\n" * (300 << 10)
"""A table whose copy is made while it is read."""


@pytest.mark.parametrize("ending", [b"", b"last,one", b'"an, ""odd"" one",5" wide\r\n'])
def test_a_long_table_is_read_while_it_is_copied(tmp_path: Path, ending: bytes) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (tmp_path / "t.csv").write_bytes(LONG + ending)
    table = Table.open(tmp_path / "t.csv").hold(private)
    assert table.copying is not None
    assert sum(len(block.starts) for block in blocks(table, 1 << 18)) == (300 << 10) + bool(ending)
    assert table.content.read_bytes() == LONG + ending
    assert count(table) == (300 << 10) + bool(ending)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_what_is_wrong_with_a_long_table_is_told_before_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path, private = tmp_path / "t.csv.gz", tmp_path / "private"
    private.mkdir()
    # As it lies there it is short, so that long is what is more than that.
    monkeypatch.setattr("laden.dataset.table.table._LONG_BYTES", 64)
    path.write_bytes(gzip.compress(LONG)[: -5 if damage == "cut" else None])
    if damage == "changed":
        times = iter([(1, 1, 1), (1, 2, 1)])
        monkeypatch.setattr("laden.dataset.table.file._stamp", lambda _: next(times))
    table = Table.open(path).hold(private)
    told = "is damaged gzip" if damage == "cut" else "changed while it was read"
    with pytest.raises(SourceError, match=told):
        list(blocks(table))
    with pytest.raises(SourceError, match=told), Relations() as relations:
        relations.absorb(f"CREATE TABLE t AS SELECT c0 FROM {BATCH}", columns(table, [0]))
    with pytest.raises(SourceError, match=told):
        _ = table.content


def test_a_long_table_with_another_header_than_the_opened_is_refused(tmp_path: Path) -> None:
    path, private = tmp_path / "t.csv", tmp_path / "private"
    private.mkdir()
    path.write_bytes(LONG)
    table = Table.open(path)
    path.write_bytes(LONG.replace(b"a,b", b"a,c"))
    with pytest.raises(SourceError, match="changed while it was read"):
        table.hold(private)


def test_a_copy_ends_with_the_folder_that_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: SimpleQueue[bytes | None] = SimpleQueue()
    monkeypatch.setattr("laden.dataset.table.file.blocks", lambda *_: iter(pieces.get, None))
    target = tmp_path / "copy"
    copying = Copy(tmp_path, target)
    pieces.put(b"a,b\n")
    assert copying.reach(4) == 4
    target.unlink()
    pieces.put(b"1,2\n")
    with pytest.raises(FileNotFoundError):
        copying.reach(8)


def test_a_full_disk_ends_the_reading_of_a_long_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, target: Path, grown: Callable[[int], None]) -> None:
        target.write_bytes(LONG[: 1 << 20])
        grown(1 << 20)
        raise OSError(28, "No space left on device")

    private = tmp_path / "private"
    private.mkdir()
    (tmp_path / "t.csv").write_bytes(LONG)
    table = Table.open(tmp_path / "t.csv")
    monkeypatch.setattr("laden.dataset.table.file.copy", full)
    with pytest.raises(OSError, match="No space left"):
        list(blocks(table.hold(private)))


def test_a_table_that_changes_while_it_is_copied_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, private = tmp_path / "t.csv", tmp_path / "private"
    private.mkdir()
    path.write_bytes(b"a,b\n1,2\n")
    table = Table.open(path)
    monkeypatch.setattr("laden.dataset.table.file.blocks", lambda *_: [os.utime(path, ns=(5, 5)), b"a,b\n"][1:])
    with pytest.raises(SourceError, match="changed while it was read"):
        table.hold(private)
