"""Runs of this machine: runs/<id>/ has what a run made, MLflow's store has what it logged.

A lock in runs/<id>/ is held as long as a run is watched over, so that a run whose runner was killed is noticed.
"""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from filelock import BaseFileLock, Timeout

from aml import locks
from aml.console import display_path, say
from aml.errors import FileError, UserError
from aml.jobfile.job import Job
from aml.jobfile.names import TAG_KEY
from aml.local import mlflow_store, processes
from aml.local.git import git_tags
from aml.local.mlflow_store import StoredRun
from aml.run import Run, new_id

NO_RUNS = "no runs yet: aml submit -c train-local"
LOCK = ".lock"  # in runs/<id>
RUNNER = "aml.runner"  # tag of a run that goes on: the id of the run whose lock its runner holds
LAST = "mlruns/.last"  # the id of the run that was submitted last, also when the clock went back
AZURE_OPEN = "azure.open"  # tag of a run whose end the workspace does not know yet, and what it logged is there only
_held: dict[str, BaseFileLock] = {}  # the locks of this process; the system frees them however it ends


@dataclass(frozen=True)
class LocalRun(Run):
    """A run of this machine.

    Attributes:
        stored: What MLflow knows of it.
        folder: What it made, runs/<id>.

    """

    stored: StoredRun
    folder: Path

    @property
    def record(self) -> Path:
        """Where MLflow keeps it, below mlruns/."""
        return self.stored.folder

    def metrics(self) -> dict[str, float]:
        """The last value of each metric, of what can be read."""
        return self.stored.metrics(strict=False)

    def params(self) -> dict[str, str]:
        """The parameters that were logged."""
        return self.stored.params()

    def tags(self) -> dict[str, str]:
        """All tags, MLflow's own included."""
        return self.stored.tags()

    def files(self) -> list[Path]:
        """What the run left: outputs, logs, pictures, models, but not the copy of its code."""
        found = [*self.folder.rglob("*"), *self.stored.artifacts()]
        found += [file for model in self.stored.logged_models().values() for file in model.rglob("*")]
        own = (self.folder / "code", self.folder / LOCK)
        return sorted(file for file in found if file.is_file() and not any(map(file.is_relative_to, own)))


def start(root: Path, job: Job, view: Callable[[Path], PurePath]) -> LocalRun:
    """Record a run of the job, watched over by this process, as running. `view` is where the job sees a path."""
    tags = {str(key): str(value) for key, value in job.section("tags").items()}
    for key in tags:
        if not re.fullmatch(TAG_KEY, key):
            raise FileError(job.where("tags", key), f"tag {key}", "use letters, digits and _ - . / only")
    run_id = new_id()
    name = str(job.data.get("display_name") or run_id)
    if job.data.get("description"):
        tags["mlflow.note.content"] = str(job.data["description"])
    tags |= {"mlflow.runName": name, RUNNER: run_id, **git_tags(root)}
    experiment = str(job.data.get("experiment_name") or root.name)
    folder = root / "runs" / run_id
    folder.mkdir(parents=True)
    _held[run_id] = locks.acquire(folder / LOCK)
    run = _local_run(root, mlflow_store.create_run(root, experiment, run_id, name, view(folder).as_uri(), tags))
    (root / LAST).write_text(run_id, encoding="utf-8")
    return run


def finish(root: Path, run: LocalRun, status: str) -> LocalRun:
    """Record how a run ended: collect what its code left in outputs/ and logs/, and let its artifacts be found."""
    for name in ("outputs", "logs"):
        left = run.folder / "code" / name
        try:
            if left.is_dir() and not left.is_symlink():  # the target of a link is not the run's
                _move(left, run.folder / name)
        except OSError as error:  # on Windows, a file that something still has open
            say(f"{display_path(Path(error.filename or left))}: {error.strerror}: the rest of {name} stays there")
    mlflow_store.update_run(run.stored, status, tags={RUNNER: None})
    if run.id in _held:
        _held.pop(run.id).release()
    with contextlib.suppress(OSError):  # none, or on Windows still held by the caller
        (run.folder / LOCK).unlink()
    make_paths_relative(root)
    return _local_run(root, mlflow_store.update_run(run.stored))


