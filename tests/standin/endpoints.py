"""Online endpoints and their deployments, which really run: `containers`.

Sources, but for what is named at its place: the contract's OnlineEndpoints and OnlineDeployments operations, as the
clients in azure-ai-ml 1.35.2 call them; docs: how-to-deploy-online-endpoints.md, how-to-safely-rollout-online-
endpoints.md, how-to-manage-quotas.md, concept-endpoints-online-auth.md.

Three refusals are known by their status alone: traffic to a deployment that is not there, the deletion of a deployment
with traffic, and an unknown VM size. Nothing may depend on their words, which are the stand-in's.
"""

from __future__ import annotations

import json
import math
import random
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import assets, computes, operations, resources
from .cloud import LOCATION, PROVIDER, checked_body, system_data, workspace_of
from .containers import Container
from .resources import Kind, refuse_conflict
from .wire import Json, Request, Response, Router, ServiceError

if TYPE_CHECKING:
    from .cloud import Workspace
    from .server import StandIn

router = Router()
#: concept-endpoints-online.md: https://<endpoint>.<region>.inference.ml.azure.com/score
SCORING_DOMAIN = f".{LOCATION}.inference.ml.azure.com"
#: Whom a token for an endpoint with aad_token is for; azure-ai-ml's AAD_TOKEN_RESOURCE_ENDPOINT (constants/_common.py).
AUDIENCE = "https://ml.azure.com"
#: reference-managed-online-endpoints-vm-sku-list.md: no fifth more for these
_NO_SURPLUS = re.compile("_A100_|_H100_|_ND|_NC\\d+ads", re.IGNORECASE)


@dataclass
class Deployment(resources.Deployment):
    container: Container

    @property
    def cores(self) -> int:
        """Of the quota: how-to-manage-quotas.md, a fifth more instances than there are."""
        kind = self.resource["properties"]["instanceType"]
        return cores_for(kind, self.resource["sku"]["capacity"])


@dataclass
class Endpoint(resources.Endpoint[Deployment]):
    keys: list[str] = field(default_factory=lambda: [secrets.token_urlsafe(24) for _ in range(2)])
    tokens: list[str] = field(default_factory=list)


ONLINE: Kind[Endpoint] = Kind("onlineEndpoints", lambda workspace: workspace.endpoints)
ONLINE.answer_reads(router)


def store(workspace: Workspace, name: str, **properties: object) -> Endpoint:
    """An endpoint that is there already, for tests; `properties` are further ones."""
    endpoint = Endpoint(
        _resource(workspace, name, workspace.location, {}, {"authMode": "Key", **properties}, "Succeeded")
    )
    workspace.endpoints[name] = endpoint
    return endpoint


def store_deployment(
    workspace: Workspace, endpoint: Endpoint, name: str, model: str, **properties: object
) -> Deployment:
    """A deployment that is there already, with a container that was not started."""
    given: Json = {
        "model": f"{workspace.scope}/models/{model.replace(':', '/versions/')}",
        "instanceType": "Standard_DS2_v2",
    }
    given |= {"endpointComputeType": "Managed", "properties": {}, "provisioningState": "Succeeded", **properties}
    resource: Json = {
        "id": f"{endpoint.resource['id']}/deployments/{name}",
        "name": name,
        "location": workspace.location,
        "tags": {},
        "sku": {"name": "Default", "capacity": 1},
        "systemData": system_data(),
        "properties": {"scaleSettings": {"scaleType": "Default"}, **given},
    }
    made = endpoint.deployments[name] = Deployment(resource, Container(workspace, name, given, 1))
    return made


def _resource(workspace: Workspace, name: str, location: str, tags: Json, given: Json, state: str) -> Json:
    return {
        "id": f"{workspace.scope}/onlineEndpoints/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/onlineEndpoints",
        "location": location,
        "tags": tags,
        "kind": "Managed",
        "systemData": system_data(),
        "properties": {
            "description": None,
            "publicNetworkAccess": "Enabled",
            "mirrorTraffic": {},
            **given,
            "properties": given.get("properties") or {},
            "traffic": given.get("traffic") or {},
            "compute": None,
            "scoringUri": f"https://{name}{SCORING_DOMAIN}/score",
            "swaggerUri": f"https://{name}{SCORING_DOMAIN}/swagger.json",
            "provisioningState": state,
        },
    }


