"""The container of a deployment: score.py in Microsoft's own inference server, as a process on loopback.

The environment's conda file is built by uv and kept (`jobs.build_environment`); the image is not used. The server is
started as azureml_inference_server_http 1.5.1 starts it itself (`amlserver_linux.run`; it reads AZUREML_ENTRY_SCRIPT,
AML_APP_ROOT and AZUREML_MODEL_DIR), but on 127.0.0.1. The model lies in …/azureml-models/NAME/VERSION,
where `appinsights_client.py` of the same package looks for it, with the registered file or folder inside.

The log has the head that the service puts before it: "Instance status:", "Container events:", "Container logs:"
(MicrosoftLearning/mslearn-azure-ml#100). A container that ends is not started again; the service does so until its
probes have failed often enough.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import assets, datastores, jobs
from .storage import HOST as BLOB_HOST
from .wire import Json, Request, Response

if TYPE_CHECKING:
    from .cloud import Workspace

_RUN = """
import sys
from azureml_inference_server_http import amlserver_linux
amlserver_linux.run("127.0.0.1", *map(int, sys.argv[1:]))
"""
_BEAT = 0.1
#: docs: how-to-troubleshoot-online-endpoints.md#error-resourcenotready; the sentence as users report it.
_CRASHED = (
    "ResourceNotReady",
    "User container has crashed or terminated: {why}. Please see troubleshooting guide, available here: "
    "https://aka.ms/oe-tsg#error-resourcenotready",
)
_STEPS = ("SystemSetup", "UserContainerImagePull", "ModelDownload", "UserContainerStart")


class Container:
    """That of a deployment: one, however many instances it asks for."""

    def __init__(self, workspace: Workspace, name: str, properties: Json, capacity: int) -> None:
        self.workspace = workspace
        self.properties = properties
        self.limit = (
            2 * capacity * ((properties.get("requestSettings") or {}).get("maxConcurrentRequestsPerInstance") or 1)
        )
        self.folder = workspace.service.folder / "deployments" / f"{name}-{time.monotonic_ns()}"
        self.port = 0
        self.under_way = 0
        self._done = 0
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> tuple[str, str] | None:
        """Make it ready; returns the code and the message of the failure, if any."""
        try:
            self.folder.mkdir(parents=True)
            self._launch()
            return self._wait()
        except jobs._Failed as failure:
            return ("ImageBuildFailure", str(failure))
        except Exception as failure:
            self.workspace.service.violations.append(f"deployment {self.folder.name}: {failure!r} in the stand-in")
            return ("InternalServerError", f"the stand-in failed: {failure!r}")

    def stop(self) -> None:
        self._ended.set()
        if self._process and self._process.poll() is None:
            jobs._end(self._process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self, kind: str, tail: int) -> str:
        """The last lines of a container's log, after the head."""
        lines = ["Instance status:"]
        states = {self._done: "InProgress" if not self._ended.is_set() else "Failed"}
        lines += [
            f"{step}: {'Succeeded' if number < self._done else states.get(number, 'NotStarted')}"
            for number, step in enumerate(_STEPS)
        ]
        file = self.folder / "log.txt"
        said = file.read_text(encoding="utf-8", errors="replace") if kind == "InferenceServer" and file.exists() else ""
        return "\n".join([*lines, "", "Container logs:", *said.splitlines()[-tail:]])

    def _launch(self) -> None:
        workspace, properties = self.workspace, self.properties
        prefix = jobs.build_environment(
            assets.conda_file(workspace, properties["environmentId"]), workspace.service.cache
        )
        self._done = 2
        code = properties["codeConfiguration"]
        root = self.folder / "code"
        download(workspace, assets.find(workspace, code["codeId"], "codes")["properties"]["codeUri"], root)
        models = lay_out_model(workspace, properties.get("model"), self.folder)
        self._done = 3
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        dropped = re.compile("PYTHON|VIRTUAL_ENV|CONDA_|AZURE|AML_|MLFLOW_|.*_PROXY|.*_proxy")
        variables = {key: value for key, value in os.environ.items() if not dropped.match(key)}
        variables |= {name: value or "" for name, value in (properties.get("environmentVariables") or {}).items()}
        variables |= {
            "AML_APP_ROOT": str(root),
            "AZUREML_ENTRY_SCRIPT": str(root / code["scoringScript"]),
            "AZUREML_MODEL_DIR": str(models),
        }
        python = prefix / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        workers = variables.get("WORKER_COUNT", "1")
        with (self.folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), "-c", _RUN, str(self.port), workers],
                cwd=root, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=os.name != "nt",
            )  # fmt: skip

    def _wait(self) -> tuple[str, str] | None:
        """Until it is healthy, or has ended, or its liveness probe would have failed too often."""
        probe: dict[str, Any] = self.properties.get("livenessProbe") or {}
        first, period = (jobs.seconds_of(probe.get(name)) or 10 for name in ("initialDelay", "period"))
        probe_timeout = jobs.seconds_of(probe.get("timeout")) or 2
        deadline = time.monotonic() + first + period * (probe.get("failureThreshold") or 30)
        assert self._process
        while self._process.poll() is None and not self._ended.is_set():
            with contextlib.suppress(TimeoutError):  # it listens before a worker is there
                if self._ask("GET", "/", b"", {}, probe_timeout) is not None:
                    self._done = len(_STEPS)
                    return None
            if time.monotonic() > deadline:
                self.stop_process()
                return _CRASHED[0], _CRASHED[1].format(
                    why="Liveness probe failed: HTTP probe failed with statuscode: 502"
                )
            time.sleep(_BEAT)
        self._ended.set()
        return _CRASHED[0], _CRASHED[1].format(why=f"exit code {self._process.returncode}")

    def stop_process(self) -> None:
        self._ended.set()
        if self._process and self._process.poll() is None:
            jobs._end(self._process)

    def _ask(
        self, method: str, target: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, bytes, dict[str, str]] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def score(self, request: Request, name: str) -> Response:
        """Pass a request on, with what the service does to answers of a model.

        docs: how-to-troubleshoot-online-endpoints.md#http-status-codes: 408 after `request_timeout_ms`, 429 for more
        than twice max_concurrent_requests_per_instance for each instance, and 424 for whatever is not 200. The service
        does that last with Envoy: the body stays, and a header, ms-azureml-model-error-statuscode, has the status.
        """
        settings = self.properties.get("requestSettings") or {}
        kept = {key: value for key, value in request.headers.items() if key.lower() in ("content-type", "accept")}
        self.under_way += 1
        try:
            if self.under_way > self.limit:
                return Response(429, "too many pending requests")
            seconds = jobs.seconds_of(settings.get("requestTimeout")) or 5
            answer = self._ask(request.method, request.target, request.body, kept, seconds)
        except TimeoutError:
            return Response(408, "upstream request timeout")
        finally:
            self.under_way -= 1
        told = {"azureml-model-deployment": name}
        if answer is None:
            return Response(503, "no healthy upstream", told)
        status, body, headers = answer
        told |= {
            key: value for key, value in headers.items() if key.lower() in ("content-type", "x-ms-run-function-failed")
        }
        if status == 200:
            return Response(200, body, told)
        told |= {"ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": str(status)}
        return Response(424, body, told)


def download(workspace: Workspace, uri: str, folder: Path) -> int:
    """What lies at an address, as files below a folder; their number."""
    found = re.fullmatch(rf"https://{re.escape(BLOB_HOST)}(?::443)?/([^/?]+)(?:/([^?]*))?(?:\?.*)?", uri)
    container, path = (found[1], found[2] or "") if found else datastores.locate(workspace, uri)
    return workspace.service.storage.download(container, path, folder)


def lay_out_model(workspace: Workspace, identifier: str | None, below: Path) -> Path:
    """The folder of AZUREML_MODEL_DIR, with the registered file, or the registered folder, inside."""
    folder = below / "azureml-models"
    if not identifier:
        folder.mkdir()
        return folder
    model = assets.find(workspace, identifier, "models")
    folder = folder / str(model["id"]).split("/")[-3] / str(model["name"])
    uri = model["properties"]["modelUri"].rstrip("/")
    download(workspace, uri, folder)
    name = uri.rpartition("/")[2]
    if not (folder / name).is_file():  # a folder
        folder.rename(below / "model")
        folder.mkdir()
        (below / "model").rename(folder / name)
    return folder
