"""MLflow's tracking server, as a workspace is one.

Source: MLflow's REST API (docs/source/rest-api.rst) below the addresses of azureml-mlflow 1.62
(`_store/azureml_reststore.py`). Logged models, new in MLflow 3, are not there in Azure Machine Learning either:
azure-sdk-for-python#44896.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .cloud import WS, Workspace, workspace_of
from .wire import Json, Request, Response, Router

if TYPE_CHECKING:
    from collections.abc import Callable

router = Router()
_API = r"/mlflow/v[12]\.0" + WS + r"/api/[23]\.0/mlflow"
_STATUSES = {
    "RUNNING": "Running",
    "SCHEDULED": "NotStarted",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
}


class MlflowError(Exception):
    def __init__(self, code: str, message: str, status: int = 404) -> None:
        super().__init__(message)
        self.response = Response(status, {"error_code": code, "message": message})


@dataclass
class Experiment:
    name: str
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: int = field(default_factory=lambda: _now())

    def as_json(self, workspace: Workspace) -> Json:
        return {
            "experiment_id": self.identifier,
            "name": self.name,
            "artifact_location": "",
            "lifecycle_stage": "active",
            "creation_time": self.created,
            "last_update_time": self.created,
            "tags": [],
        }


@dataclass(repr=False)
class Run:
    """A run, whether a job made it or MLflow on someone's machine."""

    workspace: Workspace
    experiment: Experiment
    identifier: str
    name: str
    started: int = field(default_factory=lambda: _now())
    ended: int | None = None
    #: In the words of Azure: NotStarted, Preparing, Running, Completed, Failed, Canceled.
    status: str = "Running"
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[Json]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Json] = field(default_factory=dict)
    error: str | None = None
    deleted: bool = False

    @property
    def artifact_prefix(self) -> str:
        return f"ExperimentRun/dcid.{self.identifier}/"

    @property
    def info(self) -> Json:
        plane = f"{self.workspace.location}.api.azureml.ms"
        states = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotStarted": "SCHEDULED"}
        info: Json = {
            "run_uuid": self.identifier,
            "run_id": self.identifier,
            "run_name": self.name,
            "experiment_id": self.experiment.identifier,
            "user_id": "Someone",
            "status": states.get(self.status, "RUNNING"),
            "start_time": self.started,
            "artifact_uri": f"azureml://{plane}/mlflow/v2.0{self.workspace.scope}"
            f"/experiments/{self.experiment.name}/runs/{self.identifier}/artifacts",
            "lifecycle_stage": "deleted" if self.deleted else "active",
        }
        if self.ended:
            info["end_time"] = self.ended
        return info

    @property
    def as_json(self) -> Json:
        return {
            "info": self.info,
            "data": {
                "metrics": [max(points, key=lambda p: (p["step"], p["timestamp"])) for points in self.metrics.values()],
                "params": [{"key": key, "value": value} for key, value in self.params.items()],
                "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
            },
        }

    def log(self, metrics: list[Json], params: list[Json], tags: list[Json]) -> None:
        for param in params:
            before = self.params.get(param["key"])
            if before is not None and before != param.get("value", ""):
                raise MlflowError(
                    "INVALID_PARAMETER_VALUE",
                    f"Changing param values is not allowed. Param with key='{param['key']}' was already logged with "
                    f"value='{before}' for run ID='{self.identifier}'.",
                    400,
                )
            self.params[param["key"]] = param.get("value", "")
        for metric in metrics:
            point = {
                "key": metric["key"],
                "value": metric.get("value", 0),
                "timestamp": int(metric.get("timestamp") or _now()),
                "step": int(metric.get("step") or 0),
            }
            self.metrics.setdefault(metric["key"], []).append(point)
        for tag in tags:
            self.tags[tag["key"]] = tag.get("value", "")
            if tag["key"] == "mlflow.runName":
                self.name = tag.get("value", "")


