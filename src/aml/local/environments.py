"""The environment of a job or deployment: a virtual environment that uv builds from its conda file.

Environments are kept in the user's cache, one for each content of a conda file, and shared by all repositories.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aml.console import say
from aml.errors import UserError
from aml.jobfile.conda import conda_file, conda_folder, requirements
from aml.jobfile.description import Description

# What uv says when a folder of this machine is the reason, and when the other side of the network does not answer.
NO_FOLDER = re.compile(r"Failed to initialize cache|failed to create directory|os error (13|28|30)\b")
NO_ANSWER = re.compile(r"error sending request|operation timed out", re.IGNORECASE)
NOT_TRUSTED = re.compile(r"invalid peer certificate|certificate verify failed", re.IGNORECASE)


def cache() -> Path:
    """Where environments are kept: AML_ENVIRONMENTS, else a folder of the user's cache."""
    if folder := os.environ.get("AML_ENVIRONMENTS"):
        return Path(folder)
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "aml-environments"


def scripts(environment: Path) -> Path:
    """The folder of a virtual environment that goes on PATH."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def surroundings(environment: Path | None) -> dict[str, str]:
    """The variables of this process, led to the Python of an environment, or to the present one."""
    variables = dict(os.environ)
    folder = scripts(environment) if environment else Path(sys.executable).parent
    variables["PATH"] = os.pathsep.join([str(folder), variables.get("PATH", "")])
    if environment:  # nothing of the present environment
        for name in ("PYTHONPATH", "PYTHONHOME"):
            variables.pop(name, None)
        variables["VIRTUAL_ENV"] = str(environment)
    return variables


def uv() -> str:
    """The uv executable that is installed with this repository."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def build(job: Description, folder: Path | None = None) -> Path:
    """The virtual environment of a job's or deployment's conda file: from `folder` (default: the cache), or a new one.

    Raises UserError when it cannot be built; then nothing is left of it.
    """
    conda, file = conda_file(job)
    python, pip, replaced = requirements(conda, file, job.instead)
    interpreter = _interpreter(python, file)
    beside = conda_folder(job)
    key = hashlib.sha256("\n".join([interpreter, sys.platform, *pip, *_local_files(pip, beside)]).encode())
    environment = (folder or cache()) / key.hexdigest()[:16]
    if environment.is_dir():
        return environment
    if folder is None:
        say(f"building the environment of {file} (once)")
    if replaced:
        say(f"{file}: from PyPI instead of conda: {', '.join(replaced)}")
    unfinished = environment.with_suffix(f".{os.getpid()}")
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}: name another folder with AML_ENVIRONMENTS") from None
    try:
        make = ("venv", "--quiet", "--relocatable", "--allow-existing", "--python", interpreter, str(unfinished))
        _uv(job, file, *make)
        lines, options = _for_uv(pip)
        _uv(job, file, "pip", "install", "--python", str(unfinished), *options, "-r", "-", lines=lines, folder=beside)
        try:
            unfinished.rename(environment)
        except OSError:  # another run built the same one meanwhile
            if not environment.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return environment


def _for_uv(pip: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines for pip as uv reads them, and the options that stand for those that it does not read in a file."""
    lines, options = [], []
    for line in pip:
        if line.strip() == "--pre":
            options += ["--prerelease", "allow"]
        elif host := re.fullmatch(r"--trusted-host[\s=]+(\S+)", line.strip()):
            options += ["--allow-insecure-host", host[1]]
        else:
            lines.append(line)
    # pip takes the best version of all indexes, where uv takes the first index that knows the package.
    return lines, [*options, "--index-strategy", "unsafe-best-match"]


def _local_files(pip: Sequence[str], folder: Path) -> Iterator[str]:
    """A hash of each file of this machine that a line names, such as ./wheels/mine.whl: it may change."""
    for line in pip:
        path = folder / line.strip().removeprefix("file:")
        if re.match(r"\.{0,2}[/\\]|file:", line.strip()) and path.exists():
            for file in [path] if path.is_file() else sorted(path.rglob("*.*")):
                if file.is_file():
                    yield hashlib.sha256(file.read_bytes()).hexdigest()


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
        say(f"{file} asks for Python {python}, which is not available here: using {version}")
    return found or present


def _ask_uv(*arguments: str) -> str:
    """What `uv python` prints, or nothing when there is no such Python.

    Raises UserError when it cannot look, for uv cannot write to a folder of its own.
    """
    # Without a network, fail at once; a reason is one line, however wide the terminal is.
    environment = {**os.environ, "UV_HTTP_RETRIES": "0", "COLUMNS": "1000"}
    done = subprocess.run(
        [uv(), "python", *arguments], capture_output=True, text=True, encoding="utf-8", env=environment
    )
    if done.returncode and NO_FOLDER.search(done.stderr):
        reason = ": ".join(line.strip().removeprefix("error: ") for line in done.stderr.strip().splitlines())
        raise UserError(f"uv: {reason}: name other folders with UV_CACHE_DIR and UV_PYTHON_INSTALL_DIR")
    return "" if done.returncode else done.stdout.strip()


def _uv(job: Description, file: str, *arguments: str, lines: Sequence[str] = (), folder: Path | None = None) -> None:
    """Run uv in the folder, with these lines as its input. Raises UserError when it fails."""
    text = "\n".join([*lines, ""])
    options: Any = {"input": text, "encoding": "utf-8", "cwd": folder}
    quiet = [] if sys.stderr.isatty() else ["--quiet"]  # progress is for people
    if not subprocess.run([uv(), *quiet, *arguments], **options).returncode:
        return
    # Its reason went to the terminal, as its progress does: it says it again, and at once.
    again = [uv(), "--quiet", *arguments, *(["--dry-run"] if lines else [])]
    environment = {**os.environ, "UV_HTTP_RETRIES": "0"}
    reason = subprocess.run(again, **options, env=environment, stderr=subprocess.PIPE).stderr
    if NOT_TRUSTED.search(reason):
        fix = "the certificate of the package index is not trusted: UV_SYSTEM_CERTS=1 takes those of this machine"
    elif NO_ANSWER.search(reason):
        fix = "the package index is out of reach: set UV_DEFAULT_INDEX to the address of your mirror"
    else:
        fix = "its packages cannot be installed (uv's reason is above): fix them"
    raise UserError(f"{file}: {fix}; or {job.instead}")
