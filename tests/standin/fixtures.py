"""Fixtures of tests that meet the stand-in, for every test: see `pytest_plugins` in tests/conftest.py."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import ENVIRONMENT, Repository

from . import cloud
from .cloud import Workspace
from .jobs import Job
from .server import Call, SignIn, StandIn

CLUSTER = "cpu-cluster"
IMAGE = "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"


@pytest.fixture(scope="session")
def service() -> Iterator[StandIn]:
    """The stand-in, started once for all tests of a process."""
    with StandIn() as running:
        yield running


@pytest.fixture
def workspace(service: StandIn) -> Iterator[Workspace]:
    """An empty workspace, and a stand-in without faults.

    A test that goes against the contract fails at its end, unless it clears `service.violations` because it meant to.
    """
    service.reset()
    yield service.cloud.workspace
    assert not service.violations, "\n".join(["against the published contract:", *service.violations])


@dataclass(frozen=True)
class Attached(Repository):
    """A generated repository whose settings name the stand-in's workspace."""

    service: StandIn
    workspace: Workspace

    def environment(self, sign_in: SignIn = "az", **more: str) -> dict[str, str]:
        """The variables of a user's shell that meets the stand-in."""
        dropped = os.environ.keys() - ENVIRONMENT.keys()
        return {key: value for key, value in self.service.environment(sign_in, **more).items() if key not in dropped}

    def aml(self, *arguments: str, status: int | None = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, and assert its exit status (None: any)."""
        return super().aml(*arguments, status=status, **{"env": self.environment(), **options})

    @contextlib.contextmanager
    def start(self, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A verb that runs meanwhile; it does not outlive the block."""
        options = {"cwd": self.path, "env": self.environment(), "stdout": subprocess.PIPE, **options}
        with subprocess.Popen(
            self.command(*arguments), stderr=subprocess.PIPE, text=True, encoding="utf-8", **options
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def refused(self, *arguments: str, lines: int = 2, **options: Any) -> str:
        """What a verb that is refused says: at most `lines` lines on stderr, nothing of Python's or the SDK's own."""
        said = self.aml(*arguments, status=2, **options).stderr
        progress, mark, refusal = said.rpartition("aml: ")
        assert mark and len(refusal.splitlines()) <= lines and len(progress.splitlines()) <= 1, said
        assert not re.search(r"Traceback|experimental|Exception|HTTPSConnectionPool|[{}]|\x1b|\n\n", said), said
        return refusal

    def job(self, command: str, **parts: Any) -> str:
        """Write job.yml, a job on the cluster that needs no packages, and return its name for -c."""
        parts = {"compute": f"azureml:{CLUSTER}", "environment": {"image": IMAGE}, **parts}
        return super().job(command, **parts)

    def submit(
        self, command: str, *arguments: str, status: int | None = 0, **parts: Any
    ) -> subprocess.CompletedProcess[str]:
        """Submit such a job, and follow it to its end."""
        return self.aml("submit", "-c", self.job(command, **parts), *arguments, status=status)

    def write(self, file: str, /, **changes: Any) -> Path:
        """Change values of a file of aml_config/ (None: take it out); what else is there stays where it is."""
        path = self.path / "aml_config" / file
        text = path.read_text(encoding="utf-8")
        for key, value in changes.items():
            new = "" if value is None else yaml.safe_dump({key: value}, allow_unicode=True)
            present = re.search(rf"^{key}:.*\n(?: .*\n)*", text, re.MULTILINE)
            text = text.replace(present[0], new) if present else text + new
        path.write_text(text, encoding="utf-8")
        return path

    def calls(self, method: str = ".*", path: str = "", kind: str = "") -> list[Call]:
        """The requests so far whose method is `method` and in whose host and path `path` is found."""
        return [
            call
            for call in list(self.service.calls)
            if re.fullmatch(method, call.method)
            and re.search(path, call.host + call.path)
            and (not kind or call.kind == kind)
        ]

    def uploads(self) -> list[Call]:
        """The blobs and blocks that were uploaded so far."""
        return [call for call in self.calls("PUT", kind="blob") if call.query.get("comp") != "blocklist"]

    def changes(self) -> list[Call]:
        """The requests so far that change, or may change, something in the workspace or in its storage."""
        return [call for call in self.calls("PUT|POST|PATCH|DELETE") if call.kind in ("control", "data", "blob")]

    @property
    def last_job(self) -> Job:
        return list(self.workspace.jobs.values())[-1]


@pytest.fixture(scope="session")
def _attached_folder(installed: Repository, service: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attached") / "demo-model"
    shutil.copytree(installed.path, folder, ignore=shutil.ignore_patterns(".venv", "ready", "__pycache__"))
    Repository(folder, installed.python).aml(
        "workspace", "attach", "-s", cloud.SUBSCRIPTION, "-g", cloud.GROUP, "-w", cloud.WORKSPACE,
        env=service.environment(),
    )  # fmt: skip
    return folder


@pytest.fixture
def attached(
    _attached_folder: Path, installed: Repository, service: StandIn, workspace: Workspace, tmp_path: Path
) -> Attached:
    """A repository of its own for one test, in a path with a blank, and an empty workspace that has its cluster.

    Without the scripts that say what may be registered: `gated` has them.
    """
    folder = tmp_path / "a model" / "demo-model"
    shutil.copytree(_attached_folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    workspace.computes[CLUSTER] = {"name": CLUSTER, "properties": {"properties": {}}}
    service.calls.clear()
    repository = Attached(folder, installed.python, service, workspace)
    repository.remove_gates()
    return repository


@pytest.fixture
def gated(attached: Attached, installed: Repository) -> Attached:
    """The same with the scripts that the template ships."""
    shutil.copytree(installed.path / "scripts", attached.path / "scripts", dirs_exist_ok=True)
    return attached


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for a condition to hold; returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found
