"""Runs of verbs against the stand-in: what they print, how they end and what is left after them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standin import StandIn
from standin.cloud import Workspace
from standin.faults import Kind
from standin.fixtures import until
from standin.resources import Endpoint
from standin.server import Call, SignIn

RUNS = 3  # of the same verb, at most, until it succeeds
SLOW = 1.2  # seconds that a slow answer takes, which is more than
TIMEOUT = 0.8  # seconds that a client then waits for it
ENDED = ("Completed", "Failed", "Canceled")
#: Addresses that are asked again and again, as often as the machine is slow: of each, the first request stands for all.
POLLS = re.compile(r"/mfeOperation(sStatus|Results)/|/getLogs$|/details$|/std_log\.txt$|/executionlogs\.txt$")
#: What is never to be read by a user.
NOISE = re.compile(r"Traceback|Exception|HTTPSConnectionPool|experimental|Warning|<urlopen|\x1b")
#: A shared access signature, a token.
SECRET = re.compile(r"\bsig=(?!<)\S+|eyJ[\w-]{10,}\.eyJ\S*")
#: What is another one in each run: ids, times of day, durations.
RETRYABLE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}"), "<run>"),
    (re.compile(r"[0-9a-f]{32}(?![0-9a-f])"), "<id>"),
    (re.compile(r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s"/]*'), "<time>"),
    (re.compile(r"\d+\.\d s\b"), "<seconds>"),
)


@dataclass(frozen=True)
class Verb:
    """A verb with its arguments, and the workspace and repository that it finds."""

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Workspace], object] = lambda workspace: None
    #: It changes nothing: what it prints is all that it does.
    reads: bool = False
    #: The status of a run that fails.
    refusal: int = 2
    #: Again, it trains again: failed runs stay behind, and finished ones count as one.
    trains: bool = False


@dataclass(frozen=True)
class Ended:
    """How a run of a verb ended."""

    status: int
    output: str
    errors: str


@dataclass
class Clean:
    """A run of a verb without faults: its requests without repeated polls, what was left, what it printed."""

    calls: list[Call]
    left: Any
    ended: Ended

    @property
    def last_change(self) -> int:
        """The number of the last request that changes something, from 1; 0 for none."""
        asks = re.compile(r"/listSecrets$|/search$|/startPendingUpload$")
        changes = [
            number
            for number, call in enumerate(self.calls, 1)
            if call.method != "GET" and call.kind in ("control", "data", "blob") and not asks.search(call.path)
        ]
        return changes[-1] if changes else 0


@dataclass
class Outcome:
    """What came of one fault at one request."""

    fault: str
    #: The request that met with it; none when there were fewer requests this time.
    request: str = ""
    runs: list[Ended] = field(default_factory=list)
    problem: str = ""

    def __str__(self) -> str:
        said = "".join(f"\n    run {n}: status {run.status}: {run.errors}" for n, run in enumerate(self.runs, 1))
        return f"{self.fault} at {self.request}: {self.problem}{said}"


class Bench:
    def __init__(self, service: StandIn, repository: Path, folder: Path) -> None:
        self.service = service
        self.repository = repository
        self.folder = folder
        self.here = repository
        self._clean: dict[str, Clean] = {}
        self._children: list[int] = []
        self._count = 0
        runner = [sys.executable, str(Path(__file__).with_name("runner.py"))]
        self._runner = subprocess.Popen(runner, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._hear()

    def close(self) -> None:
        assert self._runner.stdin
        self._runner.stdin.close()
        self._runner.wait(10)

    def fresh(self, prepare: Callable[[Workspace], object] = lambda workspace: None) -> Workspace:
        """A new workspace with what `prepare` puts there, and a new copy of the repository, `here`."""
        self.service.reset()
        if self.here != self.repository:
            shutil.rmtree(self.here)
        self._count += 1
        self.here = self.folder / f"{self._count}" / "demo-model"
        shutil.copytree(self.repository, self.here)
        prepare(self.service.cloud.workspace)
        self.service.calls.clear()
        return self.service.cloud.workspace

    def run(self, *arguments: str, **options: Any) -> Ended:
        """Run one verb here to its end."""
        return self.together(arguments, **options)[0]

    def together(
        self,
        *several: Sequence[str],
        folders: Sequence[Path] = (),
        timeout: float | None = None,
        limit: float = 60,
        sign_in: SignIn = "az",
    ) -> list[Ended]:
        """Run verbs at once, here or each in its folder. They are killed after `limit` seconds."""
        variables = {**self.service.environment(sign_in), "PYTHONDONTWRITEBYTECODE": "1"}
        orders = []
        for number, arguments in enumerate(several):
            self._count += 1
            base = self.folder / f"run-{self._count}"
            orders.append(
                {
                    "arguments": list(arguments),
                    "folder": str(folders[number] if folders else self.here),
                    "variables": variables,
                    "output": f"{base}.out",
                    "errors": f"{base}.err",
                    "timeout": timeout,
                }
            )
        assert self._runner.stdin
        self._runner.stdin.write(json.dumps(orders) + "\n")
        self._runner.stdin.flush()
        self._children = self._hear()
        watch = threading.Timer(limit, self.kill)
        watch.start()
        statuses = self._hear()
        watch.cancel()
        self._children = []
        return [
            Ended(status, *(Path(str(order[stream])).read_text(errors="replace") for stream in ("output", "errors")))
            for status, order in zip(statuses, orders, strict=True)
        ]

    def kill(self) -> None:
        """End the children as a crash does. For another thread than that of `run`."""
        deadline = time.monotonic() + 10
        while not self._children and time.monotonic() < deadline:
            time.sleep(0.005)  # a request of theirs was faster than the runner's word of them
        for child in self._children:
            os.kill(child, signal.SIGKILL)

    def _hear(self) -> list[int]:
        assert self._runner.stdout
        line = self._runner.stdout.readline()
        assert line, "the runner ended"
        answer: list[int] = json.loads(line)
        return answer

    def clean(self, verb: Verb) -> Clean:
        """The verb without faults; done once."""
        if verb.name not in self._clean:
            workspace = self.fresh(verb.prepare)
            ended = self.run(*verb.arguments)
            calls = without_repeated_polls(self.service.calls)
            assert ended.status == 0 and not NOISE.search(ended.errors), f"{verb.name}: {ended}"
            assert not self.service.violations, self.service.violations
            self._clean[verb.name] = Clean(calls, self.left(verb, workspace, [ended]), ended)
        return self._clean[verb.name]

    def survive(self, verb: Verb, kind: Kind, number: int) -> Outcome:
        """The verb with a fault at its request of that number, and again until it succeeds."""
        clean = self.clean(verb)
        workspace = self.fresh(verb.prepare)
        seconds = SLOW if kind == "slow" else 0.05
        crash = self.kill if kind == "crash-after" else None
        rule = self.service.faults.add(kind, nth=number, seconds=seconds, action=crash, polls=POLLS)
        outcome = Outcome(f"{verb.name}: {kind} {number}/{len(clean.calls)}")
        problems = []
        while len(outcome.runs) < RUNS:
            ended = self.run(*verb.arguments, timeout=TIMEOUT if kind == "slow" and not outcome.runs else None)
            outcome.runs.append(ended)
            problems += complaints(verb, kind, ended) + self.leaks(ended)
            if ended.status == 0:
                break
        outcome.request = "".join(rule.hits)
        left = self.left(verb, workspace, outcome.runs)
        if outcome.runs[-1].status:
            problems.append(f"did not succeed in {RUNS} runs")
        elif left != clean.left:
            problems.append(difference(clean.left, left))
        problems += self.service.violations
        outcome.problem = "; ".join(problems)
        return outcome

    def leaks(self, ended: Ended) -> list[str]:
        """The secrets in what a run printed: of storage, of sign-in, of what the service handed out."""
        text = ended.output + ended.errors
        known = [self.service.storage.key, self.service.login.client_secret]
        found = [secret for secret in known if secret in text] + SECRET.findall(text)
        return [f"shows the secret {secret[:40]}" for secret in found]

    def shown(self, verb: Verb, kind: Kind, number: int) -> list[str]:
        """The secrets that the verb shows with --debug when its request of that number and all later ones fail."""
        self.fresh(verb.prepare)
        self.service.faults.add(kind, nth=number, times=10_000, seconds=0.05, action=self.kill, polls=POLLS)
        ended = self.run(*verb.arguments, "--debug")
        assert ended.status != 1 or verb.refusal == 1 or "Traceback" not in ended.errors, ended.errors
        return self.leaks(ended)

    def left(self, verb: Verb, workspace: Workspace, runs: list[Ended]) -> Any:
        """What is left after runs of the verb, without what is another one in each run."""
        state = {
            "workspace": in_workspace(workspace, verb.trains),
            "here": in_repository(self.here, verb.trains),
            "output": runs[-1].output.splitlines() if verb.reads else [],
        }
        text = json.dumps(state, default=str, sort_keys=True).replace(workspace.guid, "<workspace>")
        for pattern, word in RETRYABLE:
            text = pattern.sub(word, text)
        return json.loads(text, object_pairs_hook=once if verb.trains else dict)


def without_repeated_polls(calls: Sequence[Call]) -> list[Call]:
    """The requests that a rule with `polls=POLLS` counts."""
    polled: set[str] = set()
    found = []
    for call in list(calls):
        if not POLLS.search(call.path) or call.path not in polled:
            found.append(call)
            polled.add(call.path)
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping whose lists have each entry once."""
    return {
        key: [entry for at, entry in enumerate(value) if entry not in value[:at]] if isinstance(value, list) else value
        for key, value in pairs
    }


