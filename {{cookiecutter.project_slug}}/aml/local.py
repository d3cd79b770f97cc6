"""The local runner: executes a v2 command job on this machine as the service would, with nothing of Azure."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from aml import Refusal, container, environment, process, say, snapshot, tracking
from aml.document import Document
from aml.job import DATA_TYPES, Job, quote_for_bash, quote_for_cmd
from aml.tracking import AZURE_OPEN, AZURE_RUN

if TYPE_CHECKING:
    from aml.service import Service

WEB = re.compile(r"https?://")
ELSEWHERE = re.compile(r"(?!file:)[a-z][a-z0-9]+:")
WASBS = re.compile(r"wasbs?://(?P<container>[^@/]+)@(?P<account>[^/]+)/(?P<path>.+)")


def not_honoured(job: Job, docker: bool) -> list[str]:
    """The parts of the job that have no effect on this machine, as `file:line: what`."""
    parts = "name properties parent_job_name distribution identity services queue_settings resources.instance_type"
    parts += " resources.locations resources.max_instance_count resources.properties"
    parts += "" if docker else " resources.shm_size resources.docker_args"
    keys = [part.split(".") for part in parts.split()]
    keys += [["outputs", name, part] for name in job.section("outputs") for part in ("path", "name", "version")]
    keys += [["resources", "instance_count"]] if job.at("resources", "instance_count") not in (None, 1) else []
    return [f"{job.where(*part)}: {'.'.join(part)}" for part in keys if job.at(*part) is not None]


def locate_inputs(root: Path, job: Job, replacements: list[str]) -> dict[str, str]:
    """Where each data input is: a path of this machine or a web address.

    `replacements` are those of --data. Raises Refusal for what is not there, or not on this machine.
    """
    given = job.choose_data(replacements)
    return {name: _locate(root, job, name, given.get(name)) for name in job.data_inputs()}


def _locate(root: Path, job: Job, name: str, replacement: str | None) -> str:
    where = f"--data {replacement}" if replacement else job.where("inputs", name, "path")
    entry = job.section("inputs")[name]
    kind = entry.get("type", "uri_folder")
    if kind not in DATA_TYPES:
        raise Refusal(f"{job.where('inputs', name, 'type')}: type {kind}; use one of {', '.join(DATA_TYPES)}")
    if replacement:
        path = Path(replacement).resolve()
    elif not entry.get("path"):
        raise Refusal(f"{job.where('inputs', name)}: input {name} has no path")
    else:
        address = str(entry["path"])
        if wasbs := WASBS.fullmatch(address):  # the same blob, if its container is public
            address = "https://{account}/{container}/{path}".format(**wasbs.groupdict())
        if WEB.match(address):
            if kind != "uri_file":
                raise Refusal(f"{where}: a folder on the web cannot be listed: download it and use --data {name}=PATH")
            return address
        asset = re.fullmatch(r"azureml:([^:@/]+)([:@].+)?", address)
        if asset:
            path = _data_asset(root, asset[1], where, name)
        elif ELSEWHERE.match(address):
            raise Refusal(f"{where}: {address} is not on this machine: use --data {name}=PATH")
        else:
            path = job.local_path("inputs", name, "path")
    if not path.exists():
        raise Refusal(f"{where}: {path} does not exist: mend the path, or use --data {name}=PATH")
    if kind in ("uri_file", "uri_folder") and path.is_dir() != (kind == "uri_folder"):
        found = "uri_folder" if path.is_dir() else "uri_file"
        raise Refusal(f"{where}: {path} is a {found[4:]}, but the type is {kind}: --set inputs.{name}.type={found}")
    return str(path)


def _data_asset(root: Path, asset: str, where: str, name: str) -> Path:
    """The local path of a data asset, from the file of aml_config/ that registers it."""
    for file in sorted((root / "aml_config").glob("*.y*ml")):
        data = Document(file)
        address = str(data.data.get("path", ""))
        if data.data.get("name") == asset and "dependencies" not in data.data and address:
            if not ELSEWHERE.match(address):
                return (file.parent / address.removeprefix("file:")).resolve()
            raise Refusal(f"{data.where('path')}: {asset} is not on this machine: use --data {name}=PATH")
    raise Refusal(f"{where}: no file of aml_config/ says where {asset} is on this machine: use --data {name}=PATH")


def run(
    root: Path, job: Job, data: list[str], here: bool, docker: bool, record: Path | None, track: "Service | None" = None
) -> tuple[tracking.Run, int]:
    """Run the job; returns the run and its exit status. `record` gets what later steps need to know of the run.
    With `track` the job's MLflow writes to that workspace.

    Raises Refusal when the job cannot run on this machine: before anything is written, but for a web address that
    does not answer, which leaves a failed run.
    """
    inputs = locate_inputs(root, job, data)
    for keys, text in job.texts():
        if problem := job.undefined(text):
            raise Refusal(f"{job.where(*keys)}: {problem}")
    code = job.code
    for finding in not_honoured(job, docker):
        say(f"{finding} has no effect on this machine")
    engine = container.engine() if docker else ""
    image = container.image(engine, job) if docker else ""
    python = None if docker or here else environment.build(job)

    view = container.seen if docker else Path
    run = tracking.start(root, job, view)
    status, exit_status = "failed", 1
    remote: dict[str, str] = {}
    try:
        if record:
            tracking.write_record(record, run.id, run.experiment, "local")
        if track:
            remote = _start_remote(track, root, run)
        (run.folder / "code" / "outputs").mkdir(parents=True)  # the service makes it too
        if code:
            snapshot.copy(code, run.folder / "code")
        for name, address in inputs.items():
            if WEB.match(address):
                inputs[name] = str(_download(address, run.folder / "inputs" / name))
        values = _values(job, run.folder, inputs, view)
        variables = {**tracking.environment(root, run, view), **remote, **_variables(job, values)}
        text = job.fill_in(
            job.data["command"], values, quote_for_cmd if os.name == "nt" and not docker else quote_for_bash
        )
        if docker:
            mounts = {run.folder: "rw", root / "mlruns": "rw", **{Path(path): "ro" for path in inputs.values()}}
            command: list[str] | str = container.command(engine, image, run, job, text, mounts, variables)
        else:
            command = process.shell(text)
        say(f"run {run.id}, experiment {run.experiment}")
        if track:
            say(track.studio(remote["MLFLOW_RUN_ID"]))
        exit_status = process.run(
            command,
            run.folder / "code",
            {**_surroundings(python), **variables},
            run.folder / "logs" / "std_log.txt",
            job.at("limits", "timeout"),
        )
        status = "failed" if exit_status else "finished"
    except subprocess.TimeoutExpired as late:
        exit_status = 124  # as of timeout(1)
        say(f"{job.where('limits', 'timeout')}: the job took longer than {late.timeout} s, and was ended")
    except KeyboardInterrupt:
        status, exit_status = "cancelled", 130
    finally:
        if docker:
            container.remove(engine, run)
        run = tracking.finish(root, run, status)
        if track and remote:
            _finish_remote(track, run)
    return run, exit_status


def _start_remote(track: "Service", root: Path, run: tracking.Run) -> dict[str, str]:
    """Begin a run in the workspace for this one, and end those there whose runner was killed; returns the variables."""
    from aml import history

    for one in tracking.runs(root):
        if AZURE_OPEN in one.tags() and one.id != run.id and one.status != "running":
            _finish_remote(track, one)
    tags = run.tags()
    tracking.write_tag(run, AZURE_OPEN, "true")
    variables = history.start(track, run.experiment, run.id, tags)
    tracking.write_tag(run, AZURE_RUN, variables["MLFLOW_RUN_ID"])
    return variables


def _finish_remote(track: "Service", run: tracking.Run) -> None:
    """Record in the workspace how the run ended, and here what it logged there."""
    from aml import history

    try:
        run_id = run.tags().get(AZURE_RUN) or history.tracked(track, run.experiment, run.id)
        if run_id:
            history.end(track, run_id, run.status)
            found = history.find(track, run_id)
            tracking.copy(run, found.metrics(), found.params())
        tracking.remove_tag(run, AZURE_OPEN)
    except Refusal as refusal:
        say(f"aml: {refusal}\n     run {run.id} ended all the same; the next tracked run tells the workspace")


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
    variables = {"PYTHONUNBUFFERED": "1"}
    for key, value in values.items():
        kind, name = key.split(".", 1)
        variables[f"AZURE_ML_{kind[:-1].upper()}_{name}"] = value
    own = job.section("environment_variables")
    return {**variables, **{key: job.fill_in(str(value), values) for key, value in own.items()}}


def _surroundings(python: Path | None) -> dict[str, str]:
    """The variables of this process, led to the Python that the job is to use."""
    variables = dict(os.environ)
    folder = environment.scripts(python) if python else Path(sys.executable).parent
    variables["PATH"] = os.pathsep.join([str(folder), variables.get("PATH", "")])
    if python:  # nothing of the present environment
        for name in ("PYTHONPATH", "PYTHONHOME"):
            variables.pop(name, None)
        variables["VIRTUAL_ENV"] = str(python)
    return variables


def _download(address: str, folder: Path) -> Path:
    """Fetch a web address into the folder, under the address's own file name."""
    folder.mkdir(parents=True)
    path = folder / (re.sub(r"[^\w.-]", "_", address.split("?")[0].rstrip("/").rsplit("/", 1)[-1]) or "data")

    def progress(blocks: int, size: int, total: int) -> None:
        if sys.stderr.isatty() or not blocks:
            print(f"\rdownloading {address}: {blocks * size / 2**20:.0f} MB", end="", file=sys.stderr)

    try:
        urllib.request.urlretrieve(address, path, progress)
        say("")
    except (OSError, ValueError, HTTPException) as error:
        raise Refusal(f"{address}: {getattr(error, 'reason', error)}: download it and use --data PATH") from None
    return path
