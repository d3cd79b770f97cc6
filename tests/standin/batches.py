"""Batch endpoints, their deployments, and their jobs, which really run the scoring script over files.

Sources: the contract's BatchEndpoints and BatchDeployments operations, as the clients in azure-ai-ml 1.35.2 call them;
`operations/_batch_endpoint_operations.py` and `_schema/_deployment/batch/batch_job.py` there for what is sent to the
endpoint's own address, and for what is read of the answer; docs: how-to-batch-scoring-script.md for run(mini_batch)
and what becomes of its rows, reference-yaml-deployment-batch.md for the settings.

A job of the service is a pipeline whose step has the log; here it is one run, with the log under the name that the run
of a pipeline has for its own.
"""

from __future__ import annotations

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

from . import assets, datastores, jobs
from .cloud import PROVIDER, WS, checked_body, page, system_data, workspace_of
from .containers import download, lay_out_model
from .endpoints import AUDIENCE, SCORING_DOMAIN, TERMINAL, later, refuse_conflict
from .mlflow import Run, experiment_of
from .operations import Operation, asynchronous, located
from .wire import Json, Request, Response, Router, ServiceError

if TYPE_CHECKING:
    from .cloud import Workspace

router = Router()
_ENDPOINTS = f"{WS}/batchEndpoints"
_DEPLOYMENTS = f"{_ENDPOINTS}/{{endpoint}}/deployments"
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
class BatchEndpoint:
    resource: Json
    #: Name and resource.
    deployments: dict[str, Json] = field(default_factory=dict)

    @property
    def is_busy(self) -> bool:
        return self.resource["properties"]["provisioningState"] not in TERMINAL

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is under way."""
        states = [one["properties"]["provisioningState"] for one in list(self.deployments.values())]
        return not self.is_busy and all(state in TERMINAL for state in states)


def _find(workspace: Workspace, name: str) -> BatchEndpoint:
    if name not in workspace.batch_endpoints:
        raise ServiceError(404, "ResourceNotFound", f"Endpoint with name: {name} not found.")
    return workspace.batch_endpoints[name]


@router.on("GET", _ENDPOINTS)
def list_batch_endpoints(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/read")
    return page(request, [endpoint.resource for endpoint in workspace.batch_endpoints.values()])


@router.on("GET", f"{_ENDPOINTS}/{{endpoint}}")
def get_batch_endpoint(request: Request) -> Response:
    return Response(200, _find(workspace_of(request, "batchEndpoints/read"), request.names["endpoint"]).resource)


@router.on("PUT", f"{_ENDPOINTS}/{{endpoint}}")
def put_batch_endpoint(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/write")
    body, name = checked_body(request, "BatchEndpoint"), request.names["endpoint"]
    before = workspace.batch_endpoints.get(name)
    refuse_conflict(before is not None and before.is_busy, f"endpoint {name}")
    default = (body["properties"].get("defaults") or {}).get("deploymentName")
    if default and (before is None or default not in before.deployments):
        raise ServiceError(400, "BadRequest", f"The default deployment {default} does not exist.")
    resource: Json = {
        "id": f"{workspace.scope}/batchEndpoints/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/batchEndpoints",
        "location": body["location"],
        "tags": body.get("tags") or {},
        "systemData": system_data(before.resource["systemData"]["createdAt"] if before else None),
        "properties": {
            "description": None,
            **body["properties"],
            "properties": body["properties"].get("properties") or {},
            "defaults": {"deploymentName": default},
            "scoringUri": f"https://{name}{SCORING_DOMAIN}/jobs",
            "swaggerUri": None,
            "provisioningState": "Updating" if before else "Creating",
        },
    }
    endpoint = before or BatchEndpoint(resource)
    endpoint.resource = resource
    workspace.batch_endpoints[name] = endpoint
    operation = Operation("beidp")

    def done() -> None:
        resource["properties"]["provisioningState"] = "Succeeded"
        operation.end()

    later(request.service, done)
    return Response(200 if before else 201, resource, asynchronous(request, operation))


@router.on("DELETE", f"{_ENDPOINTS}/{{endpoint}}")
def delete_batch_endpoint(request: Request) -> Response:
    workspace, name = workspace_of(request, "batchEndpoints/delete"), request.names["endpoint"]
    if name not in workspace.batch_endpoints:
        return Response(204)
    operation = Operation("beidp")

    def done() -> None:
        workspace.batch_endpoints.pop(name, None)
        operation.end()

    later(request.service, done)
    return Response(202, None, located(request, operation))


@router.on("GET", _DEPLOYMENTS)
def list_batch_deployments(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/deployments/read")
    return page(request, list(_find(workspace, request.names["endpoint"]).deployments.values()))


@router.on("GET", f"{_DEPLOYMENTS}/{{name}}")
def get_batch_deployment(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/deployments/read")
    found = _find(workspace, request.names["endpoint"]).deployments.get(request.names["name"])
    if found is None:
        raise ServiceError(404, "ResourceNotFound", f"Deployment with name: {request.names['name']} not found.")
    return Response(200, found)


@router.on("PUT", f"{_DEPLOYMENTS}/{{name}}")
def put_batch_deployment(request: Request) -> Response:
    """What it names is there; nothing runs until there is a job."""
    workspace = workspace_of(request, "batchEndpoints/deployments/write")
    body, name = checked_body(request, "BatchDeployment"), request.names["name"]
    endpoint, given = _find(workspace, request.names["endpoint"]), body["properties"]
    before = endpoint.deployments.get(name)
    refuse_conflict(
        before is not None and before["properties"]["provisioningState"] == "Creating", f"deployment {name}"
    )
    assets.conda_file(workspace, given["environmentId"])
    assets.find(workspace, given["model"]["assetId"], "models")
    assets.find(workspace, given["codeConfiguration"]["codeId"], "codes")
    compute = str(given.get("compute") or "").rsplit("/", 1)[-1]
    if compute not in workspace.computes:
        raise ServiceError(404, "UserError", f"Unknown compute target '{compute}' in workspace {workspace.name}.")
    resource: Json = {
        "id": f"{workspace.scope}/batchEndpoints/{request.names['endpoint']}/deployments/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/batchEndpoints/deployments",
        "location": body["location"],
        "tags": body.get("tags") or {},
        "systemData": system_data(),
        "properties": {**given, "properties": given.get("properties") or {}, "provisioningState": "Creating"},
    }
    endpoint.deployments[name] = resource
    operation = Operation("bdidp")

    def done() -> None:
        resource["properties"]["provisioningState"] = "Succeeded"
        operation.end()

    later(request.service, done)
    return Response(200 if before else 201, resource, asynchronous(request, operation))


@router.on("DELETE", f"{_DEPLOYMENTS}/{{name}}")
def delete_batch_deployment(request: Request) -> Response:
    workspace = workspace_of(request, "batchEndpoints/deployments/delete")
    endpoint, name = _find(workspace, request.names["endpoint"]), request.names["name"]
    if name not in endpoint.deployments:
        return Response(204)
    operation = Operation("bdidp")

    def done() -> None:
        endpoint.deployments.pop(name, None)
        operation.end()

    later(request.service, done)
    return Response(202, None, located(request, operation))


def start_job(request: Request, workspace: Workspace, name: str) -> Response:
    """POST to the endpoint's own address: 201 and the job. The same name again is the same job."""
    service, endpoint = request.service, workspace.batch_endpoints[name]
    try:
        claims = service.login.claims(request)
    except ServiceError:
        return Response(401)
    if str(claims["aud"]).rstrip("/") != AUDIENCE or workspace.role in ("none", "Reader"):
        return Response(401)
    given = request.json["properties"]
    wanted = (
        request.headers.get("azureml-model-deployment") or endpoint.resource["properties"]["defaults"]["deploymentName"]
    )
    deployment = endpoint.deployments.get(wanted or "")
    if deployment is None or request.path != "/jobs":
        return Response(404, {"error": {"code": "NotFound", "message": f"There is no deployment {wanted}."}})
    job_name = str(given.get("name") or f"batchjob-{uuid.uuid4()}")
    job = workspace.jobs.get(job_name)
    if job is None:
        experiment = experiment_of(workspace, name)
        run = Run(workspace, experiment, job_name, job_name, status="NotStarted")
        properties = {"jobType": "Pipeline", "experimentName": name, "displayName": job_name, "tags": {}, "inputs": {}}
        job = BatchJob(workspace, job_name, properties, run, given=given, deployment=deployment["properties"])
        workspace.runs[job_name], workspace.jobs[job_name] = run, job
        job.start()
    body = {"id": job.resource["id"], "name": job_name, "type": f"{PROVIDER}/workspaces/batchEndpoints/jobs"}
    return Response(201, {**body, "properties": {**given, "name": job_name, "status": job.status}})


@dataclass(repr=False)
class BatchJob(jobs.Job):
    given: Json = field(default_factory=dict)
    deployment: Json = field(default_factory=dict)

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
