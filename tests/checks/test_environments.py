"""Environments and conda files: each mistake is found, with its line."""

from pathlib import Path

import pytest

from aml.errors import UserError
from aml.jobfile.job import load
from checks.models import Case, Edit, check, replace

CASES = [
    Case("no python", Edit("train-conda.yml", "- python=3.12\n", "- conda-forge::numpy\n"), 5, "notice: no python"),
    Case(
        "a channel of this machine",
        Edit("train-conda.yml", "dependencies:", "channels: [file:///opt/channel]\ndependencies:"),
        5,
        "channel file:///opt/channel is on this machine",
    ),
    Case(
        "a wheel of this machine",
        Edit("train-conda.yml", "- joblib==1.6.0", "- ./wheels/x.whl"),
        14,
        "'./wheels/x.whl' names a file",
    ),
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


@pytest.mark.parametrize(
    ("entry", "is_sent"),
    [
        ("./wheels/x.whl", False),
        ("wheels/x-1.0-py3-none-any.whl", False),
        ("x @ file:///opt/x", False),
        ("/opt/x", False),
        ("C:\\wheels\\x.whl", False),
        ("-e .", False),
        ("--find-links wheels", False),
        ("-e git+https://github.com/x/y#egg=y", True),
        ("-r https://example.com/requirements.txt", True),
        ("x @ git+https://github.com/x/y@1.0", True),
        ("https://example.com/x-1.0-py3-none-any.whl", True),
        ("--extra-index-url https://example.com/simple", True),
        ("--find-links https://example.com/wheels", True),
        ("scikit-learn[all]>=1.5", True),
    ],
)
def test_a_line_for_pip_that_names_a_file_of_this_machine_is_found(model: Path, entry: str, is_sent: bool) -> None:
    (model / "pyproject.toml").unlink()  # which repeats the packages
    replace(model / "aml_config" / "train-conda.yml", "- joblib==1.6.0", f"- '{entry}'")
    found = [finding for finding in check(model) if "names a file" in finding]
    assert bool(found) != is_sent


@pytest.mark.parametrize(
    ("environment", "finding"),
    [
        ("{build: {}}", "build has no path: name the folder with the Dockerfile"),
        ("{build: {path: ../nowhere}}", "path ../nowhere does not exist"),
        ("{build: {path: ../src}}", "../src has no Dockerfile"),
        ("{build: {path: https://github.com/x/y}}", None),
        ("{image: i, conda_file: {dependencies: [python, {pip: [azureml-core]}]}}", "azureml-core is SDK v1"),
        ("{image: i, channels: [defaults]}", "channels belong into a conda file"),
        ("azureml:e", "environment azureml:e: should be azureml:NAME:VERSION"),
        ("file:environment.yml", None),
        ("file:other.yml", "No such file"),
    ],
)
def test_the_environment_of_a_job(model: Path, environment: str, finding: str | None) -> None:
    for name in ("environment.yml", "job.yml"):
        text = "image: i\nconda_file: train-conda.yml\n" if name == "environment.yml" else ""
        (model / "aml_config" / name).write_text(text or f"command: x\nenvironment: {environment}\n", encoding="utf-8")
    try:
        found = check(model, "job")
    except UserError as refusal:
        found = [str(refusal)]
    assert len(found) == (1 if finding else 0), found
    assert not finding or finding in found[0]


def test_a_mistake_in_the_environment_of_another_file_has_its_line_there(model: Path) -> None:
    (model / "envs").mkdir()
    (model / "envs" / "e.yml").write_text("image: i\nconda_file: c.yml\n", encoding="utf-8")
    job = model / "aml_config" / "job.yml"
    job.write_text("command: x\nenvironment: file:../envs/e.yml\n", encoding="utf-8")
    assert check(model, "job") == ["envs/e.yml:2: conda_file c.yml does not exist: fix the path"]
    (model / "envs" / "c.yml").write_text("dependencies: [python=3.12]\n", encoding="utf-8")
    assert check(model, "job") == []
    assert load("job", model).local_path("environment", "conda_file") == model / "envs" / "c.yml"