def cores_for(size: str, instances: int) -> int:
    known = computes.SIZES[size.lower()]
    return known.cores * (instances if _NO_SURPLUS.search(size) else math.ceil(1.2 * instances))


def used_cores(workspace: Workspace, family: str) -> int:
    """What deployments take of a family's quota."""
    running = [one for endpoint in workspace.endpoints.values() for one in endpoint.deployments.values()]
    sizes = computes.SIZES
    return sum(
        one.cores for one in running if sizes[one.resource["properties"]["instanceType"].lower()].family == family
    )


def stop_all(workspace: Workspace) -> None:
    for endpoint in list(workspace.endpoints.values()):
        for deployment in list(endpoint.deployments.values()):
            deployment.container.stop()


@router.on("PUT", f"{ONLINE.endpoints}/{{endpoint}}")
def put_endpoint(request: Request) -> Response:
    """Made at once, ready after the first answer that it is not; a change of traffic as well."""
    workspace = workspace_of(request, "onlineEndpoints/write")
    body, name = checked_body(request, "OnlineEndpoint"), request.names["endpoint"]
    before = workspace.endpoints.get(name)
    refuse_conflict(workspace, before)
    _check_traffic(body["properties"], before)
    given = {key: value for key, value in body["properties"].items() if key != "keys"}
    state = "Updating" if before else "Creating"
    resource = _resource(workspace, name, body["location"], body.get("tags") or {}, given, state)
    resource["identity"] = {"type": "SystemAssigned", **(body.get("identity") or {})}
    if before:
        resource["systemData"] = system_data(before.resource["systemData"]["createdAt"])
    endpoint = before or Endpoint(resource)
    endpoint.resource = resource
    workspace.endpoints[name] = endpoint
    return operations.put(request, "oeidp", resource, is_new=before is None)


def _check_traffic(properties: Json, endpoint: Endpoint | None) -> None:
    """reference-yaml-endpoint-online.md: 0 or 100 in all; Azure/azureml-examples#3311: to deployments that exist."""
    traffic = properties.get("traffic") or {}
    unknown = [name for name in traffic if endpoint is None or name not in endpoint.deployments]
    if unknown:
        raise ServiceError(400, "BadRequest", f"Traffic is assigned to deployments that do not exist: {unknown}.")
    if sum(traffic.values()) not in (0, 100) or min(traffic.values(), default=0) < 0:
        raise ServiceError(400, "BadRequest", f"The sum of traffic must be 0 or 100, not {sum(traffic.values())}.")


@router.on("DELETE", f"{ONLINE.endpoints}/{{endpoint}}")
def delete_endpoint(request: Request) -> Response:
    """With all of its deployments, whatever their traffic."""
    workspace, name = workspace_of(request, "onlineEndpoints/delete"), request.names["endpoint"]
    endpoint = workspace.endpoints.get(name)
    if endpoint is None:
        return Response(204)
    refuse_conflict(workspace, endpoint)

    def remove() -> None:
        for deployment in endpoint.deployments.values():
            deployment.container.stop()
        workspace.endpoints.pop(name, None)

    return operations.delete(request, "oeidp", endpoint.resource, remove)


@router.on("POST", f"{ONLINE.endpoints}/{{endpoint}}/listKeys")
def list_keys(request: Request) -> Response:
    endpoint = ONLINE.find(workspace_of(request, "onlineEndpoints/listKeys/action"), request.names["endpoint"])
    if endpoint.properties["authMode"] != "Key":
        raise ServiceError(400, "BadRequest", "The endpoint does not use keys for authentication.")
    return Response(200, {"primaryKey": endpoint.keys[0], "secondaryKey": endpoint.keys[1]})


