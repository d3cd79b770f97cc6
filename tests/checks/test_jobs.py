"""Job files: each mistake is found, with its line; what is sound is left alone."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_job

from checks.models import JOB, Case, Edit, check, replace

CASES = [
    Case(
        "train.py has no option --max-itre did you mean",
        Edit("train-amlcompute.yml", "--max-iter", "--max-itre"),
        6,
        r"train\.py has no option --max-itre; did you mean --max-iter",
    ),
    Case(
        "inputs.maxiter in an optional part that may not lack it",
        Edit("train-amlcompute.yml", "--max-iter ${{inputs.max_iter}}", '$[[--max-iter="${{inputs.maxiter}}"]]'),
        6,
        r"\S+inputs.maxiter\S+ inputs has no maxiter; did you mean max_iter",
    ),
    Case(
        "inputs.maxiter inputs has no maxiter did",
        Edit("train-amlcompute.yml", "inputs.max_iter}}", "inputs.maxiter}}"),
        6,
        r"\S+inputs.maxiter\S+ inputs has no maxiter; did you mean max_iter",
    ),
    Case(
        "search_space.c knows inputs and outputs",
        Edit("train-amlcompute.yml", "inputs.c}}", " search_space.c }}"),
        6,
        ".*search_space.c.* knows inputs and outputs only",
    ),
    Case(
        "inputs.c is not filled in write inputs.c",
        Edit("train-amlcompute.yml", "${{inputs.c}}", "${inputs.c}"),
        6,
        r"\$\{inputs.c\} is not filled in: write \$\{\{inputs.c\}\}",
    ),
    Case(
        "inputs.c is not filled in",
        Edit("train-amlcompute.yml", "${{inputs.c}}", "{inputs.c}"),
        6,
        r"notice: \{inputs.c\} is filled in on a cluster only",
    ),
    Case(
        "input c is not used in the command",
        Edit("train-amlcompute.yml", "--c ${{inputs.c}}", ""),
        19,
        "notice: input c is not used in the command: fine if the code reads AZURE_ML_INPUT_c",
    ),
    Case(
        "name 1st should be letters digits and _",
        Edit("train-amlcompute.yml", "  c: 1.0", "  c: 1.0\n  1st: 2"),
        20,
        "name '1st': should be letters, digits and _",
    ),
    Case("input c has no value", Edit("train-amlcompute.yml", "  c: 1.0", "  c:"), 19, "c has no value"),
    Case(
        "no path",
        Edit("train-amlcompute.yml", "path: azureml:demo-model-data@latest", "mode: ro_mount"),
        16,
        "input data has no path",
    ),
    Case(
        "no version write 1 or @latest",
        Edit("train-amlcompute.yml", "azureml:demo-model-data@latest", "azureml:demo-model-data"),
        18,
        ".* no version: write .*:1 or .*@latest",
    ),
    Case(
        "../elsewhere does not exist",
        Edit("train-amlcompute.yml", "azureml:demo-model-data@latest", "../elsewhere"),
        18,
        "../elsewhere does not exist",
    ),
    Case(
        "is a file but the type is uri_folder",
        Edit("train-amlcompute.yml", "azureml:demo-model-data@latest", "../sample-data/penguins.csv"),
        18,
        ".* is a file, but the type is uri_folder",
    ),
    Case(
        "does not read such addresses",
        Edit("train-amlcompute.yml", "azureml:demo-model-data@latest", "s3://bucket/x"),
        18,
        ".* does not read such addresses",
    ),
    Case(
        "type uri_dir should be one of uri_file",
        Edit("train-amlcompute.yml", "type: uri_folder", "type: uri_dir"),
        17,
        "type uri_dir: should be one of uri_file, uri_folder",
    ),
    Case(
        "mode rw_mount should be ro_mount",
        Edit("train-amlcompute.yml", "type: uri_folder", "type: uri_folder\n    mode: rw_mount"),
        18,
        "mode rw_mount: should be one of ro_mount, download, direct",
    ),
    Case(
        "compute a b should be local or",
        Edit("train-amlcompute.yml", "azureml:cpu-cluster", "a b"),
        14,
        "compute a b: should be local, or azureml: and 3-24 letters",
    ),
    Case(
        "not ending with a dash and a number",
        Edit("train-amlcompute.yml", "azureml:cpu-cluster", "azureml:cpu-cluster-1"),
        14,
        ".*not ending with a dash and a number",
    ),
    Case(
        "code ../src/train.py is a file",
        Edit("train-amlcompute.yml", "code: ../src", "code: ../src/train.py"),
        5,
        "code ../src/train.py is a file",
    ),
    Case(
        "code ../source does not exist",
        Edit("train-amlcompute.yml", "code: ../src", "code: ../source"),
        5,
        "code ../source does not exist",
    ),
    Case(
        "module src.train is not in src fix the",
        Edit("train-amlcompute.yml", "python train.py", "python -m src.train"),
        6,
        "module src.train is not in src: fix the command, or code",
    ),
    Case(
        "conda_file conda.yml does not exist",
        Edit("train-amlcompute.yml", "  conda_file: train-conda.yml", "  conda_file: conda.yml"),
        13,
        "conda_file conda.yml does not exist",
    ),
    Case(
        "an environment needs either an image or a",
        Edit("train-amlcompute.yml", "  image: mcr", "  build: {path: .}\n  image: mcr"),
        11,
        "an environment needs either an image or a build",
    ),
    Case(
        "environment sklearn should be",
        Edit("train-amlcompute.yml", "environment:\n", "environment: sklearn\nmore:\n"),
        11,
        "environment sklearn: should be azureml:NAME:VERSION",
    ),
    Case(
        "experiment_name demo model should be",
        Edit("train-amlcompute.yml", 'experiment_name: "demo-model"', 'experiment_name: "demo model"'),
        3,
        "experiment_name demo model: should be",
    ),
    Case(
        "name a b should be",
        Edit("train-amlcompute.yml", "type: command", "type: command\nname: a b"),
        3,
        "name a b: should be",
    ),
    Case(
        "unknown field limit did you mean limits",
        Edit("train-amlcompute.yml", "type: command", "type: command\nlimit: {}"),
        3,
        "unknown field limit; did you mean limits",
    ),
    Case(
        "timeout should be a number of seconds",
        Edit("train-amlcompute.yml", "type: command", "type: command\nlimits: {timeout: PT1H}"),
        3,
        "timeout should be a number of seconds",
    ),
    Case(
        "shm_size 2 gig should be a number and",
        Edit("train-amlcompute.yml", "type: command", "type: command\nresources: {shm_size: 2 gig}"),
        3,
        "shm_size 2 gig: should be a number and",
    ),
    Case(
        "instance_count 0 should be a whole",
        Edit("train-amlcompute.yml", "type: command", "type: command\nresources: {instance_count: 0}"),
        3,
        "instance_count 0: should be a whole",
    ),
    Case(
        "tags should be texts put year 2026 in",
        Edit("train-amlcompute.yml", "type: command", "type: command\ntags: {year: 2026}"),
        3,
        "year 2026: should be a text: put it in quotes",
    ),
    Case(
        "environment_variables should be texts",
        Edit("train-amlcompute.yml", "type: command", "type: command\nenvironment_variables: {N: 1}"),
        3,
        "N 1: should be a text: put it in quotes",
    ),
    Case(
        "an ssh service needs ssh_public_keys",
        Edit("train-amlcompute.yml", "type: command", "type: command\nservices: {s: {type: ssh}}"),
        3,
        "an ssh service needs ssh_public_keys",
    ),
    Case(
        "a version needs a name",
        Edit("train-amlcompute.yml", "type: command", "type: command\noutputs: {o: {version: 1}}"),
        3,
        "a version needs a name",
    ),
    Case(
        "distribution has no value",
        Edit("train-amlcompute.yml", "type: command", "type: command\ndistribution:"),
        3,
        "distribution has no value",
    ),
    Case(
        "distribution should be a mapping with a",
        Edit("train-amlcompute.yml", "type: command", "type: command\ndistribution: pytorch"),
        3,
        "distribution pytorch: should be a mapping with a type",
    ),
    Case(
        "distribution should be a mapping with a type 2",
        Edit("train-amlcompute.yml", "type: command", "type: command\ndistribution: {}"),
        3,
        "distribution has no type: should be one of mpi, pytorch",
    ),
    Case(
        "distribution should be a mapping with a type 3",
        Edit("train-amlcompute.yml", "type: command", "type: command\ndistribution:\n  type: horovod"),
        4,
        "type horovod: should be one of mpi, pytorch",
    ),
    Case(
        "unknown field process_count did you mean",
        Edit("train-amlcompute.yml", "type: command", "type: command\ndistribution:\n  type: MPI\n  process_count: 2"),
        5,
        "unknown field process_count; did you mean process_count_per_instance",
    ),
    Case(
        "unknown field worker_count",
        Edit("train-amlcompute.yml", "type: command", "type: command\ndistribution: {type: pytorch, worker_count: 2}"),
        3,
        "unknown field worker_count",
    ),
    Case(
        "process_count_per_instance 0 should be a",
        Edit(
            "train-amlcompute.yml",
            "type: command",
            "type: command\ndistribution: {type: PyTorch, process_count_per_instance: 0}",
        ),
        3,
        "process_count_per_instance 0: should be a whole number from 1",
    ),
    Case(
        "worker_count 0 should be a whole number",
        Edit(
            "train-amlcompute.yml", "type: command", "type: command\ndistribution: {type: tensorflow, worker_count: 0}"
        ),
        3,
        "worker_count 0: should be a whole number from 1",
    ),
    Case(
        "parameter_server_count -1 should be a",
        Edit(
            "train-amlcompute.yml",
            "type: command",
            "type: command\ndistribution: {type: tensorflow, parameter_server_count: -1}",
        ),
        3,
        "parameter_server_count -1: should be a whole number from 0",
    ),
    Case(
        "include_dashboard maybe should be true or",
        Edit(
            "train-amlcompute.yml",
            "type: command",
            "type: command\ndistribution: {type: ray, include_dashboard: maybe}",
        ),
        3,
        "include_dashboard maybe: should be true or false",
    ),
    Case(
        "2 nodes would each train on their own add",
        Edit("train-amlcompute.yml", "type: command", "type: command\nresources:\n  instance_count: 2"),
        4,
        r"notice: nothing makes the 2 nodes work together: add a distribution, such as \{type: pytorch\}",
    ),
    Case(
        "type sweep only command jobs",
        Edit("train-amlcompute.yml", "type: command", "type: sweep"),
        2,
        "type sweep: only command jobs",
    ),
    Case(
        "not YAML", Edit("train-amlcompute.yml", "type: command", "type: command\n  indented: wrongly"), 3, "not YAML"
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_mistake_in_a_runconfig_is_found_with_its_line(model: Path, case: Case) -> None:
    case.assert_found(model)


@pytest.mark.parametrize(
    ("module", "is_there"),
    [
        ("birds.train", True),
        ("birds", True),  # its __main__.py
        ("train", True),
        ("birds.trian", False),
        ("birds.parts", False),  # a package, which does not run
        ("torch.distributed.run", True),  # of the environment
        ("src.birds.train", False),
    ],
)
def test_a_module_that_the_command_runs_is_looked_for(model: Path, module: str, is_there: bool) -> None:
    for name in ("__init__.py", "__main__.py", "train.py", "parts/__init__.py"):
        (model / "src" / "birds" / name).parent.mkdir(parents=True, exist_ok=True)
        (model / "src" / "birds" / name).touch()
    for name in ("train-local.yml", JOB):
        replace(model / "aml_config" / name, "python train.py", f"python -m {module}")
    findings = list(check(model))
    assert len(findings) == (0 if is_there else 2)
    assert all(f"module {module} is not in src" in one for one in findings)


@pytest.mark.parametrize(
    "distribution",
    [
        {"type": "mpi", "process_count_per_instance": 1},
        {"type": "PyTorch", "process_count_per_instance": 4},
        {"type": "pytorch"},
        {"type": "TensorFlow", "worker_count": 2, "parameter_server_count": 0},
        {"type": "ray"},
        {
            "type": "Ray",
            "port": 6379,
            "address": "10.0.0.4",
            "include_dashboard": True,
            "dashboard_port": 8265,
            "head_node_additional_args": "--num-cpus 1",
            "worker_node_additional_args": "--num-cpus 2",
        },
    ],
    ids=str,
)
def test_each_distribution_over_several_nodes_is_sound_and_loads(model: Path, distribution: dict[str, Any]) -> None:
    file = model / "aml_config" / JOB
    parts = {"resources": {"instance_count": 2}, "distribution": distribution}
    file.write_text(file.read_text(encoding="utf-8") + yaml.safe_dump(parts), encoding="utf-8")
    replace(model / "aml_config" / "compute.yml", "max_instances: 1", "max_instances: 2")
    assert list(check(model)) == []
    loaded: Any = load_job(file)
    assert loaded.distribution.type == distribution["type"].lower()


def test_a_difference_between_the_runconfigs_is_found(model: Path) -> None:
    replace(model / "aml_config" / JOB, "python train.py", "python -O train.py")
    replace(model / "aml_config" / "train-local.yml", "  c: 1.0", "  c: 1.0\n  extra: 1")
    findings = list(check(model))
    assert any(
        re.match(rf"aml_config/{JOB}:6: command differs from aml_config/train-local.yml:6", one) for one in findings
    )
    assert any("input extra is not in aml_config/train-amlcompute.yml" in one for one in findings)
