"""Requests of this package's own: what is tried again, what is not, and what is said where nobody answers."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.pipeline.transport import RequestsTransport

from aml.azure import blobs, runs, tracking
from aml.azure.workspace_client import WorkspaceClient
from aml.errors import ServiceError, UserError
from standin import StandIn
from standin.cloud import GROUP, SUBSCRIPTION, WORKSPACE, Workspace

SETTINGS = {"subscription_id": SUBSCRIPTION, "resource_group": GROUP, "workspace_name": WORKSPACE}


@pytest.fixture
def shell(service: StandIn, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Variables with which this process meets the stand-in."""
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    yield workspace
    logging.disable(logging.NOTSET)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds between attempts, which nobody waits."""
    waited: list[float] = []
    monkeypatch.setattr(RequestsTransport, "sleep", lambda _, seconds: waited.append(float(seconds)))
    return waited


def requests_for(service: StandIn, path: str) -> list[Any]:
    return [call for call in service.calls if call.path.endswith(path) and call.kind in ("control", "data")]


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("kind", ["429", "503", "500", "reset", "reset-after"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_passes_is_tried_again(service: StandIn, pauses: list[float], kind: Any, method: str) -> None:
    """Posts too: listing keys, cancelling a job may be sent twice."""
    service.faults.add(kind, path="/workspaces/", times=3, seconds=7)
    path = "" if method == "GET" else "/datastores/workspaceblobstore/listSecrets"
    assert WorkspaceClient(SETTINGS).send(method, path)
    assert len(requests_for(service, path or WORKSPACE)) == 4
    if kind in ("429", "503"):
        assert pauses == [7, 7, 7]  # Retry-After


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("kind", ["429", "503"])
def test_a_blob_is_put_again_when_storage_says_so(
    service: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time", SimpleNamespace(sleep=waited.append, time=time.time))
    (tmp_path / "a.csv").write_text("1\n")
    service.faults.add(kind, method="PUT", path=r"\.blob\.", times=3, seconds=7)
    blobs.upload(WorkspaceClient(SETTINGS), tmp_path)
    puts = [call.status for call in service.calls if call.kind == "blob" and call.method == "PUT"]
    assert puts[-1] == 201 and len(puts) == 4 and waited == [7, 7, 7]


@pytest.mark.usefixtures("shell", "pauses")
@pytest.mark.parametrize(("kind", "says"), [("503", "the service is busy (503 "), ("reset", "cannot be reached: ")])
@pytest.mark.parametrize("retries", [0, 1, 4, 8])
def test_retries_are_as_many_as_are_asked_for(service: StandIn, kind: Any, says: str, retries: int) -> None:
    """Of every kind of failure: azure-core ends after three of one kind, whatever the total."""
    service.faults.add(kind, path="/workspaces/", times=100)
    with pytest.raises(ServiceError) as refused:
        WorkspaceClient(SETTINGS, retries=retries).get("")
    assert says in str(refused.value)
    assert len(requests_for(service, WORKSPACE)) == 1 + retries


@pytest.mark.usefixtures("shell", "pauses")
@pytest.mark.parametrize("kind", ["503", "429", "500", "reset"])
def test_a_request_that_must_not_be_sent_twice_is_not(service: StandIn, kind: Any) -> None:
    service.faults.add(kind, method="POST", path="runs/create$", times=100)
    client = WorkspaceClient(SETTINGS)
    with pytest.raises(ServiceError):
        runs.mlflow(client, "POST", "runs/create", retries=0, experiment_id="0")
    assert len(requests_for(service, "/runs/create")) == 1


@pytest.mark.usefixtures("pauses")
def test_a_run_whose_creation_was_not_answered_is_found(service: StandIn, shell: Workspace) -> None:
    service.faults.add("reset-after", method="POST", path="runs/create$")
    variables = tracking.start(WorkspaceClient(SETTINGS), "birds", "20261126-120000-abcdef", {})
    assert [variables["MLFLOW_RUN_ID"]] == list(shell.runs)


@pytest.mark.usefixtures("shell", "pauses")
def test_a_token_that_is_not_taken_is_renewed_once(service: StandIn) -> None:
    service.faults.add("401-expired", path="/workspaces/")
    assert WorkspaceClient(SETTINGS).get("")["name"] == WORKSPACE
    assert len(requests_for(service, WORKSPACE)) == 2
    assert len([call for call in service.calls if call.path == "/standin/az"]) == 2
    service.faults.add("401-expired", path="/workspaces/", times=100)
    with pytest.raises(ServiceError, match=r"your sign-in ran out, or is of another tenant .+: az login, and run it"):
        WorkspaceClient(SETTINGS).get("")
    assert len(requests_for(service, WORKSPACE)) == 4


@pytest.mark.usefixtures("shell")
def test_a_certificate_that_is_not_trusted_is_said_at_once(
    service: StandIn, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    import certifi

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, certifi.where())
    client = WorkspaceClient(SETTINGS)
    monkeypatch.setattr(client.credential, "_fetch", lambda *_, **__: Token())
    with pytest.raises(ServiceError) as refused:
        client.get("")
    assert str(refused.value) == (
        "management.azure.com cannot be reached: its certificate is not trusted here (REQUESTS_CA_BUNDLE names others)"
    )
    assert not pauses and not requests_for(service, WORKSPACE)


class Token:
    token = "of nobody"
    expires_on = time.time() + 3600


@pytest.mark.usefixtures("shell", "pauses")
@pytest.mark.parametrize("listens", [True, False])
def test_who_does_not_answer_is_said_in_a_line(listens: bool) -> None:
    """Without the layers of requests and urllib3 around what happened."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
        client = WorkspaceClient(SETTINGS, retries=0)
        client.transport.connection_config.timeout = 0.2
        with pytest.raises(UserError) as refused:
            client.get(f"https://127.0.0.1:{port}/")
    said = str(refused.value)
    assert said.startswith(f"127.0.0.1:{port} cannot be reached: ")
    assert ("timed out" if listens else "refused") in said
    assert "HTTPSConnection" not in said and "object at" not in said and "\n" not in said


def test_what_needs_no_workspace_imports_nothing_of_azure() -> None:
    script = (
        "import json, sys\nfrom aml.cli.main import build_parser\n"
        "for verb in sys.argv[1:]:\n    build_parser([verb])\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    command = [sys.executable, "-c", script, "check", "submit", "runs", "models", "promote", "register-model"]
    loaded = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert "aml" in loaded
    assert not {"azure", "requests", "msal", "urllib3"} & set(loaded)
