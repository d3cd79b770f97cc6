"""Whether the environment of a conda file installs here, and the code's imports work in it."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from aml.adopt import Note
from aml.adopt.packages.conda import Packages
from aml.adopt.packages.provided import PKG_RESOURCES, candidates
from aml.adopt.packages.resolver import AS_PIP, Conflict, Resolver
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

PATH = re.compile(r" \((/|[A-Za-z]:\\)[^()]*\)$")  # of a module, at the end of an error
TIMES = (0, 183, 366, 732)  # days after a package that later versions of what it uses may still fit it
# The packages that a package asks for, one a line.
REQUIRES = """
import importlib.metadata, re, sys
for line in importlib.metadata.requires(sys.argv[1]) or []:
    if "extra ==" not in line:
        print(re.sub(r"[-_.]+", "-", re.match(r"[\\w.-]+", line)[0]).lower())
"""


class Tried(NamedTuple):
    """An import that is to work."""

    module: str
    names: tuple[str, ...]
    where: str

    @property
    def top(self) -> str:
        """The module that is its package, as far as names say."""
        return self.module.split(".")[0]

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
        added, aged = {""}, {""}
        while failures := environment.errors(tried):
            new = [(one, error) for one, error in failures if _missing(error) not in added or one.top not in aged]
            if not new:
                break
            one, error = new[0]
            if (module := _missing(error)) not in added:
                added.add(module)
                if line := "" if module == one.top else environment.add(module):
                    text = f"{line} added, which {one.top} imports without asking for it"
                    packages = _noted(packages, Note("changed", one.where, text), line)
                continue
            aged.add(one.top)
            lines = environment.age(one.top, names, packages.python)
            if lines and error not in dict(environment.errors([one])).values():
                text = (
                    f"{', '.join(lines)} added, of the time of {one.top}: `{one.code}` fails with later ones ({error})"
                )
                packages = _noted(packages, Note("changed", one.where, text), *lines)
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
        notes=[*packages.notes, note._replace(code=note.code or "package")],
    )


class _Environment:
    """A virtual environment in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = folder / "requirements.txt"
        self.python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def make(self, packages: Packages) -> str:
        """Install the packages; returns why that failed, or ""."""
        from ruamel.yaml import YAML

        lines = YAML(typ="safe").load(packages.text)["dependencies"][-1]["pip"]
        self.asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for arguments in (
            ["venv", "--python", packages.python, str(self.folder / "venv")],
            ["pip", "install", "--python", str(self.python), *AS_PIP, "-r", str(self.asked)],
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
        return f"{package}=={self._versions()[package]}"

    def age(self, module: str, listed: Collection[str], python: str) -> list[str]:
        """Install what a module's package brings beside the `listed` ones as it was in that package's own time.

        Returns the requirements of what has another version now: old packages rarely say that later ones do not fit.
        """
        package, before = candidates(module)[0], self._versions()
        done = self._python("-c", REQUIRES, package)
        brought = sorted({*done.stdout.split()} & before.keys() - {*listed})
        try:
            day = Resolver(python).newest([Requirement(f"{package}=={before.get(package, '')}")])[package].uploaded
        except (Conflict, InvalidRequirement):  # it is not of the index
            return []
        for days in TIMES if day and brought else ():
            until = (date.fromisoformat(day) + timedelta(days)).isoformat()
            arguments = ["--python", str(self.python), *AS_PIP, "--only-binary", ":all:", "-r", str(self.asked)]
            for name in brought:
                arguments += [name, "--exclude-newer-package", f"{name}={until}", "--reinstall-package", name]
            if not self._uv("pip", "install", *arguments).returncode:
                after = self._versions()
                return [f"{name}=={after[name]}" for name in brought if after[name] != before[name]]
        return []

    def _versions(self) -> dict[str, str]:
        """What is installed."""
        done = self._uv("pip", "list", "--python", str(self.python), "--format", "json")
        return {canonicalize_name(each["name"]): str(each["version"]) for each in json.loads(done.stdout)}

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
        return [(one, PATH.sub("", error)[:300]) for one, error in zip(tried, said, strict=True) if error]

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
