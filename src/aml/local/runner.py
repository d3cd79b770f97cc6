"""The local runner: executes a v2 command job on this machine as the service would, with nothing of Azure."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Literal, Protocol

from aml.console import say
from aml.errors import FileError
from aml.jobfile import snapshot
from aml.jobfile.job import Job
from aml.jobfile.quoting import quote_for_bash, quote_for_cmd
from aml.local import containers, environments, processes, runs
from aml.local.distribution import distribute
from aml.local.inputs import download, locate_inputs
from aml.local.runs import LocalRun
from aml.run import write_record
from aml.uris import WEB

# Where the job finds its packages: the environment of its conda file, the present one, or its image.
Where = Literal["conda", "here", "docker"]


class Tracker(Protocol):
    """Shows a run of this machine somewhere else, too."""

    def start(self, run: LocalRun) -> dict[str, str]:
        """Begin; returns the environment variables that lead the job's MLflow there."""

    def finish(self, run: LocalRun) -> None:
        """Record how the run ended."""


def not_honoured(job: Job, docker: bool) -> list[str]:
    """The parts of the job that have no effect on this machine, as `file:line: what`."""
    parts = "name properties parent_job_name identity services queue_settings resources.instance_type"
    parts += " resources.locations resources.max_instance_count resources.properties"
    parts += "" if docker else " resources.shm_size resources.docker_args"
    keys = [part.split(".") for part in parts.split()]
    keys += [["outputs", name, part] for name in job.section("outputs") for part in ("path", "name", "version")]
    keys += [["resources", "instance_count"]] if job.at("resources", "instance_count") not in (None, 1) else []
    return [f"{job.where(*part)}: {'.'.join(part)}" for part in keys if job.at(*part) is not None]


def run(
    root: Path, job: Job, data: list[str], where: Where, record: Path | None, tracker: Tracker | None = None
) -> tuple[LocalRun, int]:
    """Run the job; returns the run and its exit status.

    `record` gets what later steps need to know of the run. With a `tracker` the job's MLflow writes there.

    Raises UserError when the job cannot run on this machine: before anything is written, but for a web address that
    does not answer, which leaves a failed run.
    """
    inputs = locate_inputs(root, job, data)
    for keys, text in job.texts():
        if problem := job.undefined(text):
            raise FileError(job.where(*keys), problem)
    code = job.code
    travels = list(snapshot.files(code)) if code else []
    docker = where == "docker"
    started = distribute(job, docker)
    for finding in not_honoured(job, docker):
        say(f"{finding} has no effect on this machine")
    engine = containers.engine() if docker else ""
    image = containers.image(engine, job) if docker else ""
    python = environments.build(job) if where == "conda" else None

    view = containers.seen if docker else Path
    run = runs.start(root, job, view)
    status, exit_status = "failed", 1
    remote: dict[str, str] = {}
    command: list[str] | str
    try:
        if record:
            write_record(record, run.id, run.experiment, "local")
        say(f"run {run.id}, experiment {run.experiment}")
        if tracker:
            remote = tracker.start(run)
        (run.folder / "code" / "outputs").mkdir(parents=True)  # the service makes it too
        if code:
            snapshot.copy(code, travels, run.folder / "code")
        for name, address in inputs.items():
            if WEB.match(address):
                inputs[name] = str(download(address, run.folder / "inputs" / name))
        values = _values(job, run.folder, inputs, view)
        variables = {**runs.variables(root, run, view), **remote, **_variables(job, values)}
        text = job.fill_in(job.command, values, quote_for_cmd if os.name == "nt" and not docker else quote_for_bash)
        if docker:
            mounts = {run.folder: "rw", root / "mlruns": "rw", **{Path(path): "ro" for path in inputs.values()}}
            names = [*variables, *started.variables[0]]
            command = containers.command(engine, image, run, job, text, mounts, names, started.launcher)
        else:
            command = processes.shell(text, started.launcher)
        surroundings = {**environments.surroundings(python), **variables}
        exit_status = processes.run(
            command,
            run.folder / "code",
            [{**surroundings, **own} for own in started.variables],
            run.folder / "logs" / "std_log.txt",
            job.at("limits", "timeout"),
            started.servers,
        )
        status = "failed" if exit_status else "finished"
    except subprocess.TimeoutExpired as late:
        exit_status = 124  # as of timeout(1)
        say(f"{job.where('limits', 'timeout')}: the job took longer than {late.timeout} s, and was ended")
    except KeyboardInterrupt:
        status, exit_status = "cancelled", 130
    finally:
        if docker:
            containers.remove(engine, run)
        run = runs.finish(root, run, status)
        if tracker and remote:
            tracker.finish(run)
    return run, exit_status


def _values(job: Job, folder: Path, inputs: dict[str, str], view: Callable[[Path], PurePath]) -> dict[str, str]:
    """What each inputs.x and outputs.x stands for. Makes the folders of the outputs."""
    values = {f"inputs.{name}": value for name, value in job.literals().items()}
    values |= {f"inputs.{name}": str(view(Path(path))) for name, path in inputs.items()}
    for name, output in job.section("outputs").items():
        place = folder / "named-outputs" / name
        is_file = isinstance(output, dict) and output.get("type") == "uri_file"
        (place.parent if is_file else place).mkdir(parents=True, exist_ok=True)
        values[f"outputs.{name}"] = str(view(place))
    return values


def _variables(job: Job, values: dict[str, str]) -> dict[str, str]:
    """The environment variables that the service would set, and the job's own."""
    # UTF-8, as on the service: this machine's own encoding may lack a letter that the job prints.
    variables = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:surrogateescape"}
    for key, value in values.items():
        kind, name = key.split(".", 1)
        variables[f"AZURE_ML_{kind[:-1].upper()}_{name}"] = value
    own = job.section("environment_variables")
    return {**variables, **{key: job.fill_in(str(value), values) for key, value in own.items()}}
