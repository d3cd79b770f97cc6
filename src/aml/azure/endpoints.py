"""Endpoints of the workspace: what there is, what an online deployment prints, and requests to one."""

import json
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aml.azure.dry_run import ONLINE_ENDPOINT
from aml.azure.workspace_client import WorkspaceClient
from aml.console import one_line
from aml.errors import ServiceError, UserError

Kind = Literal["online", "batch"]
KINDS: tuple[Kind, ...] = ("online", "batch")
SCOPE = "https://ml.azure.com/.default"  # of a token for an endpoint: AAD_TOKEN_RESOURCE_ENDPOINT of azure-ai-ml
AUTH_MODES = {"key": "key", "amltoken": "aml_token", "aadtoken": "aad_token"}  # the service's words, in those of files
DEPLOYMENT_HEADER = "azureml-model-deployment"  # constants/_endpoint.py of azure-ai-ml
MODEL_STATUS = "ms-azureml-model-error-statuscode"  # what the container answered (how-to-troubleshoot-online-endpoints)
ENDED = ("Succeeded", "Failed", "Canceled")  # states that do not end by themselves
LINES = 5000  # of a log that are asked for, as azure-ai-ml's EndpointGetLogsFields
BEFORE = "aml.traffic-before"  # tag of an endpoint: the traffic before the last change, such as "a=90 b=10"
POLL = 3.0  # seconds between two looks at what is under way


@dataclass(frozen=True)
class Resource:
    """An endpoint or a deployment, as the service has it."""

    resource: Any = field(repr=False)

    @property
    def properties(self) -> Any:
        """All that is particular to it, in the service's words."""
        return self.resource["properties"]

    @property
    def name(self) -> str:
        """Its name, below the workspace or below its endpoint."""
        return str(self.resource["name"])

    @property
    def state(self) -> str:
        """The service's word for how far it is, such as Succeeded."""
        return str(self.properties.get("provisioningState"))

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return self.resource.get("tags") or {}


@dataclass(frozen=True)
class Deployment(Resource):
    """A deployment of an endpoint.

    Attributes:
        traffic: The percentage of requests that it gets; of jobs, the default deployment gets all.

    """

    traffic: int

    @property
    def model(self) -> str:
        """The registered model as NAME:VERSION."""
        found = self.properties.get("model") or ""
        parts = str(found.get("assetId") if isinstance(found, dict) else found).split("/")
        return f"{parts[-3]}:{parts[-1]}" if len(parts) > 3 else parts[-1]

    @property
    def instances(self) -> int:
        """The machines that are billed now: as long as it exists, even without traffic. A batch deployment has none."""
        return 0 if self.state == "Deleting" else int((self.resource.get("sku") or {}).get("capacity") or 0)

    @property
    def instance_type(self) -> str:
        """The VM size of its instances."""
        return str(self.properties.get("instanceType") or "")

    @property
    def cluster(self) -> str:
        """The cluster that the jobs of a batch deployment run on."""
        return str(self.properties.get("compute") or "").rpartition("/")[2]


@dataclass(frozen=True)
class Endpoint(Resource):
    """An endpoint with its deployments, in the order of their names."""

    kind: Kind
    deployments: tuple[Deployment, ...]

    @property
    def auth_mode(self) -> str:
        """How callers sign in, in the words of endpoint.yml."""
        mode = str(self.properties.get("authMode"))
        return AUTH_MODES.get(mode.lower(), mode)

    @property
    def address(self) -> str:
        """Where requests go."""
        return str(self.properties.get("scoringUri") or "")

    @property
    def traffic(self) -> dict[str, int]:
        """The deployments that get requests, and their percentages."""
        return {one.name: one.traffic for one in self.deployments if one.traffic}

    def deployment(self, name: str) -> Deployment | None:
        """The deployment of that name, or None."""
        return next((one for one in self.deployments if one.name == name), None)


@dataclass(frozen=True)
class Answer:
    """What an endpoint answers. `status` is the model's own where the model answered, else the endpoint's."""

    status: int
    body: str
    deployment: str
    seconds: float
    by_model: bool


