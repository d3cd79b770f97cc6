"""The fields of job files, data assets, clusters and environments: those of azure-ai-ml 1.35 (azure/ai/ml/_schema).

What only the service or another rule refuses is `Ruled`. What a path or a reference stands for, other modules judge.
"""

from aml.checks.shapes import (
    Entries,
    Fields,
    Items,
    Kinds,
    Nullable,
    Ruled,
    Shape,
    anything,
    at_least,
    boolean,
    literal,
    mapping,
    matching,
    named,
    number_or_text,
    one_of,
    path_or_url,
    scalar,
    snake_case,
    text,
    whole,
)
from aml.jobfile.job import DATA_TYPES

# Words that azure-ai-ml drops when it loads, as `az ml … show` prints them.
_SHOWN = dict.fromkeys(("$schema", "id", "creation_context"), anything)

_TAGS = Entries(Nullable(Ruled(anything, "tag", scalar)))
_VERSION = Ruled(
    number_or_text, "version", matching(r"[^\s/\\?#%:@&]{1,255}", "letters, digits and . _ -, such as 1 or 1.0.2")
)
_NAME = Ruled(lambda value: text(value) or (None if value else "a name"), "name", named("asset"))
_DELETION = Fields(
    {"condition": one_of("created_greater_than", "last_accessed_greater_than", spelled=snake_case), "value": text}
)
_ASSET: dict[str, Shape] = {
    **_SHOWN,
    "latest_version": anything,
    "version": _VERSION,
    "description": text,
    "tags": _TAGS,
    "datastore": text,
    "auto_delete_setting": _DELETION,
}

DATA = Fields(
    {
        **_ASSET,
        "id": text,
        "name": _NAME,
        "type": one_of(*DATA_TYPES[:3], spelled=str),
        "path": text,
        "properties": anything,
    },
    required=("name", "path"),
)

_ROUTE = Fields({"port": whole, "path": text}, required=("port", "path"))
_ROUTES = ("liveness_route", "readiness_route", "scoring_route")
ENVIRONMENT = Fields(
    {
        **_ASSET,
        "id": matching("azureml:.*", "azureml: and the id of an environment"),
        "name": _NAME,
        "image": Ruled(text, "image", matching(r"\s*\S.*", "the name of an image")),
        "build": Fields({"path": path_or_url, "dockerfile_path": text}),
        "conda_file": anything,
        "os_type": one_of("linux", "windows"),
        "inference_config": Fields(dict.fromkeys(_ROUTES, _ROUTE), required=_ROUTES),
        "intellectual_property": anything,
    },
    required=("name",),
)
# One that stands in a job: its name and version are dropped.
INLINE_ENVIRONMENT = Fields(
    {**ENVIRONMENT.shapes, "name": Nullable(anything), "version": Nullable(anything)},
)

_MODES = ("ro_mount", "download", "direct")
_EVALUATED_MODES = (*_MODES, "eval_mount", "eval_download")


def _input(*modes: str) -> Fields:
    return Fields({"path": text, "mode": one_of(*modes), "datastore": text})


INPUT = Kinds(
    {
        **dict.fromkeys(("uri_file", "uri_folder"), _input(*_MODES)),
        "mltable": _input(*_EVALUATED_MODES),
        **dict.fromkeys(DATA_TYPES[3:], Fields({"path": text, "mode": one_of(*_MODES), "datastore": text})),
    },
    default=_input(*_EVALUATED_MODES),
)
LITERAL = Fields({"value": literal}, required=("value",))
OUTPUT = Fields(
    {
        "$schema": anything,
        "type": one_of(*DATA_TYPES),
        "mode": one_of("rw_mount", "mount", "upload", "direct"),
        "path": text,
        "name": Ruled(matching("[A-Za-z0-9_-]{0,255}", "letters, digits, - and _"), "name", named("asset")),
        "version": _VERSION,
    }
)

