"""Registering on this machine through the gate of the repository."""

import json
import math
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from aml.cli import main as cli
from aml.jobfile.document import Document
from aml.jobfile.job import Job
from aml.local import mlflow_store, runs
from aml.run import new_id
from support import ENVIRONMENT, GENERATED, Repository

Register = Callable[..., int]
GATE = "scripts/register_model.py"
GOOD = {"test_accuracy": 0.98, "test_f1_macro": 0.97}
BETTER = {"test_accuracy": 0.99, "test_f1_macro": 0.97}
WORSE = {"test_accuracy": 0.95, "test_f1_macro": 0.97}
FIRST_RUN = "20261126-120000-00000a"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the shipped gate, as the working folder."""
    folder = tmp_path / "a model"
    (folder / "aml_config").mkdir(parents=True)
    shutil.copytree(GENERATED / "scripts", folder / "scripts")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def aml() -> Iterator[Register]:
    """Run a verb in this process; returns its exit status."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda *arguments: cli.main([str(argument) for argument in arguments])
    for number, handler in before.items():
        signal.signal(number, handler)


def add_run(root: Path, metrics: dict[str, float], run_id: str | None = None) -> str:
    """A run that finished, with its model and these metrics; returns its id."""
    run_id = run_id or new_id()
    folder = root / "runs" / run_id
    (folder / "outputs").mkdir(parents=True)
    (folder / "outputs" / "model.pkl").write_text(run_id)
    run = mlflow_store.create_run(root, "birds", run_id, run_id, folder.as_uri(), {})
    mlflow_store.update_run(run, "finished", metrics=metrics, params={"c": "1"})
    return run_id


def write_gate(root: Path, body: str) -> None:
    text = "from aml.cli.register_model import main\n\n\ndef reasons_against(candidate, champion):\n"
    (root / GATE).write_text(text + body, encoding="utf-8")


def versions(root: Path) -> dict[str, dict[str, str]]:
    """The tags of each version of the model."""
    found = mlflow_store.client(root).search_model_versions("name = 'birds'")
    return {str(version.version): dict(version.tags) for version in found}


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".register.lock")


def listed(said: str) -> list[list[str]]:
    return [line.split() for line in said.splitlines()[1:]]


