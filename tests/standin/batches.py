"""Batch endpoints, their deployments, and their jobs, which really run the scoring script over files.

Sources: the contract's BatchEndpoints and BatchDeployments operations, as the clients in azure-ai-ml 1.35.2 call them;
`operations/_batch_endpoint_operations.py` and `_schema/_deployment/batch/batch_job.py` there for what is sent to the
endpoint's own address, and for what is read of the answer; docs: how-to-batch-scoring-script.md for run(mini_batch)
and what becomes of its rows, reference-yaml-deployment-batch.md for the settings.

What is said of a default deployment that is not there is the stand-in's own: nothing may depend on it.

A job of the service is a pipeline whose step has the log; here it is one run, with the log under the name that the run
of a pipeline has for its own.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import assets, datastores, jobs, operations, resources
from .cloud import PROVIDER, checked_body, page, system_data, workspace_of
from .containers import download, lay_out_model
from .endpoints import AUDIENCE, SCORING_DOMAIN
from .mlflow import Run, experiment_of
from .resources import Deployment, Kind, refuse_conflict
from .wire import Json, Request, Response, Router, ServiceError

if TYPE_CHECKING:
    from .cloud import Workspace

router = Router()
jobs_router = Router()
#: Below the address of a region: azure-ai-ml's MFE_PATH_PREFIX (constants/_common.py).
MFE = "/mferp/managementfrontend"
LOG = "logs/azureml/executionlogs.txt"
#: What runs the script: a mini batch at a time, each in its order; rows without a head, their values apart by a blank.
_DRIVER = """
import importlib.util, json, sys
order = json.load(open(sys.argv[1]))
specification = importlib.util.spec_from_file_location("scoring_script", order["script"])
script = importlib.util.module_from_spec(specification)
specification.loader.exec_module(script)
script.init()
failed = 0
with open(order["output"], "w", encoding="utf-8") as output:
    for start in range(0, len(order["files"]), order["size"]):
        batch = order["files"][start : start + order["size"]]
        try:
            rows = script.run(batch)
        except Exception as error:
            print(f"mini batch {start // order['size']} failed: {type(error).__name__}: {error}", flush=True)
            failed += len(batch)
            continue
        if hasattr(rows, "to_csv"):
            output.write(rows.to_csv(sep=" ", header=False, index=False))
        else:
            output.writelines(f"{row}\\n" for row in rows)
if 0 <= order["threshold"] < failed:
    sys.exit(f"{failed} files failed, and error_threshold is {order['threshold']}")
"""


@dataclass
class BatchEndpoint(resources.Endpoint[Deployment]):
    #: Those of its jobs, by the id of the request that started them.
    jobs: dict[str, BatchJob] = field(default_factory=dict)


BATCH: Kind[BatchEndpoint] = Kind("batchEndpoints", lambda workspace: workspace.batch_endpoints)
BATCH.answer_reads(router)


def store(workspace: Workspace, name: str, default: str, model: str, **properties: object) -> BatchEndpoint:
    """An endpoint that is there already with a default deployment, for tests; `properties` are the deployment's."""
    given: Json = {"authMode": "AADToken", "defaults": {"deploymentName": default}}
    endpoint = BatchEndpoint(_resource(workspace, name, workspace.location, {}, given, "Succeeded"))
    asset = f"{workspace.scope}/models/{model.replace(':', '/versions/')}"
    given = {"model": {"referenceType": "Id", "assetId": asset}, "miniBatchSize": 10, **properties}
    endpoint.deployments[default] = Deployment(
        _deployment(endpoint, default, workspace.location, {}, given, "Succeeded")
    )
    workspace.batch_endpoints[name] = endpoint
    return endpoint


def _resource(workspace: Workspace, name: str, location: str, tags: Json, given: Json, state: str) -> Json:
    return {
        "id": f"{workspace.scope}/batchEndpoints/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/batchEndpoints",
        "location": location,
        "tags": tags,
        "systemData": system_data(),
        "properties": {
            "description": None,
            **given,
            "properties": given.get("properties") or {},
            "defaults": {"deploymentName": (given.get("defaults") or {}).get("deploymentName")},
            "scoringUri": f"https://{name}{SCORING_DOMAIN}/jobs",
            "swaggerUri": None,
            "provisioningState": state,
        },
    }


def _deployment(endpoint: BatchEndpoint, name: str, location: str, tags: Json, given: Json, state: str) -> Json:
    return {
        "id": f"{endpoint.resource['id']}/deployments/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/batchEndpoints/deployments",
        "location": location,
        "tags": tags,
        "systemData": system_data(),
        "properties": {**given, "properties": given.get("properties") or {}, "provisioningState": state},
    }


