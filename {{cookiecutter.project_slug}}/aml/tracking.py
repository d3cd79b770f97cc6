"""Runs on this machine, in MLflow's file store: mlruns/ for what MLflow shows, runs/<id>/ for what a run made.

Importing MLflow takes two seconds, so a run is written and read here as the plain files that it is; every MLflow
from 2.x to 3.15 reads and writes them (tested with 2.22, 3.10 and 3.15). Paths of artifacts are kept relative to
the repository, so that it can be renamed and moved.
"""

import getpass
import hashlib
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from aml import Refusal, process

# mlflow.entities.RunStatus
STATUSES = {1: "running", 2: "scheduled", 3: "finished", 4: "failed", 5: "cancelled"}
CODES = {status: code for code, status in STATUSES.items()}
RUNNER = "aml.runner"  # tag: the process that watches over a run
PROCESS = "aml.process"  # tag: the job's own
OWN_TAGS = (RUNNER, PROCESS, "mlflow.runName")
LAYOUT = ("artifacts", "metrics", "params", "tags")  # MLflow does not recognise a run without them


@dataclass(frozen=True)
class Run:
    id: str
    experiment: str
    name: str
    status: str
    start: float  # seconds since the epoch
    end: float | None
    folder: Path  # of the record, below mlruns/

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.end or time.time()) - self.start

    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        # A line is "<time> <value> <step>".
        return {key: float(text.split("\n")[-1].split()[1]) for key, text in _values(self.folder / "metrics").items()}

    def params(self) -> dict[str, str]:
        return _values(self.folder / "params")

    def tags(self) -> dict[str, str]:
        return _values(self.folder / "tags")


