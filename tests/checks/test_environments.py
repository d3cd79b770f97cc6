"""Environments and conda files: each mistake is found, with its line."""

from pathlib import Path

import pytest

from checks.models import Case, Edit

CASES = [
    Case("no python", Edit("train-conda.yml", "- python=3.12\n", "- conda-forge::numpy\n"), 5, "no python"),
    Case(
        "-r requirements.txt names a file",
        Edit("train-conda.yml", "- joblib==1.6.0", "- -r requirements.txt"),
        14,
        "'-r requirements.txt' names a file",
    ),
    Case(
        "azureml-core is SDK v1 out of support",
        Edit("train-conda.yml", "- joblib==1.6.0", "- azureml-core==1.61"),
        14,
        "azureml-core is SDK v1, out of support",
    ),
    Case(
        "azureml-defaults brings SDK v1",
        Edit("train-conda.yml", "- joblib==1.6.0", "- azureml-defaults"),
        14,
        "azureml-defaults brings SDK v1",
    ),
    Case(
        "MLflow 3.15.0 or older",
        Edit("train-conda.yml", "mlflow-skinny==3.15.0", "mlflow-skinny==3.16.0"),
        10,
        ".*MLflow 3.15.0 or older",
    ),
    Case(
        "MLflow alone does not reach",
        Edit("train-conda.yml", "- azureml-mlflow==1.62.0.post6", "- six"),
        10,
        "MLflow alone does not reach",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_mistake_is_found_with_its_line(model: Path, case: Case) -> None:
    case.assert_found(model)
