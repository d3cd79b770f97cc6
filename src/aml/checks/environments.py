"""Checks of environments and conda files."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml.checks.fields import ENVIRONMENT
from aml.checks.finding import Finding
from aml.checks.shapes import Fields, check_shape
from aml.console import display_path
from aml.errors import FileError, UserError
from aml.jobfile.conda import conda_file, conda_name, entries
from aml.jobfile.description import Description
from aml.jobfile.document import Document
from aml.jobfile.imports import missing_imports, package_of
from aml.uris import WEB

# What pip or conda would read from this machine, which Azure ML does not see: a list, a folder, a wheel.
NOT_SENT = re.compile(
    r"(-[rce]|--(requirement|constraint|editable|find-links))[ =]*(?!\s|git\+|https?:)"
    r"|([\w.\[\],-]+ *@ *)?(file:|\.{0,2}[/\\]|[A-Za-z]:[\\/])|(?!\S*://)\S+\.(whl|tar\.gz|zip)(\s|$)"
)
# Packages that should not be there: what is wrong with each, and what to do.
RETIRED = {
    "azureml-core": ("is SDK v1, out of support since 2026-06-30", "take it out"),
    "azureml-sdk": ("is SDK v1, out of support since 2026-06-30", "take it out"),
    "azureml-defaults": (
        "brings SDK v1 and an old web server",
        "azureml-mlflow is enough to train, azureml-inference-server-http to serve",
    ),
}
TOO_NEW_MLFLOW = re.compile(r"==?\s*(3\.(1[6-9]|[2-9]\d)|[4-9]\.)")  # azureml-mlflow 1.62.0.post6: <=3.15.0


def check_environment(
    document: Document, data: dict[str, Any], *keys: str, shape: Fields = ENVIRONMENT, batch: bool = False
) -> Iterator[Finding]:
    """The findings on an environment: `data`, which stands at `keys`, and the conda file that it names."""
    for field in {"channels", "dependencies"} & data.keys():
        yield Finding.at(document, (*keys, field), f"{field} belong into a conda file", "name that with conda_file")
    known = {key: value for key, value in data.items() if key not in ("channels", "dependencies")}
    yield from check_shape(document, known, shape, *keys)
    if ("image" in data) == ("build" in data):
        yield Finding.at(document, keys, "an environment needs either an image or a build", rule="image")
    if isinstance(data.get("build"), dict):
        yield from _check_build(document, data["build"], *keys, "build")
    conda, place = data.get("conda_file"), (*keys, "conda_file")
    if isinstance(conda, dict):
        yield from check_conda(document, conda, *place, batch=batch)
    elif isinstance(conda, str) and conda:
        path = document.path.parent / conda
        if not path.is_file():
            yield Finding.at(document, place, f"conda_file {conda} does not exist", "fix the path")
            return
        try:
            yield from check_conda(Document(path), batch=batch)
        except FileError as error:
            yield Finding.from_error(error, "conda specification")
    elif conda:
        yield Finding.at(document, place, "conda_file", "should be the path of a conda file, or what stands in one")


def _check_build(document: Document, build: dict[str, Any], *keys: str) -> Iterator[Finding]:
    path, dockerfile = build.get("path", ""), str(build.get("dockerfile_path", "Dockerfile"))
    if not path:
        yield Finding.at(document, keys, "build has no path", "name the folder with the Dockerfile", "build")
    elif isinstance(path, str) and not WEB.match(path):
        folder = document.path.parent / path
        if not folder.exists():
            yield Finding.at(document, (*keys, "path"), f"path {path} does not exist", "fix the path")
        elif not (folder / dockerfile).is_file():
            yield Finding.at(document, (*keys, "path"), f"{path} has no {dockerfile}", "fix one of them", "build")


def check_conda(
    document: Document, conda: dict[str, Any] | None = None, *at: str, batch: bool = False
) -> Iterator[Finding]:
    """The findings on a conda file, or on what would stand in one: `conda`, which stands at `at`.

    That of a `batch` deployment needs what others should not have: the cluster's own program is one of SDK v1.

    Raises UserError when its dependencies are no list.
    """
    conda = document.data if conda is None else conda
    packages: dict[str, tuple[str, tuple[str | int, ...]]] = {}  # name: the whole entry, and its keys
    channels = conda.get("channels")
    for index, channel in enumerate(channels if isinstance(channels, list) else ()):
        if re.match(r"file:|\.{0,2}[/\\]", str(channel)):
            problem = f"channel {channel} is on this machine, which Azure ML does not get to see"
            yield Finding.at(document, (*at, "channels", index), problem, "name one that it reaches", "conda")
    for keys, text in entries(conda, document.name):
        packages[conda_name(text)] = text, (*at, *keys)
        if NOT_SENT.match(text):
            problem = f"'{text}' names a file, which Azure ML does not get to see"
            yield Finding.at(document, (*at, *keys), problem, "list the packages", "conda")
    for name, (problem, fix) in RETIRED.items():
        if name in packages and not (batch and name == "azureml-core"):
            yield Finding.at(document, packages[name][1], f"{name} {problem}", fix, "retired")
    if "python" not in packages:
        fix = "add python=3.11, or the image's own decides"
        yield Finding.at(document, (*at, "dependencies"), "no python", fix, "python")
    text, where = packages.get("mlflow") or packages.get("mlflow-skinny") or ("", ())
    if text and not {"azureml-mlflow", "azureml-inference-server-http"} & packages.keys():
        yield Finding.at(document, where, "MLflow alone does not reach the workspace", "add azureml-mlflow", "mlflow")
    elif TOO_NEW_MLFLOW.search(text):
        yield Finding.at(document, where, text, "azureml-mlflow needs MLflow 3.15.0 or older", "mlflow")


def check_imports(job: Description, code: Path, command: str) -> Iterator[Finding]:
    """The imports of what this command of the code runs that no package of the conda file brings."""
    with contextlib.suppress(UserError):  # there is no conda file, or another check refuses it
        for found in missing_imports(job, code, command):
            problem = f"no package of {conda_file(job)[1]} brings {found.module}"
            fix = f"add {package_of(found.module)} there"
            yield Finding(display_path(found.file), found.line, problem, fix, "import")
