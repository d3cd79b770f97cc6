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
from typing import Any, NamedTuple

import yaml

# mlflow.entities.RunStatus
STATUSES = {1: "running", 2: "scheduled", 3: "finished", 4: "failed", 5: "cancelled"}
CODES = {status: code for code, status in STATUSES.items()}
PARTS = ("artifacts", "metrics", "params", "tags")  # of a run's folder: MLflow does not recognise a run without them


class StoredRun(NamedTuple):
    """A run as MLflow's files have it. Times are seconds since the epoch."""

    folder: Path
    experiment: str
    name: str
    status: str
    start: float
    end: float | None

    @property
    def id(self) -> str:
        return self.folder.name


def create(root: Path, experiment: str, run_id: str, name: str, artifact_uri: str, tags: Mapping[str, str]) -> Path:
    """Record a run that begins now, in its experiment, which is made when it is new; returns the run's folder."""
    folder = _experiment(root, experiment) / run_id
    for part in PARTS:
        (folder / part).mkdir(parents=True)
    for key, value in tags.items():
        write_tag(folder, key, value)
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
    return folder


def end(folder: Path, status: str) -> None:
    """Record that a run ends now."""
    _write_meta(folder, {**_read_meta(folder), "status": CODES[status], "end_time": _now()})


def runs(root: Path) -> Iterator[StoredRun]:
    """All runs that were not deleted."""
    for experiment, name in _experiments(root):
        for path in experiment.glob("*/meta.yaml"):
            if (meta := _read_meta(path.parent)).get("lifecycle_stage") == "active":
                yield _stored(path.parent, name, meta)


def read(folder: Path, experiment: str) -> StoredRun:
    """One run again, as it is now."""
    return _stored(folder, experiment, _read_meta(folder))


def is_complete(folder: Path) -> bool:
    """Whether all parts of a run are there, such as the folder that holds its metrics."""
    return all((folder / part).is_dir() for part in PARTS)


def metrics(folder: Path) -> dict[str, float]:
    """The last value of each metric, by step; a line of its file is "<time> <value> <step>"."""
    texts = _read_texts(folder / "metrics")
    return {key: max(map(_point, text.split("\n")))[-1] for key, text in texts.items() if text}


def params(folder: Path) -> dict[str, str]:
    return _read_texts(folder / "params")


def tags(folder: Path) -> dict[str, str]:
    return _read_texts(folder / "tags")


def tag(folder: Path, key: str) -> str:
    """The value of a tag; nothing where there is none."""
    try:
        return (folder / "tags" / key).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write_tag(folder: Path, key: str, value: str) -> None:
    _write_text(folder / "tags" / key, value)


def remove_tag(folder: Path, key: str) -> None:
    (folder / "tags" / key).unlink(missing_ok=True)


def log(folder: Path, start: float, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
    """Record what a run logged elsewhere, as of its start."""
    for key, value in metrics.items():
        _write_text(folder / "metrics" / key, f"{start * 1000:.0f} {value!r} 0\n")
    for key, text in params.items():
        _write_text(folder / "params" / key, text)


def variables(store: PurePath, folder: Path, experiment: str, context_tags: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that lead a job's MLflow into a run, as on the service.

    `store` is mlruns/ as the job sees it. Runs that the job begins by itself get the `context_tags`.
    """
    return {
        "MLFLOW_TRACKING_URI": store.as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",  # newer MLflow wants to be asked for files
        "MLFLOW_RUN_ID": folder.name,
        "MLFLOW_EXPERIMENT_ID": folder.parent.name,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_RUN_CONTEXT": json.dumps(dict(context_tags)),
    }


def make_paths_relative(root: Path, ended: Callable[[StoredRun], bool]) -> None:
    """Let every run that ended find its artifacts from the repository's folder, so that this can be moved."""
    for path in (root / "mlruns").glob("[0-9]*/*/meta.yaml"):
        if "artifact_uri: file:" in path.read_text(encoding="utf-8"):  # faster than reading all as YAML
            meta = _read_meta(path.parent)
            inside = re.search(r"(runs/[^/]+|mlruns/\d+/[^/]+/artifacts)$", meta["artifact_uri"])
            if inside and ended(_stored(path.parent, "", meta)):
                _write_meta(path.parent, {**meta, "artifact_uri": inside[1]})


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
        meta = _read_meta(folder) or {"experiment_id": new, "lifecycle_stage": "active", "name": title}
        wanted = {"artifact_location": folder.as_uri(), "creation_time": meta.get("creation_time", _now())}
        wanted["last_update_time"] = meta.get("last_update_time", wanted["creation_time"])
        if meta != {**meta, **wanted}:  # new, the repository was moved, or made before these times were kept
            _write_meta(folder, {**meta, **wanted})
    return folders[name]


def _experiments(root: Path) -> Iterator[tuple[Path, str]]:
    """The folder and the name of each experiment."""
    for path in sorted((root / "mlruns").glob("[0-9]*/meta.yaml")):
        yield path.parent, str(_read_meta(path.parent).get("name"))


def _read_meta(folder: Path) -> dict[str, Any]:
    """The meta.yaml of a run or an experiment; empty when there is none."""
    try:
        text = (folder / "meta.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # ten times as fast where it is there
    return data if isinstance(data, dict) else {}


def _write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Whole or not at all: another run may be reading it."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".meta.{os.getpid()}"
    temporary.write_text(yaml.safe_dump(meta, allow_unicode=True), encoding="utf-8")
    for pause in (0.05, 0.2, 0.5, 1):  # Windows lets nobody replace a file while somebody reads it
        with contextlib.suppress(PermissionError):
            return os.replace(temporary, folder / "meta.yaml")
        time.sleep(pause)
    os.replace(temporary, folder / "meta.yaml")


def _read_texts(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8").strip("\n") for file in files}


def _point(line: str) -> tuple[int, int, float]:
    when, value, step, *_ = line.split()
    return int(step), int(when), float(value)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)
