"""Azure Machine Learning's REST interface with the standard library: to look up, to confirm, to follow, to upload.

Jobs, clusters, datastores and models are made by azure-ai-ml (sdk.py), whose import takes two seconds.
"""

import contextlib
import functools
import http.client
import json
import logging
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml.azure import dry_run
from aml.azure.credential import SignIn
from aml.console import display_path
from aml.errors import ServiceError, UserError
from aml.jobfile.settings import ATTACH, confirm, read, settings_file

RESOURCE_MANAGER = "https://management.azure.com"
API = "2024-10-01"  # of Microsoft.MachineLearningServices
PAUSES = (0.5, 1, 2, 4)  # seconds between attempts, where the service names none
RETRYABLE = (408, 429, 500, 502, 503, 504)
TO_TRAIN = "AzureML Data Scientist"  # role, which may not make clusters (how-to-assign-roles.md)
log = logging.getLogger("aml")


class WorkspaceClient:
    """The workspace that the settings name. `dry` sends nothing: it prints requests and makes answers up."""

    def __init__(self, settings: dict[str, str], dry: bool = False, patience: tuple[float, ...] = PAUSES) -> None:
        if not log.isEnabledFor(logging.DEBUG):
            logging.disable()  # Azure's libraries tell of every class that is experimental, every sign-in they tried
        self.settings = settings
        self.dry = dry
        self.patience = patience
        self.sign_in = dry_run.SignIn() if dry else SignIn()
        self.subscription = f"/subscriptions/{settings['subscription_id']}"
        self.scope = (
            f"{self.subscription}/resourceGroups/{settings['resource_group']}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{settings['workspace_name']}"
        )

    @property
    def name(self) -> str:
        return str(self.settings["workspace_name"])

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        api: str = API,
        patience: tuple[float, ...] | None = None,
        **query: Any,
    ) -> Any:
        """The answer to a request below the workspace, below the subscription ("/subscriptions/…") or at an address.

        `patience` has the seconds between attempts; none for a request that must not be sent twice. Raises
        ServiceError when the service refuses, or does not answer after the last attempt.
        """
        address = path
        if not path.startswith("https:"):
            base = RESOURCE_MANAGER + ("" if path.startswith("/subscriptions") else self.scope)
            address = base + urllib.parse.quote(path) + "?" + urllib.parse.urlencode({"api-version": api, **query})
        elif query:
            address += "?" + urllib.parse.urlencode(query)
        if self.dry:
            status, answer = dry_run.answer(method, address, body)
            if status == 404:
                raise ServiceError("not there yet", status, "NotFound")
            return answer
        return json.loads(
            self._attempt(method, address, body, self.patience if patience is None else patience) or b"null"
        )

    def get(self, path: str, /, **query: Any) -> Any:
        return self.send("GET", path, **query)

    def find(self, path: str, /, **query: Any) -> Any:
        """The same, or None when there is no such thing in the workspace."""
        try:
            return self.get(path, **query)
        except ServiceError as error:
            if error.status == 404 and error.code not in MISSING:
                return None
            raise

    def all(self, path: str, /, **query: Any) -> Iterator[Any]:
        """The entries of a list, page by page."""
        page = self.get(path, **query)
        while True:
            yield from page["value"]
            if not page.get("nextLink"):
                return
            page = self.send("GET", page["nextLink"])

    @functools.cached_property
    def workspace(self) -> Any:
        return self.get("")

    @functools.cached_property
    def data_plane(self) -> str:
        """The address of the workspace's region, which has runs, metrics and logs."""
        return "https://" + urllib.parse.urlsplit(str(self.workspace["properties"]["mlFlowTrackingUri"])).netloc

    def studio(self, run_id: str) -> str:
        return f"https://ml.azure.com/runs/{run_id}?wsid={self.scope}"

    def _attempt(self, method: str, address: str, body: Any, patience: tuple[float, ...]) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        host = urllib.parse.urlsplit(address).netloc
        pauses, renewed = list(patience), False
        while True:
            token = self.sign_in.get_token(f"{RESOURCE_MANAGER}/.default").token
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "User-Agent": "aml"}
            request = urllib.request.Request(address, content, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=60, context=_trust()) as response:
                    log.debug("%s %s %s", response.status, method, address)
                    return bytes(response.read())
            except urllib.error.HTTPError as refused:
                error = _explain(refused, self)
                log.debug("%s %s %s: %s", refused.code, method, address, error.code)
                if refused.code == 401 and not renewed:
                    self.sign_in.forget()
                    renewed = True
                    continue
                if refused.code not in RETRYABLE or not pauses:
                    raise error from None
                pause = pauses.pop(0)
                with contextlib.suppress(ValueError):
                    pause = float(refused.headers.get("Retry-After") or pause)
            except (OSError, http.client.HTTPException) as broken:
                reason = getattr(broken, "reason", broken)
                log.debug("%s %s: %s", method, address, reason)
                if not pauses or isinstance(reason, ssl.SSLCertVerificationError):
                    raise ServiceError(f"{host} cannot be reached: {reason}", 0, "Unreachable") from None
                pause = pauses.pop(0)
            time.sleep(pause)


