"""From a fresh repository to a model, on the stand-in's cluster and on this machine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from standin import StandIn
from standin.cloud import GROUP, SUBSCRIPTION, WORKSPACE, Workspace
from standin.contents import DATA, TRAINED
from standin.fixtures import CLUSTER, Attached
from support import Repository


@pytest.mark.slow
def test_from_a_fresh_repository_to_a_model_and_the_same_here(
    repository: Repository, service: StandIn, workspace: Workspace
) -> None:
    """Workspace, cluster, data, job, its log, its files, a model; then the same job on this machine."""
    here = Attached(repository.path, repository.python, service, workspace)
    said = here.aml("workspace", "attach", "-s", SUBSCRIPTION, "-g", GROUP, "-w", WORKSPACE).stdout
    assert "confirmed: in eastus, storage standinstorage; someone@example.com may submit jobs" in said
    assert "created, Standard_DS3_v2, 0 to 1 nodes" in here.aml("create-compute").stdout
    assert f"data {DATA}, version 1: azureml://datastores/workspaceblobstore/paths/" in here.aml("register-data").stdout

    done = here.aml("submit", "-c", TRAINED, "-t", "run.json")
    record = json.loads((here.path / "run.json").read_text())
    run_id = record["run_id"]
    assert record == {"run_id": run_id, "experiment_name": "demo-model", "compute": CLUSTER}
    assert re.search(r"^test_accuracy +0\.\d+$", done.stdout, re.MULTILINE)
    assert f"https://ml.azure.com/runs/{run_id}?wsid={workspace.scope}" in done.stderr
    assert f"run {run_id} finished" in done.stderr

    listed = here.aml("runs", "--azure").stdout.splitlines()
    assert len(listed) == 2 and re.search(rf"{run_id} +demo-model +finished .*test_accuracy=0\.\d+", listed[1])
    shown = here.aml("runs", "--azure", "show", run_id).stdout
    assert re.search(r"^ +(params)? +max_iter = 1000$", shown, re.MULTILINE)
    assert "outputs/model.pkl" in shown and "confusion_matrix.png" in shown and "user_logs/std_log.txt" in shown

    assert run_id in here.aml("runs", "--azure", "download", run_id).stdout
    on_cluster = here.path / "runs" / run_id
    assert (on_cluster / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert "test_accuracy" in (on_cluster / "user_logs" / "std_log.txt").read_text()

    register = ["register-model", "-n", "demo-model", "-f", "run.json", "--tag", "stage=test", "--property", "a=b"]
    assert "model demo-model, version 1: outputs/model.pkl" in here.aml(*register).stdout
    listed = here.aml("models", "--azure").stdout.splitlines()
    assert len(listed) == 2 and re.match(rf"demo-model +1 +{run_id} +outputs/model.pkl .*stage=test", listed[1])
    model = workspace.assets["models"]["demo-model"]["1"]["properties"]
    assert (model["jobName"], model["tags"], model["properties"]["a"]) == (run_id, {"stage": "test"}, "b")
    assert model["modelUri"].endswith(f"/ExperimentRun/dcid.{run_id}/outputs/model.pkl")
    assert DATA in here.aml("data").stdout

    here.aml("submit", "-c", "train-local", "-t", "local.json")
    local = here.path / "runs" / json.loads((here.path / "local.json").read_text())["run_id"]
    assert metrics_here(here, local.name) == metrics_there(workspace, run_id) and metrics_here(here, local.name)
    assert predictions(here, local / "outputs/model.pkl") == predictions(here, on_cluster / "outputs/model.pkl")

    assert "deleted" in here.aml("create-compute", "--delete").stdout
    assert not workspace.computes


def metrics_here(repository: Repository, run_id: str) -> dict[str, float]:
    (record,) = (repository.path / "mlruns").glob(f"*/{run_id}")
    return {file.name: float(file.read_text().split()[1]) for file in (record / "metrics").iterdir()}


def metrics_there(workspace: Workspace, run_id: str) -> dict[str, float]:
    return {key: points[-1]["value"] for key, points in workspace.runs[run_id].metrics.items()}


def predictions(repository: Repository, model: Path) -> list[str]:
    """What the model says of the sample data, in the repository's own environment."""
    script = """import joblib, json, pandas, sys
table = pandas.read_csv("sample-data/penguins.csv")
print(json.dumps(joblib.load(sys.argv[1]).predict(table.drop(columns="species")).tolist()))"""
    command = [str(repository.python), "-c", script, str(model)]
    predicted: list[str] = json.loads(subprocess.run(command, cwd=repository.path, capture_output=True).stdout)
    assert len(set(predicted)) == 3
    return predicted
