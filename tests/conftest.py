"""The fixtures of all tests: bake() for a generated folder, `repository` for one that can run."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings
from uv import find_uv_bin

from support import CACHE, ENVIRONMENT, GENERATED, TEMPLATE, Repository

pytest_plugins = ["standin.fixtures"]

# Of these folders only the modules named here are quick: those that take seconds, and one whole flow of the cloud.
QUICK = {
    "adopt": ("test_adopt", "test_gates", "test_jobs", "test_origin"),
    "azure": ("test_end_to_end", "test_confirm", "test_sdk_loaders", "test_traffic", "test_workspace_client"),
}

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so all that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("any machine", deadline=None)  # a busy one is no failure
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the other modules of those folders as slow."""
    for item in items:
        quick = QUICK.get(item.path.parent.name)
        if quick is not None and item.path.stem not in quick:
            item.add_marker(pytest.mark.slow)


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
            input="\n".join([*(typed or []), *[""] * 11]),
            env={**ENVIRONMENT, "PYTHONUTF8": "1", "COOKIECUTTER_CONFIG": str(_cookiecutter_config_file), **variables},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
        )

    return _generate


@pytest.fixture(scope="session")
def installed() -> Repository:
    """One default repository with its environment, kept between test runs. Not to be changed: see `repository`."""
    # The package is the checkout itself, editable, so that its code needs no new installation.
    parts = [TEMPLATE / "pyproject.toml", TEMPLATE / "cookiecutter.json", *(TEMPLATE / "hooks").glob("*.py")]
    parts += [path for path in GENERATED.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    digest = hashlib.sha256(sys.version.encode())
    for part in sorted(parts):
        digest.update(f"{part.relative_to(TEMPLATE)}".encode() + part.read_bytes())
    place = CACHE / f"repository-{digest.hexdigest()[:16]}"
    folder = place / "demo-model"
    python = folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / "repository.lock"):
        if not (place / "ready").exists():
            for stale in CACHE.glob("repository-*"):
                shutil.rmtree(stale, ignore_errors=True)
            command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "-o", str(place)]
            subprocess.run(command, check=True, env=ENVIRONMENT)
            subprocess.run(
                [find_uv_bin(), "venv", "-q", "--python", sys.executable, str(folder / ".venv")],
                check=True,
                env=ENVIRONMENT,
            )
            install = [find_uv_bin(), "pip", "install", "-q", "--python", str(python)]
            subprocess.run([*install, "-e", str(folder)], check=True, env=ENVIRONMENT)
            subprocess.run([*install, "--no-deps", "-e", str(TEMPLATE)], check=True, env=ENVIRONMENT)
            (place / "ready").touch()
    return Repository(folder, python)


@pytest.fixture
def repository(installed: Repository, tmp_path: Path) -> Repository:
    """A copy of that repository for one test to change and run, in a path with a blank."""
    folder = tmp_path / "a model" / "demo-model"
    shutil.copytree(installed.path, folder, ignore=shutil.ignore_patterns(".venv", "ready", "__pycache__"))
    return Repository(folder, installed.python)
