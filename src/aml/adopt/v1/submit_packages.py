"""The packages of a job that a file submits by SDK v1: its environment's, its run configuration's, its estimator's."""

from pathlib import Path
from typing import Any

import libcst as cst

from aml.adopt.v1.expressions import Expression, File, Place, is_none, last

FILES = (
    "conda_dependencies_file",
    "conda_dependencies_file_path",
    "pip_requirements_file",
    "pip_requirements_file_path",
    "conda_file",
    "file_path",  # of Environment.from_conda_specification and from_pip_requirements
)
Declared = list[Path | tuple[str, dict[str, Any]]]  # as packages.build takes them


def declared(file: File, call: cst.Call, given: dict[str, Expression], configurations: list[Place]) -> Declared:
    """The files, and what the code itself lists. `configurations`: where the job's run configuration is, "" or "x."."""
    found = _Packages(file)
    found.listed(given)
    environments = [given[key] for key in ("environment", "environment_definition") if key in given]
    environments += file.set_at([(key, f"{prefix}environment") for key, prefix in configurations])
    dependencies = [(key, f"{prefix}environment.python.conda_dependencies") for key, prefix in configurations]
    for environment in environments:
        dependencies += [(key, "python.conda_dependencies") for key in file.keys(environment)]
        for one in file.every(environment):
            found.environment(one)
    for value in file.set_at(dependencies):
        for one in file.every(value):
            if isinstance(one, cst.Call) and "CondaDependencies" in file.code(one.func):
                found.listed(file.given(one))
        dependencies += [(key, "") for key in file.keys(value)]
    for method in file.called_on(dependencies):
        found.added(method)
    own: Declared = list(dict.fromkeys(found.files))
    if found.conda or found.pip:
        inner = {"dependencies": [*dict.fromkeys(found.conda), {"pip": [*dict.fromkeys(found.pip)]}]}
        own.append((file.where(call), inner))
    return own


class _Packages:
    def __init__(self, file: File) -> None:
        self.file = file
        self.files: list[Path] = []
        self.conda: list[str] = []
        self.pip: list[str] = []

    def listed(self, given: dict[str, Expression]) -> None:
        """What a call lists, and the files that it names."""
        for key in FILES:
            if key in given and not is_none(given[key]):
                self.named(given[key])
        for key, packages in (("conda_packages", self.conda), ("pip_packages", self.pip)):
            packages += self.texts(given.get(key), key)
        if python := self.file.text(given.get("python_version")):
            self.conda.insert(0, f"python={python}")

    def named(self, node: Expression) -> None:
        """A file of packages."""
        text = (self.file.text(node) or "").replace("\\", "/")
        path = (self.file.values.locate(text) or self.file.by_end(text.removeprefix("./"))) if text else None
        if path and path.is_file() and path.is_relative_to(self.file.root):
            self.files.append(path)
        else:
            what = f"{text or self.file.code(node)} is not in the source"
            self.file.note("decide", node, f"{what}: compare train-conda.yml with what it had")

    def texts(self, node: Expression | None, what: str) -> list[str]:
        found = []
        for item in self.file.items(node):
            if (text := self.file.text(item)) is not None:
                found.append(text)
            elif not is_none(item):
                says = f"{self.file.code(item)} of {what} is not literal: add it to train-conda.yml"
                self.file.note("decide", item, says)
        return found

    def environment(self, made: Expression) -> None:
        if not isinstance(made, cst.Call):
            return
        given = self.file.given(made)
        if last(made) != "get" or "Environment" not in self.file.code(made.func):
            self.listed(given)
            return
        known = self.file.text(given.get("name")) or self.file.code(made)
        text = f"environment {known} is known to a workspace only: image and train-conda.yml take its place"
        self.file.note("decide", made, f"{text}, so compare their packages with it")

    def added(self, call: cst.Call) -> None:
        """What a method of CondaDependencies adds."""
        value = call.args[0].value if call.args else None
        if last(call) in ("add_pip_package", "add_conda_package"):
            packages = self.pip if last(call) == "add_pip_package" else self.conda
            packages += self.texts(value, last(call))
        elif last(call) == "set_python_version" and (text := self.file.text(value)):
            self.conda.insert(0, f"python={text}")
