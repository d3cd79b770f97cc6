"""Azure's own SDK reads the generated files as they are meant, offline; what it refuses is said in a line."""

import datetime
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from aml.azure.sdk import load
from aml.errors import UserError
from aml.jobfile.document import Document

with warnings.catch_warnings():  # hundreds, of the SDK about itself
    warnings.simplefilter("ignore")
    from azure.ai.ml import load_compute, load_data, load_environment, load_job
    from azure.ai.ml.entities._job.to_rest_functions import to_rest_job_object

pytestmark = pytest.mark.filterwarnings("ignore:::marshmallow", "ignore:::azure")

COMMAND = 'python train.py --data-path "${{inputs.data}}" --c ${{inputs.c}} --max-iter ${{inputs.max_iter}}'
CONDA_PACKAGES = ["azureml-mlflow", "mlflow-skinny", "scikit-learn", "pandas", "matplotlib", "joblib"]
DESCRIPTION = 'Sorts "penguins": 100 % of them, \\ {{ and }} included'


class Variant(NamedTuple):
    folder: Path
    compute: str
    size: str
    image: str


@pytest.fixture(scope="module", params=["cpu", "gpu"])
def variant(request: pytest.FixtureRequest, cookies_session: Any) -> Variant:
    size, image = {
        "cpu": ("Standard_DS3_v2", "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"),
        "gpu": ("Standard_NC6s_v3", "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"),
    }[request.param]
    compute = f"{request.param}-cluster"
    result = cookies_session.bake(
        {
            "project_name": "Penguins",
            "description": "{{ '" + DESCRIPTION.replace("\\", "\\\\") + "' }}",  # rendered once, not typed
            "compute_name": compute,
            "compute_size": size,
        }
    )
    assert result.exception is None, result.exception
    return Variant(Path(result.project_path) / "aml_config", compute, size, image)


@pytest.mark.parametrize("name", ["train-local", "train-amlcompute"])
def test_job_is_read(name: str, variant: Variant) -> None:
    job: Any = load_job(variant.folder / f"{name}.yml")
    assert job.type == "command"
    assert job.component.command == COMMAND
    assert job.description == DESCRIPTION
    assert job.experiment_name == "penguins"
    assert (variant.folder / job.component.code).resolve() == variant.folder.parent / "src"
    assert job.environment.image == variant.image
    *_, packages = job.environment.conda_file["dependencies"]
    assert [package.split("==")[0] for package in packages["pip"]] == CONDA_PACKAGES
    assert float(job.inputs["c"]._data) == 1.0
    assert int(job.inputs["max_iter"]._data) == 1000
    data = job.inputs["data"]
    if name == "train-local":
        assert job.compute == "local"
        assert (variant.folder / data.path).resolve() == variant.folder.parent / "sample-data"
    else:
        assert job.compute == variant.compute
        assert data.path == "penguins-data@latest"
    assert data.type == "uri_folder"


def test_cluster_job_goes_over_the_wire_as_written(variant: Variant) -> None:
    job = to_rest_job_object(load_job(variant.folder / "train-amlcompute.yml")).as_dict()["properties"]
    assert job["jobType"] == "Command"
    assert job["command"] == COMMAND
    assert job["computeId"] == variant.compute
    assert job["experimentName"] == "penguins"
    assert job["description"] == DESCRIPTION
    assert (variant.folder / job["codeId"]).resolve() == variant.folder.parent / "src"
    assert job["inputs"] == {
        "data": {"uri": "penguins-data@latest", "jobInputType": "uri_folder"},
        "c": {"value": "1.0", "jobInputType": "literal"},
        "max_iter": {"value": "1000", "jobInputType": "literal"},
    }
    assert job["outputs"] == {}
    assert "resources" not in job  # what the cluster has, and not the mark of a local job


def test_cluster_costs_nothing_between_jobs(variant: Variant) -> None:
    cluster: Any = load_compute(variant.folder / "compute.yml")
    assert (cluster.type, cluster.name, cluster.size) == ("amlcompute", variant.compute, variant.size)
    assert (cluster.min_instances, cluster.max_instances) == (0, 1)
    assert cluster.idle_time_before_scale_down == 7200
    wire = cluster._to_rest_object().as_dict()["properties"]["properties"]
    assert wire["vmSize"] == variant.size
    assert wire["scaleSettings"] == {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2H"}


def test_data_asset_is_the_one_that_the_cluster_job_takes(variant: Variant) -> None:
    data: Any = load_data(variant.folder / "data.yml")
    assert (data.name, data.type) == ("penguins-data", "uri_folder")
    assert Path(data.path).resolve() == variant.folder.parent / "sample-data"
    cluster: Any = load_job(variant.folder / "train-amlcompute.yml")
    assert cluster.inputs["data"].path == f"{data.name}@latest"


def test_environment_of_a_job_makes_a_registered_environment_too(variant: Variant) -> None:
    job = yaml.safe_load((variant.folder / "train-amlcompute.yml").read_text(encoding="utf-8"))
    file = variant.folder / "environment.yml"
    file.write_text(yaml.safe_dump({"name": "penguins-env", **job["environment"]}), encoding="utf-8")
    try:
        environment: Any = load_environment(file)
    finally:
        file.unlink()
    assert (environment.name, environment.image) == ("penguins-env", variant.image)
    assert environment.conda_file["name"] == "penguins-env"
    assert environment.conda_file["dependencies"][:2] == ["python=3.12", "pip"]


@pytest.mark.parametrize(
    ("loader", "content", "says"),
    [
        (load_job, {"description": datetime.date(2024, 5, 1)}, "f.yml:3: azure-ai-ml refuses description: Not a valid"),
        (load_job, {"resources": {"docker_args": {"a": "b"}}}, "f.yml:4: azure-ai-ml refuses resources.docker_args: N"),
        (load_job, {"identity": {"type": "robot"}}, "f.yml:4: azure-ai-ml refuses identity.type: Value 'robot' passed"),
        (load_job, {"services": {"s": {"port": "x"}}}, "f.yml:5: azure-ai-ml refuses services.s.port: Not a valid int"),
        (load_job, {"type": "Command"}, "f.yml:1: azure-ai-ml refuses it: Unsupported job type: Command"),
        (load_job, {"outputs": {"o": 3}}, "f.yml:1: azure-ai-ml refuses it: 'int' object has no attribute 'get'"),
        (load_compute, {"name": "c", "type": "amlcompute", "max_instances": "lots"},
         "f.yml:3: azure-ai-ml refuses max_instances: Not a valid integer"),
        (load_compute, {"name": "c"}, "f.yml:1: azure-ai-ml refuses it: Unknown compute type: None"),
        (load_data, {"name": "d", "path": "x", "version": [1]}, "f.yml:1: azure-ai-ml refuses it: Type <class 'list'>"),
        (load_environment, {"name": "e", "image": 3}, "f.yml:2: azure-ai-ml refuses image: Not a valid string"),
    ],
)  # fmt: skip
def test_what_a_loader_refuses_is_one_line_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: Any, content: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    job = {"command": "echo", "environment": "azureml:e:1"} if loader is load_job else {}
    Path("f.yml").write_text(yaml.safe_dump({**job, **content}, sort_keys=False), encoding="utf-8")
    document = Document(Path("f.yml"))
    with pytest.raises(UserError) as refused:
        load(loader, document, document.data)
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)
