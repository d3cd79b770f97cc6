"""Runs and models against the stand-in: a run of this machine tracked there, listing, showing, registering."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

from standin import datastores
from standin.fixtures import IMAGE, Attached

pytest_plugins = ["standin.fixtures"]
TRAIN = """
python -c "import mlflow; mlflow.log_param('c', 2); mlflow.log_metric('accuracy', 0.5)
mlflow.log_text('picture', 'picture.txt')"
echo trained; mkdir -p outputs; echo 1 > outputs/model.pkl
"""


def here(repository: Attached, command: str = TRAIN, *arguments: str, status: int = 0) -> str:
    """Run a job on this machine, and return what it said."""
    environment = {"image": IMAGE}
    done = repository.submit(command, "--here", *arguments, compute="local", environment=environment, status=status)
    return done.stdout + done.stderr


def on_cluster(repository: Attached) -> str:
    """Run a job on the cluster, and return its id."""
    repository.submit("mkdir outputs; echo 1 > outputs/model.pkl; echo 2 > outputs/scaler.pkl", "-t", "run.json")
    return str(json.loads((repository.path / "run.json").read_text())["run_id"])


def models(repository: Attached, name: str = "birds") -> dict[str, Any]:
    return {version: one["properties"] for version, one in repository.workspace.assets["models"][name].items()}


# --- a run of this machine, tracked in the workspace ------------------------------------------------------------------


def test_a_run_of_this_machine_shows_in_the_workspace(attached: Attached) -> None:
    said = here(attached, TRAIN, "--track", "azure", "-e", "at-home", "-t", "run.json")
    assert "trained" in said and "finished" in said
    (run,) = attached.workspace.runs.values()
    assert f"https://ml.azure.com/runs/{run.identifier}?wsid={attached.workspace.scope}" in said
    assert (run.experiment.name, run.status) == ("at-home", "Completed")
    assert run.params == {"c": "2"} and run.metrics["accuracy"][-1]["value"] == 0.5
    assert not attached.workspace.jobs  # it is no job of a cluster
    local = json.loads((attached.path / "run.json").read_text())["run_id"]
    assert "accuracy=0.5" in attached.aml("runs").stdout  # and here, too
    assert "accuracy=0.5" in attached.aml("runs", "--azure", "-e", "at-home").stdout
    shown = attached.aml("runs", "--azure", "show", run.identifier).stdout
    assert re.search(rf"aml.run = {local}$", shown, re.MULTILINE) and "picture.txt" in shown


def test_a_tracked_run_that_fails_is_recorded_as_failed(attached: Attached) -> None:
    said = here(attached, "echo broken; exit 3", "--track", "azure", status=3)
    assert "failed with exit status 3" in said
    assert [run.status for run in attached.workspace.runs.values()] == ["Failed"]


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_a_killed_run_is_ended_in_the_workspace_by_the_next_one(attached: Attached) -> None:
    name = attached.job("echo begun; sleep 60", compute="local", environment={"image": IMAGE})
    with attached.start("submit", "-c", name, "--here", "--track", "azure") as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
    assert [run.status for run in attached.workspace.runs.values()] == ["Running"]
    here(attached, "true", "--track", "azure")
    assert sorted(run.status for run in attached.workspace.runs.values()) == ["Completed", "Failed"]
    assert "azure.open" not in attached.aml("runs", "show").stdout


def test_tracking_refuses_before_anything_is_written(attached: Attached) -> None:
    settings = attached.path / "aml_config" / "config.json"
    settings.write_text(settings.read_text().replace('"workspace_name": "aml-demo"', '"workspace_name": "aml-dmo"'))
    name = attached.job("true", compute="local")
    said = attached.refused("submit", "-c", name, "--here", "--track", "azure")
    assert "aml-dmo" in said and not (attached.path / "runs").exists()


# --- aml register-model -----------------------------------------------------------------------------------------------


def test_a_run_and_a_path_make_one_version(attached: Attached) -> None:
    run_id = on_cluster(attached)
    register = ["register-model", "-n", "birds", "-f", "run.json"]
    for path, version, again in (
        ("outputs/model.pkl", 1, ""),
        ("outputs/model.pkl", 1, " (registered before)"),
        ("outputs/scaler.pkl", 2, ""),
        ("outputs", 3, ""),
        ("outputs/model.pkl", 1, " (registered before)"),
    ):
        said = attached.aml(*register, "--asset-path", path).stdout
        assert said == f"model birds, version {version}: {path} of run {run_id}{again}\n"
    assert sorted(models(attached)) == ["1", "2", "3"]
    assert all(model["jobName"] == run_id for model in models(attached).values())


def test_tags_change_and_properties_do_not(attached: Attached) -> None:
    on_cluster(attached)
    register = ["register-model", "-n", "birds", "-f", "run.json", "--property", "data=2026"]
    attached.aml(*register, "--tag", "stage=test", "--tag", "text=a=b c")
    attached.aml(*register, "--tag", "stage=production")
    (model,) = models(attached).values()
    assert model["tags"] == {"stage": "production", "text": "a=b c"} and model["properties"]["data"] == "2026"
    said = attached.refused("register-model", "-n", "birds", "-f", "run.json", "--property", "data=2027")
    assert "version 1 has other properties: data" in said


def test_what_was_trained_here_is_registered_in_the_workspace(attached: Attached) -> None:
    here(attached, TRAIN, "-t", "run.json")
    run_id = json.loads((attached.path / "run.json").read_text())["run_id"]
    register = ["register-model", "-n", "birds", "-f", "run.json", "--to", "azure"]
    assert attached.aml(*register).stdout == f"model birds, version 1: outputs/model.pkl of run {run_id}\n"
    assert "(registered before)" in attached.aml(*register).stdout
    (model,) = models(attached).values()
    assert model["jobName"] is None and model["properties"]["aml.trained_on"] == "this machine"
    assert model["properties"]["metric.accuracy"] == "0.5" and model["properties"]["aml.run"] == run_id
    container, path = datastores.locate(attached.workspace, model["modelUri"])
    assert attached.service.storage.client.get_blob_client(container, path).download_blob().readall() == b"1\n"
    listed = attached.aml("models", "--azure").stdout.splitlines()[1]
    assert listed.split() == ["birds", "1", run_id, "outputs/model.pkl", "not", "gated", "accuracy=0.5"]
    attached.refused("models", lines=1)  # here, nothing is registered


def test_only_what_finished_and_what_is_there_is_registered(attached: Attached) -> None:
    attached.submit("exit 1", "-t", "run.json", status=1)
    run_id = attached.last_job.name
    register = ["register-model", "-n", "birds", "-f", "run.json"]
    assert f"run {run_id} is Failed: only what finished can be registered" in attached.refused(*register)
    on_cluster(attached)
    said = attached.refused(*register, "--asset-path", "outputs/nothing.pkl")
    assert "No artifacts matching outputs/nothing.pkl" in said
    said = attached.refused("register-model", "-n", "birds", "--run", "nobody", "--to", "azure")
    assert "run nobody: no such job in workspace aml-demo; aml runs --azure lists them" in said
    assert "birds" not in attached.workspace.assets.get("models", {})


# --- aml runs ---------------------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first_and_by_experiment(attached: Attached) -> None:
    ids = []
    for experiment in ("one", "two", "one"):
        attached.submit("true", experiment_name=experiment)
        ids.append(attached.last_job.name)
    listed = [line.split()[0] for line in attached.aml("runs", "--azure").stdout.splitlines()]
    assert listed == ["RUN", *reversed(ids)]
    listed = [line.split()[0] for line in attached.aml("runs", "--azure", "-e", "one").stdout.splitlines()]
    assert listed == ["RUN", ids[2], ids[0]]
    assert attached.aml("runs", "--azure", "show").stdout.startswith(f"{ids[2]}  finished\n")


@pytest.mark.parametrize("action", ["show", "cancel", "download"])
def test_a_run_that_is_not_there(attached: Attached, action: str) -> None:
    assert "nobody" in attached.refused("runs", "--azure", action, "nobody")
    assert not (attached.path / "runs" / "nobody").exists()


@pytest.mark.parametrize("verb", [["runs", "--azure"], ["models", "--azure"], ["data"]])
def test_nothing_there_yet(attached: Attached, verb: list[str]) -> None:
    assert "workspace aml-demo" in attached.refused(*verb, lines=1)
