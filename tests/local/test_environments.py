"""Training environments: building what a conda file stands for with uv."""

import functools
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from standin.certificates import Certificates
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


def make_wheel(folder: Path, version: str) -> Path:
    """A wheel of the package `mine`, which knows its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mine-{version}-py3-none-any.whl"
    info = f"mine-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("mine.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: mine\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


SHOW_MINE = 'python -c "import mine; print(mine.version)"'


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[str]:
    """The address of a server of two package indexes: /first/ has versions 1 and 3rc1 of `mine`, /second/ has 2."""
    for place, versions in (("first", ("1.0", "3.0rc1")), ("second", ("2.0",))):
        for version in versions:
            make_wheel(tmp_path / "web" / place / "mine", version)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("options", "version"),
    [
        (["--index-url {}/first"], "1.0"),
        (["--index-url {}/first", "--extra-index-url {}/second"], "2.0"),  # the best of all indexes, as of pip
        (["--index-url {}/second", "--extra-index-url {}/first"], "2.0"),
        (["--index-url {}/first", "--extra-index-url {}/second", "--pre"], "3.0rc1"),
        (["-i {}/first", "--trusted-host 127.0.0.1"], "1.0"),
        (["--no-index", "--find-links {}/second/mine/"], "2.0"),
    ],
)
def test_options_of_pip_mean_what_they_mean_to_pip(
    builder: Builder, indexes: str, options: list[str], version: str
) -> None:
    pip = [*(option.format(indexes) for option in options), "mine"]
    job = builder.job({"pip": pip}, command=SHOW_MINE)
    assert builder.repository.aml(*job, env=builder.variables).stdout.strip() == version


def test_a_wheel_is_found_from_the_conda_file_on(builder: Builder) -> None:
    folder = builder.repository.path / "deep"
    wheel = make_wheel(folder / "wheels", "1.0")
    conda = {"dependencies": [{"pip": [f"./wheels/{wheel.name}"]}]}
    (folder / "conda.yml").write_text(json.dumps(conda), encoding="utf-8")
    job = builder.repository.job(SHOW_MINE, environment={"image": "any", "conda_file": "deep/conda.yml"})
    assert builder.repository.aml("submit", "-c", job, env=builder.variables).stdout.strip() == "1.0"


def test_a_wheel_of_other_content_is_another_environment(builder: Builder) -> None:
    job = builder.job({"pip": ["./mine-1.0-py3-none-any.whl"]}, command=SHOW_MINE)
    wheel = make_wheel(builder.repository.path, "1.0")
    builder.repository.aml(*job, env=builder.variables)
    with zipfile.ZipFile(wheel, "a") as more:
        more.writestr("more.py", "")
    assert "building the environment" in builder.repository.aml(*job, env=builder.variables).stderr
    assert len(builder.kept()) == 2


def test_packages_of_conda_that_come_from_pypi_are_named(builder: Builder) -> None:
    assert "from PyPI" not in builder.submit({"pip": ["six"]}).stderr
    said = builder.submit("pip", "conda-forge::six=1.17").stderr
    assert "job.yml: from PyPI instead of conda: conda-forge::six=1.17\n" in said


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/simple", "https://nowhere.invalid/simple"])
def test_an_index_out_of_reach_names_the_variable_for_another_one(builder: Builder, address: str) -> None:
    variables = {"UV_DEFAULT_INDEX": address, "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    refused = builder.submit("six", status=2, **variables).stderr
    says = "aml: job.yml: the package index is out of reach: set UV_DEFAULT_INDEX to the address of your mirror; or run"
    assert says in refused and builder.kept() == []


def test_a_certificate_that_is_not_trusted_is_another_cause(builder: Builder, tmp_path: Path) -> None:
    made = Certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"https://localhost:{server.server_port}/simple"
        variables = {"UV_DEFAULT_INDEX": address, "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
        refused = builder.submit("six", status=2, **variables).stderr
        server.shutdown()
    assert "the certificate of the package index is not trusted: UV_SYSTEM_CERTS=1" in refused


def test_a_cache_that_uv_cannot_write_is_no_missing_python(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = builder.submit(f"python={PRESENT}", "six", status=2, UV_CACHE_DIR=str(tmp_path / "file" / "x")).stderr
    assert refused.startswith("aml: uv: Failed to initialize cache at ") and refused.count("\n") == 1
    assert refused.endswith("name other folders with UV_CACHE_DIR and UV_PYTHON_INSTALL_DIR\n")


def test_a_cache_of_environments_that_cannot_be_written_is_refused(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    elsewhere = {"XDG_CACHE_HOME": str(tmp_path / "file"), "LOCALAPPDATA": str(tmp_path / "file")}
    refused = builder.submit("six", status=2, **elsewhere).stderr.splitlines()[-1]
    assert "Not a directory: name another folder with " in refused


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
