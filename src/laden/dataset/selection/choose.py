"""Which rows a person wants: the steps of a selection, one after the other, each on what the one before left.

The order is fixed: archives, condition (`where`), list of images, sample, first. A sample and `first` count images, or
what `by` names, and take all rows of each. The sample is the `n` with the smallest SHA-256 of `seed:key`, so it is the
same on any machine, with any version, whatever the order of the table, and a larger sample holds the smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from laden.dataset.selection.columns import hint
from laden.dataset.selection.condition import Condition, execute, parse_condition
from laden.dataset.selection.view import Column, Records
from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.names import problem, reserved
from laden.values.records import Finding, Severity, Step
from laden.values.secrets import redacted

_SEED = 1
_LIST_LIMIT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person asked for; raises UsageError where it cannot be meant."""

    where: str | None = None
    images: Path | None = None
    """File with the key of one image a line."""
    sample: int | None = None
    by: str | None = None
    seed: int | None = None
    first: int | None = None
    marks: Path | None = None
    """Table of marks, whose columns a condition may name."""
    table_name: str | None = None
    """What the selected table is called in the destination."""
    names: Iterable[str] | None = None
    """Of a destination's images, these: names of blobs, of which a list of keys could mean others too. No step takes
    them: what was landed is needed for that."""

    def __post_init__(self) -> None:
        if self.where is not None and not self.where.strip():
            raise UsageError("--where is empty: write a condition, as in --where \"Projection = 'PA'\"")
        if self.marks is not None and self.where is None:
            raise UsageError('--marks belongs to a condition: add --where "laden_mark IS NULL", or leave it out')
        for name, number in (("--sample", self.sample), ("--first", self.first)):
            if number is not None and number < 1:
                raise UsageError(f"{name} is {number}: write a number from 1 on")
        for name, given in (("--by", self.by), ("--seed", self.seed)):
            if given is not None and self.sample is None:
                raise UsageError(f"{name} belongs to a sample: add --sample N, or leave it out")
        if self.table_name is not None:
            reason = problem(self.table_name) or reserved(self.table_name)
            if reason is not None:
                raise UsageError(f"--table-name '{self.table_name}' {reason}: choose another name")

    @property
    def chooses(self) -> bool:
        """Whether any row may be left out."""
        return any(given is not None for given in (self.where, self.images, self.sample, self.first, self.names))

    @property
    def lands_alone(self) -> bool:
        """Whether the table that lands holds the selected rows, and only these."""
        return self.chooses or self.table_name is not None


def choose(
    selection: Selection,
    records: Records,
    relations: Relations,
    tell: Callable[[Finding], None],
    *,
    within: str = "",
    archives: str = "",
) -> tuple[Step, ...]:
    """Put the numbers of the selected rows into the relation `chosen`, and tell what each step left.

    Args:
        selection: what is wanted.
        records: the table; it is read once, the columns that are needed.
        relations: where all this happens.
        tell: gets keys that no row has, and values that are not of their column's type.
        within: a query of the rows that the archives left, where only some of the table's are.
        archives: how those were named.

    Raises:
        UsageError: a condition, a column or a list is wrong, or a step leaves nothing.
        SourceError: the table or the list cannot be read.
    """
    condition = parse_condition(selection.where, records, relations) if selection.where is not None else None
    unit = _unit(selection, records)
    records.declare([*(condition.columns if condition else ()), *([unit] if unit else [])])
    steps = [Step("table", records.name, records.read())]
    for finding in records.unreadable():
        tell(finding)
    relations.run("CREATE OR REPLACE TABLE chosen AS SELECT row FROM fields")
    if within:
        relations.run(f"DELETE FROM chosen WHERE row NOT IN ({within})")  # noqa: S608 - own text
        if archives:
            steps.append(Step("archives", archives, _left(relations)))
    if condition is not None:
        steps.append(_where(condition, records, relations, steps[-1]))
    if selection.images is not None:
        steps.append(_images(selection.images, records, relations, tell))
    if selection.sample is not None:
        steps.append(_sample(selection, unit, relations))
    if selection.first is not None:
        steps.append(_first(selection.first, records, relations))
    # They stand in the load's page.
    return redacted(tuple(steps))


def _left(relations: Relations) -> int:
    count: int = relations.one("SELECT count(*) FROM chosen")[0]
    return count


def _unit(selection: Selection, records: Records) -> Column | None:
    """The column of which a sample takes all or none; None for the key, as images are compared."""
    if selection.by is not None:
        column = records.column(selection.by)
        if column.place < 0:
            raise UsageError(f"--by {selection.by} is a mark: name a column of the table")
        return column
    if selection.sample is not None and records.key is None:
        raise UsageError(
            f"no profile knows which column of {records.name} names the image: name one with --by, or a --profile"
        )
    return None


