"""Runs the steps of a job as they stand in a workflow file of GitHub Actions or Azure Pipelines.

Commands run in bash, one after the other, and end at the first that fails, but for steps with a condition of their own
(docs.github.com/actions/reference/workflows-and-actions/workflow-syntax, learn.microsoft.com/azure/devops/pipelines/
process/conditions). Of the actions and tasks, those that hand files from job to job do so here, the one that brings
Python makes an environment, and that which checks out does nothing: the checkout is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from uv import find_uv_bin

from support import ENVIRONMENT

FILES = {"github": ".github/workflows/model.yml", "azure-devops": "azure-pipelines.yml"}
BIN = "Scripts" if os.name == "nt" else "bin"


def edit(root: Path, file: str, old: str, new: str, count: int = -1) -> int:
    """Replace `old` in a file of a repository, each time or the first `count` times; returns the first line of it."""
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8", newline="\n")
    return text.partition(old)[0].count("\n") + 1


@dataclass(frozen=True)
class Step:
    name: str  # the command, the action or the task
    command: str
    condition: str
    given: dict[str, str]  # to an action or a task
    variables: dict[str, str]


@dataclass
class Ended:
    """How a job ended: the commands that ran, with what they printed; the one that failed, if any, and its status."""

    ran: list[str] = field(default_factory=list)
    output: str = ""
    failed: str = ""
    status: int = 0


def steps(file: Path, job: str) -> list[Step]:
    """The steps of a job, or of the only job of a stage."""
    data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    found: Any
    if "stages" in data:
        (of_stage,) = next(stage["jobs"] for stage in data["stages"] if stage["stage"] == job)
        found = of_stage.get("steps") or of_stage["strategy"]["runOnce"]["deploy"]["steps"]
    else:
        found = data["jobs"][job]["steps"]
    kinds = ("run", "script", "uses", "task", "checkout", "publish")
    return [
        Step(
            next(str(step[kind]) for kind in kinds if kind in step),
            str(step.get("run") or step.get("script") or ""),
            str(step.get("if") or step.get("condition") or ""),
            {key: str(value) for key, value in {**step, **step.get("with", {}), **step.get("inputs", {})}.items()},
            step.get("env", {}),
        )
        for step in found
    ]


def commands(file: Path, job: str) -> list[str]:
    return [step.command for step in steps(file, job) if step.command]


@dataclass
class Machine:
    """The machine of a job, with its environment of Python, and what jobs hand to each other in `artifacts`."""

    python: Path
    artifacts: Path

    def run(self, file: Path, job: str, folder: Path, *, cancel: str = "", **variables: str) -> Ended:
        """Run a job in a checkout. It is cancelled at the command `cancel`, which runs and then counts as failed."""
        path = os.pathsep.join([str(self.python / BIN), str(Path(find_uv_bin()).parent), ENVIRONMENT["PATH"]])
        base = {**ENVIRONMENT, **variables, "VIRTUAL_ENV": str(self.python), "PATH": path}
        ended, cancelled = Ended(), False
        for step in steps(file, job):
            given = {key: _fill(value, folder) for key, value in step.given.items()}
            if ended.failed and not self._runs_after_failure(step.condition, cancelled):
                continue
            if not ended.failed and re.search(r"cancell?ed\(\)", step.condition):
                continue
            if step.command:
                own = {key: _fill(str(value), folder, base) for key, value in step.variables.items()}
                done = subprocess.run(
                    ["bash", "-e", "-c", step.command],
                    cwd=folder,
                    env={**base, **own},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                    errors="replace",
                )
                ended.ran.append(step.command)
                ended.output += f"$ {step.command}\n{done.stdout}"
                cancelled = cancelled or step.command == cancel
                if (done.returncode or step.command == cancel) and not ended.failed:
                    ended.failed, ended.status = step.command, done.returncode
            else:
                self._act(step.name, given, folder)
        return ended

    def _runs_after_failure(self, condition: str, cancelled: bool) -> bool:
        return condition == "always()" or (cancelled and bool(re.fullmatch(r"cancell?ed\(\)", condition)))

    def _act(self, name: str, given: dict[str, str], folder: Path) -> None:
        if re.match("astral-sh/setup-uv@|UsePythonVersion@", name):
            if not (self.python / BIN).exists():
                command = [find_uv_bin(), "venv", "--quiet", "--seed", "--python", sys.executable, str(self.python)]
                subprocess.run(command, check=True, env=ENVIRONMENT)
        elif name.startswith("actions/upload-artifact@") or "publish" in given:
            self.artifacts.mkdir(exist_ok=True)
            for path in (given.get("publish") or given["path"]).split():
                if (folder / path).exists():
                    shutil.copy(folder / path, self.artifacts)
        elif re.match("actions/download-artifact@|DownloadPipelineArtifact@", name):
            for file in self.artifacts.iterdir():
                shutil.copy(file, folder / (given.get("path") or given["targetPath"]))
        else:
            assert name == "self" or name.startswith("actions/checkout@"), name


def _fill(text: str, folder: Path, variables: dict[str, str] | None = None) -> str:
    """The text with the folder of the model, which is the working folder here, and the token of Azure Pipelines."""
    text = re.sub(r"\$\{\{ env\.FOLDER \}\}|\$\(folder\)", ".", text)
    token = (variables or {}).get("SYSTEM_ACCESSTOKEN", "")
    return text.replace("$(System.AccessToken)", token)
