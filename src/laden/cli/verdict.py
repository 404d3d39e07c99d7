"""The last line of a run: one sentence that claims what was done and looked at, and nothing else."""

from __future__ import annotations

from laden.values.commands import command
from laden.values.errors import ExitCode
from laden.values.events import PlanReady, Summary
from laden.values.units import plural, size


def verdict(summary: Summary, plan: PlanReady | None) -> str:
    """How a run ended that raised nothing; empty where the counts say it all.

    Args:
        summary: of the run; its `message` is empty.
        plan: what the run told of its plan, where it made one.
    """
    needs_person = summary.exit_code == ExitCode.FINDINGS
    match summary.command:
        case "load":
            return _loaded(summary, plan, needs_person=needs_person)
        case "copy":
            return _copied(summary, plan, needs_person=needs_person)
        case "get" | "fetch" as verb:
            return (_got if verb == "get" else _fetched)(summary, needs_person=needs_person)
        case "lock" if summary.complete:
            told = "; the findings above need a person" if needs_person else ""
            return f"Locked: {plural(summary.images, 'file')}, of {summary.matched:,} the MD5 too{told}."
        case "check" if not needs_person:
            return _checked(summary, plan)
        case "verify" | "diff" as verb:
            return (_verified if verb == "verify" else _compared)(summary, needs_person=needs_person)
        case "select" if not needs_person:
            return "" if summary.complete else "Nothing was written. -o small.csv writes these rows."
        case "history" if not (needs_person or summary.complete):
            return "Nothing is recorded here."
        case "prune" | "undelete" | "set" if not needs_person:
            return "" if summary.complete else "Nothing was changed."
        case verb:
            fine, wrong = _OF_STATES.get(verb, ("", _NEEDS_PERSON))
            return wrong if needs_person else fine


_NEEDS_PERSON = "The findings above need a person."
_OF_STATES = {
    "history": ("The chain of records holds.", "Somebody changed the history."),
    "list": ("", ""),
}
"""Of verbs that change nothing: where all is as it should be, and where it is not."""


def _loaded(summary: Summary, plan: PlanReady | None, *, needs_person: bool) -> str:
    told = "; the findings above need a person" if needs_person else ""
    if summary.share:
        what = f"What could be sent of share {summary.share}" if needs_person else f"Share {summary.share}"
        done = f"{what} is there and verified{told}."
        return f"{done} Once all shares are, the same command without --share lands table and manifest."
    if not summary.complete:
        if plan is None:
            return "Nothing was sent."
        would = f"{plural(plan.send + plan.replace, 'image')} ({size(plan.bytes_to_send)}) would be sent"
        if plan.compare:
            would += f", {plural(plan.compare, 'image')} read and compared with what is there"
        return f"Dry run: nothing was sent. {would}{told}."
    if needs_person:
        return "What could be loaded is there and verified; the findings above need a person."
    return "Complete and verified." if "://" in summary.destination else "Complete and verified, in a local folder."


def _got(summary: Summary, *, needs_person: bool) -> str:
    if not summary.complete:
        return "Dry run: nothing was fetched."
    if needs_person:
        return "What could be fetched is there, each file proved; the findings above need a person."
    return (
        "All there, byte for byte." if "get-unproved" not in summary.findings else "All there, as far as it is known."
    )


def _fetched(summary: Summary, *, needs_person: bool) -> str:
    if not summary.complete:
        return "Dry run: nothing was fetched."
    if needs_person:
        return "What is whole is there; the findings above need a person."
    if "fetch-unproved" in summary.findings:
        return "All there; nothing vouches for what is told above."
    return "All there, and proved."


def _checked(summary: Summary, plan: PlanReady | None) -> str:
    """Only what was looked at fits: names and lengths, or the images too."""
    if plan is None:
        return "Nothing was looked at."
    told = "Table and archives fit" if plan.table else f"{plural(summary.images, 'file')} can be loaded"
    if not summary.examined:
        return f"{told}; no image was looked into (--images structure or pixels does that)."
    looked = plural(summary.examined - summary.unseen, "image")
    if not summary.unseen:
        return f"{told}; {looked} looked into, and whole."
    return f"{told}; {looked} looked into, {plural(summary.unseen, 'file')} not: nobody knows whether they are whole."


def _compared(summary: Summary, *, needs_person: bool) -> str:
    if needs_person and summary.images == summary.matched:
        return "What both hold is the same; what is named above was not compared."
    if needs_person:
        return "Not the same."
    return "The images are the same; tables and copied files were not compared." if summary.unseen else "The same."


def _verified(summary: Summary, *, needs_person: bool) -> str:
    if "manifest-changed" in summary.findings:
        return "The manifest itself was changed: no image was held against it."
    if needs_person and not summary.complete:
        return "There is no manifest to go by, so nothing was held against it."
    if needs_person and "blob-archived" in summary.findings and summary.findings.keys() <= _NO_DIFFERENCE:
        return "What could be read is as the manifest says; the findings above need a person."
    if needs_person:
        return "Not as the manifest says."
    if not summary.by_notes:
        return "All there, unchanged." if summary.images else "The manifest names no image."
    read = f"{plural(summary.examined, 'image')} read back" if summary.examined else "no image was read back"
    whole = command("verify", summary.destination, "--deep", "all")
    return f"All there, by length, time and the MD5 noted with them; {read} ({whole} reads every byte)."


_NO_DIFFERENCE = {"blob-archived", "blob-foreign", "blob-link", "history-behind", "history-missed"}
"""Findings of `verify` that tell of no image or document that is another one than the manifest says."""


def _copied(summary: Summary, plan: PlanReady | None, *, needs_person: bool) -> str:
    if not summary.complete:
        would = f"{plural(plan.to_settle, 'image')} ({size(plan.bytes_to_send)}) would be copied" if plan else ""
        return f"Dry run: nothing was copied. {would}.".replace(" .", "")
    return (
        "What could be copied is there; the findings above need a person." if needs_person else "Copied and verified."
    )