def _where(condition: Condition, records: Records, relations: Relations, before: Step) -> Step:
    execute(condition, relations)
    relations.run("DELETE FROM chosen WHERE row NOT IN (SELECT laden_row FROM passed)")
    left = _left(relations)
    if not left:
        (alone,) = relations.one("SELECT count(*) FROM passed")
        if alone:
            raise UsageError(
                f"the condition {condition.text} selects {alone:,} rows of the table, but none of the {before.rows:,}"
                f" in the archives {before.about}: name others with --archives"
            )
        own = [column for column in condition.columns if column.place >= 0][:3]
        told = "; ".join(hint(column, condition.constants, relations) for column in own)
        raise UsageError(f"the condition {condition.text} selects no row of {records.name}: {told or 'none has it'}")
    return Step("where", condition.text, left)


def _images(file: Path, records: Records, relations: Relations, tell: Callable[[Finding], None]) -> Step:
    if records.key is None or records.shape is None:
        raise UsageError(
            f"no profile knows which column of {records.name} names the image, so --images-from cannot be looked up:"
            " name a --profile"
        )
    shape = records.shape
    relations.run("CREATE OR REPLACE TABLE asked (line BIGINT, name VARCHAR, key VARCHAR)")
    relations.feed("asked", ((line, name, shape.entry_key(name)) for line, name in _listed(file, records.key.header)))
    keys, known = relations.one(
        "SELECT count(DISTINCT key), count(DISTINCT key) FILTER (key IN (SELECT key FROM fields)) FROM asked"
    )
    if not known:
        (example,) = relations.one("SELECT coalesce(min(key), '') FROM fields")
        raise UsageError(
            f"none of the {keys:,} keys in {file} is one of {records.name}: write one {records.key.name} a line,"
            f" as in {example}"
        )
    for line, name in relations.stream(
        "SELECT min(line), arg_min(name, line) FROM asked"
        " WHERE key NOT IN (SELECT key FROM fields WHERE key IS NOT NULL) GROUP BY key ORDER BY 1"
    ):
        tell(
            Finding(
                "image-unknown", Severity.ERROR, f"line {line} of {file.name} names it, and no row does", member=name
            )
        )
    relations.run("DELETE FROM chosen WHERE row NOT IN (SELECT row FROM fields WHERE key IN (SELECT key FROM asked))")
    left = _left(relations)
    if not left:
        raise UsageError(f"{known:,} of the images in {file} are in the table, but the steps before left none of them")
    return Step("images", f"{file.name} ({keys:,} keys)", left)


def listed(line: str) -> str:
    """The key that a line of a list says, in quotes or not."""
    line = line.strip()
    return line[1:-1] if len(line) > 1 and line[0] == line[-1] == '"' else line


def _listed(file: Path, header: str) -> Iterator[tuple[int, str]]:
    """The keys in a file, one a line, with the line's number; blank lines and the column's own name are none."""
    try:
        if file.stat().st_size > _LIST_LIMIT_BYTES:
            raise UsageError(f"{file} has more than 256 MiB: --images-from takes a list of keys, one a line")
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the list of images {file} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError:
        raise UsageError(f"the list of images {file} is not UTF-8 text: write one key a line") from None
    for number, line in enumerate(text.split("\n"), 1):
        name = listed(line)
        if name and not (number == 1 and name == header):
            yield number, name


def _sample(selection: Selection, unit: Column | None, relations: Relations) -> Step:
    column = "key" if unit is None else f"c{unit.place}"
    named = "images" if unit is None else unit.name
    seed = _SEED if selection.seed is None else selection.seed
    relations.run(
        f"CREATE OR REPLACE TABLE units AS SELECT unit FROM (SELECT DISTINCT {column} AS unit"  # noqa: S608 - own names
        f" FROM fields JOIN chosen USING (row) WHERE {column} IS NOT NULL)"
        " ORDER BY sha256(? || ':' || unit), unit LIMIT ?",
        [str(seed), selection.sample],
    )
    (taken,) = relations.one("SELECT count(*) FROM units")
    if not taken:
        raise UsageError(f"no selected row has a value in {named}, so there is nothing to sample: name another --by")
    relations.run(
        f"DELETE FROM chosen WHERE row NOT IN (SELECT row FROM fields WHERE {column} IN (SELECT unit FROM units))"  # noqa: S608
    )
    return Step("sample", f"{taken:,} {named}, seed {seed}", _left(relations))


def _first(count: int, records: Records, relations: Relations) -> Step:
    images = records.key is not None
    name = "key" if images else "row"
    relations.run(
        f"DELETE FROM chosen WHERE row NOT IN (SELECT row FROM fields WHERE {name} IN (SELECT {name} FROM fields"  # noqa: S608
        f" JOIN chosen USING (row) WHERE {name} IS NOT NULL GROUP BY {name} ORDER BY min(row) LIMIT ?))",
        [count],
    )
    return Step("first", f"{count:,} {'images' if images else 'rows'}", _left(relations))