def _move(folder: Path, target: Path) -> None:
    """Move what is in the folder into another one of the same disk, where no file is copied, and remove the folder."""
    target.mkdir(exist_ok=True)
    for entry in sorted(folder.iterdir()):
        place = target / entry.name
        if place.is_dir() and entry.is_dir() and not (place.is_symlink() or entry.is_symlink()):
            _move(entry, place)
        else:
            entry.replace(place)
    folder.rmdir()


def make_paths_relative(root: Path) -> None:
    """Let every run that ended find its artifacts from the repository's folder, wherever that is now."""
    mlflow_store.make_paths_relative(root, lambda stored: _local_run(root, stored).status != "running")


def all_runs(root: Path) -> list[LocalRun]:
    """All runs, the newest first. Those whose runner was killed are ended, and recorded as failed, on the way.

    What cannot be read, or recorded, is said, and does not hide the others.
    """
    found = []
    for stored in mlflow_store.read_runs(root):
        run = _local_run(root, stored)
        try:
            run = _settle(root, run)
        except OSError as error:  # a full disk, or one that is read-only
            say(f"run {run.id}: its end cannot be recorded: {error}")
            run = dataclasses.replace(run, status="failed")
        found.append(run)
    return sorted(found, key=lambda run: run.start, reverse=True)


def has(root: Path, run_id: str) -> bool:
    """Whether the id, or a part of one, is that of a run here."""
    return any(run_id in run.id for run in all_runs(root))


def find(root: Path, run_id: str | None) -> LocalRun:
    """The run with that id, or with the only id that has it as a part; the last one for None. Raises UserError."""
    everything = all_runs(root)
    if not everything:
        raise UserError(NO_RUNS)
    if run_id is None:  # of a job, not one that a job or plain Python began by itself
        return next(_last_first(root, everything), everything[0])
    matches = [run for run in everything if run.id == run_id]
    matches = matches or [run for run in everything if run_id in run.id]
    if len(matches) != 1:
        what = "fits several runs" if matches else "no such run"
        raise UserError(f"run {run_id}: {what}; aml runs lists them")
    return matches[0]


def last_finished(root: Path) -> LocalRun | None:
    """The run of a job that finished last, or None."""
    return next((run for run in _last_first(root, all_runs(root)) if run.status == "finished"), None)


def _last_first(root: Path, everything: list[LocalRun]) -> Iterator[LocalRun]:
    """The runs of jobs, of runs that are sorted by their start: the one submitted last, and then the newest first."""
    last = ""
    with contextlib.suppress(OSError):
        last = (root / LAST).read_text(encoding="utf-8")
    jobs = [run for run in everything if run.folder.is_dir()]
    yield from sorted(jobs, key=lambda run: run.id != last)


def variables(root: Path, run: LocalRun, view: Callable[[Path], PurePath]) -> dict[str, str]:
    """The environment variables of the run's job. `view` is where the job sees a path."""
    # Runs that the job begins on its own carry the tag too, so that none of them is left as running.
    store = mlflow_store.job_variables(view(root / "mlruns"), run.stored, {RUNNER: run.id})
    return {processes.MARK: run.id, **store}


def _settle(root: Path, run: LocalRun) -> LocalRun:
    """The run, ended and recorded as failed if its runner was killed."""
    runner = run.stored.tag(RUNNER)
    if run.status != "running" or not runner:  # plain Python made it, and watches over it
        return run
    try:
        (root / "runs" / runner).mkdir(parents=True, exist_ok=True)
        with locks.held(root / "runs" / runner / LOCK, timeout=0):
            run = _local_run(root, mlflow_store.update_run(run.stored))  # it may have ended meanwhile
            if run.status == "running":
                processes.end(runner)
                run = finish(root, run, "failed")
    except Timeout:  # its runner holds the lock
        pass
    return run


def _local_run(root: Path, stored: StoredRun) -> LocalRun:
    # MLflow calls a run finished when the first `with start_run()` ends: the job need not have.
    running = stored.tag(RUNNER) == stored.id
    status, end = ("running", None) if running or stored.status == "running" else (stored.status, stored.end)
    folder = root / "runs" / stored.id
    return LocalRun(stored.id, stored.experiment, stored.name, status, stored.start, end, stored, folder)
