"""The verbs that change what is in a destination already, as typer declares them; what they do is in `changing`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from laden.cli.app import Overwrite, app
from laden.cli.face import Face
from laden.cli.given import doing, takes
from laden.cli.options import (
    EXIT_CODES,
    Changing,
    Dest,
    FollowLinks,
    LoadProfile,
    Metadata,
    Names,
    ProfileName,
    Renewing,
    Selecting,
    TableFile,
    TableName,
    Tags,
    Tier,
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]


def _which(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `Selecting` as the verbs' functions name them."""
    named = {name: options[name] for name in ("where", "marks_file", "sample", "by", "seed", "first")}
    return {**named, "images_file": options["images_from"]}


@app.command(epilog=EXIT_CODES, short_help="Remove, by a plan, what SOURCE no longer has from DEST.")
@takes(Renewing, Changing)
def prune(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="DEST SOURCE...", help="Where from, and the whole source that it should be like."),
    ] = None,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Write what would go to FILE.")] = None,
    apply: Annotated[
        Path | None, typer.Option("--apply", metavar="FILE", help="Carry out the plan in FILE, exactly.")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option("--max", metavar="N", min=1, help="With --apply: N blobs may go. Default: 1 %, and 1,000."),
    ] = None,
    without_undo: Annotated[
        bool, typer.Option("--without-undo", help="With --apply: also where nothing can be brought back.")
    ] = False,
    table: TableFile = None,
    profile: ProfileName = None,
    layout: Annotated[str | None, typer.Option("--layout", help="The load's, where it was not the profile's.")] = None,
    follow_links: FollowLinks = False,
    names: Names = None,
    dry_run: DryRun = False,
    **options: Any,
) -> None:
    """Remove from DEST what SOURCE no longer has: first a plan to read, then that plan and nothing else.

    What may go are images that laden sent, that its manifest names, and that no row, file or table names any more.
    The plan holds each with its ETag; a blob that changed since stays. Of a source not seen whole there is no plan.

        laden prune DEST ~/padchest --plan going.jsonl
        laden prune --apply going.jsonl
    """
    from laden.cli.changing import run_plan, run_prune

    face = Face.of(options)
    if (plan is None) == (apply is None):
        raise typer.BadParameter("give one of --plan FILE (to see what would go) and --apply FILE (to do that)")
    if plan is not None:
        if not places or len(places) < 2:
            raise typer.BadParameter("--plan needs DEST and SOURCE: laden prune DEST SOURCE --plan FILE")
        if most is not None or without_undo:
            raise typer.BadParameter("--max and --without-undo belong to --apply")
        read = {"table": table, "profile": profile, "layout": layout, "follow_links": follow_links, "names": names}
        raise typer.Exit(run_plan(places[0], places[1:], plan, {**doing(options), **read, "dry_run": dry_run}, face))
    assert apply is not None
    if len(places or ()) > 1 or any((table, profile, layout, follow_links, names)):
        raise typer.BadParameter("--apply takes the plan alone (and DEST, where its address holds a SAS)")
    wishes = {"most": most, "without_undo": without_undo, "dry_run": dry_run, **doing(options)}
    raise typer.Exit(run_prune(apply, places[0] if places else None, wishes, face))


@app.command(epilog=EXIT_CODES, short_help="Bring back what was deleted from DEST, where it was kept.")
@takes(Renewing, Changing)
def undelete(
    destination: Dest,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="What this plan of laden prune deleted.")
    ] = None,
    dry_run: DryRun = False,
    **options: Any,
) -> None:
    """Bring back what the manifest names and is gone, or with --plan what laden prune deleted.

    This needs soft delete or versioning in the account, switched on before the deletion. What comes back is held
    against the manifest. Nothing that is there is touched.
    """
    from laden.cli.changing import run_undelete

    face = Face.of(options)
    raise typer.Exit(run_undelete(destination, {"plan_file": plan, "dry_run": dry_run, **doing(options)}, face))


@app.command("set", epilog=EXIT_CODES, short_help="Tier, tags and metadata of images in DEST.")
@takes(Selecting, Renewing, Changing)
def set_properties(
    destination: Dest,
    tier: Tier = None,
    tag: Tags = None,
    metadata: Metadata = None,
    profile: LoadProfile = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="No question before anything is changed.")] = False,
    **options: Any,
) -> None:
    """Set tier, tags or metadata of the images in DEST: of all, or of those that rows of its table select.

    Values may be made of columns. What it costs is said before: early deletion, rehydration, requests. Other tags and
    metadata stay. Run it again to finish what was interrupted.

        laden set DEST --where "StudyDate_DICOM < DATE '2010-01-01'" --tier cool --tag 'projection={Projection}'
    """
    from laden.cli.changing import run_set

    face = Face.of(options)
    which = _which(options)
    wishes = {"tier": tier, "tags": tag or (), "metadata": metadata or (), "profile": profile}
    raise typer.Exit(run_set(destination, {**wishes, **which, "dry_run": dry_run, **doing(options)}, face, yes=yes))


@app.command(epilog=EXIT_CODES, short_help="Copy a loaded dataset, or a part, from FROM to DEST, proved.")
@takes(Selecting, Renewing, Changing)
def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="Where it was loaded to: a container's URL or a folder.")
    ],
    destination: Dest,
    overwrite: Annotated[
        Overwrite,
        typer.Option("--overwrite", help="A blob with other content in DEST: leave and list it, or replace it."),
    ] = Overwrite.never,
    tier: Tier = None,
    table_name: TableName = None,
    profile: LoadProfile = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="No question before copying.")] = False,
    **options: Any,
) -> None:
    """Copy a loaded dataset, or the part that rows of its table select, to another container or folder.

    The service of DEST takes the blobs itself where it can reach FROM, and refuses whatever is not the manifest's MD5;
    else they pass this machine. Table and manifest land last. Run it again to finish what was interrupted. A SAS for
    FROM stands in its URL or in LADEN_SOURCE_SAS, one for DEST in LADEN_SAS.

        laden copy https://A.blob.core.windows.net/padchest https://B.blob.core.windows.net/padchest
    """
    from laden.cli.changing import run_copy

    face = Face.of(options)
    which = _which(options)
    wishes: dict[str, Any] = {"overwrite": overwrite.value, "tier": tier, "profile": profile}
    wishes |= {"table_name": table_name, "dry_run": dry_run, **which, **doing(options)}
    raise typer.Exit(run_copy(source, destination, wishes, face, yes=yes))
