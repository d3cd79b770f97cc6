"""Subscriptions, workspaces and permissions: what Azure Resource Manager answers before a workspace is reached.

Error codes and texts are those of Azure Resource Manager
(docs: azure-resource-manager/troubleshooting/common-deployment-errors).
"""

from __future__ import annotations

import datetime
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import contract, login, storage
from .wire import Json, Request, Response, Router, ServiceError

if TYPE_CHECKING:
    from .batches import BatchEndpoint
    from .endpoints import Endpoint
    from .jobs import Job
    from .mlflow import Experiment, Run
    from .server import StandIn

SUBSCRIPTION = "99999999-8888-7777-6666-555555555555"
GROUP = "aml-demo"
WORKSPACE = "aml-demo"
LOCATION = "eastus"
PROVIDER = "Microsoft.MachineLearningServices"
#: The path of a workspace in patterns of routes.
WS = "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + PROVIDER + "/workspaces/{workspace}"

Role = Literal["Contributor", "AzureML Data Scientist", "Reader", "none"]
#: docs: role-based-access-control/built-in-roles.md
_ACTIONS: dict[Role, tuple[list[str], list[str]]] = {
    "Contributor": (
        ["*"],
        [
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ],
    ),
    "AzureML Data Scientist": (
        [
            f"{PROVIDER}/workspaces/*/read",
            f"{PROVIDER}/workspaces/*/action",
            f"{PROVIDER}/workspaces/*/delete",
            f"{PROVIDER}/workspaces/*/write",
        ],
        [
            f"{PROVIDER}/workspaces/delete",
            f"{PROVIDER}/workspaces/write",
            f"{PROVIDER}/workspaces/computes/*/write",
            f"{PROVIDER}/workspaces/computes/*/delete",
            f"{PROVIDER}/workspaces/computes/listKeys/action",
            f"{PROVIDER}/workspaces/listKeys/action",
        ],
    ),
    "Reader": (["*/read"], []),
    "none": ([], []),
}

router = Router()