def experiment_of(workspace: Workspace, name: str) -> Experiment:
    """The experiment of that name, made on first use as the service does for a job."""
    for known in workspace.experiments.values():
        if known.name == name:
            return known
    made = Experiment(name)
    workspace.experiments[made.identifier] = made
    return made


def _on(method: str, path: str) -> Callable[[Callable[[Workspace, Json], Json]], Any]:
    """Register a call of MLflow: workspace and arguments in, answer out."""

    def register(function: Callable[[Workspace, Json], Json]) -> Any:
        @router.on(method, f"{_API}/{path}")
        def handler(request: Request) -> Response:
            write = "experiments/runs/write" if not re.search("get|search|list", path) else "experiments/runs/read"
            workspace = workspace_of(request, write)
            arguments = dict(request.query) if request.method == "GET" else request.json
            try:
                return Response(200, function(workspace, arguments))
            except MlflowError as error:
                return error.response

        return function

    return register


def _run(workspace: Workspace, arguments: Json) -> Run:
    identifier = arguments.get("run_id") or arguments.get("run_uuid") or ""
    if identifier not in workspace.runs:
        raise MlflowError("RESOURCE_DOES_NOT_EXIST", f"Run {identifier} was not found.")
    return workspace.runs[identifier]


@_on("GET", "experiments/get-by-name")
def get_experiment_by_name(workspace: Workspace, arguments: Json) -> Json:
    name = arguments["experiment_name"]
    for known in workspace.experiments.values():
        if known.name == name:
            return {"experiment": known.as_json(workspace)}
    raise MlflowError("RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name '{name}'.")


@_on("GET", "experiments/get")
def get_experiment(workspace: Workspace, arguments: Json) -> Json:
    known = workspace.experiments.get(arguments["experiment_id"])
    if known is None:
        raise MlflowError("RESOURCE_DOES_NOT_EXIST", f"Could not find experiment {arguments['experiment_id']}.")
    return {"experiment": known.as_json(workspace)}


@_on("POST", "experiments/create")
def create_experiment(workspace: Workspace, arguments: Json) -> Json:
    name = arguments["name"]
    if any(known.name == name for known in workspace.experiments.values()):
        raise MlflowError("RESOURCE_ALREADY_EXISTS", f"Experiment {name} already exists.", 400)
    return {"experiment_id": experiment_of(workspace, name).identifier}


@_on("GET|POST", "experiments/(?:search|list)")
def search_experiments(workspace: Workspace, arguments: Json) -> Json:
    return {"experiments": [known.as_json(workspace) for known in workspace.experiments.values()]}


@_on("POST", "runs/create")
def create_run(workspace: Workspace, arguments: Json) -> Json:
    experiment = workspace.experiments.get(arguments["experiment_id"])
    if experiment is None:
        raise MlflowError("RESOURCE_DOES_NOT_EXIST", f"Could not find experiment {arguments['experiment_id']}.")
    identifier = str(uuid.uuid4())
    run = Run(workspace, experiment, identifier, arguments.get("run_name") or identifier)
    run.started = int(arguments.get("start_time") or run.started)
    run.log([], [], arguments.get("tags", []))
    workspace.runs[identifier] = run
    return {"run": run.as_json}


@_on("GET", "runs/get")
def get_run(workspace: Workspace, arguments: Json) -> Json:
    return {"run": _run(workspace, arguments).as_json}


@_on("POST", "runs/update")
def update_run(workspace: Workspace, arguments: Json) -> Json:
    run = _run(workspace, arguments)
    if "status" in arguments and run.identifier not in workspace.jobs:
        run.status = _STATUSES.get(arguments["status"], "Running")
    if arguments.get("end_time"):
        run.ended = int(arguments["end_time"])
    run.name = arguments.get("run_name") or run.name
    return {"run_info": run.info}


@_on("POST", "runs/delete")
def delete_run(workspace: Workspace, arguments: Json) -> Json:
    _run(workspace, arguments).deleted = True
    return {}


