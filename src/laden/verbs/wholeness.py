"""Whether a source was surveyed whole, so that what it does not show may be called absent.

What is only not seen must never pass for what is not there: an archive that did not open, a folder that may not be
listed, a part that was left out on purpose.
"""

from __future__ import annotations

from laden.run.run import Run
from laden.stages.survey import Choice, Survey


def not_whole(run: Run, surveyed: Survey, choice: Choice) -> str:
    """Why nothing may be said of what a source does not show, as a sentence's end; empty where it was seen whole.

    To be asked as soon as it was surveyed: every error that the run has told by then counts.
    """
    if choice.archives is not None:
        return f"only the archives {choice.archives} were looked at"
    if surveyed.excluded or choice.scope.exclude or choice.scope.include:
        return "a part of it was left out with --exclude or --include"
    if surveyed.unreadable:
        return f"{surveyed.unreadable[0]} could not be read"
    if surveyed.absent:
        return f"the archive {surveyed.absent[0]} is not there"
    if run.log.needs_person:
        codes = ", ".join(sorted(run.log.counts))
        return f"it has findings that need a person ({codes})"
    if not run.relations.one("SELECT count(*) FROM entries")[0]:
        return "there is no file in it that could be loaded"
    return ""