def test_the_first_model_is_judged_by_its_limits(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    run = add_run(root, GOOD)
    assert aml("register-model", "-n", "birds") == 0
    said = capsys.readouterr()
    assert said.out == f"model birds, version 1: outputs/model.pkl of run {run}\n"
    assert said.err == "gate: passed, there is no champion yet: test_accuracy=0.98 test_f1_macro=0.97\n"
    assert versions(root) == {
        "1": {
            "gate.verdict": "passed",
            "gate.metrics": "2",
            "metric.test_accuracy": "0.98",
            "metric.test_f1_macro": "0.97",
        }
    }


def test_a_refusal_has_a_line_for_each_reason_and_registers_nothing(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add_run(root, {"test_accuracy": 0.5, "test_f1_macro": math.nan})
    before = files(root)
    assert aml("register-model", "-n", "birds") == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"aml: {GATE} refuses model birds, outputs/model.pkl of run {run}:",
        "  test_accuracy 0.5 is below its limit 0.9",
        "  test_f1_macro is nan: not a finite number",
        "  --force registers it all the same",
    ]
    assert files(root) == before and versions(root) == {}


def test_a_model_is_compared_with_the_last_one_that_passed(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither forced versions nor those from before there was a gate are the champion."""
    shutil.move(root / GATE, root / "kept")
    add_run(root, BETTER)
    assert aml("register-model", "-n", "birds") == 0  # 1: not gated
    shutil.move(root / "kept", root / GATE)
    add_run(root, GOOD)
    assert aml("register-model", "-n", "birds") == 0  # 2: the first champion
    worse = add_run(root, WORSE)
    assert aml("register-model", "-n", "birds") == 3
    capsys.readouterr()
    assert aml("register-model", "-n", "birds", "--force") == 0  # 3: forced
    reason = "test_accuracy 0.95 is worse than the champion's 0.98 by 0.03; the tolerance is 0.01"
    forced = capsys.readouterr().err.splitlines()
    assert forced == [
        "gate: forced, compared with version 2 (whether both had the same test data is not known): "
        "test_accuracy=0.95 (-0.03) test_f1_macro=0.97 (+0)",
        f"  {reason}",
    ]
    add_run(root, {**WORSE, "test_accuracy": 0.96})  # good enough against 3, not against 2
    assert aml("register-model", "-n", "birds") == 3
    assert "the champion is version 2" in capsys.readouterr().err
    better = add_run(root, BETTER)
    assert aml("register-model", "-n", "birds") == 0  # 4: the champion now
    tags = versions(root)
    assert {version: kept.get("gate.verdict") for version, kept in tags.items()} == {
        "1": None, "2": "passed", "3": "forced", "4": "passed",
    }  # fmt: skip
    assert tags["3"]["gate.reasons"] == reason and tags["3"]["gate.champion"] == "2"
    assert tags["4"]["gate.champion"] == "2" and tags["4"]["gate.champion.test_accuracy"] == "0.98"

    capsys.readouterr()
    assert aml("models") == 0
    rows = listed(capsys.readouterr().out)
    assert rows[0] == [
        "birds",
        "4",
        better,
        "outputs/model.pkl",
        *("passed", "by", "the", "gate"),
        "test_accuracy=0.99",
        "test_f1_macro=0.97",
    ]
    assert rows[1][1:] == ["3", worse, "outputs/model.pkl", "forced",
                           "test_accuracy=0.95", "(-0.04)", "test_f1_macro=0.97", "(+0)"]  # fmt: skip
    assert [row[4] for row in rows[2:]] == ["passed", "not"]  # not gated


def test_the_champion_is_compared_although_its_run_is_gone(root: Path, aml: Register) -> None:
    champion = add_run(root, GOOD)
    assert aml("register-model", "-n", "birds") == 0
    (record,) = (root / "mlruns").glob(f"*/{champion}")
    shutil.rmtree(record)
    shutil.rmtree(root / "runs" / champion)
    add_run(root, WORSE)
    assert aml("register-model", "-n", "birds") == 3
    add_run(root, BETTER)
    assert aml("register-model", "-n", "birds") == 0


def test_a_champion_that_is_deleted_leaves_its_place_to_the_one_before(root: Path, aml: Register) -> None:
    for metrics in (GOOD, BETTER):
        add_run(root, metrics)
        assert aml("register-model", "-n", "birds") == 0
    mlflow_store.client(root).delete_model_version("birds", "2")
    add_run(root, {**GOOD, "test_accuracy": 0.975})  # too bad for 2, good enough for 1
    assert aml("register-model", "-n", "birds") == 0


def without_metrics_of_the_champion(root: Path, run: str) -> None:
    mlflow_store.client(root).delete_model_version_tag("birds", "1", "metric.test_accuracy")


def without_the_store(root: Path, run: str) -> None:
    (record,) = (root / "mlruns").glob(f"*/{run}")
    shutil.rmtree(record / "metrics")


def with_a_broken_metric(root: Path, run: str) -> None:
    (record,) = (root / "mlruns").glob(f"*/{run}")
    (record / "metrics" / "test_accuracy").write_text("no number\n")


def with_metrics_in_the_workspace(root: Path, run: str) -> None:
    (record,) = (root / "mlruns").glob(f"*/{run}")
    (record / "tags" / "azure.open").write_text("true")


def with_an_error(root: Path, run: str) -> None:
    write_gate(root, "    return candidate['recall']\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_metrics_of_the_champion, "the metrics of the champion, version 1, are gone from its tags"),
        (without_the_store, r"run .+: its metrics are gone from mlruns"),
        (with_a_broken_metric, r"run .+: its metrics in mlruns.+ cannot be read: "),
        (with_metrics_in_the_workspace, "its metrics are in the workspace only; the next tracked run fetches them"),
        (with_an_error, r"scripts.register_model\.py:5: KeyError: 'recall'"),
    ],
)
def test_what_cannot_be_judged_is_status_2_unless_forced(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], change: Callable[[Path, str], None], says: str
) -> None:
    add_run(root, GOOD)
    assert aml("register-model", "-n", "birds") == 0
    run = add_run(root, BETTER)
    change(root, run)
    capsys.readouterr()
    assert aml("register-model", "-n", "birds", "--report", "report.json") == 2
    said = capsys.readouterr()
    first, reason, advice = said.err.splitlines()
    assert first == f"aml: {GATE} could not judge model birds, outputs/model.pkl of run {run}:"
    assert advice == "  fix it, or register it all the same with --force"
    report = json.loads((root / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "not judged" and report["version"] is None
    (stated,) = report["reasons"]
    assert reason == f"  {stated}"
    assert re.search(says, stated)
    assert list(versions(root)) == ["1"]
    assert aml("register-model", "-n", "birds", "--force") == 0
    assert versions(root)["2"]["gate.verdict"] == "forced" and versions(root)["2"]["gate.reasons"] == stated


def test_a_run_that_is_registered_is_not_judged_again(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add_run(root, GOOD)
    assert aml("register-model", "-n", "birds") == 0
    write_gate(root, "    raise RuntimeError('nobody asks')\n")
    (record,) = (root / "mlruns").glob(f"*/{run}")
    shutil.rmtree(record / "metrics")
    capsys.readouterr()
    assert aml("register-model", "-n", "birds", "--tag", "stage=live", "--report", "report.json") == 0
    said = capsys.readouterr()
    assert said.out == f"model birds, version 1: outputs/model.pkl of run {run} (registered before)\n"
    assert said.err == ""
    assert versions(root)["1"]["stage"] == "live"
    assert json.loads((root / "report.json").read_text(encoding="utf-8"))["verdict"] == "passed"


def test_a_repository_without_the_script_has_no_policy(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(root / "scripts")
    add_run(root, {})
    assert aml("register-model", "-n", "birds", "--tag", "a=b", "--report", "report.json") == 0
    assert capsys.readouterr().err == ""
    assert versions(root) == {"1": {"a": "b"}}
    assert json.loads((root / "report.json").read_text(encoding="utf-8"))["verdict"] == "not gated"
    assert aml("models") == 0
    assert "not gated" in capsys.readouterr().out


def test_a_dry_run_says_the_verdict_and_registers_nothing(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add_run(root, GOOD)
    assert aml("register-model", "-n", "birds", "--dry-run") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"model birds: outputs/model.pkl of run {run} would be registered",
        "gate: passed, there is no champion yet: test_accuracy=0.98 test_f1_macro=0.97",
    ]
    assert versions(root) == {}
    assert aml("register-model", "-n", "birds") == 0
    assert aml("register-model", "-n", "birds", "--dry-run", "--tag", "stage=live") == 0
    assert "stage" not in versions(root)["1"]
    add_run(root, WORSE)
    assert aml("register-model", "-n", "birds", "--dry-run") == 3
    assert list(versions(root)) == ["1"]


def test_the_report_has_the_numbers(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    run = add_run(root, GOOD)
    assert aml("register-model", "-n", "birds") == 0
    worse = add_run(root, {**WORSE, "loss": math.inf})
    assert aml("register-model", "-n", "birds", "--report", "report.json") == 3
    text = (root / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == {
        "model": "birds",
        "version": None,
        "run": worse,
        "verdict": "refused",
        "reasons": ["test_accuracy 0.95 is worse than the champion's 0.98 by 0.03; the tolerance is 0.01"],
        "metrics": {"loss": "inf", **WORSE},
        "test_data": None,
        "comparison": "data unknown",
        "champion": {"version": "1", "metrics": GOOD},
    }
    assert run not in text
    assert aml("register-model", "-n", "birds", "--report", "nowhere/report.json", "--force") == 2
    assert "--report nowhere" in capsys.readouterr().err and list(versions(root)) == ["1"]


@pytest.mark.parametrize(
    "assignment", ["gate.verdict=passed", "metric.test_accuracy=1", "champion.number=9", "aml.run=x", "property.a=1"]
)
def test_what_the_gate_writes_cannot_be_given(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], assignment: str
) -> None:
    add_run(root, GOOD)
    assert aml("register-model", "-n", "birds", "--tag", assignment) == 2
    assert (
        capsys.readouterr().err
        == f"aml: --tag {assignment}: keys that begin with gate., metric., champion., aml., property. are reserved\n"
    )


# In processes of their own


@pytest.mark.slow
def test_two_at_once_are_judged_against_each_other(repository: Repository) -> None:
    """Each alone would pass; whichever comes second is worse than the first, or better."""
    runs = [add_run(repository.path, metrics) for metrics in (BETTER, WORSE)]
    command = repository.command("register-model", "-n", "birds", "--run")
    options: Any = {"cwd": repository.path, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([*command, run], text=True, **options) for run in runs]
    ended = {run: (*one.communicate(timeout=120), one.returncode) for run, one in zip(runs, both, strict=True)}
    better, worse = (ended[run] for run in runs)
    assert better[2] == 0, better
    tags = versions(repository.path)
    if worse[2] == 3:
        assert "the champion is version 1" in worse[1] and list(tags) == ["1"]
    else:
        assert worse[2] == 0 and tags["2"]["gate.champion"] == "1" and tags["2"]["metric.test_accuracy"] == "0.99"


@pytest.mark.slow
def test_the_script_does_the_same_from_any_folder(repository: Repository, tmp_path: Path) -> None:
    bad = add_run(repository.path, {"test_accuracy": 0.5, "test_f1_macro": 0.97}, FIRST_RUN)
    good = add_run(repository.path, GOOD)
    script = [str(repository.python), str(repository.path / GATE), "-n", "birds", "--run"]
    options: Any = {"cwd": tmp_path, "env": ENVIRONMENT, "capture_output": True, "text": True}
    refused = subprocess.run([*script, bad], **options)
    assert refused.returncode == 3 and "test_accuracy 0.5 is below its limit 0.9" in refused.stderr
    assert subprocess.run([*script, good], **options).stdout.startswith("model birds, version 1: ")
    assert versions(repository.path)["1"]["gate.verdict"] == "passed"
    assert [path.name for path in (repository.path / "scripts").iterdir() if "pycache" in path.name] == []


# What is registered when nothing is named


def leave(root: Path, run: str, *names: str) -> None:
    """Let a run have left these files instead of its model."""
    folder = root / "runs" / run
    shutil.rmtree(folder / "outputs")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def log_model(root: Path, run: str, name: str) -> Path:
    """Log a model in the way of MLflow 3, outside of the run; returns its folder."""
    client = mlflow_store.client(root)
    experiment = str(client.get_run(run).info.experiment_id)
    model = client.create_logged_model(experiment, name=name, source_run_id=run)
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])
    folder = root / "mlruns" / experiment / "models" / model.model_id / "artifacts"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return folder


@pytest.mark.parametrize(
    ("left", "registered"),
    [
        (["outputs/other.bin"], "outputs/other.bin"),
        (["outputs/deep/er/other.bin"], "outputs/deep/er/other.bin"),
        (["outputs/model/MLmodel", "outputs/model/model.pkl"], "outputs/model"),
        (["outputs/other.bin", "logs/std_log.txt", "picture.png"], "outputs/other.bin"),
    ],
)
def test_the_only_model_is_registered_and_named(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], left: list[str], registered: str
) -> None:
    run = add_run(root, GOOD)
    leave(root, run, *left)
    assert aml("register-model", "-n", "birds") == 0
    said = capsys.readouterr()
    assert said.out == f"model birds, version 1: {registered} of run {run}\n"
    note = f"run {run} made no outputs/model.pkl: registering {registered}, the only model there is"
    assert said.err.splitlines()[0] == note
    (version,) = mlflow_store.client(root).search_model_versions("name = 'birds'")
    assert version.source == f"runs/{run}/{registered}"


@pytest.mark.parametrize(
    ("left", "says"),
    [
        (["outputs/a.bin", "outputs/b.bin"], "made no outputs/model.pkl, but outputs/a.bin, outputs/b.bin: name one"),
        (["logs/std_log.txt"], "made no outputs/model.pkl, but nothing in outputs/: name one with --asset-path"),
        (
            ["outputs/a.bin", "outputs/b.bin", "outputs/c.png", "outputs/d.csv"],
            "but outputs/a.bin, outputs/b.bin: name",
        ),
        (["outputs/c.png", "outputs/d.csv"], "made no outputs/model.pkl, nor another model: let the code save one"),
        (["outputs/c.png"], "made no outputs/model.pkl, nor another model: let the code save one"),
        (["outputs/a/x", "outputs/a/y", "outputs/b"], "but outputs/a/x, outputs/a/y, outputs/b: name one"),
    ],
)
def test_which_model_is_asked_for_where_there_are_several_or_none(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str], left: list[str], says: str
) -> None:
    leave(root, add_run(root, GOOD), *left)
    assert aml("register-model", "-n", "birds") == 2
    assert says in capsys.readouterr().err
    assert versions(root) == {}


def test_a_model_that_mlflow_keeps_outside_of_the_run_is_shown_and_registered(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add_run(root, GOOD)
    leave(root, run)
    folder = log_model(root, run, "classifier")
    assert aml("runs", "show") == 0
    assert str(folder.relative_to(root) / "MLmodel") in capsys.readouterr().out
    assert aml("register-model", "-n", "birds") == 0
    assert f"version 1: classifier of run {run}" in capsys.readouterr().out
    assert aml("register-model", "-n", "birds", "--asset-path", "classifier") == 0
    assert "version 1: classifier" in capsys.readouterr().out
    log_model(root, run, "another")
    assert aml("register-model", "-n", "others") == 2
    assert "but another, classifier: name one with --asset-path" in capsys.readouterr().err
    assert aml("register-model", "-n", "others", "--asset-path", "another") == 0
    client = mlflow_store.client(root)
    (version,) = client.search_model_versions("name = 'birds'")
    assert version.source == folder.relative_to(root).as_posix()
    runs.make_paths_relative(root)
    location = client.get_logged_model(folder.parent.name).artifact_location
    assert location == folder.relative_to(root).as_posix()


def test_the_last_run_that_finished_is_named_after_one_that_failed(
    root: Path, aml: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    good = add_run(root, GOOD)
    failed = mlflow_store.create_run(root, "birds", "failed", "failed", root.as_uri(), {})
    (root / "runs" / "failed").mkdir()
    mlflow_store.update_run(failed, "failed")
    assert aml("register-model", "-n", "birds") == 2
    assert f"run failed failed: name the last one that finished with --run {good}" in capsys.readouterr().err


def test_the_last_run_is_the_one_submitted_last_whatever_the_clock_says(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "job.yml"
    path.write_text("command: 'true'\n", encoding="utf-8")
    for clock in (2_000_000_000.0, 1_900_000_000.0):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        run = runs.finish(root, runs.start(root, Job(Document(path)), Path), "finished")
    assert runs.find(root, None).id == run.id
    assert [one.start for one in runs.all_runs(root)] == [2_000_000_000, 1_900_000_000]
    shutil.rmtree(run.record)
    assert runs.find(root, None).start == 2_000_000_000


def test_the_list_is_what_mlflow_says_of_its_registry(root: Path, aml: Register) -> None:
    for name in ("birds", "others"):
        for run in (add_run(root, GOOD), add_run(root, BETTER)):
            assert aml("register-model", "-n", name, "--run", run, "--tag", "a/b=é\nü") == 0
    client = mlflow_store.client(root)
    client.delete_model_version("birds", "1")
    theirs = {
        (version.name, int(version.version), version.run_id, version.source, tuple(sorted(version.tags.items())))
        for version in client.search_model_versions()
    }
    ours = {(*version[:4], tuple(sorted(version.tags.items()))) for version in mlflow_store.read_model_versions(root)}
    assert ours == theirs and len(ours) == 3
    assert [version.model for version in mlflow_store.read_model_versions(root, "birds")] == ["birds"]


def test_nothing_is_written_to_list_models(root: Path, aml: Register, capsys: pytest.CaptureFixture[str]) -> None:
    """A repository may be on a disk that is read-only, or come from an archive without what MLflow makes in passing."""
    add_run(root, GOOD)
    shutil.rmtree(root / "mlruns" / "models", ignore_errors=True)
    before = files(root)
    assert aml("models") == 2
    assert "no model registered yet" in capsys.readouterr().err
    assert files(root) == before and not (root / "mlruns" / "models").exists()
