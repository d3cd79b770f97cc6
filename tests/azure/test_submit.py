"""`aml submit` on a cluster, against the stand-in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from standin import StandIn, assets
from standin.cloud import Workspace
from standin.contents import DATA, TRAINED, plant, versions
from standin.fixtures import IMAGE, Attached, until
from support import Repository


@pytest.fixture
def with_data(attached: Attached) -> Attached:
    """A repository whose data is registered as version 1, without the requests that do that."""
    container = attached.workspace.datastores["workspaceblobstore"]["properties"]["containerName"]
    attached.service.storage.upload(container, "data/rows.csv", b"registered data\n")
    uri = "azureml://datastores/workspaceblobstore/paths/data/"
    assets.store(attached.workspace, "data", DATA, "1", {"dataUri": uri, "dataType": "uri_folder"})
    return attached


#: A part of train-amlcompute.yml that names what is not there: the line it is on, and the command that fixes it.
NOWHERE: dict[str, tuple[str, str, str]] = {
    "compute": ("compute=azureml:gpu-cluster", r"train-amlcompute.yml:\d+: .*gpu-cluster", "aml create-compute"),
    "data": ("inputs.data.path=azureml:birds@latest", r"train-amlcompute.yml:\d+: .*birds", "aml register-data"),
    "data version": (
        f"inputs.data.path=azureml:{DATA}:7",
        rf"train-amlcompute.yml:\d+: .*{DATA}:7",
        "aml register-data",
    ),
    "environment": ("environment=azureml:birds:1", r"train-amlcompute.yml:\d+: .*birds", "az ml environment"),
    "environment's label": (
        "environment=azureml:birds@latest",
        r"train-amlcompute.yml:\d+: .*birds",
        "az ml environment",
    ),
    "curated environment": (
        "environment=azureml://registries/azureml/environments/birds-1.0/labels/latest",
        r"train-amlcompute.yml:\d+: .*birds-1.0",
        "az ml environment",
    ),
    "an offline finding": (f"inputs.data.path=azureml:{DATA}", rf"train-amlcompute.yml:\d+: .*{DATA}", "@latest"),
    "a field": ("compute=cpu cluster", r"train-amlcompute.yml:\d+: .*compute", "azureml:"),
}


@pytest.mark.parametrize("what", NOWHERE)
def test_nothing_is_sent_before_everything_is_found(with_data: Attached, what: str) -> None:
    setting, where, fix = NOWHERE[what]
    said = with_data.refused("submit", "-c", TRAINED, "--set", setting, lines=4)
    assert re.search(where, said) and fix in said
    assert not with_data.changes() and not with_data.workspace.jobs


def test_the_workspace_is_looked_up_before_anything_is_sent(with_data: Attached) -> None:
    settings = with_data.path / "aml_config" / "config.json"
    settings.write_text(settings.read_text().replace('"workspace_name": "aml-demo"', '"workspace_name": "aml-dmo"'))
    said = with_data.refused("submit", "-c", TRAINED)
    assert "aml-dmo" in said and "aml workspace" in said
    assert not with_data.changes()


def test_a_name_that_is_taken(with_data: Attached) -> None:
    """The service would answer with the job that is there, as if it had just been submitted."""
    with_data.submit("echo old", name="nightly")
    before = len(with_data.changes())
    job = with_data.job("echo new", name="nightly", code="src")
    said = with_data.refused("submit", "-c", job)
    assert re.search(r"job.yml:\d+: a job named nightly is in workspace aml-demo already: take the line out", said)
    assert len(with_data.changes()) == before and list(with_data.workspace.jobs) == ["nightly"]
    with_data.refused("submit", "-c", job)  # also when it is tried again


def test_a_record_in_a_folder_that_is_not_there(with_data: Attached) -> None:
    said = with_data.refused("submit", "-c", with_data.job("true"), "-t", "out/run.json")
    assert said == "-t out/run.json: there is no folder out: make it first\n"
    assert not with_data.calls(kind="control") and not (with_data.path / "out").exists()


def test_settings_that_are_not_set(repository: Repository, service: StandIn, workspace: Workspace) -> None:
    fresh = Attached(repository.path, repository.python, service, workspace)
    said = fresh.refused("submit", "-c", TRAINED)
    assert "subscription_id" in said and "aml workspace attach" in said and f"aml submit -c {TRAINED} --local" in said
    assert not service.calls


def test_a_job_gets_what_the_command_line_says(with_data: Attached, tmp_path: Path) -> None:
    """--set, -e, --data with an asset and with a path, -t; environment variables; the snapshot by its rules."""
    (with_data.path / "code").mkdir()
    plant(
        with_data.path / "code", {"run.sh": b"ls -A; cat $1/*.csv; echo $2 $HUE $AZURE_ML_INPUT_size", "no.pyc": b"1"}
    )
    (with_data.path / "code" / ".amlignore").write_text("*.pyc\n")
    parts: dict[str, Any] = {
        "code": "code",
        "inputs": {"data": {"type": "uri_folder", "path": "azureml:missing@latest"}, "size": 3},
        "environment_variables": {"HUE": "blue"},
        "experiment_name": "other",
        "tags": {"team": "a"},
    }
    command = 'bash run.sh "${{inputs.data}}" ${{inputs.size}}'
    options = ["--data", f"azureml:{DATA}:1", "--set", "inputs.size=4", "-e", "birds", "-t", "birds.json"]
    done = with_data.submit(command, *options, **parts)
    assert done.stdout == ".amlignore\nrun.sh\nregistered data\n4 blue 4\n"
    first = with_data.last_job
    assert json.loads((with_data.path / "birds.json").read_text())["experiment_name"] == "birds"
    assert (first.run.experiment.name, first.properties["tags"]) == ("birds", {"team": "a"})
    assert first.properties["inputs"]["data"]["uri"].endswith(f"/data/{DATA}/versions/1")

    plant(tmp_path / "my data", {"mine.csv": b"my own data\n"})
    done = with_data.submit(command, "--data", str(tmp_path / "my data"), **parts)
    assert done.stdout == ".amlignore\nrun.sh\nmy own data\n3 blue 3\n"
    assert with_data.last_job.run.experiment.name == "other"
    assert versions(with_data).keys() == {"1"}  # uploaded, not registered


def test_latest_data_is_the_version_that_was_looked_up(with_data: Attached) -> None:
    inputs = {"data": {"type": "uri_folder", "path": f"azureml:{DATA}@latest"}}
    with_data.submit('ls "${{inputs.data}}"', "--no-wait", inputs=inputs)
    assert with_data.last_job.properties["inputs"]["data"]["uri"].endswith(f"/data/{DATA}/versions/1")


def test_not_waiting(attached: Attached) -> None:
    done = attached.submit("sleep 60", "--no-wait", "-t", "run.json")
    job = attached.last_job
    assert job.status not in ("Completed", "Failed")
    assert json.loads((attached.path / "run.json").read_text())["run_id"] == job.name
    assert (
        f"https://ml.azure.com/runs/{job.name}" in done.stderr and f"aml runs --azure follow {job.name}" in done.stderr
    )


def test_an_unchanged_snapshot_is_uploaded_once(attached: Attached) -> None:
    for number, uploads in enumerate((3, 3, 6), 1):
        attached.submit("true", "--no-wait", code="src", tags={"number": str(number)})
        if number == 2:
            plant(attached.path / "src", {"train.py": b"print(1)"})
        assert len(attached.uploads()) == uploads
        assert len(attached.calls("POST", "startPendingUpload")) == (2 if number == 3 else 1)


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_a_submission_that_was_killed_goes_on_with_its_job(attached: Attached) -> None:
    attached.job("echo done; sleep 2")
    with attached.start("submit", "-c", "job.yml", stdout=subprocess.DEVNULL) as process:
        attached.service.faults.add("crash-after", method="PUT", path=r"/jobs/", action=process.kill)
        assert process.wait(60) == -signal.SIGKILL
    name = until(lambda: list(attached.workspace.jobs))[0]
    done = attached.aml("submit", "-c", "job.yml", "-t", "run.json")
    assert done.stdout == "done\n" and f"going on with run {name}" in done.stderr
    assert list(attached.workspace.jobs) == [name]
    assert json.loads((attached.path / "run.json").read_text())["run_id"] == name
    attached.aml("submit", "-c", "job.yml", "--no-wait")  # that one has ended, so this is another job
    assert len(attached.workspace.jobs) == 2


def test_the_same_job_twice_at_the_same_time_is_two_jobs(attached: Attached) -> None:
    attached.job("sleep 3; echo done")
    with attached.start("submit", "-c", "job.yml") as one, attached.start("submit", "-c", "job.yml") as other:
        assert [process.communicate(timeout=60)[0] for process in (one, other)] == ["done\n"] * 2
    assert len(attached.workspace.jobs) == 2
    assert not list((attached.path / "runs").glob(".submitted-*"))


@pytest.mark.parametrize(
    "environment",
    [
        "azureml:birds:1",
        "azureml:birds@latest",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        "azureml://registries/azureml/environments/sklearn-1.5/versions/47",
    ],
)
def test_an_environment_by_its_name(attached: Attached, environment: str) -> None:
    assets.store(attached.workspace, "environments", "birds", "1", {"image": IMAGE})
    assert attached.submit("echo done", environment=environment).stdout == "done\n"
    identifier = attached.last_job.properties["environmentId"]
    assert identifier.endswith("/environments/birds/versions/1" if "birds" in environment else environment)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (
            {"type": "pytorch", "process_count_per_instance": 2},
            {"distributionType": "PyTorch", "processCountPerInstance": 2},
        ),
        ({"type": "mpi", "process_count_per_instance": 4}, {"distributionType": "Mpi", "processCountPerInstance": 4}),
        (
            {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1},
            {"distributionType": "TensorFlow", "workerCount": 2, "parameterServerCount": 1},
        ),
        ({"type": "ray", "port": 6379}, {"distributionType": "Ray", "port": 6379}),
    ],
)
def test_several_nodes(attached: Attached, given: dict[str, Any], sent: dict[str, Any]) -> None:
    attached.submit("true", "--no-wait", distribution=given, resources={"instance_count": 2, "shm_size": "4g"})
    properties = attached.last_job.properties
    assert {key: value for key, value in properties["distribution"].items() if value is not None} == sent
    assert (properties["resources"]["instanceCount"], properties["resources"]["shmSize"]) == (2, "4g")
