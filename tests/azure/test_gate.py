"""Registering in the workspace, through the gates of the repository: models of jobs and of this machine, and data."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from standin import assets, datastores, jobs
from standin.cloud import Workspace
from standin.fixtures import Attached
from standin.mlflow import Run, experiment_of
from support import GENERATED

DATA = "demo-model-data"
GATE = "scripts/register_model.py"
MODEL = "outputs/model.pkl"
GOOD = {"test_accuracy": 0.98, "test_f1_macro": 0.97}
BETTER = {"test_accuracy": 0.99, "test_f1_macro": 0.97}
WORSE = {"test_accuracy": 0.95, "test_f1_macro": 0.97}
LOSS = "test_accuracy 0.95 is worse than the champion's 0.98 by 0.03; the tolerance is 0.01"


def add_job(workspace: Workspace, number: int, metrics: dict[str, float], status: str = "Completed") -> str:
    """A job that has ended, with these metrics and a model; returns its id."""
    name = f"11111111-aaaa-bbbb-cccc-{number:012}"
    run = Run(workspace, experiment_of(workspace, "birds"), name, "a run", status=status)
    run.ended = run.started + 1000
    for key, value in metrics.items():
        run.metrics[key] = [{"key": key, "value": value, "timestamp": run.started, "step": 0}]
    given = {"jobType": "Command", "experimentName": "birds", "displayName": run.name, "tags": {}}
    workspace.jobs[name], workspace.runs[name] = jobs.Job(workspace, name, given, run), run
    artifacts, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
    workspace.service.storage.upload(artifacts, run.artifact_prefix + MODEL, name.encode())
    return name


def register(run_id: str, *more: str) -> list[str]:
    return ["register-model", "-n", "birds", "--to", "azure", "--run", run_id, *more]


def write_gate(repository: Attached, body: str) -> None:
    text = "from aml.cli.register_model import main\n\n\ndef reasons_against(candidate, champion):\n"
    (repository.path / GATE).write_text(text + body, encoding="utf-8")


def models(repository: Attached) -> dict[str, dict[str, str]]:
    """The properties of each version of the model."""
    found = repository.workspace.assets.get("models", {}).get("birds", {})
    return {version: one["properties"]["properties"] for version, one in found.items()}


def test_a_model_is_compared_with_the_last_one_that_passed(gated: Attached) -> None:
    good, worse, better = (add_job(gated.workspace, number, m) for number, m in enumerate((GOOD, WORSE, BETTER), 1))
    said = gated.aml(*register(good))
    assert said.stdout == f"model birds, version 1: {MODEL} of run {good}\n"
    assert said.stderr == "gate: passed, there is no champion yet: test_accuracy=0.98 test_f1_macro=0.97\n"
    assert {key: models(gated)["1"][key] for key in ("gate.verdict", "gate.metrics", "metric.test_accuracy")} == {
        "gate.verdict": "passed", "gate.metrics": "2", "metric.test_accuracy": "0.98",
    }  # fmt: skip

    refused = gated.aml(*register(worse, "--report", "report.json"), status=3)
    assert refused.stdout == "" and refused.stderr.splitlines() == [
        f"aml: {GATE} refuses model birds, {MODEL} of run {worse} (the champion is version 1; "
        "whether both had the same test data is not known):",
        f"  {LOSS}",
        "  --force registers it all the same",
    ]
    report = json.loads((gated.path / "report.json").read_text(encoding="utf-8"))
    assert report["champion"] == {"version": "1", "metrics": GOOD} and report["reasons"] == [LOSS]
    assert list(models(gated)) == ["1"]

    forced = gated.aml(*register(worse, "--force"))
    assert forced.stderr.splitlines()[1] == f"  {LOSS}"
    assert models(gated)["2"]["gate.verdict"] == "forced" and models(gated)["2"]["gate.reasons"] == LOSS
    assert gated.aml(*register(better)).stdout.startswith("model birds, version 3: ")
    assert models(gated)["3"]["gate.champion"] == "1"  # not the one that was forced
    rows = [line.split() for line in gated.aml("models", "--azure").stdout.splitlines()[1:]]
    assert [row[4] for row in rows] == ["passed", "forced", "passed"] and rows[0][5:8] == ["by", "the", "gate"]
    assert rows[1][5:] == ["test_accuracy=0.95", "(-0.04)", "test_f1_macro=0.97", "(+0)"]


def test_a_version_without_a_verdict_and_a_run_that_is_gone(gated: Attached) -> None:
    gated.remove_gates()
    gated.aml(*register(add_job(gated.workspace, 1, BETTER)))
    shutil.copytree(GENERATED / "scripts", gated.path / "scripts", dirs_exist_ok=True)
    champion = add_job(gated.workspace, 2, GOOD)
    gated.aml(*register(champion))
    assert "gate.champion" not in models(gated)["2"]  # there was none
    del gated.workspace.runs[champion], gated.workspace.jobs[champion]
    assert LOSS in gated.aml(*register(add_job(gated.workspace, 3, WORSE)), status=3).stderr
    rows = [line.split() for line in gated.aml("models", "--azure").stdout.splitlines()[1:]]
    assert [row[4:8] for row in rows] == [["passed", "by", "the", "gate"], ["not", "gated", *rows[1][6:8]]]


def test_a_run_that_is_registered_is_not_judged_again(gated: Attached) -> None:
    """Its tags change; what the gate said stays, although the run and the policy are gone."""
    run_id = add_job(gated.workspace, 1, GOOD)
    gated.aml(*register(run_id))
    before = models(gated)["1"]
    write_gate(gated, "    raise RuntimeError('nobody asks')\n")
    again = gated.aml(*register(run_id, "--tag", "stage=live"))
    assert again.stdout == f"model birds, version 1: {MODEL} of run {run_id} (registered before)\n"
    assert again.stderr == "" and models(gated) == {"1": before}
    assert gated.workspace.assets["models"]["birds"]["1"]["properties"]["tags"] == {"stage": "live"}


def test_what_cannot_be_judged(gated: Attached) -> None:
    failed = add_job(gated.workspace, 1, GOOD, "Failed")
    assert f"run {failed} is Failed: only what finished" in gated.refused(*register(failed))
    run_id = add_job(gated.workspace, 2, GOOD)
    write_gate(gated, "    return [][1]\n")
    said = gated.aml(*register(run_id), status=2).stderr.splitlines()
    assert said[1:] == [
        f"  {GATE}:5: IndexError: list index out of range",
        "  fix it, or register it all the same with --force",
    ]
    assert models(gated) == {}
    gated.aml(*register(run_id, "--force"))
    assert models(gated)["1"]["gate.verdict"] == "forced"
    assets.store(gated.workspace, "models", "birds", "2", {
        "modelUri": f"azureml://jobs/{run_id}/outputs/artifacts/paths/{MODEL}", "modelType": "custom_model",
        "properties": {"gate.verdict": "passed", "gate.metrics": "2", "metric.test_accuracy": "0.98"},
    })  # fmt: skip
    gated.aml("runs", "--azure")  # the workspace answers
    other = add_job(gated.workspace, 3, BETTER)
    write_gate(gated, "    return []\n")
    said = gated.aml(*register(other), status=2).stderr.splitlines()
    gone = "the metrics of the champion, version 2, are gone from its tags"
    assert said[1] == f"  {gone}: restore them, or delete that version"
    assert list(models(gated)) == ["1", "2"]


def test_two_at_once_are_judged_against_each_other(gated: Attached) -> None:
    """Both ask for the next version before either takes it, and each alone would pass."""
    run_ids = [add_job(gated.workspace, number, metrics) for number, metrics in enumerate((BETTER, WORSE), 1)]
    raced = gated.service.faults.add("slow", method="GET", path="/models/birds$", times=2, seconds=2)
    with gated.start(*register(run_ids[0])) as first, gated.start(*register(run_ids[1])) as second:
        better, worse = (process.communicate(timeout=120) for process in (first, second))
    assert len(raced.hits) == 2
    assert first.returncode == 0, better
    if second.returncode == 3:
        assert "the champion is version 1" in worse[1] and list(models(gated)) == ["1"]
    else:  # it came first: then the better one was compared with it
        assert second.returncode == 0 and models(gated)["2"]["gate.champion"] == "1"
        assert models(gated)["2"]["metric.test_accuracy"] == "0.99"


def test_what_was_trained_here_is_judged_too(gated: Attached) -> None:
    """By its metrics of this machine, against a champion of the cluster."""
    gated.aml(*register(add_job(gated.workspace, 1, BETTER)))
    log = "; ".join(f"mlflow.log_metric({key!r}, {value})" for key, value in WORSE.items())
    command = f'python -c "import mlflow; {log}"; mkdir -p outputs; echo 1 > outputs/model.pkl'
    gated.submit(command, "--here", compute="local")
    said = gated.aml("register-model", "-n", "birds", "--to", "azure", status=3).stderr
    assert "test_accuracy 0.95 is worse than the champion's 0.99 by 0.04" in said
    assert not gated.uploads()
    dry = gated.aml("register-model", "-n", "birds", "--to", "azure", "--dry-run")
    assert (
        dry.stderr.splitlines()[0]
        == "a dry run does not read the champion of the workspace: the gate is asked as for a first version"
    )
    assert "gate: passed, there is no champion yet" in dry.stderr and "PUT" in dry.stdout
    gated.aml("register-model", "-n", "birds", "--to", "azure", "--force")
    assert models(gated)["2"]["gate.verdict"] == "forced" and models(gated)["2"]["metric.test_accuracy"] == "0.95"


def test_runs_of_the_workspace_are_sorted_and_compared(attached: Attached) -> None:
    worse, better = (add_job(attached.workspace, number, metrics) for number, metrics in enumerate((WORSE, BETTER), 1))
    for options, expected in (([], [better, worse]), (["--ascending"], [worse, better])):
        listed = attached.aml("runs", "--azure", "--sort", "test_accuracy", *options).stdout
        assert [line.split()[0] for line in listed.splitlines()[1:]] == expected
    shown = attached.aml("runs", "--azure", "compare", worse, better).stdout
    assert "0.99 (+0.04)" in shown and f"the code of {worse} and {better} is not on this machine" in shown
    assert "0.99 (+0.04)" in (attached.path / "runs" / "compare.svg").read_text(encoding="utf-8")


# --- data -------------------------------------------------------------------------------------------------------------


def data(repository: Attached) -> dict[str, dict[str, str]]:
    found = repository.workspace.assets.get("data", {}).get(DATA, {})
    return {version: one["properties"]["properties"] for version, one in found.items()}


def test_data_that_training_expects_is_registered(gated: Attached) -> None:
    said = gated.aml("register-data", "--report", "report.json")
    assert f"data {DATA}, version 1: " in said.stdout and said.stderr == "gate: passed\n"
    assert data(gated)["1"]["gate.verdict"] == "passed"
    report = json.loads((gated.path / "report.json").read_text(encoding="utf-8"))
    assert report["data"] == DATA and report["verdict"] == "passed"


def test_data_with_problems_is_refused_before_anything_is_sent(gated: Attached) -> None:
    table = gated.path / "sample-data" / "penguins.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    bad = [lines[0].replace("island", "isle"), *(line.replace("3750", "many") for line in lines[1:40])]
    bad[2] = bad[2].replace("Adelie", "")
    table.write_text("\n".join(bad) + "\n", encoding="utf-8")
    for options in ((), ("--dry-run",)):
        said = gated.aml("register-data", *options, status=3)
        assert said.stdout == "" and said.stderr.splitlines()[1:] == [
            "  column isle is not expected",
            "  column body_mass_g should hold numbers",
            "  column island is missing",
            "  39 rows; at least 100 are required",
            "  species is missing in 1 rows",
            "  --force registers it all the same",
        ]
        assert said.stderr.startswith(f"aml: scripts/register_data.py refuses data {DATA}, ")
    assert not gated.changes()
    assert "gate: forced" in gated.aml("register-data", "--force").stderr
    assert data(gated)["1"]["gate.verdict"] == "forced" and "39 rows" in data(gated)["1"]["gate.reasons"]


def test_data_that_is_not_on_this_machine_is_not_checked_and_that_is_said(gated: Attached) -> None:
    address = "azureml://datastores/workspaceblobstore/paths/birds/"
    gated.write("data.yml", path=address)
    said = gated.aml("register-data")
    assert said.stderr == f"{address} is not on this machine: scripts/register_data.py does not check it\n"
    assert data(gated)["1"] == {}


def test_data_without_a_table_cannot_be_judged(gated: Attached) -> None:
    (gated.path / "sample-data" / "penguins.csv").rename(gated.path / "sample-data" / "penguins.txt")
    said = gated.aml("register-data", status=2).stderr.splitlines()
    assert "has no .csv file" in said[1] and said[1].startswith("  src/train.py:")


@pytest.mark.parametrize("name", ["register_data.py", "register_model.py"])
def test_the_scripts_are_programs_of_their_own(gated: Attached, name: str, tmp_path: Path) -> None:
    script = [str(gated.python), str(gated.path / "scripts" / name)]
    options: Any = {"cwd": tmp_path, "env": gated.environment(), "capture_output": True, "text": True}
    arguments = []
    if name == "register_model.py":
        arguments = register(add_job(gated.workspace, 1, GOOD))[1:]
    done = subprocess.run([*script, *arguments], **options)
    assert done.returncode == 0 and "version 1" in done.stdout and "gate: passed" in done.stderr, done.stderr
