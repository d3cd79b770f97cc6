"""The training environment of a job: a virtual environment that uv builds from the job's conda file.

Environments are kept in the user's cache, one for each content of a conda file, and shared by all repositories.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml import Refusal, say, shown
from aml.document import Document
from aml.job import Job

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
}
# Conda packages that are no Python package. Some of these names belong to strangers on PyPI, so uv is not asked.
CONDA_ONLY = re.compile(
    r"cuda|cudatoolkit|cuda-(toolkit|version|runtime|nvcc|cudart|libraries|compiler).*|cudnn|nccl|pytorch-cuda|mkl|blas"
    r"|openblas|openmpi|mpich|impi.*|nodejs|openjdk|git|make|cmake|compilers|(gcc|gxx|gfortran|clang)(_.*)?"
    r"|lib(gcc|stdcxx|gfortran|blas|cblas|lapack|openblas|png|jpeg|tiff).*|ffmpeg|r|r-.*|openssl|_.*"
)
NAMES_A_FILE = re.compile(r"-[rce]|--(requirement|constraint|editable)\b")
OTHER_WAYS = "run it in the job's image with --docker, or in the present environment with --here"


def conda_file(job: Job) -> tuple[dict[str, Any], str]:
    """The conda specification of the job, and the name of its file for messages. Raises Refusal when there is none."""
    environment = job.data.get("environment")
    if not isinstance(environment, dict) or "conda_file" not in environment:
        name = environment if isinstance(environment, str) else "the environment"
        raise Refusal(f"{job.where('environment')}: {name} has no conda_file to build from here; {OTHER_WAYS}")
    if isinstance(environment["conda_file"], dict):
        return environment["conda_file"], job.document.name
    path = job.local_path("environment", "conda_file")
    if not path.is_file():
        raise Refusal(
            f"{job.where('environment', 'conda_file')}: conda_file {shown(path)} does not exist: mend the path"
        )
    document = Document(path)
    return document.data, document.name


def entries(conda: dict[str, Any], file: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The dependencies of a conda specification, each with its keys: ("dependencies", 2), or (…, "pip", 0) within pip.

    Raises Refusal when they are no list of texts.
    """
    for index, entry in enumerate(_list(conda.get("dependencies"), "dependencies", file)):
        if isinstance(entry, dict):
            for position, line in enumerate(_list(entry.get("pip"), "pip", file)):
                yield ("dependencies", index, "pip", position), str(line)
        else:
            yield ("dependencies", index), str(entry)


def _list(value: Any, key: str, file: str) -> list[Any]:
    if not isinstance(value or [], list):
        raise Refusal(f"{file}: {key} should be a list")
    return value or []


def requirements(conda: dict[str, Any], file: str) -> tuple[str | None, list[str]]:
    """The Python version (or None) and the pip requirements that a conda specification stands for.

    Raises Refusal naming each dependency that only conda, or only a file of this machine, can provide.
    """
    python, pip, refused = None, [], []
    for keys, entry in entries(conda, file):
        if "pip" in keys:
            pip.append(entry)
            continue
        # "channel::name=version=build", spaces allowed (conda's MatchSpec)
        match = re.fullmatch(r"(?:.*::)?\s*([\w.-]+)\s*(.*)", entry.strip())
        name, specifier = (match[1], _pep440(match[2])) if match else ("", None)
        if specifier is None or CONDA_ONLY.fullmatch(name):
            refused.append(entry)
        elif name == "python":
            python = specifier.removeprefix("==").removesuffix(".*") or None
        elif name not in ("pip", "setuptools", "wheel"):
            pip.append(PYPI_NAMES.get(name, name) + specifier)
    if refused:
        raise Refusal(f"{file}: only conda can install {', '.join(refused)}; {OTHER_WAYS}")
    for line in pip:
        if NAMES_A_FILE.match(line):
            raise Refusal(f"{file}: '{line}' names a file, which Azure ML does not get to see: list the packages")
    return python, pip


def _pep440(version: str) -> str | None:
    """Conda's version constraint as pip writes it, or None when pip has no such constraint."""
    if not version:
        return ""
    if "|" in version or version.startswith("["):
        return None
    if re.match(r"[\d*]", version):  # "name 1.2" or "name 1.2 build"
        version = "==" + version.split()[0]
    elif re.match(r"=[^=]", version):  # "name=1.2=build", which means 1.2.*
        number = version[1:].split("=")[0].strip()
        version = "==" + number if number.endswith("*") else f"=={number}.*"
    elif version.startswith("=="):
        version = "==" + version[2:].split("=")[0].strip()
    return "" if version in ("==*", "==.*") else version.replace(" ", "")


def cache() -> Path:
    """Where environments are kept."""
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "aml-environments"


def scripts(environment: Path) -> Path:
    """The folder of a virtual environment that goes on PATH."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def uv() -> str:
    """The uv executable that is installed with this repository."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def build(job: Job) -> Path:
    """The virtual environment of the job's conda file: the one in the cache, or a new one.

    Raises Refusal when it cannot be built; then nothing is left of it.
    """
    conda, file = conda_file(job)
    python, pip = requirements(conda, file)
    interpreter = _interpreter(python, file)
    key = hashlib.sha256("\n".join([interpreter, sys.platform, *pip]).encode()).hexdigest()[:16]
    environment = cache() / key
    if environment.is_dir():
        return environment
    say(f"building the environment of {file} (once)")
    unfinished = cache() / f"{key}.{os.getpid()}"
    unfinished.mkdir(parents=True, exist_ok=True)
    try:
        (unfinished / "requirements.txt").write_text("\n".join(pip) + "\n", encoding="utf-8")
        _uv(file, "venv", "--quiet", "--relocatable", "--allow-existing", "--python", interpreter, str(unfinished))
        _uv(file, "pip", "install", "--python", str(unfinished), "-r", str(unfinished / "requirements.txt"))
        try:
            unfinished.rename(environment)
        except OSError:  # another run built the same one meanwhile
            if not environment.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return environment


def _interpreter(python: str | None, file: str) -> str:
    """The Python to build with: the version asked for, fetched by uv where it is missing, else the present one."""
    present = str(getattr(sys, "_base_executable", sys.executable))  # not that of this repository's own .venv
    if python is None:
        return present
    found = _ask_uv("find", "--system", "--no-python-downloads", python)
    if not found:
        say(f"fetching Python {python}")
        _ask_uv("install", python)
        found = _ask_uv("find", "--managed-python", python)
    if not found:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        say(f"{file} asks for Python {python}, which is not to be had here: using {version}")
    return found or present


def _ask_uv(*arguments: str) -> str:
    """What `uv python` prints, or nothing when it fails."""
    environment = {**os.environ, "UV_HTTP_RETRIES": "0"}  # without a network, fail at once
    done = subprocess.run(
        [uv(), "python", *arguments], capture_output=True, text=True, encoding="utf-8", env=environment
    )
    return "" if done.returncode else done.stdout.strip()


def _uv(file: str, *arguments: str) -> None:
    quiet = [] if sys.stderr.isatty() else ["--quiet"]  # progress is for people
    if subprocess.run([uv(), *quiet, *arguments]).returncode:
        raise Refusal(f"{file}: its packages cannot be installed (uv's reason is above): mend them; or {OTHER_WAYS}")
