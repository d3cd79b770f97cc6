"""Whether the environment of a conda file installs here, and the code's imports work in it."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from aml_adopt import Note
from aml_adopt.packages import PKG_RESOURCES, Packages, _candidates

IMPORT = "import importlib, sys; importlib.import_module(sys.argv[1])"


def prove(packages: Packages, imports: Mapping[str, str]) -> Packages:
    """The packages, with what old ones import without asking for it; notes tell what does not import all the same.

    Installs them in a folder that is removed again: what that downloads, the first training run finds in uv's cache.
    The packages' own code runs, nothing of the source. `imports`: as build() takes them; tried are those of `packages`.
    """
    names = {canonicalize_name(re.match(r"[\w.-]+", line)[0]) for line in packages.requirements}  # type: ignore[index]
    imports = {name: where for name, where in imports.items() if names & {*_candidates(name)}}
    with tempfile.TemporaryDirectory() as folder:
        environment = _Environment(Path(folder))
        if reason := environment.make(packages):
            return _noted(
                packages, Note("decide", "", f"the packages were not tried, for they do not install here: {reason}")
            )
        for name, where in imports.items():
            error, tried = environment.error(name), set[str]()
            while error:
                missing = re.search(r"No module named '([\w.]+)'|name '(pkg_resources)' is not defined", error)
                module = (missing[1] or missing[2]).split(".")[0] if missing else ""
                line = "" if module in ("", name.split(".")[0], *tried) else environment.add(module)
                if not line:
                    text = f"`import {name}` fails in this environment ({error}): try later versions of its packages"
                    packages = _noted(packages, Note("decide", where, text))
                    break
                tried.add(module)
                text = f"{line} added, which {name} imports without asking for it"
                packages = _noted(packages, Note("changed", where, text), line)
                error = environment.error(name)
    return packages


def _noted(packages: Packages, note: Note, *lines: str) -> Packages:
    return replace(
        packages,
        requirements=[*packages.requirements, *lines],
        text=packages.text + "".join(f"      - {line}\n" for line in lines),  # pip's list comes last
        notes=[*packages.notes, note],
    )


class _Environment:
    """A virtual environment in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def make(self, packages: Packages) -> str:
        """Install the packages; returns why that failed, or ""."""
        from ruamel.yaml import YAML

        lines = YAML(typ="safe").load(packages.text)["dependencies"][-1]["pip"]
        file = self.folder / "requirements.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for arguments in (
            ["venv", "--python", packages.python, str(self.folder / "venv")],
            ["pip", "install", "--python", str(self.python), "-r", str(file)],
        ):
            if (done := self._uv(*arguments)).returncode:
                return " ".join(done.stderr.split())[:300].rstrip(".")
        return ""

    def add(self, module: str) -> str:
        """Install the package of a module; returns its requirement, or "" where that is not to be had."""
        package = _candidates(module)[0]
        asked = PKG_RESOURCES if package == "setuptools" else package
        if self._uv("pip", "install", "--python", str(self.python), "--only-binary", package, asked).returncode:
            return ""
        done = self._uv("pip", "list", "--python", str(self.python), "--format", "json")
        installed: list[dict[str, Any]] = json.loads(done.stdout)
        version = next(each["version"] for each in installed if canonicalize_name(each["name"]) == package)
        return f"{package}=={version}"

    def error(self, module: str) -> str:
        """The last line of what importing a module says, or "" when it works."""
        done = subprocess.run(
            [str(self.python), "-I", "-W", "ignore", "-c", IMPORT, module], cwd=self.folder,
            capture_output=True, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        return "" if not done.returncode else (done.stderr.strip().splitlines() or ["it ends Python"])[-1][:300]

    def _uv(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        from uv import find_uv_bin

        return subprocess.run(
            [str(find_uv_bin()), *arguments, "--quiet", "--no-config", "--color", "never"], cwd=self.folder,
            capture_output=True, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
