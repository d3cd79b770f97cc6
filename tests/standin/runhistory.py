"""The data plane of a region: discovery, what a run is about, its logs, its artifacts.

Source: azure-ai-ml 1.35.2 `_restclient/runhistory`, `_restclient/dataset_dataplane`, `_restclient/model_dataplane`;
azureml-mlflow 1.62 `_restclient/run_artifact` and `_restclient/token`. They know a run by its id alone, or below its
experiment; artifacts and tokens, below its experiment only.
"""

from __future__ import annotations

import datetime
import uuid

from . import assets, datastores
from .cloud import WS, page, workspace_of
from .mlflow import Run
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
_BELOW = r"(?:/experiments/(?P<experiment>[^/]+)|/experimentids/(?P<experimentid>[^/]+))"
_RUNS = rf"/history/v1\.0{WS}{_BELOW}?/runs/{{run}}"
_BELOW_EXPERIMENT = rf"/history/v1\.0{WS}{_BELOW}/runs/{{run}}"


@router.on("GET", "/discovery")
def discover(request: Request) -> Response:
    names = (
        "api",
        "catalog",
        "discovery",
        "experimentation",
        "gallery",
        "history",
        "hyperdrive",
        "labeling",
        "modelmanagement",
    )
    urls = dict.fromkeys((*names, "notebooks", "pipelines", "studio"), f"https://{request.host}")
    return Response(200, {**urls, "studio": "https://ml.azure.com"})


def _run_of(request: Request, action: str = "read") -> Run:
    workspace = workspace_of(request, f"experiments/runs/{action}")
    run = workspace.runs.get(request.names["run"])
    experiment = request.names.get("experiment") or request.names.get("experimentid")
    if run is not None and run.unknown:
        run.unknown -= 1
        run = None
    if run is None or experiment not in (None, run.experiment.name, run.experiment.identifier):
        raise ServiceError(404, "UserError", f"Run {request.names['run']} not found.")
    return run


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).isoformat()


def _as_json(run: Run) -> Json:
    return {
        "runId": run.identifier,
        "runUuid": str(uuid.uuid5(uuid.NAMESPACE_URL, run.identifier)),
        "rootRunId": run.identifier,
        "experimentId": run.experiment.identifier,
        "displayName": run.name,
        "status": run.status,
        "createdUtc": _time(run.started),
        "startTimeUtc": _time(run.started),
        "endTimeUtc": _time(run.ended),
        "dataContainerId": f"dcid.{run.identifier}",
        "hidden": run.deleted,
        "runType": "azureml.commandjob",
        "tags": run.tags,
        "properties": run.properties,
        "outputs": run.outputs or None,
        "error": {"error": {"code": "UserError", "message": run.error}} if run.error else None,
    }


@router.on("GET", _RUNS)
def get_run(request: Request) -> Response:
    return Response(200, _as_json(_run_of(request)))


@router.on("PATCH", _RUNS)
def patch_run(request: Request) -> Response:
    """Display name, description, tags (merged), properties (added), hidden: what jobs.update and archive change."""
    run, body = _run_of(request, "write"), request.json
    run.tags.update(body.get("tags") or {})
    run.properties.update(body.get("properties") or {})
    run.name = body.get("displayName") or run.name
    job = run.workspace.jobs.get(run.identifier)
    if job:
        job.properties["tags"] = {**job.properties.get("tags", {}), **(body.get("tags") or {})}
        job.properties["properties"] = {**job.properties.get("properties", {}), **(body.get("properties") or {})}
        job.properties["displayName"] = run.name
        job.properties["description"] = body.get("description") or job.properties.get("description")
        if body.get("hidden") is not None:
            job.properties["isArchived"] = bool(body["hidden"])
    return Response(200, _as_json(run))