@router.on("POST", f"{ONLINE.endpoints}/{{endpoint}}/regenerateKeys")
def regenerate_keys(request: Request) -> Response:
    endpoint = ONLINE.find(workspace_of(request, "onlineEndpoints/regenerateKeys/action"), request.names["endpoint"])
    body = checked_body(request, "RegenerateEndpointKeysRequest")
    endpoint.keys[body["keyType"] == "Secondary"] = body.get("keyValue") or secrets.token_urlsafe(24)
    return Response(200)


@router.on("POST", f"{ONLINE.endpoints}/{{endpoint}}/token")
def get_token(request: Request) -> Response:
    endpoint = ONLINE.find(workspace_of(request, "onlineEndpoints/token/action"), request.names["endpoint"])
    if endpoint.properties["authMode"] != "AMLToken":
        raise ServiceError(400, "BadRequest", "The endpoint does not use tokens of Azure Machine Learning.")
    login = request.service.login
    token = login.token(AUDIENCE)
    endpoint.tokens.append(token)
    now = login.expiry(token) - int(login.token_lifetime)
    expiry = {"expiryTimeUtc": login.expiry(token), "refreshAfterTimeUtc": now + int(login.token_lifetime * 2 / 3)}
    return Response(200, {"accessToken": token, "tokenType": "Bearer", **expiry})


@router.on("PUT", f"{ONLINE.deployments}/{{name}}")
def put_deployment(request: Request) -> Response:
    workspace = workspace_of(request, "onlineEndpoints/deployments/write")
    body, name = checked_body(request, "OnlineDeployment"), request.names["name"]
    endpoint = ONLINE.find(workspace, request.names["endpoint"])
    before = endpoint.deployments.get(name)
    refuse_conflict(workspace, endpoint, before)
    given, capacity = body["properties"], (body.get("sku") or {}).get("capacity") or 1
    _check_parts(workspace, given, capacity, before)
    operation, headers = operations.begin(request, "odidp", "Azure-AsyncOperation")
    resource: Json = {
        "id": f"{workspace.scope}/onlineEndpoints/{endpoint.resource['name']}/deployments/{name}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/onlineEndpoints/deployments",
        "location": body["location"],
        "tags": body.get("tags") or {},
        "kind": "Managed",
        "sku": {"name": "Default", "tier": "Standard", "capacity": capacity},
        "systemData": system_data(before.resource["systemData"]["createdAt"] if before else None),
        "properties": {
            **given,
            # azure-ai-ml reads it of every deployment (entities/_deployment/scale_settings.py)
            "scaleSettings": given.get("scaleSettings") or {"scaleType": "Default"},
            # answers of the service that users published have it there
            "properties": {
                **(given.get("properties") or {}),
                "AzureAsyncOperationUri": headers["Azure-AsyncOperation"],
            },
            "provisioningState": "Updating" if before else "Creating",
        },
    }
    container = Container(workspace, name, given, capacity)
    if before:
        before.container.stop()
    endpoint.deployments[name] = Deployment(resource, container)

    def start() -> None:
        error = container.start()
        with request.service.cloud.lock:
            resource["properties"]["provisioningState"] = "Failed" if error else "Succeeded"
            operation.end(error)

    threading.Thread(target=start, name=f"deployment-{name}", daemon=True).start()
    return Response(200 if before else 201, resource, headers)


def _check_parts(workspace: Workspace, given: Json, capacity: int, before: Deployment | None) -> None:
    """What it names is there, and the quota is.

    The error of the quota is the one that users report (MicrosoftLearning/mslearn-azure-ml#30); that of an unknown size
    has its form, for both are found wrong in the same field.
    """
    assets.conda_file(workspace, given["environmentId"])
    if given.get("model"):
        assets.find(workspace, given["model"], "models")
    if given.get("codeConfiguration"):
        assets.find(workspace, given["codeConfiguration"]["codeId"], "codes")
    kind = given.get("instanceType") or ""
    size = computes.SIZES.get(kind.lower())
    if size is None:
        raise _wrong_size(f"{kind} is not among the sizes for online endpoints.")
    used = used_cores(workspace, size.family) - (before.cores if before else 0)
    limit, needed = workspace.quota.get(size.family, 0), cores_for(kind, capacity)
    if used + needed > limit:
        raise _wrong_size(
            f"Not enough quota available for {size.name} in SubscriptionId {workspace.subscription}. Current "
            f"usage/limit: {used}/{limit}. Additional needed: {needed} Please see troubleshooting guide, available "
            "here: https://aka.ms/oe-tsg#error-outofquota"
        )


