"""What the code of a job imports, compared with the packages of its conda file."""

from pathlib import Path

import pytest
import yaml

from aml.jobfile.document import Document
from aml.jobfile.imports import imports, missing_imports, package_of
from aml.jobfile.job import Job


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def modules(folder: Path, command: str = "python train.py") -> list[str]:
    return [found.module for found in imports(folder, command)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import numpy, os\nimport sklearn.linear_model as l", ["numpy", "sklearn.linear_model"]),
        ("from PIL import Image\nfrom . import own\nfrom .own import x", ["PIL"]),
        ("import numpy\nimport numpy.linalg", ["numpy"]),
        ("try:\n    import cupy\nexcept ImportError:\n    cupy = None", []),
        ("if __name__ == '__main__':\n    import fire", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", []),
        ("def later():\n    import torch", []),
        ("import helper\nimport part.deep", ["of_helper", "of_part", "of_deep"]),
        ("import nowhere_to_go\nimport broken", ["nowhere_to_go"]),
        ("with x():\n    import torch", ["torch"]),
    ],
)
def test_what_loads_with_the_script_counts(tmp_path: Path, text: str, found: list[str]) -> None:
    others = {
        "helper.py": "import of_helper",
        "part/__init__.py": "import of_part",
        "part/deep.py": "import of_deep",
        "unused.py": "import unused_package",
        "broken.py": "import (",
    }
    assert modules(write(tmp_path, {"train.py": text, **others})) == found


def test_a_module_of_the_command_counts_as_a_script_does(tmp_path: Path) -> None:
    write(tmp_path, {"part/__init__.py": "", "part/train.py": "import torch", "other/__main__.py": "import keras"})
    assert modules(tmp_path, "python -m part.train --a && python3 -m other") == ["torch", "keras"]


def test_the_line_is_known(tmp_path: Path) -> None:
    (found,) = imports(write(tmp_path, {"train.py": "import os\n\nimport torch\n"}), "python train.py")
    assert (found.file, found.line) == (tmp_path / "train.py", 3)


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("sklearn.linear_model", "scikit-learn"),
        ("lightgbm", "lightgbm"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("yaml", "pyyaml"),
        ("own_package.part", "own-package"),
    ],
)
def test_the_package_of_a_module(module: str, package: str) -> None:
    assert package_of(module) == package


def job_of(folder: Path, *packages: object) -> Job:
    conda = {"dependencies": ["python=3.12", "pip", *packages]}
    data = {"command": "python train.py", "code": "code", "environment": {"image": "i", "conda_file": conda}}
    (folder / "job.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return Job(Document(folder / "job.yml"))


@pytest.mark.parametrize(
    ("packages", "missing"),
    [
        (["pyyaml"], ["filelock", "lightgbm", "azure.core"]),
        ([{"pip": ["PyYAML==6.0.2", "filelock"]}], ["lightgbm", "azure.core"]),
        ([{"pip": ["azure-identity"]}], ["yaml", "filelock", "lightgbm"]),  # it needs azure-core
        (["virtualenv"], []),  # is not installed here: nobody knows what it brings
    ],
)
def test_what_no_listed_package_brings_is_missing(tmp_path: Path, packages: list[object], missing: list[str]) -> None:
    write(tmp_path, {"code/train.py": "import yaml\nimport filelock\nimport lightgbm\nimport azure.core\n"})
    found = missing_imports(job_of(tmp_path, *packages), tmp_path / "code", "python train.py")
    assert [one.module for one in found] == missing


def test_the_server_brings_what_it_needs(tmp_path: Path) -> None:
    write(
        tmp_path, {"code/score.py": "import flask, yaml\nfrom azureml_inference_server_http.api import aml_response\n"}
    )
    job = job_of(tmp_path, {"pip": ["azureml-inference-server-http==1.5.1", "filelock"]})
    assert [one.module for one in missing_imports(job, tmp_path / "code", "python score.py")] == ["yaml"]
