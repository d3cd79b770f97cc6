"""Codes, data, environments and models: containers of versions, whose paths never change.

Source: the contract's Code, Data, Environment and Model operations; how-to-manage-models.md and
how-to-create-data-assets.md for what may change (description, tags, archived); azure-ai-ml 1.35.2
`_utils/_asset_utils.py` for how versions are chosen.
"""

from __future__ import annotations

import re
import uuid

from .cloud import PROVIDER, WS, Workspace, checked_body, page, system_data, workspace_of
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
_SHAPES = {
    "codes": "CodeVersion",
    "data": "DataVersionBase",
    "environments": "EnvironmentVersion",
    "models": "ModelVersion",
}
#: What a version keeps for ever, by collection.
_FIXED = {
    "codes": ("codeUri",),
    "data": ("dataUri", "dataType"),
    "environments": ("image", "condaFile", "build"),
    "models": ("modelUri", "modelType"),
}
_TAKEN = {
    "codes": "A code version with this name and version already exists. If you are trying to create a new code "
    "version, use a different name or version. If you are trying to update an existing code version, the existing "
    "asset's code uri cannot be changed. Only tags, description, and isArchived can be updated.",
    "data": "A data version with this name and version already exists. If you are trying to create a new data version, "
    "use a different name or version. If you are trying to update an existing data version, the existing asset's data "
    "uri cannot be changed. Only tags, description, and isArchived can be updated.",
    "environments": "A environment with this name and version is already registered with different content.",
    "models": "Asset paths cannot be updated.",
}
#: Curated environments that the registry `azureml` has here. Azure/azureml-assets, assets/training
CURATED = {"sklearn-1.5": "47", "lightgbm-3.3": "65", "tensorflow-2.16-cuda12": "14", "acpt-pytorch-2.8-cuda12.6": "5"}
_CONTAINERS = f"{WS}/(?P<collection>codes|data|environments|models)"
_VERSIONS = f"{_CONTAINERS}/{{name}}/versions"
_LABEL = re.compile(r"azureml://registries/azureml/environments/([^/]+)/(?:labels/latest|versions/([^/]+))")


def find(workspace: Workspace, identifier: str, collection: str) -> Json:
    """The version that an ARM id, or `azureml:name:version`, stands for."""
    short = re.fullmatch(r"(?:azureml:)?([^:/@]+)(?::([^:/]+)|@latest)", identifier)
    long = re.fullmatch(
        rf"(?:azureml:)?/subscriptions/.+/{collection}/([^/]+)/(?:versions/([^/]+)|labels/latest)", identifier
    )
    found = short or long
    versions = workspace.assets.get(collection, {}).get(found[1], {}) if found else {}
    version = (found[2] or next(iter(_by_age(versions)), {}).get("name")) if found else None
    if version not in versions:
        what = f"{found[1]}:{found[2] or 'latest'}" if found else identifier
        raise ServiceError(404, "UserError", f"{collection} {what} could not be found in workspace {workspace.name}.")
    return versions[version]


def conda_file(workspace: Workspace, identifier: str) -> str | None:
    """The conda file of an environment version, if it has one; a curated one is its image alone."""
    curated = _LABEL.fullmatch(identifier)
    if curated is None:
        conda: str | None = find(workspace, identifier, "environments")["properties"].get("condaFile")
        return conda
    if curated[1] not in CURATED or (curated[2] or CURATED[curated[1]]) != CURATED[curated[1]]:
        raise ServiceError(404, "UserError", f"Environment {identifier} could not be found in the registry.")
    return None


def _by_age(versions: dict[str, Json]) -> list[Json]:
    """Newest first."""
    return list(reversed(versions.values()))


def _container(workspace: Workspace, collection: str, name: str) -> Json:
    versions = workspace.assets.get(collection, {}).get(name)
    if not versions:
        raise ServiceError(404, "UserError", f"{collection.capitalize()} container with name: {name} not found.")
    newest = _by_age(versions)[0]
    numbers = [int(version) for version in versions if version.isdigit()]
    properties: Json = {
        "description": None,
        "tags": {},
        "properties": {},
        "isArchived": all(version["properties"]["isArchived"] for version in versions.values()),
        "latestVersion": newest["name"],
        "nextVersion": str(max(numbers) + 1) if numbers else "1",
    }
    if collection == "data":
        properties["dataType"] = newest["properties"]["dataType"]
    return {
        "id": f"{workspace.scope}/{collection}/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/{collection}",
        "systemData": system_data(),
        "properties": properties,
    }


