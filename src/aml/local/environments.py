"""The training environment of a job: a virtual environment that uv builds from the job's conda file.

Environments are kept in the user's cache, one for each content of a conda file, and shared by all repositories.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from aml.console import say
from aml.errors import UserError
from aml.jobfile.conda import OTHER_WAYS, conda_file, requirements
from aml.jobfile.job import Job


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

    Raises UserError when it cannot be built; then nothing is left of it.
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
        say(f"{file} asks for Python {python}, which is not available here: using {version}")
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
        raise UserError(f"{file}: its packages cannot be installed (uv's reason is above): fix them; or {OTHER_WAYS}")
