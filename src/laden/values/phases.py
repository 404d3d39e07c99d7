"""What each stage of a run is called for a person, wherever it is shown while it runs."""

from __future__ import annotations

PHASES = {
    "source": "Looking at the source",
    "archives": "Reading the archives' directories",
    "table": "Reading the table",
    "checksums": "Hashing what the publisher gave checksums of",
    "listing": "Listing the destination",
    "plan": "Holding rows, files and blobs against each other",
    "images": "Looking into every image",
    "measure": "Measuring the link",
    "word": "Leaving word at the destination",
    "transfer": "Sending",
    "download": "Fetching, each file against the manifest's MD5",
    "fetch": "Fetching, and proving each file",
    "reading": "Reading blobs back",
    "lock": "Reading what nothing in it vouches for",
    "verify": "Verifying: every blob's length and MD5 against what was sent",
    "noted": "Verifying: every file's length and time, and the MD5 noted with these",
    "manifest": "Writing table and manifest",
    "acting": "Changing blobs",
    "report": "Drawing the report",
}
