"""Which column of which table names the images, and how: by file name, by that without its ending, or by path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from laden.dataset.table import Table
from laden.stages.survey.tables import SourceTable
from laden.verbs.init.names import Name, Names

_ROWS = 50_000
"""Of a table, so many are looked at."""
_MOST_SEGMENTS = 6


@dataclass(frozen=True, slots=True)
class Key:
    """A column that names images."""

    table: Table
    place: str
    """Where the table lies."""
    column: str
    match: str
    """As in a profile: `name`, `stem` or `path`."""
    segments: int
    """Of a path: how many of the last ones count; 0 for all."""
    ignore_case: bool
    rows: list[dict[str, str]]
    """The rows that were looked at."""
    named: dict[int, list[Name]]
    """Number of a row, from 0, to the images that are called as it says; its place decides between several."""

    @property
    def many(self) -> bool:
        """Whether several rows name one image."""
        texts = [row[self.column] for row in self.rows if row[self.column]]
        return len(set(texts)) < len(texts)


def best_key(tables: Mapping[str, SourceTable], images: Names) -> Key | None:
    """The column by which most rows name one image and no other; of several, the first. None where no column does."""
    keys = [key for place in sorted(tables) for key in _keys(tables[place], images)]
    return max(keys, key=lambda key: (_certain(key.named), _distinct(key.named)), default=None)


def _certain(named: Mapping[int, list[Name]]) -> int:
    """How many rows name one image and no other."""
    return sum(len(names) == 1 for names in named.values())


def _distinct(named: Mapping[int, list[Name]]) -> int:
    """How many images are named."""
    return len({name for names in named.values() for name in names})


def _keys(source: SourceTable, images: Names) -> Iterator[Key]:
    table = source.table
    rows = [
        dict(zip(table.columns, record.fields, strict=False))
        for record in islice(table.records(), _ROWS)
        if len(record.fields) == len(table.columns)
    ]
    for column in dict.fromkeys(table.columns):
        for match, segments, names in _ways(images):
            for ignore_case in (False, True):
                texts = [_cut(row[column], segments) for row in rows]
                named = _named(texts, names, ignore_case=ignore_case)
                if named:
                    yield Key(table, source.place, column, match, segments, ignore_case, rows, named)
                    break


def _ways(images: Names) -> Iterator[tuple[str, int, dict[str, list[Name]]]]:
    """Each way to name an image, the plainest first."""
    yield "name", 0, _by(images, lambda name: name.base)
    yield "stem", 0, _by(images, lambda name: images.stem(name.base))
    yield "path", 0, _by(images, lambda name: name.path)
    deepest = max((name.path.count("/") + 1 for name in images.names), default=0)
    for segments in range(2, min(deepest, _MOST_SEGMENTS) + 1):
        yield "path", segments, _by(images, _last(segments))


def _by(images: Names, naming: Callable[[Name], str]) -> dict[str, list[Name]]:
    found: dict[str, list[Name]] = {}
    for name in images.names:
        found.setdefault(naming(name), []).append(name)
    return found


def _last(segments: int) -> Callable[[Name], str]:
    return lambda name: "/".join(name.path.split("/")[-segments:])


def _cut(text: str, segments: int) -> str:
    return "/".join(text.split("/")[-segments:]) if segments else text


def _named(texts: list[str], names: Mapping[str, list[Name]], *, ignore_case: bool) -> dict[int, list[Name]]:
    """Rows whose text is what an image is called."""
    if ignore_case:
        folded: dict[str, list[Name]] = {}
        for text, found in names.items():
            folded.setdefault(text.casefold(), []).extend(found)
        names = folded
        texts = [text.casefold() for text in texts]
    named = {number: names[text] for number, text in enumerate(texts) if text and text in names}
    # A column of which one value happens to be a name is no key.
    return named if _distinct(named) > 1 or len(texts) == 1 else {}
