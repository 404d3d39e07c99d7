"""The seeds of the table fuzzer, its mutations, and the judge of what a table's reader made of one."""

import codecs
import csv
import gzip
import io
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from laden.dataset.table import Record, Table, TableWatch, copy, write_subset
from laden.dataset.table.blocks import Block, blocks
from laden.values.errors import SourceError

_QUOTED = b'"a ""quoted"" cell","of\r\ntwo lines"'


def _seed(rng: random.Random) -> bytes:
    """A healthy table of 20 rows."""
    end, separator = rng.choice([b"\n", b"\r\n"]), rng.choice([b",", b";", b"\t"])
    rows = [b"ImageID,ImageDir,Labels,Report".replace(b",", separator)]
    rows += [separator.join([b"%d_a.png" % row, b"%d" % (row % 3), *_QUOTED.split(b",")]) for row in range(20)]
    return end.join(rows) + end


def _insert(rng: random.Random, data: bytes, what: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + what + data[at:]


def _recode(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("latin-1").replace("a", "\u00e4")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-8-sig", "utf-7"]))


def _newlines(rng: random.Random, data: bytes) -> bytes:
    ends = [b"\n", b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\x0b", b"\xe2\x80\xa8"]
    return b"".join(line + rng.choice(ends) for line in data.splitlines())


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice([1, 3, 20])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


CHANGES: list[Callable[[random.Random, bytes], bytes]] = [
    lambda rng, data: _insert(rng, data, bytes(rng.choice([1, 2, 500]))),
    lambda rng, data: _insert(rng, data, rng.choice([b'"', b'""', b'"' * 999, b',"', b'"\n'])),
    lambda rng, data: _insert(rng, data, rng.choice([b",", b"\n", b"\r", b"\x1a", b"," * 10_000, b"\n" * 5000])),
    lambda rng, data: _insert(rng, data, rng.choice([b"x", b'"', b"\xff"]) * 140_000),
    lambda rng, data: data[: rng.randrange(len(data) + 1)],
    lambda rng, data: rng.choice([codecs.BOM_UTF8, codecs.BOM_UTF8 * 2, codecs.BOM_UTF16_LE, b"\xef\xbb"]) + data,
    lambda rng, data: data + data[rng.randrange(len(data) + 1) :],
    _recode, _newlines, _flip,
]  # fmt: skip


def case(seed: int, number: int) -> tuple[str, bytes]:
    """File name and content of mutated table `number`; every third is gzip, cut or flipped as such too."""
    rng = random.Random(f"table {seed} {number}")
    data = _seed(rng)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        data = rng.choice(CHANGES)(rng, data)
    if number % 3:
        return "t.csv", data
    packed = gzip.compress(data, 1, mtime=0)
    if rng.random() < 0.6:
        packed = rng.choice([_flip, lambda _, found: found[: rng.randrange(len(found))]])(rng, packed)
    return "t.csv.gz", packed


def judge(path: Path) -> str:
    """Read a table in every way: `read`, or `refused`; raises where bytes get lost or an error is of another kind."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = Table.open(path).hold(Path(folder))
            found = list(blocks(table, 1 << 12))
            records = list(table.records())
        except SourceError as error:
            return "refused" if str(path) in str(error) else f"a sentence without a place: {error}"
        raws = [record.raw for record in records]
        compare(table, records, found)
        whole, subset = io.BytesIO(), io.BytesIO()
        copy(table, whole)
        assert write_subset(table, subset, np.arange(1, len(raws) + 1)) == len(raws)
    content = whole.getvalue()
    packed = path.read_bytes()
    assert content == (gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
    assert subset.getvalue() == table.header_bytes + b"".join(raws)
    at = len(table.header_bytes)
    for raw in raws:
        # What lies between two records is blank lines.
        start = content.index(raw, at)
        assert not content[at:start].strip(b"\r\n")
        at = start + len(raw)
    assert not content[at:].strip(b"\r\n")
    rows = csv.reader(io.StringIO(content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace"), newline=""))
    if table.delimiter == ",":
        assert sum(map(bool, rows)) == len(raws) + 1
    return "read"


def compare(table: Table, records: list[Record], found: list[Block]) -> None:
    """Hold blocks, and what a watch sees in them, against the records that the `csv` module makes."""
    watch = TableWatch(table, table.columns[0], table.columns)
    odd = {record.row for record in records if table.width_of(record) != len(table.columns)}
    right = [record.fields for record in records if record.row not in odd]
    for place in range(min(len(table.columns), 10)):
        cells: list[str] = []
        for block in found:
            edges = zip(*block.edges(place, trimmed=True), strict=True)
            cells += [block.text[head:tail].tobytes().decode() for head, tail in edges]
        assert cells == [fields[place].strip() for fields in right]
    for block in found:
        watch.see(block)
    told = {finding.row for finding in watch.of_rows()}
    assert told == odd | {record.row for record in records if not record.fields[0].strip() and record.row not in odd}
    watch.of_table()
