"""Rules for environments and conda files."""

import re
from collections.abc import Iterator
from typing import Any

from aml.checks.shapes import ENVIRONMENT, check_shape
from aml.jobfile.conda import NAMES_A_FILE, entries
from aml.jobfile.document import Document

RETIRED = {
    "azureml-core": "is SDK v1, out of support since 2026-06-30: take it out",
    "azureml-sdk": "is SDK v1, out of support since 2026-06-30: take it out",
    "azureml-defaults": "brings SDK v1 and a web server: azureml-mlflow is enough to train",
}


def check_environment(document: Document, data: dict[str, Any], *keys: str) -> Iterator[str]:
    yield from check_shape(document, data, ENVIRONMENT, *keys)
    if ("image" in data) == ("build" in data):
        yield f"{document.where(*keys)}: an environment needs either an image or a build"
    if isinstance(data.get("conda_file"), str):
        path = document.path.parent / data["conda_file"]
        if path.is_file():
            yield from check_conda(Document(path))
        else:
            where = document.where(*keys, "conda_file")
            yield f"{where}: conda_file {data['conda_file']} does not exist: fix the path"


def check_conda(document: Document) -> Iterator[str]:
    packages: dict[str, tuple[str, str]] = {}  # name: the whole entry, and where it stands
    for keys, text in entries(document.data, document.name):
        where = document.where(*keys)
        packages[re.sub(r".*::|[^\w.-].*", "", text).lower()] = text, where
        if "pip" in keys and NAMES_A_FILE.match(text):
            yield f"{where}: '{text}' names a file, which Azure ML does not get to see: list the packages"
    for name, why in RETIRED.items():
        if name in packages:
            yield f"{packages[name][1]}: {name} {why}"
    if "python" not in packages:
        yield f"{document.where('dependencies')}: no python: add python=3.11, or the image's own decides"
    text, where = packages.get("mlflow") or packages.get("mlflow-skinny") or ("", "")
    if text and "azureml-mlflow" not in packages:
        yield f"{where}: MLflow alone does not reach the workspace: add azureml-mlflow"
    elif re.search(r"==?\s*(3\.(1[6-9]|[2-9]\d)|[4-9]\.)", text):  # azureml-mlflow 1.62.0.post6: mlflow-skinny<=3.15.0
        yield f"{where}: {text}: azureml-mlflow needs MLflow 3.15.0 or older"
