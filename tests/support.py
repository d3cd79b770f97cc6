"""What tests share that is no fixture: paths, the variables of a user's shell, a repository to run verbs in."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from uv import find_uv_bin

TEMPLATE = Path(__file__).resolve().parent.parent
CACHE = TEMPLATE / ".cache"  # what tests build once and use again; git ignores it
GENERATED = TEMPLATE / "{{cookiecutter.project_slug}}"

# What a user's shell would not have, or what would lead a child process astray.
ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if key not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    and not key.startswith(("MLFLOW_", "AZUREML_"))
}
# The environments of jobs stay out of the user's cache, and uv keeps using its own.
ENVIRONMENT["UV_CACHE_DIR"] = subprocess.run(
    [find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True
).stdout.strip()
ENVIRONMENT |= {"XDG_CACHE_HOME": str(CACHE), "LOCALAPPDATA": str(CACHE)}


@dataclass(frozen=True)
class Repository:
    """A generated repository, and the Python of an environment that has its packages."""

    path: Path
    python: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python), "-m", "aml", *arguments]

    def aml(self, *arguments: str, status: int | None = 0, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a verb to its end in the repository, and assert its exit status (None: any)."""
        options = {"cwd": self.path, "env": ENVIRONMENT, **options}
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, encoding="utf-8", check=False, **options
        )
        assert status is None or done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def job(self, command: str, **parts: Any) -> str:
        """Write job.yml, a command job of this machine with the further `parts`, and return its name for -c."""
        path = self.path / "job.yml"
        path.write_text(yaml.safe_dump({"command": command, "compute": "local", **parts}), encoding="utf-8")
        return path.name

    def submit(
        self, command: str, *arguments: str, status: int | None = 0, **parts: Any
    ) -> "subprocess.CompletedProcess[str]":
        """Run such a job to its end, in the present environment."""
        return self.aml("submit", "-c", self.job(command, **parts), "--here", *arguments, status=status)
