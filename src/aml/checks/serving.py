"""Checks of endpoints and deployments: what azure-ai-ml accepts, and the service or the inference server does not.

What azure-ai-ml 1.35 does and does not find by itself was tried field by field. Neither asks for anything in Azure.
"""

import ast
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml.checks.environments import check_environment, check_imports
from aml.checks.finding import Finding
from aml.checks.secrets import check_snapshot
from aml.checks.serving_fields import (
    BATCH_DEPLOYMENT,
    BATCH_ENDPOINT,
    DEPLOYMENT,
    ENDPOINT,
    MODEL,
    OLD_BATCH_DEPLOYMENT,
    SERVING_ENVIRONMENT,
)
from aml.checks.shapes import check_shape, whole
from aml.console import display_path
from aml.errors import UserError
from aml.jobfile import starts
from aml.jobfile.conda import conda_file, conda_name, entries
from aml.jobfile.deployment import Deployment, Endpoint
from aml.jobfile.document import Document
from aml.jobfile.pyproject import normalize
from aml.uris import ENVIRONMENT_REFERENCE

SERVER = "azureml-inference-server-http"
# What the server and the image set themselves (azureml-inference-server-http 1.5.1, constants.py).
OF_THE_SERVICE = {"AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT"}
BROKEN = re.compile(r"==1\.3\.[0-4]$")  # ModuleNotFoundError: azureml.contrib (Azure/azureml-examples#4004)


def check_endpoint(document: Document) -> Iterator[Finding]:
    """The findings on an endpoint. Traffic to a deployment that no file beside it describes is one."""
    endpoint, data = Endpoint(document), document.data
    deployments = {str(found.data.get("name")) for found in _beside(document, "endpoint_name", data.get("name"))}
    yield from check_shape(document, data, BATCH_ENDPOINT if endpoint.is_batch else ENDPOINT)
    yield from _check_identity(document)
    if endpoint.is_batch:
        if endpoint.auth_mode != "aad_token":
            problem, fix = f"auth_mode {endpoint.auth_mode}", "callers of a batch endpoint sign in: aad_token"
            yield Finding.at(document, ("auth_mode",), problem, fix, "batch")
        return
    traffic = {name: int(value) for name, value in endpoint.traffic.items() if not whole(value)}
    if sum(traffic.values()) not in (0, 100):
        problem = f"traffic is {sum(traffic.values())} in all"
        yield Finding.at(
            document, ("traffic",), problem, "should be 0 or 100", "traffic" * (sum(traffic.values()) < 100)
        )
    mirror = data.get("mirror_traffic")
    mirrored = {name: int(value) for name, value in (mirror or {}).items() if not whole(value)} if _is(mirror) else {}
    if len(mirrored) > 1:
        yield Finding.at(document, ("mirror_traffic",), "mirror_traffic goes to one deployment only", rule="traffic")
    for key, shares, most in (("traffic", traffic, 100), ("mirror_traffic", mirrored, 50)):
        for name, share in shares.items():
            place = (key, str(name))
            if not 0 <= share <= most:
                yield Finding.at(document, place, f"{name} {share}", f"should be from 0 to {most}", "traffic")
            if name not in deployments:
                problem = f"no file here describes a deployment {name} to this endpoint"
                yield Finding.at(document, place, problem, "deploy it first, or take it out", "other")
    for name in mirrored.keys() & {name for name, share in traffic.items() if share}:
        problem = f"{name} gets traffic already"
        yield Finding.at(document, ("mirror_traffic", str(name)), problem, "mirror it to another deployment", "traffic")


def check_deployment(deployment: Deployment, root: Path) -> Iterator[Finding]:
    """The findings on a deployment, online or batch, and on what it names.

    `aml deploy` asks for them before it sends anything.
    """
    document, data = deployment.document, deployment.data
    batch = BATCH_DEPLOYMENT if "settings" in data or "type" in data else OLD_BATCH_DEPLOYMENT
    yield from check_shape(document, data, batch if deployment.is_batch else DEPLOYMENT)
    yield from _check_model(deployment)
    yield from _check_code(deployment)
    yield from _check_environment(deployment, root)
    for name in deployment.environment_variables.keys() & OF_THE_SERVICE:
        where = ("settings",) * ("environment_variables" in deployment.section("settings"))
        place = (*where, "environment_variables", name)
        yield Finding.at(document, place, f"{name} is set by the service", "take it out", "environment variable")
    endpoints = [found for found in _beside(document, "auth_mode") if Endpoint(found).is_batch == deployment.is_batch]
    if endpoints and data.get("endpoint_name") not in [found.data.get("name") for found in endpoints]:
        known = ", ".join(str(found.where("name")) for found in endpoints)
        problem = f"endpoint_name {data.get('endpoint_name')} is not that of {known}"
        yield Finding.at(document, ("endpoint_name",), problem, rule="other")
    if deployment.is_batch:
        if "instance_count" in deployment.section("settings") and "resources" in data:
            place, problem = ("settings", "instance_count"), "instance_count is that of resources"
            yield Finding.at(document, place, problem, "take it out here")
        if not deployment.data.get("compute") and not deployment.at("resources", "instance_type"):
            yield Finding.at(document, (), "no compute", "name a cluster: azureml:NAME", "batch")
        if str(data.get("compute")).lower() == "local":
            fix = "name a cluster; aml serve --batch FOLDER runs it on this machine"
            yield Finding.at(
                document, ("compute",), "compute local: a batch deployment runs on a cluster", fix, "batch"
            )
        return
    if "instance_count" not in data:
        yield Finding.at(document, (), "no instance_count", "add it: each instance is billed", "serving count")
    try:
        yield from _check_requests(deployment, root)
    except UserError as error:
        yield Finding.from_error(error, "serving count")


