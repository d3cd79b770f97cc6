"""Cluster, image and packages: what does not fit together is found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from checks.models import CPU, JOB, check, replace

CUDA_12 = "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"

CUDA_13 = "mcr.microsoft.com/azureml/openmpi5.0-cuda13.1-ubuntu24.04:20260301.v1"


def use_image(model: Path, image: str) -> None:
    for name in ("train-local.yml", JOB):
        replace(model / "aml_config" / name, CPU, image)


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
