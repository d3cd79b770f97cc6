"""A run of this machine is recorded in the workspace, by MLflow's own REST interface: its beginning and its end."""

import contextlib
import os
import time
from typing import Any

from aml.azure import runs
from aml.azure.transport import RETRYABLE
from aml.azure.workspace_client import WorkspaceClient, is_absent
from aml.errors import ServiceError, UserError

MLFLOW_STATUSES = {"finished": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


def start(client: WorkspaceClient, experiment: str, run_id: str, tags: dict[str, str]) -> dict[str, str]:
    """Begin a run in the workspace for the run `run_id` of this machine; returns what leads its MLflow there.

    Where the answer to the request is lost, the run is looked for, and not made twice.
    """
    experiment_id = _experiment_id(client, experiment)
    own = {"key": runs.LOCAL_RUN, "value": run_id}
    new: dict[str, Any] = {
        "run_name": run_id,
        "tags": [own, *({"key": key, "value": value} for key, value in tags.items())],
    }
    new |= {"experiment_id": experiment_id, "start_time": int(time.time() * 1000)}
    for _ in range(5):
        if tracked := _find(client, experiment_id, run_id):
            break
        try:
            created = runs.mlflow(client, "POST", "runs/create", retries=0, **new)
            tracked = str(created["run"]["info"]["run_id"])
            break
        except ServiceError as error:
            if error.status not in (0, *RETRYABLE):
                raise
    else:
        raise UserError(f"workspace {client.name}: the run cannot be recorded there: run it again later")
    deployed = {"MSI_ENDPOINT", "IDENTITY_ENDPOINT", "AZURE_CLIENT_ID"} & os.environ.keys()
    return {
        "MLFLOW_TRACKING_URI": client.workspace["properties"]["mlFlowTrackingUri"],
        "MLFLOW_EXPERIMENT_ID": experiment_id,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_RUN_ID": tracked,
        # azureml-mlflow signs in by itself: spare it the wait for a managed identity that is not there
        "AZURE_TOKEN_CREDENTIALS": os.environ.get("AZURE_TOKEN_CREDENTIALS", "prod" if deployed else "dev"),
    }


def find(client: WorkspaceClient, experiment: str, run_id: str) -> str | None:
    """The id in the workspace of the run `run_id` of this machine, or None."""
    return _find(client, _experiment_id(client, experiment), run_id)


def end(client: WorkspaceClient, run_id: str, status: str) -> None:
    """Record how a run of this machine ended."""
    runs.mlflow(
        client, "POST", "runs/update", run_id=run_id, status=MLFLOW_STATUSES[status], end_time=int(time.time() * 1000)
    )


def _find(client: WorkspaceClient, experiment_id: str, run_id: str) -> str | None:
    wanted: dict[str, Any] = {"filter": f"tags.`{runs.LOCAL_RUN}` = '{run_id}'", "max_results": 1}
    found = runs.mlflow(client, "POST", "runs/search", experiment_ids=[experiment_id], **wanted).get("runs")
    return str(found[0]["info"]["run_id"]) if found else None


def _experiment_id(client: WorkspaceClient, name: str) -> str:
    """The id of the experiment, which is made when it is new."""
    for _ in range(2):
        try:
            found = runs.mlflow(client, "GET", "experiments/get-by-name", experiment_name=name)
            return str(found["experiment"]["experiment_id"])
        except ServiceError as error:
            if not is_absent(error):
                raise
        with contextlib.suppress(ServiceError):  # somebody else has just made it
            return str(runs.mlflow(client, "POST", "experiments/create", name=name)["experiment_id"])
    raise UserError(f"experiment {name}: cannot be made in workspace {client.name}: make it in Studio")
