"""Whether the environment of a conda file installs here, and the code's imports work in it."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name

from aml.adopt import Note
from aml.adopt.packages.conda import Packages
from aml.adopt.packages.provided import PKG_RESOURCES, candidates
from aml.adopt.packages.resolver import AS_PIP
from aml.adopt.python.closure import imports_of, parse

# Tries modules, and names in them, one after the other; tells what each failure says.
IMPORT = """
import importlib, json, sys
errors = []
for module, names in json.loads(sys.argv[1]):
    try:
        found = importlib.import_module(module)
        for name in names:
            hasattr(found, name) or importlib.import_module(module + "." + name)
        errors.append("")
    except BaseException as error:
        errors.append(type(error).__name__ + ": " + " ".join(str(error).split()))
print("\\n" + json.dumps(errors))
"""


class Tried(NamedTuple):
    """An import that is to work."""

    module: str
    names: tuple[str, ...]
    where: str

    @property
    def code(self) -> str:
        return f"from {self.module} import {', '.join(self.names)}" if self.names else f"import {self.module}"


def imports(files: Mapping[str, str | Path], place: Callable[[str, int], str]) -> list[Tried]:
    """What the modules in `files` (path in src/ -> text) import, beside what they can do without.

    `place` tells where in the source a line of one of them comes from.
    """
    found: dict[tuple[str, tuple[str, ...]], Tried] = {}
    for path, text in files.items():
        for one in imports_of(parse(text)) if isinstance(text, str) and path.endswith(".py") else ():
            names = tuple(name for name in one.names if name != "*")
            if not one.optional and not one.level and one.module and (one.module, names) not in found:
                found[one.module, names] = Tried(one.module, names, place(path, one.line))
    return list(found.values())


def prove(packages: Packages, wanted: Iterable[Tried]) -> Packages:
    """The packages, with what old ones import without asking for it; notes tell what does not import all the same.

    Installs them in a folder that is removed again: what that downloads, the first training run finds in uv's cache.
    The packages' own code runs, nothing of the source. Of `wanted`, the modules of `packages` are tried.
    """
    names = {canonicalize_name(re.match(r"[\w.-]+", line)[0]) for line in packages.requirements}  # type: ignore[index]
    tried = [one for one in wanted if names & {*candidates(one.module)}]
    with tempfile.TemporaryDirectory() as folder:
        environment = _Environment(Path(folder))
        if reason := environment.make(packages):
            return _noted(
                packages, Note("decide", "", f"the packages were not tried, for they do not install here: {reason}")
            )
        added: set[str] = set()
        while failures := environment.errors(tried):
            one, error = next(
                ((one, error) for one, error in failures if _missing(error) not in ("", *added)), (None, "")
            )
            if one is None:
                break
            added.add(module := _missing(error))
            if line := "" if module == one.module.split(".")[0] else environment.add(module):
                text = f"{line} added, which {one.module.split('.')[0]} imports without asking for it"
                packages = _noted(packages, Note("changed", one.where, text), line)
        for one, error in failures:
            packages = _noted(packages, _failure(one, error))
    return packages


def _missing(error: str) -> str:
    """The module that an error lacks, or ""."""
    missing = re.search(r"No module named '([\w.]+)'|name '(pkg_resources)' is not defined", error)
    return (missing[1] or missing[2]).split(".")[0] if missing else ""


def _failure(one: Tried, error: str) -> Note:
    """What to do about an import that fails.

    A name that a package lacks is in the way; other causes may be this machine's.
    """
    own = re.escape(one.module.split(".")[0])
    gone = re.search(rf"No module named '{own}\.|cannot import name .* from '{own}", error)
    if gone:
        return Note("blocked", one.where, f"`{one.code}` fails with the packages of today ({error}): fix it")
    text = f"`{one.code}` fails in the new environment ({error}): try other versions of its packages"
    return Note("decide", one.where, text)


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
            ["pip", "install", "--python", str(self.python), *AS_PIP, "-r", str(file)],
        ):
            if (done := self._uv(*arguments)).returncode:
                return " ".join(done.stderr.split())[:300].rstrip(".")
        return ""

    def add(self, module: str) -> str:
        """Install the package of a module; returns its requirement, or "" where that is not available."""
        package = candidates(module)[0]
        asked = PKG_RESOURCES if package == "setuptools" else package
        if self._uv("pip", "install", "--python", str(self.python), "--only-binary", package, asked).returncode:
            return ""
        done = self._uv("pip", "list", "--python", str(self.python), "--format", "json")
        installed: list[dict[str, Any]] = json.loads(done.stdout)
        version = next(each["version"] for each in installed if canonicalize_name(each["name"]) == package)
        return f"{package}=={version}"

    def errors(self, tried: list[Tried]) -> list[tuple[Tried, str]]:
        """The imports that fail, each with the last line of what it says."""
        asked = json.dumps([(one.module, one.names) for one in tried])
        done = self._python("-c", IMPORT, asked)
        last = (done.stdout.strip().splitlines() or [""])[-1]
        if done.returncode == 0 and last.startswith("["):
            said = json.loads(last)
        elif len(tried) == 1:
            said = [(done.stderr.strip().splitlines() or ["it ends Python"])[-1]]
        else:  # one of them ends Python
            return [failure for one in tried for failure in self.errors([one])]
        return [(one, error[:300]) for one, error in zip(tried, said, strict=True) if error]

    def _python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.python), "-I", "-W", "ignore", *arguments], cwd=self.folder,
            capture_output=True, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip

    def _uv(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        from uv import find_uv_bin

        return subprocess.run(
            [str(find_uv_bin()), *arguments, "--quiet", "--no-config", "--color", "never"], cwd=self.folder,
            capture_output=True, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
