"""The registry `azureml` with its curated environments, to read, and registries that tests add, to share models in.

Source: azure-ai-ml 1.35.2 `_utils/_registry_utils.py` and `_restclient/registry_discovery`; the names of the
environments are those of Azure/azureml-assets, assets/training. Importing, with its body and its answers 200 and 202
with Location, is `begin_import_registry_asset` there, and `_import_method_initial` of azureml-mlflow's
`_restclient/mfe_v2021_10_01_dataplanepreview/operations/_resource_management_asset_reference_operations.py`, whose
docstring says that it is a deep copy. What the service keeps of tags and properties is in neither: all is kept here.
"""

from __future__ import annotations

import re
import uuid

from .assets import CURATED
from .cloud import SUBSCRIPTION, refuse_violations, system_data
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
_GROUP = "azureml-registries"
_REGISTRY = (
    r"(?:/mferp/managementfrontend)?/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/registries/{registry}"
)


@router.on("GET", r"/registrymanagement/v1\.0/registries/{registry}/discovery")
def discover(request: Request) -> Response:
    _check(request)
    name = request.names["registry"]
    return Response(
        200,
        {
            "registryName": name,
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": _GROUP,
            "primaryRegion": "eastus",
            "regions": ["eastus"],
            "primaryRegionResourceProviderUri": f"https://{request.host}/",
            "resourceId": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{_GROUP}"
            "/providers/Microsoft.MachineLearningServices/registries/{name}",
        },
    )


@router.on("GET", f"{_REGISTRY}/models/{{name}}/versions")
def list_models(request: Request) -> Response:
    """None for a name that is not there: the SDK takes 404 for that as well."""
    return Response(200, {"value": list(reversed(_models(request).values()))})


@router.on("GET", f"{_REGISTRY}/models/{{name}}/versions/{{version}}")
def get_model(request: Request) -> Response:
    found = _models(request).get(request.names["version"])
    if found is None:
        name = f"{request.names['name']}:{request.names['version']}"
        raise ServiceError(404, "UserError", f"Model {name} could not be found in the registry.")
    return Response(200, found)


@router.on("POST", f"{_REGISTRY}/import")
def import_asset(request: Request) -> Response:
    """Copy a model of a workspace; whether that is done is asked at Location."""
    _check(request)
    given, cloud = request.json.get("properties") or {}, request.service.cloud
    pattern = r"azureml://locations/[^/]+/workspaces/([^/]+)/models/([^/]+)/versions/([^/]+)"
    source = re.fullmatch(pattern, str(given.get("sourceAssetId")))
    wrong = [] if source and given.get("referenceType") == "Id" else ["body.properties: no reference to a model"]
    refuse_violations(request, wrong)
    assert source
    owner = next((one for one in cloud.workspaces.values() if one.guid == source[1]), None)
    model = owner.assets.get("models", {}).get(source[2], {}).get(source[3]) if owner else None
    if model is None:
        raise ServiceError(404, "UserError", f"Model {source[2]}:{source[3]} could not be found in the workspace.")
    name, version = given.get("destinationName") or source[2], given.get("destinationVersion") or source[3]
    identifier = f"azureml://registries/{request.names['registry']}/models/{name}/versions/{version}"
    properties = {**model["properties"], "modelUri": f"{identifier}/content", "jobName": None}
    copy = {"id": identifier, "name": version, "type": "models", "systemData": system_data(), "properties": properties}
    operation = f"import:{uuid.uuid4()}"
    cloud.operations[operation] = None
    cloud.registries[request.names["registry"]].setdefault(name, {})[version] = copy
    place = f"https://{request.host}{request.path.removesuffix('/import')}/operations/{operation}"
    return Response(202, None, {"Location": f"{place}?api-version={request.query['api-version']}", "Retry-After": "0"})


@router.on("GET", f"{_REGISTRY}/operations/{{operation}}")
def import_result(request: Request) -> Response:
    """Done, without a body: azure-ai-ml then reads what was made."""
    _check(request)
    if request.names["operation"] not in request.service.cloud.operations:
        raise ServiceError(404, "NotFound", "No such operation.")
    return Response(200)


@router.on("GET", f"{_REGISTRY}/environments/{{name}}")
def get_container(request: Request) -> Response:
    version = _version(request)
    properties = {"latestVersion": version["name"], "nextVersion": None, "isArchived": False, "tags": {}}
    return Response(
        200,
        {"id": version["id"].rpartition("/versions/")[0], "name": request.names["name"]} | {"properties": properties},
    )


@router.on("GET", f"{_REGISTRY}/environments/{{name}}/versions")
def list_versions(request: Request) -> Response:
    return Response(200, {"value": [_version(request)]})


@router.on("GET", f"{_REGISTRY}/environments/{{name}}/versions/{{version}}")
def get_version(request: Request) -> Response:
    return Response(200, _version(request))


def _check(request: Request) -> None:
    if request.names["registry"] not in request.service.cloud.registries:
        raise ServiceError(404, "RegistryNotFound", f"Registry {request.names['registry']} could not be found.")


def _models(request: Request) -> dict[str, Json]:
    """The versions of the model that a request names."""
    _check(request)
    return request.service.cloud.registries[request.names["registry"]].get(request.names["name"], {})


def _version(request: Request) -> Json:
    _check(request)
    name = request.names["name"]
    if (
        request.names["registry"] != "azureml"
        or name not in CURATED
        or request.names.get("version", "latest") not in ("latest", CURATED[name])
    ):
        raise ServiceError(404, "UserError", f"Environment {name} could not be found in the registry.")
    return {
        "id": f"azureml://registries/azureml/environments/{name}/versions/{CURATED[name]}",
        "name": CURATED[name],
        "type": "environments",
        "systemData": system_data(),
        "properties": {
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": False,
            "isAnonymous": False,
            "image": f"mcr.microsoft.com/azureml/curated/{name}:{CURATED[name]}",
            "condaFile": None,
            "build": None,
            "osType": "Linux",
            "environmentType": "Curated",
        },
    }
