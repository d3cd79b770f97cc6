"""MLflow's file store, mlruns/: the only module that knows its format.

Importing MLflow takes two seconds, so runs are written and read here as the plain files that they are, which every
MLflow from 2.x to 3.15 writes and reads. MLflow calls this format "in maintenance mode": another one would replace
this module, and nothing else.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from aml.console import display_path, say
from aml.files import inside, write_atomically

if TYPE_CHECKING:
    from mlflow import MlflowClient

# mlflow.entities.RunStatus
STATUSES = {1: "running", 2: "scheduled", 3: "finished", 4: "failed", 5: "cancelled"}
CODES = {status: code for code, status in STATUSES.items()}
# For every process that reads or writes the store: newer MLflow wants to be asked for files, and would report its use.
VARIABLES = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


# What a file raises that was cut off, or that another program wrote.
UNREADABLE = (OSError, ValueError, TypeError, KeyError, yaml.YAMLError)


class StoredRun(NamedTuple):
    """A run as MLflow's files have it. Times are seconds since the epoch. What was logged is read when asked for."""

    folder: Path
    experiment: str
    name: str
    status: str
    start: float
    end: float | None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    def has_metrics(self) -> bool:
        """Whether what holds the metrics is there, were it empty."""
        return (self.folder / "metrics").is_dir()

    def metrics(self, *, strict: bool = True) -> dict[str, float]:
        """The last value of each metric, by step; a line of its file is "<time> <value> <step>".

        Raises ValueError for a line that is none, unless it is not `strict`: then that line does not count.
        """
        values = {}
        for key, text in _read_texts(self.folder / "metrics").items():
            points = []
            for line in text.split("\n") if text else ():
                with contextlib.nullcontext() if strict else contextlib.suppress(ValueError):
                    points.append(_point(line))
            if points:
                values[key] = max(points)[-1]
        return values

    def params(self) -> dict[str, str]:
        """The parameters."""
        return _read_texts(self.folder / "params")

    def tags(self) -> dict[str, str]:
        """All tags."""
        return _read_texts(self.folder / "tags")

    def tag(self, key: str) -> str:
        """The value of one tag; empty where there is none."""
        try:
            return (self.folder / "tags" / key).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def artifacts(self) -> list[Path]:
        """The files that MLflow keeps for a run that no job of this repository is."""
        return [path for path in (self.folder / "artifacts").rglob("*") if path.is_file()]

    def logged_models(self) -> dict[str, Path]:
        """The folder of each model that MLflow 3 keeps outside of the run, by the name that it was logged with."""
        found = {}
        for folder in sorted((self.folder / "outputs").glob("m-*")):
            model = self.folder.parent / "models" / folder.name
            with _left_out(model / "meta.yaml"):
                found[str(_read_meta(model)["name"])] = model / "artifacts"
        return dict(sorted(found.items()))


class StoredVersion(NamedTuple):
    """A registered version of a model as MLflow's files have it. `source` is where the model is."""

    model: str
    number: int
    run_id: str
    source: str
    tags: dict[str, str]


def create_run(
    root: Path, experiment: str, run_id: str, name: str, artifact_uri: str, tags: Mapping[str, str]
) -> StoredRun:
    """Record a run that begins now, in its experiment, which is made when it is new."""
    folder = _experiment(root, experiment) / run_id
    for part in ("artifacts", "metrics", "params", "tags"):  # MLflow does not recognise a run without them
        (folder / part).mkdir(parents=True)
    for key, value in tags.items():
        _write_text(folder / "tags" / key, value)
    meta: dict[str, Any] = {
        "artifact_uri": artifact_uri,
        "end_time": None,
        "entry_point_name": "",
        "experiment_id": folder.parent.name,
        "lifecycle_stage": "active",
        "run_id": run_id,
        "run_name": name,
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": _now(),
        "status": CODES["running"],
        "tags": [],
        "user_id": os.environ.get("USER") or os.environ.get("USERNAME") or "unknown",
    }
    _write_meta(folder, meta)
    return _stored(folder, experiment, meta)


def read_runs(root: Path) -> Iterator[StoredRun]:
    """All runs that were not deleted. One that cannot be read is said, and left out."""
    for experiment, name in _experiments(root):
        for path in experiment.glob("*/meta.yaml"):
            with _left_out(path):
                if (meta := _read_meta(path.parent)).get("lifecycle_stage") == "active":
                    yield _stored(path.parent, name, meta)


def update_run(
    run: StoredRun,
    status: str | None = None,
    tags: Mapping[str, str | None] | None = None,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, str] | None = None,
) -> StoredRun:
    """Record what is given, and return the run as it is then, with what others have written meanwhile.

    A `status` ends the run now. A tag that is None is removed. Metrics are recorded as of the start of the run.
    """
    for key, value in (metrics or {}).items():
        _write_text(inside(run.folder / "metrics", key), f"{run.start * 1000:.0f} {value!r} 0\n")
    for key, text in (params or {}).items():
        _write_text(inside(run.folder / "params", key), text)
    if status:
        _write_meta(run.folder, {**_read_meta(run.folder), "status": CODES[status], "end_time": _now()})
    for key, tag in (tags or {}).items():
        if tag is None:
            (run.folder / "tags" / key).unlink(missing_ok=True)
        else:
            _write_text(run.folder / "tags" / key, tag)
    return _stored(run.folder, run.experiment, _read_meta(run.folder))


