"""Conda files, read as the pip requirements that they stand for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from aml.console import display_path
from aml.errors import FileError, Place
from aml.jobfile.conda_names import pypi_name
from aml.jobfile.description import Description
from aml.jobfile.document import Document

NAMES_A_FILE = re.compile(r"-[rce]|--(requirement|constraint|editable)\b")
INSTALLERS = ("pip", "setuptools", "wheel")  # which conda files list to get pip's section installed


def conda_file(job: Description) -> tuple[dict[str, Any], str]:
    """The conda specification of a job or deployment, and the name of its file for messages.

    Raises UserError when there is none.
    """
    environment = job.data.get("environment")
    if not isinstance(environment, dict) or "conda_file" not in environment:
        name = environment if isinstance(environment, str) else "the environment"
        raise FileError(job.where("environment"), f"{name} has no conda_file to build from here; {job.instead}")
    if isinstance(environment["conda_file"], dict):
        return environment["conda_file"], job.document.name
    path = job.local_path("environment", "conda_file")
    if not path.is_file():
        place = job.where("environment", "conda_file")
        raise FileError(place, f"conda_file {display_path(path)} does not exist", "fix the path")
    document = Document(path)
    return document.data, document.name


def conda_folder(job: Description) -> Path:
    """The folder that relative paths in its conda specification start from: as with conda, that of its file."""
    is_file = isinstance(job.at("environment", "conda_file"), str)
    return job.local_path("environment", "conda_file").parent if is_file else job.folder


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
        raise FileError(Place(file), f"{key} should be a list")
    return value or []


class Requirements(NamedTuple):
    """What a conda specification stands for.

    Attributes:
        python: The version of Python that it asks for, None for any.
        pip: The requirements, and the options of pip, each a line as pip writes it.
        replaced: Those dependencies of conda that became requirements.

    """

    python: str | None
    pip: list[str]
    replaced: list[str]


def requirements(conda: dict[str, Any], file: str, instead: str = "") -> Requirements:
    """What pip has to install for a conda specification. `instead` is what messages say can be done without pip.

    Raises UserError naming each dependency that only conda, or only a file of this machine, can provide.
    """
    found = Requirements(None, [], [])
    refused = []
    for keys, entry in entries(conda, file):
        if "pip" in keys:
            found.pip.append(entry)
            continue
        name, line = conda_name(entry), conda_requirement(entry)
        if line and name == "python":
            found = found._replace(python=line.removeprefix("python").removeprefix("==").removesuffix(".*") or None)
        elif name in INSTALLERS:
            continue
        elif line is None or only_conda(name):
            refused.append(entry)
        else:
            found.pip.append(line)
            found.replaced.append(entry)
    if refused:
        fix = "; or ".join(filter(None, (instead, "list under pip: what PyPI has of the same project")))
        raise FileError(Place(file), f"only conda can install {', '.join(refused)}", fix)
    for line in found.pip:
        if NAMES_A_FILE.match(line):
            problem = f"'{line}' names a file, which Azure ML does not get to see"
            raise FileError(Place(file), problem, "list the packages")
    return found


def only_conda(name: str) -> bool:
    """Whether no package of PyPI is known to be that conda package."""
    return name != "python" and name not in INSTALLERS and pypi_name(name) is None


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
    return (pypi_name(name) or name) + ("" if version in ("==*", "==.*") else version.replace(" ", ""))
