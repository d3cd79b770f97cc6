"""`aml register-model` in the stand-in's workspace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from standin import datastores
from standin.contents import TRAIN, run_here, run_on_cluster
from standin.fixtures import Attached


def models(repository: Attached, name: str = "birds") -> dict[str, Any]:
    return {version: one["properties"] for version, one in repository.workspace.assets["models"][name].items()}


def test_a_run_and_a_path_make_one_version(attached: Attached) -> None:
    run_id = run_on_cluster(attached)
    register = ["register-model", "-n", "birds", "-f", "run.json"]
    for path, version, again in (
        ("outputs/model.pkl", 1, ""),
        ("outputs/model.pkl", 1, " (registered before)"),
        ("outputs/scaler.pkl", 2, ""),
        ("outputs", 3, ""),
        ("outputs/model.pkl", 1, " (registered before)"),
    ):
        said = attached.aml(*register, "--asset-path", path).stdout
        assert said == f"model birds, version {version}: {path} of run {run_id}{again}\n"
    assert sorted(models(attached)) == ["1", "2", "3"]
    assert all(model["jobName"] == run_id for model in models(attached).values())


def test_tags_change_and_properties_do_not(attached: Attached) -> None:
    run_on_cluster(attached)
    register = ["register-model", "-n", "birds", "-f", "run.json", "--property", "data=2026"]
    attached.aml(*register, "--tag", "stage=test", "--tag", "text=a=b c")
    attached.aml(*register, "--tag", "stage=production")
    (model,) = models(attached).values()
    assert model["tags"] == {"stage": "production", "text": "a=b c"} and model["properties"]["data"] == "2026"
    said = attached.refused("register-model", "-n", "birds", "-f", "run.json", "--property", "data=2027")
    assert "version 1 has other properties: data" in said


def test_what_was_trained_here_is_registered_in_the_workspace(attached: Attached) -> None:
    run_here(attached, TRAIN, "-t", "run.json")
    run_id = json.loads((attached.path / "run.json").read_text())["run_id"]
    register = ["register-model", "-n", "birds", "-f", "run.json", "--to", "azure"]
    assert attached.aml(*register).stdout == f"model birds, version 1: outputs/model.pkl of run {run_id}\n"
    assert "(registered before)" in attached.aml(*register).stdout
    (model,) = models(attached).values()
    assert model["jobName"] is None and model["properties"]["aml.trained_on"] == "this machine"
    assert model["properties"]["metric.accuracy"] == "0.5" and model["properties"]["aml.run"] == run_id
    container, path = datastores.locate(attached.workspace, model["modelUri"])
    assert attached.service.storage.client.get_blob_client(container, path).download_blob().readall() == b"1\n"
    listed = attached.aml("models", "--azure").stdout.splitlines()[1]
    assert listed.split() == ["birds", "1", run_id, "outputs/model.pkl", "not", "gated", "accuracy=0.5"]
    attached.refused("models", lines=1)  # here, nothing is registered


def test_only_what_finished_and_what_is_there_is_registered(attached: Attached) -> None:
    attached.submit("exit 1", "-t", "run.json", status=1)
    run_id = attached.last_job.name
    register = ["register-model", "-n", "birds", "-f", "run.json"]
    assert f"run {run_id} is Failed: only what finished can be registered" in attached.refused(*register)
    run_on_cluster(attached)
    said = attached.refused(*register, "--asset-path", "outputs/nothing.pkl")
    assert "No artifacts matching outputs/nothing.pkl" in said
    said = attached.refused("register-model", "-n", "birds", "--run", "nobody", "--to", "azure")
    assert "run nobody: no such job in workspace aml-demo; aml runs --azure lists them" in said
    assert "birds" not in attached.workspace.assets.get("models", {})


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ("echo 1 > outputs/net.pt", "registering outputs/net.pt, the only model there is"),
        ("mkdir outputs/net; echo 1 | tee outputs/net/a > outputs/net/b", "registering outputs/net, the only model"),
        ("echo 1 | tee outputs/a.pkl > outputs/b.pkl", "but outputs/a.pkl, outputs/b.pkl: name one with --asset-path"),
        ("true", "but nothing in outputs/: name one with --asset-path"),
    ],
)
def test_without_the_default_the_only_thing_in_outputs(attached: Attached, commands: str, said: str) -> None:
    attached.submit(f"mkdir -p outputs; {commands}", "-t", "run.json")
    run_id = attached.last_job.name
    register = ["register-model", "-n", "birds", "-f", "run.json"]
    if "registering" in said:
        done = attached.aml(*register)
        path = said.split()[1].rstrip(",")
        assert said in done.stderr and done.stdout == f"model birds, version 1: {path} of run {run_id}\n"
    else:
        assert said in attached.refused(*register)


MLFLOW = """
mkdir -p outputs/flavoured outputs/plain
echo 1 | tee outputs/flavoured/model.pkl > outputs/plain/model.pkl
echo 'flavors: {}' > outputs/flavoured/MLmodel
"""


@pytest.mark.parametrize("here", [True, False], ids=["of this machine", "of a cluster"])
def test_a_model_of_mlflow_keeps_its_type(attached: Attached, here: bool) -> None:
    if here:
        run_here(attached, MLFLOW, "-t", "run.json")
    else:
        attached.submit(MLFLOW, "-t", "run.json")
    register = ["register-model", "-n", "birds", "-f", "run.json", *(["--to", "azure"] if here else [])]
    for arguments in (
        ["--asset-path", "outputs/flavoured"],
        ["--asset-path", "outputs/flavoured", "--tag", "stage=live"],
        ["--asset-path", "outputs/plain"],
        ["--asset-path", "outputs/flavoured/model.pkl"],
        ["--asset-path", "outputs/plain/model.pkl", "--type", "triton_model"],
    ):
        attached.aml(*register, *arguments)
    assert [(version, model["modelType"]) for version, model in sorted(models(attached).items())] == [
        ("1", "mlflow_model"),
        ("2", "custom_model"),
        ("3", "custom_model"),
        ("4", "triton_model"),
    ]
    assert models(attached)["1"]["tags"] == {"stage": "live"}