_DISTRIBUTION = Kinds(
    {
        "mpi": Fields({"process_count_per_instance": at_least(1)}),
        "pytorch": Fields({"process_count_per_instance": at_least(1)}),
        "tensorflow": Fields({"worker_count": at_least(1), "parameter_server_count": at_least(0)}),
        "ray": Fields(
            {
                **dict.fromkeys(("address", "head_node_additional_args", "worker_node_additional_args"), text),
                **dict.fromkeys(("port", "dashboard_port"), at_least(1)),
                "include_dashboard": boolean,
            }
        ),
    }
)
_JOB_IDENTITY = Kinds(
    {
        **dict.fromkeys(("managed", "managed_identity"), Fields({"client_id": text, "object_id": text})),
        "user_identity": Fields({}),
        "aml_token": Fields({}),
    },
    spelled=snake_case,
)
_SERVICE: dict[str, Shape] = {
    **dict.fromkeys(("$schema", "endpoint", "status", "error_message"), anything),
    "type": text,
    "port": whole,
    "nodes": one_of("all", spelled=str),
    "properties": mapping,
}
SERVICES = {
    "ssh": Fields({**_SERVICE, "ssh_public_keys": text}),
    "tensor_board": Fields({**_SERVICE, "log_dir": text}),
    "": Fields(_SERVICE),  # any other
}
RESOURCES = Fields(
    {
        "instance_count": at_least(1),
        "max_instance_count": at_least(1),
        "instance_type": text,
        "locations": Items(text),
        "properties": Entries(Nullable()),
        "shm_size": Ruled(text, "shm_size", matching(r"\d+[bkmgBKMG]", "a number and b, k, m or g")),
        "docker_args": lambda value: (
            "a text or a list of texts" if any(map(text, value if isinstance(value, list) else [value])) else None
        ),
    }
)
JOB = Fields(
    {
        **_SHOWN,
        **dict.fromkeys(("status", "log_files", "parameters"), anything),
        "type": one_of("command", spelled=str),
        "name": Ruled(text, "name", named("asset")),
        "display_name": text,
        "description": text,
        "experiment_name": Ruled(text, "experiment", named("experiment")),
        "tags": Entries(Nullable(text)),
        "properties": Entries(Nullable(text)),
        "command": Ruled(text, "command", matching(".*[a-zA-Z0-9].*", "what the job runs")),
        "code": anything,
        "environment": anything,
        "environment_variables": Entries(
            Nullable(Ruled(anything, "environment variable", text)), rule="environment variable"
        ),
        "compute": text,
        "inputs": anything,
        "outputs": anything,
        "services": anything,
        "resources": RESOURCES,
        "distribution": _DISTRIBUTION,
        "limits": Fields({"timeout": at_least(1)}),
        "queue_settings": Fields(
            {
                "job_tier": one_of("spot", "basic", "standard", "premium", "null"),
                "priority": one_of("low", "medium", "high"),
            }
        ),
        "identity": _JOB_IDENTITY,
        "parent_job_name": text,
    },
    required=("command", "environment"),
)

_COMPUTE_IDENTITY = Fields(
    {
        **dict.fromkeys(("$schema", "principal_id", "tenant_id"), anything),
        "type": one_of("system_assigned", "user_assigned", "system_assigned,user_assigned", "none", spelled=snake_case),
        "user_assigned_identities": Items(
            Fields(
                {
                    "resource_id": text,
                    **dict.fromkeys(("$schema", "principal_id", "client_id", "tenant_id"), anything),
                }
            )
        ),
    },
    required=("type",),
)
COMPUTE = Fields(
    {
        **dict.fromkeys(("$schema", "id", "provisioning_errors", "created_on", "provisioning_state"), anything),
        "name": Ruled(text, "compute", named("compute")),
        "type": one_of("amlcompute"),
        "location": text,
        "description": text,
        "resource_id": text,
        "tags": Entries(text),
        "size": Ruled(text, "vm size", matching(r"\w+", "a VM size, such as Standard_DS3_v2")),
        "tier": one_of("low_priority", "dedicated"),
        "min_instances": at_least(0),
        "max_instances": at_least(0),
        "idle_time_before_scale_down": at_least(0),
        "ssh_public_access_enabled": boolean,
        "enable_node_public_ip": boolean,
        "ssh_settings": Fields(
            dict.fromkeys(("admin_username", "admin_password", "ssh_key_value"), text), required=("admin_username",)
        ),
        "network_settings": Fields(
            {
                "vnet_name": text,
                "subnet": lambda value: text(value) or (None if value else "the name or the id of a subnet"),
                **dict.fromkeys(("$schema", "public_ip_address", "private_ip_address"), anything),
            },
            required=("subnet",),
        ),
        "identity": _COMPUTE_IDENTITY,
    },
    required=("name", "type"),
)