def connect(root: Path, dry: bool = False) -> WorkspaceClient:
    """The workspace of the settings, to send requests to. Raises UserError unless they are set and well-formed."""
    settings = read(root)
    for name, value, state, why in confirm(root)[1:]:
        if state == "not confirmed" or (state == "not set" and not dry):
            raise UserError(f"{display_path(settings_file(root))}: {name} {value!r} {why or 'is not set'}: {ATTACH}")
    return WorkspaceClient(settings, dry)


def fetch(address: str, start: int) -> bytes | None:
    """What a blob has from byte `start` on, by an address that carries its own permission.

    b"" when that is nothing yet, None when storage did not answer.
    """
    request = urllib.request.Request(address, headers={"Range": f"bytes={start}-"})
    try:
        with urllib.request.urlopen(request, timeout=60, context=_trust()) as response:
            return bytes(response.read())
    except (OSError, http.client.HTTPException) as error:
        return b"" if getattr(error, "code", 0) == 416 else None


@functools.cache  # to read them takes 40 ms
def _trust() -> ssl.SSLContext:
    """The system's certificates, certifi's (python.org's Python on macOS has none), and those of a company's proxy."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    if own := os.environ.get("REQUESTS_CA_BUNDLE"):
        context.load_verify_locations(own)
    return context


# Azure Resource Manager's codes (azure-resource-manager/troubleshooting/common-deployment-errors)
MISSING = ("SubscriptionNotFound", "InvalidSubscriptionId", "ResourceGroupNotFound", "WorkspaceNotFound")


def _explain(refused: urllib.error.HTTPError, service: WorkspaceClient) -> ServiceError:
    try:
        answer = json.loads(refused.read() or b"{}")
        error = answer.get("error") if isinstance(answer.get("error"), dict) else answer
    except ValueError:
        error = {}
    code = str(error.get("code") or error.get("error_code") or refused.reason)
    return explain(refused.code, code, str(error.get("message") or ""), service)


def explain(status: int, code: str, message: str, service: WorkspaceClient, role: str = TO_TRAIN) -> ServiceError:
    """What the service refused, why and the fix, in a line or two. `code` and `message` are the service's own,
    `role` is the one that may do it.
    """
    if code == "ResourceNotFound" and f"/workspaces/{service.name}'".lower() in message.lower():
        code = "WorkspaceNotFound"  # the same code stands for what is not in a workspace
    if status == 401:
        why = f"your sign-in ran out, or is of another tenant ({code}): az login, and run it again"
    elif status == 403:
        why = f"you may not do this ({code}): ask its owner for the role {role}"
    elif code in MISSING:
        why = f"not found, or not yours ({code}): aml workspace shows what you can see"
    elif status in RETRYABLE:
        why = f"the service is busy ({status} {code}): run it again later"
    else:
        why = f"{sentence(message) or status} ({code})"
    return ServiceError(f"workspace {service.name}: {why}", status, code)


def sentence(message: str) -> str:
    """The first line of a message of Azure, without the id of the request or the link that ends some."""
    lines = [line.strip() for line in message.partition("Click here")[0].splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else ""
