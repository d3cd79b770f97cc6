"""--docker with a real engine, docker or podman, and an image made of this machine's own bash."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from aml.errors import UserError
from aml.jobfile.document import Document
from aml.jobfile.job import Job
from aml.local import containers as containers_module
from aml.local import runs
from support import ENVIRONMENT, Repository

TOOLS = ("bash", "cat", "env", "ls", "mkdir", "sh", "sleep")
# Podman within a container without cgroups of its own.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
# Stands for conda: what it "installs" tells one build from another.
CONDA = """#!/bin/sh
set -e
[ "$1 $2" = "env create" ]
mkdir -p "$5"
cat /proc/sys/kernel/random/uuid > "$5/built"
cat "$7" > "$5/asked-for"
"""


@dataclass(frozen=True)
class Engine:
    name: str
    image: str
    variables: dict[str, str]

    def __call__(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([self.name, *arguments], env=self.variables, capture_output=True, text=True, **options)


def root_file_system(folder: Path) -> None:
    """A folder with a shell, a few tools, and the libraries that they need."""
    for place in ("bin", "tmp", "proc"):
        (folder / place).mkdir(parents=True)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        shutil.copy(found, folder / "bin" / tool)
        needs = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        for library in (word for word in needs.split() if word.startswith("/")):
            target = folder / library[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    (folder / "bin" / "conda").write_text(CONDA)
    (folder / "bin" / "conda").chmod(0o755)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that works here, with a small image; the tests are skipped where there is none."""
    if sys.platform != "linux":
        pytest.skip("the image is made of Linux' own programs")
    try:
        name = containers_module.engine()
    except UserError as refusal:
        pytest.skip(str(refusal))
    folder = tmp_path_factory.mktemp("image")
    root_file_system(folder / "root")
    (folder / "containers.conf").write_text(CONTAINERS_CONF)
    image = f"localhost/aml-test-{os.getpid()}"
    for variables in (ENVIRONMENT, ENVIRONMENT | {"CONTAINERS_CONF": str(folder / "containers.conf")}):
        found = Engine(name, image, variables)
        tar = subprocess.run(["tar", "-C", str(folder / "root"), "-c", "."], capture_output=True, check=True)
        make = [name, "import", "--change", "ENV PATH=/bin", "--change", f"LABEL made-for={image}", "-", image]
        subprocess.run(make, input=tar.stdout, env=variables, capture_output=True)
        tried = found("run", "--rm", "--init", image, "bash", "-c", "echo works")
        if tried.stdout == "works\n":
            yield found
            ours = found("images", "--all", "--quiet", "--filter", f"label=made-for={image}").stdout.split()
            found("image", "rm", "--force", *ours)
            return
    pytest.skip(f"{name} cannot run a container here: {tried.stderr.strip()}")


Submit = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def submit(repository: Repository, engine: Engine) -> Submit:
    def _submit(command: str, status: int = 0, **parts: Any) -> "subprocess.CompletedProcess[str]":
        job = repository.job(command, **{"environment": {"image": engine.image}, **parts})
        return repository.aml("submit", "-c", job, "--docker", status=status, env=engine.variables)

    return _submit


def last(repository: Repository) -> runs.LocalRun:
    return runs.find(repository.path, None)


def test_a_container_reads_the_data_and_leaves_its_outputs_with_the_run(repository: Repository, submit: Submit) -> None:
    command = """
        set -e
        cat "${{inputs.table}}"
        ls "${{inputs.folder}}"
        cat a.txt
        echo model > "${{outputs.model}}/part"
        echo text > "${{outputs.file}}"
        echo pickle > outputs/model.pkl
    """
    (repository.path / "code").mkdir()
    (repository.path / "code" / "a.txt").write_text("code\n")
    table = repository.path / "sample-data" / "penguins.csv"
    done = submit(
        command,
        inputs={"table": {"type": "uri_file", "path": str(table)}, "folder": {"path": "sample-data"}},
        outputs={"model": None, "file": {"type": "uri_file"}},
        code="code",
    )
    run = last(repository)
    assert done.stdout == table.read_text() + "penguins.csv\nrequest.json\ncode\n"
    assert (run.folder / "named-outputs" / "model" / "part").read_text() == "model\n"
    assert (run.folder / "named-outputs" / "file").read_text() == "text\n"
    assert (run.folder / "outputs" / "model.pkl").read_text() == "pickle\n"
    assert (run.folder / "outputs" / "model.pkl").stat().st_uid == os.getuid()
    assert (run.folder / "logs" / "std_log.txt").read_text() == done.stdout
    assert run.status == "finished"


def test_a_container_gets_the_variables_of_a_job_and_no_others(repository: Repository, submit: Submit) -> None:
    own = {"GREETING": "it's ${{inputs.word}}"}
    shown = submit("env; ls ../..", inputs={"word": "a b"}, environment_variables=own).stdout
    run = last(repository)
    lines = shown.splitlines()
    assert {
        "GREETING=it's a b",
        "AZURE_ML_INPUT_word=a b",
        f"MLFLOW_RUN_ID={run.id}",
        f"MLFLOW_TRACKING_URI={(repository.path / 'mlruns').as_uri()}",
        f"PWD={run.folder / 'code'}",
        run.id,  # of runs/, the container sees this run alone
    } <= set(lines)
    assert not any(line.startswith(("CONTAINERS_CONF=", "VIRTUAL_ENV=")) for line in lines)


def test_data_cannot_be_changed_by_a_container(repository: Repository, submit: Submit) -> None:
    submit("echo more >> ${{inputs.data}}/penguins.csv", inputs={"data": {"path": "sample-data"}}, status=1)
    assert "more" not in (repository.path / "sample-data" / "penguins.csv").read_text()


