"""What online endpoints and batch endpoints have in common: their resources, how they are read, and what conflicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .cloud import WS, page, workspace_of
from .wire import Json, Request, Response, Router, ServiceError

if TYPE_CHECKING:
    from .cloud import Workspace

TERMINAL = ("Succeeded", "Failed", "Canceled")


@dataclass
class Deployment:
    resource: Json

    @property
    def state(self) -> str:
        return str(self.resource["properties"]["provisioningState"])

    @property
    def is_busy(self) -> bool:
        return self.state not in TERMINAL


AnyDeployment = TypeVar("AnyDeployment", bound=Deployment)


@dataclass
class Endpoint(Generic[AnyDeployment]):
    resource: Json
    deployments: dict[str, AnyDeployment] = field(default_factory=dict)

    @property
    def properties(self) -> Json:
        properties: Json = self.resource["properties"]
        return properties

    @property
    def is_busy(self) -> bool:
        return self.properties["provisioningState"] not in TERMINAL

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is under way."""
        return not self.is_busy and not any(one.is_busy for one in list(self.deployments.values()))


AnyEndpoint = TypeVar("AnyEndpoint", bound=Endpoint[Any])


@dataclass(frozen=True)
class Kind(Generic[AnyEndpoint]):
    """Online or batch.

    Attributes:
        collection: The last part of their address, such as onlineEndpoints.
        of: Those of a workspace.

    """

    collection: str
    of: Callable[[Workspace], dict[str, AnyEndpoint]]

    @property
    def endpoints(self) -> str:
        """The route of all of them."""
        return f"{WS}/{self.collection}"

    @property
    def deployments(self) -> str:
        """The route of all deployments of one."""
        return f"{self.endpoints}/{{endpoint}}/deployments"

    def find(self, workspace: Workspace, name: str) -> AnyEndpoint:
        for known, endpoint in self.of(workspace).items():
            if known.lower() == name.lower():
                return endpoint
        message = f"Endpoint with name: {name} not found in workspace {workspace.name}."
        raise ServiceError(404, "ResourceNotFound", message)

    def find_deployment(self, workspace: Workspace, request: Request) -> Any:
        name = request.names["name"]
        if found := self.find(workspace, request.names["endpoint"]).deployments.get(name):
            return found
        raise ServiceError(404, "ResourceNotFound", f"Deployment with name: {name} not found.")

    def answer_reads(self, router: Router) -> None:
        """Add the routes that list and get endpoints and deployments."""

        def workspace(request: Request, what: str = "") -> Workspace:
            return workspace_of(request, f"{self.collection}/{what}read")

        @router.on("GET", self.endpoints)
        def list_endpoints(request: Request) -> Response:
            return page(request, [one.resource for one in self.of(workspace(request)).values()])

        @router.on("GET", f"{self.endpoints}/{{endpoint}}")
        def get_endpoint(request: Request) -> Response:
            return Response(200, self.find(workspace(request), request.names["endpoint"]).resource)

        @router.on("GET", self.deployments)
        def list_deployments(request: Request) -> Response:
            found = self.find(workspace(request, "deployments/"), request.names["endpoint"]).deployments
            return page(request, [one.resource for one in found.values()])

        @router.on("GET", f"{self.deployments}/{{name}}")
        def get_deployment(request: Request) -> Response:
            return Response(200, self.find_deployment(workspace(request, "deployments/"), request).resource)


def refuse_conflict(workspace: Workspace, *involved: Endpoint[Any] | Deployment | None) -> None:
    """409 for a change of what somebody is changing at that moment.

    "Any new operation on that same online endpoint responds with a 409 conflict error" (MicrosoftDocs/azure-ai-docs,
    how-to-troubleshoot-online-endpoints.md, of Kubernetes). Codes and words are those that users of the managed kind
    report: Azure/carnegie-mop, doc/troubleshooting/model_wrapper/AmlEndpoint.md, and Azure/azure-cli#17075. Of a new
    deployment in an endpoint that is Updating there are others, in azure-sdk-for-net#36961, whose status is not known.
    """
    if any(one is not None and one.is_busy for one in involved):
        reason = (
            f"Conflict of operation, another operation on same entity is already running in workspace {workspace.name}."
        )
        raise ServiceError(409, "Conflict", "Conflict", ("OperationDuplicationConflict", reason))
