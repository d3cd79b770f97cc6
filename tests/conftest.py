"""The fixtures of all tests: bake() for a generated folder, `repository` for one that can run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from uv import find_uv_bin

from support import ENVIRONMENT, TEMPLATE, Repository


@pytest.fixture
def bake(cookies: Any) -> Callable[..., Path]:
    """Generate with these answers, assert that it worked, and return the folder."""

    def _bake(**answers: str) -> Path:
        result = cookies.bake(extra_context=answers)
        assert result.exception is None, result.exception
        assert result.exit_code == 0
        return Path(result.project_path)

    return _bake


@pytest.fixture(scope="session")
def generate(_cookiecutter_config_file: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `cookiecutter` as a user does: with the answers `typed` at its prompts in order, or without prompts."""

    def _generate(
        output: Path, *arguments: str, typed: list[str] | None = None, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "-o", str(output), *arguments]
        # An empty line takes the default. PYTHONUTF8: Windows would not read a pipe as it reads a terminal.
        return subprocess.run(
            command if typed else [*command, "--no-input"],
            input="\n".join([*(typed or []), *[""] * 8]),
            env={**ENVIRONMENT, "PYTHONUTF8": "1", "COOKIECUTTER_CONFIG": str(_cookiecutter_config_file), **variables},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
        )

    return _generate


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Repository:
    """One default repository with its environment, made once for all workers. Not to be changed: see `repository`."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    folder = shared / "installed" / "demo-model"
    python = folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with FileLock(shared / "installed.lock"):
        if not (folder / "ready").exists():
            command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "-o", str(folder.parent)]
            subprocess.run(command, check=True, env=ENVIRONMENT)
            subprocess.run([find_uv_bin(), "venv", "-q", str(folder / ".venv")], check=True, env=ENVIRONMENT)
            install = [find_uv_bin(), "pip", "install", "-q", "--python", str(python), "-e", str(folder)]
            subprocess.run(install, check=True, env=ENVIRONMENT)
            (folder / "ready").touch()
    return Repository(folder, python)


@pytest.fixture
def repository(installed: Repository, tmp_path: Path) -> Repository:
    """A copy of that repository for one test to change and run, in a path with a blank."""
    folder = tmp_path / "a model" / "demo-model"
    shutil.copytree(installed.path, folder, ignore=shutil.ignore_patterns(".venv", "ready", "__pycache__"))
    return Repository(folder, installed.python)
