"""azure-ai-ml as the judge of files: what it refuses at loading one, or at sending what it has loaded.

What is sent goes through the unmodified MLClient into the transport of a dry run, which answers by itself.
"""

import contextlib
import copy
import functools
import io
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from aml.azure.dry_run import DryRunCredential, Printer
from aml.azure.transport import transport
from aml.checks.assets import check_compute, check_data
from aml.checks.environments import check_environment
from aml.checks.finding import Finding
from aml.checks.jobs import check_job
from aml.checks.kinds import SERVING
from aml.checks.serving import check_deployment, check_endpoint
from aml.errors import UserError
from aml.jobfile.deployment import Deployment
from aml.jobfile.document import Document
from aml.jobfile.job import Job

with warnings.catch_warnings():  # hundreds, of the SDK about itself
    warnings.simplefilter("ignore")
    from azure.ai.ml import (
        MLClient,
        load_batch_endpoint,
        load_compute,
        load_data,
        load_environment,
        load_job,
        load_online_deployment,
        load_online_endpoint,
    )
    from azure.ai.ml.entities import Command
    from azure.ai.ml.entities._load_functions import load_model_batch_deployment
    from azure.ai.ml.operations import _job_operations

_ID = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
LOAD: dict[str, Callable[..., Any]] = {
    "job": load_job,
    "data": load_data,
    "compute": load_compute,
    "environment": load_environment,
    "endpoint": load_online_endpoint,
    "batch endpoint": load_batch_endpoint,
    "deployment": load_online_deployment,
    "batch deployment": load_model_batch_deployment,
}
CHECK: dict[str, Callable[[Document], Any]] = {
    "job": lambda document: check_job(Job(document)),
    "data": check_data,
    "compute": check_compute,
    "environment": lambda document: check_environment(document, document.data),
    **dict.fromkeys(("endpoint", "batch endpoint"), check_endpoint),
    **dict.fromkeys(
        ("deployment", "batch deployment"),
        lambda document: check_deployment(Deployment(document), document.path.parent.parent),
    ),
}


def findings(kind: str, path: Path) -> list[Finding]:
    """What `aml check` finds in a file of this kind."""
    try:
        return list(CHECK[kind](Document(path)))
    except UserError as error:
        return [Finding.from_error(error)]


class Sdk:
    """azure-ai-ml with a client that sends nothing."""

    def __init__(self) -> None:
        scope = "00000000-0000-0000-0000-000000000001", "resource-group", "workspace"
        options: dict[str, Any] = {"show_progress": False, "enable_telemetry": False, "transport": transport(Printer())}
        self._client = MLClient(DryRunCredential(), *scope, **options)

    def refusal(self, kind: str, path: Path) -> str | None:
        """Why it refuses the file; an error of Python inside of it is a refusal as well. None where it does not."""
        quiet = io.StringIO()
        try:
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                loaded = LOAD[kind](path)
                if kind == "job":
                    self._send_job(path)
                elif kind == "compute":
                    loaded.location = "westeurope"  # which it would look up
                    self._client.compute.begin_create_or_update(loaded).result()
                elif kind in SERVING:
                    if hasattr(loaded, "_validate"):
                        loaded._validate()
                    if kind == "endpoint":
                        loaded._to_rest_online_endpoint("westeurope")
                    elif kind == "batch endpoint":
                        loaded._to_rest_batch_endpoint("westeurope")
                    else:
                        loaded._to_rest_object("westeurope")
                else:
                    loaded._to_rest_object()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    def _send_job(self, path: Path) -> None:
        """Send the job as `aml submit` does it: what is on this machine is uploaded before, and versions are known."""
        body = copy.deepcopy(yaml.safe_load(path.read_text(encoding="utf-8")))
        if body.get("code") and (
            (path.parent / body["code"]).exists() or re.fullmatch("azureml:[^:@/]+:[^:@/]+", body["code"])
        ):
            body["code"] = f"azureml:{_ID}/codes/c/versions/1"
        for entry in (body.get("inputs") or {}).values():
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                if (path.parent / entry["path"].removeprefix("file:")).exists() and entry["path"]:
                    entry["path"] = "azureml://datastores/workspaceblobstore/paths/x"
                entry["path"] = entry["path"].replace("@latest", ":1")
        environment = body.get("environment")
        if isinstance(environment, str):
            body["environment"] = environment.replace("@latest", ":1")
        elif isinstance(environment, dict) and isinstance(environment.get("build"), dict):
            environment["build"].pop("path", None)
        if str((body.get("identity") or {}).get("type", "")).lower().startswith("user"):
            del body["identity"]  # it asks whether the token, which is none here, is that of a user
        text = io.StringIO(yaml.safe_dump(body))
        self._client.jobs.create_or_update(load_job(text, relative_origin=str(path)))


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """In here azure-ai-ml makes each schema once, reads YAML in C and runs no git: these take most of its time."""
    make = Command._create_schema_for_validation
    schemas: dict[str, Any] = {}

    def schema(context: dict[str, Any]) -> Any:
        key = repr(context)
        if key not in schemas:
            schemas[key] = make(context)
        return schemas[key]

    with (
        patch.object(Command, "_create_schema_for_validation", staticmethod(schema)),
        patch.object(_job_operations, "get_git_properties", dict),
        patch.object(
            yaml, "safe_load", functools.partial(yaml.load, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        ),
    ):
        yield