@_on("POST", "runs/log-metric")
def log_metric(workspace: Workspace, arguments: Json) -> Json:
    _run(workspace, arguments).log([arguments], [], [])
    return {}


@_on("POST", "runs/log-parameter")
def log_parameter(workspace: Workspace, arguments: Json) -> Json:
    _run(workspace, arguments).log([], [arguments], [])
    return {}


@_on("POST", "runs/set-tag")
def set_tag(workspace: Workspace, arguments: Json) -> Json:
    _run(workspace, arguments).log([], [], [arguments])
    return {}


@_on("POST", "runs/delete-tag")
def delete_tag(workspace: Workspace, arguments: Json) -> Json:
    _run(workspace, arguments).tags.pop(arguments["key"], None)
    return {}


@_on("POST", "runs/log-batch(?:-async)?")
def log_batch(workspace: Workspace, arguments: Json) -> Json:
    """Synchronous either way: without a batch_tracking_id azureml-mlflow doesn't wait (`_store/tracking/store.py`)."""
    _run(workspace, arguments).log(*(arguments.get(key, []) for key in ("metrics", "params", "tags")))
    return {}


@_on("POST", "runs/(?:log-inputs|outputs|log-model)")
def log_inputs(workspace: Workspace, arguments: Json) -> Json:
    return {}


@_on("GET", "metrics/get-history")
def get_metric_history(workspace: Workspace, arguments: Json) -> Json:
    return {"metrics": _run(workspace, arguments).metrics.get(arguments["metric_key"], [])}


@_on("POST", "runs/search")
def search_runs(workspace: Workspace, arguments: Json) -> Json:
    """Newest first; comparisons joined with `and`; order_by is not read."""
    wanted = arguments.get("experiment_ids") or list(workspace.experiments)
    conditions = [
        _condition(text) for text in re.split(r"\s+and\s+", arguments.get("filter") or "", flags=re.I) if text
    ]
    found = [
        run.as_json
        for run in sorted(workspace.runs.values(), key=lambda run: -run.started)
        if run.experiment.identifier in wanted and not run.deleted and all(fits(run) for fits in conditions)
    ]
    return {"runs": found[: int(arguments.get("max_results") or 1000)]}


def _condition(text: str) -> Callable[[Run], bool]:
    found = re.fullmatch(r"\s*(?:(\w+)\.)?[`\"]?([^`\"=!<>]+?)[`\"]?\s*(=|!=|<=|>=|<|>|LIKE)\s*(.+?)\s*", text, re.I)
    if not found:
        raise MlflowError("INVALID_PARAMETER_VALUE", f"Invalid clause in filter: {text}", 400)
    where, key, operator, literal = found[1] or "attributes", found[2], found[3].upper(), found[4].strip("'\"")

    def fits(run: Run) -> bool:
        value: Any
        if where.startswith("metric"):
            points = run.metrics.get(key)
            value, other = (points[-1]["value"] if points else None), float(literal)
        else:
            attributes = {"status": run.info["status"], "run_id": run.identifier, "run_name": run.name}
            source = {"p": run.params, "t": run.tags, "a": attributes}[where[0].lower()]
            value, other = source.get(key), literal  # type: ignore[assignment]
        if value is None:
            return operator == "!="
        return bool(
            {
                "=": lambda: value == other,
                "!=": lambda: value != other,
                "<": lambda: value < other,
                ">": lambda: value > other,
                "<=": lambda: value <= other,
                ">=": lambda: value >= other,
                "LIKE": lambda: re.fullmatch(re.escape(str(other)).replace("%", ".*"), str(value)) is not None,
            }[operator]()
        )

    return fits


@router.on("GET|POST|PATCH", f"{_API}/logged-models{{rest*}}")
@router.on("GET|POST|PATCH", f"{_API}/logged-models")
def no_logged_models(request: Request) -> Response:
    return MlflowError("ENDPOINT_NOT_FOUND", "Not found: logged-models").response


def _now() -> int:
    return int(time.time() * 1000)