def test_the_exit_status_is_that_of_the_command(repository: Repository, submit: Submit) -> None:
    submit("exit 3", status=3)
    assert last(repository).status == "failed"


def test_docker_args_reach_the_engine(submit: Submit) -> None:
    resources = {"docker_args": "--env 'A=b c' --hostname there", "shm_size": "64m"}
    done = submit("echo $A; cat /proc/mounts; cat /etc/hostname", resources=resources)
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("b c", "there")
    assert any("/dev/shm" in line and "size=65536k" in line for line in lines)
    assert "has no effect" not in done.stderr


def test_an_image_that_is_not_there_fails_the_run(repository: Repository, submit: Submit) -> None:
    submit("true", environment={"image": "localhost/aml-test-none"}, status=125)
    assert last(repository).status == "failed"


def containers(engine: Engine, run: runs.LocalRun) -> str:
    return engine("ps", "--all", "--quiet", "--filter", f"name={run.id}", check=True).stdout


def test_a_container_that_takes_too_long_is_removed(repository: Repository, submit: Submit, engine: Engine) -> None:
    submit("sleep 600", limits={"timeout": 2}, status=124)
    assert last(repository).status == "failed"
    assert containers(engine, last(repository)) == ""


@pytest.mark.slow
def test_ctrl_c_removes_the_container(repository: Repository, engine: Engine) -> None:
    job = repository.job("trap '' TERM; echo ready; sleep 600", environment={"image": engine.image})
    command = repository.command("submit", "-c", job, "--docker")
    pipe: Any = {"stdout": subprocess.PIPE, "text": True}
    running = subprocess.Popen(command, cwd=repository.path, env=engine.variables, **pipe)
    assert running.stdout and running.stdout.readline() == "ready\n"
    assert containers(engine, last(repository))
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert last(repository).status == "cancelled"
    assert containers(engine, last(repository)) == ""


@pytest.mark.slow
def test_a_conda_file_is_built_into_the_image_once(repository: Repository, submit: Submit, engine: Engine) -> None:
    def built(*dependencies: str) -> list[str]:
        conda = {"dependencies": list(dependencies)}
        command = "cat /aml/environment/built /aml/environment/asked-for; echo; echo $PATH"
        done = submit(command, environment={"image": engine.image, "conda_file": conda})
        assert "building the image of the environment" in done.stderr
        return done.stdout.splitlines()

    first, again, other = built("python=3.11", "six"), built("python=3.11", "six"), built("python=3.12")
    assert first == again
    assert json.loads(first[1]) == {"dependencies": ["python=3.11", "six"]}
    assert first[2] == "/aml/environment/bin:/bin"
    assert other[0] != first[0]
    assert json.loads(other[1]) == {"dependencies": ["python=3.12"]}


def test_a_dockerfile_of_the_repository_is_built(repository: Repository, submit: Submit, engine: Engine) -> None:
    context = repository.path / "my image"
    context.mkdir()
    (context / "greeting").write_text("hello\n")
    (context / "Other").write_text(f"FROM {engine.image}\nCOPY greeting /greeting\n")
    build = {"path": "my image", "dockerfile_path": "Other"}
    assert submit("cat /greeting", environment={"build": build}).stdout == "hello\n"


def test_an_image_that_cannot_be_built_is_refused(repository: Repository, submit: Submit, engine: Engine) -> None:
    (repository.path / "Dockerfile").write_text(f"FROM {engine.image}\nRUN exit 1\n")
    refused = submit("true", environment={"build": {"path": "."}}, status=2).stderr
    assert refused.endswith(f"aml: {engine.name} cannot build the image of the environment (its reason is above)\n")
    assert not (repository.path / "runs").exists()


@pytest.mark.parametrize(
    ("environment", "image"),
    [
        ({"image": "python:3.11"}, "python:3.11"),
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest", "sklearn-1.5:latest"),
        ("azureml://registries/azureml/environments/sklearn-1.5/versions/49", "sklearn-1.5:49"),
        ("azureml:AzureML-acpt-pytorch-2.2-cuda12.1@latest", "acpt-pytorch-2.2-cuda12.1:latest"),
        ("azureml:AzureML-lightgbm-3.3:7", "lightgbm-3.3:7"),
    ],
)
def test_the_image_of_an_environment(tmp_path: Path, environment: object, image: str) -> None:
    curated = "mcr.microsoft.com/azureml/curated/" if isinstance(environment, str) else ""
    assert containers_module.image("docker", job_of(tmp_path, environment)) == curated + image


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ("azureml:mine:1", "azureml:mine:1 is known to a workspace only"),
        ("azureml://registries/ours/environments/e/versions/1", "is known to a workspace only: name an image"),
        ("file:./environments/azureml/env.yml", "azureml/env.yml: No such file or directory"),
        ({}, "--docker needs an image"),
        (None, "--docker"),
    ],
)
def test_an_environment_without_an_image_is_refused(tmp_path: Path, environment: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        containers_module.image("docker", job_of(tmp_path, environment))


def job_of(folder: Path, environment: object) -> Job:
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump({"command": "true", "environment": environment}))
    return Job(Document(path))


def test_without_an_engine_docker_is_refused(repository: Repository, tmp_path: Path) -> None:
    job = repository.job("true", environment={"image": "any"})
    refused = repository.aml("submit", "-c", job, "--docker", status=2, env=ENVIRONMENT | {"PATH": str(tmp_path)})
    assert refused.stderr == "aml: --docker: neither docker nor podman answers: start one, or leave --docker away\n"
