"""Models beside code that stays where it is: the guide's own commands and files, in the codebase of tests/codebase."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

from standin import cloud
from standin.fixtures import CLUSTER, Attached
from standin.server import StandIn
from support import ENVIRONMENT, TEMPLATE, Repository

EXAMPLE = TEMPLATE / "tests" / "codebase"
MODELS = ("penguin-species", "penguin-sex")
GUIDE = (TEMPLATE / "docs" / "codebase.md").read_text(encoding="utf-8")
NO_BYTE_CODE = {"PYTHONDONTWRITEBYTECODE": "1"}  # a run leaves its own beside its code
PACKAGE = {f"birds/{name}.py" for name in ("__init__", "measures", "train")}


def block(beginning: str) -> str:
    """The block of the guide that begins so: indented commands, or a fenced file."""
    blocks = [textwrap.dedent(found) for found in re.findall(r"(?:^    .*\n)+", GUIDE, re.MULTILINE)]
    blocks += re.findall(r"^```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if text.startswith(beginning)]
    return found


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments]
    variables = {**ENVIRONMENT, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True).stdout


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def own_tests(codebase: Path) -> str:
    """What the codebase's own pytest says, with a Python that has none of the models' packages."""
    command = [sys.executable, "-m", "pytest", "-v", "--color=no"]
    done = subprocess.run(command, cwd=codebase, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.sub(r"in [\d.]+s", "", done.stdout)


@pytest.fixture
def codebase(tmp_path: Path, _cookiecutter_config_file: Path) -> Path:
    """The example, committed, with two models by the guide's commands, not committed."""
    folder = tmp_path / "a codebase" / "birds"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "codebase")
    for command in block("cookiecutter").splitlines():
        first, template, *arguments = shlex.split(command)
        assert (first, template) == ("cookiecutter", "gh:org/aml-template")
        subprocess.run(
            [sys.executable, "-m", "cookiecutter", str(TEMPLATE), *arguments, "--no-input"],
            cwd=folder,
            env={**ENVIRONMENT, "COOKIECUTTER_CONFIG": str(_cookiecutter_config_file)},
            check=True,
            timeout=60,
        )
    return folder


def write_job(model: Path, **parts: Any) -> None:
    """Change parts of both job files, in place."""
    for name in ("train-local.yml", "train-amlcompute.yml"):
        file = model / "aml_config" / name
        text = file.read_text(encoding="utf-8")
        for key, value in parts.items():
            written = yaml.safe_dump({key: value}, width=1000)
            found = re.findall(rf"^{key}:.*\n(?: .*\n)*", text, flags=re.MULTILINE)
            assert len(found) == 1
            text = text.replace(found[0], written)
        file.write_text(text, encoding="utf-8", newline="\n")


@pytest.fixture
def guided(codebase: Path) -> Path:
    """The same codebase, after all that the guide says of a package that stays where it is."""
    model = codebase / "models" / "penguin-sex"
    assert f"both job files of `models/{model.name}/aml_config/`" in GUIDE
    write_job(model, **yaml.safe_load(block("code: ")))
    assert "Here is `src/.amlignore`:" in GUIDE
    (codebase / "src" / ".amlignore").write_text(block("__pycache__/"), encoding="utf-8")
    assert "whose own `src/` and\n`tests/test_train.py` you can delete" in GUIDE
    shutil.rmtree(model / "src")
    (model / "tests" / "test_train.py").unlink()
    assert (
        "delete `tests/test_score.py` and, in\n`aml_config/`, `deployment.yml`, `endpoint.yml` and `score-conda"
        in GUIDE
    )
    for name in (
        "tests/test_score.py",
        *(f"aml_config/{one}.yml" for one in ("deployment", "endpoint", "score-conda")),
    ):
        (model / name).unlink()
    return codebase


def only_run(model: Path) -> Path:
    (run,) = (path for path in (model / "runs").iterdir() if path.is_dir())
    return run


# Generating


def test_nothing_outside_of_the_models_changes(codebase: Path) -> None:
    assert git(codebase, "status", "--porcelain") == "?? models/\n"
    assert {path.name for path in (codebase / "models").iterdir()} == set(MODELS)
    git_and_models = (".git/", "models/")
    rest = {name: data for name, data in contents(codebase).items() if not name.startswith(git_and_models)}
    example = {name: data for name, data in contents(EXAMPLE).items() if not re.search("__pycache__|_cache/", name)}
    assert rest == example


def test_the_codebase_s_own_tests_are_all_that_its_pytest_runs(codebase: Path) -> None:
    models = codebase / "models"
    with_models = own_tests(codebase)
    assert re.findall(r"^(\S+)::(\S+) PASSED", with_models, re.MULTILINE) == [
        ("tests/test_train.py", "test_bill_ratio")
    ]
    models.rename(codebase.parent / "models")
    assert own_tests(codebase) == with_models


# Training


