"""What azure-ai-ml accepts of endpoints and deployments, and the service or the inference server does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aml.checks import serving
from aml.checks.rules import RULES
from aml.jobfile import starts
from aml.jobfile.deployment import Deployment, Probe
from aml.jobfile.document import Document
from aml.jobfile.names import RULES as NAMES
from checks.models import check, replace

Change = Callable[[dict[str, Any]], object]


def edited(model: Path, name: str, change: Change) -> list[str]:
    """The findings once a file of aml_config/ has this change."""
    path = model / "aml_config" / name
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return check(model)


def test_what_is_generated_is_sound(model: Path) -> None:
    assert check(model) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda data: data.update(name="a--b"),
            "endpoint.yml:2: name a--b: should be 3-32 letters, digits and single d",
        ),
        (lambda data: data.update(name="ab"), "name ab: should be 3-32 letters"),
        (lambda data: data.update(auth_mode="none"), "auth_mode none: should be one of key, aml_token, aad_token"),
        (lambda data: data.update(traffic={"blue": 90}), "traffic is 90 in all: should be 0 or 100"),
        (lambda data: data.update(traffic={"blue": 120}), "traffic is 120 in all: should be 0 or 100"),
        (lambda data: data.update(traffic={"blue": 110, "green": -10}), "green -10: should be from 0 to 100"),
        (lambda data: data.update(traffic={"green": 100}), "notice: no file here describes a deployment green to th"),
        (lambda data: data.update(mirror_traffic={"blue": 60}), "blue 60: should be from 0 to 50"),
        (
            lambda data: data.update(mirror_traffic={"blue": 5, "green": 5}),
            "mirror_traffic goes to one deployment only",
        ),
        (
            lambda data: data.update(traffic={"blue": 100}, mirror_traffic={"blue": 10}),
            "blue gets traffic already: mirror it to another deployment",
        ),
        (
            lambda data: data.update(identity={"type": "user_assigned"}),
            "a user_assigned identity needs user_assigned_id",
        ),
        (lambda data: data.update(type="managed"), "unknown field type"),
    ],
)
def test_a_mistake_in_an_endpoint_is_found(model: Path, change: Change, says: str) -> None:
    assert any(says in finding for finding in edited(model, "endpoint.yml", change)), check(model)


def set_at(*keys: str, value: Any = None) -> Change:
    """A change of what stands at these keys; without a value it goes."""

    def change(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        if value is None:
            del data[keys[-1]]
        else:
            data[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_at("name", value="b"), "name b: should be 3-32 letters"),
        (set_at("endpoint_name", value="other"), "notice: endpoint_name other is not that of aml_config/endpoint.ym"),
        (set_at("model"), ""),
        (set_at("model", value="demo-model:1"), "model demo-model:1: should be azureml:NAME:VERSION"),
        (set_at("model", value={"path": "../outputs/model.pkl"}), "path ../outputs/model.pkl does not exist"),
        (
            set_at("model", value={"path": "azureml://jobs/j/outputs/artifacts/paths/m"}),
            "path azureml://jobs/j/outputs/artifacts/paths/m needs a name and a version",
        ),
        (set_at("code_configuration"), "notice: no code_configuration: only a model of MLflow or Triton"),
        (set_at("code_configuration", "scoring_script"), "no scoring_script: add it"),
        (set_at("code_configuration", "code"), "code_configuration has no code: name its folder"),
        (set_at("code_configuration", "code", value="../scr"), "code ../scr does not exist"),
        (set_at("code_configuration", "scoring_script", value="scores.py"), "scoring_script scores.py is not in ../"),
        (set_at("environment"), "no environment for the code: name an image and a conda_file"),
        (set_at("environment", value={}), "an environment needs either an image or a build"),
        (set_at("environment", "image"), "an environment needs either an image or a build"),
        (set_at("environment", "conda_file", value="x.yml"), "conda_file x.yml does not exist"),
        (set_at("environment", value="demo:1"), "environment demo:1: should be azureml:NAME:VERSION"),
        (set_at("environment_variables", value={"A": 1}), "A 1: should be a text: put it in quotes"),
        (
            set_at("environment_variables", value={"AZUREML_MODEL_DIR": "/x", "WORKER_COUNT": "2"}),
            "AZUREML_MODEL_DIR is set by the service: take it out",
        ),
        (set_at("environment_variables", value={"WORKER_COUNT": "x"}), "WORKER_COUNT x: should be a whole number fr"),
        (set_at("environment_variables"), "max_concurrent_requests_per_instance 2 with WORKER_COUNT 1: the others w"),
        (set_at("request_settings"), "max_concurrent_requests_per_instance 1 with WORKER_COUNT 2: the other workers"),
        (set_at("request_settings", "request_timeout_ms", value=200000), "should be a whole number from 1 to 180000"),
        (set_at("request_settings", "request_timeout_ms", value=-1), "should be a whole number from 1 to 180000"),
        (set_at("request_settings", "max_queue_wait_ms", value=500), "notice: max_queue_wait_ms has no effect any m"),
        (set_at("request_settings", "max_concurrent_requests_per_instance", value=0), "should be a whole number fro"),
        (set_at("liveness_probe", "period", value=-1), "period -1: should be a whole number from 1"),
        (set_at("liveness_probe", "success_threshold", value=5), "success_threshold 5: should be a whole number fro"),
        (set_at("liveness_probe", "timeout", value=0), "timeout 0: should be a whole number from 1"),
        (set_at("readiness_probe", "timeout", value=60), "notice: timeout 60 of readiness_probe is more than its pe"),
        (set_at("instance_type"), "no instance_type: add it"),
        (set_at("instance_type", value="DS2"), "instance_type DS2: should be a VM size"),
        (set_at("instance_count"), "no instance_count: add it: each instance is billed"),
        (set_at("instance_count", value=0), "instance_count 0: should be a whole number from 1 to 50"),
        (set_at("scale_settings", value={"type": "target_utilization"}), "type target_utilization: should be one of"),
        (set_at("instance_cuont", value=1), "unknown field instance_cuont; did you mean instance_count?"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_deployment_is_found(model: Path, change: Change, says: str) -> None:
    found = edited(model, "deployment.yml", change)
    assert any(says in finding for finding in found) if says else found == []


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("src/score.py", "def run(", "def runs(", "src/score.py:1: no run(), which the service calls: write it"),
                ("src/score.py", "def init() -> None:\n", "def init() -> None\n", "src/score.py:23: expected ':': f"),
        ("aml_config/score-conda.yml", "joblib==1.6.0", "joblib==1.5.0",
         "score-conda.yml:13: joblib==1.5.0 differs from joblib==1.6.0 (aml_config/train-conda.yml:14), with which"),
        ("aml_config/score-conda.yml", "python=3.12", "python=3.11", "python=3.11 differs from python=3.12"),
        ("aml_config/score-conda.yml", "azureml-inference-server-http==1.5.1", "numpy",
         "no azureml-inference-server-http: list azureml-inference-server-http==1.5.1 under pip"),
        ("aml_config/score-conda.yml", "-http==1.5.1", "-http", "azureml-inference-server-http may change with each"),
        ("aml_config/score-conda.yml", "-http==1.5.1", "-http==1.3.2", "==1.3.2 cannot be imported: list azureml-in"),
        ("aml_config/score-conda.yml", "joblib==1.6.0", "joblib==1.6.0\n      - azureml-core",
         "azureml-core is SDK v1, out of support"),
    ],
)  # fmt: skip
def test_a_mistake_in_what_a_deployment_names_is_found(model: Path, file: str, old: str, new: str, says: str) -> None:
    replace(model / file, old, new)
    assert any(says in finding for finding in check(model)), check(model)


def test_mlflow_in_the_environment_of_serving_reaches_no_workspace_and_need_not(model: Path) -> None:
    replace(model / "aml_config" / "score-conda.yml", "joblib==1.6.0", "joblib==1.6.0\n      - mlflow-skinny==3.15.0")
    assert check(model) == []


BATCH = """
type: model
name: nightly
endpoint_name: demo-batch
model: azureml:demo-model@latest
code_configuration: {code: ../src, scoring_script: score.py}
environment:
  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04
  conda_file:
    dependencies: [python=3.12, pip, {pip: [azureml-core==1.61.0.post4, scikit-learn==1.9.1]}]
