"""Runs in the workspace: to list and to show, by MLflow's own REST interface, and to cancel."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aml.azure.workspace_client import WorkspaceClient, is_absent
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
ENDED = ("finished", "failed", "cancelled")
LOCAL_RUN = "aml.run"  # tag of a run that was trained on another machine: its id there
SEARCHED = 1000  # newest runs that a part of an id is looked for in


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
        return artifacts(self.client, self.experiment, self.id)

    def reason(self) -> str:
        """The service's words for why the run failed; empty when it did not, or where it does not say."""
        if self.status != "failed":
            return ""
        with contextlib.suppress(ServiceError):
            return reason(details(self.client, self.id))
        return ""


def mlflow(client: WorkspaceClient, method: str, call: str, retries: int | None = None, **arguments: Any) -> Any:
    """A call of MLflow's REST interface, such as runs/search, in the workspace."""
    uri = client.workspace["properties"]["mlFlowTrackingUri"].replace("/mlflow/v1.0", "/mlflow/v2.0")
    address = f"https://{uri.removeprefix('azureml://')}/api/2.0/mlflow/{call}"
    if method == "GET":
        return client.send("GET", address, **arguments)
    return client.send("POST", address, arguments, retries=retries)


def _pages(client: WorkspaceClient, call: str, entries: str, **arguments: Any) -> Iterator[Any]:
    """The entries of a search, page by page."""
    while True:
        page = mlflow(client, "POST", call, **arguments)
        yield from page.get(entries, [])
        if not page.get("next_page_token"):
            return
        arguments["page_token"] = page["next_page_token"]


def list_runs(client: WorkspaceClient, experiment: str | None, limit: int) -> list[WorkspaceRun]:
    """The newest runs of an experiment, or of the workspace."""
    wanted: dict[str, Any] = {} if experiment is None else {"filter": f"name = '{experiment}'"}
    found = _pages(client, "experiments/search", "experiments", max_results=1000, **wanted)
    names = {entry["experiment_id"]: entry["name"] for entry in found}
    if not names:
        return []
    newest: dict[str, Any] = {"max_results": limit, "order_by": ["attributes.start_time DESC"]}
    entries = _pages(client, "runs/search", "runs", experiment_ids=list(names), **newest)
    return [_run(client, entry, names) for entry in itertools.islice(entries, limit)]


def find(client: WorkspaceClient, run_id: str) -> WorkspaceRun:
    """The run with that id.

    Else the only one of the newest that has it as a part of its id, or of its id on the machine that it ran on. Raises
    UserError when there is none, or several.
    """
    try:
        found = mlflow(client, "GET", "runs/get", run_id=run_id)["run"]
    except ServiceError as error:
        if not is_absent(error):
            raise
    else:
        number = found["info"]["experiment_id"]
        experiment = mlflow(client, "GET", "experiments/get", experiment_id=number)["experiment"]
        return _run(client, found, {number: experiment["name"]})
    newest = list_runs(client, None, SEARCHED)
    matches = [run for run in newest if run_id in run.id or run_id in run.tags().get(LOCAL_RUN, "")]
    if len(matches) == 1:
        return matches[0]
    what = f"fits {', '.join(run.id for run in matches[:3])}" if matches else "no such run"
    raise UserError(f"run {run_id}: {what} in workspace {client.name}; aml runs --azure lists them")


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


def _history(client: WorkspaceClient) -> str:
    return f"{client.data_plane}/history/v1.0{quote(client.scope)}"


def details(client: WorkspaceClient, run_id: str) -> Any:
    """The status of a run, its error and the addresses of its logs.

    azure-ai-ml's jobs.stream reads them here (operations/_run_operations.py).
    """
    return client.get(f"{_history(client)}/runs/{quote(run_id)}/details")


def reason(found: Any) -> str:
    """Why the run of these details failed, in the service's words."""
    error = (found.get("error") or {}).get("error") or {}
    return str(error.get("message") or "")


def artifacts(client: WorkspaceClient, experiment: str, run_id: str) -> list[str]:
    """The files that a run left. azureml-mlflow lists them here (_client/artifact/run_artifact_client.py)."""
    address = f"{_history(client)}/experiments/{quote(experiment, safe='')}/runs/{quote(run_id)}/artifacts"
    try:
        return sorted(entry["path"] for entry in client.all(address))
    except ServiceError as error:
        if is_absent(error):  # run history follows a submission by some seconds
            return []
        raise


def job(client: WorkspaceClient, run_id: str) -> Any:
    """The job of that name, or None."""
    return client.find(f"/jobs/{run_id}")


def require_job(client: WorkspaceClient, run_id: str) -> Any:
    """The job of that name. Raises UserError when there is none."""
    if (found := job(client, run_id)) is None:
        raise UserError(f"run {run_id}: no such job in workspace {client.name}; aml runs --azure lists them")
    return found


def cancel(client: WorkspaceClient, run_id: str) -> str | None:
    """Ask for the end of a job; returns its status instead when it has ended. Raises UserError when there is none."""
    found = require_job(client, run_id)
    status = STATUSES.get(found["properties"]["status"])
    if status in ENDED and not client.dry_run:
        return status
    client.send("POST", f"/jobs/{run_id}/cancel")
    return None
