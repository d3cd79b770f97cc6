"""--dry-run prints what the verb then sends: both are compared, request by request; the first has no service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest

from standin import assets
from standin.contents import ENDPOINT, add_model, batch_quickly, serve_quickly
from standin.fixtures import IMAGE, Attached, until
from standin.server import CONTROL_PLANE, Call
from standin.storage import ACCOUNT

NOTHING_AT_HAND = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")


class Sent(NamedTuple):
    """A request. What only the service knows is in <angle brackets> when it comes from a dry run."""

    method: str
    kind: str  # control, data or blob
    path: str
    query: dict[str, str]
    body: Any


def printed(output: str) -> list[Sent]:
    """The requests of a dry run: method and address on a line, then the body, further in."""
    requests = []
    for entry in re.split(r"\n(?=\w)", output.strip()):
        head, _, body = entry.partition("\n")
        found = re.fullmatch(r"([A-Z]+) +(https://\S+.*?)(  \(\d+ bytes\))?", head)
        assert found, f"neither a request nor its body: {entry}"
        address, _, query = found[2].removeprefix("https://").partition("?")
        host, _, path = address.partition("/")
        kind = {CONTROL_PLANE: "control"}.get(host, "blob" if ".blob." in host else "data")
        kind = "scoring" if ".inference.ml." in host else kind
        requests.append(
            Sent(found[1], kind, f"/{path}", _query(dict(parse_qsl(query))), json.loads(body) if body else None)
        )
    return requests


def sent(calls: list[Call]) -> list[Sent]:
    """The requests of the verb itself, without sign-in, and without what only asks whether the service is done.

    That is what follows an operation, what looks at the log meanwhile, and what is read of the thing that was made when
    it is done. Which blobs a model has is not known before either.
    """
    requests = [
        Sent(call.method, call.kind, call.path, _query(call.query), call.body)
        for call in calls
        if call.kind in ("control", "data", "blob", "scoring")
        and not call.path.endswith("/getLogs")
        and not (call.kind == "blob" and call.method == "GET" and "comp" not in call.query)
    ]
    last = max(index for index, request in enumerate(requests) if request.method != "GET")
    own: list[Sent] = []
    follows = False
    for request in requests[: last + 1]:
        polls = re.search("/(compute|mfe)Operation(sStatus|Results)/", request.path) is not None
        if not polls and not (follows and own and (request.method, request.path) == ("GET", own[-1].path)):
            own.append(request)
        follows = polls
    return own


def _query(query: dict[str, str]) -> dict[str, str]:
    """Names in small letters, as Azure does not tell them apart; of blobs no signature, no page size."""
    own = {"se", "sp", "sv", "sr", "sig", "st", "spr", "include", "maxresults"}
    return {name.lower(): value for name, value in query.items() if name.lower() not in own}


def fits(said: Any, real: Any) -> bool:
    """Whether they are equal but for what is in angle brackets."""
    if isinstance(said, dict):
        keys = isinstance(real, dict) and fits(sorted(said), sorted(real))
        return keys and all(fits(said[one], real[other]) for one, other in zip(sorted(said), sorted(real), strict=True))
    if isinstance(said, list | tuple):
        return len(said) == len(real) and all(map(fits, said, real))
    if isinstance(said, str):
        pattern = "".join(".+" if part.startswith("<") else re.escape(part) for part in re.split(r"(<[^<>]*>)", said))
        return isinstance(real, str) and re.fullmatch(pattern, real, re.DOTALL) is not None
    return bool(said == real)


def in_order(requests: list[Sent]) -> list[Sent]:
    """Neighbours that only look up, or that upload blobs, go out at the same time: those by their path."""
    groups = groupby(requests, lambda one: (one.method, one.kind) if one.method == "GET" or one.kind == "blob" else one)
    return [one for _, group in groups for one in sorted(group, key=lambda one: (one.method, one.kind, one.path))]


def job_that_ended(repository: Attached) -> None:
    repository.submit("mkdir outputs; echo 1 > outputs/model.pkl", "-t", "run.json")


def job_that_is_judged(repository: Attached) -> None:
    job_that_ended(repository)
    gate = repository.path / "scripts" / "register_model.py"
    gate.parent.mkdir(exist_ok=True)
    gate.write_text(
        "from aml.cli.register_model import main\ndef reasons_against(candidate, champion):\n    return []\n",
        encoding="utf-8",
    )


def job_that_runs(repository: Attached) -> None:
    repository.submit("sleep 60", "--no-wait", "-t", "run.json")
    until(lambda: repository.last_job.status == "Running")


def run_here(repository: Attached) -> None:
    command = "mkdir outputs; echo 1 > outputs/model.pkl"
    repository.submit(command, "--here", "-t", "run.json", compute="local", environment={"image": IMAGE})


def data_registered(repository: Attached) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/data/"
    assets.store(repository.workspace, "data", "demo-model-data", "1", {"dataUri": uri, "dataType": "uri_folder"})


def data_elsewhere(repository: Attached) -> None:
    repository.write("data.yml", path="azureml://datastores/workspaceblobstore/paths/birds/", tags={"a": "b"})


def no_cluster(repository: Attached) -> None:
    repository.workspace.computes.clear()


def local_data(repository: Attached) -> None:
    parts: dict[str, Any] = {
        "inputs": {"data": {"type": "uri_folder", "path": "sample-data"}, "n": 3},
        "outputs": {"model": {"type": "custom_model"}},
        "distribution": {"type": "pytorch", "process_count_per_instance": 2},
        "resources": {"instance_count": 2},
        "limits": {"timeout": 60},
        "code": "src",
    }
    repository.job("ls ${{inputs.data}} > ${{outputs.model}}/n${{inputs.n}}", **parts)


def known_environment(repository: Attached) -> None:
    assets.store(repository.workspace, "environments", "birds", "1", {"image": IMAGE})
    repository.job("true", environment="azureml:birds:1", name="one-of-a-kind")


def deployed(repository: Attached) -> None:
    """One deployment after the other."""
    serve_quickly(repository)
    repository.aml("deploy")
    add_model(repository.workspace, "2", "lark")
    repository.aml("deploy", "--model", "demo-model:2")


def nothing(repository: Attached) -> None:
    """The verb needs none."""


Preparation = Callable[[Attached], None]
VERBS: dict[str, tuple[Preparation, list[str]]] = {
    "create-compute": (no_cluster, ["create-compute"]),
    "create-compute --delete": (nothing, ["create-compute", "--delete"]),
    "register-data": (nothing, ["register-data"]),
    "register-data, the second version": (data_registered, ["register-data"]),
    "register-data, elsewhere": (data_elsewhere, ["register-data"]),
    "register-datastore": (
        nothing,
        ["register-datastore", "-n", "birds", "--account", ACCOUNT, "--container", "birds"],
    ),
    "submit": (data_registered, ["submit", "-c", "train-amlcompute", "-e", "birds"]),
    "submit, data of this machine": (local_data, ["submit", "-c", "job.yml"]),
    "submit, a registered environment": (known_environment, ["submit", "-c", "job.yml"]),
    "register-model": (job_that_ended, ["register-model", "-n", "birds", "-f", "run.json", "--tag", "a=b"]),
    "register-model --to azure": (run_here, ["register-model", "-n", "birds", "-f", "run.json", "--to", "azure"]),
    "deploy": (serve_quickly, ["deploy", "--model", "demo-model:1"]),
    "deploy, no traffic": (serve_quickly, ["deploy", "--model", "demo-model:1", "--traffic", "0"]),
    "deploy, batch": (batch_quickly, ["deploy", "-c", "batch-deployment", "--model", "demo-model:1"]),
    "deploy --rollback": (deployed, ["deploy", "--rollback"]),
    "deploy --delete, a deployment": (deployed, ["deploy", "--delete", "demo-model-1"]),
    "deploy --delete, all": (deployed, ["deploy", "--delete", ENDPOINT]),
    "runs cancel": (job_that_runs, ["runs", "--azure", "cancel", "RUN"]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_dry_run_says_what_is_sent(attached: Attached, verb: str) -> None:
    prepare, arguments = VERBS[verb]
    prepare(attached)
    if "RUN" in arguments:
        arguments = [attached.last_job.name if word == "RUN" else word for word in arguments]
    # Like a machine without a sign-in and without a line: no az, and a proxy that nobody answers for.
    offline = attached.environment("none", **NOTHING_AT_HAND)
    offline["PATH"] = "/usr/bin:/bin"
    before = list(attached.service.calls)
    said = attached.aml(*arguments, "--dry-run", env=offline)
    assert attached.service.calls == before
    with attached.service.watch() as calls:
        attached.aml(*arguments, *(["--no-wait"] if arguments[0] == "submit" else []))
    dry, real = in_order(printed(said.stdout)), in_order(sent(calls))
    says, does = ([f"{one.method} {one.kind}" for one in requests] for requests in (dry, real))
    both = [f"{number} {one.method} {one.path}" for requests in (dry, real) for number, one in enumerate(requests)]
    assert says == does, "\n".join(both)
    for expected, actual in zip(dry, real, strict=True):
        assert fits(list(expected), list(actual)), f"{expected}\n{actual}"
    assert len([one for one in real if one.method != "GET"]) >= 1


def test_a_dry_run_of_the_newest_version_of_a_model(attached: Attached) -> None:
    """Which one that is, the service knows."""
    serve_quickly(attached)
    (made,) = [one for one in printed(attached.aml("deploy", "--dry-run").stdout) if "/deployments/" in one.path][-1:]
    assert made.path.endswith("/deployments/demo-model-latest-version")


def test_a_dry_run_shows_what_is_looked_up_for_the_gate(attached: Attached) -> None:
    """The metrics are in the workspace, so it cannot say the verdict."""
    job_that_is_judged(attached)
    register = ["register-model", "-n", "birds", "-f", "run.json"]
    said = attached.aml(*register, "--dry-run", "--report", "verdict.json")
    report = json.loads((attached.path / "verdict.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "not asked" and report["metrics"] is None
    with attached.service.watch() as calls:
        attached.aml(*register)
    dry, real = in_order(printed(said.stdout)), in_order(sent(calls))
    assert [(one.method, one.kind) for one in dry] == [(one.method, one.kind) for one in real]
    assert all(fits(expected.path, actual.path) for expected, actual in zip(dry, real, strict=True))
    assert any(one.path.endswith("/mlflow/runs/get") for one in dry)
    assert said.stderr.splitlines()[0].startswith("the gate is not asked: a dry run does not read the metrics")
