"""Values of a command line that are what they are declared as cost no validator, and all others are judged as ever."""

import subprocess
import sys

import pytest
import typer

from laden.cli.usage import all_verbs

PARSED = """
import sys
from laden.cli.usage import all_verbs

all_verbs().commands["fetch"].make_context("fetch", ["https://host/0.zip", "to", "--checksums", "sums.txt"])
context = all_verbs().commands["load"].make_context("load", ["a", "b", "--table-name", "x.csv", "--tag", "a=b"])
given = {name: context.params[name] for name in ("source", "destination", "table_name", "tag", "overwrite", "first")}
print(sorted(f"{name}={value!r}" for name, value in given.items()))
print("pydantic" in sys.modules)
"""


def test_what_needs_no_judgement_imports_no_validator() -> None:
    """Those that are not given stay what they are declared as, and nothing but plain values is there."""
    done = subprocess.run([sys.executable, "-c", PARSED], capture_output=True, text=True, check=True, timeout=60)
    parsed, validator = done.stdout.splitlines()
    assert "source=['a']" in parsed
    assert "destination='b'" in parsed
    assert "first=None" in parsed
    assert validator == "False"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--first", "0"], "greater than or equal to 1"),
        (["--first", "x"], "integer"),
        (["--connections", "2000"], "1024"),
        (["--overwrite", "all"], "never"),
    ],
)
def test_what_has_to_be_judged_is(options: list[str], told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        all_verbs().commands["load"].make_context("load", ["a", "b", *options])
