"""Checks of a job file, and of the two job files of a repository side by side."""

import re
from collections.abc import Iterator
from typing import Any

from aml.checks.assets import check_path
from aml.checks.commands import check_references, check_scripts
from aml.checks.environments import check_environment, check_imports
from aml.checks.fields import INLINE_ENVIRONMENT, INPUT, JOB, LITERAL, OUTPUT, SERVICES
from aml.checks.finding import Finding
from aml.checks.secrets import check_snapshot
from aml.checks.shapes import check_shape, literal, named, unknown_fields, whole
from aml.errors import UserError
from aml.jobfile.job import Job
from aml.uris import ENVIRONMENT_REFERENCE

DIFFERS = {"$schema", "compute", "inputs", "resources", "distribution"}  # between this machine and a cluster


def check_job(job: Job) -> Iterator[Finding]:
    """The findings on one runconfig; `aml submit` asks for them before it sends anything."""
    yield from check_shape(job.document, job.data, JOB)
    yield from check_references(job)
    yield from _check_compute(job)
    for name in job.section("inputs"):
        yield from _check_input(job, name)
    for name, value in job.section("outputs").items():
        yield from _check_output(job, name, value)
    for name, value in job.section("services").items():
        yield from _check_service(job, name, value)
    yield from _check_environment(job)
    yield from _check_code(job)


def _check_compute(job: Job) -> Iterator[Finding]:
    """Whether the compute can be one, and whether several nodes have a distribution."""
    compute, nodes = job.data.get("compute"), job.at("resources", "instance_count")
    if isinstance(compute, str) and compute != "local":
        name = re.sub(r"^(azureml:)?(/subscriptions/.+/|virtualClusters/)?", "", compute, flags=re.IGNORECASE)
        if says := named("compute")(name):
            problem, fix = f"compute {compute}", f"should be local, or azureml: and {says}"
            yield Finding.at(job.document, ("compute",), problem, fix, "compute")
    if not whole(nodes) and int(nodes) > 1 and "distribution" not in job.data:
        problem = f"nothing makes the {nodes} nodes work together"
        fix = "add a distribution, such as {type: pytorch}, unless the command starts it"
        yield Finding.at(job.document, ("resources", "instance_count"), problem, fix, "nodes")


def _check_input(job: Job, name: str) -> Iterator[Finding]:
    value, place = job.section("inputs")[name], ("inputs", name)
    if isinstance(value, dict) and "value" in value:
        yield from check_shape(job.document, value, LITERAL, *place)
    elif isinstance(value, dict):
        yield from check_shape(job.document, value, INPUT, *place)
        if "path" not in value:
            yield Finding.at(job.document, place, f"input {name} has no path", "give it one")
        elif isinstance(value["path"], str):
            yield from check_path(job.document, value, *place)
    else:
        yield from check_shape(job.document, value, literal, *place)


def _check_output(job: Job, name: str, value: Any) -> Iterator[Finding]:
    if value is not None:
        yield from check_shape(job.document, value, OUTPUT, "outputs", name)
    if isinstance(value, dict) and str(value.get("version", "")) and not value.get("name"):
        yield Finding.at(job.document, ("outputs", name, "version"), "a version needs a name")


def _check_service(job: Job, name: str, service: Any) -> Iterator[Finding]:
    kind = service.get("type") if isinstance(service, dict) else None
    if isinstance(service, dict) and "type" not in service:
        kind = "ssh" if "ssh_public_keys" in service else "tensor_board" if "log_dir" in service else ""
    fields = SERVICES.get(str(kind).lower(), SERVICES[""])
    yield from check_shape(job.document, service, fields, "services", name)
    if fields is SERVICES["ssh"] and not service.get("ssh_public_keys"):
        yield Finding.at(job.document, ("services", name), "an ssh service needs ssh_public_keys", "", "ssh")


def _check_environment(job: Job) -> Iterator[Finding]:
    environment = job.data.get("environment")
    if job.environment_file:
        yield from check_environment(job.environment_file, job.environment_file.data, shape=INLINE_ENVIRONMENT)
    elif isinstance(environment, dict):
        yield from check_environment(job.document, environment, "environment", shape=INLINE_ENVIRONMENT)
    elif "environment" in job.data and not ENVIRONMENT_REFERENCE.fullmatch(str(environment)):
        says = "should be azureml:NAME:VERSION, azureml:NAME@latest, file:PATH, or a mapping with image and conda_file"
        yield Finding.at(job.document, ("environment",), f"environment {environment}", says)


def _check_code(job: Job) -> Iterator[Finding]:
    code = job.data.get("code")
    if isinstance(code, dict) and "local_path" in code:
        fix = f"write code: {code['local_path']}"
        yield Finding.at(job.document, ("code",), "code with local_path is the form of 2021", fix)
    elif not isinstance(code, str):
        if code is not None:
            yield Finding.at(job.document, ("code",), "code", "should be the path of a folder")
    elif code.startswith("git+"):
        fix = "clone it, and name the folder"
        yield Finding.at(job.document, ("code",), f"code {code}: Azure ML takes no git address", fix)
    elif not job.has_remote_code:
        if re.match(r"$|file:|azureml:|\w+://", code):
            says = "should be a folder, or azureml:NAME:VERSION"
            yield Finding.at(job.document, ("code",), f"code {code}", says)
            return
        try:
            if job.code:
                yield from check_scripts(job)
                yield from check_imports(job, job.code, job.command)
                yield from check_snapshot(job.code)
        except UserError as error:
            yield Finding.from_error(error, "code" if job.local_path("code").is_file() else "")


def check_fields(job: Job) -> Iterator[Finding]:
    """The fields that a job does not have: azure-ai-ml refuses it, and on this machine they would have no effect."""
    yield from unknown_fields(job.document, job.data, JOB)
    for name, value in job.section("inputs").items():
        is_literal = isinstance(value, dict) and "value" in value
        yield from unknown_fields(job.document, value, LITERAL if is_literal else INPUT, "inputs", name)
    for name, value in job.section("outputs").items():
        yield from unknown_fields(job.document, value, OUTPUT, "outputs", name)
    if not job.environment_file:
        yield from unknown_fields(job.document, job.data.get("environment"), INLINE_ENVIRONMENT, "environment")


def check_differences(here: Job, there: Job) -> Iterator[Finding]:
    """Where the runconfig of the cluster differs from that of this machine beyond inputs, compute and its nodes."""
    for key in sorted({*here.data, *there.data} - DIFFERS):
        if here.data.get(key) != there.data.get(key):
            problem = f"{key} differs from {here.where(key)}"
            yield Finding.at(there.document, (key,), problem, "what trains here should train there")
    for has, lacks in ((here, there), (there, here)):
        for name in has.section("inputs").keys() - lacks.section("inputs").keys():
            yield Finding.at(has.document, ("inputs", name), f"input {name} is not in {lacks.document.name}")
