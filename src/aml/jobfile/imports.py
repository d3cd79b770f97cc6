"""What the code of a job imports, and which packages bring it."""

import ast
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aml.jobfile.conda import INSTALLERS, conda_file, conda_name, entries
from aml.jobfile.conda_names import pypi_name
from aml.jobfile.description import Description
from aml.jobfile.pyproject import canonical_name

# Imports whose package has another name; where several provide one, the first is added, and any will do.
PACKAGE_OF = {
    "attr": "attrs",
    "Bio": "biopython",
    "bs4": "beautifulsoup4",
    "category_encoders": "category-encoders",
    "cv2": "opencv-python-headless opencv-python opencv-contrib-python opencv-contrib-python-headless",
    "Crypto": "pycryptodome",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu faiss-gpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "github": "pygithub",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "google.protobuf": "protobuf",
    "haystack": "haystack-ai farm-haystack",
    "hydra": "hydra-core",
    "igraph": "igraph python-igraph",
    "imblearn": "imbalanced-learn",
    "kafka": "kafka-python",
    "keras_tuner": "keras-tuner",
    "Levenshtein": "levenshtein python-levenshtein",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "osgeo": "gdal",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary psycopg2",
    "pytorch_lightning": "pytorch-lightning lightning",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "snowflake.connector": "snowflake-connector-python",
    "speech_recognition": "speechrecognition",
    "talib": "ta-lib",
    "umap": "umap-learn",
    "usaddress": "usaddress",
    "win32com": "pywin32",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
    "azure.ai.ml": "azure-ai-ml",
    "azure.identity": "azure-identity",
    "azure.keyvault.secrets": "azure-keyvault-secrets",
    "azure.storage.blob": "azure-storage-blob",
    "azure.storage.filedatalake": "azure-storage-file-datalake",
    "azureml.fsspec": "azureml-fsspec",
    "mlflow": "mlflow-skinny mlflow",
    "azureml.mlflow": "azureml-mlflow",
}


# The server, by which a conda file is known to be one of serving, and what its version 1.5.1 requires.
INFERENCE_SERVER = set(
    """
    azureml-inference-server-http azure-core azure-identity azure-monitor-opentelemetry-exporter flask flask-cors
    gunicorn inference-schema opentelemetry-api opentelemetry-sdk psutil pydantic pydantic-settings waitress werkzeug
    """.split()
)


class Import(NamedTuple):
    """An import of the module `module`, as the code spells it, and where it stands."""

    module: str
    file: Path
    line: int


def package_of(module: str) -> str:
    """The package on PyPI that brings a module, as far as is known: else it has the module's own name."""
    return _packages_of(module)[0]


def _packages_of(module: str) -> list[str]:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if found := PACKAGE_OF.get(".".join(parts[:length])):
            return found.split()
    return [parts[0].replace("_", "-")]


def missing_imports(job: Description, code: Path, command: str) -> Iterator[Import]:
    """The imports of what a command of this code runs that no package of the job's, or deployment's, conda file brings.

    Only what the packages installed here prove is reported: nothing when one of the conda file is not among them. The
    inference server never is, for its requirements exclude those of azure-ai-ml.
    Raises UserError when there is no conda file.
    """
    conda, name = conda_file(job)
    listed = set()
    for keys, text in entries(conda, name):
        package = conda_name(text)
        listed.add(canonical_name(package if "pip" in keys else pypi_name(package) or package))
    serving = INFERENCE_SERVER if listed & INFERENCE_SERVER else set()
    assumed = serving | (listed & set(INSTALLERS))
    brought = _with_dependencies(frozenset(listed - {"python", ""} - assumed))
    if brought is None:
        return
    brought |= assumed
    for found in imports(code, command):
        known = map(canonical_name, _packages_of(found.module))
        if brought.isdisjoint(known) and brought.isdisjoint(_installed(found.module.split(".")[0])):
            yield found


def _installed(module: str) -> list[str]:
    """The packages installed here that have a module."""
    return list(map(canonical_name, _distributions().get(module, [])))


_distributions = functools.cache(importlib.metadata.packages_distributions)  # it reads what every package has


@functools.cache  # the jobs of a repository mostly have the same packages
def _with_dependencies(names: frozenset[str]) -> set[str] | None:
    """The packages and all that they need, by what is installed here; None when one of `names` is not installed."""
    found: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        found.add(name)
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            if name in names:
                return None
            continue
        left |= {canonical_name(need) for need in needs if not re.search(r"\bextra\s*==", need)} - found
    return found


def imports(code: Path, command: str) -> Iterator[Import]:
    """The first import of each module that is neither Python's own nor in the folder `code`.

    What counts is what the scripts and modules of the command import as they are loaded, and what these import of
    `code` in turn; not what stands in a function, or in a `try` that goes on without it.
    """
    scripts = re.findall(r"\bpython3? ([\w./-]+\.py)\b", command)
    modules = re.findall(r"\bpython3? -m ([\w.]+)", command)
    left = [code / script for script in scripts]
    left += [file for module in modules for file in _files(code, module)]
    own = {path.stem for path in code.rglob("*.py")} | {path.parent.name for path in code.rglob("*.py")}
    read, seen = set(), set()
    while left:
        file = left.pop(0)
        if file in read or not file.is_file():
            continue
        read.add(file)
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # it fails by itself, and says so
            continue
        for module, line in _loaded(tree.body):
            top = module.split(".")[0]
            if top in own:
                left += [*_files(code, module), *_files(file.parent, module)]
            elif top not in sys.stdlib_module_names and top not in seen:
                seen.add(top)
                yield Import(module, file, line)


def _files(folder: Path, module: str) -> list[Path]:
    """The files that importing a module of the folder loads, should they exist."""
    parts = module.split(".")
    places = [folder.joinpath(*parts[: length + 1]) for length in range(len(parts))]
    return [file for place in places for file in (place.with_name(f"{place.name}.py"), place / "__init__.py")] + [
        places[-1] / "__main__.py"
    ]


def _loaded(statements: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The modules that these statements import when a file is loaded, each with its line."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from ((alias.name, statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module, statement.lineno
        elif isinstance(statement, ast.With):
            yield from _loaded(statement.body)
