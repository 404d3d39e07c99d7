"""The text of a `--where`: what it may say, what it is told when it is wrong, and that it gets out of no door."""

import _thread
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.profile.parse import parse_profile
from laden.dataset.selection import Part, Records
from laden.dataset.selection.condition import Condition, execute, parse_condition
from laden.dataset.selection.functions import ALLOWED
from laden.dataset.table import Table
from laden.relations import Relations
from laden.values.errors import UsageError

KINDS = {
    "id": "text",
    "n": "integer",
    "x": "number",
    "day": "date",
    "labels": "list",
    "cuis": "cuis",
    "a b": "text",
    "SELECT": "text",
}
CONTENT = """id,n,x,day,labels,cuis,a b,SELECT,id,
p1,1940.0,2.5,20100131,"['a', ' b']","['C1' 'C2'
 'C3']",v,k,one,e
p2,None,nan,20101301,"['']",[],w,,two,f
p3,7,inf,,nan,None,None,l,three,g
p3,7.5,1e3,20111231,"['a'","['C2']",nan,m,four,h
"""
PROFILE = parse_profile(
    f"""
name = "t"
title = "A table"
layout = "{{id}}"
[table]
name = "t.csv"
subset = "small.csv"
key = "id"
suffixes = [".png"]
[table.columns]
{chr(10).join(f'"{name}" = "{kind}"' for name, kind in KINDS.items())}
""",
    "t.toml",
    Path(),
)


@pytest.fixture
def relations() -> Iterator[Relations]:
    with Relations() as opened:
        yield opened


@pytest.fixture
def records(relations: Relations, tmp_path: Path) -> Records:
    path = tmp_path / "t.csv"
    path.write_text(CONTENT)
    return Records(relations, [Part(Table.open(path).hold(relations.folder), PROFILE.table)])


def rows(text: str, records: Records, relations: Relations) -> list[int]:
    condition = parse_condition(text, records, relations)
    records.declare(condition.columns)
    records.read()
    execute(condition, relations)
    return [row for (row,) in relations.stream("SELECT * FROM passed ORDER BY 1")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", [1, 2, 3, 4]),
        ("n = 1940", [1]),
        ("n IS NULL", [2, 4]),
        ("N = 7", [3]),
        ("records.n = 7", [3]),
        ("x > 2", [1, 4]),
        ("x IS NULL", [2, 3]),
        ("day = DATE '2010-01-31'", [1]),
        ("year(day) = 2011", [4]),
        ("day IS NULL", [2, 3]),
        ("list_contains(labels, 'b')", [1]),
        ("'b' IN labels", [1]),
        ("labels IS NULL", [3, 4]),
        ("len(labels) = 1", [2]),
        ("labels[1] IS NULL AND labels IS NOT NULL", [2]),
        ("list_has_all(cuis, ['C1', 'C3'])", [1]),
        ("len(cuis) = 0", [2]),
        ("len(list_filter(cuis, lambda c: c LIKE 'C%')) = 3", [1]),
        ("\"a b\" = 'v' OR \"select\" = 'l'", [1, 3]),
        ('"a b" IS NULL', [3, 4]),
        ("id_1 = 'two' AND column9 = 'f'", [2]),
        ("id LIKE 'p%' AND NOT id ILIKE 'P3'", [1, 2]),
        ("n BETWEEN 1 AND 10", [3]),
        ("CASE WHEN n = 7 THEN false ELSE id <> 'p2' END", [1, 4]),
        ("coalesce(n, 0) = 0", [2, 4]),
        ("id IN (SELECT id FROM records GROUP BY id HAVING count(*) > 1)", [3, 4]),
        ("EXISTS (SELECT 1 FROM records AS o WHERE o.id = records.id AND o.laden_row <> records.laden_row)", [3, 4]),
        ("laden_row = (SELECT max(laden_row) FROM records)", [4]),
        ("n = 7 -- a remark", [3]),
        ("/* a remark */ n\n=\n7", [3]),
        ("id = 'a;b' OR id = ') OR (true' OR n = 7", [3]),
        ("n + 1 = 8 AND x IS NULL", [3]),
        ("id IN (SELECT id FROM records r WHERE r::VARCHAR LIKE '%1940%')", [1]),
        ("id IN (SELECT id FROM records AS records WHERE records::VARCHAR LIKE '%1940%')", [1]),
        ("COLUMNS(*) IS NOT NULL", [1]),
    ],
)
def test_what_a_condition_may_say(text: str, expected: list[int], records: Records, relations: Relations) -> None:
    assert rows(text, records, relations) == expected


