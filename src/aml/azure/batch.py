"""A registered model on a batch endpoint, and its jobs over files."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

from aml.azure import assets, blobs, code, deploy, follow
from aml.azure.endpoints import SCOPE, settled
from aml.azure.sdk import load, ml_client, translate_azure_errors
from aml.azure.workspace_client import WorkspaceClient
from aml.console import say
from aml.errors import FileError, ServiceError, UserError
from aml.jobfile import deployment as files
from aml.jobfile.deployment import ModelReference
from aml.run import new_id
from aml.uris import REMOTE_URI, name_and_version


def path_of(endpoint: str, deployment: str = "") -> str:
    """The address of a batch endpoint, or of a deployment of it, below the workspace."""
    return f"/batchEndpoints/{endpoint}" + (f"/deployments/{deployment}" if deployment else "")


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
    found = settled(client, path_of(name))
    there = list(client.all(f"{path_of(name)}/deployments")) if found else []
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
        if error.status != 409 or not settled(client, path_of(file.endpoint_name)):
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
    path = path_of(file.endpoint_name, name)
    try:
        with translate_azure_errors(client):
            ml.batch_deployments.begin_create_or_update(entity, skip_script_validation=True).result()
    except ServiceError as error:
        there = settled(client, path) if error.status == 409 else None
        if not there or there["properties"].get("provisioningState") != "Succeeded":
            raise


def _use(client: WorkspaceClient, ml: Any, endpoint: str, deployment: str) -> None:
    """Let the endpoint's jobs use the deployment, unless they do."""
    found = settled(client, path_of(endpoint))
    if found and (found["properties"].get("defaults") or {}).get("deploymentName") == deployment:
        return
    with translate_azure_errors(client):
        entity: Any = ml.batch_endpoints.get(endpoint)
        entity.defaults = {"deployment_name": deployment}
        ml.batch_endpoints.begin_create_or_update(entity).result()


def run(client: WorkspaceClient, file: files.Deployment, data: str, folder: Path) -> tuple[int, list[Path]]:
    """Start a job of the endpoint over the data, follow it, and download its rows below `folder`.

    Returns its exit status, and the file with the rows.

    `data` is a path of this machine, azureml:NAME:VERSION, or an address. Raises UserError.
    """
    name = file.endpoint_name
    found = client.find(path_of(name))
    if found is None:
        raise UserError(
            f"batch endpoint {name} is not in workspace {client.name}: aml deploy -c {file.document.path.stem}"
        )
    kind, uri = _input(client, data)
    job, file_name = new_id(), file.batch_settings.output_file_name
    place = f"batch/{name}/{job}/{file_name}"
    body = {
        "name": job,
        "inputData": {kind: {"jobInputType": kind, "uri": uri}},
        "outputData": {
            "score": {"jobOutputType": "UriFile", "uri": f"azureml://datastores/{blobs.DEFAULT}/paths/{place}"}
        },
    }
    _start(client, name, str(found["properties"]["scoringUri"]), body)
    say(f"run {job}, batch endpoint {name}\n{client.studio(job)}")
    status = follow.watch(client, job)
    got: list[Path] = []
    if status == 0:
        got = blobs.datastore(client, blobs.DEFAULT).download(place, folder / job, own_name=True)
        if not got:
            raise UserError(f"run {job}: it left no rows at azureml://datastores/{blobs.DEFAULT}/paths/{place}")
    return status, got


def _input(client: WorkspaceClient, data: str) -> tuple[str, str]:
    """The kind of the input, and its address: what is on this machine is uploaded."""
    if re.match(r"azureml:[^/]", data):
        name, version = name_and_version(data)
        version = version or assets.latest(client, "data", name)
        found = client.find(f"/data/{name}/versions/{version}") if version else None
        if found is None:
            raise UserError(f"--data {data}: not in workspace {client.name}: aml data lists what is")
        kind = "UriFile" if found["properties"].get("dataType") == "uri_file" else "UriFolder"
        return kind, str(found["properties"]["dataUri"])
    if REMOTE_URI.match(data):
        return ("UriFolder" if data.endswith("/") or "." not in data.rpartition("/")[2] else "UriFile"), data
    path = Path(data).resolve()
    if not path.exists():
        raise UserError(f"--data {data}: there is no such file or folder")
    return ("UriFolder" if path.is_dir() else "UriFile"), blobs.upload(client, path)


def _start(client: WorkspaceClient, name: str, address: str, body: dict[str, Any]) -> None:
    """Start the job. The same name, and repeatability-request-id, make a second request the same job.

    azure-ai-ml 1.35 keeps the headers of its own invoke for the whole process.
    """
    headers = {"Content-Type": "application/json", "repeatability_request-id": str(uuid.uuid4())}
    content = json.dumps({"properties": body}).encode()
    for last in (False, True):
        token = client.credential.get_token(SCOPE).token
        status, said, _ = client.ask(address, content, {**headers, "Authorization": f"Bearer {token}"})
        if status != 401 or last:
            break
        client.credential.forget()
    if status == 401:
        raise ServiceError(f"batch endpoint {name}: you may not start jobs (401): ask its owner for a role", status, "")
    if status >= 400:
        raise ServiceError(f"batch endpoint {name}: no job was started ({status}): {said.strip()[:300]}", status, "")
