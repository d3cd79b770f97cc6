"""The verbs on Azure Machine Learning, each with the workspace that it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from standin import assets, batches, cloud, datastores, endpoints, jobs
from standin.cloud import Workspace
from standin.contents import BATCH_DEPLOYMENT, BATCH_ENDPOINT, CONDA, ENDPOINT, REQUEST, SCORE, SCORE_BATCH, add_model
from standin.mlflow import Run, experiment_of
from standin.storage import HOST as BLOB_HOST

from .bench import Verb

CLUSTER = "cpu-cluster"
DATA = "demo-model-data"
IMAGE = {"image": "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"}
JOB = "11111111-aaaa-bbbb-cccc-000000000001"  # of the workspace
MODEL = "outputs/model.pkl"
GATE = """
from aml.cli.register_model import main

TEST_DATA = "outputs/test.csv"

def reasons_against(candidate, champion):
    return []

def score(model, test_data):
    return {"accuracy": len(model.read_text() + test_data.read_text())}
"""
PROD = "aml-prod"  # another workspace
REGISTRY = "team-models"


def write_repository(root: Path) -> None:
    """Add to a generated repository: jobs that need no packages, code and data for them, descriptions, records."""
    (root / "quick").mkdir()
    (root / "quick" / "main.py").write_text("print('never run')\n")
    (root / "quick" / "part.txt").write_text("a part of the code\n")
    (root / "more-data").mkdir()
    (root / "scripts" / "register_data.py").unlink()
    # a gate that is asked, with what it asks the workspace for
    (root / "scripts" / "register_model.py").write_text(GATE)
    for number in range(3):
        (root / "more-data" / f"{number}.csv").write_text(f"a,b\n{number},1\n")
    command = "cat main.py part.txt ${{inputs.more}}/*.csv; mkdir -p outputs; echo 1 > outputs/model.pkl"
    job: dict[str, Any] = {"type": "command", "command": command, "code": "quick", "environment": IMAGE}
    there = {**job, "command": "cat ${{inputs.data}}/*.csv; " + command, "compute": f"azureml:{CLUSTER}"}
    more = {"type": "uri_folder", "path": "more-data"}
    data = {"type": "uri_folder", "path": f"azureml:{DATA}@latest"}
    write(root / "quick.yml", {**there, "inputs": {"data": data, "more": more}})
    write(root / "quick-here.yml", {**job, "inputs": {"more": more}, "compute": "local"})
    place = "azureml://datastores/workspaceblobstore/paths/there/"
    write(root / "aml_config" / "there.yml", {"name": "there", "type": "uri_folder", "path": place})
    write(root / "aml_config" / "larger.yml", {**yaml.safe_load((root / "aml_config" / "compute.yml").read_text()),
                                               "max_instances": 2})  # fmt: skip
    (root / "src" / "score.py").write_text(SCORE)
    (root / "src" / "score_batch.py").write_text(SCORE_BATCH)
    (root / "aml_config" / "batch-deployment.yml").write_text(BATCH_DEPLOYMENT)
    write(root / "aml_config" / "score-conda.yml", CONDA)
    (root / "sample-data" / "request.json").write_text(json.dumps(REQUEST))
    record = {"run_id": JOB, "experiment_name": "demo-model", "compute": CLUSTER}
    (root / "cloud.json").write_text(json.dumps(record))


def write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document))


def cluster(workspace: Workspace) -> None:
    """The cluster of compute.yml."""
    scale = {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2H"}
    own = {"vmSize": "Standard_DS3_v2", "vmPriority": "Dedicated", "osType": "Linux", "scaleSettings": scale}
    workspace.computes[CLUSTER] = {
        "id": f"{workspace.scope}/computes/{CLUSTER}",
        "name": CLUSTER,
        "type": f"{cloud.PROVIDER}/workspaces/computes",
        "location": workspace.location,
        "tags": {},
        "systemData": cloud.system_data(),
        "properties": {
            "computeType": "AmlCompute",
            "computeLocation": workspace.location,
            "createdOn": cloud.timestamp(),
            "modifiedOn": cloud.timestamp(),
            "provisioningState": "Succeeded",
            "properties": own,
        },
    }


def data(workspace: Workspace) -> None:
    """Two data assets, one of which has two versions; the first one's blob is there."""
    container, _ = datastores.locate(workspace, "azureml://datastores/workspaceblobstore/paths/")
    workspace.service.storage.upload(container, "here/penguins.csv", b"a,b\n1,2\n")
    for name, version in ((DATA, "1"), ("other", "1"), ("other", "2")):
        place = f"azureml://datastores/workspaceblobstore/paths/here{version if name == 'other' else ''}/"
        assets.store(workspace, "data", name, version, {"dataUri": place, "dataType": "uri_folder"})