def job_variables(store: PurePath, run: StoredRun, context_tags: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that lead a job's MLflow into a run, as on the service.

    `store` is mlruns/ as the job sees it. Runs that the job begins by itself get the `context_tags`.
    """
    return {
        **VARIABLES,
        "MLFLOW_TRACKING_URI": store.as_uri(),
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": run.folder.parent.name,
        "MLFLOW_EXPERIMENT_NAME": run.experiment,
        "MLFLOW_RUN_CONTEXT": json.dumps(dict(context_tags)),
    }


def client(root: Path) -> "MlflowClient":
    """MLflow's own client of the store and its model registry. The import takes two seconds."""
    os.environ.update(VARIABLES)
    from mlflow import MlflowClient

    uri = (root / "mlruns").as_uri()
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def read_model_versions(root: Path, name: str | None = None) -> Iterator[StoredVersion]:
    """The registered versions of a model, or of all models. One that cannot be read is said, and left out."""
    for path in sorted((root / "mlruns" / "models").glob(f"{name or '*'}/version-*/meta.yaml")):
        with _left_out(path):
            meta = _read_meta(path.parent)
            if meta.get("current_stage") != "Deleted_Internal":
                tags = _read_texts(path.parent / "tags")
                yield StoredVersion(
                    str(meta["name"]), int(meta["version"]), str(meta["run_id"] or ""), str(meta["source"]), tags
                )


def page_of_runs(run: StoredRun) -> str:
    """The page of MLflow's UI that lists the runs of the run's experiment, with the run's metrics as columns.

    The UI opens a view that an experiment's tag describes; source: useSharedExperimentViewState in MLflow's UI.
    """
    # In the order in which they are shown, up to a dozen: more do not fit on a screen.
    columns = [f"metrics.`{key}`" for key in list(run.metrics())[:12]]
    view = json.dumps({"selectedColumns": columns})
    _write_text(run.folder.parent / "tags" / "mlflow.sharedViewState.aml", view)
    return f"#/experiments/{run.folder.parent.name}/runs?workflowType=machine_learning&viewStateShareKey=aml"


def make_paths_relative(root: Path, ended: Callable[[StoredRun], bool]) -> None:
    """Let every run that ended, and its models, find their artifacts from the repository's folder: it may be moved."""
    for pattern, key in (("*", "artifact_uri"), ("models/m-*", "artifact_location")):
        for path in (root / "mlruns").glob(f"[0-9]*/{pattern}/meta.yaml"):
            with contextlib.suppress(*UNREADABLE):  # read_runs says it
                if f"{key}: file:" not in path.read_text(encoding="utf-8"):  # faster than reading all as YAML
                    continue
                meta = _read_meta(path.parent)
                run = path.parent
                if key == "artifact_location":
                    run = path.parents[2] / str(meta["source_run_id"])
                inside = re.search(r"(runs/[^/]+|mlruns/\d+/(models/)?[^/]+/artifacts)$", meta[key])
                if inside and ended(_stored(run, "", _read_meta(run))):
                    _write_meta(path.parent, {**meta, key: inside[1]})


def _stored(folder: Path, experiment: str, meta: dict[str, Any]) -> StoredRun:
    end_time = meta["end_time"] / 1000 if meta.get("end_time") else None
    name, status = str(meta.get("run_name") or ""), STATUSES[meta["status"]]
    return StoredRun(folder, experiment, name, status, meta["start_time"] / 1000, end_time)


def _experiment(root: Path, name: str) -> Path:
    """The experiment's folder, made when it is new. Two first runs at once agree on it: it follows from the name."""
    folders = {title: folder for folder, title in _experiments(root)}
    for title in ("Default", name):  # MLflow does not start without its Default
        new = "0" if title == "Default" else str(int(hashlib.sha256(title.encode()).hexdigest()[:15], 16))
        folder = folders.setdefault(title, root / "mlruns" / new)
        meta: dict[str, Any] = {}
        with contextlib.suppress(*UNREADABLE):  # cut off: it is written anew
            meta = _read_meta(folder)
        meta = meta or {"experiment_id": new, "lifecycle_stage": "active", "name": title}
        wanted = {"artifact_location": folder.as_uri(), "creation_time": meta.get("creation_time", _now())}
        wanted["last_update_time"] = meta.get("last_update_time", wanted["creation_time"])
        if meta != {**meta, **wanted}:  # new, the repository was moved, or made before these times were kept
            _write_meta(folder, {**meta, **wanted})
    return folders[name]


def _experiments(root: Path) -> Iterator[tuple[Path, str]]:
    """The folder and the name of each experiment."""
    for path in sorted((root / "mlruns").glob("[0-9]*/meta.yaml")):
        with _left_out(path):
            yield path.parent, str(_read_meta(path.parent)["name"])


@contextlib.contextmanager
def _left_out(path: Path) -> Iterator[None]:
    """Say that the file cannot be read, should that be so, and go on without it."""
    try:
        yield
    except UNREADABLE as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        say(f"{display_path(path)}: cannot be read, and is left out: {reason}")


def _read_meta(folder: Path) -> dict[str, Any]:
    """The meta.yaml of a run or an experiment; empty when there is none."""
    try:
        text = (folder / "meta.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it is there
    data = yaml.load(text, Loader=loader)  # noqa: S506  # both are safe loaders
    return data if isinstance(data, dict) else {}


def _write_meta(folder: Path, meta: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "meta.yaml", yaml.safe_dump(meta, allow_unicode=True))


def _read_texts(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8", errors="replace").strip("\n")
        for file in files
    }


def _point(line: str) -> tuple[int, int, float]:
    when, value, step, *_ = line.split()
    return int(step), int(when), float(value)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)
