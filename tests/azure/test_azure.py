"""The verbs on Azure Machine Learning, against the stand-in: end to end first, then verb by verb."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from standin import StandIn, assets
from standin.cloud import GROUP, SUBSCRIPTION, WORKSPACE, Workspace
from standin.fixtures import CLUSTER, IMAGE, Attached, until
from standin.storage import ACCOUNT, HOST
from support import Repository

pytest_plugins = ["standin.fixtures"]
DATA = "demo-model-data"
TRAINED = "train-amlcompute"


# --- end to end -------------------------------------------------------------------------------------------------------


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


# --- aml create-compute -----------------------------------------------------------------------------------------------


@pytest.fixture
def bare(attached: Attached) -> Attached:
    """A repository whose workspace has no cluster yet."""
    attached.workspace.computes.clear()
    return attached


def test_a_cluster_is_created_once(bare: Attached) -> None:
    assert "created, Standard_DS3_v2, 0 to 1 nodes" in bare.aml("create-compute").stdout
    cluster = bare.workspace.computes[CLUSTER]["properties"]["properties"]
    assert cluster["vmSize"] == "Standard_DS3_v2" and cluster["osType"] == "Linux"
    scale = {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2H"}
    assert cluster["scaleSettings"] == scale
    assert "is there already, as described (succeeded)" in bare.aml("create-compute").stdout
    assert len(bare.changes()) == 1


def test_what_compute_yml_leaves_out_is_no_change(bare: Attached) -> None:
    """azure-ai-ml fills it in when the cluster is made: a second time that is no difference."""
    for changes in (
        {"min_instances": None, "max_instances": None, "idle_time_before_scale_down": None},
        {"name": "cheap", "tier": "low_priority"},
        {"name": "written", "size": "STANDARD_DS3_V2", "tier": "Dedicated"},
    ):
        bare.write("compute.yml", **changes)
        assert "created" in bare.aml("create-compute").stdout
        assert "is there already, as described" in bare.aml("create-compute").stdout
    assert len(bare.changes()) == 3


def test_a_cluster_is_changed(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.write("compute.yml", max_instances=3, idle_time_before_scale_down=600)
    said = bare.aml("create-compute").stdout
    assert "changed, max_instances from 1 to 3, idle_time_before_scale_down from 7200 to 600" in said
    scale = bare.workspace.computes[CLUSTER]["properties"]["properties"]["scaleSettings"]
    assert (scale["maxNodeCount"], scale["nodeIdleTimeBeforeScaleDown"]) == (3, "PT10M")


def test_tags_and_description_of_a_cluster_are_changed_too(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.write("compute.yml", tags={"team": "a"}, description="of the team")
    assert "changed" in bare.aml("create-compute").stdout
    cluster = bare.workspace.computes[CLUSTER]
    assert (cluster["tags"], cluster["properties"]["description"]) == ({"team": "a"}, "of the team")
    assert "is there already" in bare.aml("create-compute").stdout


def test_a_cluster_that_failed_is_made_again(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.workspace.computes[CLUSTER]["properties"]["provisioningState"] = "Failed"
    bare.aml("create-compute")
    assert bare.workspace.computes[CLUSTER]["properties"]["provisioningState"] == "Succeeded"


def test_the_size_of_a_cluster_stays(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.write("compute.yml", size="Standard_DS2_v2")
    before = len(bare.changes())
    said = bare.refused("create-compute")
    assert (
        said.startswith("aml_config/compute.yml:4: ")
        and "Standard_DS3_v2" in said
        and "create-compute --delete" in said
    )
    assert len(bare.changes()) == before


def test_quota_and_size_are_a_sentence(bare: Attached) -> None:
    bare.workspace.quota["standardDSv2Family"] = 6
    bare.write("compute.yml", max_instances=2)
    said = bare.refused("create-compute", lines=1)
    assert "aml_config/compute.yml:6: " in said and "quota" in said and "https://ml.azure.com/quota" in said
    assert "Click here" not in said
    assert re.search(r"\b6\b", said) and re.search(r"\b8\b", said)  # what there is, and what is asked for
    bare.write("compute.yml", size="Standard_DS3_v3")
    said = bare.refused("create-compute", lines=1)
    assert said.startswith("aml_config/compute.yml:4: size Standard_DS3_v3 is not available in eastus; did you mean ")
    assert said.endswith("Standard_DS3_v2?\n")
    assert not bare.workspace.computes


def test_a_cluster_is_deleted_once(bare: Attached) -> None:
    bare.aml("create-compute")
    assert bare.aml("create-compute", "--delete").stdout == f"cluster {CLUSTER}: deleted\n"
    assert not bare.workspace.computes
    assert bare.aml("create-compute", "--delete").stdout == f"cluster {CLUSTER}: is not there\n"
    assert len(bare.calls("DELETE")) == 1


@pytest.mark.parametrize("role", ["Reader", "AzureML Data Scientist"])
def test_who_may_not_make_a_cluster_is_told_whom_to_ask(bare: Attached, role: Any) -> None:
    """A data scientist may train, but not make clusters: that takes another role."""
    bare.workspace.role = role
    said = bare.refused("create-compute")
    assert "AuthorizationFailed" in said and "AzureML Compute Operator" in said


# --- aml register-data and aml data -----------------------------------------------------------------------------------


def versions(repository: Attached, name: str = DATA, kind: str = "data") -> dict[str, Any]:
    found = repository.workspace.assets.get(kind, {}).get(name, {})
    return {version: resource["properties"] for version, resource in found.items()}


def stored(repository: Attached, uri: str) -> dict[str, bytes]:
    """What lies below an address of a datastore, by its path from there."""
    from standin import datastores

    container, path = datastores.locate(repository.workspace, uri)
    storage = repository.service.storage
    names = storage.list(container, path)
    client = storage.client.get_container_client(container)
    return {name[len(path) :].lstrip("/"): client.download_blob(name).readall() for name in names}


def plant(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_data_is_uploaded_once_for_each_content(attached: Attached) -> None:
    sample = attached.path / "sample-data"
    plant(sample, {"more/rows.csv": b"a,b\n"})
    assert "version 1" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == 2
    first = versions(attached)["1"]
    assert stored(attached, first["dataUri"]).keys() == {"penguins.csv", "more/rows.csv"}
    assert stored(attached, first["dataUri"])["penguins.csv"] == (sample / "penguins.csv").read_bytes()

    changes = len(attached.calls("PUT|PATCH|DELETE"))
    said = attached.aml("register-data").stdout
    assert "version 1" in said and "unchanged" in said
    assert len(attached.calls("PUT|PATCH|DELETE")) == changes and versions(attached) == {"1": first}

    plant(sample, {"more/rows.csv": b"a,c\n"})
    assert "version 2" in attached.aml("register-data").stdout
    assert versions(attached)["1"] == first
    assert stored(attached, versions(attached)["2"]["dataUri"])["more/rows.csv"] == b"a,c\n"
    assert stored(attached, first["dataUri"])["more/rows.csv"] == b"a,b\n"

    plant(sample, {"more/rows.csv": b"a,b\n"})  # what it was: another version, but nothing to upload
    uploads = len(attached.uploads())
    assert "version 3" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == uploads


def test_what_is_said_of_data_is_changed_in_place(attached: Attached) -> None:
    attached.aml("register-data")
    uploads = len(attached.uploads())
    attached.write("data.yml", description="Penguins, größer", tags={"source": "survey"})
    assert "version 1" in attached.aml("register-data").stdout
    (properties,) = versions(attached).values()
    assert (properties["description"], properties["tags"]) == ("Penguins, größer", {"source": "survey"})
    attached.write("data.yml", tags={})
    assert "version 1" in attached.aml("register-data").stdout
    assert versions(attached)["1"]["tags"] == {}
    assert "unchanged" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == uploads


def test_other_data_than_that_of_the_description(attached: Attached, tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere", {"rows.csv": b"1\n"})
    attached.aml("register-data", "--path", str(tmp_path / "elsewhere"))
    assert stored(attached, versions(attached)["1"]["dataUri"]) == {"rows.csv": b"1\n"}
    said = attached.refused("register-data", "--path", "nowhere", lines=1)
    assert "--path nowhere does not exist" in said
    said = attached.refused("register-data", "--path", str(tmp_path / "elsewhere" / "rows.csv"), lines=1)
    assert "is a file, but the type is uri_folder (" in said and "data.yml:3)" in said
    assert len(versions(attached)) == 1


def test_one_file_as_data(attached: Attached) -> None:
    attached.write("data.yml", type="uri_file", path="../sample-data/penguins.csv")
    attached.aml("register-data")
    properties = versions(attached)["1"]
    assert properties["dataType"] == "uri_file" and properties["dataUri"].endswith("/penguins.csv")
    script = {"data": {"type": "uri_file", "path": f"azureml:{DATA}:1"}}
    done = attached.submit('head -c 7 "${{inputs.data}}"', inputs=script)
    assert done.stdout.startswith("species")
    attached.write("data.yml", type="uri_folder")
    said = attached.refused("register-data", lines=1)
    assert "data.yml:4: ../sample-data/penguins.csv is a file, but the type is uri_folder" in said


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("uri_folder", "azureml://datastores/workspaceblobstore/paths/shared/birds/"),
        ("uri_folder", f"wasbs://birds@{HOST}/some/folder/"),
        ("uri_file", "https://example.com/birds.csv"),
    ],
)
def test_data_that_lies_elsewhere_is_registered_only(attached: Attached, kind: str, address: str) -> None:
    attached.write("data.yml", type=kind, path=address)
    assert "version 1" in attached.aml("register-data").stdout
    (properties,) = versions(attached).values()
    assert properties["dataType"] == kind
    assert properties["dataUri"].endswith(address.removeprefix("azureml://"))
    assert "unchanged" in attached.aml("register-data").stdout
    assert not attached.calls(kind="blob") and len(attached.changes()) == 1


def test_a_version_that_the_description_names(attached: Attached) -> None:
    attached.write("data.yml", version="2026-11")
    assert "version 2026-11" in attached.aml("register-data").stdout
    assert "unchanged" in attached.aml("register-data").stdout
    assert versions(attached).keys() == {"2026-11"}
    plant(attached.path / "sample-data", {"new.csv": b"1"})
    uploads = len(attached.uploads())
    said = attached.refused("register-data")
    assert "aml_config/data.yml:5: " in said and "2026-11" in said
    assert len(attached.uploads()) == uploads and versions(attached).keys() == {"2026-11"}


def test_names_of_files_arrive_as_they_are(attached: Attached) -> None:
    names = ["with blank.csv", "größe ü.csv", "50%25.csv", "a#b.csv", "q?x.csv", "plus+and&.csv", "deep/er/ß #1%.csv"]
    if os.name == "nt":
        names.remove("q?x.csv")
    shutil.rmtree(attached.path / "sample-data")
    plant(attached.path / "sample-data", {name: name.encode() for name in names})
    attached.aml("register-data")
    found = stored(attached, versions(attached)["1"]["dataUri"])
    assert found == {name: name.encode() for name in names}
    assert len(attached.uploads()) == len(names)
    assert "unchanged" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == len(names)


def test_what_amlignore_names_stays_here(attached: Attached) -> None:
    sample = plant(attached.path / "sample-data", {"a.tmp": b"", "keep.tmp": b"1", "cache/x.csv": b"", "b.csv": b"1"})
    (sample / ".amlignore").write_text("*.tmp\n!keep.tmp\n/cache/\npenguins.csv\n.amlignore\n")
    attached.aml("register-data")
    assert stored(attached, versions(attached)["1"]["dataUri"]).keys() == {"keep.tmp", "b.csv"}
    plant(sample, {"more.tmp": b"1", "cache/y.csv": b"1"})
    assert "unchanged" in attached.aml("register-data").stdout
    (sample / ".amlignore").write_text("*\n")
    assert "has no file that travels" in attached.refused("register-data", lines=1)


def kill_at_upload(repository: Attached, nth: int, *arguments: str) -> None:
    """Run a verb and kill it when `nth` blobs or blocks have arrived; none after these does."""
    with repository.start(*arguments, stdout=subprocess.DEVNULL) as process:
        faults = repository.service.faults
        faults.add("crash-after", method="PUT", path=r"\.blob\.", nth=nth, action=process.kill)
        faults.add("reset", method="PUT", path=r"\.blob\.", nth=nth + 1, times=10_000)
        assert process.wait(60) == -signal.SIGKILL
    until(lambda: len([call for call in repository.uploads() if call.fault != "reset"]) == nth)
    faults.clear()
    repository.service.calls.clear()


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_an_upload_that_was_cut_off_goes_on(attached: Attached) -> None:
    """The process dies with 20 of 60 files uploaded: the other 40 are what is left to do."""
    plant(attached.path / "sample-data", {f"{index}.csv": b"%d" % index for index in range(59)})
    kill_at_upload(attached, 20, "register-data")
    assert not versions(attached)
    attached.aml("register-data")
    assert len(attached.uploads()) == 40
    assert len(stored(attached, versions(attached)["1"]["dataUri"])) == 60


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_a_large_file_goes_up_in_blocks(attached: Attached) -> None:
    """One that was cut off goes on with the blocks that are missing."""
    size = 5 * 8 * 2**20 - 1000
    content = bytes(range(256)) * (size // 256 + 1)
    shutil.rmtree(attached.path / "sample-data")
    plant(attached.path / "sample-data", {"large.bin": content[:size]})
    kill_at_upload(attached, 2, "register-data")
    attached.aml("register-data")
    assert [call.query.get("comp") for call in attached.uploads()] == ["block"] * 3
    assert stored(attached, versions(attached)["1"]["dataUri"])["large.bin"] == content[:size]


def test_data_is_listed(attached: Attached) -> None:
    """All of it, however many pages the service makes of the lists."""
    assert "no data in workspace aml-demo: aml register-data" in attached.refused("data", lines=1)
    attached.service.page_size = 2
    for name, count in (("a", 1), ("b", 5), ("c", 1)):
        for version in range(1, count + 1):
            uri = f"azureml://datastores/workspaceblobstore/paths/{name}/{version}/"
            properties = {"dataUri": uri, "dataType": "uri_folder", "tags": {"k": "v"}}
            assets.store(attached.workspace, "data", name, str(version), properties)
    rows = [line.split() for line in attached.aml("data").stdout.splitlines()]
    assert rows[0] == ["DATA", "VERSION", "TYPE", "PATH", "TAGS"]
    assert [row[:2] for row in rows[1:]] == [["a", "1"], *(["b", str(n)] for n in (5, 4, 3, 2, 1)), ["c", "1"]]
    assert rows[1][2:] == ["uri_folder", "azureml://datastores/workspaceblobstore/paths/a/1", "k=v"]
    rows = [line.split() for line in attached.aml("data", "-n", "b").stdout.splitlines()]
    assert [row[1] for row in rows[1:]] == ["5", "4", "3", "2", "1"]
    assert "no data missing in workspace" in attached.refused("data", "-n", "missing", lines=1)


# --- aml register-datastore -------------------------------------------------------------------------------------------


def test_a_container_becomes_a_datastore_whose_data_a_job_reads(attached: Attached) -> None:
    storage = attached.service.storage
    container = f"birds-{time.monotonic_ns()}"
    storage.create_container(container)
    storage.upload(container, "wings/rows.csv", b"from the container")
    register = ["register-datastore", "-n", "birds", "--account", ACCOUNT, "--container", container]
    said = attached.aml(*register).stdout
    assert "(registered)" in said and "azureml://datastores/birds/paths/" in said
    properties = attached.workspace.datastores["birds"]["properties"]
    assert (properties["accountName"], properties["containerName"]) == (ACCOUNT, container)
    assert properties["credentials"] == {"credentialsType": "None"} and "birds" not in attached.workspace.secrets
    assert "is there already" in attached.aml(*register).stdout
    assert len(attached.changes()) == 1

    attached.write("data.yml", path="azureml://datastores/birds/paths/wings/")
    attached.aml("register-data")
    inputs = {"data": {"type": "uri_folder", "path": f"azureml:{DATA}@latest"}}
    assert "from the container" in attached.submit('cat "${{inputs.data}}"/rows.csv', inputs=inputs).stdout

    register[-1] = "another-one"
    assert "(changed)" in attached.aml(*register).stdout
    assert attached.workspace.datastores["birds"]["properties"]["containerName"] == "another-one"


@pytest.mark.parametrize(
    ("option", "value"), [("-n", "Birds-2"), ("--account", "not_one"), ("--container", "double--dash")]
)
def test_names_of_a_datastore(attached: Attached, option: str, value: str) -> None:
    options = {"-n": "birds", "--account": ACCOUNT, "--container": "birds", option: value}
    said = attached.refused("register-datastore", *(part for pair in options.items() for part in pair), lines=1)
    assert repr(value) in said and "such as" in said
    assert not attached.service.calls


# --- aml submit -------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_data(attached: Attached) -> Attached:
    """A repository whose data is registered as version 1, without the requests that do that."""
    container = attached.workspace.datastores["workspaceblobstore"]["properties"]["containerName"]
    attached.service.storage.upload(container, "data/rows.csv", b"registered data\n")
    uri = "azureml://datastores/workspaceblobstore/paths/data/"
    assets.store(attached.workspace, "data", DATA, "1", {"dataUri": uri, "dataType": "uri_folder"})
    return attached


#: A part of train-amlcompute.yml that leads nowhere: the line it is on, and the command that fixes it.
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
    options = ["--data", f"azureml:{DATA}:1", "--set", "inputs.size=4", "-e", "birds", "-t", "out/run.json"]
    done = with_data.submit(command, *options, **parts)
    assert done.stdout == ".amlignore\nrun.sh\nregistered data\n4 blue 4\n"
    first = with_data.last_job
    assert json.loads((with_data.path / "out/run.json").read_text())["experiment_name"] == "birds"
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
    assert f"https://ml.azure.com/runs/{job.name}" in done.stderr and f"aml runs --azure show {job.name}" in done.stderr


def test_a_job_that_fails(attached: Attached) -> None:
    done = attached.submit("echo about to fail; echo for this reason >&2; exit 3", status=1)
    assert "about to fail\nfor this reason\n" in done.stdout
    name = attached.last_job.name
    assert re.search(rf"run {name} failed after \d+ s: .*User process exited with status code 3", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_job_that_is_cancelled(attached: Attached) -> None:
    attached.job("echo started; sleep 60")
    with attached.start("submit", "-c", "job.yml") as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"  # it comes while the job goes on
        name = attached.last_job.name
        assert name in attached.aml("runs", "--azure", "cancel", name).stdout
        assert process.wait(30) == 130
        assert f"run {name} cancelled" in process.stderr.read()  # type: ignore[union-attr]
    assert attached.last_job.status == "Canceled"
    attached.aml("runs", "--azure", "cancel", name)  # again: that is no mistake


@pytest.mark.skipif(os.name == "nt", reason="no Ctrl-C can be sent to one process")
def test_ctrl_c_ends_the_watching_only(attached: Attached) -> None:
    attached.job("echo started; sleep 60")
    with attached.start("submit", "-c", "job.yml") as process:
        assert process.stdout and process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        said = process.stderr.read()  # type: ignore[union-attr]
    job = attached.last_job
    assert job.status == "Running" and "Traceback" not in said
    assert f"run {job.name} goes on: aml runs --azure show {job.name}" in said
    assert f"aml runs --azure cancel {job.name}" in said
    attached.submit("echo started; sleep 60", "--no-wait")  # on purpose, so it is another job
    assert len(attached.workspace.jobs) == 2


def test_an_unchanged_snapshot_is_uploaded_once(attached: Attached) -> None:
    for number, uploads in enumerate((2, 2, 3), 1):
        attached.submit("true", "--no-wait", code="src", tags={"number": str(number)})
        if number == 2:
            plant(attached.path / "src", {"train.py": b"print(1)"})
        assert len(attached.uploads()) == uploads + (number == 3)
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


def test_a_letter_that_comes_in_two_parts_is_shown_whole(attached: Attached) -> None:
    done = attached.submit(
        "printf 'Z\\xc3'; sleep 1.5; printf '\\xbcrich \\xf0\\x9f'; sleep 1.5; printf '\\x90\\xa7\\n'"
    )
    assert done.stdout == "Zürich 🐧\n"


def test_the_log_of_a_terminal_without_unicode(attached: Attached) -> None:
    """Nothing fails for a letter that the terminal lacks."""
    done = attached.submit("printf 'Z\\xc3\\xbcrich\\n'")
    assert done.stdout == "Zürich\n"
    variables = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = attached.aml("submit", "-c", "job.yml", env={**attached.environment(), **variables})
    assert done.stdout == "Z?rich\n"


def test_named_outputs(attached: Attached) -> None:
    """They are downloaded and registered by their names, whether folder, file or model."""
    outputs = {
        "table": {"type": "uri_folder"},
        "model": {"type": "custom_model"},
        "score": {"type": "uri_file"},
    }
    command = "mkdir outputs; echo 0 > outputs/one.txt; echo 1 > ${{outputs.table}}/a.csv; "
    command += "mkdir ${{outputs.model}}/deep; echo 2 > ${{outputs.model}}/deep/m.pkl; echo 3 > ${{outputs.score}}"
    attached.submit(command, "-t", "run.json", outputs=outputs)
    name = attached.last_job.name
    attached.aml("runs", "--azure", "download", name, "-o", "left")
    left = {file.relative_to(attached.path / "left").as_posix() for file in (attached.path / "left").rglob("*.*")}
    assert left >= {"outputs/one.txt", "user_logs/std_log.txt"}
    named = attached.path / "left" / "named-outputs"
    assert (named / "table" / "a.csv").read_text() == "1\n"
    assert (named / "model" / "deep" / "m.pkl").read_text() == "2\n"
    assert (named / "score" / "score").read_text() == "3\n"
    before = len(attached.calls("GET", kind="blob"))
    attached.aml("runs", "--azure", "download", name, "-o", "left")  # again: all of it is here
    assert [call for call in attached.calls("GET", kind="blob")[before:] if "comp" not in call.query] == []

    said = attached.aml("register-model", "-n", "birds", "-f", "run.json", "--asset-path", "named-outputs/model").stdout
    assert "model birds, version 1: named-outputs/model of run" in said
    model = versions(attached, "birds", "models")["1"]
    assert model["jobName"] == name and stored(attached, model["modelUri"]) == {"deep/m.pkl": b"2\n"}
    said = attached.aml(
        "register-model", "-n", "birds", "-f", "run.json", "--asset-path", "named-outputs/model/deep/m.pkl"
    ).stdout
    assert "version 2" in said
    assert versions(attached, "birds", "models")["2"]["modelUri"].endswith(f"azureml/{name}/model/deep/m.pkl")