def test_only_the_columns_it_names_are_read(records: Records, relations: Relations) -> None:
    rows("n = 7", records, relations)
    assert [name for name, *_ in relations.stream("DESCRIBE fields")] == ["row", "key", "c1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nn = 7", "there is no column nn"),
        ("labls = 7", r"no column labls \(did you mean labels\?\)"),
        ("id = p1", "no column p1; a text goes into single quotes: 'p1'"),
        ("n = ", "syntax error"),
        ("", "syntax error"),
        ("n = 7)", "syntax error"),
        ("(n = 7", "syntax error"),
        ("n = 7 /*", "unterminated"),
        ("day > 20100101", "Cannot compare.*DATE '2010-12-31' is one"),
        ("labels = 'a'", "list_contains\\(labels, 'x'\\) looks into them"),
        ("n = 'x'", "Could not convert string 'x'"),
        ("lst_contains(labels, 'a')", r"function lst_contains cannot be used \(did you mean 'list_contains'\?\)"),
        ("sum(n) > 3", "aggregate"),
        ("row_number() OVER () = 1", "cannot have that"),
        ("day < current_date", "another day"),
        ("day < today()", "another day"),
        ("random() < 0.5", "another day"),
        ("n = $1", "placeholder"),
        ("n = ?", "placeholder"),
        ("#1 = 7", "cannot have that"),
        ("(" * 5000 + "n" + ")" * 5000, "nested|depth|deep|stack|memory"),
        ("n = 7 " + " " * 1_000_000, "more than a million"),
    ],
)
def test_what_is_wrong_is_told(text: str, words: str, records: Records, relations: Relations) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        rows(text, records, relations)
    assert "\n" not in str(caught.value)


ESCAPES = """
1=1; DROP TABLE rows
1=1;
; 1=1
1=1; SELECT 1
1=1) OR (1=1; SELECT 1
n = 7 ORDER BY 1
n = 7 LIMIT 1
n = 7 GROUP BY n
true UNION SELECT size_bytes FROM blobs
true UNION ALL SELECT 1
true) UNION (SELECT 1
true QUALIFY 1 = 1
true WINDOW w AS ()
true USING SAMPLE 1
true) -- x
n IN (SELECT size_bytes FROM blobs)
n IN (FROM entries SELECT size_bytes)
n IN (SELECT count(*) FROM main.blobs)
n IN (SELECT count(*) FROM memory.main.records)
n IN (SELECT count(*) FROM main.records)
n IN (SELECT laden_row FROM fields)
EXISTS (FROM known)
EXISTS (FROM records, blobs)
EXISTS (FROM records JOIN blobs ON true)
EXISTS (FROM (SELECT * FROM (FROM receipts)))
EXISTS (FROM records WHERE EXISTS (FROM todo))
EXISTS (WITH q AS (FROM blobs) FROM q)
EXISTS (WITH records AS (FROM blobs) FROM records)
EXISTS (WITH RECURSIVE q AS (SELECT 1 UNION ALL SELECT 1 FROM q) FROM q)
EXISTS (FROM '{secret}')
EXISTS (FROM "{secret}")
EXISTS (FROM '{own}/x.csv')
EXISTS (FROM read_csv('{secret}'))
EXISTS (FROM read_text('{own}/*'))
EXISTS (FROM read_blob('/etc/passwd'))
EXISTS (FROM glob('/*'))
EXISTS (FROM glob('{own}/*'))
EXISTS (FROM parquet_scan('{own}/known.parquet'))
EXISTS (FROM duckdb_settings())
EXISTS (FROM duckdb_secrets())
EXISTS (FROM duckdb_tables())
EXISTS (FROM information_schema.tables)
EXISTS (FROM pragma_table_info('blobs'))
EXISTS (FROM query('FROM blobs'))
EXISTS (FROM query_table('blobs'))
EXISTS (FROM records TABLESAMPLE 1)
EXISTS (FROM range(10))
EXISTS (SHOW TABLES)
EXISTS (DESCRIBE blobs)
EXISTS (SUMMARIZE blobs)
EXISTS (PIVOT blobs ON name)
EXISTS (FROM df)
EXISTS (SELECT unnest((SELECT list(name) FROM blobs)))
current_setting('temp_directory') <> ''
getvariable('x') IS NULL
getenv('HOME') IS NULL
json_serialize_plan('FROM blobs') <> ''
json_execute_serialized_sql('x')
json_serialize_sql('FROM blobs') <> ''
main.abs(n) = 1
system.main.abs(n) = 1
pg_catalog.current_database() <> ''
current_database() <> ''
current_schema() <> ''
current_user <> ''
current_catalog <> ''
pg_get_viewdef(1) <> ''
get_block_size('memory') > 0
format_type(1, 1) <> ''
version() <> ''
error('x')
nextval('s') = 1
setseed(0.5) IS NULL
sleep_ms(1)
write_log('x') IS NULL
stats(n) <> ''
txid_current() > 0
query('FROM blobs')
hash(n) > 0
COPY records TO '{secret}'
SET enable_external_access = true
ATTACH '{secret}'
INSTALL httpfs
PRAGMA database_list
SELECT 1
""".strip().splitlines()