@router.on("GET", _CONTAINERS)
def list_containers(request: Request) -> Response:
    collection = request.names["collection"].lower()
    workspace = workspace_of(request, f"{collection}/read")
    return page(request, [_container(workspace, collection, name) for name in workspace.assets.get(collection, {})])


@router.on("GET", f"{_CONTAINERS}/{{name}}")
def get_container(request: Request) -> Response:
    collection = request.names["collection"].lower()
    return Response(200, _container(workspace_of(request, f"{collection}/read"), collection, request.names["name"]))


@router.on("PUT", f"{_CONTAINERS}/{{name}}")
def put_container(request: Request) -> Response:
    """Archive and restore of all versions; a container without a version is not kept."""
    collection, name = request.names["collection"].lower(), request.names["name"]
    workspace = workspace_of(request, f"{collection}/write")
    shape = {"data": "DataContainer", "environments": "EnvironmentContainer", "models": "ModelContainer"}.get(
        collection
    )
    body = checked_body(request, shape) if shape else request.json
    _container(workspace, collection, name)
    for version in workspace.assets[collection][name].values():
        version["properties"]["isArchived"] = bool(body["properties"].get("isArchived"))
    return Response(200, _container(workspace, collection, name))


@router.on("GET", _VERSIONS)
def list_versions(request: Request) -> Response:
    """Newest first when asked so; $top; codes also by hash."""
    collection, name = request.names["collection"].lower(), request.names["name"]
    workspace = workspace_of(request, f"{collection}/versions/read")
    versions = workspace.assets.get(collection, {}).get(name, {})
    if collection != "codes" and not versions:
        raise ServiceError(404, "UserError", f"{collection.capitalize()} container with name: {name} not found.")
    query = request.query
    found = _by_age(versions) if "desc" in query.get("$orderby", "desc").lower() else list(versions.values())
    if query.get("listviewtype", "ActiveOnly") != "All":
        archived = query.get("listviewtype") == "ArchivedOnly"
        found = [one for one in found if one["properties"]["isArchived"] == archived]
    if "hash" in query:
        found = [
            version
            for versions in workspace.assets.get(collection, {}).values()
            for version in versions.values()
            if version["properties"]["properties"].get("hash_sha256") == query["hash"]
        ]
    return page(request, found[: int(query.get("$top") or len(found))])


@router.on("GET", f"{_VERSIONS}/{{version}}")
def get_version(request: Request) -> Response:
    collection = request.names["collection"].lower()
    workspace = workspace_of(request, f"{collection}/versions/read")
    versions = workspace.assets.get(collection, {}).get(request.names["name"], {})
    if request.names["version"] not in versions:
        name = f"{request.names['name']}:{request.names['version']}"
        raise ServiceError(404, "UserError", f"{collection.capitalize()} version {name} not found.")
    return Response(200, versions[request.names["version"]])


@router.on("PUT", f"{_VERSIONS}/{{version}}")
def put_version(request: Request) -> Response:
    collection, name, version = request.names["collection"].lower(), request.names["name"], request.names["version"]
    workspace = workspace_of(request, f"{collection}/versions/write")
    body = checked_body(request, _SHAPES[collection])
    status, resource = store(workspace, collection, name, version, body["properties"])
    return Response(status, resource)