def ready(workspace: Workspace) -> None:
    cluster(workspace)
    data(workspace)


def trained(workspace: Workspace) -> None:
    """A job that has ended, with a log, a model and a named output."""
    job = add_job(workspace, status="Completed", outputs={"report": {"jobOutputType": "uri_folder", "uri": None}})
    job.run.ended = job.run.started + 1000
    job.run.metrics["accuracy"] = [{"key": "accuracy", "value": 0.5, "timestamp": job.run.started, "step": 0}]
    job.run.params["c"] = "1.0"
    storage = workspace.service.storage
    artifacts, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
    storage.upload(artifacts, job.run.artifact_prefix + MODEL, b"1\n")
    storage.upload(artifacts, job.run.artifact_prefix + jobs.LOG, b"trained\n")
    named, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.DEFAULT}/paths/")
    for name in ("a.txt", "b.txt"):
        storage.upload(named, f"azureml/{JOB}/report/{name}", name.encode())


def running(workspace: Workspace) -> None:
    """A job that goes on for a minute, unless it is cancelled."""
    assets.store(workspace, "environments", "bare", "1", dict(IMAGE))
    job = add_job(workspace, environmentId="azureml:bare:1", command="sleep 60")
    job.start()


def add_job(workspace: Workspace, name: str = JOB, status: str = "NotStarted", **properties: Any) -> jobs.Job:
    experiment = experiment_of(workspace, "demo-model")
    run = Run(workspace, experiment, name, "a run", status=status)
    given = {"jobType": "Command", "experimentName": experiment.name, "displayName": run.name, "tags": {}}
    job = jobs.Job(workspace, name, {**given, **properties}, run)
    workspace.jobs[name], workspace.runs[name] = job, run
    return job


def models(workspace: Workspace) -> None:
    """Two models, one of which has two versions."""
    trained(workspace)
    for name, version in (("demo-model", "1"), ("demo-model", "2"), ("other", "1")):
        place = f"azureml://jobs/{JOB}/outputs/artifacts/paths/{MODEL}"
        given = {"modelUri": place, "modelType": "custom_model", "tags": {"of": name}}
        assets.store(workspace, "models", name, version, given)


def gated(workspace: Workspace) -> None:
    """Two versions that passed the gate, of which the first one was promoted."""
    trained(workspace)
    for version in ("1", "2"):
        add_model(workspace, version, f"owl {version}")
        kept = {"gate.verdict": "passed", "gate.metrics": "1", "metric.accuracy": "0.5", "gate.test_data": "another"}
        workspace.assets["models"]["demo-model"][version]["properties"]["properties"] = kept
    promoted = {"champion.number": "1", "champion.held": "2026-11-26T10:00:00Z/"}
    workspace.assets["models"]["demo-model"]["1"]["properties"]["tags"] = promoted


def gated_on_other_data(workspace: Workspace) -> None:
    """The same, and a job that kept its test data."""
    gated(workspace)
    artifacts, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
    place = workspace.jobs[JOB].run.artifact_prefix + "outputs/test.csv"
    workspace.service.storage.upload(artifacts, place, b"a,b\n")


def with_registry(workspace: Workspace) -> None:
    gated(workspace)
    workspace.service.cloud.registries[REGISTRY] = {}


def with_another(workspace: Workspace) -> None:
    gated(workspace)
    workspace.service.cloud.add_workspace(PROD)


def model(workspace: Workspace) -> None:
    """A registered model that can be deployed."""
    add_model(workspace, "1", "owl")


def model_and_cluster(workspace: Workspace) -> None:
    model(workspace)
    cluster(workspace)


def batches_ready(workspace: Workspace) -> None:
    """A batch endpoint whose jobs need no packages."""
    model(workspace)
    parts = scoring_parts(workspace, "score_batch.py", SCORE_BATCH)
    batches.store(workspace, BATCH_ENDPOINT, "demo-model-1", "demo-model:1", **parts)


def deployed(workspace: Workspace) -> None:
    """Two deployments, of which the second answers: before, the first one did."""
    endpoint = endpoints.store(workspace, ENDPOINT, traffic={"demo-model-2": 100})
    endpoint.resource["tags"] = {"aml.traffic-before": "demo-model-1=100"}
    for version in ("1", "2"):
        add_model(workspace, version, f"owl {version}")
        endpoints.store_deployment(workspace, endpoint, f"demo-model-{version}", f"demo-model:{version}")


