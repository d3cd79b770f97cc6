"""A registered model on a batch endpoint, and its jobs over files."""

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aml.azure import assets, blobs, code, deploy, endpoints, follow
from aml.azure.endpoints import SCOPE, Endpoint, path_of, settled
from aml.azure.once import once
from aml.azure.sdk import load, ml_client, translate_azure_errors
from aml.azure.workspace_client import DATA_SCIENTIST_ROLE, WorkspaceClient
from aml.console import say
from aml.errors import FileError, ServiceError, UserError
from aml.jobfile import deployment as files
from aml.jobfile.deployment import ModelReference
from aml.run import new_id
from aml.uris import REMOTE_URI, name_and_version


def make(
    client: WorkspaceClient, file: files.Deployment, endpoint: files.Endpoint | None, model: ModelReference
) -> str:
    """Deploy the model, and let the endpoint's jobs use it once it is ready; returns its name.

    The deployments before stay, and cost nothing without a job. What was cut off goes on. Raises UserError.
    """
    name = file.endpoint_name
    if file.code is None:
        raise FileError(file.where("code_configuration"), "no code", "name a folder with the scoring script")
    identifier, upload = code.snapshot(client, file.code)
    digest = deploy.digest(client, file, model, identifier)
    base = path_of(name, kind="batch")
    found = settled(client, base)
    there = list(client.all(f"{base}/deployments")) if found else []
    deployment, present = deploy.choose(model, name, [deploy.Present.of(one) for one in there], digest)
    ml = ml_client(client)
    if found is None:
        _make_endpoint(client, ml, file, endpoint)
    if present is None or present.state != "Succeeded":
        upload()
        _make_deployment(client, ml, file, model, deployment, identifier, digest)
    _use(client, ml, name, deployment)
    return deployment


def _make_endpoint(client: WorkspaceClient, ml: Any, file: files.Deployment, endpoint: files.Endpoint | None) -> None:
    from azure.ai.ml import load_batch_endpoint

    document = endpoint.document if endpoint else file.document
    data = endpoint.data if endpoint else {"name": file.endpoint_name, "auth_mode": "aad_token"}
    say(f"creating batch endpoint {file.endpoint_name}")
    try:
        with translate_azure_errors(client):
            body = {key: value for key, value in data.items() if key != "defaults"}
            ml.batch_endpoints.begin_create_or_update(load(load_batch_endpoint, document, body)).result()
    except ServiceError as error:
        if error.status != 409 or not settled(client, path_of(file.endpoint_name, kind="batch")):
            raise


def _make_deployment(
    client: WorkspaceClient,
    ml: Any,
    file: files.Deployment,
    model: ModelReference,
    name: str,
    identifier: str,
    digest: str,
) -> None:
    from azure.ai.ml.entities._load_functions import load_batch_deployment, load_model_batch_deployment

    body = {**file.data, "name": name, "model": f"azureml:{model}"}
    body["code_configuration"] = {**body["code_configuration"], "code": f"azureml:{identifier}"}
    body["tags"] = {**(body.get("tags") or {}), deploy.CONTENT: digest}
    loader = load_model_batch_deployment if "settings" in body or "type" in body else load_batch_deployment
    entity = load(loader, file.document, body)
    say(f"creating deployment {name}")
    path = path_of(file.endpoint_name, name, "batch")
    try:
        with translate_azure_errors(client):
            ml.batch_deployments.begin_create_or_update(entity, skip_script_validation=True).result()
    except ServiceError as error:
        there = settled(client, path) if error.status == 409 else None
        if not there or there["properties"].get("provisioningState") != "Succeeded":
            raise


def _use(client: WorkspaceClient, ml: Any, endpoint: str, deployment: str) -> None:
    """Let the endpoint's jobs use the deployment, unless they do."""
    found = settled(client, path_of(endpoint, kind="batch"))
    if found and (found["properties"].get("defaults") or {}).get("deploymentName") == deployment:
        return
    with translate_azure_errors(client):
        entity: Any = ml.batch_endpoints.get(endpoint)
        entity.defaults = {"deployment_name": deployment}
        ml.batch_endpoints.begin_create_or_update(entity).result()


