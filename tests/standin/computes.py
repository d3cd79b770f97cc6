"""Clusters: long-running operations, sizes and quota.

Source: the contract's Compute operations; how-to-create-attach-compute-cluster.md; the wording of the quota error
follows reports of users and is not verified.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cloud import LOCATION, PROVIDER, WS, Workspace, checked_body, page, system_data, timestamp, workspace_of
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
_LOCATION = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"
#: How often an operation says that it is under way before it is done.
POLLS = 1


@dataclass(frozen=True)
class Size:
    name: str
    family: str
    cores: int
    memory: float
    gpus: int = 0


#: A few sizes; any other one is unknown here. docs: virtual-machines/sizes
SIZES = {
    size.name.lower(): size
    for size in (
        Size("Standard_DS2_v2", "standardDSv2Family", 2, 7),
        Size("Standard_DS3_v2", "standardDSv2Family", 4, 14),
        Size("Standard_DS11_v2", "standardDSv2Family", 2, 14),
        Size("Standard_D2_v2", "standardDv2Family", 2, 7),
        Size("Standard_E4s_v3", "standardESv3Family", 4, 32),
        Size("Standard_NC6s_v3", "standardNCSv3Family", 6, 112, 1),
        Size("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28, 1),
        Size("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, 220, 1),
    )
}


def _find(workspace: Workspace, name: str) -> Json:
    for known, compute in workspace.computes.items():
        if known.lower() == name.lower():
            return compute
    raise ServiceError(
        404, "ResourceNotFound", f"Compute with name '{name}' not found in workspace '{workspace.name}'."
    )


@router.on("GET", f"{WS}/computes")
def list_computes(request: Request) -> Response:
    return page(request, list(workspace_of(request, "computes/read").computes.values()))


@router.on("GET", f"{WS}/computes/{{name}}")
def get_compute(request: Request) -> Response:
    """As it is now: what is under way goes on whether or not anybody asks for its operation."""
    compute = _find(workspace_of(request, "computes/read"), request.names["name"])
    answer = copy.deepcopy(compute)
    for operation in request.service.cloud.operations.values():
        if isinstance(operation, list):  # those of endpoints go on by themselves
            _advance(operation)
    return Response(200, answer)


@router.on("PUT", f"{WS}/computes/{{name}}")
def put_compute(request: Request) -> Response:
    workspace = workspace_of(request, "computes/write")
    body = checked_body(request, "ComputeResource")
    name = request.names["name"]
    before = workspace.computes.get(name)
    asked = body["properties"].get("properties") or {}
    _check_size(workspace, asked, before)
    now = timestamp()
    compute: Json = {
        "id": f"{workspace.scope}/computes/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/computes",
        "location": body.get("location") or workspace.location,
        "tags": body.get("tags") or {},
        "identity": body.get("identity"),
        "systemData": system_data(before["systemData"]["createdAt"] if before else None),
        "properties": {
            **body["properties"],
            "computeLocation": body["properties"].get("computeLocation") or workspace.location,
            "createdOn": before["properties"]["createdOn"] if before else now,
            "modifiedOn": now,
            "provisioningState": "Updating" if before else "Creating",
            "provisioningErrors": None,
            "isAttachedCompute": False,
            "properties": {
                "vmPriority": "Dedicated",
                "osType": "Linux",
                **asked,
                "allocationState": "Steady",
                "currentNodeCount": 0,
                "targetNodeCount": 0,
                "errors": None,
            },
        },
    }
    workspace.computes[name] = compute

    def done() -> None:
        compute["properties"]["provisioningState"] = "Succeeded"

    return Response(200 if before else 201, compute, _start_operation(request, done))


@router.on("PATCH", f"{WS}/computes/{{name}}")
def patch_compute(request: Request) -> Response:
    workspace = workspace_of(request, "computes/write")
    compute = _find(workspace, request.names["name"])
    scale = (((request.json.get("properties") or {}).get("properties")) or {}).get("scaleSettings") or {}
    properties = compute["properties"]["properties"]
    properties["scaleSettings"] = {**properties.get("scaleSettings", {}), **scale}
    return Response(200, compute, _start_operation(request, lambda: None))


@router.on("DELETE", f"{WS}/computes/{{name}}")
def delete_compute(request: Request) -> Response:
    workspace = workspace_of(request, "computes/delete")
    if request.query.get("underlyingresourceaction") not in ("Delete", "Detach"):
        raise ServiceError(400, "BadArgument", "underlyingResourceAction must be Delete or Detach.")
    try:
        compute = _find(workspace, request.names["name"])
    except ServiceError:
        return Response(204)
    compute["properties"]["provisioningState"] = "Deleting"
    headers = _start_operation(request, lambda: workspace.computes.pop(compute["name"], None))
    return Response(202, None, headers)


def _check_size(workspace: Workspace, asked: Json, before: Json | None) -> None:
    """Size known, size unchanged, nodes in order, quota left."""
    wanted = str(asked.get("vmSize") or "")
    size = SIZES.get(wanted.lower())
    if size is None:
        raise ServiceError(
            400, "InvalidVmSize", f"The specified VM size {wanted} is not available in region {workspace.location}."
        )
    if before and str(before["properties"]["properties"].get("vmSize", "")).lower() != wanted.lower():
        raise ServiceError(
            400,
            "InvalidPropertyChange",
            f"The VM size of compute '{before['name']}' cannot be changed. Delete it, or use another name.",
        )
    scale = asked.get("scaleSettings") or {}
    lowest, highest = scale.get("minNodeCount") or 0, scale.get("maxNodeCount") or 0
    if not 0 <= lowest <= highest:
        raise ServiceError(400, "BadArgument", f"minNodeCount {lowest} must be between 0 and maxNodeCount {highest}.")
    left = workspace.quota.get(size.family, 0)
    if highest * size.cores > left:
        raise ServiceError(
            400,
            "ClusterCoreQuotaReached",
            f"Operation results in exceeding quota limits of {size.family} Cluster Dedicated vCPUs. Maximum allowed: "
            f"{left}, Current in use: 0, Additional requested: {highest * size.cores}. Click here to view and request "
            "for quota: https://ml.azure.com/quota",
        )


def _start_operation(request: Request, done: Callable[[], object]) -> dict[str, str]:
    """docs: azure-resource-manager/management/async-operations.md.

    The SDK reads this Retry-After as a whole number, and 0 as 30 seconds; that of the status it reads as a fraction.
    """
    identifier = str(uuid.uuid4())
    request.service.cloud.operations[identifier] = [POLLS, done]
    path = f"/subscriptions/{request.names['subscription']}/providers/{PROVIDER}/locations/{LOCATION}"
    query = f"?api-version={request.query['api-version']}"
    return {
        "Azure-AsyncOperation": f"https://{request.host}{path}/computeOperationsStatus/{identifier}{query}",
        "Location": f"https://{request.host}{path}/computeOperationResults/{identifier}{query}",
        "Retry-After": "1",
    }


def _advance(operation: list[Any]) -> bool:
    """Bring an operation one step further; whether it is done."""
    if operation[0] > 0:
        operation[0] -= 1
        return False
    operation[1]()
    operation[1] = lambda: None
    return True


@router.on("GET", f"{_LOCATION}/computeOperationsStatus/{{id}}")
def operation_status(request: Request) -> Response:
    operation = request.service.cloud.operations.get(request.names["id"])
    if operation is None:
        raise ServiceError(404, "NotFound", "No such operation.")
    if not _advance(operation):
        return Response(200, {"status": "InProgress"}, {"Retry-After": "0.1"})
    return Response(200, {"status": "Succeeded", "percentComplete": 100})


@router.on("GET", f"{_LOCATION}/computeOperationResults/{{id}}")
def operation_result(request: Request) -> Response:
    return Response(200, {})


@router.on("GET", f"{_LOCATION}/vmSizes")
def list_sizes(request: Request) -> Response:
    sizes = [
        {
            "name": size.name,
            "family": size.family,
            "vCPUs": size.cores,
            "gpus": size.gpus,
            "memoryGB": size.memory,
            "osVhdSizeMB": 1047552,
            "maxResourceVolumeMB": size.cores * 7168,
            "lowPriorityCapable": True,
            "premiumIO": True,
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }
        for size in SIZES.values()
    ]
    return Response(200, {"value": sizes})


@router.on("GET", f"{_LOCATION}/usages")
def list_usages(request: Request) -> Response:
    from . import endpoints

    workspace = request.service.cloud.workspace
    values = [
        {
            "id": f"{request.path}/{family}",
            "type": f"{PROVIDER}/usages",
            "unit": "Count",
            "currentValue": endpoints.used_cores(workspace, family),
            "limit": left,
            "name": {"value": family, "localizedValue": f"{family} Cluster Dedicated vCPUs"},
        }
        for family, left in workspace.quota.items()
    ]
    return Response(200, {"value": values})
