"""The fields of endpoints and deployments: those of azure-ai-ml 1.35 (_schema/_endpoint, _schema/_deployment)."""

from aml.checks.fields import INLINE_ENVIRONMENT, RESOURCES
from aml.checks.shapes import (
    Entries,
    Fields,
    Items,
    Nullable,
    Ruled,
    Shape,
    TextOr,
    anything,
    at_least,
    boolean,
    mapping,
    matching,
    named,
    number_or_text,
    one_of,
    scalar,
    snake_case,
    text,
    whole,
)

_SHOWN: dict[str, Shape] = {"$schema": anything, "id": text}
_TEXTS = Entries(Nullable(Ruled(anything, "tag", scalar)), rule="tag")
_VARIABLES = Entries(Nullable(Ruled(anything, "environment variable", text)), rule="environment variable")
_NAME = Ruled(
    matching(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?\n?", "letters, digits and dashes, beginning with a letter"),
    "endpoint name",
    named("endpoint"),
)
_IDENTITY = Fields(
    {
        "type": one_of("system_assigned", "user_assigned", "none", spelled=snake_case),
        "principal_id": text,
        "tenant_id": text,
        "user_assigned_identities": Items(Entries(text)),
    },
    required=("type",),
)


def _between(low: int, high: int) -> Ruled:
    """A whole number in a range that the service takes."""
    says = f"a whole number from {low} to {high}"
    return Ruled(whole, "serving count", lambda value: None if low <= int(value) <= high else says)


_ENDPOINT: dict[str, Shape] = {
    **_SHOWN,
    "name": _NAME,
    "description": text,
    "tags": _TEXTS,
    "properties": mapping,
    "auth_mode": one_of("key", "aml_token", "aad_token", spelled=snake_case),
    "provisioning_state": text,
    "scoring_uri": text,
    "openapi_uri": text,
    "location": text,
}
ENDPOINT = Fields(
    {
        **_ENDPOINT,
        "kind": anything,
        "identity": _IDENTITY,  # which azure-ai-ml does not take for a batch endpoint
        "traffic": Entries(whole),
        "mirror_traffic": Entries(whole),
        "public_network_access": one_of("enabled", "disabled"),
    },
    required=("name",),
)
BATCH_ENDPOINT = Fields({**_ENDPOINT, "defaults": Fields({"deployment_name": text})}, required=("name",))

_DEPLOYMENT_NAME = Ruled(text, "deployment name", named("endpoint"))
_CODE = Fields({"$schema": anything, "code": text, "scoring_script": text})
_DEPLOYMENT: dict[str, Shape] = {
    **_SHOWN,
    "name": _DEPLOYMENT_NAME,
    "endpoint_name": Ruled(text, "endpoint name", named("endpoint")),
    "description": text,
    "tags": _TEXTS,
    "properties": mapping,
    "model": anything,
    "code_configuration": _CODE,
    "environment": anything,
    "environment_variables": _VARIABLES,
}
_PROBE = Fields(
    {
        "initial_delay": at_least(1),
        "period": at_least(1),
        "timeout": at_least(1),
        "success_threshold": at_least(1),
        "failure_threshold": at_least(1),
    }
)
_LIVENESS = Fields({**_PROBE.shapes, "success_threshold": _between(1, 1)})


_COLLECTION = Fields(
    {
        "enabled": one_of("true", "false"),
        "data": TextOr(Fields(dict.fromkeys(("name", "path", "version", "data_id"), text))),
        "client_id": text,
    },
    required=("enabled",),
)


def _share(value: object) -> str | None:
    """A number from 0 to 1."""
    try:
        return None if 0 <= float(str(value)) <= 1 else "a number from 0 to 1"
    except ValueError:
        return "a number from 0 to 1"


DEPLOYMENT = Fields(
    {
        **_DEPLOYMENT,
        "provisioning_state": text,
        "creation_context": anything,
        "type": one_of("managed", "kubernetes", spelled=snake_case),
        "instance_type": Ruled(text, "vm size", matching(r"Standard_\w+(-\w+)*", "a VM size, such as Standard_DS2_v2")),
        "instance_count": _between(1, 50),
        "app_insights_enabled": boolean,
        "scale_settings": Fields({"type": one_of("default", spelled=snake_case)}, required=("type",)),
        "request_settings": Fields(
            {
                "request_timeout_ms": _between(1, 180_000),
                "max_concurrent_requests_per_instance": at_least(1),
                "max_queue_wait_ms": at_least(0),
            }
        ),
        "liveness_probe": _LIVENESS,
        "readiness_probe": _PROBE,
        "data_collector": Fields(
            {
                "collections": Entries(_COLLECTION),
                "rolling_rate": one_of("minute", "hour", "day"),
                "sampling_rate": _share,
                "request_logging": Fields({"capture_headers": Items(text)}),
            },
            required=("collections",),
        ),
        "egress_public_network_access": one_of("enabled", "disabled"),
        "private_network_connection": boolean,
        "model_mount_path": text,
    },
    required=("name", "endpoint_name", "instance_type"),
)
_BATCH_SETTINGS: dict[str, Shape] = {
    "error_threshold": at_least(-1),
    "retry_settings": Fields({"max_retries": at_least(0), "timeout": at_least(1)}),
    "mini_batch_size": at_least(1),
    "logging_level": Ruled(text, "batch", one_of("warning", "info", "debug")),
    "output_action": one_of("append_row", "summary_only"),
    "output_file_name": Ruled(text, "batch", matching(r"[^/\\]+", "the name of a file, without a folder")),
    "max_concurrency_per_instance": at_least(1),
}
_BATCH: dict[str, Shape] = {
    **_DEPLOYMENT,
    "type": one_of("model", "pipeline"),
    "compute": text,
    "error_threshold": _BATCH_SETTINGS["error_threshold"],
    "resources": RESOURCES,
}
BATCH_DEPLOYMENT = Fields(
    {
        **_BATCH,
        "settings": Fields(
            {**_BATCH_SETTINGS, "instance_count": whole, "environment_variables": _VARIABLES},
            required=("mini_batch_size",),
        ),
    },
    required=("name", "endpoint_name", "compute"),
)
# The older form, which load_batch_deployment takes, without `settings`.
OLD_BATCH_DEPLOYMENT = Fields(
    {**_BATCH, **_BATCH_SETTINGS, "job_definition": anything, "component": anything},
    required=("name", "endpoint_name"),
)
# One that stands in a deployment. A job drops the version of one, whatever it is.
SERVING_ENVIRONMENT = Fields(
    {
        **INLINE_ENVIRONMENT.shapes,
        "name": Nullable(lambda value: "a name" if value == "" else None),
        "version": Nullable(number_or_text),
    }
)
MODEL = Fields(
    {
        "name": text,
        "version": number_or_text,
        "type": one_of("custom_model", "mlflow_model", "triton_model"),
        **dict.fromkeys(("$schema", "id", "creation_context"), anything),
        "path": text,
        "description": text,
        "properties": mapping,
        "tags": mapping,
        "stage": text,
        "flavors": mapping,
        "datastore": text,
        "system_metadata": mapping,
    }
)