@pytest.mark.parametrize("text", ESCAPES)
def test_a_condition_gets_out_of_no_door(text: str, records: Records, relations: Relations, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    (relations.folder / "x.csv").write_text("a\n1\n")
    df = {"a": 1}  # noqa: F841 - DuckDB would find it, if it looked
    before = sorted(relations.folder.iterdir())
    with pytest.raises(UsageError, match=r"the condition .* is wrong: "):
        rows(text.format(secret=secret, own=relations.folder), records, relations)
    assert secret.read_text() == "a\n1\n"
    assert sorted(relations.folder.iterdir()) == before
    assert relations.one("SELECT count(*) FROM rows") == (0,)


def test_each_escape_is_refused_before_it_is_run(
    records: Records, relations: Relations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree alone refuses what would read: the locked database is a second wall, not the only one."""
    monkeypatch.setattr("laden.dataset.selection.condition.execute", lambda *_: pytest.fail("it was run"))
    for text in ESCAPES:
        if text.startswith("ATTACH"):
            continue  # a text of the type ATTACH, as in DATE '2010-01-31': DuckDB knows no such type
        with pytest.raises(UsageError):
            parse_condition(text.format(secret=os.devnull, own=relations.folder), records, relations)


WORDS = """
n id labels records blobs fields rows ( ) , ; ' " -- /* */ = < AND OR NOT IN EXISTS SELECT FROM WHERE UNION WITH AS 1
'a' * read_text glob list_contains abs count ORDER BY LIMIT [ ] : . $1 ? VALUES JOIN lambda
"""
PARTS = st.sampled_from(WORDS.split())


@settings(max_examples=100, deadline=None)
@given(st.lists(PARTS, max_size=12).map(" ".join))
def test_any_words_are_a_condition_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """What is let through names no relation but the table's own."""
    path = tmp_path_factory.getbasetemp() / "words.csv"
    path.write_text(CONTENT)
    with Relations() as relations:
        records = Records(relations, [Part(Table.open(path).hold(relations.folder), PROFILE.table)])
        relations.run("DROP TABLE blobs")
        relations.run("DROP TABLE rows")
        try:
            condition = parse_condition(text, records, relations)
        except UsageError:
            return
        execute(condition, relations)
        assert [
            name for (name,) in relations.stream("SELECT name FROM (SHOW TABLES)") if name in ("rows", "blobs")
        ] == []


def test_every_allowed_function_is_one_of_duckdbs(relations: Relations) -> None:
    known = {name for (name,) in relations.stream("SELECT DISTINCT lower(function_name) FROM duckdb_functions()")}
    parsed_away = {"if", "ifnull", "nullif", "count_star", "list_slice", "array_slice"}
    assert sorted(ALLOWED - known - parsed_away) == []
    volatile = relations.stream(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
        " AND function_type IN ('scalar', 'aggregate')"
    )
    assert ALLOWED.isdisjoint(name for (name,) in volatile)


def test_what_no_type_can_hold_is_null_and_told(records: Records, relations: Relations) -> None:
    records.declare(records.columns)
    assert records.read() == 4
    told = {finding.message.split(" ")[0]: finding for finding in records.unreadable()}
    assert set(told) == {"n", "x", "day", "labels"}
    assert told["n"].row == 4
    assert "7.5" in told["n"].message
    assert "'['a''" in told["labels"].message
    assert told["x"].message.startswith("x is declared as number, and 1 rows hold what is none, first row 3: 'inf'")


FOREVER = "(SELECT count(*) FROM records a, records b, records c, records d WHERE a.id || b.id <> c.id || d.id) > 5"


@pytest.fixture
def endless(relations: Relations, tmp_path: Path) -> tuple[Condition, Relations]:
    """A condition over so many rows that it never comes to an end."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"id\n" + b"".join(b"%d\n" % n for n in range(20_000)))
    records = Records(relations, [Part(Table.open(path).hold(relations.folder))])
    condition = parse_condition(FOREVER, records, relations)
    records.read()
    return condition, relations


def test_a_condition_that_takes_too_long_is_ended(
    endless: tuple[Condition, Relations], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laden.dataset.selection.condition._LIMIT_S", 0.1)
    with pytest.raises(UsageError, match=r"takes more than .* minutes"):
        execute(*endless)
    assert endless[1].one("SELECT count(*) FROM fields") == (20_000,)


def test_ctrl_c_ends_a_condition(endless: tuple[Condition, Relations]) -> None:
    timer = threading.Timer(0.1, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        execute(*endless)
    timer.join()
    assert endless[1].one("SELECT count(*) FROM fields") == (20_000,)


@pytest.mark.parametrize(
    "bomb", ["length(lpad(id, 1000000000, 'y')) > 5", "length(rpad(id, 9, 'y')) > 5", "repeat(id, 9) = ''"]
)
def test_what_makes_texts_of_any_length_is_refused(bomb: str, records: Records, relations: Relations) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        parse_condition(bomb, records, relations)
