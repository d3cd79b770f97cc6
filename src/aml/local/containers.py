"""--docker: a job in its own image, with docker or podman."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath

from aml.console import say
from aml.errors import FileError, UserError
from aml.jobfile.conda import conda_file
from aml.jobfile.job import Job
from aml.local.runs import LocalRun
from aml.uris import curated_environment

# Source: Azure/azureml-assets, the names that curated environments have on the Microsoft container registry.
CURATED = "mcr.microsoft.com/azureml/curated/{}:{}"


def engine() -> str:
    """Docker or podman, whichever answers. Raises UserError when neither does."""
    for name in ("docker", "podman"):
        path = shutil.which(name)
        if path and subprocess.run([path, "info"], capture_output=True).returncode == 0:
            return path
    raise UserError("--docker: neither docker nor podman answers: start one, or leave --docker away")


def seen(path: Path) -> PurePath:
    """Where a mounted path of this machine stands in the container: in the same place, but for Windows' drives."""
    if os.name != "nt":
        return path
    return PurePosixPath("/", path.drive[0].lower(), *path.parts[1:])


def image(engine: str, job: Job) -> str:
    """The image of the job's environment; one with a conda file or a Dockerfile is built once for each content."""
    environment = job.data.get("environment")
    if isinstance(environment, str):
        if not (curated := curated_environment(environment)):
            raise FileError(job.where("environment"), f"{environment} is known to a workspace only", "name an image")
        return CURATED.format(*curated)
    environment = environment if isinstance(environment, dict) else {}
    if "build" in environment:
        context = job.local_path("environment", "build", "path")
        dockerfile = environment["build"].get("dockerfile_path", "Dockerfile")
        return _build(engine, context, str(context / dockerfile))
    if "image" not in environment:
        raise FileError(job.where("environment"), "--docker needs an image in the environment")
    base = str(environment["image"])
    if "conda_file" not in environment:
        return base
    conda, _ = conda_file(job)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "conda.yml").write_text(json.dumps(conda), encoding="utf-8")  # JSON is YAML
        (Path(folder) / "Dockerfile").write_text(
            f"FROM {base}\nCOPY conda.yml /aml/conda.yml\n"
            "RUN conda env create --quiet -p /aml/environment -f /aml/conda.yml\n"
            "ENV PATH=/aml/environment/bin:$PATH CONDA_DEFAULT_ENV=/aml/environment\n",
            encoding="utf-8",
        )
        return _build(engine, Path(folder), str(Path(folder) / "Dockerfile"))


def _build(engine: str, context: Path, dockerfile: str) -> str:
    """Build with the engine's own cache, which makes an unchanged context instant, and return the image's id."""
    say("building the image of the environment")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "id"
        command = [engine, "build", "--iidfile", str(result), "-f", dockerfile, str(context)]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            raise UserError(f"{engine} cannot build the image of the environment (its reason is above)")
        return result.read_text(encoding="utf-8").strip()


def command(
    engine: str,
    image: str,
    run: LocalRun,
    job: Job,
    text: str,
    mounts: Mapping[Path, str],
    variables: Iterable[str],
    launcher: Sequence[str] = (),
) -> list[str]:
    """The engine's command line for the job's command `text`, which `launcher` starts.

    `mounts` gives each path rw or ro. `variables` are names: the engine takes the values from its own environment, so
    that they stay out of the line.
    """
    resources = job.section("resources")
    line = [engine, "run", "--rm", "--init", "--name", _name(run), "--workdir", str(seen(run.folder / "code"))]
    line += ["--shm-size", str(resources.get("shm_size", "2g"))]  # 2g is the service's own default
    for path, mode in mounts.items():
        line += ["--volume", f"{path}:{seen(path)}:{mode}"]
    for key in variables:
        line += ["--env", key]
    if Path(engine).stem == "docker" and hasattr(os, "getuid"):  # else what the job writes belongs to root
        line += ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"]
    extra = resources.get("docker_args") or []
    line += shlex.split(extra) if isinstance(extra, str) else [str(argument) for argument in extra]
    # bash as on the service; sh in an image without it
    return [*line, image, *launcher, "sh", "-c", 'exec "$(command -v bash || command -v sh)" -c "$1"', "sh", text]


def remove(engine: str, run: LocalRun) -> None:
    """End the container should it still run: ending the engine's client does not always end it."""
    subprocess.run([engine, "rm", "--force", _name(run)], capture_output=True)


def _name(run: LocalRun) -> str:
    return f"aml-{run.id}"
