"""The registry `azureml` and its curated environments, to read.

Source: azure-ai-ml 1.35.2 `_utils/_registry_utils.py` and `_restclient/registry_discovery`; the names of the
environments are those of Azure/azureml-assets, assets/training.
"""

from __future__ import annotations

from .assets import CURATED
from .cloud import SUBSCRIPTION, system_data
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
    return Response(
        200,
        {
            "registryName": "azureml",
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": _GROUP,
            "primaryRegion": "eastus",
            "regions": ["eastus"],
            "primaryRegionResourceProviderUri": f"https://{request.host}/",
            "resourceId": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{_GROUP}"
            "/providers/Microsoft.MachineLearningServices/registries/azureml",
        },
    )


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
    if request.names["registry"] != "azureml":
        raise ServiceError(404, "RegistryNotFound", f"Registry {request.names['registry']} could not be found.")


def _version(request: Request) -> Json:
    _check(request)
    name = request.names["name"]
    if name not in CURATED or request.names.get("version", "latest") not in ("latest", CURATED[name]):
        raise ServiceError(404, "UserError", f"Environment {name} could not be found in registry azureml.")
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
