"""`aml promote` and the data that models are compared on, on this machine."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from aml.local import mlflow_store
from local.test_models import BETTER, GATE, GOOD, WORSE, Register, add_run, aml, files, listed, root, versions
from support import ENVIRONMENT, Repository

__all__ = ["aml", "root"]  # fixtures
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TEST_DATA = "outputs/test.csv"


def register(aml: Register, *arguments: str) -> int:
    return aml("register-model", "-n", "birds", *arguments)


def alias(root: Path) -> str:
    return str(mlflow_store.client(root).get_model_version_by_alias("birds", "champion").version)


def held(root: Path) -> dict[str, str | None]:
    return {number: tags.get("champion.held") for number, tags in versions(root).items()}


def test_from_then_on_the_champion_is_what_was_promoted(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    for metrics in (GOOD, BETTER):
        add_run(root, metrics)
        assert register(aml) == 0
    capsys.readouterr()
    assert aml("promote", "birds:1") == 0
    assert capsys.readouterr().out == "model birds: version 1 is the champion on this machine (before: version 2)\n"
    assert alias(root) == "1" and re.fullmatch(f"{TIME}/", held(root)["1"] or "")
    add_run(root, {**GOOD, "test_accuracy": 0.975})  # too bad for 2, good enough for 1
    assert register(aml) == 0
    assert "compared with version 1" in capsys.readouterr().err
    add_run(root, WORSE)
    assert register(aml) == 3
    assert "the champion is version 1" in capsys.readouterr().err
    assert aml("promote", "birds") == 0  # the newest one that passed
    assert capsys.readouterr().out == "model birds: version 3 is the champion on this machine (before: version 1)\n"
    assert alias(root) == "3" and re.fullmatch(f"{TIME}/{TIME}", held(root)["1"] or "") and held(root)["2"] is None
    assert aml("models") == 0
    rows = listed(capsys.readouterr().out)
    assert [row[5] for row in rows] == ["since", "test_accuracy=0.99", "until"]
    assert re.fullmatch(TIME, rows[0][6]) and rows[0][7:] == ["test_accuracy=0.975", "test_f1_macro=0.97"]
    assert rows[1][5:] == ["test_accuracy=0.99", "(+0.015)", "test_f1_macro=0.97", "(+0)"]


def test_again_nothing_changes_and_a_lost_alias_comes_back(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(root, GOOD)
    assert register(aml) == 0 and aml("promote", "birds") == 0
    before = {path: path.read_bytes() for path in files(root)}
    capsys.readouterr()
    assert aml("promote", "birds:1") == 0
    assert (
        capsys.readouterr().out
        == "model birds: version 1 is the champion on this machine already: nothing was changed\n"
    )
    assert {path: path.read_bytes() for path in files(root)} == before
    mlflow_store.client(root).delete_registered_model_alias("birds", "champion")
    assert aml("promote", "birds") == 0 and alias(root) == "1"


def test_what_the_gate_did_not_let_pass_has_to_be_forced(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(root, GOOD)
    assert register(aml) == 0
    add_run(root, WORSE)
    assert register(aml, "--force") == 0
    before = {path: path.read_bytes() for path in files(root)}
    capsys.readouterr()
    assert aml("promote", "birds:2") == 3
    assert capsys.readouterr().err.splitlines() == [
        "aml: the gate did not let version 2 of model birds pass:",
        "  test_accuracy 0.95 is worse than the champion's 0.98 by 0.03; the tolerance is 0.01",
        "  --force promotes it all the same",
    ]
    assert {path: path.read_bytes() for path in files(root)} == before
    assert aml("promote", "birds:2", "--force") == 0
    add_run(root, {**WORSE, "test_accuracy": 0.945})
    assert register(aml) == 0  # it is within the tolerance of what was forced


def test_a_version_from_before_there_was_a_gate(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(root / GATE, root / "kept")
    add_run(root, GOOD)
    assert register(aml) == 0
    assert aml("promote", "birds") == 2
    assert "no version of model birds passed the gate: name one" in capsys.readouterr().err
    assert aml("promote", "birds:1") == 0
    assert "version 1 was not judged by a gate" in capsys.readouterr().err
    shutil.move(root / "kept", root / GATE)
    add_run(root, GOOD)
    assert register(aml) == 0
    assert "not compared: version 1 has none of these metrics" in capsys.readouterr().err


def test_a_dry_run_changes_nothing(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(root, GOOD)
    assert register(aml) == 0
    before = {path: path.read_bytes() for path in files(root)}
    capsys.readouterr()
    assert aml("promote", "birds", "--dry-run") == 0
    said = capsys.readouterr()
    assert said.out == "" and said.err == "model birds: version 1 would be the champion on this machine\n"
    assert {path: path.read_bytes() for path in files(root)} == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["birds"], "model birds has no version: aml register-model -n birds"),
        (["birds:x"], "model birds:x: the version should be a number, such as birds:1"),
        (["a b"], "model 'a b': should be"),
        (["birds", "--registry", "a b"], "--registry 'a b': should be 3-33 letters"),
        (["birds", "--to-workspace", "x/y"], "--to-workspace x/y: should be SUBSCRIPTION/GROUP/WORKSPACE"),
        (["birds", "--to-workspace", "x/y/zzz"], "--to-workspace 'x': should be a UUID"),
    ],
)
def test_what_is_asked_for_is_refused_before_anything_is_written(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    before = files(root)
    assert aml("promote", *arguments) == 2
    said = capsys.readouterr().err
    assert says in said and len(said.splitlines()) == 1
    assert files(root) == before


@pytest.mark.slow
def test_two_promote_at_once(repository: Repository) -> None:
    """One waits for the other: both succeed, one after the other, and the last one is the champion."""
    for metrics in (GOOD, BETTER):
        add_run(repository.path, metrics)
        repository.aml("register-model", "-n", "birds")
    options: Any = {"cwd": repository.path, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(repository.command("promote", f"birds:{n}"), text=True, **options) for n in (1, 2)]
    said = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    tags = versions(repository.path)
    last = max(tags, key=lambda number: int(tags[number]["champion.number"]))
    assert sorted(one["champion.number"] for one in tags.values()) == ["1", "2"] and alias(repository.path) == last
    opened = [number for number, one in tags.items() if one["champion.held"].endswith("/")]
    assert opened == [last]


# The data that models are compared on

SCORE = """