@router.on("PUT", f"{BATCH.endpoints}/{{endpoint}}")
def put_batch_endpoint(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/write")
    body, name = checked_body(request, "BatchEndpoint"), request.names["endpoint"]
    before = workspace.batch_endpoints.get(name)
    refuse_conflict(workspace, before)
    default = (body["properties"].get("defaults") or {}).get("deploymentName")
    if default and (before is None or default not in before.deployments):
        raise ServiceError(400, "BadRequest", f"The default deployment {default} does not exist.")
    state = "Updating" if before else "Creating"
    resource = _resource(workspace, name, body["location"], body.get("tags") or {}, body["properties"], state)
    if before:
        resource["systemData"] = system_data(before.resource["systemData"]["createdAt"])
    endpoint = before or BatchEndpoint(resource)
    endpoint.resource = resource
    workspace.batch_endpoints[name] = endpoint
    return operations.put(request, "beidp", resource, is_new=before is None)


@router.on("DELETE", f"{BATCH.endpoints}/{{endpoint}}")
def delete_batch_endpoint(request: Request) -> Response:
    workspace, name = workspace_of(request, "batchEndpoints/delete"), request.names["endpoint"]
    endpoint = workspace.batch_endpoints.get(name)
    if endpoint is None:
        return Response(204)
    refuse_conflict(workspace, endpoint)
    remove = functools.partial(workspace.batch_endpoints.pop, name, None)
    return operations.delete(request, "beidp", endpoint.resource, remove)


@router.on("PUT", f"{BATCH.deployments}/{{name}}")
def put_batch_deployment(request: Request) -> Response:
    """What it names is there; nothing runs until there is a job."""
    workspace = workspace_of(request, "batchEndpoints/deployments/write")
    body, name = checked_body(request, "BatchDeployment"), request.names["name"]
    endpoint, given = BATCH.find(workspace, request.names["endpoint"]), body["properties"]
    before = endpoint.deployments.get(name)
    refuse_conflict(workspace, endpoint, before)
    assets.conda_file(workspace, given["environmentId"])
    assets.find(workspace, given["model"]["assetId"], "models")
    assets.find(workspace, given["codeConfiguration"]["codeId"], "codes")
    compute = str(given.get("compute") or "").rsplit("/", 1)[-1]
    if compute not in workspace.computes:
        raise ServiceError(404, "UserError", f"Unknown compute target '{compute}' in workspace {workspace.name}.")
    resource = _deployment(endpoint, name, body["location"], body.get("tags") or {}, given, "Creating")
    endpoint.deployments[name] = Deployment(resource)
    return operations.put(request, "bdidp", resource, is_new=before is None)


@router.on("DELETE", f"{BATCH.deployments}/{{name}}")
def delete_batch_deployment(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/deployments/delete")
    endpoint, name = BATCH.find(workspace, request.names["endpoint"]), request.names["name"]
    deployment = endpoint.deployments.get(name)
    if deployment is None:
        return Response(204)
    refuse_conflict(workspace, endpoint, deployment)
    remove = functools.partial(endpoint.deployments.pop, name, None)
    return operations.delete(request, "bdidp", deployment.resource, remove)


@jobs_router.on("GET", f"{MFE}{BATCH.endpoints}/{{endpoint}}/jobs")
def list_batch_jobs(request: Request) -> Response:
    """azure-ai-ml's list_jobs, by the address of the region."""
    workspace = workspace_of(request, "batchEndpoints/read")
    return page(request, [job.entry for job in BATCH.find(workspace, request.names["endpoint"]).jobs.values()])


def start_job(request: Request, workspace: Workspace, name: str) -> Response:
    """POST to the endpoint's own address: 201 and the job, whose name is the service's own.

    Recorded answers (Azure/azure-sdk-for-python at 0cb6bef, sdk/ml/azure-ai-ml/tests/recordings/batch_services): a name
    batchjob-…, while properties.name is another one. azure-ai-ml repeats a request that had no answer with the same
    repeatability_request-id; the same job is what such headers are for (docs.oasis-open.org, Repeatable Requests 1.0).
    """
    service, endpoint = request.service, workspace.batch_endpoints[name]
    try:
        claims = service.login.claims(request)
    except ServiceError:
        return Response(401)
    if str(claims["aud"]).rstrip("/") != AUDIENCE or workspace.role in ("none", "Reader"):
        return Response(401)
    wanted = request.headers.get("azureml-model-deployment") or endpoint.properties["defaults"]["deploymentName"]
    deployment = endpoint.deployments.get(wanted or "")
    if deployment is None or request.path != "/jobs":
        return Response(404, {"error": {"code": "NotFound", "message": f"There is no deployment {wanted}."}})
    request_id = request.headers.get("repeatability_request-id") or str(uuid.uuid4())
    job = endpoint.jobs.get(request_id)
    if job is None:
        given, job_name = request.json["properties"], f"batchjob-{uuid.uuid4()}"
        shown = str(given.get("name") or job_name)
        run = Run(workspace, experiment_of(workspace, name), job_name, shown, status="NotStarted")
        properties = {"jobType": "Pipeline", "experimentName": name, "displayName": shown, "tags": {}, "inputs": {}}
        job = BatchJob(workspace, job_name, properties, run, given=given, deployment=deployment.resource["properties"])
        endpoint.jobs[request_id] = workspace.jobs[job_name] = job
        workspace.runs[job_name] = run
        job.start()
    return Response(201, job.entry)


@dataclass(repr=False)
class BatchJob(jobs.Job):
    given: Json = field(default_factory=dict)
    deployment: Json = field(default_factory=dict)

    @property
    def entry(self) -> Json:
        """As the endpoint has it."""
        properties = {**self.given, "name": self.properties["displayName"], "status": self.status}
        kind = f"{PROVIDER}/workspaces/batchEndpoints/deployments/jobs"
        return {"id": self.resource["id"], "name": self.name, "type": kind, "properties": properties}

    def _execute(self) -> None:
        folder = self.workspace.service.folder / "batches" / self.name
        folder.mkdir(parents=True)
        self.run.status = "Running"
        try:
            error = self._perform(folder)
        except Exception as failure:
            error = str(failure)
        storage = self.workspace.service.storage
        artifacts, _ = datastores.locate(self.workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
        log = folder / "log.txt"
        storage.upload(artifacts, self.run.artifact_prefix + LOG, log.read_bytes() if log.exists() else b"")
        with self.workspace.service.cloud.lock:
            self.run.error = error
            self.run.ended = int(time.time() * 1000)
            self.run.status = "Failed" if error else "Completed"
        shutil.rmtree(folder, ignore_errors=True)

    def _perform(self, folder: Path) -> str | None:
        """Run the script over the input's files; returns why that failed."""
        workspace, own = self.workspace, self.deployment
        conda = assets.conda_file(workspace, own["environmentId"])
        prefix = jobs.build_environment(conda, workspace.service.cache)
        code = own["codeConfiguration"]
        download(workspace, assets.find(workspace, code["codeId"], "codes")["properties"]["codeUri"], folder / "code")
        models = lay_out_model(workspace, own["model"]["assetId"], folder)
        (given,) = self.given["inputData"].values()
        uri = jobs.data_uri(workspace, given["uri"])
        files = folder / "input"
        if not download(workspace, uri, files):
            return f"The input was not found: {given['uri']}"
        order = {
            "script": str(folder / "code" / code["scoringScript"]),
            "files": [str(file) for file in sorted(files.rglob("*")) if file.is_file()],
            "size": own.get("miniBatchSize") or 10,
            "threshold": own.get("errorThreshold") if own.get("errorThreshold") is not None else -1,
            "output": str(folder / "predictions.csv"),
        }
        (folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
        python = prefix / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        dropped = re.compile("PYTHON|VIRTUAL_ENV|CONDA_|AZURE|AML_|MLFLOW_|.*_PROXY|.*_proxy")
        variables = {key: value for key, value in os.environ.items() if not dropped.match(key)}
        variables |= own.get("environmentVariables") or {}
        variables["AZUREML_MODEL_DIR"] = str(models)
        with (folder / "log.txt").open("wb") as log:
            done = subprocess.run(
                [str(python), "-c", _DRIVER, str(folder / "order.json")],
                cwd=folder / "code", env=variables, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if done.returncode:
            last = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            return f"Execution failed. {' '.join(last)}"
        (output,) = (self.given.get("outputData") or {"score": {"uri": self._default_output()}}).values()
        container, path = datastores.locate(workspace, output["uri"])
        workspace.service.storage.upload(container, path, folder / "predictions.csv")
        return None

    def _default_output(self) -> str:
        file = self.deployment.get("outputFileName") or "predictions.csv"
        return f"azureml://datastores/{datastores.DEFAULT}/paths/azureml/{self.name}/score/{file}"