def _values(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    values = {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8").strip("\n") for file in files}
    return {key: text for key, text in values.items() if text or folder.name != "metrics"}


def _write_yaml(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all: another run may be reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    os.replace(temporary, path)


def _read_yaml(path: Path) -> dict[str, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data if isinstance(data, dict) else {}


def _experiment(root: Path, name: str) -> str:
    """The id of the experiment, made when it is new. Two first runs at once agree on it: it follows from the name."""
    ids = {data["name"]: id for id, data in _experiments(root).items()}
    for title in ("Default", name):  # MLflow does not start without its Default
        new = "0" if title == "Default" else str(int(hashlib.sha256(title.encode()).hexdigest()[:15], 16))
        path = root / "mlruns" / ids.setdefault(title, new) / "meta.yaml"
        meta = _read_yaml(path) if path.exists() else {"experiment_id": new, "lifecycle_stage": "active", "name": title}
        if meta.get("artifact_location") != path.parent.as_uri():  # new, or the repository was moved
            _write_yaml(path, {**meta, "artifact_location": path.parent.as_uri()})
    return ids[name]


def _experiments(root: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: _read_yaml(path) for path in sorted((root / "mlruns").glob("[0-9]*/meta.yaml"))}


def new_id() -> str:
    """Sorts by time, and is unique among runs that start in the same second."""
    return time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


def start(root: Path, run_id: str, experiment: str, name: str, tags: dict[str, str], artifact_uri: str) -> Run:
    """Record a run that this process watches over, as running. The job finds runs/<id>/ at `artifact_uri`."""
    for key in tags:
        if not re.fullmatch(r"[\w.\- ]+(/[\w.\- ]+)*", key) or ".." in key:  # MLflow's rule; each is a file
            raise Refusal(f"tag {key!r}: use letters, digits and _ - . / only")
    experiment_id = _experiment(root, experiment)
    folder = root / "mlruns" / experiment_id / run_id
    for part in LAYOUT:
        (folder / part).mkdir(parents=True)
    runner = process.identity(os.getpid())
    for key, value in {"mlflow.runName": name, RUNNER: runner, **_git_tags(root), **tags}.items():
        _write_tag(folder, key, value)
    _write_yaml(
        folder / "meta.yaml",
        {
            "artifact_uri": artifact_uri,
            "end_time": None,
            "entry_point_name": "",
            "experiment_id": experiment_id,
            "lifecycle_stage": "active",
            "run_id": run_id,
            "run_name": name,
            "source_name": "",
            "source_type": 4,
            "source_version": "",
            "start_time": int(time.time() * 1000),
            "status": CODES["running"],
            "tags": [],
            "user_id": _user(),
        },
    )
    return find(root, run_id)


def note_process(run: Run, pid: int) -> None:
    """Remember the job's process, so that it can be ended should this process be killed."""
    _write_tag(run.folder, PROCESS, process.identity(pid))


def _write_tag(folder: Path, key: str, value: str) -> None:
    path = folder / "tags" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value, encoding="utf-8")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "unknown"


def _git_tags(root: Path) -> dict[str, str]:
    """The commit, under the names that azure-ai-ml gives to a job's properties; nothing outside of git."""
    try:
        command = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    lines = done.stdout.splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    tags = {
        "mlflow.source.git.commit": heads.get("branch.oid", ""),
        "mlflow.source.git.branch": heads.get("branch.head", ""),
        "azureml.git.dirty": str(any(not line.startswith("#") for line in lines)),
    }
    return {} if tags["mlflow.source.git.commit"] == "(initial)" else tags


def finish(root: Path, run: Run, status: str) -> None:
    """Record how a run ended: collect what its code left in outputs/ and logs/, and make its paths relative."""
    folder = root / "runs" / run.id
    for name in ("outputs", "logs"):
        for file in sorted((folder / "code" / name).rglob("*")):
            if file.is_file():
                target = folder / name / file.relative_to(folder / "code" / name)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    meta = _read_yaml(run.folder / "meta.yaml")
    meta.update(status=CODES[status], end_time=int(time.time() * 1000))
    _write_yaml(run.folder / "meta.yaml", meta)
    make_paths_relative(root)


def make_paths_relative(root: Path) -> None:
    """Let every run that ended find its artifacts from the repository's folder, wherever that is now."""
    for path in (root / "mlruns").glob("[0-9]*/*/meta.yaml"):
        meta = _read_yaml(path)
        inside = re.search(r"(runs/[^/]+|mlruns/\d+/[^/]+/artifacts)$", str(meta.get("artifact_uri", "")))
        if inside and meta["artifact_uri"] != inside[1] and meta.get("status") != CODES["running"]:
            _write_yaml(path, {**meta, "artifact_uri": inside[1]})


def runs(root: Path) -> list[Run]:
    """All runs, the newest first. Runs whose watching process was killed are recorded as failed on the way."""
    found = []
    for id, experiment in _experiments(root).items():
        for path in (root / "mlruns" / id).glob("*/meta.yaml"):
            meta = _read_yaml(path)
            if meta.get("lifecycle_stage") != "active":
                continue
            end = meta.get("end_time")
            run = Run(
                id=meta["run_id"],
                experiment=experiment["name"],
                name=meta.get("run_name") or "",
                status=STATUSES[meta["status"]],
                start=meta["start_time"] / 1000,
                end=end / 1000 if end else None,
                folder=path.parent,
            )
            if run.status == "running" and _abandoned(run):
                finish(root, run, "failed")
                return runs(root)
            found.append(run)
    return sorted(found, key=lambda run: run.start, reverse=True)


def _abandoned(run: Run) -> bool:
    """Whether the process that watched over the run is gone. The job itself, if it goes on, is ended."""
    tags = run.tags()
    if RUNNER not in tags or process.alive(tags[RUNNER]):
        return False
    if PROCESS in tags and process.alive(tags[PROCESS]):
        process.end(int(tags[PROCESS].split()[0]))
    return True


def find(root: Path, run_id: str) -> Run:
    """The run with that id, or with the only id that begins or ends like it. Raises Refusal otherwise."""
    everything = runs(root)
    matches = [run for run in everything if run.id == run_id] or [
        run for run in everything if run.id.startswith(run_id) or run.id.endswith(run_id)
    ]
    if len(matches) != 1:
        what = "fits several runs" if matches else "no such run"
        raise Refusal(f"run {run_id}: {what}; aml runs lists them")
    return matches[0]


def files(root: Path, run: Run) -> list[Path]:
    """What the run left: outputs, logs, pictures, but not the copy of its code."""
    folder = root / "runs" / run.id
    found = [*folder.rglob("*"), *(run.folder / "artifacts").rglob("*")]
    return sorted(file for file in found if file.is_file() and not file.is_relative_to(folder / "code"))


def environment(root: Path, run: Run, view: Callable[[Path], PurePath]) -> dict[str, str]:
    """The variables that lead a job's MLflow into this run, as on the service. `view` is where the job sees a path."""
    return {
        "MLFLOW_TRACKING_URI": view(root / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",  # newer MLflow wants to be asked for files
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": run.folder.parent.name,
        "MLFLOW_EXPERIMENT_NAME": run.experiment,
        # Runs that the job begins on its own carry the tag too, so that none of them is left as running.
        "MLFLOW_RUN_CONTEXT": json.dumps({RUNNER: run.tags()[RUNNER]}),
    }


def write_record(path: Path, run: Run) -> None:
    """Write what later steps need to know of a run, aml submit's -t FILE."""
    record = {"run_id": run.id, "experiment_name": run.experiment, "compute": "local"}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_record(path: Path, root: Path) -> Run:
    """The run that such a file names. Raises Refusal when the file, or the run, is not there."""
    try:
        run_id = json.loads(path.read_text(encoding="utf-8"))["run_id"]
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}; aml submit -t {path} writes it") from None
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{path}: not the record of a run; aml submit -t {path} writes it anew") from None
    return find(root, str(run_id))
