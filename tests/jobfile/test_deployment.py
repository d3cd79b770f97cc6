"""Endpoints and deployments as the SDK reads them, with the service's defaults, and with places for messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aml.errors import UserError
from aml.jobfile import deployment
from aml.jobfile.deployment import BatchSettings, Deployment, Endpoint, ModelReference, Probe, RequestSettings
from aml.jobfile.document import Document

SOUND = {
    "name": "blue",
    "endpoint_name": "demo-model",
    "model": "azureml:demo-model:3",
    "code_configuration": {"code": "../src", "scoring_script": "score.py"},
    "environment": {"image": "i", "conda_file": "score-conda.yml"},
    "instance_type": "Standard_DS2_v2",
    "instance_count": 1,
}
Write = Callable[..., Deployment]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Read a deployment of a repository that has src/score.py; `parts` replace or, if None, remove those of SOUND."""
    monkeypatch.chdir(tmp_path)
    for name in ("src/score.py", "aml_config/score-conda.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")

    def _write(**parts: Any) -> Deployment:
        data = {key: value for key, value in {**SOUND, **parts}.items() if value is not None}
        (tmp_path / "aml_config" / "deployment.yml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return deployment.load("deployment", tmp_path)

    return _write


def test_a_deployment_is_read(write: Write, tmp_path: Path) -> None:
    found = write(environment_variables={"WORKER_COUNT": 2}, liveness_probe={"period": "5"})
    assert (found.name, found.endpoint_name, found.instance_type, found.instance_count, found.is_batch) == (
        "blue", "demo-model", "Standard_DS2_v2", 1, False,
    )  # fmt: skip
    assert found.model == ModelReference("demo-model", "3")
    assert (found.code, found.scoring_script) == (tmp_path / "src", tmp_path / "src" / "score.py")
    assert found.local_path("environment", "conda_file") == tmp_path / "aml_config" / "score-conda.yml"
    assert (found.environment_variables, found.worker_count) == ({"WORKER_COUNT": "2"}, 2)
    assert (found.request_settings, found.liveness_probe) == (RequestSettings(), Probe(period=5))
    assert found.readiness_probe.budget == 310
    assert str(found.where("model")) == "aml_config/deployment.yml:3"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("azureml:m:12", ModelReference("m", "12")),
        ("azureml:m@latest", ModelReference("m", None)),
        ("azureml:m", ModelReference("m", None)),
    ],
)
def test_the_model_is_a_reference(value: str | None, expected: ModelReference | None, write: Write) -> None:
    assert write(model=value).model == expected


@pytest.mark.parametrize(
    ("parts", "asked", "says"),
    [
        ({"model": "m:1"}, "model", "deployment.yml:3: model m:1 is no reference: write azureml:NAME:VERSION"),
        ({"model": {"path": "../outputs"}}, "model", "deployment.yml:3: model is no reference"),
        ({"model": "azureml:m@stable"}, "model", "model azureml:m@stable is no reference"),
        ({"model": "azureml:..:1"}, "model", "deployment.yml:3: model '..': should be 1-255 letters"),
        ({"name": None}, "name", "deployment.yml:1: name: should be a name"),
        ({"endpoint_name": 3}, "endpoint_name", "deployment.yml:2: endpoint_name 3: should be a name"),
        ({"code_configuration": None}, "scoring_script", "no code_configuration with code and scoring_script: add it"),
        ({"code_configuration": {"code": "../src"}}, "scoring_script", "deployment.yml:4: no scoring_script"),
        ({"code_configuration": {"code": "../scr", "scoring_script": "s.py"}}, "code", "code ../scr does not exist"),
        ({"code_configuration": {"code": "../src", "scoring_script": "s.py"}}, "scoring_script", "s.py is not in ../s"),
        ({"code_configuration": {"code": "../src", "scoring_script": "../a.py"}}, "scoring_script", "is not in ../src"),
        ({"environment_variables": {"WORKER_COUNT": "0"}}, "worker_count", "WORKER_COUNT 0: should be a whole number"),
        ({"request_settings": {"request_timeout_ms": "5s"}}, "request_settings", "request_timeout_ms 5s: should be"),
        ({"liveness_probe": {"timeout": True}}, "liveness_probe", "timeout True: should be a whole number"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(parts: dict[str, Any], asked: str, says: str, write: Write) -> None:
    found = write(**parts)
    with pytest.raises(UserError) as refusal:
        getattr(found, asked)
    assert says in str(refusal.value)


@pytest.mark.parametrize("section", ["request_settings", "environment_variables", "settings", "code_configuration"])
def test_a_section_is_a_mapping(section: str, write: Write) -> None:
    with pytest.raises(UserError, match=f"{section} should be a mapping"):
        write(**{section: ["x"]})


@pytest.mark.parametrize("is_new", [True, False])
def test_both_forms_of_a_batch_deployment_are_read(is_new: bool, write: Write) -> None:
    settings = {"mini_batch_size": 2, "output_file_name": "rows.csv", "environment_variables": {"A": "b"}}
    parts: dict[str, Any] = {"type": "model", "settings": settings} if is_new else settings
    found = write(compute="azureml:cpu-cluster", resources={"instance_count": 2}, instance_count=None, **parts)
    assert found.is_batch
    assert found.batch_settings == BatchSettings(mini_batch_size=2, output_file_name="rows.csv")
    assert (found.environment_variables, found.instance_count) == ({"A": "b"}, 2)


def test_an_endpoint_is_read(tmp_path: Path) -> None:
    file = tmp_path / "endpoint.yml"
    file.write_text("name: demo-model\nauth_mode: AAD_TOKEN\ntraffic: {blue: 100}\n", encoding="utf-8")
    found = Endpoint(Document(file))
    assert (found.name, found.auth_mode, found.traffic, found.is_batch) == (
        "demo-model", "aad_token", {"blue": 100}, False,
    )  # fmt: skip
    file.write_text("name: demo-batch\ndefaults: {deployment_name: x}\n", encoding="utf-8")
    assert (Endpoint(Document(file)).is_batch, Endpoint(Document(file)).auth_mode) == (True, "aad_token")


def test_a_file_that_is_not_there_is_refused_with_those_that_are(write: Write, tmp_path: Path) -> None:
    write()
    with pytest.raises(UserError, match="-c green: no such deployment; aml_config/ has deployment; the path of a"):
        deployment.load("green", tmp_path)
    with pytest.raises(UserError, match="-c endpoint: no such endpoint; aml_config/ has none;"):
        deployment.load_endpoint("endpoint", tmp_path)


@given(st.dictionaries(st.sampled_from(Probe._fields), st.integers(0, 10**6).map(lambda n: (n % 7 and n) or str(n))))
def test_probes_are_what_the_sdk_sends(values: dict[str, Any]) -> None:
    """Those fields of azure-ai-ml's own entity that the file sets, in its numbers; ours has the defaults as well."""
    from azure.ai.ml._schema._deployment.online.liveness_probe import LivenessProbeSchema

    schema: Any = LivenessProbeSchema()
    theirs = schema.load(values)
    document = Document.__new__(Document)
    document.data = {"liveness_probe": values}
    document.path = Path("deployment.yml")
    ours = Deployment(document).liveness_probe._asdict()
    assert {name: ours[name] for name in values} == {name: getattr(theirs, name) for name in values}
