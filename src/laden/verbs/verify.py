"""`verify`: list the container and hold it against its manifest; where asked, read blobs back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from laden.dataset.profile import known_profile
from laden.relations import Relations
from laden.report import Reporter
from laden.run.findings import FindingLog
from laden.run.loop import run
from laden.run.tally import Tally
from laden.stages.inventory import read_load, read_table
from laden.stages.manifest import MANIFEST
from laden.stages.proof import compare, read_back, to_read_back
from laden.store import open_store, parse_destination, without_secret
from laden.store.access import Access, Ask, Renewal
from laden.store.sas import lacking_for_verify
from laden.values.events import Observer, Started, Summary, ignore
from laden.values.records import Finding, Severity
from laden.verbs.runs import begun, path_of, teller

_SAMPLE = 100


def verify(
    destination: str,
    *,
    deep: Literal["sample", "all"] | None = None,
    connections: int | None = None,
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
) -> Summary:
    """Hold a container against the manifest in it: is all of it still there, unchanged?

    Args:
        destination: as in `load`.
        deep: read blobs back and hash them: all, or a sample of 100; by default the listing's MD5 is compared.
        connections: requests in flight at most; None to find out what the link bears.
        findings_file: CSV file for all findings; None writes none.
        report_file: HTML file to show what is there, sample images read back; None writes none.
        sas_command: a program that prints a SAS for the destination; run without a shell before the last one ends,
            when one is refused, and at first where there is none.
        ask_sas: asked for another SAS when one is not accepted any more, with the reason and a function that tells
            whether the answer is no longer wanted; called from a thread; an empty answer gives up.
        observer: called with each event.

    Returns:
        `images` in the manifest, of which `deleted` and `changed`; `foreign` blobs it does not know.

    Raises:
        LadenError: the destination cannot be read.
    """
    reporter = Reporter(path_of(report_file), observer)
    renewal = Renewal(sas_command, ask_sas)
    summary = Summary("verify", destination=without_secret(destination))
    with begun(summary, findings_file, reporter, reporter.observe) as (tally, log, relations):
        return run(_verify(destination, deep, connections, renewal, tally, log, relations, reporter))


async def _verify(
    destination: str,
    depth: Literal["sample", "all"] | None,
    connections: int | None,
    renewal: Renewal,
    tally: Tally,
    log: FindingLog,
    relations: Relations,
    reporter: Reporter,
) -> Summary:
    target = parse_destination(destination)
    access = Access(target, lacking_for_verify, renewal, tell=teller(reporter.observe))
    store = open_store(target, connections=connections, on_retry=tally.retry, sas=access.source)
    try:
        reporter.observe(Started("listing", without_secret(destination)))
        page = await read_load(store, relations)
        if page is None:
            log.add(
                Finding(
                    "manifest-missing",
                    Severity.ERROR,
                    "there is no manifest: no load was completed here",
                    blob=MANIFEST,
                )
            )
            return tally.finish()
        reporter.observe(Started("verify"))
        counts: Counter[str] = Counter()
        for finding in compare(relations, page):
            counts[finding.code] += 1
            log.add(finding)
        tally.note(images=relations.one("SELECT count(*) FROM known")[0], foreign=counts["blob-foreign"])
        if depth is not None:
            wanted = to_read_back(relations, _SAMPLE if depth == "sample" else None)
            async for found in read_back(store, wanted):
                if found is not None:
                    counts[found.code] += 1
                    log.add(found)
        tally.note(
            deleted=counts["blob-deleted"],
            changed=counts["blob-changed"] + counts["blob-bytes"],
            complete=True,
        )
        missing = page.rows - page.rows_with_image
        tally.note(rows=page.rows, matched=page.rows_with_image, missing=missing)
        if reporter.wanted:
            table = await read_table(store, relations, page)
            await reporter.look_at_destination(store, known_profile(page.profile), table)
        return tally.finish()
    finally:
        access.close()
        await store.close()
