"""Jobs: checked at submission as the service does, then executed for real on this machine.

A command job gets its own folder, its snapshot, its data and an environment that uv builds from the conda file of
the job's environment version (the image is not used: there is no container). It runs under bash, tracks over the
stand-in's own MLflow addresses, and leaves logs, artifacts and outputs in Azurite.

Sources: the contract's Jobs operations; how-to-train-model.md and reference-yaml-job-command.md for what a job is
given; how-to-use-mlflow-cli-runs.md and azureml-mlflow 1.62 for the variables; azureml-examples cli/train-rest.sh for
AZURE_ML_INPUT_*.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from . import assets, datastores, runhistory
from .cloud import PROVIDER, WS, Workspace, checked_body, page, system_data, workspace_of
from .mlflow import Run, experiment_of
from .storage import HOST as BLOB_HOST
from .wire import Json, Request, Response, Router, ServiceError

router = Router()
_TERMINAL = ("Completed", "Failed", "Canceled")
#: Seconds between two looks at a running job: for its log, its time limit and cancel.
_BEAT = 0.2
#: Files whose upload is repeated while a job runs, so that streaming shows them.
LOG = "user_logs/std_log.txt"


@dataclass(repr=False)
class Job:
    workspace: Workspace
    name: str
    properties: Json
    run: Run
    created: Json = field(default_factory=system_data)
    thread: threading.Thread | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def __repr__(self) -> str:
        return f"<job {self.name} {self.status}: {self.run.error}>"

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def compute_name(self) -> str:
        return str(self.properties.get("computeId") or "serverless").rsplit("/", 1)[-1]

    @property
    def resource(self) -> Json:
        """The contract's JobBase, with the services and the default output that the service adds."""
        workspace = self.workspace
        studio = f"https://ml.azure.com/runs/{self.name}?wsid={workspace.scope}"
        services = {
            "Tracking": _service("Tracking", workspace.resource["properties"]["mlFlowTrackingUri"]),
            "Studio": _service("Studio", studio),
        }
        outputs = {
            "default": {
                "uri": f"azureml://datastores/{datastores.ARTIFACTS}/ExperimentRun/dcid.{self.name}",
                "mode": "ReadWriteMount",
                "jobOutputType": "uri_folder",
                "description": None,
            },
            **(self.properties.get("outputs") or {}),
        }
        return {
            "id": f"{workspace.scope}/jobs/{self.name}",
            "name": self.name,
            "type": f"{PROVIDER}/workspaces/jobs",
            "systemData": self.created,
            "properties": {**self.properties, "services": services, "outputs": outputs, "status": self.status},
        }

    def start(self) -> None:
        self.thread = threading.Thread(target=self._execute, name=f"job-{self.name}", daemon=True)
        self.thread.start()

    def cancel(self, wait: bool = False) -> None:
        if self.status not in _TERMINAL:
            self._cancelled.set()
        if wait and self.thread:
            self.thread.join(30)

    def _execute(self) -> None:
        execution = _Execution(self)
        try:
            status, error = execution.perform(self._cancelled)
        except _Failed as failure:
            status, error = "Failed", str(failure)
        except Exception as failure:
            status, error = "Failed", f"the stand-in failed: {failure!r}"
            self.workspace.service.violations.append(f"job {self.name}: {error}")
        execution.finish(status, error)


def _service(kind: str, endpoint: str) -> Json:
    return {
        "jobServiceType": kind,
        "endpoint": endpoint,
        "status": None,
        "errorMessage": None,
        "port": None,
        "properties": None,
        "nodes": None,
    }


class _Failed(Exception):
    """A job that ends Failed, with the reason for its error."""


