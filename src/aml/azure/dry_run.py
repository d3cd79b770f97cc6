"""--dry-run: prints the requests that a verb would send, and makes up what the service would answer.

What only the service knows is in <angle brackets>. Nothing is sent, and no sign-in is needed.
"""

import base64
import json
import re
import time
from typing import Any
from urllib.parse import unquote

from aml.azure.credential import AccessToken

NEW: tuple[int, Any] = (404, {"error": {"code": "NotFound", "message": "not there yet"}})
CONTAINER = "https://<account>.blob.core.windows.net/<container>"
# The answer to each request that a verb reads something from: a pattern of "METHOD path", status and body.
ANSWERS: list[tuple[str, tuple[int, Any]]] = [
    (r"GET .*/(codes/[^/]+/versions|datastores)/[^/]+$", NEW),
    (r"GET .*/jobs/[^/]+$", (200, {"properties": {"status": "Completed"}})),
    (r"POST .*/startPendingUpload", (200, {"blobReferenceForConsumption": {
        "blobUri": CONTAINER, "credential": {"credentialType": "SAS", "sasUri": f"{CONTAINER}?<signature>"}}})),
    (r"GET .*/data/[^/]+/versions/", (200, {"properties": {"dataUri": "<path>"}})),
    (r"GET .*/(data|models|environments)/[^/]+$",
     (200, {"properties": {"latestVersion": "<latest version>", "nextVersion": "<next version>"}})),
    (r"GET .*/versions$", (200, {"value": []})),
    (r"GET .*/datastores$", (200, {"value": [{"name": "<default datastore>", "properties": {
        "accountName": "<account>", "containerName": "<container>", "endpoint": "core.windows.net",
        "credentials": {"credentialsType": "AccountKey"}}}]})),
    (r"GET .*/workspaces/[^/]+$", (200, {"location": "<region>", "properties": {
        "mlFlowTrackingUri": "azureml://<region>.api.azureml.ms/mlflow/v1.0"}})),
    (r"GET .*/registries/[^/]+/discovery", (200, {
        "primaryRegionResourceProviderUri": "https://<region>.api.azureml.ms/",
        "subscriptionId": "<subscription>", "resourceGroup": "<resource group>"})),
    (r"GET .*/experiments/get-by-name", (200, {"experiment": {"experiment_id": "<experiment id>"}})),
    (r"POST .*/runs/search", (200, {"runs": []})),
    (r"POST .*/runs/create", (200, {"run": {"info": {"run_id": "<run id>"}}})),
]  # fmt: skip


class SignIn:
    """A token that says nothing."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        nothing = base64.urlsafe_b64encode(b"{}").decode()
        return AccessToken(f"{nothing}.{nothing}.", int(time.time()) + 3600)

    def forget(self) -> None:
        """There is nothing to forget."""


def answer(method: str, address: str, body: Any = None) -> tuple[int, Any]:
    """Print a request; returns the status and the body that the service would answer."""
    path = unquote(address.split("?", maxsplit=1)[0])
    print(f"{method:<6} {unquote(address)}")
    if body is not None:
        print("  " + json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n  "))
    known = next((known for pattern, known in ANSWERS if re.match(pattern, f"{method} {path}")), None)
    # azure-ai-ml wants to read the flavours of a model that it has made
    made = {"properties": {"flavors": {}, **body["properties"]}} if "/models/" in path and body else body or {}
    return known or (200, {"id": path.removeprefix("https://management.azure.com"), **made})