def score(model, test_data):
    rows = test_data.read_text().split()
    return {"test_accuracy": float(model.read_text().split("=")[1]) - 0.01 * len(rows), "test_f1_macro": 0.97}
"""


def measured(root: Path, metrics: dict[str, float], rows: str | None, quality: float = 1.0) -> str:
    """A run with this model and these rows of test data."""
    run = add_run(root, metrics)
    (root / "runs" / run / "outputs" / "model.pkl").write_text(f"quality={quality}", encoding="utf-8")
    if rows is not None:
        (root / "runs" / run / TEST_DATA).write_text(rows, encoding="utf-8")
    return run


def write_score(root: Path, score: str) -> None:
    text = (root / GATE).read_text(encoding="utf-8")
    (root / GATE).write_text(re.sub(r"\n\ndef score.*?\n(?=\n\nif )", score, text, flags=re.DOTALL), encoding="utf-8")


def test_on_the_same_data_metrics_are_compared(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    write_score(root, "\n\ndef score(model, test_data):\n    raise RuntimeError('nobody asks')\n")
    measured(root, GOOD, "a b")
    assert register(aml) == 0
    assert re.fullmatch("[0-9a-f]{64}", versions(root)["1"]["gate.test_data"])
    measured(root, BETTER, "a b")
    capsys.readouterr()
    assert register(aml, "--report", "report.json") == 0
    said = capsys.readouterr().err
    assert said == "gate: passed, compared with version 1: test_accuracy=0.99 (+0.01) test_f1_macro=0.97 (+0)\n"
    tags = versions(root)
    assert tags["1"]["gate.test_data"] == tags["2"]["gate.test_data"] and tags["2"]["gate.comparison"] == "same data"
    report = json.loads((root / "report.json").read_text(encoding="utf-8"))
    assert (report["comparison"], report["test_data"]) == ("same data", tags["2"]["gate.test_data"])


@pytest.mark.parametrize("kept", ["other rows", None])
def test_on_other_data_the_champion_is_scored_again(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], kept: str | None
) -> None:
    """It was measured on other data, or that was not kept; by its own metrics the candidate would pass, or fail."""
    write_score(root, SCORE)
    measured(root, {**GOOD, "test_accuracy": 0.91}, kept)
    assert register(aml) == 0
    measured(root, {**GOOD, "test_accuracy": 0.96}, "a b")  # the champion has 0.98 there
    before = files(root)
    capsys.readouterr()
    assert register(aml) == 3
    first, reason, _ = capsys.readouterr().err.splitlines()
    assert first.endswith("(the champion is version 1; scored again on this run's test data):")
    assert reason == "  test_accuracy 0.96 is worse than the champion's 0.98 by 0.02; the tolerance is 0.01"
    assert files(root) == before and list(versions(root)) == ["1"]
    measured(root, {**GOOD, "test_accuracy": 0.905}, "a b c d e f g h i")  # a hard test: the champion has 0.91
    assert register(aml) == 0
    assert "compared with version 1 (scored again on this run's test data): " in capsys.readouterr().err
    tags = versions(root)["2"]
    assert (tags["gate.champion.test_accuracy"], tags["gate.comparison"]) == ("0.91", "scored again")


def without_score(root: Path, run: str) -> None:
    write_score(root, "")


def without_the_model(root: Path, run: str) -> None:
    (root / "runs" / run / "outputs" / "model.pkl").unlink()


def with_another_model(root: Path, run: str) -> None:
    (root / "runs" / run / "outputs" / "model.pkl").write_text("no number", encoding="utf-8")


def with_a_score_that_is_none(root: Path, run: str) -> None:
    write_score(root, "\n\ndef score(model, test_data):\n    return None\n")


def with_other_metrics(root: Path, run: str) -> None:
    write_score(root, "\n\ndef score(model, test_data):\n    return {'loss': 1}\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_score, r"register_model\.py:1: function score\(model, test_data\) is missing"),
        (without_the_model, r"its model, runs.+model\.pkl, is gone"),
        (with_another_model, r"register_model\.py:\d+: IndexError: list index out of range"),
        (with_a_score_that_is_none, r"register_model\.py:\d+: score returned None: it should return a dict of numbers"),
        (with_other_metrics, "score returned none of the metrics that the run logged"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_why(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], change: Any, says: str
) -> None:
    write_score(root, SCORE)
    champion = measured(root, GOOD, "a b")
    assert register(aml) == 0
    change(root, champion)
    measured(root, {**BETTER, "test_f1_macro": 0.5}, "c")
    before = files(root)
    capsys.readouterr()
    assert register(aml, "--report", "report.json") == 3
    first, limit, reason, advice = capsys.readouterr().err.splitlines()
    assert first.endswith("(the champion is version 1):") and advice == "  --force registers it all the same"
    assert limit == "  test_f1_macro 0.5 is below its limit 0.85"  # its limits hold all the same
    assert "not comparable with the champion, version 1, which was measured on other test data: " in reason
    assert re.search(says, reason)
    assert json.loads((root / "report.json").read_text(encoding="utf-8"))["comparison"] == "impossible"
    (root / "report.json").unlink()
    assert files(root) == before and list(versions(root)) == ["1"]
    assert register(aml, "--force") == 0
    assert "gate: forced, not compared with version 1: test_accuracy=0.99" in capsys.readouterr().err
    assert versions(root)["2"]["gate.comparison"] == "impossible"


def test_a_run_that_kept_no_test_data_is_compared_as_it_is(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(root, GOOD, "a b")
    assert register(aml) == 0
    measured(root, BETTER, None)
    capsys.readouterr()
    assert register(aml) == 0
    said = capsys.readouterr().err
    assert said.startswith("gate: passed, compared with version 1 (whether both had the same test data is not known): ")
    assert len(said.splitlines()) == 1 and "gate.test_data" not in versions(root)["2"]


@pytest.mark.parametrize(("line", "says"), [("5", ": TEST_DATA: write a plain string"), ('"../x"', "leads out of")])
def test_test_data_that_is_no_file_of_a_run(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    text = (root / GATE).read_text(encoding="utf-8")
    (root / GATE).write_text(
        re.sub("^TEST_DATA = .*$", f"TEST_DATA = {line}", text, flags=re.MULTILINE), encoding="utf-8"
    )
    add_run(root, GOOD)
    assert register(aml) == 2
    assert says in capsys.readouterr().err and versions(root) == {}


def test_the_test_data_are_no_model(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    run = measured(root, GOOD, "a b")
    folder = root / "runs" / run / "outputs"
    (folder / "model.pkl").rename(folder / "other.bin")
    assert register(aml) == 0
    assert "registering outputs/other.bin, the only model there is" in capsys.readouterr().err
    (folder / "other.bin").unlink()
    assert aml("register-model", "-n", "others") == 2
    assert (
        "made no outputs/model.pkl, nor another model: let the code save one below outputs/" in capsys.readouterr().err
    )


@pytest.mark.slow
def test_the_example_scores_its_champion_again(repository: Repository) -> None:
    """The shipped code: two splits of the data, so two tests; the champion gets on the second what train.py says."""
    for seed, said in (("0", "there is no champion yet"), ("1", "scored again on this run's test data")):
        command = f"python train.py --data-path ${{{{inputs.data}}}} --seed {seed}"
        repository.submit(command, code="src", inputs={"data": {"type": "uri_folder", "path": "sample-data"}})
        assert said in repository.aml("register-model", "-n", "birds").stderr
    tags = versions(repository.path)
    assert tags["1"]["gate.test_data"] != tags["2"]["gate.test_data"]
    (_, second) = sorted((repository.path / "runs").glob("2*/outputs/test.csv"))
    with second.open(encoding="utf-8") as stream:
        assert next(csv.reader(stream))[-1] == "species"
    assert float(tags["2"]["gate.champion.test_accuracy"]) > 0.9