@pytest.mark.slow
def test_the_guide_s_models_train_here(guided: Path, installed: Repository) -> None:
    own_tests(guided)  # leaves byte code in src/
    assert list((guided / "src").rglob("*.pyc"))
    git(guided, "add", "--all")
    git(guided, "commit", "--quiet", "--message", "models")
    for name in MODELS:
        model = Repository(guided / "models" / name, installed.python)
        for command in block("aml check").splitlines():
            said = model.aml(*shlex.split(command)[1:], env={**ENVIRONMENT, **NO_BYTE_CODE})
        assert re.search(rf"run \S+, experiment {name}\n", said.stderr)
        assert model.aml("runs").stdout.count("finished") == 1
        assert (only_run(model.path) / "outputs" / "model.pkl").is_file()
    assert contents(only_run(model.path) / "code").keys() == PACKAGE | {".amlignore"}
    assert "accuracy=0.8" in model.aml("runs").stdout and "target" in model.aml("runs", "show").stdout
    assert git(guided, "status", "--porcelain") == ""

    done = subprocess.run(
        [str(installed.python), "-m", "pytest", "-q"],
        cwd=model.path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert re.search(r"\b1 passed", done.stdout), done.stdout
    own_tests(guided)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["src", "flat"])
def test_what_travels_to_the_cluster_is_what_runs_here(
    layout: str, guided: Path, installed: Repository, service: StandIn, workspace: cloud.Workspace
) -> None:
    """With settings of the whole codebase. A flat one travels with both models, but not with what they ran."""
    settings = {"subscription_id": cloud.SUBSCRIPTION, "resource_group": cloud.GROUP, "workspace_name": cloud.WORKSPACE}
    (guided / ".azureml").mkdir()
    (guided / ".azureml" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    workspace.computes[CLUSTER] = {"name": CLUSTER, "properties": {"properties": {}}}
    models = [Attached(guided / "models" / name, installed.python, service, workspace) for name in MODELS]
    *_, model = models
    expected = PACKAGE | {".amlignore"}
    if layout == "flat":
        assert "at the root of the codebase write `code: ../../..`" in GUIDE
        write_job(model.path, code="../../..")
        (guided / "src" / ".amlignore").unlink()
        (guided / "src" / "birds").rename(guided / "birds")
        expected = PACKAGE | {".gitignore", "pyproject.toml", "tests/conftest.py", "tests/test_train.py"}
        expected |= {".azureml/config.json"}
        (guided / "birds.egg-info").mkdir()
        (guided / "birds.egg-info" / "PKG-INFO").touch()  # .gitignore names it
    for one in models if layout == "flat" else [model]:
        one.aml("submit", "-c", "train-local", "--here", env={**one.environment(), **NO_BYTE_CODE})
    copied = contents(only_run(model.path) / "code").keys()

    assert "train-amlcompute: nothing to fix" in model.aml("check", "-c", "train-amlcompute").stdout
    follow = [] if layout == "src" else ["--no-wait"]
    model.aml("submit", "-c", "train-amlcompute", "--data", "sample-data", *follow)
    root = rf"/{'src' if layout == 'src' else guided.name}/"
    uploaded = {call.path.partition(root)[2] for call in model.uploads() if root in call.path}
    assert uploaded == copied
    if layout == "flat":
        beside = {name for name in copied if name.startswith("models/")}
        assert {"models/penguin-sex/aml_config/train-local.yml", "models/penguin-species/src/train.py"} <= beside
        assert not [name for name in beside if re.search("/(runs|mlruns)/", name)]
        expected |= beside
    assert copied == expected
    if follow == []:
        assert workspace.runs[model.last_job.name].metrics["accuracy"][-1]["value"] > 0.8


# Environments


@pytest.mark.slow
def test_models_with_the_same_pin_can_share_one_environment(codebase: Path, tmp_path: Path) -> None:
    """Each with an environment of its own is what the other tests have."""
    python = tmp_path / "shared" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    models = [codebase / "models" / name for name in MODELS]
    subprocess.run([find_uv_bin(), "venv", "-q", str(tmp_path / "shared")], check=True, env=ENVIRONMENT)
    editable = [word for model in models for word in ("-e", str(model))]
    install = [find_uv_bin(), "pip", "install", "-q", "--python", str(python), *editable]
    subprocess.run(install, check=True, env=ENVIRONMENT)
    for model in models:
        assert "nothing to fix" in Repository(model, python).aml("check").stdout
        Repository(model, python).aml("submit", "-c", "train-local", "--here")
        assert (only_run(model) / "outputs" / "model.pkl").is_file()
        own = subprocess.run(
            [str(python), "-m", "pytest", "-q"], cwd=model, env=ENVIRONMENT, capture_output=True, text=True
        )
        assert own.returncode == 0, own.stdout


# Settings


def test_the_models_share_the_settings_of_the_codebase(
    codebase: Path, installed: Repository, generate: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    assert "`.azureml/config.json` at the root of the codebase" in GUIDE
    shared = codebase / ".azureml" / "config.json"
    shared.parent.mkdir()
    shared.write_text(block("{"), encoding="utf-8")
    settings = json.loads(block("{"))
    said = generate(codebase / "models", "project_name=Later").stdout  # a model that comes after the settings
    assert f"Workspace settings, {Path('../../.azureml/config.json')}" in said
    for name in (*MODELS, "later"):
        said = Repository(codebase / "models" / name, installed.python).aml("workspace", status=1).stdout  # no sign-in
        assert f"Workspace settings, {Path('../../.azureml/config.json')}\n  confirmed: readable" in said
        assert dict(re.findall(r"^  (\w+) +(\S+)  ", said, re.MULTILINE)) == settings
    assert git(codebase, "status", "--porcelain") == "?? .azureml/\n?? models/\n"