class _Execution:
    """One execution of a command job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.workspace = job.workspace
        self.service = job.workspace.service
        self.storage = self.service.storage
        self.folder = self.service.folder / "jobs" / job.name
        self.work = self.folder / "wd"
        self.artifacts = datastores.locate(self.workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")[0]
        self.log = self.folder / "std_log.txt"
        self._logged = -1

    def perform(self, cancelled: threading.Event) -> tuple[str, str | None]:
        """Status and error at the end."""
        self.work.mkdir(parents=True)
        self.log.touch()
        properties = self.job.properties
        if properties["jobType"] != "Command":
            raise _Failed(f"The stand-in executes command jobs only, not {properties['jobType']}.")
        self._set_status("Preparing")
        self._snapshot()
        inputs, outputs = self._inputs(), self._outputs()
        prefix = build_environment(assets.conda_file(self.workspace, properties["environmentId"]), self.service.cache)
        if cancelled.is_set():
            return "Canceled", None
        command = substitute(properties["command"], inputs, outputs)
        variables = self._variables(prefix, inputs, outputs)
        self._set_status("Running")
        return self._run(command, variables, cancelled)

    def finish(self, status: str, error: str | None) -> None:
        """Upload what is left and tell the status; last of all, so that who sees it finds everything."""
        self._upload_log()
        for folder in ("outputs", "logs"):
            self._upload(self.work / folder, self.artifacts, f"{self.job.run.artifact_prefix}{folder}/")
        if status == "Completed":
            self._register_outputs()
        with self.service.cloud.lock:
            self.job.run.error = error
            self.job.run.ended = int(time.time() * 1000)
            self.job.run.status = status
        shutil.rmtree(self.folder, ignore_errors=True)

    def _set_status(self, status: str) -> None:
        with self.service.cloud.lock:
            self.job.run.status = status

    def _snapshot(self) -> None:
        code = self.job.properties.get("codeId")
        if not code:
            return
        uri = assets.find(self.workspace, code, "codes")["properties"]["codeUri"]
        container, path = self._blob(uri)
        if not self.storage.download(container, path, self.work):
            raise _Failed(f"The snapshot {code} holds no file.")

    def _blob(self, uri: str) -> tuple[str, str]:
        """Container and path of an address on the account, or of one on a datastore."""
        host = re.escape(BLOB_HOST)
        found = re.fullmatch(rf"https://{host}(?::443)?/([^/?]+)(?:/([^?]*))?(?:\?.*)?", uri)
        found = found or re.fullmatch(rf"wasbs?://([^@/]+)@{host}(?:/(.*))?", uri)
        return (found[1], found[2] or "") if found else datastores.locate(self.workspace, uri)

    def _inputs(self) -> dict[str, str]:
        """A path for every input that is data, the value of every other one."""
        values = {}
        for name, given in (self.job.properties.get("inputs") or {}).items():
            if given["jobInputType"] == "literal":
                values[name] = str(given["value"])
                continue
            try:
                container, path = self._blob(data_uri(self.workspace, given["uri"]))
            except ServiceError as error:
                raise _Failed(f"The stand-in cannot get the data of input {name}: {error}") from None
            folder = self.folder / "inputs" / name
            if not self.storage.download(container, path, folder):
                raise _Failed(f"The data of input {name} was not found: {given['uri']}")
            is_file = given["jobInputType"] == "uri_file" or (
                path and not path.endswith("/") and self._is_blob(container, path)
            )
            values[name] = str(folder / Path(path).name) if is_file else str(folder)
        return values

    def _is_blob(self, container: str, path: str) -> bool:
        return path in self.storage.list(container, path)

    def _outputs(self) -> dict[str, str]:
        paths = {}
        for name, given in (self.job.properties.get("outputs") or {}).items():
            folder = self.folder / "outputs" / name
            folder.mkdir(parents=True)
            paths[name] = str(folder / name if given["jobOutputType"] == "uri_file" else folder)
        return paths

    def _variables(self, prefix: Path, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
        """A node's variables: nothing of the person who runs the tests, no az on the PATH."""
        job, workspace = self.job, self.workspace
        token = runhistory.run_token(job.run)
        variables = self.service.environment(sign_in="none")
        own = str(self.service.folder / "bin")
        path = [part for part in variables.get("PATH", "").split(os.pathsep) if part != own]
        scripts = prefix / ("Scripts" if os.name == "nt" else "bin")
        plane = f"https://{workspace.location}.api.azureml.ms"
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"):
            variables.pop(name, None)
        variables.update(
            {
                "PATH": os.pathsep.join([str(scripts), *path]),
                "VIRTUAL_ENV": str(prefix),
                "MLFLOW_TRACKING_URI": workspace.resource["properties"]["mlFlowTrackingUri"],
                "MLFLOW_TRACKING_TOKEN": token["token"],
                "MLFLOW_RUN_ID": job.name,
                "MLFLOW_EXPERIMENT_ID": job.run.experiment.identifier,
                "MLFLOW_EXPERIMENT_NAME": job.run.experiment.name,
                "AZUREML_RUN_ID": job.name,
                "AZUREML_RUN_TOKEN": token["token"],
                "AZUREML_RUN_TOKEN_EXPIRY": token["expiryTimeUtc"],
                "AZUREML_EXPERIMENT_ID": job.run.experiment.identifier,
                "AZUREML_ARM_SUBSCRIPTION": workspace.subscription,
                "AZUREML_ARM_RESOURCEGROUP": workspace.group,
                "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
                "AZUREML_ARM_PROJECT_NAME": job.run.experiment.name,
                "AZUREML_SERVICE_ENDPOINT": plane,
                "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{plane}/discovery",
                "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": str(self.work),
                **{f"AZURE_ML_INPUT_{name}": value for name, value in inputs.items()},
                **{f"AZURE_ML_OUTPUT_{name}": value for name, value in outputs.items()},
            }
        )
        for name, value in (job.properties.get("environmentVariables") or {}).items():
            variables[name] = substitute(value or "", inputs, outputs)
        return variables

    def _run(self, command: str, variables: dict[str, str], cancelled: threading.Event) -> tuple[str, str | None]:
        limit = seconds_of((self.job.properties.get("limits") or {}).get("timeout"))
        deadline = time.monotonic() + limit if limit else None
        bash = shutil.which("bash") or "bash"
        flags: dict[str, Any] = {"start_new_session": True}
        if os.name == "nt":
            flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [bash, "-c", command], cwd=self.work, env=variables, stdout=log, stderr=subprocess.STDOUT, **flags
            )
            while process.poll() is None:
                time.sleep(_BEAT)
                self._upload_log()
                if cancelled.is_set():
                    _end(process)
                    return "Canceled", None
                if deadline and time.monotonic() > deadline:
                    _end(process)
                    return "Failed", f"The job ran longer than its limit of {limit:g} seconds and was ended."
        if process.returncode:
            return (
                "Failed",
                f"Execution failed. User process exited with status code {process.returncode}. {self._tail()}",
            )
        return "Completed", None

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        return lines[-1] if lines else ""

    def _upload_log(self) -> None:
        size = self.log.stat().st_size if self.log.exists() else 0
        if size != self._logged:
            data = self.log.read_bytes() if size else b""
            self.storage.upload(self.artifacts, self.job.run.artifact_prefix + LOG, data)
            self._logged = size

    def _upload(self, folder: Path, container: str, prefix: str) -> int:
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()] if folder.is_dir() else []
        for file in files:
            self.storage.upload(container, prefix + file.relative_to(folder).as_posix(), file)
        return len(files)

    def _register_outputs(self) -> None:
        """Upload named outputs to azureml/<job>/<output>/, or where their path says, and make them assets."""
        for name, given in (self.job.properties.get("outputs") or {}).items():
            uri = given.get("uri") or f"azureml://datastores/{datastores.DEFAULT}/paths/azureml/{self.job.name}/{name}/"
            container, path = self._blob(uri.replace("${{name}}", self.job.name))
            self._upload(self.folder / "outputs" / name, container, path.rstrip("/") + "/")
            kind = given["jobOutputType"]
            collection = "models" if kind.endswith("_model") else "data"
            asset = given.get("assetName") or f"azureml_{self.job.name}_output_{name}"
            properties = (
                {"modelUri": uri, "modelType": kind} if collection == "models" else {"dataUri": uri, "dataType": kind}
            )
            with self.service.cloud.lock:
                versions = self.workspace.assets.get(collection, {}).get(asset, {})
                version = given.get("assetVersion") or str(len(versions) + 1)
                properties["jobName"] = self.job.name
                _, resource = assets.store(self.workspace, collection, asset, version, properties)
                types = {"custom_model": "CustomModel", "mlflow_model": "MLFlowModel", "triton_model": "TritonModel"}
                self.job.run.outputs[name] = {"assetId": resource["id"], "type": types.get(kind, kind)}


