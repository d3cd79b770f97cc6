"""Runs in the workspace: to list and to show, by MLflow's own REST interface, and to cancel."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aml.azure.workspace_client import WorkspaceClient
from aml.errors import ServiceError, UserError
from aml.run import Run

STATUSES = {  # MLflow's words and those of jobs, in ours
    "FINISHED": "finished",
    "Completed": "finished",
    "FAILED": "failed",
    "Failed": "failed",
    "NotResponding": "failed",
    "KILLED": "cancelled",
    "Canceled": "cancelled",
    "RUNNING": "running",
    "Running": "running",
    "Finalizing": "running",
    "SCHEDULED": "scheduled",
}


@dataclass(frozen=True)
class WorkspaceRun(Run):
    """A run in the workspace.

    Attributes:
        logged: The `data` of MLflow's run: metrics, params and tags, each a list of key and value.

    """

    client: WorkspaceClient
    logged: dict[str, Any]

    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {entry["key"]: float(entry["value"]) for entry in self.logged.get("metrics", [])}

    def params(self) -> dict[str, str]:
        """The parameters that were logged."""
        return {entry["key"]: str(entry["value"]) for entry in self.logged.get("params", [])}

    def tags(self) -> dict[str, str]:
        """All tags."""
        return {entry["key"]: str(entry["value"]) for entry in self.logged.get("tags", [])}

    def files(self) -> list[str]:
        """The names of what the run left."""
        return artifacts(self.client, self.id)


def mlflow(client: WorkspaceClient, method: str, call: str, retries: int | None = None, **arguments: Any) -> Any:
    """A call of MLflow's REST interface, such as runs/search, in the workspace."""
    uri = client.workspace["properties"]["mlFlowTrackingUri"].replace("/mlflow/v1.0", "/mlflow/v2.0")
    address = f"https://{uri.removeprefix('azureml://')}/api/2.0/mlflow/{call}"
    if method == "GET":
        return client.send("GET", address, **arguments)
    return client.send("POST", address, arguments, retries=retries)


def list_runs(client: WorkspaceClient, experiment: str | None, limit: int) -> list[WorkspaceRun]:
    """The newest runs of an experiment, or of the workspace."""
    wanted: dict[str, Any] = {} if experiment is None else {"filter": f"name = '{experiment}'"}
    found = mlflow(client, "POST", "experiments/search", max_results=1000, **wanted).get("experiments", [])
    names = {entry["experiment_id"]: entry["name"] for entry in found}
    if not names:
        return []
    newest: dict[str, Any] = {"max_results": limit, "order_by": ["attributes.start_time DESC"]}
    page = mlflow(client, "POST", "runs/search", experiment_ids=list(names), **newest)
    return [_run(client, entry, names) for entry in page.get("runs", [])]


def find(client: WorkspaceClient, run_id: str) -> WorkspaceRun:
    """The run with that id. Raises UserError when there is none."""
    try:
        found = mlflow(client, "GET", "runs/get", run_id=run_id)["run"]
    except ServiceError as error:
        if error.status == 404:
            raise UserError(
                f"run {run_id}: no such run in workspace {client.name}; aml runs --azure lists them"
            ) from None
        raise
    experiment = mlflow(client, "GET", "experiments/get", experiment_id=found["info"]["experiment_id"])["experiment"]
    return _run(client, found, {experiment["experiment_id"]: experiment["name"]})


def _run(client: WorkspaceClient, entry: Any, names: dict[str, str]) -> WorkspaceRun:
    info = entry["info"]
    start, end = int(info.get("start_time") or 0) / 1000, info.get("end_time")
    status = STATUSES.get(info["status"], info["status"].lower())
    ended = int(end) / 1000 if end else None
    name = info.get("run_name") or ""
    experiment = names[info["experiment_id"]]
    return WorkspaceRun(
        info["run_id"], experiment, name, status, start, ended, client=client, logged=entry.get("data", {})
    )


def history(client: WorkspaceClient, run_id: str, part: str = "", **query: Any) -> Any:
    """What the run history says of a run: azureml-mlflow 1.62 reads artifacts at these addresses."""
    return client.get(f"{client.data_plane}/history/v1.0{quote(client.scope)}/runs/{quote(run_id)}{part}", **query)


def artifacts(client: WorkspaceClient, run_id: str, folder: str = "") -> list[str]:
    """The files that a run left, in a folder of its own or all."""
    entries = history(client, run_id, "/artifacts", **({"path": folder} if folder else {}))["value"]
    return sorted(entry["path"] for entry in entries)


def job(client: WorkspaceClient, run_id: str) -> Any:
    """The job of that name, or None."""
    return client.find(f"/jobs/{run_id}")


def cancel(client: WorkspaceClient, run_id: str) -> None:
    """Ask for the end of a job. Raises UserError when there is none."""
    if job(client, run_id) is None:
        raise UserError(f"run {run_id}: no such job in workspace {client.name}; aml runs --azure lists them")
    client.send("POST", f"/jobs/{run_id}/cancel")
