"""Operations on endpoints and deployments that take a while, as the clients of azure-ai-ml 1.35.2 follow them.

A PUT answers 201 (200 for a change) with Azure-AsyncOperation, whose address tells the status; DELETE answers 202 with
Location, which answers 202 until it is done (`_restclient/arm_ml_service/operations/_operations.py`: the status codes
and headers of `_create_or_update_initial` and `_delete_initial`). The last part of the address follows answers of the
service that users published, such as …/locations/eastus/mfeOperationsStatus/odidp:…; Retry-After, and the shape of a
status that failed, are those of azure-resource-manager/management/async-operations.md.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .cloud import LOCATION, PROVIDER
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
_LOCATION = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"
#: Seconds until a client is to ask again.
_PACE = "0.1"


@dataclass
class Operation:
    """Something under way: `end` says how it went."""

    kind: str
    status: str = "InProgress"
    error: Json | None = None
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))

    def end(self, error: tuple[str, str] | None = None) -> None:
        """It is done, or it failed with a code and a message."""
        self.error = {"code": error[0], "message": error[1], "details": []} if error else None
        self.status = "Failed" if error else "Succeeded"

    def address(self, request: Request, what: str) -> str:
        path = f"/subscriptions/{request.names['subscription']}/providers/{PROVIDER}/locations/{LOCATION}"
        version = request.query["api-version"]
        return f"https://{request.host}{path}/{what}/{self.kind}:{self.identifier}?api-version={version}"


#: An operation, and the headers of the answer that begins it.
Begun = tuple[Operation, dict[str, str]]

#: Which address follows an operation, by the header that names it.
_FOLLOWED = {"Azure-AsyncOperation": "mfeOperationsStatus", "Location": "mfeOperationResults"}


def begin(request: Request, kind: str, header: Literal["Azure-AsyncOperation", "Location"]) -> Begun:
    """Begin an operation; `header` is what names it in the answer."""
    operation = Operation(kind)
    request.service.cloud.operations[f"{operation.kind}:{operation.identifier}"] = operation
    address = operation.address(request, _FOLLOWED[header])
    return operation, {header: address, "x-ms-async-operation-timeout": "PT1H", "Retry-After": "1"}


def put(request: Request, kind: str, resource: Json, is_new: bool) -> Response:
    """The answer to a PUT of what is ready a moment later."""
    operation, headers = begin(request, kind, "Azure-AsyncOperation")
    _end_later(request, operation, lambda: resource["properties"].update(provisioningState="Succeeded"))
    return Response(201 if is_new else 200, resource, headers)


def delete(request: Request, kind: str, resource: Json, remove: Callable[[], object]) -> Response:
    """The answer to a DELETE of what is gone a moment later."""
    operation, headers = begin(request, kind, "Location")
    resource["properties"]["provisioningState"] = "Deleting"
    _end_later(request, operation, remove)
    return Response(202, None, headers)


def _end_later(request: Request, operation: Operation, done: Callable[[], object]) -> None:
    def wait() -> None:
        with request.service.cloud.lock:
            done()
            operation.end()

    threading.Timer(0.2, wait).start()


def _find(request: Request) -> Operation:
    found = request.service.cloud.operations.get(request.names["id"])
    if not isinstance(found, Operation):
        raise ServiceError(404, "NotFound", "No such operation.")
    return found


@router.on("GET", f"{_LOCATION}/mfeOperationsStatus/{{id}}")
def endpoint_operation_status(request: Request) -> Response:
    operation = _find(request)
    body: Json = {"id": request.path, "name": request.names["id"], "status": operation.status}
    if operation.error:
        body["error"] = operation.error
    return Response(200, body, {"Retry-After": _PACE} if operation.status == "InProgress" else {})


@router.on("GET", f"{_LOCATION}/mfeOperationResults/{{id}}")
def endpoint_operation_result(request: Request) -> Response:
    operation = _find(request)
    if operation.status == "InProgress":
        return Response(202, None, {"Location": f"https://{request.host}{request.target}", "Retry-After": _PACE})
    if operation.error:
        raise ServiceError(400, operation.error["code"], operation.error["message"])
    return Response(200)
