"""Training environments: building what a conda file stands for with uv."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from support import ENVIRONMENT, Repository

PRESENT = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize("environment", ["azureml:trainer@latest", {"image": "python:3.11"}, None])
def test_a_job_without_a_conda_file_is_refused_with_other_ways(repository: Repository, environment: object) -> None:
    job = repository.job("true", environment=environment)
    refusal = repository.aml("submit", "-c", job, status=2).stderr
    assert refusal.startswith("aml: job.yml:")
    assert "--docker" in refusal and "--here" in refusal
    assert refusal.count("\n") == 1


SHOW = (
    'python -c "import six, sys; '
    "print(sys.prefix, '%d.%d' % sys.version_info[:2], six.__version__, 'elsewhere' in str(sys.path), sep='|')\""
)


class Builder:
    """Submits jobs with a conda file, in a shell that leads Python astray, with an empty cache of environments."""

    def __init__(self, repository: Repository, cache: Path) -> None:
        self.repository = repository
        self.cache = cache / "aml-environments"
        uv_cache = subprocess.run([find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True).stdout
        self.variables = ENVIRONMENT | {"UV_CACHE_DIR": uv_cache.strip()}
        self.variables |= {"XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache), "PYTHONPATH": "elsewhere"}

    def job(self, *dependencies: object, command: str = SHOW) -> list[str]:
        conda = {"channels": ["conda-forge"], "dependencies": list(dependencies)}
        return ["submit", "-c", self.repository.job(command, environment={"image": "any", "conda_file": conda})]

    def submit(self, *dependencies: object, status: int = 0, **variables: str) -> "subprocess.CompletedProcess[str]":
        return self.repository.aml(*self.job(*dependencies), status=status, env=self.variables | variables)

    def kept(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir()) if self.cache.exists() else []


@pytest.fixture
def builder(repository: Repository, tmp_path: Path) -> Builder:
    return Builder(repository, tmp_path / "cache")


def test_an_environment_is_built_once_for_each_content(builder: Builder) -> None:
    first = builder.submit(f"python={PRESENT}", "pip", {"pip": ["six==1.16.0"]})
    prefix, python, six, astray = first.stdout.strip().split("|")
    assert (python, six, astray) == (PRESENT, "1.16.0", "False")
    assert "building the environment" in first.stderr
    assert [Path(prefix).name] == builder.kept()

    again = builder.submit(f"python={PRESENT}", "pip", {"pip": ["six==1.16.0"]})
    assert again.stdout == first.stdout
    assert "building the environment" not in again.stderr

    other = builder.submit(f"python={PRESENT}", "six==1.17.0")
    assert other.stdout.split("|")[2] == "1.17.0"
    assert len(builder.kept()) == 2


def test_the_environment_has_the_python_that_is_asked_for(builder: Builder) -> None:
    find = [find_uv_bin(), "python", "find", "--system", "--no-python-downloads"]
    other = ("3.10", "3.12", "3.13", "3.14", PRESENT)
    found = next(version for version in other if not subprocess.run([*find, version], capture_output=True).returncode)
    assert builder.submit(f"python={found}", "six").stdout.split("|")[1] == found


def test_a_python_that_is_not_to_be_had_gives_way_to_the_present_one(builder: Builder) -> None:
    done = builder.submit("python=3.99", "six", UV_PYTHON_DOWNLOADS="never")
    assert done.stdout.split("|")[1] == PRESENT
    assert f"asks for Python 3.99, which is not available here: using {PRESENT}" in done.stderr


def test_two_builds_at_once_end_with_one_environment(builder: Builder) -> None:
    options: Any = {"cwd": builder.repository.path, "env": builder.variables, "text": True}
    command = builder.repository.command(*builder.job(f"python={PRESENT}", "six"))
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, **options) for _ in range(2)]
    shown = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert shown[0] == shown[1]
    assert len(builder.kept()) == 1


def test_an_impossible_requirement_is_refused_and_leaves_nothing(builder: Builder) -> None:
    refused = builder.submit(f"python={PRESENT}", "six=999", status=2).stderr
    ours = refused[refused.index("aml: ") :]
    assert ours.count("\n") == 1
    assert "cannot be installed" in ours and "--docker" in ours
    assert "six" in refused
    assert builder.kept() == []
    assert not (builder.repository.path / "runs").exists()


@pytest.mark.skipif(os.name == "nt", reason="a process cannot be sent Ctrl-C there")
def test_ctrl_c_while_building_leaves_nothing(builder: Builder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"--index-url http://127.0.0.1:{silent.getsockname()[1]}/simple"
        command = builder.repository.command(*builder.job({"pip": [index, "nothing-of-that-name"]}))
        process = subprocess.Popen(command, cwd=builder.repository.path, env=builder.variables)
        silent.settimeout(60)
        with silent.accept()[0]:  # uv asks, and waits for the answer
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
    assert builder.kept() == []
