"""What stands in public job files and the service takes is not called wrong; what azure-ai-ml refuses is found.

The values are those of command jobs in public repositories. azure-ai-ml judges each of them as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aml.checks.finding import Finding
from checks.oracle import Sdk, findings, quickly

pytestmark = pytest.mark.filterwarnings("ignore:::marshmallow", "ignore:::azure")

WORKSPACE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
JOB: dict[str, Any] = {"command": "python train.py", "code": "../src", "environment": "azureml:e:1"}


def data(path: str, **more: Any) -> dict[str, Any]:
    return {"command": "python train.py --data ${{inputs.data}}", "inputs": {"data": {"path": path, **more}}}


@pytest.fixture(scope="module")
def sdk() -> Iterator[Sdk]:
    with quickly():
        yield Sdk()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file to judge is written, in a repository with what it names."""
    for name in ("src/train.py", "src/sub/t.py", "data/table.csv", "aml_config/conda.yml", "aml_config/env.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("image: i\n" if name.endswith("env.yml") else "x: 1\n", encoding="utf-8")
    return tmp_path / "aml_config" / "f.yml"


def judge(sdk: Sdk, kind: str, path: Path, document: dict[str, Any]) -> tuple[str | None, list[Finding]]:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return sdk.refusal(kind, path), [finding for finding in findings(kind, path) if not finding.is_notice]


@pytest.mark.parametrize(
    "change",
    [
        {},  # serverless
        {"compute": "cpu-cluster"},
        {"compute": "serverless"},
        {"compute": "LOCAL"},
        {"compute": f"{WORKSPACE}/computes/c1c"},
        {"compute": f"azureml:{WORKSPACE}/computes/c1c"},
        {"compute": "azureml:virtualClusters/vvv"},
        {"environment": "file:./env.yml"},
        {"environment": "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"},
        {"environment": f"azureml:{WORKSPACE}/environments/e/versions/1"},
        {"environment": {"image": "i", "conda_file": {"dependencies": ["python=3.12"]}}},
        {"environment": {"build": {"path": "https://github.com/org/name"}}},
        {"tags": {"empty": None}},
        {"queue_settings": {"priority": "High", "job_tier": "Spot"}},
        {"limits": {"timeout": "60"}},
        {"resources": {"instance_count": "2", "docker_args": ["--init"]}},
        {"command": "cd sub && python t.py"},
        {"command": "git clone https://github.com/x/y && python y/run.py"},
        {"command": "pip install -r requirements.txt; A=1 python -u train.py"},
        {"command": "for i in 1 2; do python $i.py; done"},
        {"code": "azureml:c:1"},
        {"code": "https://example.com/code"},
        data("azureml:x:1", type="URI_FOLDER", mode="RO_MOUNT"),
        data(f"azureml:{WORKSPACE}/data/x/versions/1"),
        data(f"{WORKSPACE}/data/x/versions/1"),
        data("adl://lake.azuredatalakestore.net/x"),
        data("abfss://c@account.dfs.core.windows.net/x"),
        data("azureml://datastores/d/paths/x"),
        {"inputs": {"x": 1}, "command": "python train.py --x $AZURE_ML_INPUT_x"},
        {"outputs": {"model": {"type": "custom_model"}}},
        {"command": "python train.py $[[--extra ${{inputs.extra}}]]"},
        {"command": "python train.py --x {inputs.x}", "inputs": {"x": 1}},
        {"services": {"board": {"type": "TensorBoard"}, "mine": {"type": "jupyter_lab", "nodes": "all"}}},
        {"identity": {"type": "ManagedIdentity"}},
        {"distribution": {"type": "PyTorch", "process_count_per_instance": 2}},
    ],
    ids=str,
)
def test_what_the_service_takes_is_not_called_wrong(sdk: Sdk, path: Path, change: dict[str, Any]) -> None:
    assert judge(sdk, "job", path, {**JOB, **change}) == (None, [])


@pytest.mark.parametrize(
    ("kind", "document", "line", "says"),
    [
        ("job", {"description": "x", "type": "Command"}, 5, "type Command: only command jobs"),
        ("job", {"resources": {"docker_args": {"a": "b"}}}, 5, "docker_args: should be a text or a list of texts"),
        ("job", {"identity": {"type": "robot"}}, 5, "type robot: should be one of managed, managed_identity"),
        ("job", {"identity": {"type": "managed", "msi_resource_id": "x"}}, 6, "unknown field msi_resource_id"),
        ("job", {"services": {"s": {"type": "ssh", "ssh_public_keys": "k", "port": "x"}}}, 8, "port x: should be a wh"),
        ("job", {"services": {"s": {"type": "jupyter_lab", "ports": 1}}}, 7, "unknown field ports; did you mean port?"),
        ("job", {"services": {"s": {"nodes": "2"}}}, 6, "nodes 2: should be one of all"),
        ("job", {"queue_settings": {"job_tier": "cheap"}}, 5, "job_tier cheap: should be one of spot, basic"),
        ("job", {"outputs": {"o": "./x"}}, 5, "o ./x: should be a mapping"),
        ("job", {"code": "file:./src"}, 2, "code file:./src: should be a folder"),
        ("job", {"code": "git+https://github.com/x/y"}, 2, "code git+https://github.com/x/y: Azure ML takes no git"),
        ("job", {"code": {"local_path": "s"}}, 2, "code with local_path is the form of 2021: write code: s"),
        ("job", data("../data", type="uri_folder", mode="eval_mount"), 8, "mode eval_mount: should be one of ro_mount"),
        ("job", data("azureml:x:1/data"), 6, "azureml:x:1/data is inside of a data asset: write azureml:x:1, and add"),
        ("job", {"environment": "env.yml"}, 3, "environment env.yml: should be azureml:NAME:VERSION"),
        ("job", {"environment": {"conda_file": "conda.yml"}}, 3, "an environment needs either an image or a build"),
        ("job", {"tags": {"n": 1}}, 5, "n 1: should be a text: put it in quotes"),
        ("compute", {"name": "abc", "type": "amlcompute", "max_instances": "lots"}, 3, "max_instances lots: should be"),
        ("compute", {"name": "abc"}, 1, "no type: add it"),
        ("compute", {"name": "abc", "type": "amlcompute", "ssh_settings": {}}, 3, "ssh_settings has no admin_username"),
        ("data", {"name": "d", "path": "../data", "version": [1]}, 3, "version: should be a text or a number"),
        ("data", {"name": "d", "path": "../data", "type": "URI_FOLDER"}, 3, "type URI_FOLDER: should be one of uri_fi"),
        ("environment", {"image": "i"}, 1, "no name: add it"),
    ],
)  # fmt: skip
def test_what_azure_ai_ml_refuses_is_found_with_its_line(
    sdk: Sdk, path: Path, kind: str, document: dict[str, Any], line: int, says: str
) -> None:
    refusal, found = judge(sdk, kind, path, {**JOB, **document} if kind == "job" else document)
    assert refusal
    assert (found[0].line, f"{found[0].problem}: {found[0].fix}"[: len(says)]) == (line, says)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"environment": {"build": {}}}, "build"),
        ({"compute": "a b"}, "compute"),
        ({"resources": {"instance_count": 0}}, "count"),
        ({"limits": {"timeout": -1}}, "count"),
        ({"resources": {"shm_size": "2 gig"}}, "shm_size"),
        ({"environment_variables": {"N": 1}}, "environment variable"),
        (data("s3://bucket/x"), "address"),
        (data("../data", type="uri_file"), "path"),
        (data("../data", type="mltable"), "mltable"),
        ({"code": "../src/train.py"}, "code"),
        ({"command": "python trian.py"}, "script"),
        ({"command": "cd sub && python train.py"}, "script"),
        ({"command": "python train.py ${{outputs.o}}"}, "reference"),
        ({"name": "a b"}, "name"),
        ({"experiment_name": "a b"}, "experiment"),
        ({"services": {"s": {"type": "SSH"}}}, "ssh"),
    ],
    ids=str,
)
def test_a_finding_on_what_azure_ai_ml_takes_names_its_rule(
    sdk: Sdk, path: Path, change: dict[str, Any], rule: str
) -> None:
    refusal, found = judge(sdk, "job", path, {**JOB, **change})
    assert refusal is None
    assert [finding.rule for finding in found] == [rule]
