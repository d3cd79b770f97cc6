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
from typing import TYPE_CHECKING, Any, TypeVar

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


#: `metrics.m`, or `tags.` and a key in quotes.
_KEY = r"(?:(\w+)\.)?[`\"]?([^`\"=!<>]+?)[`\"]?"


class MlflowError(Exception):
    def __init__(self, code: str, message: str, status: int = 404) -> None:
        super().__init__(message)
        self.response = Response(status, {"error_code": code, "message": message})


@dataclass
class Experiment:
    name: str
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: int = field(default_factory=lambda: _now())  # noqa: PLW0108  # defined below

    @property
    def searched(self) -> dict[str, Json]:
        """What a search can ask for, by the first letter of `attributes`."""
        attributes = {"name": self.name, "creation_time": self.created, "last_update_time": self.created}
        return {"a": attributes}

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
    started: int = field(default_factory=lambda: _now())  # noqa: PLW0108  # defined below
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
    #: How many more requests are told that run history does not know it yet.
    unknown: int = 0

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

    @property
    def searched(self) -> dict[str, Json]:
        """What a search can ask for, by the first letter of `attributes`, `metrics`, `params` and `tags`."""
        times = {"start_time": self.started, "end_time": self.ended}
        return {
            "a": {"status": self.info["status"], "run_id": self.identifier, "run_name": self.name, **times},
            "m": {key: points[-1]["value"] for key, points in self.metrics.items()},
            "p": self.params,
            "t": self.tags,
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


_Searched = TypeVar("_Searched", Run, Experiment)


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
    found, more = _search(workspace, list(workspace.experiments.values()), arguments)
    return {"experiments": [known.as_json(workspace) for known in found], **more}


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
    """Newest first, unless order_by says otherwise."""
    wanted = arguments.get("experiment_ids") or list(workspace.experiments)
    runs = sorted(reversed(workspace.runs.values()), key=lambda run: -run.started)  # noqa: C414  # of two at once the later
    known = [run for run in runs if run.experiment.identifier in wanted and not run.deleted]
    found, more = _search(workspace, known, arguments)
    return {"runs": [run.as_json for run in found], **more}


def _search(workspace: Workspace, known: list[_Searched], arguments: Json) -> tuple[list[_Searched], Json]:
    """The page asked for of those that fit, in order, and the token of the next page, if there is one.

    A filter is comparisons joined with `and`.
    """
    comparisons = re.split(r"\s+and\s+", arguments.get("filter") or "", flags=re.IGNORECASE)
    conditions = [_condition(text) for text in comparisons if text]
    found = [one for one in known if all(fits(one.searched) for fits in conditions)]
    for clause in reversed(arguments.get("order_by") or []):
        found = _ordered(found, clause)
    start = int(arguments.get("page_token") or 0)
    end = start + min(int(arguments.get("max_results") or 1000), workspace.service.page_size)
    return found[start:end], ({"next_page_token": str(end)} if end < len(found) else {})


def _ordered(found: list[_Searched], clause: str) -> list[_Searched]:
    """By `metrics.m DESC`, say; those without a value come last either way."""
    parts = re.fullmatch(rf"\s*{_KEY}(?:\s+(ASC|DESC))?\s*", clause, re.IGNORECASE)
    if not parts:
        raise MlflowError("INVALID_PARAMETER_VALUE", f"Invalid order_by clause: {clause}", 400)
    where, key, downwards = parts[1], parts[2], (parts[3] or "").upper() == "DESC"

    def value(one: _Searched) -> Any:
        return _value(one.searched, where, key)

    present = sorted((one for one in found if value(one) is not None), key=value, reverse=downwards)
    return present + [one for one in found if value(one) is None]


def _value(searched: dict[str, Json], where: str | None, key: str) -> Any:
    """What `metrics.m` stands for; a key alone, and `run.key`, are attributes."""
    letter = (where or "a")[0].lower()
    return searched.get("a" if letter == "r" else letter, {}).get(key)


def _condition(text: str) -> Callable[[dict[str, Json]], bool]:
    found = re.fullmatch(rf"\s*{_KEY}\s*(=|!=|<=|>=|<|>|LIKE)\s*(.+?)\s*", text, re.IGNORECASE)
    if not found:
        raise MlflowError("INVALID_PARAMETER_VALUE", f"Invalid clause in filter: {text}", 400)
    where, key, operator, literal = found[1], found[2], found[3].upper(), found[4].strip("'\"")

    def fits(searched: dict[str, Json]) -> bool:
        value = _value(searched, where, key)
        if value is None:
            return operator == "!="
        other: Any = literal if isinstance(value, str) else float(literal)
        comparisons: dict[str, Callable[[], object]] = {
            "=": lambda: value == other,
            "!=": lambda: value != other,
            "<": lambda: value < other,
            ">": lambda: value > other,
            "<=": lambda: value <= other,
            ">=": lambda: value >= other,
            "LIKE": lambda: re.fullmatch(re.escape(str(other)).replace("%", ".*"), str(value)),
        }
        return bool(comparisons[operator]())

    return fits


@router.on("GET|POST|PATCH", f"{_API}/logged-models{{rest*}}")
@router.on("GET|POST|PATCH", f"{_API}/logged-models")
def no_logged_models(request: Request) -> Response:
    return MlflowError("ENDPOINT_NOT_FOUND", "Not found: logged-models").response


def _now() -> int:
    return int(time.time() * 1000)
