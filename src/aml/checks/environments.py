"""Checks of environments and conda files."""

import re
from collections.abc import Iterator
from typing import Any

from aml.checks.finding import Finding
from aml.checks.shapes import ENVIRONMENT, check_shape
from aml.console import display_path
from aml.jobfile.conda import NAMES_A_FILE, conda_file, conda_name, entries
from aml.jobfile.document import Document
from aml.jobfile.imports import missing_imports, package_of
from aml.jobfile.job import Job

# Packages that should not be there: what is wrong with each, and what to do.
RETIRED = {
    "azureml-core": ("is SDK v1, out of support since 2026-06-30", "take it out"),
    "azureml-sdk": ("is SDK v1, out of support since 2026-06-30", "take it out"),
    "azureml-defaults": ("brings SDK v1 and a web server", "azureml-mlflow is enough to train"),
}
TOO_NEW_MLFLOW = re.compile(r"==?\s*(3\.(1[6-9]|[2-9]\d)|[4-9]\.)")  # azureml-mlflow 1.62.0.post6: <=3.15.0


def check_environment(document: Document, data: dict[str, Any], *keys: str) -> Iterator[Finding]:
    """The findings on an environment: `data`, which stands at `keys`, and the conda file that it names."""
    yield from check_shape(document, data, ENVIRONMENT, *keys)
    if ("image" in data) == ("build" in data):
        yield Finding.at(document, keys, "an environment needs either an image or a build")
    if isinstance(data.get("conda_file"), str):
        path = document.path.parent / data["conda_file"]
        if path.is_file():
            yield from check_conda(Document(path))
        else:
            problem = f"conda_file {data['conda_file']} does not exist"
            yield Finding.at(document, (*keys, "conda_file"), problem, "fix the path")


def check_conda(document: Document) -> Iterator[Finding]:
    """The findings on a conda file. Raises UserError when its dependencies are no list."""
    packages: dict[str, tuple[str, tuple[str | int, ...]]] = {}  # name: the whole entry, and its keys
    for keys, text in entries(document.data, document.name):
        packages[conda_name(text)] = text, keys
        if "pip" in keys and NAMES_A_FILE.match(text):
            problem = f"'{text}' names a file, which Azure ML does not get to see"
            yield Finding.at(document, keys, problem, "list the packages")
    for name, (problem, fix) in RETIRED.items():
        if name in packages:
            yield Finding.at(document, packages[name][1], f"{name} {problem}", fix)
    if "python" not in packages:
        yield Finding.at(document, ("dependencies",), "no python", "add python=3.11, or the image's own decides")
    text, keys = packages.get("mlflow") or packages.get("mlflow-skinny") or ("", ())
    if text and "azureml-mlflow" not in packages:
        yield Finding.at(document, keys, "MLflow alone does not reach the workspace", "add azureml-mlflow")
    elif TOO_NEW_MLFLOW.search(text):
        yield Finding.at(document, keys, text, "azureml-mlflow needs MLflow 3.15.0 or older")


def check_imports(job: Job) -> Iterator[Finding]:
    """The imports of the code that no package of the job's conda file brings."""
    if job.at("environment", "conda_file"):
        for found in missing_imports(job):
            problem = f"no package of {conda_file(job)[1]} brings {found.module}"
            fix = f"add {package_of(found.module)} there"
            yield Finding(display_path(found.file), found.line, problem, fix)
