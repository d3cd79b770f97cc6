"""Runs on this machine, in MLflow's file store: mlruns/ for what MLflow shows, runs/<id>/ for what a run made.

Importing MLflow takes two seconds, so a run is written and read here as the plain files that it is, which every
MLflow from 2.x to 3.15 writes and reads. Where its artifacts are is kept relative to the repository once a run has
ended, so that the folder can be renamed and moved.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml
from filelock import BaseFileLock, Timeout

from aml import Refusal, lock, process, shown
from aml.job import Job

# mlflow.entities.RunStatus
STATUSES = {1: "running", 2: "scheduled", 3: "finished", 4: "failed", 5: "cancelled"}
CODES = {status: code for code, status in STATUSES.items()}
NO_RUNS = "no runs yet: aml submit -c train-local"
TAG = r"(?!.*\.\.)[\w.\- ]+(/[\w.\- ]+)*"  # MLflow's rule for keys, each of which is a file
LOCK = ".lock"  # in runs/<id>, held as long as the run is watched over
AZURE_RUN = "azure.run"  # tag of a run that was tracked in the workspace: its id there
AZURE_OPEN = "azure.open"  # tag of a run whose end the workspace does not know yet
RUNNER = "aml.runner"  # tag of a run that goes on: the id of the run whose lock its runner holds
_locks: dict[str, BaseFileLock] = {}  # what this process holds; the system frees them however it ends


@dataclass(frozen=True)
class Run:
    id: str
    experiment: str
    name: str
    status: str
    start: float  # seconds since the epoch
    end: float | None
    record: Path  # what MLflow knows of it, below mlruns/
    folder: Path  # what it made: runs/<id>

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.end or time.time()) - self.start

    def metrics(self) -> dict[str, float]:
        """The last value of each metric, by step; a line of its file is "<time> <value> <step>"."""
        texts = _texts(self.record / "metrics")
        return {key: max(map(_point, text.split("\n")))[-1] for key, text in texts.items() if text}

    def params(self) -> dict[str, str]:
        return _texts(self.record / "params")

    def tags(self) -> dict[str, str]:
        return _texts(self.record / "tags")

    def files(self) -> list[Path]:
        """What the run left: outputs, logs, pictures, but not the copy of its code."""
        found = [*self.folder.rglob("*"), *(self.record / "artifacts").rglob("*")]
        own = (self.folder / "code", self.folder / LOCK)
        return sorted(file for file in found if file.is_file() and not any(map(file.is_relative_to, own)))


def start(root: Path, job: Job, view: Callable[[Path], PurePath]) -> Run:
    """Record a run of the job, watched over by this process, as running. `view` is where the job sees a path."""
    tags = {str(key): str(value) for key, value in job.section("tags").items()}
    for key in tags:
        if not re.fullmatch(TAG, key):
            raise Refusal(f"{job.where('tags', key)}: tag {key}: use letters, digits and _ - . / only")
    run_id = new_id()
    name = str(job.data.get("display_name") or run_id)
    if job.data.get("description"):
        tags["mlflow.note.content"] = str(job.data["description"])
    tags |= {"mlflow.runName": name, RUNNER: run_id, **_git_tags(root)}

    experiment = str(job.data.get("experiment_name") or root.name)
    record = _experiment(root, experiment) / run_id
    (root / "runs" / run_id).mkdir(parents=True)
    _locks[run_id] = lock.acquire(root / "runs" / run_id / LOCK)
    for part in ("artifacts", "metrics", "params", "tags"):  # MLflow does not recognise a run without them
        (record / part).mkdir(parents=True)
    for key, value in tags.items():
        _write_tag(record, key, value)
    meta: dict[str, Any] = {
        "artifact_uri": view(root / "runs" / run_id).as_uri(),
        "end_time": None,
        "entry_point_name": "",
        "experiment_id": record.parent.name,
        "lifecycle_stage": "active",
        "run_id": run_id,
        "run_name": name,
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": int(time.time() * 1000),
        "status": CODES["running"],
        "tags": [],
        "user_id": os.environ.get("USER") or os.environ.get("USERNAME") or "unknown",
    }
    _write_meta(record, meta)
    return _run(root, record, experiment, meta)


def new_id() -> str:
    """An id that sorts by time, here and on a cluster."""
    return time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


def _experiment(root: Path, name: str) -> Path:
    """The experiment's folder, made when it is new. Two first runs at once agree on it: it follows from the name."""
    folders = {title: folder for folder, title in _experiments(root)}
    for title in ("Default", name):  # MLflow does not start without its Default
        new = "0" if title == "Default" else str(int(hashlib.sha256(title.encode()).hexdigest()[:15], 16))
        folder = folders.setdefault(title, root / "mlruns" / new)
        meta = _read_meta(folder) or {"experiment_id": new, "lifecycle_stage": "active", "name": title}
        if meta.get("artifact_location") != folder.as_uri():  # new, or the repository was moved
            _write_meta(folder, {**meta, "artifact_location": folder.as_uri()})
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
    for patience in (0.05, 0.2, 0.5, 1):  # Windows lets nobody replace a file while somebody reads it
        with contextlib.suppress(PermissionError):
            return os.replace(temporary, folder / "meta.yaml")
        time.sleep(patience)
    os.replace(temporary, folder / "meta.yaml")


