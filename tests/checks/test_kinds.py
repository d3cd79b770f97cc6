"""Files of aml_config/ are recognised by their type and schema; what is not judged is named."""

from pathlib import Path

import pytest

from aml.checks import kinds
from checks.models import JOB, check, replace

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SCHEMA.format("commandJob") + "comand: x\n", kinds.JOB),
        ("type: command\ncomand: x\n", kinds.JOB),
        ("command: x\nenvironment: azureml:e:1\n", kinds.JOB),
        ("command: x\ntype: robot\n", kinds.JOB),
        (SCHEMA.format("commandComponent") + "type: command\ncommand: x\n", "command component"),
        ("type: command\nname: n\nversion: 1\ncommand: x\n", "command component"),
        (SCHEMA.format("sweepJob") + "type: sweep\n", "sweep job"),
        ("type: sweep\ntrial: {command: x}\n", "sweep job"),
        ("trial: {command: x}\ncompute: c\n", "sweep job"),
        ("type: pipeline\njobs: {}\n", "pipeline job"),
        (SCHEMA.format("pipelineComponent") + "jobs: {}\n", "pipeline component"),
        (SCHEMA.format("managedOnlineEndpoint") + "name: n\n", kinds.ENDPOINT),
        ("name: n\nauth_mode: key\n", kinds.ENDPOINT),
        ("name: n\nauth_mode: aad_token\ndefaults: {deployment_name: d}\n", kinds.BATCH_ENDPOINT),
        ("name: n\nauth_mode: key\ncompute: azureml:k\n", "Kubernetes endpoint"),
        ("name: n\nendpoint_name: e\nmodel: azureml:m:1\nenvironment: {image: i}\n", kinds.DEPLOYMENT),
        (SCHEMA.format("modelBatchDeployment") + "name: n\nendpoint_name: e\n", kinds.BATCH_DEPLOYMENT),
        ("name: n\nendpoint_name: e\nmodel: azureml:m:1\nmini_batch_size: 1\n", kinds.BATCH_DEPLOYMENT),
        ("name: n\nendpoint_name: e\ntype: kubernetes\n", "Kubernetes deployment"),
        ("name: n\nendpoint_name: e\ntype: pipeline\n", "pipeline component deployment"),
        (SCHEMA.format("schedule") + "trigger: {}\n", "schedule"),
        ("name: n\ntrigger: {type: cron}\ncreate_job: azureml:j\n", "schedule"),
        ("name: n\ntype: mlflow_model\npath: x\n", "model"),
        ("name: n\ntype: azure_blob\naccount_name: a\n", "datastore"),
        ("name: n\ntype: computeinstance\nsize: x\n", "compute instance"),
        ("name: n\ntype: kubernetes\nresource_id: x\n", "attached compute"),
        (SCHEMA.format("amlCompute") + "name: n\n", kinds.COMPUTE),
        ("name: n\nsize: Standard_DS3_v2\n", kinds.COMPUTE),
        ("name: n\npath: x\n", kinds.DATA),
        ("name: n\ntype: uri_file\n", kinds.DATA),
        ("name: n\nimage: i\n", kinds.ENVIRONMENT),
        ("name: n\ndependencies: [python]\n", kinds.CONDA),
        ("something: else\n", ""),
    ],
)
def test_a_file_is_judged_as_what_it_is_or_named(model: Path, text: str, kind: str) -> None:
    import yaml

    assert kinds.kind_of(yaml.safe_load(text)) == kind
    (model / "aml_config" / "more.yml").write_text(text, encoding="utf-8")
    found = [finding for finding in check(model) if "more.yml" in finding]
    notices = [finding for finding in found if "which aml check does not judge" in finding or "of no kind" in finding]
    assert bool(notices) == (kind not in kinds.JUDGED)
    if notices:
        assert found == notices
        assert f"notice: a {kind}, which" in found[0] or not kind


def test_one_mistake_is_one_finding_and_no_difference_between_the_runconfigs(model: Path) -> None:
    replace(model / "aml_config" / JOB, "environment:\n", "enviroment:\n")
    found = check(model)
    assert found[0].startswith(f"aml_config/{JOB}:1: no environment: add it")
    assert found[1].startswith(f"aml_config/{JOB}:11: unknown field enviroment; did you mean environment?")
    assert not [finding for finding in found if "differs from" in finding]
