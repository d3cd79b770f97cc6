"""The fields that each part of a command job may have. Anything else there is a mistake that nobody would notice."""

from collections.abc import Iterator
from typing import Any

from aml.errors import UserError
from aml.jobfile.job import FIELDS, Job, nearest

# Source: the schemas of azure-ai-ml 1.35 (azure/ai/ml/_schema), which refuse every other field. "*" is any name.
KNOWN: dict[tuple[str, ...], str] = {
    (): " ".join(FIELDS),
    ("inputs", "*"): "type path mode datastore path_on_compute value",
    ("outputs", "*"): "type path mode name version",
    ("environment",): "name version description tags image conda_file build os_type inference_config id datastore "
    "auto_delete_setting $schema",
    ("environment", "build"): "path dockerfile_path",
    ("resources",): "instance_count instance_type locations max_instance_count shm_size docker_args properties",
    ("limits",): "timeout",
    ("queue_settings",): "job_tier priority",
    ("identity",): "type client_id object_id msi_resource_id",
    ("services", "*"): "type port nodes properties ssh_public_keys log_dir",
}
DISTRIBUTIONS = {
    "pytorch": "process_count_per_instance",
    "mpi": "process_count_per_instance",
    "tensorflow": "worker_count parameter_server_count",
    "ray": "port address include_dashboard dashboard_port head_node_additional_args worker_node_additional_args",
}
# What only a component has: its own fields, and the types of its inputs that are no data.
COMPONENT_FIELDS = {"version", "is_deterministic"}
COMPONENT_TYPES = {"number", "integer", "boolean", "string"}


def require_known(job: Job) -> None:
    """Raise UserError for a component, which is no job, and for the first field that a job does not have."""
    entries = [job.section("inputs")[name] for name in job.data_inputs()]
    if COMPONENT_FIELDS & job.data.keys() or any(str(entry.get("type")) in COMPONENT_TYPES for entry in entries):
        raise UserError(
            f"{job.where()}: this is a component, which runs as a step of a pipeline only: "
            "write a command job, with values for its inputs and without version and is_deterministic"
        )
    for keys, known in unknown(job):
        raise UserError(f"{job.where(*keys)}: {'.'.join(keys)}: a job has no such field{nearest(keys[-1], known)}")


def unknown(job: Job) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys of each field that a job does not have, with the fields that may stand in its place."""
    kind = str(job.at("distribution", "type")).lower()
    fields = {**KNOWN, ("distribution",): f"type {DISTRIBUTIONS[kind]}"} if kind in DISTRIBUTIONS else KNOWN
    for pattern, names in fields.items():
        for keys, part in _parts(job.data, pattern):
            known = ["value"] if keys[:1] == ("inputs",) and "value" in part else names.split()  # a literal has no type
            yield from (((*keys, str(field)), known) for field in part if field not in known)


def _parts(data: Any, pattern: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[Any, Any]]]:
    """The mappings of `data` at the places that fit the pattern, each with its keys."""
    if not isinstance(data, dict):
        return
    if not pattern:
        yield (), data
        return
    first, *rest = pattern
    for name in data if first == "*" else [first]:
        for keys, part in _parts(data.get(name), tuple(rest)):
            yield (str(name), *keys), part
