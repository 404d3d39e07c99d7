"""What is given to a public function is held against its annotations, before anything else is done."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import laden
from laden.values.arguments import _arguments, checked
from laden.values.errors import LadenError, UsageError
from tests.support.dataset import make_dataset

NO_VERBS = {"LadenError", "Summary", "__version__", "progress"}
VERBS = sorted(set(laden.__all__) - NO_VERBS)


def _names(function: Callable[..., Any]) -> Iterator[str]:
    """Each argument of a function, also those that a group of keywords has."""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            (group,) = get_type_hints(function)[name].__args__
            yield from get_type_hints(group)
        else:
            yield name


@pytest.mark.parametrize("verb", VERBS)
def test_each_argument_of_each_public_function_is_checked(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function = getattr(laden, verb)
    assert hasattr(function, "__wrapped__"), "write @checked above it"
    needed = {
        one.name: "./x"
        for one in inspect.signature(function).parameters.values()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    }
    for name in _names(function):
        for wrong in (object(), 1.5, b"bytes", [object()]):
            with pytest.raises(UsageError, match=f"^{name} takes .*, and was given "):
                function(**{**needed, name: wrong})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"first": "2"}, "first takes a whole number of 1 or more or None, and was given a str"),
        ({"first": True}, "first takes a whole number of 1 or more or None, and was given True"),
        ({"first": 0}, "and was given 0"),
        ({"sample": 1.5}, "sample takes a whole number of 1 or more or None, and was given 1.5"),
        ({"workers": 0}, "workers takes a whole number from 1 to 64 or None, and was given 0"),
        ({"workers": 65}, "and was given 65"),
        ({"connections": 1025}, "connections takes a whole number from 1 to 1024 or None"),
        ({"archives": [0]}, "archives takes text or None, and was given a list"),
        ({"exclude": "*.txt"}, "exclude takes a list of text, and was given a str"),
        ({"tags": [1]}, "tags takes a list of text, and was given a list"),
        ({"dry_run": "no"}, "dry_run takes True or False, and was given a str"),
        ({"observer": 5}, "observer takes a function, and was given 5"),
        ({"overwrite": None}, "overwrite takes one of 'never', 'changed', and was given None"),
        ({"table": 5}, "table takes text or a path or None, and was given 5"),
    ],
)
def test_it_says_what_is_taken(given: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(LadenError) as refused:
        laden.load(tmp_path, "./there", **given)
    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("source", "given"), [(None, "None"), (5, "5"), ([5], "a list"), ((x for x in "ab"), "a generator")]
)
def test_a_source_is_one_path_or_a_list_of_them(source: Any, given: str) -> None:
    with pytest.raises(UsageError, match=f"source takes text or a path or a list of text or a path, .*given {given}"):
        laden.load(source, "./there")


def test_no_value_is_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        laden.load(tmp_path, ["https://a.blob.core.windows.net/c?sig=SECRETSECRET"])  # type: ignore[arg-type]
    assert "SECRET" not in str(refused.value)


def test_numbers_of_numpy_and_any_collection_are_taken(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    there = str(tmp_path / "there")
    summary = laden.load(
        {dataset.folder}, there, first=np.int64(2), exclude={"*.txt"}, workers=1, observer=[].append, dry_run=True
    )  # type: ignore[misc]
    assert summary.rows == 2
    assert (summary.matched, summary.exit_code) == (2, 0)


def test_what_python_itself_refuses_stays_its_own() -> None:
    def verb(place: str, *, count: int = 1) -> str:
        return place * count

    call: Callable[..., str] = checked(verb)
    assert (call("a", count=2), call("b")) == ("aa", "b")
    for wrong in (partial(call), partial(call, "a", "b"), partial(call, "a", conut=1)):
        with pytest.raises(TypeError):
            wrong()
    assert list(_arguments(verb, inspect.signature(verb), {"place": "a"})) == [("place", str, "a")]