def _wrong_size(reason: str) -> ServiceError:
    detail = ("InferencingClientCallFailed", json.dumps({"errors": {"VmSize": [reason]}}))
    return ServiceError(400, "BadRequest", "The request is invalid.", detail)


@router.on("DELETE", f"{ONLINE.deployments}/{{name}}")
def delete_deployment(request: Request) -> Response:
    """Only without traffic: users drain it first because of "400 errors about non-zero traffic"."""
    workspace, name = workspace_of(request, "onlineEndpoints/deployments/delete"), request.names["name"]
    endpoint = ONLINE.find(workspace, request.names["endpoint"])
    deployment = endpoint.deployments.get(name)
    if deployment is None:
        return Response(204)
    if endpoint.properties["traffic"].get(name):
        raise ServiceError(400, "BadRequest", f"Deployment {name} has non-zero traffic: set it to 0 to delete it.")
    refuse_conflict(workspace, endpoint, deployment)

    def remove() -> None:
        deployment.container.stop()
        endpoint.deployments.pop(name, None)
        endpoint.properties["traffic"].pop(name, None)

    return operations.delete(request, "odidp", deployment.resource, remove)


@router.on("POST", f"{ONLINE.deployments}/{{name}}/getLogs")
def get_logs(request: Request) -> Response:
    workspace = workspace_of(request, "onlineEndpoints/deployments/getLogs/action")
    body = checked_body(request, "DeploymentLogsRequest")
    deployment: Deployment = ONLINE.find_deployment(workspace, request)
    log = deployment.container.log(body.get("containerType") or "InferenceServer", body.get("tail") or 100)
    return Response(200, {"content": log})


def score(request: Request) -> Response:
    """A request to an endpoint's own address: authentication, then the deployment by header or by traffic.

    docs: how-to-troubleshoot-online-endpoints.md#http-status-codes for 401 and 404; how-to-safely-rollout-online-
    endpoints.md for the header azureml-model-deployment; concept-endpoints-online-auth.md for keys and tokens.
    """
    service, name = request.service, request.host.removesuffix(SCORING_DOMAIN)
    with service.cloud.lock:
        for workspace in service.cloud.workspaces.values():
            if name in workspace.batch_endpoints:
                from . import batches

                return batches.start_job(request, workspace, name)
        endpoints = [
            found for workspace in service.cloud.workspaces.values() if (found := workspace.endpoints.get(name))
        ]
        if not endpoints:
            return Response(404)
        if not _may_score(service, endpoints[0], request):
            return Response(401)
        ready = {known: one for known, one in endpoints[0].deployments.items() if one.state == "Succeeded"}
        traffic = {known: part for known, part in endpoints[0].properties["traffic"].items() if part and known in ready}
        wanted = request.headers.get("azureml-model-deployment")
        if wanted is None and traffic:
            wanted = random.choices(list(traffic), list(traffic.values()))[0]  # noqa: S311
        if wanted not in ready or request.path not in ("/score", "/swagger.json"):
            return Response(404)
        container = ready[wanted].container
    return container.score(request, wanted)


def _may_score(service: StandIn, endpoint: Endpoint, request: Request) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return False
    mode = endpoint.properties["authMode"]
    if mode == "Key":
        return given in endpoint.keys
    try:
        claims = service.login.claims(request)
    except ServiceError:
        return False
    if mode == "AMLToken":
        return given in endpoint.tokens
    return str(claims["aud"]).rstrip("/") == AUDIENCE and service.cloud.workspace.role == "Contributor"