def complaints(verb: Verb, kind: Kind, ended: Ended) -> list[str]:
    """What is wrong with how a run ended and with what it said."""
    lines = ended.errors.splitlines()
    told = next((lines[at:] for at, line in enumerate(lines) if line.startswith("aml: ")), [])
    found = [f"says {noise[0]}"] if (noise := NOISE.search(ended.errors)) else []
    if kind == "crash-after" and ended.status == -signal.SIGKILL:
        return found
    if ended.status not in (0, verb.refusal):
        found.append(f"ended with status {ended.status}")
    if ended.status == 2 and not 1 <= len(told) <= 2:
        found.append(f"says {len(told)} lines of why")
    return found


def difference(wanted: Any, found: Any, where: str = "") -> str:
    """In words, where two states differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        parts = [
            difference(wanted.get(key, "nothing"), found.get(key, "nothing"), f"{where}/{key}")
            for key in sorted({*wanted, *found})
            if wanted.get(key) != found.get(key)
        ]
        return "; ".join(parts)
    if isinstance(wanted, list) and isinstance(found, list):
        here, there = Counter(map(json.dumps, wanted)), Counter(map(json.dumps, found))
        return f"{where} lacks {sorted((here - there).elements())}, has {sorted((there - here).elements())} too many"
    return f"{where} is {found!r}, not {wanted!r}"


def in_workspace(workspace: Workspace, trains: bool) -> Any:
    """The resources of a workspace and its blobs."""
    for job in list(workspace.jobs.values()):
        if job.thread and job.status not in ENDED:
            job.thread.join(10)
    for operation in workspace.service.cloud.operations.values():
        if isinstance(operation, list):
            operation[1]()  # it comes to its end whether or not anybody asks
    until(lambda: all(one.is_settled for one in workspace.endpoints.values()))
    until(lambda: all(one.is_settled for one in workspace.batch_endpoints.values()))
    storage = workspace.service.storage
    codes = {}
    for name, versions in workspace.assets.get("codes", {}).items():
        uri = versions["1"]["properties"]["codeUri"]
        container, _, prefix = uri.partition("://")[2].partition("/")[2].partition("/")
        codes[name] = sizes(storage.client.get_container_client(container), prefix)
    containers = {name: str(store["properties"]["containerName"]) for name, store in workspace.datastores.items()}
    own = ("workspaceblobstore", "workspaceartifactstore")
    return {
        "computes": {name: described(compute) for name, compute in workspace.computes.items()},
        "datastores": {name: described(store) for name, store in workspace.datastores.items()},
        "endpoints": {name: endpoint_with_deployments(one) for name, one in workspace.endpoints.items()},
        "batches": {name: endpoint_with_deployments(one) for name, one in workspace.batch_endpoints.items()},
        "jobs": [
            {**job.properties, "displayName": None, "status": job.status, "error": job.run.error}
            for job in workspace.jobs.values()
        ],
        "experiments": sorted(experiment.name for experiment in workspace.experiments.values()),
        "runs": [
            {"status": run.status, "params": run.params, "experiment": run.experiment.name}
            for run in workspace.runs.values()
            if not (trains and run.status == "Failed")
        ],
        "assets": {kind: versions_of(named) for kind, named in workspace.assets.items()},
        "registries": {name: versions_of(named) for name, named in workspace.service.cloud.registries.items()},
        "elsewhere": {
            one.name: {kind: versions_of(named) for kind, named in one.assets.items()}
            for one in workspace.service.cloud.workspaces.values()
            if one is not workspace
        },
        "snapshots": codes,
        "blobs": {name: sizes(storage.client.get_container_client(containers[name]), "") for name in own},
    }


def versions_of(named: dict[str, dict[str, Any]]) -> Any:
    """The versions of each asset."""
    return {
        name: {version: described(resource) for version, resource in versions.items()}
        for name, versions in named.items()
    }


def endpoint_with_deployments(endpoint: Endpoint[Any]) -> Any:
    deployments = {name: described(one.resource) for name, one in endpoint.deployments.items()}
    return {"resource": described(endpoint.resource), "deployments": deployments}


def described(resource: Any) -> Any:
    """A resource without its times, and without where its snapshot lies: that is another place each time."""
    left_out = ("createdOn", "modifiedOn", "codeUri", "AzureAsyncOperationUri")
    properties = {key: value for key, value in resource["properties"].items() if key not in left_out}
    if isinstance(own := properties.get("properties"), dict):
        properties["properties"] = {key: value for key, value in own.items() if key not in left_out}
    return {"properties": properties, "location": resource.get("location"), "tags": resource.get("tags")}


def sizes(container: Any, prefix: str) -> list[str]:
    return sorted(f"{blob.name} {blob.size}" for blob in container.list_blobs(prefix))


def in_repository(root: Path, trains: bool) -> Any:
    """The files of a repository and the runs that it knows of."""
    from aml.local.runs import all_runs

    runs = [run.status for run in all_runs(root)]
    failed = [run.id for run in all_runs(root) if trains and run.status == "failed"]
    files = [file.relative_to(root) for file in sorted(root.rglob("*")) if file.is_file()]
    return {
        "runs": sorted(status for status in runs if not (trains and status == "failed")),
        "files": sorted(
            f"{file.as_posix()} {(root / file).stat().st_size}"
            for file in files
            if file.parts[0] != "mlruns" and not any(run in file.parts for run in failed)
        ),
    }