def store(workspace: Workspace, collection: str, name: str, version: str, given: Json) -> tuple[int, Json]:
    """Create a version, or change what may change of it."""
    if collection == "models" and not re.fullmatch(r"[1-9]\d*", version):
        raise ServiceError(400, "UserError", f"Model version must be a positive integer, not '{version}'.")
    versions = workspace.assets.setdefault(collection, {}).get(name, {})
    before = versions.get(version)
    given = {key: value for key, value in given.items() if value is not None}
    if before and any(
        _comparable(workspace, before["properties"].get(key)) != _comparable(workspace, given[key])
        for key in _FIXED[collection]
        if key in given
    ):
        raise ServiceError(409, "UserError", _TAKEN[collection])
    properties: Json = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
    if before:
        properties = {**before["properties"]}
        given["properties"] = {**properties["properties"], **given.get("properties", {})}  # add only
    properties.update(given)
    if collection == "models":
        properties.setdefault("flavors", {})
        properties["jobName"] = _job_of(properties.get("modelUri", "")) or properties.get("jobName")
        properties["modelUri"] = resolved(workspace, properties.get("modelUri", ""))
        if before is None:
            _check_exists(workspace, properties["modelUri"], properties["jobName"])
    if collection == "environments":
        properties.setdefault("environmentType", "UserCreated")
    resource = {
        "id": f"{workspace.scope}/{collection}/{name}/versions/{version}",
        "name": version,
        "type": f"{PROVIDER}/workspaces/{collection}/versions",
        "systemData": system_data(before["systemData"]["createdAt"] if before else None),
        "properties": properties,
    }
    workspace.assets[collection][name] = {**versions, version: resource}
    return (200 if before else 201), resource


def _comparable(workspace: Workspace, value: object) -> str:
    """Ids are compared regardless of case, as all of Azure Resource Manager's; a job's output is where it lies."""
    text = str(value)
    return resolved(workspace, text).lower() if text.startswith("azureml:") else text


def _job_of(uri: str) -> str | None:
    found = re.match(r"azureml://jobs/([^/]+)/outputs/|runs:/([^/]+)/|.*/ExperimentRun/dcid\.([^/]+)/", uri)
    return next((part for part in found.groups() if part), None) if found else None


def resolved(workspace: Workspace, uri: str) -> str:
    """The datastore path of a job's output; how-to-manage-models.md for the forms. Others stay as they are."""
    found = re.fullmatch(r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths)?(?:/(.*))?", uri)
    if found:
        job, output, path = found[1], found[2], found[3] or ""
    else:
        found = re.fullmatch(r"runs:/([^/]+)/(.*)", uri)
        if not found:
            return uri
        job, output, path = found[1], "artifacts", found[2]
    if job not in workspace.jobs and job not in workspace.runs:
        raise ServiceError(404, "UserError", f"Job {job} could not be found in workspace {workspace.name}.")
    base = f"azureml://subscriptions/{workspace.subscription}/resourceGroups/{workspace.group}"
    base += f"/workspaces/{workspace.name}/datastores"
    if output in ("artifacts", "default"):
        return f"{base}/workspaceartifactstore/paths/ExperimentRun/dcid.{job}/{path}"
    return f"{base}/workspaceblobstore/paths/azureml/{job}/{output}/{path}"


def _check_exists(workspace: Workspace, uri: str, job: str | None) -> None:
    """What is not there is refused in the words of azure-sdk-for-python#33978."""
    from . import datastores

    if not job or not uri.startswith("azureml://"):
        return
    container, path = datastores.locate(workspace, uri)
    if not workspace.service.storage.list(container, path):
        short = path.partition(f"dcid.{job}/")[2] or path
        detail = ("NoMatchingArtifactsFoundFromJob", f"No artifacts matching {short} found from Job.")
        raise ServiceError(400, "UserError", "The request is invalid.", detail)


@router.on("DELETE", f"{_VERSIONS}/{{version}}")
def delete_version(request: Request) -> Response:
    collection = request.names["collection"].lower()
    workspace = workspace_of(request, f"{collection}/versions/delete")
    found = workspace.assets.get(collection, {}).get(request.names["name"], {}).pop(request.names["version"], None)
    return Response(200 if found else 204)


@router.on("POST", f"{_VERSIONS}/{{version}}/startPendingUpload")
def start_pending_upload(request: Request) -> Response:
    """A container of its own for every upload, and a signature that may write there."""
    collection = request.names["collection"].lower()
    workspace = workspace_of(request, f"{collection}/versions/write")
    body = checked_body(request, "PendingUploadRequestDto")
    storage = request.service.storage
    container = f"{workspace.guid[:8]}-{uuid.uuid4()}"
    storage.create_container(container)
    url = storage.container_url(container)
    group = f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.group}"
    return Response(
        200,
        {
            "pendingUploadId": body.get("pendingUploadId") or str(uuid.uuid4()),
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": url,
                "storageAccountArmId": f"{group}/providers/Microsoft.Storage/storageAccounts/{storage.account}",
                "credential": {"credentialType": "SAS", "sasUri": f"{url}?{storage.container_sas(container)}"},
            },
        },
    )