def data_uri(workspace: Workspace, uri: str) -> str:
    """Where the data of an input lies; of a registered asset, its path."""
    if re.match(r"(azureml:)?/subscriptions/|azureml:[^/]", uri):
        collection = "models" if "/models/" in uri else "data"
        properties = assets.find(workspace, uri, collection)["properties"]
        return str(properties["dataUri" if collection == "data" else "modelUri"])
    found = re.fullmatch(r"azureml://jobs/([^/]+)/outputs/([^/]+)/paths/(.*)", uri)
    return assets.resolved(workspace, uri) if found else uri


def substitute(text: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """${{inputs.x}}, ${{outputs.x}} and $[[…]] around what may be missing; reference-yaml-job-command.md."""
    text = re.sub(r"\$\[\[(.*?)\]\]", lambda m: m[1] if _known(m[1], inputs) else "", text, flags=re.DOTALL)

    def value(found: re.Match[str]) -> str:
        source = inputs if found[1] == "inputs" else outputs
        if found[2] not in source:
            raise _Failed(f"The command refers to {found[0]}, which the job does not have.")
        return source[found[2]]

    return re.sub(r"\$\{\{\s*(inputs|outputs)\.([\w.-]+)\s*\}\}", value, text)


def _known(text: str, inputs: dict[str, str]) -> bool:
    return all(name in inputs for name in re.findall(r"\$\{\{\s*inputs\.([\w.-]+)\s*\}\}", text))


def seconds_of(duration: str | None) -> float:
    """An ISO 8601 duration, as the contract has it; 0 for none."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?", duration or "P0D")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def build_environment(conda: str | None, cache: Path) -> Path:
    """A virtual environment with a conda file's Python and pip packages, kept by its content."""
    content = yaml.safe_load(conda or "") or {}
    python, packages = ".".join(map(str, sys.version_info[:2])), []
    for entry in content.get("dependencies", []):
        if isinstance(entry, dict):
            packages += entry.get("pip", [])
        elif found := re.fullmatch(r"python\s*=+\s*(\d+\.\d+)\S*", entry):
            python = found[1]
        elif not re.match(r"(pip|python)\b", entry):
            packages.append(re.sub(r"^([\w.-]+)\s*=\s*([^=].*)$", r"\1==\2", entry))  # conda's one = is pip's two
    key = hashlib.sha256(repr((python, sorted(packages))).encode()).hexdigest()[:16]
    folder = cache / "environments" / key
    done = folder / "done"
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = (
        shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])) or "uv"
    )
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            # A machine without a network for Pythons, and without this one, builds with the one that runs the tests.
            known = subprocess.run([uv, "python", "find", "--system", python], capture_output=True).returncode == 0
            steps = [[uv, "venv", "--quiet", "--python", python if known else sys.executable, str(folder)]]
            if packages:
                steps.append([uv, "pip", "install", "--quiet", "--python", str(folder), *packages])
            for step in steps:
                built = subprocess.run(step, capture_output=True, text=True)
                if built.returncode:
                    raise _Failed(f"Environment build failed: {built.stderr.strip()}")
            done.touch()
    return folder


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and those it started."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _check(workspace: Workspace, properties: Json) -> None:
    """What the service refuses at submission: things that are not there."""
    compute = properties.get("computeId")
    if compute:
        name = compute.rsplit("/", 1)[-1]
        if name not in workspace.computes:
            raise ServiceError(
                404, "UserError", f"Unknown compute target '{name}': it was not found in workspace {workspace.name}."
            )
    assets.conda_file(workspace, properties["environmentId"])
    if properties.get("codeId"):
        assets.find(workspace, properties["codeId"], "codes")
    for name, given in (properties.get("inputs") or {}).items():
        if given["jobInputType"] != "literal":
            uri = data_uri(workspace, given["uri"])
            if not re.match(r"azureml://|https?://|wasbs?://|abfss?://", uri):
                raise ServiceError(400, "UserError", f"The uri of input {name} is of no known form: {uri}")
    for text in (properties["command"], *(properties.get("environmentVariables") or {}).values()):
        for kind, name in re.findall(r"\$\{\{\s*(inputs|outputs)\.([\w.-]+)\s*\}\}", text or ""):
            if name not in (properties.get(kind) or {}):
                raise ServiceError(
                    400, "UserError", f"The command refers to {kind}.{name}, which the job does not have."
                )