def failed(workspace: Workspace) -> None:
    """The deployment of a model that did not start."""
    model(workspace)
    endpoint = endpoints.store(workspace, ENDPOINT)
    endpoints.store_deployment(workspace, endpoint, "demo-model-1", "demo-model:1", provisioningState="Failed")


def scoring_parts(workspace: Workspace, script: str, text: str) -> dict[str, Any]:
    """What a deployment says of its script and of an environment without packages, which are in the workspace."""
    code, _ = datastores.locate(workspace, "azureml://datastores/workspaceblobstore/paths/")
    workspace.service.storage.upload(code, f"code/{script}", text.encode())
    assets.store(workspace, "codes", "scoring", "1", {"codeUri": f"https://{BLOB_HOST}/{code}/code"})
    assets.store(workspace, "environments", "bare", "1", dict(IMAGE))
    code_configuration = {"codeId": "azureml:scoring:1", "scoringScript": script}
    return {"codeConfiguration": code_configuration, "environmentId": "azureml:bare:1"}


def serving(workspace: Workspace) -> None:
    """A deployment that answers."""
    model(workspace)
    parts = scoring_parts(workspace, "score.py", SCORE)
    endpoint = endpoints.store(workspace, ENDPOINT, traffic={"demo-model-1": 100})
    made = endpoints.store_deployment(workspace, endpoint, "demo-model-1", "demo-model:1", **parts)
    assert made.container.start() is None


VERBS = [
    Verb("workspace", ("workspace",), reads=True, refusal=1),
    Verb("create-compute", ("create-compute",)),
    Verb("create-compute, changed", ("create-compute", "-f", "aml_config/larger.yml"), cluster),
    Verb("create-compute --delete", ("create-compute", "--delete"), cluster),
    Verb("register-data", ("register-data",)),
    Verb("register-data, a path there", ("register-data", "-f", "aml_config/there.yml"), data),
    Verb("register-datastore", ("register-datastore", "-n", "extra", "--account", "another", "--container", "more")),
    Verb("data", ("data",), data, reads=True),
    Verb("submit", ("submit", "-c", "quick.yml", "-t", "run.json"), ready),
    Verb(
        "submit --track azure",
        ("submit", "-c", "quick-here.yml", "--here", "--track", "azure", "-t", "run.json"),
        trains=True,
    ),
    Verb("runs --azure", ("runs", "--azure"), trained, reads=True),
    Verb("runs --azure show", ("runs", "--azure", "show", JOB), trained, reads=True),
    Verb("runs --azure cancel", ("runs", "--azure", "cancel", JOB), running),
    Verb("runs --azure download", ("runs", "--azure", "download", JOB), trained),
    Verb("register-model", ("register-model", "-n", "demo-model", "-f", "cloud.json", "--tag", "a=b"), trained),
    Verb("register-model --to azure", ("register-model", "-n", "demo-model", "--to", "azure", "--property", "a=b")),
    Verb("register-model, other data", ("register-model", "-n", "demo-model", "-f", "cloud.json"), gated_on_other_data),
    Verb("promote", ("promote", "demo-model", "--azure"), gated),
    Verb("promote --registry", ("promote", "demo-model", "--registry", REGISTRY), with_registry),
    Verb(
        "promote --to-workspace",
        ("promote", "demo-model", "--to-workspace", f"{cloud.SUBSCRIPTION}/{cloud.GROUP}/{PROD}"),
        with_another,
    ),
    Verb("models --azure", ("models", "--azure"), models, reads=True),
    Verb("deploy", ("deploy",), model),
    Verb("deploy, one that failed", ("deploy",), failed),
    Verb("deploy, batch", ("deploy", "-c", "batch-deployment"), model_and_cluster),
    Verb("deploy --rollback", ("deploy", "--rollback"), deployed),
    Verb("deploy --delete, a deployment", ("deploy", "--delete", "demo-model-1"), deployed),
    Verb("deploy --delete, all", ("deploy", "--delete", ENDPOINT), deployed),
    Verb("endpoints", ("endpoints",), deployed, reads=True),
    Verb("endpoints show", ("endpoints", "show", ENDPOINT), deployed, reads=True),
    Verb("endpoints logs", ("endpoints", "logs", ENDPOINT), deployed, reads=True),
    Verb("endpoints show, batch", ("endpoints", "show", BATCH_ENDPOINT), batches_ready, reads=True),
    Verb("invoke", ("invoke",), serving, reads=True),
    Verb("invoke, batch", ("invoke", "-c", "batch-deployment", "--data", "more-data"), batches_ready),
]