def _texts(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8").strip("\n") for file in files}


def _point(line: str) -> tuple[int, int, float]:
    when, value, step, *_ = line.split()
    return int(step), int(when), float(value)


def _write_tag(record: Path, key: str, value: str) -> None:
    path = record / "tags" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value, encoding="utf-8")


def write_tag(run: Run, key: str, value: str) -> None:
    _write_tag(run.record, key, value)


def remove_tag(run: Run, key: str) -> None:
    (run.record / "tags" / key).unlink(missing_ok=True)


def copy(run: Run, metrics: dict[str, float], params: dict[str, str]) -> None:
    """Record what a run logged elsewhere."""
    texts = {
        "metrics": {key: f"{run.start * 1000:.0f} {value!r} 0\n" for key, value in metrics.items()},
        "params": params,
    }
    for part, entries in texts.items():
        for key, text in entries.items():
            path = run.record / part / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def _git_tags(root: Path) -> dict[str, str]:
    """The commit, under the names that azure-ai-ml gives to a job's properties; nothing where git does not look."""

    def git(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, encoding="utf-8")

    try:
        status = git("status", "--porcelain=v2", "--branch", "--untracked-files=no")
        if status.returncode or git("check-ignore", "--quiet", str(root)).returncode == 0:
            return {}
    except OSError:  # no git here
        return {}
    lines = status.stdout.splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    if heads.get("branch.oid", "(initial)") == "(initial)":
        return {}
    return {
        "mlflow.source.git.commit": heads["branch.oid"],
        "mlflow.source.git.branch": heads["branch.head"],
        "azureml.git.dirty": str(any(not line.startswith("#") for line in lines)),
    }