compute: azureml:cpu-cluster
resources: {instance_count: 1}
settings: {mini_batch_size: 10, output_action: append_row, output_file_name: predictions.csv}
"""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: None, ""),
        (set_at("compute"), "no compute: name a cluster: azureml:NAME"),
        (set_at("compute", value="local"), "compute local: a batch deployment runs on a cluster"),
        (set_at("settings", "mini_batch_size", value=0), "mini_batch_size 0: should be a whole number from 1"),
        (set_at("settings", "max_concurrency_per_instance", value=0), "should be a whole number from 1"),
        (set_at("settings", "error_threshold", value=-5), "error_threshold -5: should be a whole number from -1"),
        (
            set_at("settings", "logging_level", value="loud"),
            "logging_level loud: should be one of warning, info, debug",
        ),
        (
            set_at("settings", "retry_settings", value={"max_retries": -1}),
            "max_retries -1: should be a whole number from",
        ),
        (set_at("settings", "output_file_name", value="/a/b.csv"), "should be the name of a file, without a folder"),
        (set_at("settings", "instance_count", value=2), "instance_count is that of resources: take it out here"),
        (set_at("name", value="n"), "name n: should be 3-32 letters"),
        (set_at("code_configuration", "scoring_script", value="x.py"), "scoring_script x.py is not in ../src"),
        (
            set_at("settings", "environment_variables", value={"AML_APP_ROOT": "/x"}),
            "AML_APP_ROOT is set by the service",
        ),
        (
            lambda data: data["environment"]["conda_file"]["dependencies"][2]["pip"].pop(0),
            "notice: no azureml-core: list",
        ),
    ],
)
def test_a_mistake_in_a_batch_deployment_is_found(model: Path, change: Change, says: str) -> None:
    (model / "aml_config" / "batch-deployment.yml").write_text(BATCH, encoding="utf-8")
    found = edited(model, "batch-deployment.yml", change)
    assert any(says in finding for finding in found) if says else found == []


def test_the_conda_file_of_a_batch_deployment_may_have_what_the_cluster_needs(model: Path) -> None:
    folder = model / "aml_config"
    (folder / "batch-deployment.yml").write_text(BATCH, encoding="utf-8")
    conda = yaml.safe_load(BATCH)["environment"]["conda_file"]
    (folder / "batch-conda.yml").write_text(yaml.safe_dump(conda), encoding="utf-8")
    assert edited(model, "batch-deployment.yml", set_at("environment", "conda_file", value="batch-conda.yml")) == []
    (folder / "batch-deployment.yml").unlink()
    assert "azureml-core is SDK v1" in check(model)[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: demo-batch\nauth_mode: aad_token\ndefaults: {deployment_name: nightly}\n", ""),
        (
            "name: demo-batch\nauth_mode: key\ndefaults: {deployment_name: nightly}\n",
            "callers of a batch endpoint sign",
        ),
        ("name: demo-batch\nauth_mode: aad_token\ndefaults: {deployment: nightly}\n", "unknown field deployment"),
    ],
)
def test_a_mistake_in_a_batch_endpoint_is_found(model: Path, text: str, says: str) -> None:
    (model / "aml_config" / "batch-endpoint.yml").write_text(text, encoding="utf-8")
    found = check(model)
    assert any(says in finding for finding in found) if says else found == []


@given(st.floats(0.1, 2000), st.integers(1, 900), st.integers(1, 60), st.integers(1, 60))
def test_a_probe_has_twice_the_time_that_the_start_took(seconds: float, delay: int, period: int, failures: int) -> None:
    probe = Probe(delay, period, 1, 1, failures)
    assert probe.budget == delay + period * failures
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starts, "read", lambda root: {"deployment": seconds})
        document = Document.__new__(Document)
        document.name, document.path, document._node = "deployment.yml", Path("deployment.yml"), None
        numbers = {"initial_delay": delay, "period": period, "timeout": 1, "failure_threshold": failures}
        document.data = {"liveness_probe": numbers, "readiness_probe": {**numbers, "initial_delay": 10**6}}
        found = list(serving._check_requests(Deployment(document), Path()))
    assert bool(found) == (probe.budget < 2 * seconds)
    assert all(finding.is_notice and "liveness_probe gives up after" in finding.problem for finding in found)


@given(st.from_regex(NAMES["endpoint"].pattern, fullmatch=True))
def test_names_of_endpoints_are_names_for_the_sdk(name: str) -> None:
    from azure.ai.ml.entities._endpoint._endpoint_helpers import validate_endpoint_or_deployment_name

    validate_endpoint_or_deployment_name(name)


def test_each_rule_of_serving_is_one_with_a_source() -> None:
    text = Path(serving.__file__).read_text(encoding="utf-8")
    for rule in ("traffic", "scoring", "server", "pickle", "executor", "workers", "start", "batch", "other"):
        assert f'"{rule}"' in text and RULES[rule].source
