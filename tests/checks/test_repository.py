"""aml check: each mistake is found, with its file and line; what is sound is left alone."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aml.checks.repository import check as check_repository
from aml.checks.secrets import TOO_LARGE
from aml.errors import UserError
from support import Repository

JOB = "train-amlcompute.yml"


@pytest.fixture(scope="module")
def sound(generate: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    generate(folder)
    return folder / "demo-model"


@pytest.fixture
def model(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generated folder to break, with the working folder in it, as findings name files relative to that."""
    folder = tmp_path / "demo-model"
    shutil.copytree(sound, folder)
    monkeypatch.chdir(folder)
    return folder


def check(root: Path, name: str | None = None) -> list[str]:
    """The findings as the verb prints them."""
    return [str(finding) for finding in check_repository(root, name)]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def test_the_generated_configuration_is_sound(model: Path) -> None:
    assert list(check(model)) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "inputs.max_iter}}",
            "inputs.maxiter}}",
            r":6: \S+inputs.maxiter\S+ inputs has no maxiter; did you mean max_iter",
        ),
        ("inputs.c}}", " search_space.c }}", r":6: .*search_space.c.* knows inputs and outputs only"),
        ("${{inputs.c}}", "${inputs.c}", r":6: \$\{inputs.c\} is not filled in: write \$\{\{inputs.c\}\}"),
        ("${{inputs.c}}", "{inputs.c}", r":6: \{inputs.c\} is not filled in"),
        ("--c ${{inputs.c}}", "", r":19: input c is not used in the command"),
        ("  c: 1.0", "  c: 1.0\n  1st: 2", r":20: name '1st': should be letters, digits and _"),
        ("  c: 1.0", "  c:", r":19: input c has no value"),
        ("path: azureml:demo-model-data@latest", "mode: ro_mount", r":16: no path"),
        ("azureml:demo-model-data@latest", "azureml:demo-model-data", r":18: .* no version: write .*:1 or .*@latest"),
        ("azureml:demo-model-data@latest", "../elsewhere", r":18: ../elsewhere does not exist"),
        (
            "azureml:demo-model-data@latest",
            "../sample-data/penguins.csv",
            r":18: .* is a file, but the type is uri_folder",
        ),
        ("azureml:demo-model-data@latest", "s3://bucket/x", r":18: .* does not read such addresses"),
        ("type: uri_folder", "type: uri_dir", r":17: type uri_dir: should be one of uri_file, uri_folder"),
        ("type: uri_folder", "type: uri_folder\n    mode: rw_mount", r":18: mode rw_mount: should be ro_mount"),
        ("azureml:cpu-cluster", "cpu-cluster", r":14: compute cpu-cluster: should be local, or azureml:"),
        ("azureml:cpu-cluster", "azureml:cpu-cluster-1", r":14: .*not ending with a dash and a number"),
        ("azureml:cpu-cluster", "LOCAL", r":14: compute LOCAL: should be local"),
        ("compute: azureml:cpu-cluster\n", "", r":1: no compute"),
        ("code: ../src", "code: ../src/train.py", r":5: code ../src/train.py is a file"),
        ("code: ../src", "code: ../source", r":5: code ../source does not exist"),
        ("python train.py", "python -m src.train", r":6: module src.train is not in src: fix the command, or code"),
        ("  conda_file: train-conda.yml", "  conda_file: conda.yml", r":13: conda_file conda.yml does not exist"),
        ("  image: mcr", "  build: {path: .}\n  image: mcr", r":11: an environment needs either an image or a build"),
        (
            "environment:\n",
            "environment: sklearn\nmore:\n",
            r":11: environment sklearn: should be azureml:NAME:VERSION",
        ),
        (
            'experiment_name: "demo-model"',
            'experiment_name: "demo model"',
            r":3: experiment_name demo model: should be",
        ),
        ("type: command", "type: command\nname: a b", r":3: name a b: should be"),
        ("type: command", "type: command\nlimit: {}", r":3: unknown field limit; did you mean limits"),
        ("type: command", "type: command\nlimits: {timeout: PT1H}", r":3: timeout should be a number of seconds"),
        ("type: command", "type: command\nresources: {shm_size: 2 gig}", r":3: shm_size 2 gig: should be a number and"),
        ("type: command", "type: command\nresources: {instance_count: 0}", r":3: instance_count 0: should be a whole"),
        (
            "type: command",
            "type: command\ntags: {year: 2026}",
            r":3: tags: should be texts: put year \(2026\) in quotes",
        ),
        (
            "type: command",
            "type: command\nenvironment_variables: {N: 1}",
            r":3: environment_variables: should be texts",
        ),
        ("type: command", "type: command\nservices: {s: {type: ssh}}", r":3: an ssh service needs ssh_public_keys"),
        ("type: command", "type: command\noutputs: {o: {version: 1}}", r":3: a version needs a name"),
        ("type: command", "type: command\ndistribution:", r":3: distribution has no value"),
        (
            "type: command",
            "type: command\ndistribution: pytorch",
            r":3: distribution: should be a mapping with a type: mpi",
        ),
        ("type: command", "type: command\ndistribution: {}", r":3: distribution: should be a mapping with a type"),
        (
            "type: command",
            "type: command\ndistribution:\n  type: horovod",
            r":4: distribution: should be a mapping with a type",
        ),
        (
            "type: command",
            "type: command\ndistribution:\n  type: MPI\n  process_count: 2",
            r":5: unknown field process_count; did you mean process_count_per_instance",
        ),
        (
            "type: command",
            "type: command\ndistribution: {type: pytorch, worker_count: 2}",
            r":3: unknown field worker_count",
        ),
        (
            "type: command",
            "type: command\ndistribution: {type: PyTorch, process_count_per_instance: 0}",
            r":3: process_count_per_instance 0: should be a whole number from 1",
        ),
        (
            "type: command",
            "type: command\ndistribution: {type: tensorflow, worker_count: 0}",
            r":3: worker_count 0: should be a whole number from 1",
        ),
        (
            "type: command",
            "type: command\ndistribution: {type: tensorflow, parameter_server_count: -1}",
            r":3: parameter_server_count -1: should be a whole number from 0",
        ),
        (
            "type: command",
            "type: command\ndistribution: {type: ray, include_dashboard: maybe}",
            r":3: include_dashboard maybe: should be true or false",
        ),
        (
            "type: command",
            "type: command\nresources:\n  instance_count: 2",
            r":4: 2 nodes would each train on their own: add a distribution, such as \{type: pytorch\}",
        ),
        ("type: command", "type: sweep", r":2: type sweep: only command jobs"),
        ("type: command", "type: command\n  indented: wrongly", r":3: not YAML"),
    ],
)
def test_mistakes_in_a_runconfig_are_found_with_their_line(model: Path, old: str, new: str, finding: str) -> None:
    replace(model / "aml_config" / JOB, old, new)
    findings = list(check(model))
    assert any(re.match(r"aml_config/\S+?" + finding if finding[0] != ":" else f"aml_config/{JOB}{finding}", one)
               for one in findings), findings  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        ("compute.yml", '"cpu-cluster"', '"cpu-cluster-1"', ":3: name cpu-cluster-1: should be 3-24"),
        ("compute.yml", "size: Standard_DS3_v2\n", "", ":1: size: should be a VM size"),
        ("compute.yml", "min_instances: 0", "min_instances: 2", ":5: min_instances 2 is more than max_instances 1"),
        (
            "compute.yml",
            "max_instances: 1",
            "max_instances: -1",
            ":6: max_instances -1: should be a whole number from 0",
        ),
        ("compute.yml", "before_scale_down", "before_scaledown", ":7: .*did you mean idle_time_before_scale_down"),
        ("data.yml", "../sample-data", "../data", ":4: ../data does not exist"),
        ("data.yml", "uri_folder", "uri_file", ":4: ../sample-data is a folder, but the type is uri_file"),
        ("data.yml", "name: demo-model-data", "name: demo model", ":2: name demo model: should be 1-255"),
        ("train-conda.yml", "- python=3.12\n", "- conda-forge::numpy\n", ":5: no python"),
        ("train-conda.yml", "- joblib==1.6.0", "- -r requirements.txt", ":14: '-r requirements.txt' names a file"),
        ("train-conda.yml", "- joblib==1.6.0", "- azureml-core==1.61", ":14: azureml-core is SDK v1, out of support"),
        ("train-conda.yml", "- joblib==1.6.0", "- azureml-defaults", ":14: azureml-defaults brings SDK v1"),
        ("train-conda.yml", "mlflow-skinny==3.15.0", "mlflow-skinny==3.16.0", ":10: .*MLflow 3.15.0 or older"),
        ("train-conda.yml", "- azureml-mlflow==1.62.0.post6", "- six", ":10: MLflow alone does not reach"),
        ("config.json", '"aml-demo",', '"aml-demo.",', r": resource_group 'aml-demo\.' should be 1-90"),
        ("config.json", '"aml-demo",', '"aml-demo"', ":4: not JSON"),
    ],
)
def test_mistakes_in_other_files_are_found_with_their_line(
    model: Path, file: str, old: str, new: str, finding: str
) -> None:
    replace(model / "aml_config" / file, old, new)
    findings = list(check(model))
    assert any(re.match(f"aml_config/{file}{finding}", one) for one in findings), findings


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        (".env", "x", r"src/\.env: a secret"),
        ("deploy.pem", "x", r"src/deploy\.pem: a secret"),
        ("a.py", 'x = 1\nkey = "AccountKey=' + "a" * 30 + '"', r"src/a\.py:2: looks like a secret"),
        ("a.txt", "-----BEGIN RSA PRIVATE KEY-----", r"src/a\.txt:1: looks like a secret"),
        ("a.py", "password = 'correct horse'", None),  # blanks: prose, as in a test or a message
        ("a.py", "password = os.environ['PASSWORD']", None),
        (".git/config", "password = 'correct-horse'", None),  # never travels
        ("venv/pyvenv.cfg", "password = 'correct-horse'", None),
    ],
)
def test_what_should_not_travel_is_found(model: Path, name: str, text: str, finding: str | None) -> None:
    (model / "src" / ".amlignore").write_text("*.pyc\n", encoding="utf-8")
    file = model / "src" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    findings = set(check(model))
    assert len(findings) == (1 if finding else 0), findings
    assert all(re.match(finding or "", one) for one in findings)


