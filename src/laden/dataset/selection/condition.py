"""The text of a `--where`: is it one condition over the table, and nothing else?

DuckDB parses it, as the condition of `SELECT laden_row FROM records WHERE ...`, and shows what it made of it as a tree
(`json_serialize_sql`). The tree is held against lists of what is allowed: the query around the condition must be as
it was written here, every column must be the table's, every function in `functions.ALLOWED`, and a subquery may read
`records` alone. The very text that was parsed is then executed, in a database that is locked besides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from laden.dataset.profile import close_match
from laden.dataset.selection.functions import ALLOWED
from laden.dataset.selection.lists import LISTS
from laden.dataset.selection.marks import COLUMNS as MARKS
from laden.dataset.selection.view import RELATION, ROW, Column, Records
from laden.relations import Relations
from laden.relations.trouble import local_trouble
from laden.values.errors import UsageError
from laden.values.secrets import redact

_QUERY = f"SELECT {ROW} FROM {RELATION} WHERE "  # noqa: S608 - own names
_EXPRESSIONS = {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"}
_EXPRESSIONS |= {"FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "STAR", "SUBQUERY", "TYPE"}

_PARTS = {"SELECT_NODE", "SET_OPERATION_NODE", "BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "SUBQUERY"}
_PARTS |= {"ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING"}
"""Kinds of queries, of what they read from, and of what they do with the result."""

_CHANGES = {"now", "current_date", "current_time", "current_timestamp", "get_current_timestamp", "today", "age"}
_CHANGES |= {"localtime", "localtimestamp", "random", "uuid"}
"""What would give another answer on another day."""

_MOST_CHARACTERS = 1_000_000
_LIMIT_S = 600.0
"""A condition over ten million rows takes seconds; what takes longer than this pairs every row with every other."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was found to read the table and nothing else."""

    text: str
    columns: tuple[Column, ...]
    """Those it names, in the order of the table."""
    constants: tuple[str, ...]
    """Texts that stand in it."""
    sql: str
    """The query of the rows for which it is true; executed as it was parsed."""


def parse_condition(text: str, records: Records, relations: Relations) -> Condition:
    """Return the condition, checked by its tree and by DuckDB against the columns' types; `records` has no rows yet.

    Raises:
        UsageError: it is no condition, or would read something else than the table.
    """
    if len(text) > _MOST_CHARACTERS:
        raise UsageError(
            "the condition has more than a million characters: put a list of images into --images-from FILE"
        )
    # Bare, so that no bracket of the condition can close one of the query's; in brackets, so that nothing but an
    # expression fits: no clause, no semicolon.
    bare = _parsed(f"{_QUERY}\n{text}\n", text, relations)
    _parsed(f"{_QUERY}(\n{text}\n)", text, relations)
    (skeleton,) = _statements(_answer(f"{_QUERY}\ntrue\n", relations))
    where = bare["node"].pop("where_clause")
    skeleton["node"].pop("where_clause")
    if bare["node"] != skeleton["node"]:
        raise _wrong(text, "it holds more than a condition")
    nodes = list(_nodes(where))
    for node in nodes:
        _check(node, text)
    condition = Condition(text, _columns(nodes, text, records), _constants(nodes), f"{_QUERY}\n{text}\n")
    records.declare({*condition.columns})
    execute(condition, relations)
    return condition


def execute(condition: Condition, relations: Relations) -> None:
    """Put the rows for which it is true into the relation `passed`; raises UsageError with DuckDB's reason."""
    try:
        in_time = relations.run_within(f"CREATE OR REPLACE TABLE passed AS {condition.sql}", _LIMIT_S)
    except Relations.Error as error:
        if local_trouble(error):
            raise
        raise _wrong(condition.text, _sentence(str(error)) + _hint(condition)) from error
    if not in_time:
        raise _wrong(condition.text, f"it takes more than {_LIMIT_S / 60:.0f} minutes: write it so that it takes less")


def _hint(condition: Condition) -> str:
    """How to ask for what is most often asked for in a way that its type has not."""
    for column in condition.columns:
        if column.kind in LISTS:
            return f"; {column.name} holds lists: list_contains({column.name}, 'x') looks into them"
        if column.kind == "date":
            return f"; {column.name} holds dates: DATE '2010-12-31' is one"
    return ""


def _parsed(sql: str, text: str, relations: Relations) -> dict[str, Any]:
    """The one statement in `sql`, as a tree."""
    try:
        answer = _answer(sql, relations)
    except (RecursionError, Relations.Error):
        raise _wrong(text, "it is nested too deeply") from None
    if answer["error"]:
        if answer["error_type"] == "not implemented":
            raise _wrong(text, "it holds more than a condition")
        raise _wrong(text, _sentence(str(answer["error_message"])))
    statements = _statements(answer)
    if len(statements) != 1:
        raise _wrong(text, "it holds more than a condition")
    return statements[0]


def _answer(sql: str, relations: Relations) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(relations.one("SELECT json_serialize_sql(?::VARCHAR)", [sql])[0])
    return answer