def is_of_batch(conda: Document) -> bool:
    """Whether a batch deployment beside this conda file names it."""
    deployments = map(Deployment, _beside(conda, "endpoint_name"))
    keys = ("environment", "conda_file")
    return any(one.is_batch and one.local_path(*keys) == conda.path.resolve() for one in deployments if one.at(*keys))


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def _beside(document: Document, key: str, value: Any = None) -> list[Document]:
    """The other YAML files of the folder that have this key, and this value there, if one is given."""
    found = []
    for path in sorted(document.path.parent.glob("*.y*ml")):
        with contextlib.suppress(UserError):  # its own check says it
            other = Document(path)
            if key in other.data and (value is None or other.data[key] == value):
                found.append(other)
    return found


def _check_identity(document: Document) -> Iterator[Finding]:
    identity = document.data.get("identity")
    if not _is(identity):
        return
    ids = identity.get("user_assigned_identities")
    is_assigned = str(identity.get("type")).lower().replace("_", "") == "userassigned"
    if is_assigned and not ids:
        problem = "a user_assigned identity needs user_assigned_identities"
        yield Finding.at(document, ("identity", "type"), problem, "add one with its resource_id", "scoring")
    if isinstance(ids, list) and len(ids) > 1:
        yield Finding.at(document, ("identity", "user_assigned_identities"), "more than one identity")


def _check_model(deployment: Deployment) -> Iterator[Finding]:
    document, model = deployment.document, deployment.data.get("model")
    if model is None:
        if deployment.data.get("code_configuration") is None:
            problem = "neither a model nor code: there is nothing to serve"
            yield Finding.at(document, (), problem, "name a model: azureml:NAME:VERSION", "scoring")
        return
    if _is(model):
        yield from check_shape(document, model, MODEL, "model")
        if "version" in model and not model.get("name"):
            yield Finding.at(document, ("model", "version"), "a version needs a name")
        path = str(model.get("path", ""))
        if not path:
            yield Finding.at(document, ("model",), "model has no path", "write azureml:NAME:VERSION", "scoring")
        elif not re.match(r"\w+:", path) and not (deployment.folder / path).exists():
            fix = "write azureml:NAME:VERSION"
            yield Finding.at(document, ("model", "path"), f"path {path} does not exist", fix, "scoring")
        elif path.startswith("azureml:") and not {"name", "version"} <= model.keys():
            problem = f"path {path} needs a name and a version"  # else azure-ai-ml looks for it on this machine
            yield Finding.at(document, ("model", "path"), problem, "register it, and write azureml:NAME:VERSION")
        return
    reference = r"azureml:([^:@/]+(:[^:@/]+|@[^:@/]+)?|/subscriptions/.+)|azureml://registries/.+"
    if not isinstance(model, str) or not re.fullmatch(reference, model):
        problem = f"model {model}" if isinstance(model, str) else "model"
        says = "should be azureml:NAME:VERSION or azureml:NAME@latest"
        yield Finding.at(document, ("model",), problem, says, "scoring" * problem.startswith("model azureml:/"))


def _check_code(deployment: Deployment) -> Iterator[Finding]:
    document, data = deployment.document, deployment.data
    if data.get("code_configuration") is None:
        if data.get("model") is not None and not deployment.is_batch:
            problem = "no code_configuration: only a model of MLflow or Triton is served without code"
            yield Finding.at(document, (), problem, "", "other")
        return
    keys = ("code_configuration", "code")
    if deployment.is_remote_code(*keys) or str(deployment.at(*keys)).startswith("azureml:"):
        return
    if deployment.at(*keys) is None:
        yield Finding.at(document, keys[:1], "code_configuration has no code", "name its folder", "scoring")
        return
    try:
        script, code = deployment.scoring_script, deployment.code
    except UserError as error:
        missing = deployment.at("code_configuration", "scoring_script") is None
        yield Finding.from_error(error, "" if missing else "scoring")
        return
    if code:
        yield from check_snapshot(code)
        yield from check_imports(deployment, code, f"python {script.relative_to(code).as_posix()}")
        yield from _check_functions(script)


