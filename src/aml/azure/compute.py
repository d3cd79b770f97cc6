"""Clusters of the workspace."""

import re
import time
from typing import Any

from aml.azure.sdk import load, ml_client, translate_azure_errors
from aml.azure.workspace_client import WorkspaceClient
from aml.console import say
from aml.errors import FileError, ServiceError, UserError
from aml.jobfile.description import nearest
from aml.jobfile.document import Document

# What aml compares, with the defaults of azure-ai-ml 1.35
FIELDS: dict[str, Any] = {
    "size": "Standard_DS3_v2",
    "tier": "dedicated",
    "min_instances": 0,
    "max_instances": 4,
    "idle_time_before_scale_down": 120,
    "description": "",
    "tags": {},
}
UNDER_WAY = ("Creating", "Updating", "Deleting")  # states that end by themselves
POLL = 3  # seconds between two looks at such a cluster
COMPUTE_OPERATOR_ROLE = "AzureML Compute Operator"


def create(client: WorkspaceClient, document: Document) -> str:
    """Create the cluster, or change what differs; returns what was done. Raises UserError with the line to fix."""
    name, wanted = document.data["name"], {key: document.data.get(key, default) for key, default in FIELDS.items()}
    found = _find_settled(client, name)
    present = _read(found) if found and "properties" in found else {}  # a dry run has none
    changed = [key for key in FIELDS if str(present.get(key)).lower() != str(wanted[key]).lower()]
    if present and not changed and present["state"] != "Failed":
        return f"is there already, as described ({present['state'].lower()})"
    if present and "size" in changed:
        raise FileError(
            document.where("size"),
            f"cluster {name} has the size {present['size']}, which cannot be changed",
            "give it another name, or delete it first: aml create-compute --delete",
        )
    ml = ml_client(client)
    from azure.ai.ml import load_compute

    say(f"{'changing' if present else 'creating'} cluster {name}")
    try:
        with translate_azure_errors(client, role=COMPUTE_OPERATOR_ROLE):
            cluster = load(load_compute, document, document.data)
            cluster.location = cluster.location or client.workspace["location"]  # its own look at that takes 3 s
            ml.compute.begin_create_or_update(cluster).result()
    except ServiceError as error:
        raise _locate(error, client, document) from error
    if present:
        return "changed, " + ", ".join(f"{key} from {present[key]} to {wanted[key]}" for key in changed)
    return "created, {size}, {min_instances} to {max_instances} nodes".format(**wanted)


def delete(client: WorkspaceClient, name: str) -> str:
    """Delete the cluster, whether or not it is there; returns what was done."""
    if not client.find(f"/computes/{name}"):  # the service answers 204 to the deletion of what is not there
        return "is not there"
    with translate_azure_errors(client, role=COMPUTE_OPERATOR_ROLE):
        ml_client(client).compute.begin_delete(name).result()
    return "deleted"


def _find_settled(client: WorkspaceClient, name: str) -> Any:
    """The cluster, once what somebody began with it has ended; None where there is none."""
    while (found := client.find(f"/computes/{name}")) and not client.dry_run:
        state = str(found["properties"].get("provisioningState"))
        if state not in UNDER_WAY:
            break
        say(f"cluster {name}: {state.lower()} …")
        time.sleep(POLL)
    return found


def _read(compute: Any) -> dict[str, Any]:
    """The fields of compute.yml as the service has them, and the state of the cluster."""
    from isodate import parse_duration  # type: ignore[import-untyped]

    properties = compute["properties"]
    own = properties.get("properties") or {}
    scale = own.get("scaleSettings") or {}
    idle = scale.get("nodeIdleTimeBeforeScaleDown")
    return {
        "size": own.get("vmSize"),
        "tier": "low_priority" if own.get("vmPriority") == "LowPriority" else "dedicated",
        "min_instances": scale.get("minNodeCount"),
        "max_instances": scale.get("maxNodeCount"),
        "idle_time_before_scale_down": int(parse_duration(idle).total_seconds()) if idle else None,
        "description": properties.get("description") or "",
        "tags": compute.get("tags") or {},
        "state": str(properties.get("provisioningState")),
    }


def _locate(error: ServiceError, client: WorkspaceClient, document: Document) -> UserError:
    """The refusal of a cluster with the line of compute.yml that it is about."""
    if "quota" in f"{error.code} {error}".lower():
        where = document.where("max_instances")
        return FileError(where, f"{error}: fewer or smaller nodes, or more quota from https://ml.azure.com/quota")
    if re.search("vm ?size", f"{error.code} {error}", re.IGNORECASE):
        region = client.workspace["location"]
        path = f"{client.subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/vmSizes"
        sizes = [size["name"] for size in client.get(path)["value"]]
        size = document.data["size"]
        return FileError(document.where("size"), f"size {size} is not available in {region}{nearest(size, sizes)}")
    return error