def test_a_snapshot_over_100_mb_is_found_unless_ignored(model: Path) -> None:
    with (model / "src" / "large.bin").open("wb") as large:
        large.truncate(TOO_LARGE + 1)
    (finding,) = set(check(model))
    travels = "100 MB would travel with the code, 100 of them large.bin"
    assert finding == f"src: {travels}: name in {Path('src/.amlignore')} what no job needs"
    with (model / "src" / ".amlignore").open("a", encoding="utf-8") as rules:
        rules.write("*.bin\n")
    assert list(check(model)) == []


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
    assert load_job(file).distribution.type == distribution["type"].lower()


@pytest.mark.parametrize(
    ("limit", "nodes", "allowed"),
    [
        ("max_instances: 1\n", 2, "aml_config/compute.yml:6 allows 1"),
        ("max_instances: 2\n", 2, None),
        ("", 5, "aml_config/compute.yml:1 allows 4"),  # azure-ai-ml's default
        ("", 4, None),
    ],
)
def test_more_nodes_than_the_cluster_allows_are_found(model: Path, limit: str, nodes: int, allowed: str | None) -> None:
    compute = model / "aml_config" / "compute.yml"
    replace(compute, "max_instances: 1\n", limit)
    addition = f"distribution: {{type: mpi}}\nresources:\n  instance_count: {nodes}"
    replace(model / "aml_config" / JOB, "type: command", f"type: command\n{addition}")
    expected = [f"aml_config/{JOB}:5: {nodes} nodes, but {allowed}: fix one of them"] if allowed else []
    assert list(check(model)) == list(check(model, "train-amlcompute")) == expected
    replace(compute, '"cpu-cluster"', '"another"')
    assert list(check(model)) == []


