"""What is told to whoever leaves something out, mixes it up, or runs laden where its own files lie."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from laden.cli import run_command
from laden.cli.usage import all_verbs
from tests.support.dataset import make_dataset

CONTAINER = "https://acct.blob.core.windows.net/padchest"


def told(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert run_command(list(line)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["load"], "SOURCE and DEST are missing: laden load FOLDER https://"),
        (
            ["load", "./padchest"],
            "DEST is missing: laden load ./padchest https://ACCOUNT.blob.core.windows.net/CONTAINER",
        ),
        (["load", "./padchest", "--dry-run"], "DEST is missing: laden load ./padchest"),
        (["load", CONTAINER], f"SOURCE is missing: laden load FOLDER {CONTAINER}"),
        (["load", CONTAINER + "?sig=abcdefgh"], f"SOURCE is missing: laden load FOLDER {CONTAINER}\n"),
        (["verify"], "DEST is missing: laden verify https://"),
        (["doctor"], "DEST is missing: laden doctor https://"),
        (["labels", "export", "-o", "x"], "DEST is missing: laden labels export https://"),
        (["check"], "SOURCE is missing: laden check FOLDER"),
        (["get", "./there"], "FOLDER is missing: laden get ./there FOLDER"),
        (["get"], "DEST and FOLDER are missing: laden get https://ACCOUNT.blob.core.windows.net/CONTAINER FOLDER"),
        (["fetch"], "FOLDER is missing: laden fetch LINK FOLDER"),
        (["fetch", "https://host/0.zip"], "FOLDER is missing: laden fetch https://host/0.zip FOLDER"),
        (["lock"], "SOURCE is missing: laden lock FOLDER -o FILE"),
        (["lock", "./a"], "-o or --output is missing: laden lock ./a -o FILE"),
        (["diff", "./a"], "B is missing: laden diff ./a B"),
        (["explore"], "DEST or FOLDER or SOURCE or ACCOUNT is missing: laden explore https://"),
        (["account", "create"], "NAME is missing: laden account create NAME -g RESOURCE_GROUP -l LOCATION"),
        (["prune"], "give one of --plan FILE (to see what would go) and --apply FILE (to do that)"),
    ],
)
def test_what_is_missing_is_named(line: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in told(capsys, *line)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["load", "a", "b", "--arcives", "0"], "there is no option --arcives: did you mean --archives"),
        (["load", "a", "b", "--sample", "x"], "--sample takes a whole number"),
        (["load", "a", "b", "--sample", "0"], "--sample takes 1 or more"),
        (["load", "a", "b", "--connections", "5000"], "--connections takes 1024 at most"),
        (["load", "a", "b", "--overwrite", "maybe"], "--overwrite is never or changed, and not 'maybe'"),
        (["check", "a", "--images", "x.txt"], "and not 'x.txt'; a list of images goes to --images-from"),
        (["load", "a", "b", "--where"], "--where needs a value behind it"),
        (["load", "a", "b", "--first", "1", "--first", "2"], "--first: it is given twice, and takes one value"),
        (["check", "a", "--archives", "0", "--archives=1"], "--archives: it is given twice, and takes one value"),
        (["select", "t.csv", "-o", "x", "--output", "y"], "--output: it is given twice, and takes one value"),
        (["account", "create", "a", "-g", "x", "-g", "y"], "--resource-group: it is given twice, and takes one value"),
        (["sas", "https://a.blob.core.windows.net/c", "--hours", "1", "--hours", "1"], "--hours: it is given twice"),
        (["load", "a", "b", "--workers", "99"], "--workers: '99' is neither auto nor a number from 1 to 64"),
        (["verify", "./a", "./b"], "there is more than this command takes: ./b"),
        (["register", "./a", "-g", "rg"], "-w or --workspace is missing"),
        (["sas", "https://a.blob.core.windows.net/c", "--hours", "x"], "--hours takes a number"),
        (["lod"], "there is no command 'lod': did you mean 'load'?"),
    ],
)
def test_a_slip_is_told_in_a_sentence(line: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    err = told(capsys, *line)
    assert err.startswith("laden: ")
    assert sentence in err
    assert err.splitlines()[1].endswith("-h shows what there is")
    for jargon in ("Input should", "Value error", "Invalid value", "Usage:"):
        assert jargon not in err


def test_no_verb_s_missing_words_are_told_in_those_of_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    groups = ("account", "container", "labels")
    verbs = [[verb] for verb in all_verbs().commands if verb not in groups]
    verbs += [[group, verb] for group in groups for verb in all_verbs().commands[group].commands]
    for verb in verbs:
        if any(one.required for one in _parameters(verb)):
            err = told(capsys, *verb)
            assert re.match(rf"laden: .* (is|are) missing: laden {' '.join(verb)} \S+", err), verb
            assert "Usage:" not in err


def _parameters(verb: list[str]) -> list[Any]:
    return [one for one in _command(verb).params if one.param_type_name == "argument"]


def _command(verb: list[str]) -> Any:
    command: Any = all_verbs()
    for word in verb:
        command = command.commands[word]
    return command


def every_verb() -> list[list[str]]:
    """The words of each, also of those below another one."""
    verbs: dict[str, Any] = all_verbs().commands
    below = [[name, *rest] for name, verb in verbs.items() for rest in ([one] for one in getattr(verb, "commands", ()))]
    return [[name] for name, verb in verbs.items() if not hasattr(verb, "commands")] + below


@pytest.mark.parametrize("wrong", [["--no-such-option"], []])
def test_what_is_wrong_is_told_to_programs_as_all_is(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line of JSON, the summary, for every verb, and nothing else."""
    count = 0
    for verb in every_verb():
        parameters = _command(verb).params
        takes_json = any("--json" in one.opts for one in parameters)
        if takes_json and (wrong or any(one.required for one in parameters)):
            assert run_command([*verb, "--json", *wrong]) == 2, verb
            assert_summary(capsys, " ".join(verb))
            count += 1
    assert count > 20


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (["laod", "a", "b", "--json"], ""),
        (["load", "a", "b", "--json", "--sample", "x"], "load"),
        (["list", CONTAINER, "-o", "-", "--json"], "list"),
        (["prune", "--json"], "prune"),
        (["sas", "inspect", "nothing", "--json"], "sas inspect"),
        (["sas", "make", CONTAINER, "--json"], "sas make"),
        (["get", "./none", "there", "--json", "--where", "x = 1", "--out", CONTAINER], "get"),
    ],
)
def test_so_is_whatever_else_is_wrong_usage(line: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(line) == 2
    assert_summary(capsys, command)


def assert_summary(capsys: pytest.CaptureFixture[str], command: str) -> None:
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert (summary["event"], summary["command"], summary["exit_code"], err) == ("summary", command, 2, ""), command
    assert summary["message"]


def test_every_option_of_every_verb_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in all_verbs().commands:
        assert run_command([verb, "--help"]) == 0
        out = capsys.readouterr().out
        assert not re.findall(r"<[a-z]+(?: range)?>|<list|\[x[<>]|Usage:.*[{<]", out), verb


@pytest.mark.parametrize("width", [60, 80, 120])
def test_help_cuts_no_word_and_no_example_at_any_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    groups = ("account", "container", "labels")
    verbs = [*([verb] for verb in all_verbs().commands), *([name, "-h"] for name in groups), [], ["account", "create"]]
    for verb in verbs:
        assert run_command([*verb, "--help"]) == 0
        out = capsys.readouterr().out
        # What does not fit, and may not be parted, is an address or a path.
        wide = [line for line in out.splitlines() if len(line) > width and "/" not in line]
        assert wide == [], verb
        assert not re.search(r"[a-z]\.\.\.$|\w-$", out, re.MULTILINE), verb
        for example in re.findall(r"^      laden .*(?:\\\n.*)*", out, re.MULTILINE):
            assert example.count('"') % 2 == 0, example


def test_a_report_speaks_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "src", {"0": 2})
    assert run_command(["report", "./nothing"]) == 2
    assert capsys.readouterr().err.startswith("laden report: nothing does not exist")
    assert run_command(["report", str(dataset.folder), "-o", "./nowhere/x.html"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("laden report: the report cannot be written to nowhere/x.html")
    assert "--output" in told
    assert "--report" not in told


def test_every_verb_stands_under_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--help"]) == 0
    shown = re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out.partition("Exit codes")[0], re.MULTILINE)
    assert sorted(shown) == sorted(all_verbs().commands)


def test_options_of_a_load_stand_in_groups_the_common_ones_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["load", "-h"]) == 0
    out = capsys.readouterr().out
    titles = re.findall(r"^([A-Z][^:\n]*):$", out, re.MULTILINE)
    assert titles == [
        "Arguments",
        "Options",
        "What of SOURCE, and how closely",
        "Which rows",
        "Several machines",
        "How requests reach DEST",
        "What is shown, and what is left behind",
    ]
    assert out.index("--dry-run") < out.index("--layout") < out.index("--where") < out.index("--json")


