"""Runs in the workspace, by MLflow's own REST interface: to list, to show, to follow, and to track a local run in."""

import codecs
import contextlib
import os
import posixpath
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aml.azure.workspace_client import RETRYABLE, WorkspaceClient
from aml.console import say
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
WORDS = {"finished": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
ENDED = tuple(WORDS)
LOGS = "user_logs/"
OWN = "aml.run"  # tag of a run that was trained on another machine: its id there
POLL = (1, 5)  # seconds between two looks: while something happens, and while nothing does


@dataclass(frozen=True)
class WorkspaceRun(Run):
    """A run in the workspace.

    Attributes:
        logged: The `data` of MLflow's run: metrics, params and tags, each a list of key and value.

    """

    service: WorkspaceClient
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
        return artifacts(self.service, self.id)


def mlflow(service: WorkspaceClient, method: str, call: str, retries: int | None = None, **arguments: Any) -> Any:
    """A call of MLflow's REST interface, such as runs/search, in the workspace."""
    uri = service.workspace["properties"]["mlFlowTrackingUri"].replace("/mlflow/v1.0", "/mlflow/v2.0")
    address = f"https://{uri.removeprefix('azureml://')}/api/2.0/mlflow/{call}"
    if method == "GET":
        return service.send("GET", address, **arguments)
    return service.send("POST", address, arguments, retries=retries)


def runs(service: WorkspaceClient, experiment: str | None, limit: int) -> list[WorkspaceRun]:
    """The newest runs of an experiment, or of the workspace."""
    wanted: dict[str, Any] = {} if experiment is None else {"filter": f"name = '{experiment}'"}
    found = mlflow(service, "POST", "experiments/search", max_results=1000, **wanted).get("experiments", [])
    names = {entry["experiment_id"]: entry["name"] for entry in found}
    if not names:
        return []
    newest: dict[str, Any] = {"max_results": limit, "order_by": ["attributes.start_time DESC"]}
    page = mlflow(service, "POST", "runs/search", experiment_ids=list(names), **newest)
    return [_run(service, entry, names) for entry in page.get("runs", [])]


def find(service: WorkspaceClient, run_id: str) -> WorkspaceRun:
    """The run with that id. Raises UserError when there is none."""
    try:
        found = mlflow(service, "GET", "runs/get", run_id=run_id)["run"]
    except ServiceError as error:
        if error.status == 404:
            raise UserError(
                f"run {run_id}: no such run in workspace {service.name}; aml runs --azure lists them"
            ) from None
        raise
    experiment = mlflow(service, "GET", "experiments/get", experiment_id=found["info"]["experiment_id"])["experiment"]
    return _run(service, found, {experiment["experiment_id"]: experiment["name"]})


def _run(service: WorkspaceClient, entry: Any, names: dict[str, str]) -> WorkspaceRun:
    info = entry["info"]
    start, end = int(info.get("start_time") or 0) / 1000, info.get("end_time")
    status = STATUSES.get(info["status"], info["status"].lower())
    ended = int(end) / 1000 if end else None
    name = info.get("run_name") or ""
    experiment = names[info["experiment_id"]]
    return WorkspaceRun(
        info["run_id"], experiment, name, status, start, ended, service=service, logged=entry.get("data", {})
    )


def history(service: WorkspaceClient, run_id: str, part: str = "", **query: Any) -> Any:
    """What the run history says of a run: azureml-mlflow 1.62 reads artifacts at these addresses."""
    return service.get(f"{service.data_plane}/history/v1.0{quote(service.scope)}/runs/{quote(run_id)}{part}", **query)


def artifacts(service: WorkspaceClient, run_id: str, folder: str = "") -> list[str]:
    """The files that a run left, in a folder of its own or all."""
    entries = history(service, run_id, "/artifacts", **({"path": folder} if folder else {}))["value"]
    return sorted(entry["path"] for entry in entries)


def job(service: WorkspaceClient, run_id: str) -> Any:
    """The job of that name, or None."""
    return service.find(f"/jobs/{run_id}")


def cancel(service: WorkspaceClient, run_id: str) -> None:
    """Ask for the end of a job. Raises UserError when there is none."""
    if job(service, run_id) is None:
        raise UserError(f"run {run_id}: no such job in workspace {service.name}; aml runs --azure lists them")
    service.send("POST", f"/jobs/{run_id}/cancel")


def follow(service: WorkspaceClient, run_id: str, write: Callable[[str], object]) -> tuple[str, str]:
    """Give what a job prints to `write` until it ends; returns its status, and the service's reason where it failed.

    The log is read by addresses that the run history hands out: azure-ai-ml's jobs.stream fails without an account key.
    """
    shown: dict[str, int] = {}
    decoders: dict[str, codecs.IncrementalDecoder] = {}
    before, pause, looks = "", float(POLL[0]), 5  # the last of them when the job has ended
    while True:
        found = job(service, run_id)
        if found is None:
            raise UserError(f"run {run_id}: no such job in workspace {service.name} any more")
        status = found["properties"]["status"]
        ended = STATUSES.get(status) in ENDED
        if status != before and not ended and status != "Running":
            say(f"{status.lower()} …")
        new, missed = 0, False
        for path in _logs(artifacts(service, run_id, LOGS)):
            address = history(service, run_id, "/artifacts/contentinfo", path=path)["contentUri"]
            part = service.fetch(address, shown.get(path, 0))
            missed = part is None
            if part:
                shown[path] = shown.get(path, 0) + len(part)
                decoder = decoders.setdefault(path, codecs.getincrementaldecoder("utf-8")("replace"))
                write(decoder.decode(part))
                new += len(part)
        looks -= ended
        if ended and not (missed and looks):
            return STATUSES[status], _reason(service, run_id) if status == "Failed" else ""
        pause = POLL[0] if new or status != before else min(pause * 1.5, POLL[1])
        before = status
        time.sleep(pause)


def _logs(paths: list[str]) -> list[str]:
    """Of a job's logs, the one that tells all: that of its first process."""
    texts = [path for path in paths if path.endswith(".txt")]
    return sorted(texts, key=lambda path: (posixpath.basename(path) != "std_log.txt", path))[:1]


def _reason(service: WorkspaceClient, run_id: str) -> str:
    error = (history(service, run_id, "/details").get("error") or {}).get("error") or {}
    return str(error.get("message") or "")


def start(service: WorkspaceClient, experiment: str, run_id: str, tags: dict[str, str]) -> dict[str, str]:
    """Begin a run in the workspace for the run `run_id` of this machine; returns what leads its MLflow there.

    Where the answer to the request is lost, the run is looked for, and not made twice.
    """
    experiment_id = _experiment(service, experiment)
    own = {"key": OWN, "value": run_id}
    new: dict[str, Any] = {
        "run_name": run_id,
        "tags": [own, *({"key": key, "value": value} for key, value in tags.items())],
    }
    new |= {"experiment_id": experiment_id, "start_time": int(time.time() * 1000)}
    begun: list[Any] = []
    for _ in range(5):
        begun = begun or _begun(service, experiment_id, run_id)
        if begun:
            break
        try:
            begun = [mlflow(service, "POST", "runs/create", retries=0, **new)["run"]]
        except ServiceError as error:
            if error.status not in (0, *RETRYABLE):
                raise
    else:
        raise UserError(f"workspace {service.name}: the run cannot be recorded there: run it again later")
    deployed = {"MSI_ENDPOINT", "IDENTITY_ENDPOINT", "AZURE_CLIENT_ID"} & os.environ.keys()
    return {
        "MLFLOW_TRACKING_URI": service.workspace["properties"]["mlFlowTrackingUri"],
        "MLFLOW_EXPERIMENT_ID": experiment_id,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_RUN_ID": begun[0]["info"]["run_id"],
        # azureml-mlflow signs in by itself: spare it the wait for a managed identity that is not there
        "AZURE_TOKEN_CREDENTIALS": os.environ.get("AZURE_TOKEN_CREDENTIALS", "prod" if deployed else "dev"),
    }


def tracked(service: WorkspaceClient, experiment: str, run_id: str) -> str | None:
    """The id in the workspace of the run `run_id` of this machine, or None."""
    begun = _begun(service, _experiment(service, experiment), run_id)
    return str(begun[0]["info"]["run_id"]) if begun else None


def _begun(service: WorkspaceClient, experiment_id: str, run_id: str) -> list[Any]:
    wanted: dict[str, Any] = {"filter": f"tags.`{OWN}` = '{run_id}'", "max_results": 1}
    found: list[Any] = mlflow(service, "POST", "runs/search", experiment_ids=[experiment_id], **wanted).get("runs", [])
    return found


def _experiment(service: WorkspaceClient, name: str) -> str:
    """The id of the experiment, which is made when it is new."""
    for _ in range(2):
        try:
            found = mlflow(service, "GET", "experiments/get-by-name", experiment_name=name)
            return str(found["experiment"]["experiment_id"])
        except ServiceError as error:
            if error.status != 404:
                raise
        with contextlib.suppress(ServiceError):  # somebody else has just made it
            return str(mlflow(service, "POST", "experiments/create", name=name)["experiment_id"])
    raise UserError(f"experiment {name}: cannot be made in workspace {service.name}: make it in Studio")


def end(service: WorkspaceClient, run_id: str, status: str) -> None:
    """Record how a run of this machine ended."""
    mlflow(service, "POST", "runs/update", run_id=run_id, status=WORDS[status], end_time=int(time.time() * 1000))
