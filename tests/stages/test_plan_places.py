"""The plan held against each row's right image, worked out by trying every row with every entry, over random datasets.

Two questions of each dataset: does the plan do exactly what the rule says, as plain Python reads it; and, where a true
image lies behind every entry, is none ever sent for another (however little names say of it)?
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laden.dataset.profile.shape import PLACE_SEPARATOR
from laden.relations import Relations
from laden.stages.plan import Plan
from laden.values.errors import UsageError

AT_ONCE, TIMES = 60, 40
"""Datasets are planned many at once, apart by their keys, as a plan takes longer than its joins: at least 1,000 of each
kind, as those whose layout is refused are looked at one by one."""

LAYOUTS = ("{places}/{key}", "{key}", "{first}/{key}", "{more}/{key}", "{places}/{more}")


class Row(NamedTuple):
    key: str
    places: tuple[str, ...]
    more: str
    """A value that only layouts use."""
    table: int
    selected: bool
    usable: bool


class Entry(NamedTuple):
    key: str
    places: tuple[str, ...]
    content: int
    packed: bool
    """Whether its content is known from a directory, as a zip's is."""


class Case(NamedTuple):
    count: int
    layout: str
    rows: list[Row]
    entries: list[Entry]

    def blob(self, row: Row) -> str | None:
        if not row.usable:
            return None
        places = "/".join(row.places)
        first = row.places[0] if row.places else ""
        name = self.layout.format(places=places, key=row.key, first=first, more=row.more)
        return name if row.table == 0 else f"second/{name}"


KEYS, VALUES, KNOWN = "abc", ("", "0", "0", "1", "1", "2"), "012"