def path_of(endpoint: str, deployment: str = "", kind: Kind = "online") -> str:
    """The address of an endpoint, or of a deployment of it, below the workspace."""
    return f"/{kind}Endpoints/{endpoint}" + (f"/deployments/{deployment}" if deployment else "")


def all_endpoints(client: WorkspaceClient) -> list[Endpoint]:
    """The endpoints of the workspace: the online ones, then those for batches, by name."""
    return [
        _with_deployments(client, one, kind)
        for kind in KINDS
        for one in sorted(client.all(f"/{kind}Endpoints"), key=lambda one: str(one["name"]))
    ]


def find(client: WorkspaceClient, name: str, kind: Kind = "online") -> Endpoint | None:
    """The endpoint of that name, or None."""
    found = client.find(path_of(name, kind=kind))
    return _with_deployments(client, {"name": name, **found}, kind) if found else None


def require(client: WorkspaceClient, name: str, *kinds: Kind) -> Endpoint:
    """The endpoint of that name, of one of these kinds: online by default. Raises UserError when there is none."""
    for kind in kinds or KINDS[:1]:
        if found := find(client, name, kind):
            return found
    raise UserError(f"endpoint {name} is not in workspace {client.name}: aml deploy makes it; aml endpoints lists them")


def _with_deployments(client: WorkspaceClient, resource: Any, kind: Kind) -> Endpoint:
    name, properties = str(resource["name"]), resource["properties"]
    traffic = properties.get("traffic") or {(properties.get("defaults") or {}).get("deploymentName"): 100}
    found = sorted(client.all(f"{path_of(name, kind=kind)}/deployments"), key=lambda one: str(one["name"]))
    return Endpoint(resource, kind, tuple(Deployment(one, int(traffic.get(one["name"]) or 0)) for one in found))


def pretend(client: WorkspaceClient, name: str) -> None:
    """Let a dry run find the endpoint, with a change of traffic behind it."""
    if client.printer:
        properties = {"authMode": "Key", "traffic": {"<deployment>": 100}, "properties": {}, **ONLINE_ENDPOINT}
        endpoint = {"name": name, "tags": {BEFORE: "<deployment>=100"}, "properties": properties}
        client.printer.pretend(client.scope + path_of(name), endpoint)


def settled(client: WorkspaceClient, path: str, meanwhile: Callable[[], object] = lambda: None) -> Any:
    """What is at `path`, once nobody changes it, None when it is gone; `meanwhile` is called often."""
    while True:
        found = client.find(path)
        if not found or client.dry_run or found["properties"].get("provisioningState") in ENDED:
            return found
        meanwhile()
        time.sleep(POLL)


class Log:
    """What the containers of a deployment print, as far as it was shown.

    The service gives the last lines each time, below a head that says how far each step is: a line is shown when it is
    there more often than before.
    """

    def __init__(self, client: WorkspaceClient, endpoint: str, deployment: str, write: Callable[[str], object]) -> None:
        self._client = client
        self._path = f"{path_of(endpoint, deployment)}/getLogs"
        self._write = write
        self._seen: Counter[str] = Counter()

    def show(self) -> None:
        """Show what is new. That the log is out of reach is no error: the next look may find it."""
        try:
            lines = read_log(self._client, self._path).splitlines()
        except ServiceError:
            return
        there: Counter[str] = Counter()
        for line in lines:
            there[line] += 1
            if line.strip() and there[line] > self._seen[line]:
                self._write(line)
        self._seen |= there


def read_log(client: WorkspaceClient, path: str) -> str:
    """The last lines of what the inference server of a deployment printed."""
    found = client.send("POST", path, {"containerType": "InferenceServer", "tail": LINES})
    return str((found or {}).get("content") or "")


