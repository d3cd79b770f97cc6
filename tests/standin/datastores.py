"""Datastores and their secrets.

Source: the contract's Datastore operations; how-to-datastore.md. A workspace has two of its own on one account:
workspaceblobstore for data and code, workspaceartifactstore for what runs leave.
"""

from __future__ import annotations

import re

from .cloud import PROVIDER, WS, Workspace, checked_body, page, system_data, workspace_of
from .storage import ACCOUNT
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
DEFAULT = "workspaceblobstore"
ARTIFACTS = "workspaceartifactstore"
_CREDENTIALS = {"account-key": "AccountKey", "sas": "Sas", "identity": "None"}
_SHORT = re.compile(r"azureml://datastores/([^/]+)(?:/paths)?(?:/(.*))?")
_LONG = re.compile(
    r"azureml://subscriptions/[^/]+/resource[gG]roups/[^/]+(?:/providers/[^/]+)?/workspaces/[^/]+/datastores/([^/]+)/paths/(.*)"
)


def create_own(workspace: Workspace) -> None:
    """The two that come with a workspace, each with a container of its own."""
    for name, container in (
        (DEFAULT, f"azureml-blobstore-{workspace.guid}"),
        (ARTIFACTS, f"azureml-artifacts-{workspace.guid}"),
    ):
        workspace.service.storage.create_container(container)
        workspace.datastores[name] = {
            "id": f"{workspace.scope}/datastores/{name}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/datastores",
            "systemData": system_data(),
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": ACCOUNT,
                "containerName": container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "description": None,
                "tags": None,
                "properties": None,
                "isDefault": name == DEFAULT,
                "serviceDataAccessAuthIdentity": "None",
                "credentials": {"credentialsType": "AccountKey"},
            },
        }


def locate(workspace: Workspace, uri: str) -> tuple[str, str]:
    """Container and path that an azureml://datastores/… address stands for."""
    found = _SHORT.fullmatch(uri) or _LONG.fullmatch(uri)
    if not found:
        raise ServiceError(400, "UserError", f"{uri} is no path on a datastore.")
    return str(_find(workspace, found[1])["properties"]["containerName"]), found[2] or ""


def _find(workspace: Workspace, name: str) -> Json:
    if name not in workspace.datastores:
        raise ServiceError(404, "UserError", f"Error when getting datastore {name}: it could not be found.")
    datastore = workspace.datastores[name]
    if name in (DEFAULT, ARTIFACTS):
        datastore["properties"]["credentials"] = {"credentialsType": _CREDENTIALS[workspace.datastore_credentials]}
    return datastore


@router.on("GET", f"{WS}/datastores")
def list_datastores(request: Request) -> Response:
    workspace = workspace_of(request, "datastores/read")
    found = [_find(workspace, name) for name in workspace.datastores]
    if request.query.get("isdefault", "").lower() == "true":
        found = [one for one in found if one["properties"]["isDefault"]]
    return page(request, found)


@router.on("GET", f"{WS}/datastores/{{name}}")
def get_datastore(request: Request) -> Response:
    return Response(200, _find(workspace_of(request, "datastores/read"), request.names["name"]))


@router.on("PUT", f"{WS}/datastores/{{name}}")
def put_datastore(request: Request) -> Response:
    workspace = workspace_of(request, "datastores/write")
    body = checked_body(request, "Datastore")
    name = request.names["name"]
    before = workspace.datastores.get(name)
    credentials = dict(body["properties"].get("credentials") or {"credentialsType": "None"})
    secrets = credentials.pop("secrets", None)
    datastore = {
        "id": f"{workspace.scope}/datastores/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/datastores",
        "systemData": system_data(before["systemData"]["createdAt"] if before else None),
        "properties": {
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": False,
            **body["properties"],
            "credentials": credentials,
        },
    }
    if secrets:
        workspace.secrets[name] = secrets
    workspace.datastores[name] = datastore
    return Response(200 if before else 201, datastore)


@router.on("DELETE", f"{WS}/datastores/{{name}}")
def delete_datastore(request: Request) -> Response:
    found = workspace_of(request, "datastores/delete").datastores.pop(request.names["name"], None)
    return Response(200 if found else 204)


@router.on("POST", f"{WS}/datastores/{{name}}/listSecrets")
def list_secrets(request: Request) -> Response:
    workspace = workspace_of(request, "datastores/listSecrets/action")
    datastore = _find(workspace, request.names["name"])
    kind = datastore["properties"]["credentials"]["credentialsType"]
    stored = workspace.secrets.get(datastore["name"])
    if stored:
        return Response(200, stored)
    if kind == "AccountKey":
        return Response(200, {"secretsType": "AccountKey", "key": request.service.storage.key})
    if kind == "Sas":
        token = request.service.storage.container_sas(datastore["properties"]["containerName"])
        return Response(200, {"secretsType": "Sas", "sasToken": token})
    raise ServiceError(
        400, "UserError", f"Secrets for datastore {request.names['name']} could not be retrieved: it has none."
    )
