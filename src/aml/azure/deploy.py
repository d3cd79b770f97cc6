"""A registered model on an endpoint: a deployment of its own, tried before it gets a request of anybody else."""

import hashlib
import itertools
import json
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from aml.azure import assets, code, endpoints, traffic
from aml.azure.endpoints import POLL, Endpoint, Log, path_of
from aml.azure.sdk import load, ml_client, translate_azure_errors
from aml.azure.workspace_client import WorkspaceClient
from aml.console import one_line, say
from aml.errors import FileError, ServiceError, UserError
from aml.jobfile import deployment as files
from aml.jobfile.deployment import ModelReference

CONTENT = "aml.content"  # tag of a deployment: a hash of all that it consists of
LONGEST = 32  # letters of a deployment's name (azure-ai-ml 1.35, constants/_endpoint.py)
TRIES = 4  # at the first request: a new deployment is not known everywhere at once
# These sizes need no quota for upgrades (reference-managed-online-endpoints-vm-sku-list)
NO_SURPLUS = re.compile(r"_A100_|_H100_|_ND\d|_NC\d+ads", re.IGNORECASE)
FIXES = {  # how-to-troubleshoot-online-endpoints, common deployment errors
    "ImageBuildFailure": "aml serve --test builds the same packages here",
    "ResourceNotReady": "its log is above; aml serve --test starts the same here",
    "OutOfQuota": "delete a deployment that nobody needs, or ask for more at https://ml.azure.com/quota",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be deployed.

    Attributes:
        file: The deployment file.
        endpoint: The endpoint's file.
        model: The registered model, with its version.
        request: The body of the first request.

    """

    file: files.Deployment
    endpoint: files.Endpoint
    model: ModelReference
    request: str


def find_model(client: WorkspaceClient, file: files.Deployment, name: ModelReference | None) -> ModelReference:
    """The version of the model to deploy: of `name`, else of the file. Raises UserError if it is not there."""
    asked = name or file.model
    if asked is None:
        raise FileError(
            file.where("model"), "no model", "aml deploy --model NAME:VERSION; aml models --azure lists them"
        )
    version = asked.version or assets.latest(client, "models", asked.name)
    if version is None or client.find(f"/models/{asked.name}/versions/{version}") is None:
        where = file.where("model") if name is None else None
        problem, fix = f"model {asked} is not in workspace {client.name}", "aml register-model --to azure"
        raise FileError(where, problem, fix) if where else UserError(f"{problem}: {fix}, or aml models --azure")
    return ModelReference(asked.name, version)


def deploy(client: WorkspaceClient, wanted: Wanted, percent: int, expected: Callable[[], object]) -> str:
    """Deploy the model beside what answers now, try it, and give it `percent` of the traffic; returns its name.

    `expected` gives what the model answers here; nothing in a dry run. What was cut off goes on; a deployment that
    failed is replaced. Raises UserError.
    """
    name, file = wanted.endpoint.name, wanted.file
    found = endpoints.find(client, name)
    _require_same_kind(found, wanted)
    there = found.deployments if found and found.state != "Deleting" else ()
    identifier, upload = code.snapshot(client, _code(file))
    content = digest(client, file, wanted.model, identifier)
    present_ones = [Present.of(one.resource, one.traffic) for one in there]
    deployment, present = choose(wanted.model, name, present_ones, content)
    shares = traffic.share(found.traffic if found else {}, deployment, percent) if percent else {}
    if present is None:  # else the quota is that of the one that is there
        _require_quota(client, file)
    answer = expected()
    ml = ml_client(client)
    _make_endpoint(client, ml, wanted)
    _make(client, ml, wanted, deployment, (identifier, upload, content))
    _try(client, name, deployment, wanted.request, answer)
    if percent:
        traffic.change(client, name, shares)
    return deployment


def _code(file: files.Deployment) -> Path:
    if (folder := file.code) is None:
        raise FileError(file.where("code_configuration"), "no code", "name a folder with score.py")
    return folder


def _require_same_kind(found: Endpoint | None, wanted: Wanted) -> None:
    """Raise UserError for an endpoint that is there, with another way to sign in than its file says."""
    mode = wanted.endpoint.auth_mode
    if found and found.state not in ("Failed", "Deleting") and found.auth_mode not in (mode, "None"):
        where = wanted.endpoint.document.where("auth_mode")
        fix = f"write auth_mode: {found.auth_mode}, or delete it first: aml deploy --delete {found.name}"
        raise FileError(where, f"endpoint {found.name} is there with auth_mode {found.auth_mode}, not {mode}", fix)


def digest(client: WorkspaceClient, file: files.Deployment, model: ModelReference, code_id: str) -> str:
    """A hash of all that a deployment consists of: of another one with the same, nothing is left to do."""
    parts: list[object] = [client.scope, str(model), code_id]
    parts.append({key: value for key, value in file.data.items() if key not in ("$schema", "name", "model")})
    if isinstance(file.at("environment"), dict) and isinstance(file.at("environment", "conda_file"), str):
        parts.append(file.local_path("environment", "conda_file").read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def deployment_name(model: ModelReference, number: int = 1) -> str:
    """The name of a model's deployment: NAME-VERSION, of letters, digits and dashes; of a second one NAME-VERSION-2."""
    short, version = (re.sub(r"[^a-zA-Z0-9]+", "-", str(part)).strip("-") for part in model)
    end = f"-{version}" + (f"-{number}" if number > 1 else "")
    short = short if short[:1].isalpha() else f"m-{short}"
    if short != model.name or len(short + end) > LONGEST:  # others may become the same
        end = f"-{hashlib.sha256(model.name.encode()).hexdigest()[:4]}{end}"
    return short[: LONGEST - len(end)].rstrip("-") + end


class Present(NamedTuple):
    """A deployment that is there, online or batch."""

    name: str
    state: str
    content: str
    traffic: int = 0

    @classmethod
    def of(cls, resource: Any, traffic: int = 0) -> Self:
        """That of the service."""
        tags, state = resource.get("tags") or {}, resource["properties"].get("provisioningState")
        return cls(str(resource["name"]), str(state), str(tags.get(CONTENT)), traffic)


def choose(model: ModelReference, endpoint: str, there: Iterable[Present], content: str) -> tuple[str, Present | None]:
    """The name for the deployment, and the one that has it already: with the same content, or to be replaced."""
    known = {one.name: one for one in there}
    for number in itertools.count(1):
        name = deployment_name(model, number)
        found = known.get(name)
        unused = found is None or (found.state in ("Failed", "Canceled", "Deleting") and not found.traffic)
        if name != endpoint and (unused or (found and found.content == content)):
            return name, found
    raise AssertionError


def _require_quota(client: WorkspaceClient, file: files.Deployment) -> None:
    """Raise UserError when the cores are not left: for one instance the service wants those of two.

    Of what the region does not list, and where you may not look, the service itself has the last word.
    """
    size, count = file.instance_type or "", file.instance_count
    base = f"{client.subscription}/providers/Microsoft.MachineLearningServices/locations/{client.workspace['location']}"
    try:
        sizes = {str(one["name"]).lower(): one for one in client.get(f"{base}/vmSizes")["value"]}
        usages = {_plain(one["name"]["value"]): one for one in client.all(f"{base}/usages")}
    except ServiceError as error:
        if error.status not in (403, 404):
            raise
        say("the quota was not looked up: you may not see that of the subscription")
        return
    known = sizes.get(size.lower(), {})
    usage = usages.get(_plain(known.get("family", "")))
    if usage is None:
        return
    needed = int(known["vCPUs"]) * (count if NO_SURPLUS.search(size) else math.ceil(1.2 * count))
    left = int(usage["limit"]) - int(usage["currentValue"])
    if usage["limit"] >= 0 and needed > left:
        what = f"{count} x {size} needs quota for {needed} cores, with those for upgrades; {max(left, 0)} are left"
        fix = f"a smaller size, another region, or more quota of {known['family']}: https://ml.azure.com/quota"
        raise FileError(file.where("instance_type"), what, fix)


def _plain(family: str) -> str:
    return re.sub(r"[\s_]", "", family).lower()


def _make_endpoint(client: WorkspaceClient, ml: Any, wanted: Wanted) -> None:
    """The endpoint, unless it is there and in order."""
    document, name = wanted.endpoint.document, wanted.endpoint.name
    found = endpoints.settled(client, path_of(name))
    if found and found["properties"].get("provisioningState") != "Failed":
        return
    from azure.ai.ml import load_online_endpoint

    say(f"creating endpoint {name}")
    body = {key: value for key, value in wanted.endpoint.data.items() if key not in ("traffic", "mirror_traffic")}
    try:
        with translate_azure_errors(client):
            ml.online_endpoints.begin_create_or_update(load(load_online_endpoint, document, body)).result()
    except ServiceError as error:
        if error.status == 409 and endpoints.settled(client, path_of(name)):  # the answer to this request was lost
            return
        if error.status in (400, 409):
            raise FileError(document.where("name"), str(error)) from error
        raise


def _make(
    client: WorkspaceClient, ml: Any, wanted: Wanted, name: str, content: tuple[str, Callable[[], None], str]
) -> None:
    """The deployment, unless it is there: one that starts is waited for, one that failed replaced. Raises UserError."""
    identifier, upload, hashed = content
    endpoint = wanted.endpoint.name
    path = path_of(endpoint, name)
    log = Log(client, endpoint, name, lambda line: say(f"  {one_line(line)}"))
    found = endpoints.settled(client, path, log.show)
    state = str(found["properties"].get("provisioningState")) if found else ""
    if found and state == "Succeeded":
        say(f"deployment {name} is there already")
        return
    if found and not client.dry_run:
        say(f"replacing deployment {name}, which {state.lower()}")
        _delete(client, path, lambda: ml.online_deployments.begin_delete(name, endpoint))
    from azure.ai.ml import load_online_deployment

    upload()
    body = {**wanted.file.data, "name": name, "endpoint_name": endpoint, "model": f"azureml:{wanted.model}"}
    body["code_configuration"] = {**body["code_configuration"], "code": f"azureml:{identifier}"}
    body["tags"] = {**(body.get("tags") or {}), CONTENT: hashed}
    entity = load(load_online_deployment, wanted.file.document, body)
    say(f"creating deployment {name}: {wanted.file.instance_count} x {wanted.file.instance_type}, for some minutes")
    try:
        with translate_azure_errors(client):
            poller = ml.online_deployments.begin_create_or_update(entity, skip_script_validation=True)
            while not poller.done():
                poller.wait(POLL)
                log.show()
            poller.result()
    except ServiceError as error:
        if error.status == 409:  # it is being made: the answer to this request was lost
            found = endpoints.settled(client, path, log.show)
            if found and found["properties"].get("provisioningState") == "Succeeded":
                return
        log.show()
        raise _locate(error, wanted.file, name) from error


def _locate(error: ServiceError, file: files.Deployment, name: str) -> UserError:
    """Why a deployment failed, with the line that it is about where there is one."""
    if quota := re.search(r"Not enough quota available for [^\"\\]*?needed: \d+", str(error)):
        return FileError(file.where("instance_type"), quota[0], FIXES["OutOfQuota"])
    if "VmSize" in str(error):  # the field that is wrong, as in mslearn-azure-ml#30
        return FileError(file.where("instance_type"), str(error))
    if fix := FIXES.get(error.code):
        return UserError(f"deployment {name}: {error}\n     {fix}; aml deploy replaces it")
    return error


def _try(client: WorkspaceClient, endpoint: str, name: str, request: str, expected: object) -> None:
    """Send the first request to the deployment. Raises UserError unless it answers as the model does here."""
    found = endpoints.require(client, endpoint)
    for left in reversed(range(TRIES)):
        answer = endpoints.invoke(client, found, request, name)
        if answer.by_model or answer.status not in (404, 503) or not left:
            break
        time.sleep(POLL)
    if client.dry_run:
        return
    if answer.status != 200:
        raise UserError(f"{endpoints.explain(found, answer, name)}\n     it gets no requests")
    if not same(json.loads(answer.body), expected):
        raise UserError(
            f"deployment {name} answers otherwise than the model here, and gets no requests:\n"
            f"     there {one_line(answer.body.strip()[:300])}\n     here  {one_line(json.dumps(expected)[:300])}"
        )
    say(f"deployment {name} answers as the model does here, in {answer.seconds:.2f} s")


def same(there: object, here: object) -> bool:
    """Whether two answers are the same; numbers to nine digits, for processors round differently."""
    if isinstance(there, list) and isinstance(here, list):
        return len(there) == len(here) and all(map(same, there, here))
    if isinstance(there, dict) and isinstance(here, dict):
        return there.keys() == here.keys() and all(same(value, here[key]) for key, value in there.items())
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (there, here))
    if numbers:
        return math.isclose(there, here, rel_tol=1e-9)  # type: ignore[arg-type]
    return type(there) is type(here) and there == here