@router.on("GET", f"{WS}/jobs")
def list_jobs(request: Request) -> Response:
    """Newest first; archived ones only when asked for."""
    workspace = workspace_of(request, "jobs/read")
    view = request.query.get("listviewtype", "ActiveOnly")
    found = [
        job.resource
        for job in reversed(workspace.jobs.values())
        if view == "All" or bool(job.properties.get("isArchived")) == (view == "ArchivedOnly")
    ]
    return page(request, found)


def _find(workspace: Workspace, name: str) -> Job:
    if name not in workspace.jobs:
        raise ServiceError(404, "UserError", f"Job {name} not found in workspace {workspace.name}.")
    return workspace.jobs[name]


@router.on("GET", f"{WS}/jobs/{{name}}")
def get_job(request: Request) -> Response:
    return Response(200, _find(workspace_of(request, "jobs/read"), request.names["name"]).resource)


@router.on("PUT", f"{WS}/jobs/{{name}}")
def put_job(request: Request) -> Response:
    """A name is one job: the same body again is answered with what is there, another one refused."""
    workspace = workspace_of(request, "jobs/write")
    body = checked_body(request, "JobBase")
    name, properties = request.names["name"], body["properties"]
    before = workspace.jobs.get(name)
    if before:
        changing = {"description", "displayName", "tags", "properties", "isArchived", "services", "outputs", "status"}
        for key in properties.keys() - changing:
            if properties[key] is not None and properties[key] != before.properties.get(key):
                raise ServiceError(
                    400, "UserError", f"A job with this name already exists, and its {key} cannot be changed."
                )
        before.properties.update(
            {key: properties[key] for key in changing - {"services", "outputs", "status"} if key in properties}
        )
        return Response(200, before.resource)
    _check(workspace, properties)
    experiment = experiment_of(workspace, properties.get("experimentName") or "Default")
    properties = {**properties, "experimentName": experiment.name, "displayName": properties.get("displayName") or name}
    for key in ("tags", "properties", "inputs"):
        properties[key] = properties.get(key) or {}
    for name_of, given in (properties.get("outputs") or {}).items():
        given.setdefault("uri", None)
        given["mode"] = given.get("mode") or "ReadWriteMount"
        properties["outputs"][name_of] = given
    run = Run(workspace, experiment, name, properties["displayName"], status="NotStarted")
    run.tags.update({key: value or "" for key, value in properties["tags"].items()})
    run.tags["mlflow.runName"] = run.name
    run.properties.update(properties["properties"])
    run.unknown = request.service.history_lag
    job = Job(workspace, name, properties, run)
    workspace.runs[name] = run
    workspace.jobs[name] = job
    answer = job.resource
    job.start()
    return Response(201, answer)