@pytest.mark.parametrize(
    "line",
    [
        ["load", "./nope", "./there"],
        ["load", ".", "./there", "--table", "./nope.csv"],
        ["check", "./nope"],
        ["check", ".", "--table", "./nope.zip"],
        ["select", "./nope.csv"],
        ["columns", "./nope.csv"],
        ["explore", "./nope", "--no-open"],
        ["init", "./nope"],
        ["lock", "./nope", "-o", "x.lock"],
        ["report", "./nope"],
        ["diff", "./nope", "./nowhere"],
        ["check", ".", "--lock", "./nope.lock"],
        ["check", ".", "--profile", "./nope.toml"],
        ["select", "./nope.csv", "--images-from", "./list.txt"],
    ],
)
def test_what_is_not_there_is_wrong_usage_whoever_is_told(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.dat").write_bytes(b"a")
    assert re.search(r"nope|nowhere", told(capsys, *line))


def test_a_run_may_have_a_folder_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "src", {"0": 2}, missing=1)
    assert run_command(["load", str(dataset.folder), "./dest", "--yes", "--out", "runs"]) == 3
    names = {"laden-findings.csv", "laden-findings.parquet", "laden-report.html", "laden-log.jsonl"}
    assert {path.name for path in (tmp_path / "runs").iterdir()} == names
    assert run_command(["check", "./src", "--out", "runs", "--findings", "./mine/x.csv"]) == 2, "no such folder"
    assert run_command(["check", "./src", "--out", "runs", "--findings", "x.csv"]) == 3
    assert (tmp_path / "runs/x.csv").exists()
    assert run_command(["verify", "./dest", "--out", "other"]) == 0
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["laden-log.jsonl"]
    assert not [path for path in tmp_path.iterdir() if path.is_file()]
    capsys.readouterr()