def delete(client: WorkspaceClient, endpoint: str, name: str, *, batch: bool = False) -> str:
    """Delete the endpoint, or the deployment of that name; returns what was done. Raises UserError."""
    kind: endpoints.Kind = "batch" if batch else "online"
    base = path_of(endpoint, kind=kind)
    what, path = (
        (f"endpoint {name}", base) if name == endpoint else (f"deployment {name}", path_of(endpoint, name, kind))
    )
    endpoints.pretend(client, endpoint)
    found = client.find(base)
    there = [str(one["name"]) for one in client.all(f"{base}/deployments")] if found else []
    if not client.dry_run and (found is None or name not in (endpoint, *there)):
        return f"{what} is not there" + (f"; there are {', '.join(there)}" if there else "")
    properties = found["properties"] if found else {}
    if part := (properties.get("traffic") or {}).get(name):
        raise UserError(
            f"{what} gets {part} % of the requests: aml deploy --rollback gives them to the one before; "
            f"aml deploy --delete {endpoint} deletes all"
        )
    if (properties.get("defaults") or {}).get("deploymentName") == name:
        fix = f"deploy another model first, or delete all of it: --delete {endpoint}"
        raise UserError(f"the jobs of batch endpoint {endpoint} use {what}: {fix}")
    ml = ml_client(client)

    def begin() -> Any:
        if name == endpoint:
            return getattr(ml, f"{kind}_endpoints").begin_delete(name)
        return getattr(ml, f"{kind}_deployments").begin_delete(name, endpoint)

    _delete(client, path, begin)
    return f"{what} is deleted" + (", with its deployments" if name == endpoint else "")


def _delete(client: WorkspaceClient, path: str, begin: Callable[[], Any]) -> None:
    """Delete what is at `path`; what somebody is changing, once that has ended."""
    for first in (True, False):
        try:
            with translate_azure_errors(client):
                begin().result()
        except ServiceError as error:
            if error.status != 409 or not first:
                raise
            if not endpoints.settled(client, path):  # it was this deletion, whose answer was lost
                return
        else:
            return
