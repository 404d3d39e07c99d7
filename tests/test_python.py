"""laden from Python: what Tab shows, what results look like, what options may be, and progress in a notebook."""

from __future__ import annotations

import io
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import laden
from laden import notebook
from laden.values.errors import UsageError
from laden.values.events import Event, Found, Started, Summary, Warned
from laden.values.phases import PHASES
from laden.values.records import Finding, Severity
from laden.values.signs import Counted, Progress
from tests.cli.test_cli import PLAN
from tests.support.dataset import make_dataset


def test_tab_shows_all_that_there_is() -> None:
    import laden.verbs.load  # its module becomes an attribute of the package, and is none of what people use

    assert dir(laden) == sorted(laden.__all__)
    for name in laden.__all__:
        assert getattr(laden, name) is not None
    assert re.match(r"\d+\.\d+", laden.__version__)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        laden.laod  # type: ignore[attr-defined]  # noqa: B018


def test_no_name_is_a_package_s() -> None:
    """Whoever imports a module of such a package would find it where the function was."""
    packages = {module.name for module in pkgutil.iter_modules(laden.__path__)}
    assert not packages & set(laden.__all__)


def test_a_result_says_what_there_is_to_say(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2}, missing=1)
    summary = laden.load(dataset.folder, "./there")
    assert repr(summary).startswith("Summary(rows=3, matched=2, missing=1, images=2, command='load'")
    assert "conflicts" not in repr(summary)
    assert "<th>missing</th><td>1</td>" in summary._repr_html_()
    assert "1 image-missing" in summary._repr_html_()
    hostile = Summary("load", message="<script>", source="<b>")
    assert "<script>" not in hostile._repr_html_()
    facts = laden.columns(dataset.folder, ["Projection"])
    assert "Projection text" in repr(facts)
    assert "<td>Projection</td>" in facts._repr_html_()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda source: laden.load(source, "./there", overwrite="sometimes"), "overwrite"),
        (lambda source: laden.load(source, "./there", compare="never"), "compare"),
        (lambda source: laden.load(source, "./there", strays="keep"), "strays"),
        (lambda source: laden.load(source, "./there", damaged="drop"), "damaged"),
        (lambda source: laden.load(source, "./there", images="deep"), "images"),
        (lambda source: laden.load(source, "./there", phi="ask"), "phi"),
        (lambda source: laden.load(source, "./there", report_images="all"), "report_images"),
        (lambda _: laden.verify("./there", deep="some"), "deep"),
        (lambda _: laden.export_labels("./there", "l.csv", form="xml"), "form"),
        (
            lambda _: laden.register("https://a.blob.core.windows.net/c", "w", "g", credential="password"),
            "credential",
        ),
    ],
)
def test_a_word_that_is_none_of_an_options_is_refused(
    call: Callable[[Path], object], name: str, tmp_path: Path
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1})
    with pytest.raises(UsageError, match=f"{name} is '.*': give one of"):
        call(dataset.folder)
    assert not Path("there").exists()


def test_an_option_that_is_none_is_refused_with_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"there is no argument 'archvies': did you mean archives\?"):
        laden.load(tmp_path, "./there", archvies="0")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"there is no argument 'dryrun': did you mean dry_run\?"):
        laden.load(tmp_path, "./there", dryrun=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"there is no argument 'obsever': did you mean observer\?"):
        laden.status("./there", obsever=print)  # type: ignore[call-arg]


def test_where_nothing_is_near_all_is_named_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"no argument 'xyzzy': there are source, .*dry_run.*archives") as told:
        laden.load(tmp_path, "./there", xyzzy=1)  # type: ignore[call-arg]
    assert {"damaged", "images", "where", "lock"} <= set(re.findall(r"\w+", str(told.value)))


def test_a_place_may_be_a_path(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    for there in (Path("bare"), tmp_path / "whole"):
        assert laden.load(dataset.folder, there).exit_code == 0
        assert laden.verify(there).exit_code == 0
        assert laden.status(there).complete
        assert laden.history(there)
        assert laden.list(there).images == 2
        assert laden.get(there, tmp_path / "back" / there.name).exit_code == 0
        assert len(laden.open(there)) == 2
        assert laden.diff(there, dataset.folder).exit_code == 0
        assert laden.export_labels(there, f"{there.name}.jsonl")
        assert laden.plan_prune(there, dataset.folder, plan_file=f"{there.name}.parquet", dry_run=True).exit_code == 0


def test_a_path_that_was_an_address_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"https://a\.blob\.core\.windows\.net/c"):
        laden.load(tmp_path, Path("https://a.blob.core.windows.net/c"))
    assert not Path("https:").exists()


EVENTS: list[Event] = [
    Started("table", "t.csv"),
    Counted(5, "rows read"),
    PLAN,
    Started("transfer"),
    Progress(1, 2, 250_000_000, 10**9, 5.0, 0, bytes_per_s=50e6),
    Found(Finding("image-missing", Severity.ERROR, "<it> is not here")),
    Warned("<beware>"),
    Summary("load", images=2, complete=True),
]


def test_without_a_notebook_lines_are_printed() -> None:
    now_s = 0.0
    out = io.StringIO()
    see = notebook.progress(lambda: now_s, out)
    for event in EVENTS:
        now_s += 11
        see(event)
    lines = out.getvalue().splitlines()
    assert lines[0] == PHASES["table"]
    assert "Sending: 250 MB of 1.0 GB, 15 s left, 50.0 MB/s" in lines
    assert "Warning: <beware>" in lines
    assert lines[-1] == "Summary(images=2, command='load', complete=True, exit_code=0)"


def test_in_a_notebook_one_output_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """With IPython's own display; only the kernel's transport is not here."""
    drawn: list[str] = []

    class Handle:
        def update(self, shown: Any) -> None:
            drawn.append(shown.data)

    def display(shown: Any, *, display_id: bool) -> Handle:
        assert display_id
        drawn.append(shown.data)
        return Handle()

    now_s = 0.0
    monkeypatch.setattr(notebook, "_display", lambda: display)
    see = notebook.progress(lambda: now_s)
    for event in EVENTS:
        now_s += 1
        see(event)
    assert PHASES["table"] in drawn[0]
    assert any('<progress value="0.2500" max="1">' in text and "15 s left" in text for text in drawn)
    assert any("1 image-missing" in text for text in drawn)
    assert "&lt;beware&gt;" in drawn[-1]
    assert "<th>images</th><td>2</td>" in drawn[-1]


def test_a_plan_is_told(tmp_path: Path) -> None:
    out = io.StringIO()
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    laden.load(dataset.folder, "./there", observer=notebook.progress(out=out))
    assert "2 images to be sent" in out.getvalue()
