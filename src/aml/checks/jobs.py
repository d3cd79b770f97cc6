"""Checks of a job file, and of the two job files of a repository side by side."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml.checks.assets import check_path
from aml.checks.environments import check_environment
from aml.checks.finding import Finding
from aml.checks.secrets import check_snapshot
from aml.checks.shapes import DISTRIBUTIONS, INPUT, JOB, OUTPUT, check_shape, free
from aml.console import display_path
from aml.errors import UserError
from aml.jobfile.job import Job, nearest
from aml.jobfile.options import unknown_options
from aml.uris import ASSET

# A reference with the wrong number of dollars or braces, which nothing fills in.
MISTYPED = re.compile(r"(?<![{$])\$?\{\s*((?:inputs|outputs)\.[\w.-]+)\s*\}(?!\})")
DIFFERS = {"$schema", "compute", "inputs", "resources", "distribution"}  # between this machine and a cluster


def check_job(job: Job) -> Iterator[Finding]:
    """The findings on one runconfig; `aml submit` asks for them before it sends anything."""
    yield from check_shape(job.document, job.data, JOB)
    yield from _check_command(job)
    yield from _check_references(job)
    yield from _check_compute(job)
    for name in job.section("inputs"):
        yield from _check_input(job, name)
    for name, value in job.section("outputs").items():
        yield from _check_entry(job, "outputs", name, value)
    yield from _check_services(job)
    yield from _check_environment(job)
    try:
        if job.code:
            yield from check_snapshot(job.code)
    except UserError as refusal:
        yield Finding.from_refusal(refusal)


def _check_references(job: Job) -> Iterator[Finding]:
    """Whether each reference has an input or output, and each input and output a reference."""
    used = set()
    for keys, text in job.texts():
        if problem := job.undefined(text):
            yield Finding.at(job.document, keys, problem)
        for match in MISTYPED.finditer(text):
            fix = f"write {'$' + '{' * 2}{match[1]}{'}' * 2}"
            yield Finding.at(job.document, keys, f"{match[0]} is not filled in", fix)
        used |= {(match["kind"], match["name"]) for match in job.references(text)}
    for kind in ("inputs", "outputs"):
        for name in job.section(kind):
            if (kind, name) not in used:
                problem = f"{kind[:-1]} {name} is not used in the command"
                yield Finding.at(job.document, (kind, name), problem, "use it or take it out")


def _check_command(job: Job) -> Iterator[Finding]:
    """Whether the scripts and modules that the command runs are in the code."""
    code, command = job.local_path("code") if "code" in job.data else None, str(job.data["command"])
    if code is None:
        return
    for script in re.findall(r"\bpython3? ([\w./-]+\.py)\b", command):
        if code.is_dir() and not (code / script).is_file():
            yield Finding.at(job.document, ("command",), f"{script} is not in {display_path(code)}", "fix the command")
    for found in unknown_options(code, job.command):
        problem = f"{found.script} has no option {found.option}"
        yield Finding.at(job.document, ("command",), f"{problem}{nearest(found.option, found.known)}")
    for module in re.findall(r"\bpython3? -m ([\w.]+)", command):
        package = code / module.split(".")[0] / "__init__.py"
        # Any other module is one of an installed package.
        if not _is_module(code, module) and (package.is_file() or _is_module(code.parent, module)):
            problem = f"module {module} is not in {display_path(code)}"
            yield Finding.at(job.document, ("command",), problem, "fix the command, or code")


def _is_module(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return path.with_name(f"{path.name}.py").is_file() or (path / "__main__.py").is_file()


def _check_compute(job: Job) -> Iterator[Finding]:
    """Whether there is a compute, and a distribution for more than one node."""
    if "compute" not in job.data and "instance_type" not in job.section("resources"):
        yield Finding.at(job.document, (), "no compute", "write compute: local, or compute: azureml:NAME")
    if fields := DISTRIBUTIONS.get(str(job.at("distribution", "type")).lower()):
        yield from check_shape(job.document, job.section("distribution"), fields | free("type"), "distribution")
    elif job.data.get("distribution") is not None:
        says = f"should be a mapping with a type: {', '.join(DISTRIBUTIONS)}"
        yield Finding.at(job.document, ("distribution", "type"), "distribution", says)
    nodes = job.at("resources", "instance_count")
    if type(nodes) is int and nodes > 1 and "distribution" not in job.data:
        problem, fix = f"{nodes} nodes would each train on their own", "add a distribution, such as {type: pytorch}"
        yield Finding.at(job.document, ("resources", "instance_count"), problem, fix)


def _check_input(job: Job, name: str) -> Iterator[Finding]:
    value = job.section("inputs")[name]
    if value is None or isinstance(value, list):
        problem, fix = f"input {name} has no value", "give it one, or a type and a path"
        yield Finding.at(job.document, ("inputs", name), problem, fix)
    elif job.data_input(name):
        yield from check_shape(job.document, value, INPUT, "inputs", name)
        yield from check_path(job.document, value, "inputs", name)
    else:
        yield from _check_entry(job, "inputs", name, value)


def _check_entry(job: Job, kind: str, name: str, value: Any) -> Iterator[Finding]:
    """The findings on an output, or on an input that is a literal."""
    if isinstance(value, dict):
        yield from check_shape(job.document, value, INPUT if kind == "inputs" else OUTPUT, kind, name)
        if "version" in value and "name" not in value:
            yield Finding.at(job.document, (kind, name, "version"), "a version needs a name")


def _check_services(job: Job) -> Iterator[Finding]:
    for name, service in job.section("services").items():
        if not isinstance(service, dict):
            problem = f"service {name}"
            yield Finding.at(job.document, ("services", name), problem, "should be a mapping with a type")
        elif service.get("type") == "ssh" and not service.get("ssh_public_keys"):
            yield Finding.at(job.document, ("services", name), "an ssh service needs ssh_public_keys")


def _check_environment(job: Job) -> Iterator[Finding]:
    environment = job.data.get("environment")
    if isinstance(environment, dict):
        yield from check_environment(job.document, environment, "environment")
    elif not ASSET.fullmatch(str(environment)):
        says = "should be azureml:NAME:VERSION, azureml:NAME@latest, or a mapping with image and conda_file"
        yield Finding.at(job.document, ("environment",), f"environment {environment}", says)


def check_differences(here: Job, there: Job) -> Iterator[Finding]:
    """Where the runconfig of the cluster differs from that of this machine beyond inputs, compute and its nodes."""
    for key in sorted({*here.data, *there.data} - DIFFERS):
        if here.data.get(key) != there.data.get(key):
            problem = f"{key} differs from {here.where(key)}"
            yield Finding.at(there.document, (key,), problem, "what trains here should train there")
    for has, lacks in ((here, there), (there, here)):
        for name in has.section("inputs").keys() - lacks.section("inputs").keys():
            yield Finding.at(has.document, ("inputs", name), f"input {name} is not in {lacks.document.name}")