def _check_functions(script: Path) -> Iterator[Finding]:
    """Whether the script has the two functions that the service calls."""
    file = display_path(script)
    try:
        tree = ast.parse(script.read_bytes())
    except (SyntaxError, ValueError) as error:
        line, reason = getattr(error, "lineno", None) or 1, str(getattr(error, "msg", error))
        yield Finding(file, line, reason, "fix it: no server can load it", "scoring")
        return
    names = {getattr(node, "name", "") for node in tree.body}
    for node in ast.walk(tree):  # also what is imported, or a name for another function
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    for name in ("init", "run"):
        if name not in names and "*" not in names:
            yield Finding(file, 1, f"no {name}(), which the service calls", "write it", "scoring")


def _check_environment(deployment: Deployment, root: Path) -> Iterator[Finding]:
    document, environment = deployment.document, deployment.data.get("environment")
    has_code = deployment.data.get("code_configuration") is not None
    if environment is None:
        if has_code:
            yield Finding.at(document, (), "no environment for the code", "name an image and a conda_file", "scoring")
    elif isinstance(environment, dict):
        options: Any = {"shape": SERVING_ENVIRONMENT, "batch": deployment.is_batch}
        if other := deployment.environment_file:
            yield from check_environment(other, other.data, **options)
        else:
            yield from check_environment(document, environment, "environment", **options)
        if has_code and environment.get("conda_file"):
            with contextlib.suppress(UserError):  # check_environment says it
                yield from _check_packages(deployment, root)
    elif not ENVIRONMENT_REFERENCE.fullmatch(str(environment)) and not re.fullmatch(
        r"azureml:[^:@/]+", str(environment)
    ):
        says = "should be azureml:NAME:VERSION, azureml:NAME@latest, or a mapping with image and conda_file"
        rule = "scoring" * str(environment).startswith("azureml:/")
        yield Finding.at(document, ("environment",), f"environment {environment}", says, rule)


def _check_packages(deployment: Deployment, root: Path) -> Iterator[Finding]:
    """Whether the conda file has the server, and the versions with which the model was trained."""
    conda, file = conda_file(deployment)
    inline = isinstance(deployment.at("environment", "conda_file"), dict)
    document = deployment.document if inline else Document(deployment.local_path("environment", "conda_file"))
    above = ("environment", "conda_file") if inline else ()
    packages = {conda_name(text): (text, (*above, *keys)) for keys, text in entries(conda, file)}
    if deployment.is_batch:
        if "azureml-core" not in packages:
            fix = "list it under pip: the program of the cluster that calls the script needs it"
            yield Finding.at(document, (*above, "dependencies"), "no azureml-core", fix, "executor")
    else:
        text, keys = packages.get(SERVER, ("", (*above, "dependencies")))
        pin = "list azureml-inference-server-http==1.5.1 under pip"
        if not text:
            yield Finding.at(document, keys, f"no {SERVER}", pin, "server")
        elif BROKEN.search(normalize(text)[2]):
            yield Finding.at(document, keys, f"{text} cannot be imported", pin, "server")
        elif "==" not in text:
            yield Finding.at(document, keys, f"{text} may change with each image", pin, "server")
    training = root / "aml_config" / "train-conda.yml"
    if not training.is_file():
        return
    trained = Document(training)
    for keys, text in entries(trained.data, trained.name):
        other, place = packages.get(conda_name(text), ("", ()))
        if other and _spelled(other) != _spelled(text):
            problem = f"{other} differs from {text} ({trained.where(*keys)}), with which the model is trained"
            yield Finding.at(document, place, problem, "change one of them", "pickle")


def _spelled(requirement: str) -> str:
    """The version of a requirement, the same for conda and for pip."""
    return re.sub(r"=+", "=", normalize(requirement)[2]).removesuffix(".*")


def _check_requests(deployment: Deployment, root: Path) -> Iterator[Finding]:
    """Whether requests, workers and probes fit each other. Raises UserError for what is no number."""
    document, settings, workers = deployment.document, deployment.request_settings, deployment.worker_count
    most = settings.max_concurrent_requests_per_instance
    if most > 0 and most != workers and deployment.data.get("code_configuration") is not None:
        problem = f"max_concurrent_requests_per_instance {most} with WORKER_COUNT {workers}"
        set_by = "request_settings" if "request_settings" in deployment.data else "environment_variables"
        fix = "the others wait" if most > workers else "the other workers are idle"
        yield Finding.at(document, (set_by,), problem, f"{fix}: make them the same", "workers")
    if "max_queue_wait_ms" in deployment.section("request_settings"):
        place = ("request_settings", "max_queue_wait_ms")
        yield Finding.at(document, place, "max_queue_wait_ms has no effect any more", "take it out", "start")
    seconds = starts.read(root).get(document.path.stem)
    for name, probe in (("liveness_probe", deployment.liveness_probe), ("readiness_probe", deployment.readiness_probe)):
        if seconds and probe.budget < 2 * seconds:
            problem = f"{name} gives up after {probe.budget} s; here aml serve was ready after {seconds} s"
            yield Finding.at(document, (name,), problem, "raise initial_delay or failure_threshold", "start")
        if probe.timeout > probe.period > 0:
            problem = f"timeout {probe.timeout} of {name} is more than its period {probe.period}"
            yield Finding.at(document, (name,), problem, "change one of them", "start")
