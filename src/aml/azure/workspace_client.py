"""Azure Machine Learning's REST interface through azure-core's pipeline: to look up, to confirm, to follow, to upload.

Jobs, clusters, datastores and models are made by azure-ai-ml (sdk.py), whose import takes two seconds.
"""

import functools
import logging
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from aml.azure import dry_run as dry
from aml.azure.credential import Credential
from aml.azure.transport import RETRYABLE, STORAGE_RETRIES, Adapter, transport, unreachable
from aml.console import display_path
from aml.errors import ServiceError, UserError
from aml.jobfile.settings import ATTACH, confirm, read, resource_id, settings_file

RESOURCE_MANAGER = "https://management.azure.com"
API = "2024-10-01"  # of Microsoft.MachineLearningServices
RETRIES = 4
DATA_SCIENTIST_ROLE = (
    "AzureML Data Scientist"  # role to train with, which may not make clusters (how-to-assign-roles.md)
)
log = logging.getLogger("aml")


class WorkspaceClient:
    """The workspace that the settings name.

    Attributes:
        dry_run: Nothing is sent: requests are printed, answers are made up.
        printer: What prints requests then, else None.
        transport: What sends the requests of every client of this workspace.
        storage: What sends those for blobs, and tries them again.
        credential: Who you are, for all of them.

    """

    def __init__(self, settings: dict[str, str], *, dry_run: bool = False, retries: int = RETRIES) -> None:
        if not log.isEnabledFor(logging.DEBUG):
            logging.disable()  # Azure's libraries log every class that is experimental, every sign-in they tried
        self.settings = settings
        self.dry_run = dry_run
        self.retries = retries
        self.printer = dry.Printer() if dry_run else None
        self.transport = transport(self.printer or Adapter())
        self.storage = dry.Printer() if dry_run else Adapter(STORAGE_RETRIES)
        self.credential = dry.DryRunCredential() if dry_run else Credential()
        self._client = self._pipeline(ARMChallengeAuthenticationPolicy(self.credential, f"{RESOURCE_MANAGER}/.default"))
        self._anonymous = self._pipeline()
        self.subscription = f"/subscriptions/{settings['subscription_id']}"
        self.scope = resource_id(settings)

    def _pipeline(
        self, *authentication: "policies.HTTPPolicy[HttpRequest, HttpResponse]"
    ) -> "ARMPipelineClient[HttpRequest, HttpResponse]":
        steps = [
            policies.UserAgentPolicy("aml"),
            policies.RedirectPolicy(),
            policies.RetryPolicy(retry_backoff_factor=0.5),
            *authentication,
            policies.SensitiveHeaderCleanupPolicy(),  # the token is for no other host
            policies.HttpLoggingPolicy(log),
        ]
        return ARMPipelineClient(RESOURCE_MANAGER, policies=steps, transport=self.transport)

    @property
    def name(self) -> str:
        """The workspace's name."""
        return str(self.settings["workspace_name"])

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        api: str = API,
        retries: int | None = None,
        **query: Any,
    ) -> Any:
        """The answer to a request below the workspace, below the subscription ("/subscriptions/…") or at an address.

        `retries` is 0 for a request that must not be sent twice. Raises ServiceError when the service refuses, or
        does not answer after the last attempt.
        """
        address = path
        if not path.startswith("https:"):
            base = RESOURCE_MANAGER + ("" if path.startswith("/subscriptions") else self.scope)
            address = base + urllib.parse.quote(path)
            query = {"api-version": api, **query}
        attempts = self.retries if retries is None else retries
        response = self._send(HttpRequest(method, address, params=query, json=body), attempts)
        if response.status_code == 401:
            self.credential.forget()  # the service does not take the token, even if it has not run out
            response = self._send(HttpRequest(method, address, params=query, json=body), attempts)
        if response.status_code >= 400:
            raise _explain(response, self)
        try:
            return response.json() if response.content else None
        except ValueError:
            host = urllib.parse.urlsplit(address).netloc
            raise ServiceError(f"{host}: its answer was cut short: run it again", 0, "Truncated") from None

    def _send(self, request: HttpRequest, retries: int) -> HttpResponse:
        # Of each kind of failure as many as of all: azure-core gives up after three of a kind.
        limits: dict[str, Any] = dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), retries)
        try:
            answer: HttpResponse = self._client.send_request(request, retry_on_methods=[request.method], **limits)
        except AzureError as error:
            raise unreachable(request.url, error) from error
        return answer

    def fetch(self, address: str, start: int) -> bytes:
        """What a blob has from byte `start` on, b"" for nothing yet, by an address that carries its own permission.

        Raises ServiceError when storage refuses or does not answer.
        """
        host = urllib.parse.urlsplit(address).netloc
        request = HttpRequest("GET", address, headers={"Range": f"bytes={start}-"})
        try:
            response = self._anonymous.send_request(request, retry_total=0)
        except AzureError as error:
            raise unreachable(address, error) from error
        if response.status_code in (404, 416):  # not written yet, or not further than that
            return b""
        if response.status_code >= 400:
            code = response.headers.get("x-ms-error-code") or str(response.reason)
            raise explain_storage(host, response.status_code, code)
        return response.content

    def ask(self, address: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """POST to an address with its own sign-in, such as an endpoint's: status, text, headers in small letters.

        It is sent again where the service is busy. Raises ServiceError when it does not answer.
        """
        request = HttpRequest("POST", address, content=body, headers=headers)
        try:
            answer = self._anonymous.send_request(request, retry_on_methods=["POST"], retry_total=self.retries)
        except AzureError as error:
            raise unreachable(address, error) from error
        return answer.status_code, answer.text(), {key.lower(): value for key, value in answer.headers.items()}

    def get(self, path: str, /, **query: Any) -> Any:
        """The answer to a GET."""
        return self.send("GET", path, **query)

    def find(self, path: str, /, **query: Any) -> Any:
        """The same, or None when there is no such thing in the workspace."""
        try:
            return self.get(path, **query)
        except ServiceError as error:
            if is_absent(error):
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
        """The resource of the workspace itself. Raises ServiceError when it is not there."""
        return self.get("")

    @functools.cached_property
    def data_plane(self) -> str:
        """The address of the workspace's region, which has runs, metrics and logs."""
        return "https://" + urllib.parse.urlsplit(str(self.workspace["properties"]["mlFlowTrackingUri"])).netloc

    def studio(self, run_id: str) -> str:
        """The address of a run in Azure Machine Learning studio."""
        return f"https://ml.azure.com/runs/{run_id}?wsid={self.scope}"


def connect(root: Path, dry_run: bool = False) -> WorkspaceClient:
    """The workspace of the settings, to send requests to. Raises UserError unless they are set and well-formed."""
    settings = read(root)
    for name, value, state, why in confirm(root)[1:]:
        if state == "not confirmed" or (state == "not set" and not dry_run):
            raise UserError(f"{display_path(settings_file(root))}: {name} {value!r} {why or 'is not set'}: {ATTACH}")
    return WorkspaceClient(settings, dry_run=dry_run)


# Azure Resource Manager's codes (azure-resource-manager/troubleshooting/common-deployment-errors)
MISSING = ("SubscriptionNotFound", "InvalidSubscriptionId", "ResourceGroupNotFound", "WorkspaceNotFound")


def is_absent(error: ServiceError) -> bool:
    """Whether the service says that what was asked for is not in the workspace; not that there is no workspace."""
    return error.status == 404 and error.code not in MISSING


def _explain(response: HttpResponse, client: WorkspaceClient) -> ServiceError:
    try:
        answer = response.json()
        error = answer.get("error") if isinstance(answer.get("error"), dict) else answer
    except (ValueError, AttributeError):
        error = {}
    code = str(error.get("code") or error.get("error_code") or response.reason)
    messages = [str(part.get("message") or "") for part in (error, *(error.get("details") or []))]
    return explain(response.status_code, code, messages, client)


def explain(
    status: int, code: str, messages: Sequence[str], client: WorkspaceClient, role: str = DATA_SCIENTIST_ROLE
) -> ServiceError:
    """What the service refused, why, and how to fix it, in a line or two.

    `code` and `messages` are the service's own, its details last; `role` is the one that may do it.
    """
    if code == "ResourceNotFound" and any(f"/workspaces/{client.name}'".lower() in text.lower() for text in messages):
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
        said = ": ".join(dict.fromkeys(filter(None, map(sentence, messages))))
        why = f"{said or status} ({code})"
    return ServiceError(f"workspace {client.name}: {why}", status, code)


# What helps where storage refuses (learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes)
NOT_VALID = "the key or signature is not valid: is this machine's clock right? Run it again"
STORAGE_FIXES = {
    "AuthorizationPermissionMismatch": "ask its owner for the role Storage Blob Data Contributor",
    "AuthorizationFailure": "its firewall does not let this machine in: ask its owner, or use a network that it trusts",
    "AuthenticationFailed": NOT_VALID,
    "InvalidAuthenticationInfo": NOT_VALID,
    "KeyBasedAuthenticationNotPermitted": "it takes no keys: let the datastore sign in with an identity",
}


def explain_storage(host: str, status: int, code: str) -> ServiceError:
    """What a storage account refused, and how to fix it."""
    if status in RETRYABLE:
        return ServiceError(f"{host}: storage is busy ({status} {code}): run it again later", status, code)
    fix = STORAGE_FIXES.get(code)
    return ServiceError(f"{host}: storage refuses this ({status} {code}){': ' if fix else ''}{fix or ''}", status, code)


def sentence(message: str) -> str:
    """The first line of a message of Azure, without the id of the request or the link that ends some."""
    lines = [line.strip() for line in message.partition("Click here")[0].splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else ""