@pytest.mark.parametrize("out", ["https://acct.blob.core.windows.net/c", "taken", "no/such/folder"])
def test_a_folder_that_cannot_be_is_refused(out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_dataset(tmp_path / "src", {"0": 1})
    (tmp_path / "taken").write_text("mine")
    assert "--out" in told(capsys, "load", "./src", "./dest", "--out", out)
    assert not (tmp_path / "dest").exists()


def test_of_a_refused_command_its_folder_holds_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_dataset(tmp_path / "src", {"0": 1})
    told(capsys, "load", "./src", "padchest", "--out", "runs")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["laden-log.jsonl"]
    assert '"exit_code": 2' in (tmp_path / "runs/laden-log.jsonl").read_text()
    told(capsys, "load", "./src", "./dest", "--overwrite", "maybe", "--out", "other")
    assert not (tmp_path / "other").exists()


def test_source_and_destination_in_each_others_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "0.zip").touch()
    assert f"SOURCE and DEST are swapped: laden load ./src {CONTAINER}" in told(capsys, "load", CONTAINER, "./src")
    (tmp_path / "new").mkdir()
    assert "./src holds 0.zip, as a source does" in told(capsys, "load", "./new", "./src")
    assert [one.name for one in (tmp_path / "src").iterdir()] == ["0.zip"]


@pytest.mark.parametrize("word", ["", "--quiet"])
def test_a_refused_command_touches_nothing(word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "src", {"0": 2}, missing=1)
    assert run_command(["load", str(dataset.folder), "./dest", "--yes"]) == 3
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {"laden-findings.csv", "laden-findings.parquet", "laden-report.html"} <= set(before)
    for line in (
        ["load", "./src", "padchest"],
        ["load", "./src", "./dest", "--where", "Nothing = 1"],
        ["load", "./src", "https://files.evil.example/data"],
        ["load", "./nowhere", "./dest"],
        ["verify", "padchest"],
        ["check", "./src", "--profile", "none"],
        ["check", "./src", "--findings", "same", "--report", "./same"],
        ["verify", "./dest", "--findings", "same.csv", "--report", "same.parquet"],
        ["load", "./src", "./dest", "--findings", "same", "--report", "same"],
        ["check", "./src", "--log", "same", "--report", "same"],
        ["labels", "export", "./dest", "-o", "laden-findings.csv"],
    ):
        assert run_command([*line, *([word] if word else [])]) in (2, 5), line
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert after == before, line
    capsys.readouterr()


def test_a_folder_is_called_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "src", {"0": 1})
    assert run_command(["load", str(dataset.folder), "./dest", "--yes"]) == 0
    out = capsys.readouterr().out
    assert f"to a local folder, {tmp_path / 'dest'} (" in out
    assert "Complete and verified, in a local folder." in out
    assert run_command(["load", str(dataset.folder), "./dest", "--json"]) == 0
    plan = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if '"event": "plan"' in line)
    assert plan["place"].startswith("a local folder, ")


def test_ladens_own_files_are_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From within the source, again and again: as people do."""
    (tmp_path / "src").mkdir()
    for number in range(3):
        (tmp_path / "src" / f"{number}.txt").write_text(str(number))
    (tmp_path / "src" / "bad\\name.txt").write_text("not loaded: a finding")
    monkeypatch.chdir(tmp_path / "src")
    for _ in range(3):
        assert run_command(["load", ".", "../dest", "--profile", "files", "--yes"]) in (0, 3)
    there = {
        path.relative_to(tmp_path / "dest").as_posix() for path in (tmp_path / "dest").rglob("*") if path.is_file()
    }
    assert {path for path in there if not path.startswith((".", "_laden"))} == {"0.txt", "1.txt", "2.txt"}
    assert Path("laden-report.html").exists()
    assert "blob-conflict" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        ["select", "{table}", "--json", "--json"],
        ["check", "{folder}", "--exclude", "*.x", "--exclude", "*.y", "-q", "-q", "--out", "."],
        ["load", "--first", "1", "--first", "2", "--help"],
    ],
)
def test_what_may_be_repeated_is(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1})
    monkeypatch.chdir(tmp_path)
    assert run_command([word.format(table=dataset.table, folder=dataset.folder) for word in line]) == 0
    assert "twice" not in capsys.readouterr().err
