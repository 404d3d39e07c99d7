"""What a load left, as rows again: its tables out of the destination, and which images a selection of them wants.

In order: the profile that the page names, the tables that landed (never read by another way than a source's), their
rows with the names that the load's own layout gives them, then the steps of the selection. `set` and `copy` ask so what
a person wants of a dataset that is there, `prune` what its tables still name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from laden.dataset.profile import Profile, TableShape, Template, builtin, open_profile
from laden.dataset.selection import Selection
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.run.run import Run
from laden.stages.inventory import fetch_table, is_listed
from laden.stages.manifest import Document, LoadPage
from laden.stages.survey import Choice, PlacedTable
from laden.stages.survey.rows import feed_tables
from laden.stages.survey.steps import take_steps
from laden.stages.survey.tables import SourceTable
from laden.store import Store
from laden.values.errors import UsageError
from laden.values.events import ignore
from laden.values.records import Step


@dataclass(frozen=True, slots=True)
class Landed:
    """The tables of a load, whose rows are in the relation `rows`."""

    profile: Profile
    """Its `tables` are the shapes of these; its layout is the load's."""
    tables: tuple[PlacedTable, ...]
    documents: tuple[Document, ...]
    """Those tables, as the page names them."""
    steps: tuple[Step, ...] = ()
    """What each step of the selection left; empty where all was wanted."""


async def survey_landed(
    run: Run,
    store: Store,
    page: LoadPage,
    named: str | None,
    selection: Selection | None = None,
    *,
    every: bool = False,
) -> Landed:
    """Fill `rows` from the tables that a load landed, those of the selection as `selected`.

    Args:
        run: its relations hold the last listing, and no rows yet; told of keys that no row has.
        store: where they lie.
        page: of the load.
        named: a TOML file of a profile that is not built in, where the person gave one.
        selection: which rows are wanted; None for all.
        every: whether tables of selections and of earlier loads are read as well.

    Raises:
        UsageError: the profile is not known, there is no table to select from, or the selection is wrong.
        NotAsLanded: a table is not the one that landed.
    """
    profile = replace(profile_of(page, named), layout=Template(page.layout))
    documents: list[Document] = []
    shapes: list[TableShape] = []
    tables: list[SourceTable] = []
    for document, shape in every_table(page, profile) if every else shapes_of(page, profile):
        if not is_listed(run.relations, document.name):
            raise UsageError(f"the table {document.name} that landed is gone: load it again")
        table = await fetch_table(store, run.relations, document, len(tables))
        documents.append(document)
        shapes.append(shape)
        tables.append(SourceTable(table, document.name))
    profile = replace(profile, tables=tuple(shapes))
    # What is wrong with the rows was told by the load.
    with FindingLog(None, ignore) as quiet:
        placed = feed_tables(run.relations, quiet, profile, tables, None)
    choice = Choice(selection=selection or Selection())
    return Landed(profile, placed, tuple(documents), take_steps(choice, placed, run.relations, run.log))


def profile_of(page: LoadPage, named: str | None) -> Profile:
    """The profile that a load was made with; raises UsageError where its file has to be given."""
    if named is None and page.profile not in {profile.name for profile in builtin()}:
        raise UsageError(f"the load was made with the profile '{page.profile}': give its TOML file with --profile")
    return open_profile(named or page.profile)


def shapes_of(page: LoadPage, profile: Profile) -> list[tuple[Document, TableShape]]:
    """The label table first, then further tables of the dataset, each with its shape; not those of selections."""
    if page.table is None or profile.table is None:
        return []
    found = [(page.table, profile.table)]
    rest = list(profile.tables[1:])
    for document in page.others:
        shape = next((one for one in rest if document.name == one.subset or one.fits(document.name)), None)
        if shape is not None and not document.selection:
            rest.remove(shape)
            found.append((document, shape))
    return found


def every_table(page: LoadPage, profile: Profile) -> list[tuple[Document, TableShape]]:
    """Every table that a load landed and that is named still; raises UsageError for one that nobody can read."""
    found: list[tuple[Document, TableShape]] = []
    for document in (page.table, *page.others):
        if document is None or not (document == page.table or document.original or document.selection):
            continue
        shape = next((one for one in profile.tables if document.name == one.subset or one.fits(document.name)), None)
        shape = shape or (profile.table if document == page.table or document.selection else None)
        if shape is None:
            raise UsageError(
                f"nobody knows which images the table {document.name} names, which another load landed: its profile is"
                f" not '{profile.name}'"
            )
        found.append((document, shape))
    return found


def wanted_images(relations: Relations, steps: tuple[Step, ...]) -> int:
    """Fill the relation `chosen_blobs` with the images of the manifest that are wanted; returns how many.

    Of a selection those that a selected row names, else all.
    """
    relations.run("CREATE OR REPLACE TABLE chosen_blobs AS SELECT blob FROM known")
    if steps:
        relations.run(
            "DELETE FROM chosen_blobs WHERE blob NOT IN"
            " (SELECT blob FROM rows WHERE selected AND usable AND blob IS NOT NULL)"
        )
    count: int = relations.one("SELECT count(*) FROM chosen_blobs")[0]
    return count
