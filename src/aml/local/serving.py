"""Serving on this machine: Microsoft's inference server in a deployment's own environment, as Azure runs it.

The model is laid out as it is there, <folder>/<name>/<version>/<file>, and AZUREML_MODEL_DIR is the version's folder;
the code is a snapshot, and its folder is the server's root (azure-ai-ml's _local_endpoints/azureml_image_context.py).
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from aml.console import display_path, say
from aml.errors import FileError, Place, UserError
from aml.jobfile import snapshot
from aml.jobfile.conda import conda_file
from aml.jobfile.deployment import BatchSettings, Deployment, ModelReference
from aml.local import batch_program, environments, inference_server, mlflow_store, processes
from aml.run import new_id

SERVER = "azureml-inference-server-http"
PIN = f"{SERVER}==1.5.1"
HOST = inference_server.HOST


class Model(NamedTuple):
    """A model of this machine: its name and version in the registry, or 0 where it is that of a run, and its place."""

    name: str
    version: str
    path: Path

    def __str__(self) -> str:
        return f"{self.name}:{self.version} ({display_path(self.path)})"


class Request(NamedTuple):
    """A request to the server; bodies are sent as application/json."""

    method: str
    path: str
    body: str = ""


class Answer(NamedTuple):
    """An answer of the server. `seconds` is how long it took."""

    status: int
    body: str
    seconds: float


class Batch(NamedTuple):
    """What became of a batch: how many files the script got and failed on, and how many rows it made of the others."""

    files: int
    failed: int
    rows: int


class Server(NamedTuple):
    """All that the server needs on this machine: the Python that runs it, its folder and its variables."""

    python: Path
    folder: Path
    variables: dict[str, str]
    script: Path  # the user's own; what runs is its copy below `folder`

    def command(self, program: ModuleType, *arguments: str) -> list[str]:
        """The command line of one of the programs that run in the environment."""
        # A copy, by itself: Python looks for modules beside it.
        copy = self.folder / "program" / Path(str(program.__file__)).name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(str(program.__file__), copy)
        return [str(self.python), str(copy), *arguments]

    @property
    def code(self) -> Path:
        """The folder of the snapshot that the script is in, where the server works."""
        return Path(self.variables["AML_APP_ROOT"])


def registered_model(root: Path, wanted: ModelReference) -> Model:
    """A registered version of a model, or its newest one.

    Raises UserError, with the command for the step that is missing, when it is not here.
    """
    versions = {str(found.number): found for found in mlflow_store.read_model_versions(root, wanted.name)}
    if not versions:
        steps = f"aml submit -c train-local, then aml register-model -n {wanted.name}"
        raise UserError(f"no model {wanted.name} is registered on this machine yet: {steps}")
    number = wanted.version or max(versions, key=int)
    if number not in versions:
        known = ", ".join(sorted(versions, key=int))
        raise UserError(f"model {wanted.name} has no version {number} on this machine (there are {known}): aml models")
    path = root / versions[number].source
    if not path.exists():
        fix = f"name another version with --model, or register it again: aml register-model -n {wanted.name}"
        raise UserError(f"model {wanted.name}:{number}: {display_path(path)} is gone: {fix}")
    return Model(wanted.name, number, path)


@contextlib.contextmanager
def prepared(deployment: Deployment, model: Model) -> Iterator[Server]:
    """The server for a deployment of this model, for a with block: environment, code and model as Azure has them.

    Raises UserError when the environment cannot be built or lacks the server, or the script is not there.
    """
    script, code = deployment.scoring_script, deployment.code
    if not code:
        raise FileError(deployment.where("code_configuration"), "no code", "add it")
    travels = list(snapshot.files(code))
    if script.relative_to(code) not in travels:
        rules = display_path(snapshot.ignore_file(code) or code)
        raise FileError(
            Place(display_path(script)), f"does not travel with the code: {rules} leaves it out", "change that"
        )
    environment = environments.build(deployment)
    packages = "Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"
    if not deployment.is_batch and not list(environment.glob(f"{packages}/{SERVER.replace('-', '_')}")):
        raise FileError(Place(conda_file(deployment)[1]), f"no {SERVER}", f"add {PIN} to the packages of pip")
    python = environments.scripts(environment) / ("python.exe" if os.name == "nt" else "python")
    with tempfile.TemporaryDirectory(prefix="aml-serve-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        snapshot.copy(code, travels, folder / "code")
        version = folder / "azureml-models" / model.name / model.version
        _lay_out(model.path, version / model.path.name)
        copy = folder / "code" / script.relative_to(code)
        own = {
            "AML_APP_ROOT": str(copy.parent),
            "AZUREML_ENTRY_SCRIPT": str(copy),
            "AZUREML_MODEL_DIR": str(version),
            "AML_APP_INSIGHTS_ENABLED": "false",  # else the server would send to Azure what it is asked
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            processes.MARK: new_id(),
        }
        variables = {**environments.surroundings(environment), **deployment.environment_variables, **own}
        yield Server(python, folder, variables, script)


def _lay_out(source: Path, target: Path) -> None:
    """Put the model there: by hard links, which take neither time nor disk, or where there are none by a copy."""

    def place(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    target.parent.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=place)
    else:
        place(str(source), str(target))


def serve(server: Server, port: int, workers: int, log: Path, ready: Callable[[float], None]) -> None:
    """Answer requests on the port until Ctrl-C, with the log shown and kept; `ready` gets the seconds of the start.

    Raises KeyboardInterrupt then, and UserError when the port is taken, or the server ends by itself: it says why.
    """
    processes.require_free_port(port, "--port PORT")
    start, over = time.monotonic(), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            connection = http.client.HTTPConnection(HOST, port, timeout=600)
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/")
                if connection.getresponse().status == http.HTTPStatus.OK and not over.is_set():
                    ready(time.monotonic() - start)
                    return
            connection.close()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        command = server.command(inference_server, "serve", str(port), str(workers))
        status = processes.run(command, server.code, [server.variables], log, None)
    finally:
        over.set()
    raise _ended(server, status, log.read_text(encoding="utf-8", errors="replace"))


def ask(server: Server, requests: Sequence[Request]) -> tuple[float, list[Answer]]:
    """The seconds of the start, and the answers to these requests by the server's test client, without a port.

    Raises UserError when the server ends before it answers.
    """
    asked, answered = server.folder / "requests.json", server.folder / "answers.json"
    asked.write_text(json.dumps([request._asdict() for request in requests]), encoding="utf-8")
    start = time.time()
    done = subprocess.run(
        server.command(inference_server, "ask", str(asked), str(answered)),
        cwd=server.code,
        env=server.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode or not answered.is_file():
        say(done.stdout)
        raise _ended(server, done.returncode, done.stdout)
    found = json.loads(answered.read_text(encoding="utf-8"))
    return found["ready"] - start, [Answer(**answer) for answer in found["answers"]]


def batch(server: Server, settings: BatchSettings, files: Sequence[Path], output: Path, log: Path) -> Batch:
    """Run a batch deployment's script over files, with the rows in a file of the folder `output`, as the service does.

    The log is shown and kept. Raises UserError when the script cannot be loaded, or its init() fails.
    """
    output.mkdir(parents=True, exist_ok=True)
    asked, answered = server.folder / "settings.json", server.folder / "result.json"
    given = {**settings._asdict(), "files": [str(file.resolve()) for file in files]}
    asked.write_text(json.dumps(given), encoding="utf-8")
    variables = {**server.variables, "AZUREML_BI_OUTPUT_PATH": str(output.resolve())}
    command = server.command(batch_program, str(asked), str(answered))
    status = processes.run(command, server.code, [variables], log, None)
    if status or not answered.is_file():
        raise _ended(server, status, log.read_text(encoding="utf-8", errors="replace"))
    return Batch(**json.loads(answered.read_text(encoding="utf-8")))


def answer(deployment: Deployment, model: Path, body: str) -> Answer:
    """The local answer to a request, for a model at this path: what one of Azure can be compared with.

    Raises UserError when the deployment cannot be served on this machine.
    """
    name = deployment.model.name if deployment.model else "model"
    with prepared(deployment, Model(name, "1", model.resolve())) as server:
        _, (found,) = ask(server, [Request("POST", "/score", body)])
    return found


def _ended(server: Server, status: int, log: str) -> UserError:
    """Why the server ended by itself: the last error of its log, at the line of the script."""
    # The server raises errors of its own from those of the script, which stand first.
    reason = log.partition("\nThe above exception was the direct cause")[0]
    copy, place = server.folder / "code", Place(display_path(server.script))
    code = server.script.parents[len(server.code.relative_to(copy).parts)]
    for file, line in re.findall(r'File "([^"\n]+)", line (\d+)', reason):
        if Path(file).is_relative_to(copy):
            place = Place(display_path(code / Path(file).relative_to(copy)), int(line))
    errors = re.findall(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b.*)", reason, re.MULTILINE)
    why = errors[-1].strip() if errors else "its log, above, says why"
    return FileError(place, f"ended with status {status}: {why}")