CPU = "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"
CUDA_12 = "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"
CUDA_13 = "mcr.microsoft.com/azureml/openmpi5.0-cuda13.1-ubuntu24.04:20260301.v1"


def use_image(model: Path, image: str) -> None:
    for name in ("train-local.yml", JOB):
        replace(model / "aml_config" / name, CPU, image)


@pytest.mark.parametrize(
    ("size", "image", "finding"),
    [
        ("Standard_NC4as_T4_v3", CUDA_12, None),
        ("STANDARD_ND96asr_v4", CUDA_13, None),
        ("Standard_NC4as_T4_v3", CPU, "has no CUDA, but Standard_NC4as_T4_v3 (aml_config/compute.yml:4) has a GPU"),
        ("Standard_NV36ads_A10_v5", CPU, "has no CUDA, but Standard_NV36ads_A10_v5 (aml_config/compute.yml:4) has a"),
        ("Standard_DS3_v2", CUDA_12, "has CUDA, but Standard_DS3_v2 (aml_config/compute.yml:4) has no GPU: take"),
        ("Standard_NC4as_T4_v3", "example.azurecr.io/train:12", None),  # nobody knows what is in there
        ("Standard_NC4as_T4_v3", "example.azurecr.io/cuda-train:12", None),
        ("Standard_DS3_v2", "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime", None),  # has no sibling without CUDA
        ("Standard_NV4as_v4", CPU, None),  # GPUs of AMD
        ("Standard_NV4ads_V710_v5", CPU, None),
        ("Standard_ND96isr_MI300X_v5", CPU, None),
        ("Standard_NP10s", CPU, None),  # a programmable chip
    ],
)
def test_an_image_and_a_cluster_of_which_one_lacks_the_gpu(
    model: Path, size: str, image: str, finding: str | None
) -> None:
    if image != CPU:
        use_image(model, image)
    replace(model / "aml_config" / "compute.yml", "Standard_DS3_v2", size)
    findings = list(check(model))
    assert len(findings) == (1 if finding else 0), findings
    if finding:
        assert findings[0].startswith(f"aml_config/{JOB}:12: image openmpi5.0-"), findings
        assert f" {finding}" in findings[0]
        assert list(check(model, "train-amlcompute")) == findings


