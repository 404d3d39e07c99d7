"""What a person should know of what became of a file that was to come."""

from __future__ import annotations

from laden.stages.download.wanted import Came, Fate
from laden.values.records import Finding, Severity

GONE = "it is gone where it is read from: run the load again to send it"


def replaced(name: str) -> Finding:
    """A file took the place of another one of laden's."""
    message = "it took the place of what an earlier get had brought, which nobody had touched"
    return Finding("get-replaced", Severity.INFO, message, blob=name)


def meaning(came: Came) -> list[Finding]:
    """What a person should know of what became of a file."""
    blob, reason = came.item.blob, came.reason
    match came.fate:
        case Fate.CAME | Fate.THERE:
            return []
        case Fate.REPLACED:
            return [replaced(blob)]
        case Fate.CONFLICT:
            return [Finding("get-conflict", Severity.ERROR, f"{reason}: move it away, or choose a folder", blob=blob)]
        case Fate.REFUSED:
            return [Finding("get-name", Severity.ERROR, f"it is not fetched: {reason}", blob=blob)]
        case Fate.DAMAGED:
            message = f"{reason}: nothing was written; see laden verify --deep all"
            return [Finding("blob-bytes", Severity.ERROR, message, blob=blob)]
        case Fate.CHANGED:
            message = f"{reason}: run the same command again"
            return [Finding("blob-changed", Severity.ERROR, message, blob=blob)]
        case Fate.GONE:
            return [Finding("blob-deleted", Severity.ERROR, GONE, blob=blob)]
    return [Finding("get-failed", Severity.ERROR, f"{reason}; run the same command again", blob=blob)]