@router.on("POST", f"{WS}/jobs/{{name}}/cancel")
def cancel_job(request: Request) -> Response:
    """202 and an operation to ask for, as the contract has it."""
    workspace = workspace_of(request, "jobs/cancel/action")
    job = _find(workspace, request.names["name"])
    if job.status in _TERMINAL:
        return Response(200)
    job.cancel()
    where = f"https://{request.host}{job.workspace.scope}/jobs/{job.name}/cancelResult"
    return Response(202, None, {"Location": f"{where}?api-version={request.query['api-version']}", "Retry-After": "1"})


@router.on("GET", f"{WS}/jobs/{{name}}/cancelResult")
def cancel_result(request: Request) -> Response:
    job = _find(workspace_of(request, "jobs/read"), request.names["name"])
    if job.status in _TERMINAL:
        return Response(200)
    where = f"https://{request.host}{request.target}"
    return Response(202, None, {"Location": where, "Retry-After": "1"})


@router.on("DELETE", f"{WS}/jobs/{{name}}")
def delete_job(request: Request) -> Response:
    workspace = workspace_of(request, "jobs/delete")
    job = workspace.jobs.pop(request.names["name"], None)
    if job:
        job.cancel()
        workspace.runs.pop(job.name, None)
    return Response(200 if job else 204)
