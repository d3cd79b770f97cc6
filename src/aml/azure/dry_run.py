"""--dry-run: an adapter that prints requests instead of sending them, and makes up what the service would answer.

It stands below everything that sends anything: this package's own requests, azure-ai-ml and azure-storage-blob. What
only the service knows is in <angle brackets>. No sign-in is needed.
"""

import base64
import io
import json
import re
import threading
import time
from typing import Any
from urllib.parse import unquote

import requests
from azure.core.credentials import AccessToken

from aml.console import print_safely

NEW: tuple[int, Any] = (404, {"error": {"code": "NotFound", "message": "not there yet"}})
CONTAINER = "https://<account>.blob.core.windows.net/<container>"
STORE = {"accountName": "<account>", "containerName": "<container>", "endpoint": "core.windows.net",
         "credentials": {"credentialsType": "AccountKey"}}  # fmt: skip
ONLINE_ENDPOINT = {
    "scoringUri": "https://<endpoint>.<region>.inference.ml.azure.com/score",
    "publicNetworkAccess": "Enabled",
}
# The answer to each request that a verb reads something from: a pattern of "METHOD path", status and body.
ANSWERS: list[tuple[str, tuple[int, Any]]] = [
    (r"GET .*/datastores/<datastore>$", (200, {"properties": STORE})),
    (r"GET .*/(codes/[^/]+/versions|datastores)/[^/]+$", NEW),
    (r"GET .*/(online|batch)Endpoints/[^/]+(/deployments/[^/]+)?$", NEW),
    (r"GET .*/(deployments|onlineEndpoints|batchEndpoints|vmSizes|usages)$", (200, {"value": []})),
    (r"GET .*/registries/[^/]+/models/[^/]+/versions/[^/]+$", NEW),
    (r"POST .*/registries/[^/]+/import$", (200, None)),
    (r"GET .*/models/[^/]+/versions/[^/]+$", (200, {"properties": {
        "modelUri": "azureml://datastores/<datastore>/paths/<path>"}})),
    (r"POST .*/listKeys$", (200, {"primaryKey": "<key>"})),
    (r"POST .*/token$", (200, {"accessToken": "<token>"})),
    (r"GET .*/jobs/[^/]+$", (200, {"properties": {"status": "Completed", "experimentName": "<experiment>"}})),
    (r"GET .*/artifacts$", (200, {"value": []})),
    (r"POST .*/startPendingUpload", (200, {"blobReferenceForConsumption": {
        "blobUri": CONTAINER, "credential": {"credentialType": "SAS", "sasUri": f"{CONTAINER}?sig=<signature>"}}})),
    (r"GET .*/data/[^/]+/versions/", (200, {"properties": {"dataUri": "<path>"}})),
    (r"GET .*/(data|models|environments)/[^/]+$",
     (200, {"properties": {"latestVersion": "<latest version>", "nextVersion": "<next version>"}})),
    (r"GET .*/versions$", (200, {"value": []})),
    (r"GET .*/datastores$", (200, {"value": [{"name": "<default datastore>", "properties": STORE}]})),
    (r"GET .*/workspaces/[^/]+$", (200, {"location": "<region>", "properties": {"workspaceId": "<workspace id>",
        "mlFlowTrackingUri": "azureml://<region>.api.azureml.ms/mlflow/v1.0/<workspace>"}})),
    (r"GET .*/registries/[^/]+/discovery", (200, {
        "primaryRegionResourceProviderUri": "https://<region>.api.azureml.ms/",
        "subscriptionId": "<subscription>", "resourceGroup": "<resource group>"})),
    (r"GET .*/experiments/get-by-name", (200, {"experiment": {"experiment_id": "<experiment id>"}})),
    (r"GET .*/experiments/get$", (200, {"experiment": {"experiment_id": "<experiment id>", "name": "<experiment>"}})),
    (r"GET .*/runs/get$", (200, {"run": {"info": {
        "run_id": "<run id>", "experiment_id": "<experiment id>", "status": "FINISHED"}}})),
    (r"POST .*/runs/search", (200, {"runs": []})),
    (r"POST .*/runs/create", (200, {"run": {"info": {"run_id": "<run id>"}}})),
]  # fmt: skip
NO_BLOBS = b"<?xml version='1.0' encoding='utf-8'?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>"
_printing = threading.Lock()


class DryRunCredential:
    """A token that says nothing."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """A token for any scope."""
        nothing = base64.urlsafe_b64encode(b"{}").decode()
        return AccessToken(f"{nothing}.{nothing}.", int(time.time()) + 3600)

    def forget(self) -> None:
        """There is nothing to forget."""


class Printer(requests.adapters.BaseAdapter):
    """Takes the place of the network: prints each request, and makes up its answer.

    What was put is there afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Any] = {}

    def pretend(self, path: str, answer: Any) -> None:
        """Answer requests for what is at this path, below the subscription, as if it were there."""
        self._made[f"https://management.azure.com{path}"] = answer

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Print a request; returns what is made up for it."""
        response = requests.Response()
        response.request, response.url = request, str(request.url)
        if ".blob." in response.url.partition("?")[0]:
            response.status_code, kind, content = _storage_answer(request)
        else:
            response.status_code, kind, content = self._json_answer(request)
        response.headers["Content-Type"] = kind
        response.raw = io.BytesIO(content)
        return response

    def _json_answer(self, request: requests.PreparedRequest) -> tuple[int, str, bytes]:
        body = json.loads(request.body) if isinstance(request.body, bytes | str) and request.body else None
        _print(request, "" if body is None else "\n  " + _indented(body))
        path = unquote(str(request.url).partition("?")[0])
        status, answer = 200, self._made.get(path)
        if request.method != "GET" or answer is None:
            known = next((known for pattern, known in ANSWERS if re.match(pattern, f"{request.method} {path}")), None)
            made = {"id": path.removeprefix("https://management.azure.com"), **_as_made(path, body)}
            status, answer = known or (200, made)
        if request.method == "PUT":
            self._made[path] = answer
        return status, "application/json", json.dumps(answer).encode()

    def put(self, address: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        """Print how a blob would be put."""
        return self.send(requests.Request("PUT", address, headers, data=body).prepare()).status_code, ""

    def close(self) -> None:
        """Nothing is open."""


def _storage_answer(request: requests.PreparedRequest) -> tuple[int, str, bytes]:
    reads = request.method == "GET"
    size = "" if reads else f"  ({request.headers.get('Content-Length', 0)} bytes)"
    _print(request, size)
    return (200, "application/xml", NO_BLOBS) if reads else (201, "application/xml", b"")


def _as_made(path: str, body: Any) -> dict[str, Any]:
    """The body of a request as the service would have it, with what azure-ai-ml reads of that."""
    if not isinstance(body, dict):
        return {}
    own: dict[str, Any] = {}
    if "/models/" in path:
        own = {"flavors": {}}
    elif "/deployments/" in path:
        own = {"scaleSettings": {"scaleType": "Default"}}
    elif "/onlineEndpoints/" in path:
        own = ONLINE_ENDPOINT
    elif "/batchEndpoints/" in path:
        own = {"scoringUri": "https://<endpoint>.<region>.inference.ml.azure.com/jobs"}
    return {"name": path.rpartition("/")[2], **body, "properties": {**own, **body["properties"]}} if own else body


def _indented(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n  ")


def _print(request: requests.PreparedRequest, more: str) -> None:
    with _printing:  # several threads look things up
        print_safely(f"{request.method:<6} {unquote(str(request.url))}{more}")
