"""What each field of a file may hold: the fields that azure-ai-ml 1.35 knows, and the values that it or Azure take.

A shape says what a bad value should be, or None for a good one; a mapping of shapes holds for the fields of a mapping.
The functions below make shapes.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from aml.checks.finding import Finding
from aml.jobfile.document import Document
from aml.jobfile.job import DATA_TYPES, FIELDS, nearest
from aml.jobfile.names import RULES

Shape = Callable[[Any], str | None] | dict[str, Any]


def anything(_: Any) -> str | None:
    """A shape that any value has."""
    return None


def free(fields: str) -> dict[str, Shape]:
    """The shape of a mapping whose `fields`, names with blanks between them, may hold anything."""
    return dict.fromkeys(fields.split(), anything)


def named(rule: str) -> Shape:
    """The shape of a name that this rule of names.RULES accepts."""
    return lambda name: None if RULES[rule].accepts(name) else f"{RULES[rule].says}, such as {RULES[rule].example}"


def matching(pattern: str, says: str) -> Shape:
    """The shape of a value that, as text, matches the whole pattern."""
    return lambda value: None if value is not None and re.fullmatch(pattern, str(value)) else says


def one_of(*choices: str) -> Shape:
    """The shape of a value that is one of these texts."""
    return lambda value: None if value in choices else f"one of {', '.join(choices)}"


def at_least(low: int) -> Shape:
    """The shape of a whole number that is not below `low`."""
    return lambda value: None if type(value) is int and value >= low else f"a whole number from {low}"


def texts(value: Any) -> str | None:
    """The shape of a mapping whose values are texts, and no numbers, dates or truth values."""
    entries = value.items() if isinstance(value, dict) else ()
    bad = [f"{key} ({entry!r})" for key, entry in entries if not isinstance(entry, str)]
    return f"texts: put {', '.join(bad)} in quotes" if bad else None


COMMON: dict[str, Shape] = free("$schema description") | {"tags": texts}
INPUT: dict[str, Shape] = free("path value datastore path_on_compute") | {
    "type": one_of(*DATA_TYPES),
    "mode": matching("(?i)(ro_mount|download|direct|eval_mount|eval_download)", "ro_mount, download or direct"),
}
OUTPUT: dict[str, Shape] = free("path version") | {
    "type": one_of(*DATA_TYPES),
    "mode": matching("(?i)(rw_mount|mount|upload|direct)", "rw_mount, upload or direct"),
    "name": named("asset"),
}
ENVIRONMENT = COMMON | free(
    "name version image conda_file build os_type inference_config id datastore auto_delete_setting"
)
DISTRIBUTIONS: dict[str, dict[str, Shape]] = {
    "mpi": {"process_count_per_instance": at_least(1)},
    "pytorch": {"process_count_per_instance": at_least(1)},
    "tensorflow": {"worker_count": at_least(1), "parameter_server_count": at_least(0)},
    "ray": {
        **free("address head_node_additional_args worker_node_additional_args"),
        **dict.fromkeys(("port", "dashboard_port"), at_least(1)),
        "include_dashboard": matching("True|False", "true or false"),
    },
}
JOB: dict[str, Shape] = {
    **dict.fromkeys(FIELDS, anything),
    "tags": texts,
    "name": named("asset"),
    "experiment_name": named("experiment"),
    "properties": texts,
    "environment_variables": texts,
    "compute": matching(
        "local|azureml:(/.+|" + RULES["compute"].pattern + ")", f"local, or azureml: and {RULES['compute'].says}"
    ),
    "limits": {"timeout": at_least(1)},
    "queue_settings": {"job_tier": anything, "priority": one_of("low", "medium", "high")},
    "resources": {
        **free("docker_args instance_type locations properties"),
        "instance_count": at_least(1),
        "max_instance_count": at_least(1),
        "shm_size": matching(r"\d+[bkmgBKMG]", "a number and b, k, m or g"),
    },
}
COMPUTE = COMMON | {
    **free("location identity enable_node_public_ip network_settings resource_id"),
    **free("ssh_public_access_enabled ssh_settings"),
    "type": one_of("amlcompute"),
    "name": named("compute"),
    "size": matching(r"\w+", "a VM size, such as Standard_DS3_v2"),
    "tier": one_of("dedicated", "low_priority"),
    "min_instances": at_least(0),
    "max_instances": at_least(0),
    "idle_time_before_scale_down": at_least(0),
}
DATA = COMMON | {
    **free("path version id datastore auto_delete_setting"),
    "name": named("asset"),
    "type": one_of(*DATA_TYPES[:3]),
}


def check_shape(document: Document, data: dict[str, Any], shape: dict[str, Any], *keys: str) -> Iterator[Finding]:
    """The findings on a mapping, `data`, which stands at `keys`: fields that its shape lacks, and bad values."""
    for field, value in data.items():
        place = (*keys, field)
        if field not in shape:
            yield Finding.at(document, place, f"unknown field {field}{nearest(str(field), shape)}")
        elif value is None:
            yield Finding.at(document, place, f"{field} has no value", "give it one, or take it out")
        elif isinstance(shape[field], dict):
            if isinstance(value, dict):
                yield from check_shape(document, value, shape[field], *place)
        elif says := shape[field](value):
            what = f"{field} {value}".strip() if isinstance(value, str | int) else field
            yield Finding.at(document, place, what, f"should be {says}")
