"""What `aml ci check` finds in workflows, and that nothing is found in those that the template brings."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aml.ci import check, linters, workflow
from aml.errors import UserError
from support import ENVIRONMENT, TEMPLATE

from .pipeline import FILES, commands, edit

GITHUB, DEVOPS = FILES.values()


def findings(root: Path) -> list[str]:
    return sorted(f"{one.line} {one.problem}" for one in check.check(workflow.find(root), root, lambda words: ""))


@pytest.fixture
def github(bake: Callable[..., Path]) -> Path:
    return bake(ci="github")


@pytest.fixture
def devops(bake: Callable[..., Path]) -> Path:
    return bake(ci="azure-devops")


@pytest.mark.parametrize("serving", ["online", "none"])
def test_nothing_is_found_in_what_the_template_brings(serving: str, bake: Callable[..., Path]) -> None:
    for ci, file in (("github", GITHUB), ("azure-devops", DEVOPS)):
        root = bake(ci=ci, serving=serving, project_slug=f"{ci}-{serving}")
        assert (root / file).is_file() and findings(root) == []
        assert [path for path in (GITHUB, DEVOPS) if (root / path).exists()] == [file]
    root = bake(ci="none", serving=serving, project_slug=f"none-{serving}")
    assert not (root / ".github").exists() and not (root / DEVOPS).exists()


def test_both_systems_run_the_same_commands(github: Path, bake: Callable[..., Path]) -> None:
    devops = bake(ci="azure-devops", project_slug="other")
    for jobs in (("pull-request", "pull_request"), ("train", "train"), ("promote", "promote")):
        ours, theirs = commands(github / GITHUB, jobs[0]), commands(devops / DEVOPS, jobs[1])
        assert ours[1:] == theirs[1:] and "install" in ours[0] and "install" in theirs[0]


def test_what_runs_for_a_pull_request_is_known(github: Path, devops: Path) -> None:
    for root, own in ((github, ["changed", "pull-request"]), (devops, ["pull_request"])):
        assert [job.name for job in workflow.find(root).jobs if job.runs_for_pull_requests] == own


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("      contents: read\n    defaults", "      id-token: write\n    defaults", "the permission id-token"),
        ("    permissions:\n      contents: read\n    defaults", "    defaults", ""),
        ("permissions: {}\n", "permissions: write-all\n", ""),
        (
            "      - run: pytest\n",
            "      - run: pytest\n        env:\n          KEY: ${{ secrets.KEY }}\n",
            "secrets.KEY",
        ),
        ("      - run: pytest\n", "      - run: echo ${{ secrets['KEY'] }}\n", "secrets["),
        ("    timeout-minutes: 30\n", "    timeout-minutes: 30\n    environment: production\n", "an environment"),
        ("  pull_request:\n", "  pull_request_target:\n", "the secrets of pull_request_target"),
    ],
)
def test_a_pull_request_may_not_act_for_its_reader(old: str, new: str, says: str, github: Path) -> None:
    edit(github, GITHUB, old, new, 1)
    found = findings(github)
    assert any(f"a pull request gets {says}" in one for one in found) if says else found == []


def test_no_permissions_at_all_are_all(github: Path) -> None:
    edit(github, GITHUB, "permissions: {}\n", "", 1)
    edit(github, GITHUB, "    permissions:\n      contents: read\n    defaults", "    defaults", 1)
    assert [one.partition(" ")[2] for one in findings(github)] == ["a pull request gets the permission write-all"]


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (
            "          - script: pytest\n            env:\n              T: $(System.AccessToken)\n",
            "System.AccessToken",
        ),
        (
            "          - task: AzureCLI@2\n            inputs:\n              azureSubscription: x\n",
            "azureSubscription",
        ),
    ],
)
def test_nor_in_azure_pipelines(new: str, says: str, devops: Path) -> None:
    edit(devops, DEVOPS, "          - script: pytest\n", new, 1)
    assert [one.partition(" ")[2] for one in findings(devops)] == [f"a pull request gets {says}"]


def test_an_action_is_pinned_by_its_commit(github: Path) -> None:
    pinned = "astral-sh/setup-uv@c18668ad3cf93ea998bef934396af7bb5c839dc7"
    line = edit(github, GITHUB, pinned, "astral-sh/setup-uv@v10", 1)
    assert findings(github) == [f"{line} astral-sh/setup-uv@v10: a tag can be moved to other code"]


def test_commands_are_found_where_a_shell_has_them() -> None:
    script = "set -e\nif [ -f a ]; then aml serve --test; fi\naml submit -c x \\\n  -t y && aml check # now\necho aml\n"
    found = [["serve", "--test"], ["submit", "-c", "x", "-t", "y"], ["check"]]
    assert check.aml_commands(script) == found
    quoted = "aml submit --set 'inputs.a=b;c && d' | tee log.txt\naml check 'which goes on"
    assert check.aml_commands(quoted) == [["submit", "--set", "inputs.a=b;c && d"]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each value of a document."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from places(entry, (*path, key))


OTHERS: list[Any] = [None, True, 1, "x", [], [1], ["x"], {}, {"a": 1}, [[]], [{"run": 1}], {"run": {"a": "aml"}}]


@pytest.mark.slow
@pytest.mark.parametrize("file", [GITHUB, DEVOPS])
def test_no_document_is_too_odd(file: str, bake: Callable[..., Path]) -> None:
    """Values of the file replaced by others: there are findings, or an error that the user meets, and no other."""
    root = bake(ci="github" if file == GITHUB else "azure-devops")
    text = (root / file).read_text(encoding="utf-8").replace("\non:", '\n"on":')
    every = list(itertools.product(places(yaml.safe_load(text)), OTHERS))
    for place, other in random.Random(0).sample(every, 300):  # noqa: S311
        changed: Any = yaml.safe_load(text)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = other
        (root / file).write_text(json.dumps(changed), encoding="utf-8")  # which is YAML
        with contextlib.suppress(UserError):
            if found := workflow.read(root / file):
                assert all(map(str, check.check(found, root, lambda words: ""))), (place, other)


def aml(root: Path, *arguments: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "aml", *arguments]
    done = subprocess.run(command, cwd=root, env=ENVIRONMENT, capture_output=True, encoding="utf-8")
    assert done.returncode == status and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("aml submit -c train-local", "aml submit -c train-loca", "-c train-loca: no such runconfig"),
        ("aml check", "aml chek", "aml chek: there is no verb chek"),
        ("aml ci compare -f run.json", "aml ci compare -f run.json --often", "unrecognized arguments: --often"),
        ("timeout-minutes: 30", "timeout-minuts: 30", "actionlint says:"),
        ("          BEFORE:", "          OTHER: ${{ github.head_ref }}\n          BEFORE:", ""),
        ("- run: pytest", "- run: echo ${{ github.head_ref }}", "zizmor says:"),
    ],
)
def test_the_verb_with_its_linters(old: str, new: str, says: str, github: Path) -> None:
    edit(github, GITHUB, old, new, 1)
    said = aml(github, "ci", "check", status=1 if says else 0)
    assert says in said and said.splitlines()[-1].endswith("to fix")


@pytest.mark.slow
@pytest.mark.parametrize("serving", ["online", "none"])
@pytest.mark.parametrize(("ci", "file"), [("github", GITHUB), ("azure-devops", DEVOPS)])
def test_linters_find_nothing(ci: Any, file: str, serving: str, bake: Callable[..., Path]) -> None:
    assert linters.lint(ci, bake(ci=ci, serving=serving) / file) == {}


@pytest.mark.slow
def test_azure_pipelines_are_linted(devops: Path) -> None:
    assert aml(devops, "ci", "check").splitlines() == ["azure-pipelines.yml: nothing to fix"]
    edit(devops, DEVOPS, "workingDirectory", "workingDir", 1)
    assert "check-jsonschema says:" in aml(devops, "ci", "check", status=1)


@pytest.mark.slow
def test_this_project_follows_the_same_rules() -> None:
    """Its own workflow: linted by the same tools, pinned, without permissions at the top."""
    for file in sorted((TEMPLATE / ".github" / "workflows").iterdir()):
        assert linters.lint("github", file) == {}
        data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert data["permissions"] == {}
        for job in data["jobs"].values():
            assert set(job.get("permissions", {"contents": "read"}).items()) <= {("contents", "read")}
            assert all(check.PINNED.fullmatch(step["uses"]) for step in job["steps"] if "uses" in step)


def test_a_repository_without_a_workflow_says_so(bake: Callable[..., Path]) -> None:
    said = aml(bake(ci="none"), "ci", "check", status=2)
    assert said.startswith("aml: no workflow here trains this model") and len(said.splitlines()) == 1


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_in_a_codebase_it_lies_at_the_top(github: Path, tmp_path: Path) -> None:
    """GitHub reads no other folder; aml ci setup puts the file there, once, with the model's folder in it."""
    codebase = tmp_path / "codebase"
    root = codebase / "models" / "demo-model"
    shutil.copytree(github, root)
    subprocess.run(["git", "init", "--quiet"], cwd=codebase, check=True)
    assert findings(root) == ["1 GitHub does not read this file"]
    address = "https://github.com/org/codebase"
    subprocess.run(["git", "remote", "add", "origin", address], cwd=codebase, check=True)
    known = ["-s", "11111111-2222-3333-4444-555555555555", "-g", "ml", "-w", "mlws"]
    aml(root, "workspace", "attach", *known, status=1)
    before = (root / GITHUB).read_text(encoding="utf-8")
    shown = aml(root, "ci", "setup", "--print")
    assert (root / GITHUB).read_text(encoding="utf-8") == before, "--print changes nothing"
    assert "would be written to" in shown and "repo:org/codebase:environment:production" in shown
