"""dev.py: which Pythons it takes, what it resolves, what it runs."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from support import ENVIRONMENT, GENERATED, TEMPLATE


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", TEMPLATE / "dev.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


dev = load()


# Pythons


def test_parses_in_pythons_that_it_refuses() -> None:
    ast.parse((TEMPLATE / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 16)])
def test_refuses_another_python_in_one_line(version: tuple[int, int]) -> None:
    program = f"import runpy, sys; sys.version_info = {(*version, 0, 'final', 0)}; runpy.run_path('dev.py')"
    done = subprocess.run([sys.executable, "-c", program], cwd=TEMPLATE, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"dev\.py: needs Python 3\.11 to 3\.15; this is \S+ \(.+\)\n", done.stderr)


def test_names_the_same_pythons_everywhere() -> None:
    oldest, newest = (f"{major}.{minor}" for major, minor in (dev.PYTHONS[0], dev.PYTHONS[-1]))
    after = f"{dev.PYTHONS[-1][0]}.{dev.PYTHONS[-1][1] + 1}"
    for pyproject in (TEMPLATE / "pyproject.toml", GENERATED / "pyproject.toml"):
        assert f'requires-python = ">={oldest},<{after}"' in pyproject.read_text(encoding="utf-8")
    for document in (TEMPLATE / "README.md", GENERATED / "README.md", TEMPLATE / "dev.py"):
        assert f"Python {oldest} to {newest}" in document.read_text(encoding="utf-8")
    workflow = yaml.safe_load((TEMPLATE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    for job in ("test", "fresh"):
        assert workflow["jobs"][job]["strategy"]["matrix"]["python"] == [oldest, newest]


# fresh


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=4), st.sampled_from(["", ".post6", "rc1"]))
def test_a_loosened_pin_takes_all_versions_up_to_the_next_major(numbers: list[int], end: str) -> None:
    version = ".".join(map(str, numbers)) + end
    requirement = Requirement(dev.loosened(f"some-package=={version}"))
    assert requirement.name == "some-package"
    assert requirement.specifier.contains(version, prereleases=True)
    assert requirement.specifier.contains(f"{numbers[0]}.9999")
    assert not requirement.specifier.contains(str(Version(f"{numbers[0] + 1}")))


def test_what_is_no_pin_stays_as_it_is() -> None:
    text = 'requires-python = ">=3.11,<3.16"\n  - python=3.12\n  "pytest>=8.4,<10",\n'
    assert dev.loosened(text) == text


def test_both_lists_of_the_repository_are_pinned_alike() -> None:
    pins = [
        set(re.findall(r"[\w-]+==[\w.]+", path.read_text(encoding="utf-8")))
        for path in (GENERATED / "pyproject.toml", GENERATED / "aml_config" / "train-conda.yml")
    ]
    assert pins[0] == pins[1]
    assert len(pins[0]) >= 5


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index with wheels of `compiled` for Python 3.11 on Linux and Windows, and of `pure` for everything."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "package"\nversion = "1"\n', encoding="utf-8")
    for name, tags in {
        "compiled": ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-win_amd64"],
        "pure": ["py3-none-any"],
    }.items():
        for tag in tags:
            with zipfile.ZipFile(tmp_path / f"{name}-1.0-{tag}.whl", "w") as wheel:
                metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                wheel.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
                wheel.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
    monkeypatch.setattr(dev, "TEMPLATE", tmp_path)
    monkeypatch.setattr(dev, "program", lambda *_: sys.executable)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))


class Case(NamedTuple):
    id: str
    package: str
    system: str
    version: str
    resolves: bool


CASES = [
    Case("a wheel for it", "compiled==1.0", "Linux x86_64", "3.11", True),
    Case("on Windows as well", "compiled==1.0", "Windows x86_64", "3.11", True),
    Case("another Python", "compiled==1.0", "Linux x86_64", "3.15", False),
    Case("another processor", "compiled==1.0", "Linux arm64", "3.11", False),
    Case("another system", "compiled==1.0", "macOS arm64", "3.11", False),
    Case("for all", "pure==1.0", "macOS x86_64", "3.15", True),
]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_says_what_has_no_wheel(case: Case) -> None:
    reason = dev.resolve([case.package], (), dev.PLATFORMS[case.system], case.version)
    if case.resolves:
        assert reason == ""
    else:
        assert reason.startswith("Because compiled==1.0 has no ")
        assert "\n" not in reason
        assert "hint" not in reason


@pytest.mark.usefixtures("index")
def test_says_what_contradicts() -> None:
    reason = dev.resolve(["pure==1.0", "pure>=2"], (), dev.PLATFORMS["Linux x86_64"], "3.12")
    assert "pure" in reason
    assert "unsatisfiable" in reason


# test


class Ran(NamedTuple):
    id: str
    arguments: list[str]
    statuses: list[int]  # of pytest's runs
    status: int


@pytest.mark.parametrize(
    "case",
    [
        Ran("quick", ["-k", "word"], [0], 0),
        Ran("quick, failed", [], [1], 1),
        Ran("all", ["--all"], [0, 0], 0),
        Ran("later parts run", ["--all"], [1, 0], 1),
        Ran("the last part counts", ["--all"], [0, 2], 2),
        Ran("no slow tests there", ["--all", "tests/test_dev.py"], [0, 5], 0),
        Ran("no tests there", ["--all", "-k", "word"], [5, 5], 5),
    ],
    ids=lambda case: case.id,
)
def test_runs_pytest(case: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = iter(case.statuses)
    commands: list[list[str]] = []

    def run(command: list[str]) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess(command, next(statuses))

    monkeypatch.setattr(dev, "prepare", lambda _: Path(sys.executable))
    monkeypatch.setattr(dev.subprocess, "run", run)
    assert dev.test(case.arguments) == case.status
    assert next(statuses, None) is None
    given_to_pytest = [word for word in case.arguments if word != "--all"]
    workers = min(4, 1 + (os.cpu_count() or 1))
    assert commands[0][1:] == ["-m", "pytest", "-n", str(workers), "--dist", "loadgroup", *given_to_pytest]
    assert all(command == [*commands[0], "-m", dev.SLOWER] for command in commands[1:])


def test_all_and_faults_run_each_test_once() -> None:
    settings = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    marks = [mark.split(":")[0] for mark in settings["markers"]]
    assert " or ".join(marks) == f"{dev.SLOWER} or faults"
    quick = " and ".join(f"not {mark}" for mark in marks)
    assert f"-m '{quick}'" in settings["addopts"]


# demo


@pytest.mark.slow
def test_demo_registers_a_model_and_goes_on_after_an_interruption(tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    leave_out = shutil.ignore_patterns(".git", ".venv", "demo", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(TEMPLATE, checkout, ignore=leave_out)
    made = checkout / "demo" / "demo-model"

    def demo() -> str:
        command = [sys.executable, str(checkout / "dev.py"), "demo"]
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert re.search(r"^demo-model +1 ", demo(), re.MULTILINE)
    # stopped while it generated, and while it installed
    (checkout / "demo" / "demo-model.unfinished").touch()
    (made / "src" / "train.py").unlink()
    (made / ".venv" / "ready.txt").unlink()
    (checkout / ".venv" / "ready.txt").unlink()
    assert re.search(r"^demo-model +2 ", demo(), re.MULTILINE)
    third = demo()
    assert re.search(r"^demo-model +3 ", third, re.MULTILINE)
    assert "cookiecutter" not in third
    assert "pip install" not in third
