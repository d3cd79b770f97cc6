"""The workflow that trains a model: where its file is, its jobs, and the commands of each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aml.errors import UserError
from aml.jobfile.document import Document
from aml.local.git import top

System = Literal["github", "azure-devops"]
PIPELINE = "azure-pipelines.yml"
WORKFLOWS = Path(".github") / "workflows"
# Conditions of a job with which no pull request runs it.
NO_PULL_REQUEST = re.compile(r"github\.ref == 'refs/heads/|github\.event_name (!= 'pull_request'|== '(?!pull))")
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Step:
    """A step of a job. `keys` is where the file has it; `command` is empty for an action or a task."""

    command: str
    keys: Keys


@dataclass(frozen=True)
class Job:
    """A job, or the only job of a stage, with its steps in their order."""

    name: str
    keys: Keys
    runs_for_pull_requests: bool
    steps: list[Step]


@dataclass(frozen=True)
class Workflow:
    """The file of a workflow.

    Attributes:
        folder: That of the model, from the top of the git repository.

    """

    system: System
    document: Document
    folder: str
    jobs: list[Job]

    @property
    def triggers(self) -> set[str]:
        """What a workflow of GitHub runs for. YAML 1.1, PyYAML's, reads its key `on` as true."""
        given = self.document.data.get("on", self.document.data.get(True))
        return set(map(str, given)) if isinstance(given, dict | list) else {str(given)}


def find(root: Path) -> Workflow:
    """The workflow of the model in `root`. Raises UserError when there is none, or its file is not YAML."""
    above = top(root)
    files = [*_files(above), *(_files(root) if root != above else ()), root / PIPELINE]
    for file in files:
        found = read(file) if file.is_file() else None
        is_own = root != above and file.is_relative_to(root)  # generated in a codebase, and not set up yet
        if found and (is_own or (above / found.folder).resolve() == root.resolve()):
            return found
    raise UserError(
        f"no workflow here trains this model: neither {WORKFLOWS.as_posix()}/ nor {PIPELINE} runs aml submit; "
        "the answer `ci` of the template brings one"
    )


def _files(folder: Path) -> list[Path]:
    return sorted((folder / WORKFLOWS).glob("*.y*ml"))


def read(file: Path) -> Workflow | None:
    """The workflow in a file; None when none of its commands trains a model. Raises UserError when it is not YAML."""
    document = Document(file)
    found = _github(document) if file.parent.name == WORKFLOWS.name else _devops(document)
    return found if any("aml submit" in step.command for job in found.jobs for step in job.steps) else None


def _github(document: Document) -> Workflow:
    jobs: list[Job] = []
    found = Workflow("github", document, str(dict(_pairs(document.data.get("env"))).get("FOLDER", ".")), jobs)
    in_pull_requests = bool({"pull_request", "pull_request_target"} & found.triggers)
    for name, job in _pairs(document.data.get("jobs")):
        if not isinstance(job, dict):
            continue  # which actionlint says
        needs = job.get("needs")
        skipped = [one.name for one in jobs if not one.runs_for_pull_requests]
        is_skipped = any(one in skipped for one in (needs if isinstance(needs, list) else [needs]))
        is_skipped |= bool(NO_PULL_REQUEST.search(str(job.get("if", ""))))
        steps = [Step(str(step.get("run", "")), ("jobs", name, "steps", at)) for at, step in _items(job.get("steps"))]
        jobs.append(Job(name, ("jobs", name), in_pull_requests and not is_skipped, steps))
    return found


def _devops(document: Document) -> Workflow:
    jobs: list[Job] = []
    for at, stage in _items(document.data.get("stages")):
        is_skipped = "ne(variables['Build.Reason'], 'PullRequest')" in str(stage.get("condition", ""))
        is_skipped |= stage.get("dependsOn") in [one.name for one in jobs if not one.runs_for_pull_requests]
        steps = []
        for number, job in _items(stage.get("jobs")):
            keys: Keys = ("stages", at, "jobs", number)
            where: Keys = ("steps",) if "steps" in job else ("strategy", "runOnce", "deploy", "steps")
            inner: Any = job
            for key in where:
                inner = inner.get(key, {}) if isinstance(inner, dict) else {}
            steps += [Step(str(step.get("script", "")), (*keys, *where, one)) for one, step in _items(inner)]
        jobs.append(Job(str(stage.get("stage", at)), ("stages", at), not is_skipped, steps))
    return Workflow(
        "azure-devops", document, str(dict(_pairs(document.data.get("variables"))).get("folder", ".")), jobs
    )


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()


def _items(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
