"""Checks of whether cluster, image and packages fit together."""

import re
from collections.abc import Iterator
from pathlib import Path

from aml.checks.finding import Finding
from aml.jobfile.conda import entries
from aml.jobfile.document import Document
from aml.jobfile.job import Job

# What an image or a package is for, by its name: +cu124, jax[cuda12], cudatoolkit=11.8; or CPUs only.
CUDA = re.compile(
    r"(?<![a-z0-9])cu(?:da(?:[a-z-]*[\s=]+|[:-])?)?(1\d)|\+cpu\b|/whl/cpu\b|\bcpuonly\b|\b(?:pytorch|tensorflow)-cpu\b"
)
# Releases on PyPI and the CUDA that they, or tensorflow[and-cuda], require (as nvidia-cuda-runtime-cuNN, cuda-toolkit).
# tensorflow alone takes the image's. torch brings its own: what is older than the image's runs, so it is not listed.
PINS = ((r"torch==2\.1[1-5]\b", 13), (r"tensorflow==2\.14\b", 11), (r"tensorflow==2\.(1[5-9]|2[01])\b", 12))
BASE_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/(base:)?(open|intel)mpi")  # available with and without CUDA
NVIDIA = re.compile(r"standard_n[cdv](?!.*(as_v4|v710|mi300x))")  # the excepted ones have GPUs of AMD


def check_hardware(job: Job, root: Path) -> Iterator[Finding]:
    """The findings on a job's image beside its cluster, as aml_config/ describes that, and its packages.

    `aml submit` does not ask: the cluster may have changed since it was described.
    """
    image = str(job.at("environment", "image"))
    cuda = _cuda_of_image(image)
    for cluster in _clusters(job, root):
        yield from _check_cluster(job, image, cuda, cluster)
    if cuda is not None:
        yield from _check_packages(job, image, cuda)


def _cuda_of_image(image: str) -> int | None:
    """The CUDA version of an image, by its name: 0 without CUDA, None where the name does not tell."""
    if found := CUDA.search(image.lower()):
        return int(found[1] or 0)
    return 0 if BASE_IMAGE.match(image) else None


def _clusters(job: Job, root: Path) -> Iterator[Document]:
    """The descriptions in aml_config/ of the cluster that the job names."""
    files = sorted((root / "aml_config").glob("*.y*ml")) if job.cluster else []
    for path in files:
        if b"\nsize:" in b"\n" + path.read_bytes():
            cluster = Document(path)
            if job.cluster == cluster.data.get("name"):
                yield cluster


def _check_cluster(job: Job, image: str, cuda: int | None, cluster: Document) -> Iterator[Finding]:
    nodes, most = job.at("resources", "instance_count"), cluster.data.get("max_instances", 4)
    if type(nodes) is int and type(most) is int and nodes > most:
        problem = f"{nodes} nodes, but {cluster.where('max_instances')} allows {most}"
        yield Finding.at(job.document, ("resources", "instance_count"), problem, "fix one of them")
    size = str(cluster.data.get("size"))
    has_gpu = NVIDIA.match(size.lower()) is not None
    # With CUDA, any size with an accelerator will do: some of them run it by other means.
    fits = size.lower().startswith("standard_n") if cuda else not has_gpu
    if BASE_IMAGE.match(image) and not fits:
        node = f"{size} ({cluster.where('size')}) has {'a' if has_gpu else 'no'} GPU"
        problem = f"image {_short(image)} has {'' if cuda else 'no '}CUDA, but {node}"
        yield Finding.at(job.document, ("environment", "image"), problem, "take another image or size")


def _check_packages(job: Job, image: str, cuda: int) -> Iterator[Finding]:
    """The findings on packages that are for another CUDA than the image has; `cuda` is 0 where it has none."""
    conda = job.at("environment", "conda_file")
    if not isinstance(conda, str) or not (job.folder / conda).is_file():
        return
    document = Document(job.folder / conda)
    lines = list(entries(document.data, document.name))
    needs = [(keys, text, int(match[1] or 0)) for keys, text in lines if (match := CUDA.search(text.lower()))]
    if not needs and cuda:  # no package says so in its name: what is known of releases on PyPI counts
        pip = [(keys, text) for keys, text in lines if "pip" in keys]
        needs = [(*line, version) for line in pip for pin, version in PINS if re.match(pin, line[1].replace(" ", ""))]
    for keys, text, version in needs:
        if version != cuda:
            problem = f"{text} is for {_platform(version)}, image {_short(image)} for {_platform(cuda)}"
            yield Finding.at(document, keys, problem, "take another build or image")


def _platform(cuda: int) -> str:
    return f"CUDA {cuda}" if cuda else "CPUs"


def _short(image: str) -> str:
    return image.rpartition("/")[2]