def invoke(client: WorkspaceClient, endpoint: Endpoint, body: str, deployment: str | None = None) -> Answer:
    """Send a request to the endpoint: to the deployment of that name, even without traffic, or by the traffic.

    azure-ai-ml 1.35 keeps the headers of its own invoke for the whole process, so that all later requests would go to
    the same deployment. Raises ServiceError when there is no answer, or when the endpoint refuses who you are.
    """
    if not endpoint.address.startswith("https://") and not client.dry_run:
        raise UserError(f"endpoint {endpoint.name} has no address for requests: it is {endpoint.state.lower()}")
    headers = {"Content-Type": "application/json", **({DEPLOYMENT_HEADER: deployment} if deployment else {})}
    started = time.monotonic()
    status, said, told = _ask(client, endpoint, body, headers)
    if status == 401:  # a key that was just replaced, a token that ran out
        client.credential.forget()
        status, said, told = _ask(client, endpoint, body, headers)
    if status == 401:
        raise ServiceError(f"endpoint {endpoint.name}: {_refusal(endpoint)}", status, "Unauthorized")
    model_status = told.get(MODEL_STATUS, "")
    by_model = status == 200 or model_status.isdecimal()
    used = told.get(DEPLOYMENT_HEADER) or deployment or ""
    return Answer(
        int(model_status) if model_status.isdecimal() else status, said, used, time.monotonic() - started, by_model
    )


def _ask(client: WorkspaceClient, endpoint: Endpoint, body: str, headers: dict[str, str]) -> Any:
    return client.ask(
        endpoint.address, body.encode(), {**headers, "Authorization": f"Bearer {_secret(client, endpoint)}"}
    )


def explain(endpoint: Endpoint, answer: Answer, deployment: str | None = None) -> ServiceError:
    """Why there is no prediction, and what helps (how-to-troubleshoot-online-endpoints, HTTP status codes)."""
    name = f"endpoint {endpoint.name}" + (f", deployment {answer.deployment}" if answer.deployment else "")
    log = f"aml endpoints logs {endpoint.name}" + (f" {answer.deployment}" if answer.deployment else "")
    if answer.by_model and answer.status < 500:
        why = f"the model refuses the request ({answer.status}): {reason_in(answer.body)}"
    elif answer.by_model:
        why = f"the model failed ({answer.status}): {log} shows why"
    elif answer.status == 404 and deployment:
        why = f"no deployment {deployment} that answers: aml endpoints show {endpoint.name}"
    elif answer.status == 404:
        why = "no deployment gets requests: aml deploy gives one the traffic"
    elif answer.status == 408:
        why = "the model took longer than request_timeout_ms of its deployment: raise it, or send fewer rows"
    elif answer.status in (429, 503):
        why = f"it is busy ({answer.status}): run it again later, or raise instance_count of its deployment"
    else:
        why = f"no answer ({answer.status}): run it again later; {log}"
    return ServiceError(f"{name}: {why}", answer.status, "")


def reason_in(body: str) -> str:
    """The message in an answer that is an error: of {"error": {"message": ...}}, else the beginning of all of it."""
    try:
        found = json.loads(body)["error"]
        text = found["message"] if isinstance(found, dict) else found
    except (ValueError, TypeError, KeyError):
        text = body
    return one_line(str(text).strip()[:500])


def _secret(client: WorkspaceClient, endpoint: Endpoint) -> str:
    """The key, or a token, as the endpoint's auth_mode wants it."""
    if endpoint.auth_mode == "aad_token":
        return client.credential.get_token(SCOPE).token
    if endpoint.auth_mode == "aml_token":
        return str(client.send("POST", f"{path_of(endpoint.name)}/token")["accessToken"])
    return str(client.send("POST", f"{path_of(endpoint.name)}/listKeys")["primaryKey"])


def _refusal(endpoint: Endpoint) -> str:
    if endpoint.auth_mode == "aad_token":
        return "you may not score (401): ask its owner for a role with onlineEndpoints/score/action, or az login again"
    host = urllib.parse.urlsplit(endpoint.address).netloc
    return f"{host} does not take its own key or token (401): if it was just made anew, run it again in a minute"
