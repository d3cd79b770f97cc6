"""Whether cluster, image and packages go together."""

import re
from collections.abc import Iterator
from pathlib import Path

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


def check_hardware(job: Job, root: Path) -> Iterator[str]:
    """Whether cluster, image and packages go together. submit does not ask: the cluster may have changed since."""
    compute, nodes = str(job.data.get("compute")), job.at("resources", "instance_count")
    image, where = str(job.at("environment", "image")), job.where("environment", "image")
    found, base, short = CUDA.search(image.lower()), BASE_IMAGE.match(image), image.rpartition("/")[2]
    cuda = int(found[1] or 0) if found else 0 if base else None  # 0: none; None: not known
    files = sorted((root / "aml_config").glob("*.y*ml")) if compute.startswith("azureml:") else []
    for cluster in (Document(path) for path in files if b"\nsize:" in b"\n" + path.read_bytes()):
        if compute != f"azureml:{cluster.data.get('name')}":
            continue
        most, size = cluster.data.get("max_instances", 4), str(cluster.data.get("size"))
        if type(nodes) is int and type(most) is int and nodes > most:
            limit = f"{cluster.where('max_instances')} allows {most}"
            yield f"{job.where('resources', 'instance_count')}: {nodes} nodes, but {limit}: fix one of them"
        gpu = NVIDIA.match(size.lower())
        if base and not (size.lower().startswith("standard_n") if cuda else not gpu):
            node = f"{size} ({cluster.where('size')}) has {'a' if gpu else 'no'} GPU"
            yield f"{where}: image {short} has {'' if cuda else 'no '}CUDA, but {node}: take another image or size"
    conda = job.at("environment", "conda_file")
    if cuda is None or not isinstance(conda, str) or not (job.folder / conda).is_file():
        return
    document = Document(job.folder / conda)
    lines = list(entries(document.data, document.name))
    named = [(keys, text, int(match[1] or 0)) for keys, text in lines if (match := CUDA.search(text.lower()))]
    pip = [(keys, text) for keys, text in lines if cuda and "pip" in keys]
    pinned = [(*line, needs) for line in pip for pin, needs in PINS if re.match(pin, line[1].replace(" ", ""))]
    for keys, text, needs in named or pinned:
        if needs != cuda:
            what, has = (f"CUDA {version}" if version else "CPUs" for version in (needs, cuda))
            yield f"{document.where(*keys)}: {text} is for {what}, image {short} for {has}: take another build or image"