def run(root: Path, client: WorkspaceClient, file: files.Deployment, data: str) -> tuple[int, list[Path]]:
    """Start a job of the endpoint over the data, follow it, and download its rows below runs/.

    Returns its exit status, and the file with the rows. A job that was begun by the same command, which was cut off, is
    followed further: the same as it is the deployment, the content of the data and the repository.

    `data` is a path of this machine, azureml:NAME:VERSION, or an address. Raises UserError.
    """
    name = file.endpoint_name
    found = endpoints.find(client, name, "batch")
    if found is None:
        raise UserError(
            f"batch endpoint {name} is not in workspace {client.name}: aml deploy -c {file.document.path.stem}"
        )
    kind, uri, upload = _input(client, data)
    same = [client.scope, name, found.traffic, kind, uri]
    got: list[Path] = []
    with once(root, same, new_id) as (mark, again, forget):
        place = f"batch/{name}/{mark}/{file.batch_settings.output_file_name}"
        job = _begun(client, name, mark) if again else None
        if job:
            say(f"going on with run {job}, which this command began")
        else:
            upload()
            job = _start(client, found, mark, {kind: {"jobInputType": kind, "uri": uri}}, place)

        def ended(end: follow.End) -> None:
            if end.status == "finished":
                got.extend(blobs.datastore(client, blobs.DEFAULT).download(place, root / "runs" / job, own_name=True))
            forget()

        say(f"run {job}, batch endpoint {name}\n{client.studio(job)}")
        status = follow.watch(client, job, ended)
    if status == 0 and not got:
        raise UserError(f"run {job}: it left no rows at azureml://datastores/{blobs.DEFAULT}/paths/{place}")
    return status, got


def _input(client: WorkspaceClient, data: str) -> tuple[str, str, Callable[[], object]]:
    """The kind of the input, its address, and what brings it there, when it is on this machine."""
    if re.match(r"azureml:[^/]", data):
        name, version = name_and_version(data)
        version = version or assets.latest(client, "data", name)
        found = client.find(f"/data/{name}/versions/{version}") if version else None
        if found is None:
            raise UserError(f"--data {data}: not in workspace {client.name}: aml data lists what is")
        kind = "UriFile" if found["properties"].get("dataType") == "uri_file" else "UriFolder"
        return kind, str(found["properties"]["dataUri"]), lambda: None
    if REMOTE_URI.match(data):
        is_folder = data.endswith("/") or "." not in data.rpartition("/")[2]
        return "UriFolder" if is_folder else "UriFile", data, lambda: None
    path = Path(data).resolve()
    if not path.exists():
        raise UserError(f"--data {data}: there is no such file or folder")
    return ("UriFolder" if path.is_dir() else "UriFile"), *blobs.destination(client, path)


def _begun(client: WorkspaceClient, endpoint: str, mark: str) -> str | None:
    """The job of the endpoint that has the mark, by the address of azure-ai-ml 1.35's list_jobs; None for none.

    A job's own name is the service's, batchjob-…; the mark is in the name that was asked for and in the address of its
    rows (azure-sdk-for-python 0cb6bef, tests/recordings/batch_services, has such answers).
    """
    path = f"{client.data_plane}/mferp/managementfrontend{client.scope}{path_of(endpoint, kind='batch')}/jobs"
    found = client.all(path, **{"api-version": "2020-09-01-dataplanepreview"})
    return next((str(job["name"]) for job in found if mark in json.dumps(job["properties"])), None)


def _start(client: WorkspaceClient, endpoint: Endpoint, mark: str, data: dict[str, Any], place: str) -> str:
    """Start a job with this mark; returns its name. It leaves its rows at `place` of the default datastore.

    azure-ai-ml 1.35 keeps the headers of its own invoke for the whole process; that a request with the same id is the
    same one is its own assumption, which repeats a request that had no answer.
    """
    name = endpoint.name
    rows = {"jobOutputType": "UriFile", "uri": f"azureml://datastores/{blobs.DEFAULT}/paths/{place}"}
    content = json.dumps({"properties": {"name": mark, "inputData": data, "outputData": {"score": rows}}}).encode()
    request_id = str(uuid.uuid5(uuid.NAMESPACE_URL, mark))
    headers = {"Content-Type": "application/json", "repeatability_request-id": request_id}
    for last in (False, True):
        token = client.credential.get_token(SCOPE).token
        status, said, _ = client.ask(endpoint.address, content, {**headers, "Authorization": f"Bearer {token}"})
        if status != 401 or last:
            break
        client.credential.forget()
    if status == 401:
        fix = f"ask its owner for the role {DATA_SCIENTIST_ROLE}"
        raise ServiceError(f"batch endpoint {name}: you may not start jobs (401): {fix}", status, "")
    if status >= 400:
        raise ServiceError(f"batch endpoint {name}: no job was started ({status}): {said.strip()[:300]}", status, "")
    return str(json.loads(said)["name"])
