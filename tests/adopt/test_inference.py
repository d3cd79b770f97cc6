"""inference.py: v1's scoring code, inferenceConfig and deployment configurations become those of a managed endpoint."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from adopt.sources import SAMPLES, adopt, plant
from aml.adopt.v1 import inference

PINS = ["scikit-learn==1.7.1", "pandas==2.3.1", "joblib==1.5.1", "azureml-mlflow==1.62.0"]
# The shape of the ancestor's score.py.
SCORE = """import json
import os
import joblib
import numpy as np
from azureml.core.model import Model
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
from inference_schema.schema_decorators import input_schema


def init():
    global model
    model = joblib.load(Model.get_model_path("credit"))


def run(data):
    try:
        return model.predict(data).tolist()
    except Exception as error:
        return str(error)
"""
CONFIG = {
    "entryScript": "score.py",
    "sourceDirectory": ".",
    "environment": {
        "environmentVariables": {"MODE": "fast"},
        "docker": {"baseImage": "mcr.microsoft.com/azureml/base:0.2.4"},
        "python": {"condaDependenciesFile": "aml_config/inference-conda.yml"},
    },
}
CONDA = {
    "dependencies": ["python=3.6.2", {"pip": ["azureml-defaults==1.0.65", "scikit-learn==0.20.3", "shap==0.40.0"]}],
}


def project(root: Path, *, config: Any = CONFIG, score: str = SCORE, **files: Any) -> Path:
    """A project of v1, with further YAML files in aml_config/."""
    texts = {f"aml_config/{name.replace('_', '-')}.yml": yaml.safe_dump(content) for name, content in files.items()}
    return plant(
        root,
        {
            "score.py": score,
            "aml_config/inference-config.yml": yaml.safe_dump(config),
            "aml_config/inference-conda.yml": yaml.safe_dump(CONDA),
            **texts,
        },
    )


def converted(root: Path) -> inference.Inference:
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    found = inference.convert(root, root, files, PINS)
    assert found
    return found


def said(found: inference.Inference) -> str:
    return "\n".join(f"{note.kind} {note.where}: {note.text}" for note in found.notes)


def test_the_scoring_code_finds_its_model_and_answers_raw_requests_as_v2_does(tmp_path: Path) -> None:
    found = converted(project(tmp_path))
    assert "joblib.load(model_path())" in found.score and "azureml.core" not in found.score
    assert "from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp" in found.score
    assert "from azureml_inference_server_http.api.aml_response import AMLResponse" in found.score
    assert "from inference_schema.schema_decorators import input_schema" in found.score  # comes with the server
    assert "run() answers an exception with status 200" in said(found)


@pytest.mark.parametrize("depth", ["", "credit/1/"])
def test_model_path_is_the_file_or_the_folder_at_any_depth(tmp_path: Path, depth: str) -> None:
    found: dict[str, Any] = {"os": os}
    exec(inference.MODEL_PATH, found)  # noqa: S102  # our own text
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
        file = plant(tmp_path, {f"{depth}model.pkl": "m"}) / f"{depth}model.pkl"
        assert Path(found["model_path"]()) == file
        (file.parent / "words.json").touch()
        assert Path(found["model_path"]()) == file.parent


def test_packages_are_those_of_training_where_it_has_them(tmp_path: Path) -> None:
    found = converted(project(tmp_path))
    assert found.conda == ["scikit-learn==1.7.1", "shap==0.40.0", "joblib==1.5.1"]
    assert "shap==0.40.0: training has no version of it to follow" in said(found)


def test_environment_variables_come_along_and_images_are_named(tmp_path: Path) -> None:
    found = converted(project(tmp_path))
    assert found.deployment["environment_variables"] == {"MODE": "fast"}
    assert "image mcr.microsoft.com/azureml/base:0.2.4" in said(found)


# What a field of a deployment configuration becomes; the defaults are those of azureml-core's aci.py and aks.py.
FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"computeType": "aci"}, {"instance_type": "Standard_DS2_v2", "request_settings": {"request_timeout_ms": 60000}}),
    (
        {"computeType": "ACI", "containerResourceRequirements": {"cpu": 2.5, "memoryInGB": 4}},
        {"instance_type": "Standard_DS3_v2"},
    ),
    ({"computeType": "aks", "containerResourceRequirements": {"memoryInGB": 20}}, {"instance_type": "Standard_DS4_v2"}),
    ({"computeType": "aks", "numReplicas": 3}, {"instance_count": 3}),
    ({"computeType": "aks", "autoScaler": {"minReplicas": 2, "maxReplicas": 5}}, {"instance_count": 2}),
    ({"computeType": "aci", "appInsightsEnabled": True}, {"app_insights_enabled": True}),
    (
        {"computeType": "aks", "scoringTimeoutMs": 1000, "maxQueueWaitMs": 500},
        {"request_settings": {"request_timeout_ms": 1500}},
    ),
    (
        {"computeType": "aks", "scoringTimeoutMs": 1000, "maxConcurrentRequestsPerContainer": 2},
        {
            "request_settings": {"request_timeout_ms": 1000, "max_concurrent_requests_per_instance": 2},
            "environment_variables": {"MODE": "fast", "WORKER_COUNT": "2"},
        },
    ),
    (
        {"computeType": "aks", "livenessProbeRequirements": {"initialDelaySeconds": 310, "failureThreshold": 3}},
        {"liveness_probe": {"initial_delay": 310, "failure_threshold": 3}},
    ),
]


@pytest.mark.parametrize(("v1", "v2"), FIELDS, ids=lambda value: "-".join(value)[:60])
def test_a_deployment_configuration_becomes_the_deployment(
    tmp_path: Path, v1: dict[str, Any], v2: dict[str, Any]
) -> None:
    found = converted(project(tmp_path, deployment_config_aks=v1))
    assert {key: found.deployment[key] for key in v2} == v2


@pytest.mark.parametrize(
    ("v1", "mode", "note"),
    [
        ({"computeType": "aks"}, "key", ""),
        ({"computeType": "aks", "tokenAuthEnabled": True}, "aml_token", ""),
        ({"computeType": "aci", "authEnabled": True}, "key", ""),
        ({"computeType": "aci"}, None, "v1 let everybody call it"),
        ({"computeType": "aks", "authEnabled": False}, None, "v1 let everybody call it"),
    ],
)
def test_callers_sign_in_as_they_did_or_it_is_said(
    tmp_path: Path, v1: dict[str, Any], mode: str | None, note: str
) -> None:
    found = converted(project(tmp_path, deployment_config=v1))
    assert found.endpoint.get("auth_mode") == mode
    assert note in said(found)


def test_what_has_no_form_in_v2_is_said(tmp_path: Path) -> None:
    v1 = {"computeType": "aks", "sslEnabled": True, "cname": "x.example.org", "scoringTimeoutMs": 600000,
          "dataCollection": {"storageEnabled": True}, "namespace": "n", "gpuCores": 1}  # fmt: skip
    text = said(converted(project(tmp_path, deployment_config=v1)))
    for word in ("sslEnabled", "cname", "dataCollection", "namespace", "gpuCores", "180000 ms at most"):
        assert word in text


def test_of_several_deployments_that_of_production_is_taken(tmp_path: Path) -> None:
    kinds: dict[str, Any] = {f"deployment_config_{kind}": {"computeType": kind, "numReplicas": count}
             for kind, count in (("aci", 1), ("aks", 4), ("local", 1))}  # fmt: skip
    found = converted(project(tmp_path, **kinds))
    assert found.deployment["instance_count"] == 4
    assert said(found).count("a managed endpoint takes the place of both") == 2


@pytest.mark.parametrize("bad", ["", "- a\n", "a: [", "entryScript: ../../etc/passwd\n"])
def test_a_configuration_that_is_none_is_no_reason_to_fail(tmp_path: Path, bad: str) -> None:
    root = project(tmp_path)
    (root / "aml_config" / "inference-config.yml").write_text(bad)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    inference.convert(root, root, files, PINS)


def test_training_alone_has_no_inference(tmp_path: Path) -> None:
    plant(tmp_path, {"train.py": "print(1)", "score.py": "print('evaluates')"})
    assert inference.convert(tmp_path, tmp_path, ["train.py", "score.py"], PINS) is None


def test_a_v1_repository_is_served_after_it_was_adopted(tmp_path: Path) -> None:
    out = tmp_path / "credit-risk"
    adopt(SAMPLES / "v1-repository", "-o", str(out), "--no-run")
    deployment = yaml.safe_load((out / "aml_config" / "deployment.yml").read_text(encoding="utf-8"))
    assert deployment["model"] == "azureml:credit-risk@latest"
    conda = yaml.safe_load((out / "aml_config" / "score-conda.yml").read_text(encoding="utf-8"))
    pins = conda["dependencies"][-1]["pip"]
    assert pins[0] == "azureml-inference-server-http==1.5.1"
    training = (out / "aml_config" / "train-conda.yml").read_text(encoding="utf-8")
    assert all(pin in training for pin in pins[1:]) and any(pin.startswith("scikit-learn==") for pin in pins)
    assert not (out / "tests" / "test_score.py").exists()
    assert conda["dependencies"][0] in training  # the same Python
    done = subprocess.run([sys.executable, "-m", "aml", "check"], cwd=out, capture_output=True, text=True, check=False)
    assert done.stdout == "aml_config/: nothing to fix\n"


@pytest.mark.parametrize("score", ["def init(:\n", "exec 'x' in y, z ->\n"])
def test_scoring_code_that_is_no_python_is_told(tmp_path: Path, score: str) -> None:
    found = converted(project(tmp_path, score=score))
    assert found.score == score and "score.py: is not Python 3" in said(found)
    assert found.conda == ["scikit-learn==1.7.1", "shap==0.40.0"]