@dataclass(repr=False)
class Workspace:
    """A workspace and all it holds. Tests read and change it directly."""

    service: StandIn
    name: str = WORKSPACE
    group: str = GROUP
    subscription: str = SUBSCRIPTION
    location: str = LOCATION
    #: What the caller may do here.
    role: Role = "Contributor"
    #: What listSecrets of the workspace's own datastores gives.
    datastore_credentials: Literal["account-key", "sas", "identity"] = "account-key"
    #: vCPUs that are left, by family of virtual machines; see computes.SIZES.
    quota: dict[str, int] = field(default_factory=dict)
    computes: dict[str, Json] = field(default_factory=dict)
    datastores: dict[str, Json] = field(default_factory=dict)
    #: What was given with a datastore that a client registered.
    secrets: dict[str, Json] = field(default_factory=dict)
    #: collection → name → version → resource
    assets: dict[str, dict[str, dict[str, Json]]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    batch_endpoints: dict[str, BatchEndpoint] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        from . import computes, datastores

        self.quota = self.quota or dict.fromkeys((size.family for size in computes.SIZES.values()), 100)
        datastores.create_own(self)

    @property
    def scope(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/{PROVIDER}/workspaces/{self.name}"

    @property
    def resource(self) -> Json:
        """docs: the contract's Workspace; tracking address as of how-to-use-mlflow-configure-tracking.md."""
        plane = f"{self.location}.api.azureml.ms"
        account = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers"
        return {
            "id": self.scope,
            "name": self.name,
            "type": f"{PROVIDER}/workspaces",
            "location": self.location,
            "tags": {},
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "identity": {"type": "SystemAssigned", "principalId": str(uuid.UUID(int=1)), "tenantId": login.TENANT},
            "systemData": system_data(),
            "properties": {
                "friendlyName": self.name,
                "description": "",
                "storageAccount": f"{account}/Microsoft.Storage/storageAccounts/{storage.ACCOUNT}",
                "keyVault": f"{account}/Microsoft.KeyVault/vaults/standin",
                "applicationInsights": f"{account}/Microsoft.Insights/components/standin",
                "containerRegistry": None,
                "hbiWorkspace": False,
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
                "v1LegacyMode": False,
                "workspaceId": self.guid,
                "discoveryUrl": f"https://{plane}/discovery",
                "mlFlowTrackingUri": f"azureml://{plane}/mlflow/v1.0{self.scope}",
                "tenantId": login.TENANT,
            },
        }


class Cloud:
    """One subscription and its workspaces, of which the first is there from the start."""

    def __init__(self, service: StandIn) -> None:
        self.lock = threading.RLock()
        self.subscription = SUBSCRIPTION
        self.workspaces: dict[tuple[str, str], Workspace] = {}
        self.operations: dict[str, Any] = {}
        #: registry → name → version → model; the registry azureml, which has no models here, is always there.
        self.registries: dict[str, dict[str, dict[str, Json]]] = {"azureml": {}}
        self._service = service
        self.workspace = self.add_workspace()

    def add_workspace(self, name: str = WORKSPACE, group: str = GROUP, **more: Any) -> Workspace:
        workspace = Workspace(self._service, name, group, **more)
        self.workspaces[group.lower(), name.lower()] = workspace
        return workspace

    def close(self) -> None:
        """End the jobs and the deployments that still run."""
        from . import endpoints

        for workspace in self.workspaces.values():
            endpoints.stop_all(workspace)
            for job in list(workspace.jobs.values()):
                job.cancel(wait=True)


def system_data(created: str | None = None) -> Json:
    now = timestamp()
    return {
        "createdAt": created or now,
        "createdBy": "Someone",
        "createdByType": "User",
        "lastModifiedAt": now,
        "lastModifiedBy": "Someone",
        "lastModifiedByType": "User",
    }


def timestamp() -> str:
    """Seven digits, as Azure writes them."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"


def admit(request: Request) -> None:
    """What holds for every request to the control plane: a version of the API, names by the rules, permission."""
    problems = []
    version = request.query.get("api-version")
    if version is None and not request.path.startswith("/metadata"):
        problems.append("the api-version is missing")
    elif version is not None and not contract.API_VERSION.fullmatch(version):
        problems.append(f"{version!r} is no api-version")
    below = request.path.partition(f"/{PROVIDER}/")[2].split("/")
    for collection, name in zip(below[::2], below[1::2], strict=False):
        problems += contract.check_name(collection, name)
    refuse_violations(request, problems)


def refuse_violations(request: Request, problems: list[str]) -> None:
    """400 for a request that goes against the contract; tests find it in `StandIn.violations`."""
    if problems:
        text = "; ".join(problems)
        request.service.violations.append(f"{request.method} {request.path}: {text}")
        raise ServiceError(400, "ValidationError", text)


def checked_body(request: Request, shape: str) -> Json:
    body = request.json
    refuse_violations(request, contract.check_body(body, shape))
    return body


def page(request: Request, values: list[Json], parameter: str = "$skip") -> Response:
    """A page of a list, `StandIn.page_size` long, and the address of the next one.

    `parameter` holds what the client hands back (the contract's Jobs_List has $skip, run history's lists of artifacts
    continuationToken); here it counts what came before.
    """
    given, target = request.query.get(parameter.lower(), "0"), urlsplit(request.target)
    refuse_violations(request, [] if given.isdecimal() else [f"{parameter}: {given!r} is not from a nextLink"])
    start = int(given)
    end = start + request.service.page_size
    body: Json = {"value": values[start:end]}
    if end < len(values):
        query = [(name, value) for name, value in parse_qsl(target.query) if name.lower() != parameter.lower()]
        query.append((parameter, str(end)))
        body["nextLink"] = f"https://{request.host}{target.path}?{urlencode(query, safe='$')}"
    return Response(200, body)


def workspace_of(request: Request, action: str = "") -> Workspace:
    """The workspace a request is for, if there is one and the caller may do `action` in it ("jobs/write")."""
    names, service = request.names, request.service
    if names["subscription"].lower() != service.cloud.subscription:
        raise ServiceError(
            404, "SubscriptionNotFound", f"The subscription '{names['subscription']}' could not be found."
        )
    group, name = names["group"].lower(), names["workspace"].lower()
    found = service.cloud.workspaces.get((group, name))
    action = f"{PROVIDER}/workspaces/{action or 'read'}"
    if found is not None and not _allowed(found.role, action):
        raise ServiceError(
            403,
            "AuthorizationFailed",
            f"The client '{request.claims.get('unique_name')}' with object id '{login.OBJECT_ID}' does not have "
            f"authorization to perform action '{action}' over scope '{found.scope}' or the scope is invalid. "
            "If access was recently granted, please refresh your credentials.",
        )
    if found is None:
        if not any(group == known for known, _ in service.cloud.workspaces):
            raise ServiceError(404, "ResourceGroupNotFound", f"Resource group '{names['group']}' could not be found.")
        raise ServiceError(
            404,
            "ResourceNotFound",
            f"The Resource '{PROVIDER}/workspaces/{names['workspace']}' under resource group '{names['group']}' was "
            "not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )
    return found


def _allowed(role: Role, action: str) -> bool:
    actions, not_actions = _ACTIONS[role]
    return any(_covers(one, action) for one in actions) and not any(_covers(one, action) for one in not_actions)


def _covers(pattern: str, action: str) -> bool:
    """Whether the pattern means the action.

    "/*/" also means nothing between: else no role would have to take workspaces/write out of workspaces/*/write, as
    AzureML Data Scientist does.
    """
    from fnmatch import fnmatchcase

    return any(fnmatchcase(action.lower(), one.lower()) for one in (pattern, pattern.replace("/*/", "/")))


@router.on("GET", "/metadata/endpoints")
def cloud_endpoints(request: Request) -> Response:
    """The clouds: azureml-mlflow asks (`_common/_cloud/cloud.py`), and the SDK with ARM_CLOUD_METADATA_URL.

    Only the public one is here, with the fields that both read.
    """
    public = {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": "https://management.azure.com/",
        "authentication": {
            "loginEndpoint": f"https://{login.LOGIN_HOST}",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graph": "https://graph.windows.net/",
        "graphAudience": "https://graph.windows.net/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "batch": "https://batch.core.windows.net/",
        "gallery": "https://gallery.azure.com/",
        "media": "https://rest.media.azure.net",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/aliases.json",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "acrLoginServer": "azurecr.io",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        },
    }
    return Response(200, [public])


@router.on("GET", "/subscriptions")
def list_subscriptions(request: Request) -> Response:
    return Response(200, {"value": [_subscription(request.service)]})


@router.on("GET", "/subscriptions/{subscription}")
def get_subscription(request: Request) -> Response:
    _check_subscription(request)
    return Response(200, _subscription(request.service))


def _subscription(service: StandIn) -> Json:
    identifier = service.cloud.subscription
    return {
        "id": f"/subscriptions/{identifier}",
        "subscriptionId": identifier,
        "displayName": "Stand-in",
        "state": "Enabled",
        "tenantId": login.TENANT,
    }


def _check_subscription(request: Request) -> None:
    wanted = request.names["subscription"]
    if wanted.lower() != request.service.cloud.subscription:
        raise ServiceError(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")


@router.on("GET", f"/subscriptions/{{subscription}}/providers/{PROVIDER}/workspaces")
@router.on("GET", f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces")
def list_workspaces(request: Request) -> Response:
    """Only those the caller may read: the list has no errors for the others."""
    _check_subscription(request)
    group = request.names.get("group")
    found = [
        workspace.resource
        for workspace in request.service.cloud.workspaces.values()
        if workspace.role != "none" and (group is None or group.lower() == workspace.group.lower())
    ]
    if group is not None and not any(known == group.lower() for known, _ in request.service.cloud.workspaces):
        raise ServiceError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    return page(request, found)


@router.on("GET", WS)
def get_workspace(request: Request) -> Response:
    return Response(200, workspace_of(request).resource)


@router.on("GET", f"{WS}/providers/Microsoft.Authorization/permissions")
def list_permissions(request: Request) -> Response:
    """docs: rest/api/authorization/permissions/list-for-resource. What the caller may do, whatever the role's name."""
    if refused := request.service.permissions:
        raise ServiceError(int(refused.split()[0]), refused.split()[1], "The list of permissions is not available.")
    actions, not_actions = _ACTIONS[workspace_of(request).role]
    entry = {"actions": actions, "notActions": not_actions, "dataActions": [], "notDataActions": []}
    return Response(200, {"value": [entry]})