def finish(root: Path, run: Run, status: str) -> Run:
    """Record how a run ended: collect what its code left in outputs/ and logs/, and let its artifacts be found."""
    for name in ("outputs", "logs"):
        left = run.folder / "code" / name
        if left.is_dir() and not left.is_symlink():  # what a link leads to is not the run's
            shutil.copytree(left, run.folder / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(left)
    meta = {**_read_meta(run.record), "status": CODES[status], "end_time": int(time.time() * 1000)}
    _write_meta(run.record, meta)
    remove_tag(run, RUNNER)
    if run.id in _locks:
        _locks.pop(run.id).release()
    with contextlib.suppress(OSError):  # none, or on Windows still held by the caller
        (run.folder / LOCK).unlink()
    make_paths_relative(root)
    return _run(root, run.record, run.experiment, meta)


def make_paths_relative(root: Path) -> None:
    """Let every run that ended find its artifacts from the repository's folder, wherever that is now."""
    for path in (root / "mlruns").glob("[0-9]*/*/meta.yaml"):
        if "artifact_uri: file:" in path.read_text(encoding="utf-8"):  # faster than reading all as YAML
            meta = _read_meta(path.parent)
            inside = re.search(r"(runs/[^/]+|mlruns/\d+/[^/]+/artifacts)$", meta["artifact_uri"])
            if inside and _run(root, path.parent, "", meta).status != "running":
                _write_meta(path.parent, {**meta, "artifact_uri": inside[1]})


def runs(root: Path) -> list[Run]:
    """All runs, the newest first. Those whose runner was killed are ended, and recorded as failed, on the way."""
    found = []
    for folder, experiment in _experiments(root):
        for path in folder.glob("*/meta.yaml"):
            meta = _read_meta(path.parent)
            if meta.get("lifecycle_stage") == "active":
                found.append(_settled(root, _run(root, path.parent, experiment, meta)))
    return sorted(found, key=lambda run: run.start, reverse=True)


def _settled(root: Path, run: Run) -> Run:
    runner = _runner(run.record)
    if run.status != "running" or not runner:
        return run
    try:
        (root / "runs" / runner).mkdir(parents=True, exist_ok=True)
        with lock.held(root / "runs" / runner / LOCK, timeout=0):
            run = _run(root, run.record, run.experiment, _read_meta(run.record))  # it may have ended meanwhile
            if run.status == "running":
                process.end(runner, None)
                run = finish(root, run, "failed")
    except Timeout:  # its runner holds the lock
        pass
    return run


def _runner(record: Path) -> str:
    """The run whose runner watches over this one; nothing for a run that has ended, or that plain Python made."""
    try:
        return (record / "tags" / RUNNER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _run(root: Path, record: Path, experiment: str, meta: dict[str, Any]) -> Run:
    # MLflow calls a run finished when the first `with start_run()` ends: the job need not have.
    status = "running" if _runner(record) == record.name else STATUSES[meta["status"]]
    end = meta["end_time"] / 1000 if meta.get("end_time") and status != "running" else None
    folder = root / "runs" / record.name
    name = str(meta.get("run_name") or "")
    return Run(record.name, experiment, name, status, meta["start_time"] / 1000, end, record, folder)


def has(root: Path, run_id: str) -> bool:
    """Whether the id, or a part of one, is that of a run here."""
    return any(run_id in run.id for run in runs(root))


def find(root: Path, run_id: str | None) -> Run:
    """The run with that id, or with the only id that has it as a part; the last one for None. Raises Refusal."""
    everything = runs(root)
    if not everything:
        raise Refusal(NO_RUNS)
    if run_id is None:  # of a job, not one that a job or plain Python began by itself
        return next((run for run in everything if run.folder.is_dir()), everything[0])
    matches = [run for run in everything if run.id == run_id]
    matches = matches or [run for run in everything if run_id in run.id]
    if len(matches) != 1:
        what = "fits several runs" if matches else "no such run"
        raise Refusal(f"run {run_id}: {what}; aml runs lists them")
    return matches[0]


def environment(root: Path, run: Run, view: Callable[[Path], PurePath]) -> dict[str, str]:
    """The variables that lead a job's MLflow into this run, as on the service. `view` is where the job sees a path."""
    return {
        process.MARK: run.id,
        "MLFLOW_TRACKING_URI": view(root / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",  # newer MLflow wants to be asked for files
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": run.record.parent.name,
        "MLFLOW_EXPERIMENT_NAME": run.experiment,
        # Runs that the job begins on its own carry the tag too, so that none of them is left as running.
        "MLFLOW_RUN_CONTEXT": json.dumps({RUNNER: run.id}),
    }


def write_record(path: Path, run_id: str, experiment: str, compute: str) -> None:
    """Write what later steps need to know of a run, aml submit's -t FILE. `compute` is "local" for this machine."""
    record = {"run_id": run_id, "experiment_name": experiment, "compute": compute}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_record(path: Path) -> tuple[str, str]:
    """The id and the compute of the run that such a file names. Raises Refusal when it is no such file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return str(record["run_id"]), str(record["compute"])
    except OSError as error:
        raise Refusal(f"{shown(path)}: {error.strerror}; aml submit -t {shown(path)} writes it") from None
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{shown(path)}: not the record of a run; aml submit -t {shown(path)} writes it") from None
