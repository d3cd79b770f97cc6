"""The job of a pull request, step by step as the workflow has it: it passes, and a fault stops the right step."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .pipeline import FILES, Ended, Machine, edit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("bash"), reason="the workflows use bash")]
RUFF, CHECK, TESTS = "uvx ruff@0.17.6 check", "aml check", "pytest"
TRAIN, GATE, COMPARE = (
    "aml submit -c train-local -t run.json",
    "aml register-model -f run.json",
    "aml ci compare -f run.json",
)
SERVE = "aml serve --test"
INSTALL = "uv pip install --editable ."
JOBS = {"github": "pull-request", "azure-devops": "pull_request"}


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def pushed(generate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """A generated repository with its history on `main`, pushed, and a branch for a change."""

    def _pushed(ci: str, folder: Path) -> Path:
        generate(folder, f"ci={ci}")
        root = folder / "demo-model"
        git(root, "init", "--quiet", "--initial-branch=main")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "Generated")
        git(folder, "clone", "--quiet", "--bare", str(root), str(folder / "origin.git"))
        git(root, "remote", "add", "origin", str(folder / "origin.git"))
        git(root, "fetch", "--quiet", "origin")
        git(root, "switch", "--quiet", "--create", "change")
        return root

    return _pushed


def run(machine: Machine, root: Path, ci: str, folder: Path) -> Ended:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A change")
    variables = {"github": {"GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}}
    target = {"SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main", "TF_BUILD": "True"}
    variables["azure-devops"] = {**target, "AGENT_TEMPDIRECTORY": str(folder)}
    return machine.run(root / FILES[ci], JOBS[ci], root, **variables[ci])


@pytest.mark.parametrize("ci", FILES)
def test_it_passes_and_shows_what_changed(ci: str, pushed: Callable[[str, Path], Path], tmp_path: Path) -> None:
    """In an environment of its own, made by its first step."""
    root = pushed(ci, tmp_path)
    for name in ("train-local", "train-amlcompute"):
        edit(root, f"aml_config/{name}.yml", "c: 1.0", "c: 0.001")
    edit(root, "scripts/register_model.py", "limit=0.9,", "limit=0.3,")
    edit(root, "scripts/register_model.py", "limit=0.85,", "limit=0.1,")
    ended = run(Machine(tmp_path / "python", tmp_path / "artifacts"), root, ci, tmp_path)
    assert (ended.failed, ended.status) == ("", 0), ended.output
    assert ended.ran[1:] == [RUFF, CHECK, TESTS, TRAIN, GATE, COMPARE, SERVE]
    summary = tmp_path / ("summary.md" if ci == "github" else "metrics.md")
    table = [
        re.split(r" *\| *", line.strip("| "))
        for line in summary.read_text(encoding="utf-8").splitlines()
        if "|" in line
    ]
    assert table[0][:2] == ["metric", "this change"] and re.fullmatch(r"commit [0-9a-f]{7}", table[0][2])
    rows = {line[0].replace("\\", ""): [float(cell) for cell in line[1:]] for line in table[2:]}
    now, before, change = rows["test_accuracy"]
    assert before == 0.9884 and now < before and change == pytest.approx(now - before, abs=1e-3)
    assert f"##vso[task.uploadsummary]{summary}" in ended.output or ci == "github"


CONFIGURATION, CLUSTER = "aml_config/train-local.yml", "aml_config/train-amlcompute.yml"
GATES = "scripts/register_model.py"
#: The file, what stands there, what is put in its place, the step that fails, a part of what it says.
FAULTS: dict[str, tuple[str, str, str, str, str]] = {
    "a version that no package has": ("pyproject.toml", "joblib==1.6.0", "joblib==99.0", INSTALL, "joblib==99.0"),
    "an import that is not used": ("src/train.py", "import os\n", "import json\nimport os\n", RUFF, "F401"),
    "an input that is not there": (CONFIGURATION, "${{inputs.data}}", "${{inputs.date}}", CHECK, "inputs.date"),
    "two lists of packages": ("aml_config/train-conda.yml", "joblib==1.6.0", "joblib==1.5.3", CHECK, "joblib"),
    "a gate without its function": (GATES, "def reasons_against(", "def reasons(", CHECK, "reasons_against(candidate"),
    "probes for nothing": ("aml_config/deployment.yml", "threshold: 30", "threshold: 0", CHECK, "failure_threshold"),
    "a test that fails": ("tests/test_train.py", "> 0.9", "> 0.999", TESTS, "test_accuracy"),
    "a column that is not there": (
        CONFIGURATION,
        "inputs.max_iter}}",
        "inputs.max_iter}} --target x",
        TRAIN,
        "KeyError",
    ),
    "a model below the floor": (GATES, "limit=0.9,", "limit=0.995,", GATE, "below its limit 0.995"),
    "an import of the server": ("src/score.py", "aml_response import", "answers import", SERVE, "status 500"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_the_right_step(
    fault: str, pushed: Callable[[str, Path], Path], machine: Machine, tmp_path: Path
) -> None:
    file, old, new, step, says = FAULTS[fault]
    root = pushed("github", tmp_path)
    for path in [file, CLUSTER] if step == TRAIN else [file]:  # what trains here should train there
        edit(root, path, old, new)
    ended = run(machine, root, "github", tmp_path)
    assert ended.failed == step and ended.ran[-1] == step, ended.output
    assert ended.status == (3 if step == GATE else ended.status) != 0
    assert says in ended.output


def test_a_base_that_cannot_be_trained_is_said(
    pushed: Callable[[str, Path], Path], machine: Machine, tmp_path: Path
) -> None:
    """The first pull request after a broken commit, and one that brings the model, pass all the same."""
    root = pushed("github", tmp_path)
    git(root, "switch", "--quiet", "main")
    for file in (CONFIGURATION, CLUSTER):
        edit(root, file, "inputs.max_iter}}", "inputs.max_iter}} --target x")
    git(root, "commit", "--quiet", "--all", "--message", "Broken")
    git(root, "push", "--quiet", "origin", "main")
    git(root, "switch", "--quiet", "change")
    git(root, "reset", "--quiet", "--hard", "main")
    for file in (CONFIGURATION, CLUSTER):
        edit(root, file, " --target x", "")
    ended = run(machine, root, "github", tmp_path)
    assert not ended.failed, ended.output
    assert "was not trained: " in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert json.loads((root / "run.json").read_text(encoding="utf-8"))["compute"] == "local"
    listed = subprocess.run(["git", "worktree", "list"], cwd=root, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1, "the checkout of the base is left behind"