def _statements(answer: dict[str, Any]) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = answer["statements"]
    return statements


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Every object in a tree, depth first, in the order of the text."""
    pending = [tree]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending.extend(reversed(list(part.values())))
        elif isinstance(part, list):
            pending.extend(reversed(part))


def _check(node: dict[str, Any], text: str) -> None:
    """Refuse whatever is not known to read nothing but the table."""
    kind = node.get("class", node.get("type"))
    if isinstance(kind, str):
        known = _EXPRESSIONS if "class" in node else _PARTS
        if kind == "PARAMETER":
            raise _wrong(text, "it has a placeholder ($ or ?): write the value itself")
        if kind == "TABLE_FUNCTION":
            raise _only_the_table(text, str(node["function"]["function_name"]) + "()")
        # Types of casts describe themselves by objects of a type of their own in older versions.
        if kind not in known and not kind.endswith("_TYPE_INFO"):
            raise _wrong(text, f"a condition cannot have that ({kind.lower().replace('_', ' ')})")
    if kind == "FUNCTION":
        _check_function(node, text)
    if kind == "BASE_TABLE" and (node["table_name"], node["schema_name"], node["catalog_name"]) != (RELATION, "", ""):
        raise _only_the_table(text, str(node["table_name"]))
    if node.get("sample") is not None:
        raise _wrong(text, "its sample would be another each time: use --sample")
    if (node.get("cte_map") or {}).get("map"):
        raise _wrong(text, "a condition cannot have WITH")


def _check_function(node: dict[str, Any], text: str) -> None:
    name = str(node["function_name"]).lower()
    if node.get("schema") or node.get("catalog"):
        raise _wrong(text, f"write {name} without a schema")
    if name in ALLOWED:
        return
    if name in _CHANGES:
        raise _wrong(text, f"with {name} it would select other rows on another day: write the value itself")
    raise _wrong(text, f"the function {name} cannot be used{close_match(name, sorted(ALLOWED))}")


def _columns(nodes: list[dict[str, Any]], text: str, records: Records) -> tuple[Column, ...]:
    """The table's columns that are read. A name that is none could be one of DuckDB's functions without brackets."""
    if any(node.get("class") == "STAR" for node in nodes):
        return records.columns
    own = {name for node in nodes for name in _own_names(node)}
    found: set[Column] = set()
    for node in nodes:
        if node.get("class") != "COLUMN_REF":
            continue
        parts = [str(part) for part in node["column_names"]]
        found.update(records.column(part) for part in parts if records.has(part))
        if len(parts) == 1 and not records.has(parts[0]) and parts[0].casefold() not in {*own, ROW}:
            raise _unknown(parts[0], text, records)
    rows = {RELATION, *(str(node.get("alias", "")).casefold() for node in nodes if node.get("type") == "BASE_TABLE")}
    if any(_is_row(node, rows, records) for node in nodes):
        return records.columns
    return tuple(sorted(found, key=lambda column: column.place))


def _is_row(node: dict[str, Any], rows: set[str], records: Records) -> bool:
    """Whether it stands for a whole row, by the name of what is read, so that all columns are."""
    if node.get("class") != "COLUMN_REF" or len(node["column_names"]) != 1:
        return False
    (name,) = map(str, node["column_names"])
    return name.casefold() in rows and not records.has(name)


def _own_names(node: dict[str, Any]) -> Iterator[str]:
    """Names that a condition gives itself: a lambda's parameters, a subquery's results."""
    if node.get("class") == "LAMBDA":
        for part in _nodes(node["lhs"]):
            yield from (str(name).casefold() for name in part.get("column_names", ()))
    elif isinstance(alias := node.get("alias"), str) and alias:
        yield alias.casefold()


def _unknown(name: str, text: str, records: Records) -> UsageError:
    if name.lower() in _CHANGES:
        return _wrong(text, f"with {name} it would select other rows on another day: write the value itself")
    if name.lower() in MARKS:
        return _wrong(text, f"{name} stands in a table of marks: name it with --marks, as in --marks laden-marks.csv")
    close = records.like(name)
    quote = "" if close else f"; a text goes into single quotes: '{name}'"
    return _wrong(text, f"there is no column {name}{close}{quote}; 'laden columns' lists them")


def _constants(nodes: list[dict[str, Any]]) -> tuple[str, ...]:
    """Texts that stand in the condition: of DuckDB 2 as `literal`, before as `value`."""
    found: list[str] = []
    for node in nodes:
        if node.get("class") == "CONSTANT":
            given = node.get("literal") or node.get("value") or {}
            text = given.get("text", given.get("value"))
            if isinstance(text, str) and given.get("kind", "STRING") == "STRING":
                found.append(text)
    return tuple(found)


def _only_the_table(text: str, name: str) -> UsageError:
    return _wrong(text, f"it reads {name}, but a condition can read the table alone, under the name {RELATION}")


def _wrong(text: str, reason: str) -> UsageError:
    # Cut off, a secret would not be known any more.
    text = redact(text)
    shown = text if len(text) <= 80 else text[:77] + "..."
    return UsageError(f"the condition {shown} is wrong: {reason}")


def _sentence(reason: str) -> str:
    """DuckDB's reason in one line: without its kind, the query and the long list of what else could be meant."""
    reason = re.split(r"\s+(?:LINE \d+:|Candidate )", reason)[0]
    return " ".join(re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", reason).split()).rstrip(".!")
