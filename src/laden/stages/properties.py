"""What blobs are told beside their content: a tier for all, tags and metadata of what the table says of each.

In order: what a person asked for is read (`Wishes`), and refused where the service could not take it; the columns that
it names are read from the tables, and each image gets the values of its rows; every value is held against the service's
limits before anything is sent. An image whose rows say different things, or nothing, gets none; the first is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from laden.dataset.profile import NO_PLACE, Template, close_match
from laden.dataset.selection import Part
from laden.dataset.table import BATCH, columns
from laden.relations import Relations
from laden.stages.metadata import OWN, refuse_own
from laden.store.manage.limits import MOST_TAGS, tier_of, too_long, wrong_metadata, wrong_tag
from laden.values.errors import UsageError
from laden.values.records import Extras, Finding, Item, Severity
from laden.values.secrets import redact

_AT_ONCE = 1_000
_ROOM = {OWN: "x" * 2048}
"""For what laden itself writes with every blob."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person asked for; templates as in `projection={Projection}`."""

    tier: str = ""
    tags: dict[str, Template] = field(default_factory=dict)
    metadata: dict[str, Template] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that values are made of."""
        templates = (*self.tags.values(), *self.metadata.values())
        return tuple(dict.fromkeys(name for template in templates for name in template.fields))

    @property
    def named(self) -> str:
        """What is asked for, as in `tier, tags and metadata`; empty for nothing."""
        parts = (("tier", self.tier), ("tags", self.tags), ("metadata", self.metadata))
        names = [name for name, asked in parts if asked]
        return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))

    @property
    def extras(self) -> bool:
        """Whether there is anything but a tier."""
        return bool(self.tags or self.metadata)


def wishes_of(tier: str | None, tags: Sequence[str], metadata: Sequence[str]) -> Wishes:
    """What was asked for; raises UsageError where it makes no sense, or the service takes no such thing."""
    found = Wishes(tier_of(tier) if tier else "", _pairs("tag", tags), _pairs("metadata", metadata))
    if len(found.tags) > MOST_TAGS:
        raise UsageError(f"a blob has at most {MOST_TAGS} tags, and {len(found.tags)} are asked for")
    for name in found.tags:
        if reason := wrong_tag(name, ""):
            raise UsageError(f"--tag: {reason}")
    refuse_own(found.metadata)
    for name in found.metadata:
        if reason := wrong_metadata(name, ""):
            raise UsageError(f"--metadata: {reason}")
    return found


def _pairs(option: str, texts: Sequence[str]) -> dict[str, Template]:
    """Names with templates; raises UsageError for what can be neither, or not be meant."""
    found: dict[str, Template] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip() if option == "tag" else name.strip().lower()
        if not equals or not name or not value:
            raise UsageError(f"'{text}' is no name with a value: write it as projection={{Projection}}, or review=no")
        if name in found:
            raise UsageError(f"--{option} gives {name} twice: a blob has one value of that name, leave one out")
        if value != value.strip():
            raise UsageError(
                f"--{option} {name}: '{value}' begins or ends with blanks, which are not kept: leave them out"
            )
        if redact(value) != value:
            raise UsageError(
                f"--{option} {name} holds what looks like a signature, key or password, and whoever may read an image"
                " would read it: leave it out"
            )
        found[name] = Template(value)
    return found


class Values:
    """The tags and metadata of each image, in the relation `property_values`."""

    def __init__(self, relations: Relations, wishes: Wishes, parts: Sequence[Part], rows: str) -> None:
        """Read what is needed of the tables.

        Args:
            relations: where it goes.
            wishes: what was asked for.
            parts: the tables, numbered as the rows are.
            rows: a relation that says of each `row` that is selected which `blob` is its image; others tell nothing.

        Raises:
            UsageError: a column that no table has, or a value that the service does not take.
            SourceError: a table cannot be read.
        """
        self._relations = relations
        self._wishes = wishes
        self._named = [*(("tag", *pair) for pair in wishes.tags.items())]
        self._named += [*(("metadata", *pair) for pair in wishes.metadata.items())]
        self.ambiguous = 0
        """Images whose rows say different things."""
        if wishes.fields:
            self._read(parts, rows)
        self._check()

    def findings(self) -> list[Finding]:
        """What a person should know of them."""
        if not self.ambiguous:
            return []
        message = f"{self.ambiguous:,} images have several rows, which say different things of what was to be a tag or"
        return [Finding("property-ambiguous", Severity.WARNING, f"{message} metadata: they get none of that name")]

    def of(self, blobs: Sequence[str]) -> dict[str, Extras]:
        """Those of some images; constants for all of them."""
        found: dict[str, tuple[str | None, ...]] = {}
        if self._wishes.fields:
            rows = self._relations.stream(
                "SELECT * FROM property_values WHERE blob IN (SELECT unnest(?::VARCHAR[]))", [list(blobs)]
            )
            found = {row[0]: row[1:] for row in rows}
        nothing = (None,) * len(self._named)
        return {blob: self._extras(found.get(blob, nothing)) for blob in blobs}

    def attach(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, each with its own."""
        if not self._wishes.extras:
            yield from items
            return
        rest = iter(items)
        while batch := list(islice(rest, _AT_ONCE)):
            found = self.of([item.blob for item in batch])
            yield from (item._replace(extras=found[item.blob]) for item in batch)

    def _extras(self, values: Sequence[str | None]) -> Extras:
        tags: dict[str, str] = {}
        metadata: dict[str, str] = {}
        for (kind, name, template), value in zip(self._named, values, strict=True):
            text = value if template.fields else template.text
            if text is not None:
                (tags if kind == "tag" else metadata)[name] = text
        return Extras(tags, metadata)

    def _read(self, parts: Sequence[Part], rows: str) -> None:
        fields = self._wishes.fields
        known = [name for part in parts for name in part.table.columns]
        if unknown := [name for name in fields if name not in known]:
            told = f"; its columns are {', '.join(filter(None, known))}" if known else ": there is no table"
            raise UsageError(f"there is no column '{unknown[0]}'{close_match(unknown[0], known)}{told}")
        cells = [f"f{number}" for number in range(len(fields))]
        self._relations.run(f"CREATE OR REPLACE TABLE property_cells (row BIGINT, {' VARCHAR, '.join(cells)} VARCHAR)")
        for part in parts:
            places = [part.table.column(name) if name in part.table.columns else None for name in fields]
            if wanted := sorted({place for place in places if place is not None}):
                nothing = ", ".join(f"'{text}'" for text in sorted(NO_PLACE))
                taken = (f"CASE WHEN c{place} NOT IN ({nothing}) THEN c{place} END" for place in places)
                texts = [text if place is not None else "NULL" for text, place in zip(taken, places, strict=True)]
                self._relations.absorb(
                    f"INSERT INTO property_cells SELECT row + {part.before}, {', '.join(texts)} FROM {BATCH}",  # noqa: S608
                    columns(part.table, wanted),
                )
        self._gather(dict(zip(fields, cells, strict=True)), rows)

    def _gather(self, cells: dict[str, str], rows: str) -> None:
        """One value for each image: that of all its rows, or none."""
        one, differ = [], []
        for number, (_, _, template) in enumerate(self._named):
            made = template.sql(cells) if template.fields else "NULL"
            one.append(f"CASE WHEN min({made}) = max({made}) THEN min({made}) END AS v{number}")
            differ.append(f"min({made}) <> max({made})")
        query = f"FROM property_cells p JOIN {rows} r USING (row) WHERE r.blob IS NOT NULL GROUP BY r.blob"
        self._relations.run(f"CREATE OR REPLACE TABLE property_values AS SELECT r.blob, {', '.join(one)} {query}")
        (self.ambiguous,) = self._relations.one(
            f"SELECT count(*) FROM (SELECT coalesce({' OR '.join(differ)}, false) AS differs {query}) WHERE differs"  # noqa: S608
        )
        self._relations.run("DROP TABLE property_cells")

    def _check(self) -> None:
        longest: dict[str, str] = {}
        for number, (kind, name, template) in enumerate(self._named):
            wrong = wrong_tag if kind == "tag" else wrong_metadata
            values: Iterable[tuple[str, int]] = [(template.text, 0)]
            if template.fields:
                values = self._relations.stream(
                    f"SELECT v{number}, count(*) FROM property_values WHERE v{number} IS NOT NULL GROUP BY 1 ORDER BY 1"  # noqa: S608
                )
            for value, images in values:
                if kind == "metadata" and len(value) > len(longest.get(name, "")):
                    longest[name] = value
                reason = wrong(name, value)
                if reason := reason or ("names and values are more than 6 KiB" if too_long(longest | _ROOM) else ""):
                    where = f" ({images:,} images have it)" if images else ""
                    raise UsageError(f"--{kind} {name}={template.text}: {reason}{where}")
