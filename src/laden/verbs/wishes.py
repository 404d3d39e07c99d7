"""What a person asked of a load, beyond source and destination, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from laden.dataset.images import Level, Phi
from laden.dataset.selection import Part
from laden.run.run import Run
from laden.stages.costs import of_tier
from laden.stages.plan import Plan
from laden.stages.properties import Values, Wishes
from laden.stages.survey import Choice, Survey
from laden.stages.transfer import Settings
from laden.store import FolderDestination
from laden.store.access import Renewal
from laden.store.cap import Cap
from laden.values.errors import UsageError
from laden.values.events import PlanReady, Warned
from laden.values.share import Share
from laden.values.units import plural
from laden.verbs.asked import level_of, one_of, phi_of
from laden.verbs.engines import Engine
from laden.verbs.identity import refuse_unlooked
from laden.verbs.opening import Opened


@dataclass(frozen=True, slots=True)
class LoadWishes:
    """What a person asked of a load, beyond source and destination."""

    choice: Choice
    settings: Settings
    compare_all: bool
    send_strays: bool
    connections: int | None
    cap: Cap | None
    engine: Engine
    share: Share | None
    dry_run: bool
    update: bool
    properties: Wishes
    renewal: Renewal
    confirm: Callable[[PlanReady], bool] | None
    asked: dict[str, Any]
    """For the history."""

    @property
    def overwrites(self) -> bool:
        """Whether also what others put there gives way."""
        return self.settings.replace_other and not self.update


def settings_of(images: Level, damaged: str, overwrite: str, phi: Phi, *, update: bool, tier: str) -> Settings:
    """How images are moved; raises UsageError."""
    if update and overwrite != "never":
        raise UsageError("--update replaces what laden put there, --overwrite changed what others did too: give one")
    settings = Settings(
        images=level_of(images),
        send_broken=one_of("damaged", damaged, ("send", "skip")) == "send",
        replace_other=update or one_of("overwrite", overwrite, ("never", "changed")) == "changed",
        phi=phi_of(phi),
        tier=tier,
    )
    refuse_unlooked(settings.phi, settings.images)
    return settings


def refuse_share(wishes: LoadWishes, there: Opened) -> None:
    """Refuse what several machines cannot do at once."""
    if wishes.share is None:
        return
    if isinstance(there.target, FolderDestination):
        raise UsageError("a share of a load goes to a container: a folder's notes have one writer")
    if wishes.settings.replace_other:
        replaces = "--update" if wishes.update else "--overwrite changed"
        raise UsageError(f"--share only creates: run {replaces} on one machine, without --share")


def values_of(run: Run, surveyed: Survey, there: Opened, wishes: Wishes) -> Values:
    """What each image is given beside its bytes."""
    if isinstance(there.target, FolderDestination) and (wishes.tier or wishes.tags):
        raise UsageError("--tier and --tag are for a container: a folder has neither")
    parts = [Part(placed.table, placed.shape, placed.rows.start - 1) for placed in surveyed.tables]
    values = Values(run.relations, wishes, parts, "(SELECT row, blob FROM rows WHERE selected)")
    run.add(values.findings())
    return values


def tell_properties(run: Run, ready: PlanReady, wishes: Wishes, *, replaces: bool) -> None:
    """Tell what a tier costs of what is sent, and that what is there keeps what it has.

    Args:
        run: it is told.
        ready: the plan.
        wishes: what images are to be given.
        replaces: whether what is compared, and is another one, is replaced.
    """
    if ready.send + ready.replace + (ready.compare if replaces else 0):
        for sentence in of_tier(wishes.tier):
            run.tell(Warned(sentence))
    kept = ready.already_there + (0 if replaces else ready.compare)
    if kept and (what := wishes.named):
        there = f"{plural(kept, 'image')} {'is' if kept == 1 else 'are'} there already and"
        keeps = "keeps" if kept == 1 else "keep"
        run.tell(Warned(f"{there} {keeps} the {what} of now: 'laden set' changes that of images that are there"))


def tell_no_longer(run: Run, plan: Plan, unseen: str) -> None:
    """Tell what the source no longer has; of one that was not seen whole, nobody knows."""
    if unseen:
        run.tell(Warned(f"what the source no longer has is not told, for it was not seen whole: {unseen}"))
    else:
        run.add(plan.no_longer())