def some(rng: Random, values: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(rng.choices(values, k=count))


def cases(rng: Random, count: int) -> Case:
    rows = [
        Row(rng.choice(KEYS), some(rng, VALUES, count), rng.choice("xy"), rng.choice((0, 0, 0, 1)),
            rng.choice((True, True, False)), rng.choice((True, True, True, False)))
        for _ in range(rng.randint(0, 6))
    ]  # fmt: skip
    entries = [
        Entry(rng.choice(KEYS), some(rng, VALUES, count), rng.randint(1, 3), rng.random() < 0.5)
        for _ in range(rng.randint(0, 6))
    ]
    return Case(count, rng.choice(LAYOUTS), rows, entries)


def whole(rng: Random, count: int) -> Case:
    """A dataset all of whose rows and entries know their whole place, and no two entries have one name there."""
    found = cases(rng, count)
    called = dict.fromkeys((rng.choice(KEYS), some(rng, KNOWN, count)) for _ in range(rng.randint(0, 6)))
    entries = [Entry(key, places, rng.randint(1, 3), rng.random() < 0.5) for key, places in called]
    return found._replace(rows=[row._replace(places=some(rng, KNOWN, count)) for row in found.rows], entries=entries)


def many(kind: Callable[[Random, int], Case]) -> st.SearchStrategy[list[Case]]:
    """Each dataset of one number: to draw all that is in it one by one takes longer than to plan it."""
    seeds = st.lists(st.integers(0, 2**64), min_size=AT_ONCE, max_size=AT_ONCE)
    return st.builds(lambda count, drawn: [kind(Random(seed), count) for seed in drawn], st.integers(0, 2), seeds)


def shared(row: Row, entry: Entry) -> int | None:
    """How many values both know, or None where they contradict each other."""
    if row.key != entry.key:
        return None
    both = [(said, seen) for said, seen in zip(row.places, entry.places, strict=True) if said and seen]
    return None if any(said != seen for said, seen in both) else len(both)


def same(case: Case, chosen: set[int]) -> bool:
    """Whether entries have provably one content."""
    listed = [case.entries[at] for at in chosen]
    return len(chosen) == 1 or (all(one.packed for one in listed) and len({one.content for one in listed}) == 1)


def right(case: Case) -> dict[int, int]:
    """Row to entry, both by place in their lists, as the rule has it."""
    found: dict[int, int] = {}
    for number, row in enumerate(case.rows):
        levels = {at: level for at, entry in enumerate(case.entries) if (level := shared(row, entry)) is not None}
        if not row.usable or not levels:
            continue
        best = max(levels.values())
        candidates = {at for at, level in levels.items() if level == best}
        first = min(candidates)
        others = {other.places for other in case.rows if shared(other, case.entries[first]) is not None}
        if same(case, candidates) and (best == case.count or len(others) == 1):
            found[number] = first
    torn = set()
    for at in set(found.values()):
        named = [case.rows[number] for number, chosen in found.items() if chosen == at]
        if len({case.blob(row) for row in named}) > 1:
            one_name = len({(row.key, row.places) for row in named}) == 1
            per_table = {(row.table, case.blob(row)) for row in named}
            if not one_name or len(per_table) > len({row.table for row in named}):
                torn.add(at)
    return {number: at for number, at in found.items() if at not in torn}


def refused(case: Case, found: dict[int, int]) -> bool:
    """Whether two images would have one name."""
    for (one, row), (two, other) in product(enumerate(case.rows), repeat=2):
        if one >= two or not (row.selected and other.selected) or case.blob(row) is None:
            continue
        if case.blob(row) != case.blob(other):
            continue
        if row.key != other.key:
            return True
        known = "".join(row.places) and "".join(other.places)
        if known and row.places != other.places:
            alike = one in found and two in found and same(case, {found[one], found[two]})
            rest = [n for n, r in enumerate(case.rows) if r.selected and case.blob(r) == case.blob(row)]
            if not alike or any(n not in found for n in rest):
                return True
    return False


@pytest.fixture(scope="module")
def relations() -> Iterator[Relations]:
    """One database for all datasets: to open one takes longer than to plan."""
    with Relations() as opened:
        yield opened


class Planned(NamedTuple):
    """What a plan of several datasets says, each by the places in its lists."""

    plan: Plan
    matches: list[dict[int, int]]
    ambiguous: list[set[int]]
    strays: list[set[int]]
    sent: list[dict[str, int]]


def planned(relations: Relations, listed: list[Case], *, strays: bool = False) -> Planned:
    for table in ("rows", "entries", "table_starts"):
        relations.run(f"DELETE FROM {table}")
    # Rows of the second table follow those of the first.
    rows = [
        (d, n) for table in (0, 1) for d, case in enumerate(listed) for n, r in enumerate(case.rows) if r.table == table
    ]
    entries = [(d, n) for d, case in enumerate(listed) for n in range(len(case.entries))]
    relations.feed("table_starts", [("t.csv", 0), ("u.csv", sum(listed[d].rows[n].table == 0 for d, n in rows))])
    relations.feed("rows", (fed_row(number, d, listed[d], n) for number, (d, n) in enumerate(rows, 1)))
    relations.feed("entries", (fed_entry(number, d, listed[d].entries[n]) for number, (d, n) in enumerate(entries)))
    count = listed[0].count if listed else 0
    plan = Plan(relations, send_strays=strays, replace=False, documents=[], places=count, many_rows=True)
    found = Planned(plan, *([make() for _ in listed] for make in (dict, set, set, dict)))  # type: ignore[arg-type]
    for row, at in relations.stream("SELECT row, id FROM matches"):
        d, n = rows[row - 1]
        assert entries[at][0] == d
        found.matches[d][n] = entries[at][1]
    for (row,) in relations.stream("SELECT row FROM ambiguous"):
        found.ambiguous[rows[row - 1][0]].add(rows[row - 1][1])
    for (at,) in relations.stream("SELECT id FROM strays"):
        found.strays[entries[at][0]].add(entries[at][1])
    for item in plan.items():
        d, _, name = item.blob.partition("/")
        of, n = entries[int(item.entry.member.split("/")[0])]
        assert of == int(d)
        found.sent[of][name] = n
    return found


def fed_row(number: int, d: int, case: Case, n: int) -> tuple[object, ...]:
    row, blob = case.rows[n], case.blob(case.rows[n])
    key, name = f"{d}:{row.key}", None if blob is None else f"{d}/{blob}"
    return (number, key, key, None, name, row.usable, row.selected, PLACE_SEPARATOR.join(row.places))


def fed_entry(number: int, d: int, entry: Entry) -> tuple[object, ...]:
    known = ("z.zip", entry.content, None) if entry.packed else ("", None, number)
    archive, checksum, mtime_ns = known
    key, place = f"{d}:{entry.key}", PLACE_SEPARATOR.join(entry.places)
    name = f"{number}/{entry.key}"
    return (archive, name, 10, checksum, mtime_ns, 0, 10, 0, number, key, None, f"{d}/stray/{entry.key}", place)


often = settings(
    max_examples=TIMES, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@often
@given(listed=many(cases) | many(whole), strays=st.booleans())
def test_each_row_gets_its_right_image_or_none(relations: Relations, listed: list[Case], strays: bool) -> None:
    bad = [case for case in listed if refused(case, right(case))]
    for case in bad[:2]:
        with pytest.raises(UsageError):
            planned(relations, [case], strays=strays)
    good = [case for case in listed if case not in bad]
    told = planned(relations, good, strays=strays)
    for d, case in enumerate(good):
        found = right(case)
        assert told.matches[d] == found
        named = {
            number
            for number, row in enumerate(case.rows)
            if row.usable and any(shared(row, entry) is not None for entry in case.entries)
        }
        assert told.ambiguous[d] == named - set(found)
        strangers = {
            at for at, entry in enumerate(case.entries) if all(shared(row, entry) is None for row in case.rows)
        }
        assert told.strays[d] == strangers
        wanted = {case.blob(case.rows[n]): at for n, at in found.items() if case.rows[n].selected}
        for blob, at in wanted.items():
            assert same(case, {told.sent[d][blob or ""], at})
        rest = {at for blob, at in told.sent[d].items() if blob not in wanted}
        assert rest <= (strangers if strays else set())
    assert_counted(told, good)


def assert_counted(told: Planned, good: list[Case]) -> None:
    """Rows are matched or missing, and every one without its image is told."""
    ready = told.plan.summary(profile="", table="", absent=())
    rows = [(d, n, row) for d, case in enumerate(good) for n, row in enumerate(case.rows) if row.selected]
    assert (ready.rows, ready.matched) == (len(rows), sum(n in told.matches[d] for d, n, _ in rows))
    lost = {d for d, n, row in rows if row.usable and n not in told.matches[d]}
    codes = {found.code for found in told.plan.findings((), ())}
    assert bool(lost) == bool(codes & {"image-missing", "image-ambiguous"})


def worlds(rng: Random, count: int) -> Case:
    """A dataset in which every entry is an image that a row names whole, and says of its place what it likes.

    Archives are renamed, folders lost, copies made; images are absent, and rows not selected. Each true image has its
    own content, whose number is its place among them.
    """
    identities = sorted({(rng.choice(KEYS), some(rng, KNOWN, count)) for _ in range(rng.randint(0, 5))})
    rows = [Row(key, places, "x", 0, rng.random() < 0.5, True) for key, places in identities]
    rows += rng.choices(rows, k=rng.randint(0, 2)) if rows else []
    entries: list[Entry] = []
    for number, (key, places) in enumerate(identities):
        for _ in range(rng.randint(0, 2)):
            seen = tuple(value if rng.random() < 0.5 else "" for value in places)
            entries.append(Entry(key, seen, number, rng.random() < 0.5))
    return Case(count, rng.choice(LAYOUTS[:3]), rows, entries)


@often
@given(listed=many(worlds), strays=st.booleans())
def test_no_row_ever_gets_another_row_s_image(relations: Relations, listed: list[Case], strays: bool) -> None:
    good = [case for case in listed if not refused(case, right(case))]
    told = planned(relations, good, strays=strays)
    for d, case in enumerate(good):
        identities = sorted({(row.key, row.places) for row in case.rows})
        contents = {blob: case.entries[at].content for blob, at in told.sent[d].items()}
        for number, row in enumerate(case.rows):
            own, blob = identities.index((row.key, row.places)), case.blob(row) or ""
            if number in told.matches[d]:
                assert case.entries[told.matches[d][number]].content == own
            if row.selected and blob in contents:
                assert contents[blob] == own


def test_a_name_that_all_folders_have_costs_no_more_than_others(relations: Relations) -> None:
    """Compared pair by pair, these would be 400 million."""
    count = 20_000
    rows = [Row("scan", (str(n),), "x", 0, True, True) for n in range(count)]
    hidden = [Entry("scan", ("",), n, False) for n in range(count)]
    case = Case(1, LAYOUTS[0], rows, [*hidden, *(Entry("scan", (str(n),), n, False) for n in range(0, count, 2))])
    told = planned(relations, [case])
    assert len(told.matches[0]) == len(told.ambiguous[0]) == count // 2