@router.on("GET", f"{_RUNS}/details")
def get_details(request: Request) -> Response:
    run = _run_of(request)
    job = run.workspace.jobs.get(run.identifier)
    container, _ = datastores.locate(run.workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
    storage, prefix = request.service.storage, run.artifact_prefix
    logs = [log for folder in ("user_logs/", "logs/azureml/") for log in storage.list(container, prefix + folder)]
    return Response(
        200,
        {
            "runId": run.identifier,
            "target": job.compute_name if job else "local",
            "status": run.status,
            "startTimeUtc": _time(run.started),
            "endTimeUtc": _time(run.ended),
            "warnings": [],
            "properties": run.properties,
            "inputDatasets": [],
            "outputDatasets": [],
            "logFiles": {
                blob[len(run.artifact_prefix) :]: request.service.storage.blob_url(container, blob) for blob in logs
            },
            "error": {"error": {"code": "UserError", "message": run.error}} if run.error else None,
        },
    )


@router.on("POST", r"/history/v1\.0" + WS + "/rundata")
def get_run_data(request: Request) -> Response:
    request.names["run"] = request.json.get("runId", "")
    run = _run_of(request)
    return Response(200, {"runMetadata": _as_json(run), "runDefinition": None, "jobSpecification": None})


@router.on("GET", f"{_BELOW_EXPERIMENT}/token")
def refresh_token(request: Request) -> Response:
    run = _run_of(request)
    return Response(200, run_token(run))


def run_token(run: Run) -> Json:
    """A token that is good for this run's data plane."""
    login = run.workspace.service.login
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=max(login.token_lifetime, 3600))
    token = login.token("https://ml.azure.com", runId=run.identifier, exp=int(expires.timestamp()))
    return {"token": token, "expiryTimeUtc": expires.isoformat()}


def _artifact(run: Run, container: str, path: str, permission: str = "r") -> Json:
    url = run.workspace.service.storage.blob_url(container, run.artifact_prefix + path, permission)
    return {"contentUri": url, "origin": "ExperimentRun", "container": f"dcid.{run.identifier}", "path": path}


def _described(run: Run, path: str) -> Json:
    return {
        "artifactId": f"ExperimentRun/dcid.{run.identifier}/{path}",
        "origin": "ExperimentRun",
        "container": f"dcid.{run.identifier}",
        "path": path,
        "etag": None,
        "createdTime": _time(run.started),
        "dataPath": None,
        "tags": {},
    }


def _artifact_container(run: Run) -> str:
    return datastores.locate(run.workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")[0]


@router.on("GET", f"{_BELOW_EXPERIMENT}/artifacts(?:/path)?")
def list_artifacts(request: Request) -> Response:
    run = _run_of(request)
    prefix = run.artifact_prefix + request.query.get("path", "")
    blobs = request.service.storage.list(_artifact_container(run), prefix)
    return page(request, [_described(run, blob[len(run.artifact_prefix) :]) for blob in blobs], "continuationToken")


@router.on("GET", f"{_BELOW_EXPERIMENT}/artifacts/contentinfo")
def get_artifact_address(request: Request) -> Response:
    run, path = _run_of(request), request.query["path"]
    container = _artifact_container(run)
    if run.artifact_prefix + path not in request.service.storage.list(container, run.artifact_prefix + path):
        raise ServiceError(404, "UserError", f"Artifact {path} not found.")
    return Response(200, _artifact(run, container, path))


@router.on("POST", f"{_BELOW_EXPERIMENT}/artifacts/batch/metadata")
def create_artifacts(request: Request) -> Response:
    run = _run_of(request, "write")
    paths = [entry["path"] for entry in request.json.get("paths", [])]
    container = _artifact_container(run)
    return Response(
        200,
        {
            "artifacts": {path: _described(run, path) for path in paths},
            "artifactContentInformation": {path: _artifact(run, container, path, "rcw") for path in paths},
            "errors": {},
        },
    )


@router.on("POST", r"/data/v1\.0" + WS + "/dataversion/batchGetResolvedUris")
def resolve_data(request: Request) -> Response:
    """Where named outputs lie, by their asset ids."""
    workspace = workspace_of(request, "data/versions/read")
    found = {}
    for identifier in request.json.get("values", []):
        properties = assets.find(workspace, identifier, "data")["properties"]
        found[identifier] = {"uri": properties["dataUri"], "type": properties["dataType"]}
    return Response(200, {"values": found})


@router.on("POST", r"/modelregistry/v1\.0" + WS + "/models/batchGetResolvedUris")
def resolve_models(request: Request) -> Response:
    workspace = workspace_of(request, "models/versions/read")
    found = {}
    for identifier in request.json.get("values", []):
        found[identifier] = {"path": assets.find(workspace, identifier, "models")["properties"]["modelUri"]}
    return Response(200, {"values": found})
