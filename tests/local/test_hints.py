"""What is said of a job that ended."""

import sys
from pathlib import Path
from typing import Any

import pytest

from support import Repository

CONDA = {"dependencies": [f"python={sys.version_info.major}.{sys.version_info.minor}"]}


def said(repository: Repository, text: str, status: int = 1, **parts: Any) -> list[str]:
    """What follows the line on the end of a run of this script."""
    code = repository.path / "code"
    code.mkdir(exist_ok=True)
    (code / "main.py").write_text(text, encoding="utf-8")
    done = repository.submit("python main.py", code="code", status=status, **parts)
    lines = done.stderr.splitlines()
    return lines[1 + next(number for number, line in enumerate(lines) if " after " in line) :]


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"image": "i", "conda_file": "aml_config/train-conda.yml"}, str(Path("aml_config", "train-conda.yml"))),
        ({"image": "i", "conda_file": CONDA}, "job.yml"),
        ("azureml:e:1", "the environment of job.yml"),
    ],
)
def test_a_failed_import_names_the_package_and_the_file(
    repository: Repository, environment: object, where: str
) -> None:
    text = "import xgboost.sklearn"
    assert said(repository, text, environment=environment) == [f"add xgboost, which brings xgboost, to {where}"]


def test_the_package_of_an_import_is_known_by_its_own_name(repository: Repository) -> None:
    (line,) = said(repository, "import cv2")
    assert line.startswith("add opencv-python-headless, which brings cv2, to ")


def test_code_next_to_the_code_is_no_package(repository: Repository) -> None:
    (repository.path / "helpers").mkdir()
    assert said(repository, "import helpers.part") == [
        "job.yml:1: helpers is next to the code and does not travel with it: name the folder above"
    ]


@pytest.mark.parametrize("text", ["import json.nothing", "import other.nothing", "raise SystemExit(1)"])
def test_what_no_package_brings_is_no_missing_package(repository: Repository, text: str) -> None:
    (repository.path / "code" / "other").mkdir(parents=True)
    (repository.path / "code" / "other" / "__init__.py").touch()
    assert said(repository, text) == []


@pytest.mark.slow
def test_a_tracking_address_in_the_code_is_named_when_mlflow_fails(repository: Repository) -> None:
    text = (
        "import mlflow\n"
        "# mlflow.set_experiment('mine')\n"
        "mlflow.set_tracking_uri('file:/tmp/nothing')\n"
        "mlflow.set_experiment('mine')\n"
        "mlflow.start_run()\n"
    )
    place = Path("code", "main.py")
    led = "MLflow finds the job's run without it"
    assert said(repository, text) == [
        f"{place}:3: take set_tracking_uri(…) out: {led}",
        f"{place}:4: take set_experiment(…) out: {led}",
    ]


@pytest.mark.slow
def test_an_experiment_in_the_code_is_named_when_mlflow_fails(repository: Repository) -> None:
    text = "import mlflow\nmlflow.set_experiment('mine')\nwith mlflow.start_run():\n    pass\n"
    (line,) = said(repository, text)
    assert line.startswith(f"{Path('code', 'main.py')}:2: take set_experiment(…) out")


EMPTY = "outputs/ is empty: a model to be registered has to be written there"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", [EMPTY]),
        ("open('table.csv', 'w')", [EMPTY]),
        (
            "import os; os.mkdir('saved'); open('saved/model.pt', 'w'); open('m.joblib', 'w')",
            [f"{EMPTY}, and not, as m.joblib, saved/model.pt, elsewhere"],
        ),
        ("open('outputs/model.pt', 'w')", []),
    ],
)
def test_empty_outputs_are_said(repository: Repository, text: str, says: list[str]) -> None:
    (repository.path / "code").mkdir()
    (repository.path / "code" / "pretrained.pt").touch()  # travels with the code, and is no result
    assert said(repository, text, status=0) == says


def test_a_named_output_is_one(repository: Repository) -> None:
    text = "import os; open(os.environ['AZURE_ML_OUTPUT_o'] + '/x', 'w')"
    assert said(repository, text, status=0, outputs={"o": None}) == []
