"""Rules for a job file, and for the two job files of a repository side by side."""

import re
from collections.abc import Iterator
from pathlib import Path

from aml.checks.assets import check_path
from aml.checks.environments import check_environment
from aml.checks.secrets import check_snapshot
from aml.checks.shapes import DISTRIBUTIONS, INPUT, JOB, OUTPUT, check_shape, free
from aml.console import display_path
from aml.errors import UserError
from aml.jobfile.job import Job
from aml.uris import ASSET


def check_job(job: Job) -> Iterator[str]:
    """The findings on one runconfig; aml submit asks for them before it sends anything."""
    document = job.document
    yield from check_shape(document, job.data, JOB)
    yield from _references(job)
    if "compute" not in job.data and "instance_type" not in job.section("resources"):
        yield f"{job.where()}: no compute: write compute: local, or compute: azureml:NAME"
    if fields := DISTRIBUTIONS.get(str(job.at("distribution", "type")).lower()):
        yield from check_shape(document, job.section("distribution"), fields | free("type"), "distribution")
    elif job.data.get("distribution") is not None:
        says = f"should be a mapping with a type: {', '.join(DISTRIBUTIONS)}"
        yield f"{job.where('distribution', 'type')}: distribution: {says}"
    where, nodes = job.where("resources", "instance_count"), job.at("resources", "instance_count")
    if type(nodes) is int and nodes > 1 and "distribution" not in job.data:
        fix = "add a distribution, such as {type: pytorch}"
        yield f"{where}: {nodes} nodes would each train on their own: {fix}"
    for kind, shape in (("inputs", INPUT), ("outputs", OUTPUT)):
        for name, value in job.section(kind).items():
            if isinstance(value, dict):
                yield from check_shape(document, value, shape, kind, name)
            if kind == "inputs" and (value is None or isinstance(value, list)):
                yield f"{job.where(kind, name)}: input {name} has no value: give it one, or a type and a path"
            elif kind == "inputs" and job.data_input(name):
                yield from check_path(document, value, kind, name)
            elif isinstance(value, dict) and "version" in value and "name" not in value:
                yield f"{job.where(kind, name, 'version')}: a version needs a name"
    for name, service in job.section("services").items():
        if not isinstance(service, dict):
            yield f"{job.where('services', name)}: service {name}: should be a mapping with a type"
        elif service.get("type") == "ssh" and not service.get("ssh_public_keys"):
            yield f"{job.where('services', name)}: an ssh service needs ssh_public_keys"
    environment = job.data.get("environment")
    if isinstance(environment, dict):
        yield from check_environment(document, environment, "environment")
    elif not re.fullmatch(ASSET, str(environment)):
        says = "azureml:NAME:VERSION, azureml:NAME@latest, or a mapping with image and conda_file"
        yield f"{job.where('environment')}: environment {environment}: should be {says}"
    try:
        if job.code:
            yield from check_snapshot(job.code)
    except UserError as refusal:
        yield str(refusal)


def _references(job: Job) -> Iterator[str]:
    used = set()
    for keys, text in job.texts():
        if problem := job.undefined(text):
            yield f"{job.where(*keys)}: {problem}"
        for match in re.finditer(r"(?<![{$])\$?\{\s*((?:inputs|outputs)\.[\w.-]+)\s*\}(?!\})", text):
            yield f"{job.where(*keys)}: {match[0]} is not filled in: write {'$' + '{' * 2}{match[1]}{'}' * 2}"
        used |= {(match["kind"], match["name"]) for match in job.references(text)}
    code = job.local_path("code") if "code" in job.data else None
    for script in re.findall(r"\bpython3? ([\w./-]+\.py)\b", str(job.data["command"])):
        if code and code.is_dir() and not (code / script).is_file():
            yield f"{job.where('command')}: {script} is not in {display_path(code)}: fix the command"
    for module in re.findall(r"\bpython3? -m ([\w.]+)", str(job.data["command"])):
        if code and not _is_module(code, module):
            package = code / module.split(".")[0] / "__init__.py"
            if package.is_file() or _is_module(code.parent, module):  # else it is of an installed package
                yield f"{job.where('command')}: module {module} is not in {display_path(code)}: fix the command, or code"
    for kind in ("inputs", "outputs"):
        for name in job.section(kind):
            if (kind, name) not in used:
                yield f"{job.where(kind, name)}: {kind[:-1]} {name} is not used in the command: use it or take it out"


def _is_module(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return path.with_name(f"{path.name}.py").is_file() or (path / "__main__.py").is_file()


def check_differences(here: Job, there: Job) -> Iterator[str]:
    """Where the runconfig of the cluster differs from that of this machine beyond inputs, compute and its nodes."""
    for key in sorted({*here.data, *there.data} - {"$schema", "compute", "inputs", "resources", "distribution"}):
        if here.data.get(key) != there.data.get(key):
            yield f"{there.where(key)}: {key} differs from {here.where(key)}: what trains here should train there"
    for has, lacks in ((here, there), (there, here)):
        for name in has.section("inputs").keys() - lacks.section("inputs").keys():
            yield f"{has.where('inputs', name)}: input {name} is not in {lacks.document.name}"