@pytest.mark.parametrize(
    ("image", "entry", "kinds"),
    [
        (CUDA_12, "torch==2.5.1+cu118", "CUDA 11, CUDA 12"),
        (CUDA_12, "torch==2.5.1+cu124", None),
        (CUDA_12, "--extra-index-url https://download.pytorch.org/whl/cu118", "CUDA 11, CUDA 12"),
        (CUDA_12, "jax[cuda13]==0.8.0", "CUDA 13, CUDA 12"),
        (CUDA_12, "cupy-cuda11x", "CUDA 11, CUDA 12"),
        (CUDA_12, "cupy-cuda12x==13.6.0", None),
        (CUDA_12, "torch==2.8.0+cpu", "CPUs, CUDA 12"),
        (CUDA_12, "--index-url https://download.pytorch.org/whl/cpu", "CPUs, CUDA 12"),
        (CUDA_12, "tensorflow-cpu==2.20.0", "CPUs, CUDA 12"),
        (CPU, "torch==2.8.0+cpu", None),
        (CPU, "torch==2.5.1+cu124", "CUDA 12, CPUs"),
        # torch from PyPI brings its own CUDA: what the image's driver runs is fine, and so is one that is not used
        (CUDA_12, "torch==2.8.0", None),
        (CUDA_13, "torch==2.10.0", None),
        (CUDA_12, "torch == 2.15.0", "CUDA 13, CUDA 12"),
        (CUDA_13, "torch==2.15.0", None),
        (CUDA_12, "torch==2.11.0+cu126", None),
        (CPU, "torch==2.15.0", None),
        (CUDA_12, "torch>=2.8", None),
        # tensorflow from PyPI looks for the image's
        (CUDA_12, "tensorflow==2.14.1", "CUDA 11, CUDA 12"),
        (CUDA_12, "tensorflow==2.20.0", None),
        (CUDA_13, "tensorflow==2.15.1", "CUDA 12, CUDA 13"),
        (CUDA_13, "tensorflow[and-cuda]==2.15.1", None),
        (CPU, "tensorflow==2.20.0", None),
        ("example.azurecr.io/train:1", "torch==2.5.1+cu118", None),
        ("nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04", "torch==2.5.1+cu118", "CUDA 11, CUDA 12"),
    ],
)
def test_cuda_of_a_package_and_of_the_image(model: Path, image: str, entry: str, kinds: str | None) -> None:
    """One mistake in the conda file of both runconfigs, which differ in nothing else: one line of output."""
    if image != CPU:
        use_image(model, image)
        replace(model / "aml_config" / "compute.yml", "Standard_DS3_v2", "Standard_NC4as_T4_v3")
    replace(model / "aml_config" / "train-conda.yml", "- joblib==1.6.0", f"- {entry}")
    (model / "pyproject.toml").unlink()  # which repeats the packages
    package, has = kinds.split(", ") if kinds else ("", "")
    says = f"{entry} is for {package}, image {image.rpartition('/')[2]} for {has}: take another build or image"
    assert set(check(model)) == ({f"aml_config/train-conda.yml:14: {says}"} if kinds else set())


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        ("cudatoolkit=11.8", 11),
        ("pytorch-cuda=11.8", 11),
        ("nvidia::cuda-toolkit 13.0", 13),
        ("cuda-version=12.4", None),
        ("cuda-version>=11.8", None),  # 12 will do
        ("pytorch=2.1.0=py3.11_cuda11.8_cudnn8.7.0_0", 11),
        ("cpuonly", 0),
        ("cudnn=8.9", None),
        ("cupy=13.6.0", None),
        ("tensorflow==2.14.0", None),  # conda's own comes with its CUDA
    ],
)
def test_cuda_of_a_conda_package_and_of_the_image(model: Path, entry: str, version: int | None) -> None:
    use_image(model, CUDA_12)
    replace(model / "aml_config" / "compute.yml", "Standard_DS3_v2", "Standard_NC4as_T4_v3")
    replace(model / "aml_config" / "train-conda.yml", "- python=3.12\n", f"- python=3.12\n  - {entry}\n")
    (model / "pyproject.toml").unlink()  # which repeats the packages
    findings = set(check(model))
    assert len(findings) == (version is not None), findings
    for finding in findings:
        is_for = f"CUDA {version}" if version else "CPUs"
        assert finding.startswith(f"aml_config/train-conda.yml:7: {entry} is for {is_for}, image "), finding


