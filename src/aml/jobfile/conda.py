"""Conda files, read as the pip requirements that they stand for."""

import re
from collections.abc import Iterator
from typing import Any

from aml.console import display_path
from aml.errors import UserError
from aml.jobfile.document import Document
from aml.jobfile.job import Job

# Conda packages whose name on PyPI differs.
PYPI_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-lightning": "lightning",
    "matplotlib-base": "matplotlib",
    "py-xgboost": "xgboost",
    "py-opencv": "opencv-python",
    "opencv": "opencv-python",
    "msgpack-python": "msgpack",
    "tensorflow-cpu": "tensorflow",
    "pytables": "tables",
    "pytorch-gpu": "torch",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "xgboost-cpu": "xgboost",
    "tensorflow-base": "tensorflow",
    "keras-gpu": "keras",
    "dask-core": "dask",
    "seaborn-base": "seaborn",
    "python-graphviz": "graphviz",
    "faiss": "faiss-cpu",
    "pyqt": "pyqt5",
    "ruamel_yaml": "ruamel.yaml",
}
# Conda packages that are no Python package; some of these names belong to strangers on PyPI, so they
# are not looked for there.
CONDA_ONLY = re.compile(
    r"cuda|cudatoolkit|cuda-(toolkit|version|runtime|nvcc|cudart|libraries|compiler).*|cudnn|nccl|pytorch-cuda|mkl|blas"
    r"|openblas|openmpi|mpich|impi.*|nodejs|openjdk|git|make|cmake|compilers|(gcc|gxx|gfortran|clang)(_.*)?"
    r"|lib(gcc|stdcxx|gfortran|blas|cblas|lapack|openblas|png|jpeg|tiff).*|ffmpeg|r|r-.*|openssl|_.*"
    r"|lib.*-ng|sqlite|zlib|xz|tk|readline|ncurses|bzip2|ca-certificates|graphviz|hdf5|ld_impl.*|vc|vs20.*|nb_conda.*"
    r"|conda|conda-.*|anaconda|anaconda-.*|icc_rt|intel-openmp|mkl-service|mkl_fft|mkl_random|cpuonly|pytorch-mutex"
)
NAMES_A_FILE = re.compile(r"-[rce]|--(requirement|constraint|editable)\b")
INSTALLERS = ("pip", "setuptools", "wheel")  # which conda files list to get pip's section installed
OTHER_WAYS = "run it in the job's image with --docker, or in the present environment with --here"


def conda_file(job: Job) -> tuple[dict[str, Any], str]:
    """The conda specification of the job, and the name of its file for messages.

    Raises UserError when there is none.
    """
    environment = job.data.get("environment")
    if not isinstance(environment, dict) or "conda_file" not in environment:
        name = environment if isinstance(environment, str) else "the environment"
        raise UserError(f"{job.where('environment')}: {name} has no conda_file to build from here; {OTHER_WAYS}")
    if isinstance(environment["conda_file"], dict):
        return environment["conda_file"], job.document.name
    path = job.local_path("environment", "conda_file")
    if not path.is_file():
        raise UserError(
            f"{job.where('environment', 'conda_file')}: conda_file {display_path(path)} does not exist: fix the path"
        )
    document = Document(path)
    return document.data, document.name


def entries(conda: dict[str, Any], file: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The dependencies of a conda specification, each with its keys: ("dependencies", 2), or (…, "pip", 0) within pip.

    Raises UserError when they are no list of texts.
    """
    for index, entry in enumerate(_list(conda.get("dependencies"), "dependencies", file)):
        if isinstance(entry, dict):
            for position, line in enumerate(_list(entry.get("pip"), "pip", file)):
                yield ("dependencies", index, "pip", position), str(line)
        else:
            yield ("dependencies", index), str(entry)


def _list(value: Any, key: str, file: str) -> list[Any]:
    if not isinstance(value or [], list):
        raise UserError(f"{file}: {key} should be a list")
    return value or []


def requirements(conda: dict[str, Any], file: str) -> tuple[str | None, list[str]]:
    """The Python version (or None) and the pip requirements that a conda specification stands for.

    Raises UserError naming each dependency that only conda, or only a file of this machine, can provide.
    """
    python, pip, refused = None, [], []
    for keys, entry in entries(conda, file):
        if "pip" in keys:
            pip.append(entry)
            continue
        name, line = conda_name(entry), conda_requirement(entry)
        if line is None or CONDA_ONLY.fullmatch(name):
            refused.append(entry)
        elif name == "python":
            python = line.removeprefix("python").removeprefix("==").removesuffix(".*") or None
        elif name not in INSTALLERS:
            pip.append(line)
    if refused:
        raise UserError(f"{file}: only conda can install {', '.join(refused)}; {OTHER_WAYS}")
    for line in pip:
        if NAMES_A_FILE.match(line):
            raise UserError(f"{file}: '{line}' names a file, which Azure ML does not get to see: list the packages")
    return python, pip


def conda_name(spec: str) -> str:
    """The name of the package in a conda dependency, or in a line for pip; "" where there is none."""
    found = re.match(r"(?:.*::)?\s*([\w.-]*)", spec.strip())
    return found[1].lower() if found else ""


def conda_requirement(spec: str) -> str | None:
    """A conda dependency as pip writes it, None when pip has no such constraint. Conda-only names come back too.

    A dependency is channel::name=version=build, where blanks may stand (conda's MatchSpec).

    >>> conda_requirement("conda-forge::pytorch=2.1=py311_0")
    'torch==2.1.*'
    """
    match = re.fullmatch(r"(?:.*::)?\s*([\w.-]+)\s*(.*)", spec.strip())
    if not match or "|" in match[2] or match[2].startswith("["):
        return None
    name, version = match[1].lower(), match[2].strip()
    if re.match(r"[\d*]", version):  # "name 1.2 build"
        version = "==" + version.split()[0]
    elif re.match(r"=[^=]", version):  # "name=1.2=build", which means 1.2.*
        number = version[1:].split("=")[0].strip()
        version = f"=={number.removesuffix('*').removesuffix('.')}.*"
    elif version.startswith("=="):
        version = "==" + version[2:].split("=")[0].strip()
    return PYPI_NAMES.get(name, name) + ("" if version in ("==*", "==.*") else version.replace(" ", ""))
