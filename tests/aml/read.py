"""Runs in the environment of `mltable`: reads an MLTable as a training job does, and prints what it found as JSON.

python read.py FOLDER            what mltable makes of MLTable and labels
python read.py FOLDER SNIPPET    runs a notebook's cell, which has to define `table` and `labels`
"""

import json
import sys
from pathlib import Path


def told(frame):
    """Each row's image, as Azure ML would go and get it, its details and labels."""
    return [
        {
            "handler": row["image_url"].handler,
            "resource": row["image_url"].resource_identifier,
            "arguments": row["image_url"].arguments,
            "details": row["image_details"],
            "labels": list(row["label"]),
        }
        for row in frame.to_dict("records")
    ]


def main() -> None:
    """Print one JSON object."""
    if len(sys.argv) > 2:
        cell = {}
        exec(Path(sys.argv[2]).read_text("utf-8"), cell)
        found = {"labels": told(cell["labels"]), "ids": list(cell["table"]["ImageID"]), "rows": len(cell["table"])}
    else:
        import mltable

        found = {"labels": told(mltable.load(sys.argv[1]).to_pandas_dataframe())}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