def test_a_repository_with_a_gpu_size_is_sound(bake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bake(compute_size="Standard_NC4as_T4_v3")
    monkeypatch.chdir(folder)
    assert "cuda" in (folder / "aml_config" / JOB).read_text(encoding="utf-8")
    assert list(check(folder)) == []


@pytest.mark.parametrize("file", ["data.yml", "train-local.yml"])
def test_every_field_that_the_sdk_loads_is_known(model: Path, file: str) -> None:
    setting = "auto_delete_setting: {condition: created_greater_than, value: 7d}"
    path = model / "aml_config" / file
    if file == "data.yml":
        path.write_text(path.read_text(encoding="utf-8") + setting + "\n", encoding="utf-8")
    else:
        replace(path, "environment:\n", f"environment:\n  {setting}\n")
    assert not [finding for finding in check(model) if "unknown field" in finding]


def test_a_difference_between_the_runconfigs_is_found(model: Path) -> None:
    replace(model / "aml_config" / JOB, "python train.py", "python -O train.py")
    replace(model / "aml_config" / "train-local.yml", "  c: 1.0", "  c: 1.0\n  extra: 1")
    findings = list(check(model))
    assert any(
        re.match(rf"aml_config/{JOB}:6: command differs from aml_config/train-local.yml:6", one) for one in findings
    )
    assert any("input extra is not in aml_config/train-amlcompute.yml" in one for one in findings)


def test_one_runconfig_alone_is_checked_by_name_or_path(model: Path) -> None:
    replace(model / "aml_config" / JOB, "azureml:cpu-cluster", "cluster")
    assert list(check(model, "train-local")) == []
    assert len(list(check(model, "train-amlcompute"))) == 1
    assert len(list(check(model, str(model / "aml_config" / JOB)))) == 1


def test_the_verb_says_what_it_found_and_ends_with_1(repository: Repository) -> None:
    assert repository.aml("check").stdout == "aml_config/: nothing to fix\n"
    replace(repository.path / "aml_config" / JOB, "azureml:cpu-cluster", "cluster")
    lines = repository.aml("check", status=1).stdout.splitlines()
    assert re.match(rf"aml_config.{JOB}:14: compute cluster: should be local", lines[0])
    assert lines[-1] == "aml_config/: 1 to fix"


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
    | st.lists(st.integers(), max_size=2)
)
MAPPINGS = VALUES | st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=2)
KEYS = (
    "type",
    "command",
    "code",
    "environment",
    "compute",
    "inputs",
    "outputs",
    "tags",
    "limits",
    "resources",
    "distribution",
    "services",
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(KEYS), value=MAPPINGS)
def test_whatever_stands_in_a_runconfig_is_reported_and_never_a_traceback(model: Path, key: str, value: Any) -> None:
    file = model / "aml_config" / "train-local.yml"
    original = file.read_text(encoding="utf-8")
    try:
        job = {**yaml.safe_load(original), key: value}
        file.write_text(yaml.safe_dump(job, allow_unicode=True), encoding="utf-8")
        try:
            findings = list(check(model, "train-local"))
        except UserError as refusal:
            findings = [str(refusal)]
        try:
            load_job(file)
        except Exception:  # the SDK has many ways to refuse; whatever it refuses, the check has to report
            assert findings, job[key]
    finally:
        file.write_text(original, encoding="utf-8")
