"""What a YAML file of aml_config/ describes, as its `$schema`, its `type` or else its other fields say."""

import re
from typing import Any

JOB, DATA, COMPUTE, ENVIRONMENT, CONDA = ("command job", "data", "cluster", "environment", "conda file")
ENDPOINT, BATCH_ENDPOINT, DEPLOYMENT, BATCH_DEPLOYMENT = SERVING = (
    "endpoint",
    "batch endpoint",
    "deployment",
    "batch deployment",
)
JUDGED = (JOB, DATA, COMPUTE, ENVIRONMENT, CONDA, *SERVING)

# The names of Microsoft's schemas, https://azuremlschemas.azureedge.net/latest/{name}.schema.json, and the values of
# `type` (azure-ai-ml 1.35, azure/ai/ml/constants).
SCHEMAS = {
    "commandJob": JOB,
    "data": DATA,
    "amlCompute": COMPUTE,
    "environment": ENVIRONMENT,
    "managedOnlineEndpoint": ENDPOINT,
    "managedOnlineDeployment": DEPLOYMENT,
    "batchEndpoint": BATCH_ENDPOINT,
    **dict.fromkeys(("batchDeployment", "modelBatchDeployment"), BATCH_DEPLOYMENT),
}
TYPES = {
    **dict.fromkeys(("uri_file", "uri_folder", "mltable"), DATA),
    **dict.fromkeys(("custom_model", "mlflow_model", "triton_model"), "model"),
    "amlcompute": COMPUTE,
    "computeinstance": "compute instance",
    **dict.fromkeys(("kubernetes", "virtualmachine", "synapsespark"), "attached compute"),
    **dict.fromkeys(("pipeline", "sweep", "automl", "spark", "finetuning", "distillation", "import"), "{} job"),
    **dict.fromkeys(("parallel", "import_data", "pipeline_component"), "{} component"),
    **dict.fromkeys(
        ("azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2", "one_lake"), "datastore"
    ),
}
# Fields that only files of one kind have, in the order in which they are looked for.
FIELDS = {
    "dependencies": CONDA,
    "jobs": "pipeline job",
    "trial": "sweep job",
    "trigger": "schedule",
    "create_job": "schedule",
    "replication_locations": "registry",
    "is_deterministic": "component",
    **dict.fromkeys(("size", "min_instances", "max_instances"), COMPUTE),
    **dict.fromkeys(("image", "build", "conda_file"), ENVIRONMENT),
    **dict.fromkeys(("command", "code", "environment", "experiment_name"), JOB),
    "path": DATA,
}


def kind_of(data: dict[str, Any]) -> str:
    """One of JUDGED, another kind of file that Azure ML knows, or "" for a file that says nothing of its kind."""
    if schema := re.search(r"([A-Za-z]+)\.schema\.json$", str(data.get("$schema", ""))):
        name = schema[1]
        return SCHEMAS.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    kind = str(data.get("type", "")).lower()
    if {"endpoint_name", "auth_mode"} & data.keys():
        return _serving(data, kind)
    if kind == "command":
        is_component = {"version", "is_deterministic"} & data.keys() and not {
            "compute",
            "experiment_name",
        } & data.keys()
        return "command component" if is_component else JOB
    if kind in TYPES:
        return TYPES[kind].format(kind)
    return next((found for field, found in FIELDS.items() if field in data), "")


def _serving(data: dict[str, Any], kind: str) -> str:
    """The kind of an endpoint or a deployment: those on Kubernetes have a compute, as batch deployments do."""
    if "endpoint_name" not in data:
        return "Kubernetes endpoint" if "compute" in data else BATCH_ENDPOINT if "defaults" in data else ENDPOINT
    if kind == "kubernetes":
        return "Kubernetes deployment"
    if kind == "pipeline" or "component" in data:
        return "pipeline component deployment"
    is_batch = kind == "model" or {"settings", "compute", "mini_batch_size", "output_action"} & data.keys()
    return BATCH_DEPLOYMENT if is_batch else DEPLOYMENT
