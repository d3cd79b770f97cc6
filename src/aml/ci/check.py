"""What is wrong with the workflow of a model, beyond what linters know: its commands, its paths, its secrets."""

import contextlib
import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from aml.checks.finding import Finding
from aml.ci.workflow import WORKFLOWS, Job, Keys, Workflow
from aml.local.git import top

# What a step may not name: a secret other than the token that each job has, the token of Azure Pipelines, a connection.
SECRET = re.compile(r"secrets\.(?!GITHUB_TOKEN\b)\w+|secrets\[|System\.AccessToken|\bazureSubscription\b")
JOINTS, KEYWORDS = ";&|", ("then", "else", "do", "!")  # between commands of a shell, and before one
PINNED = re.compile(r"[^@]+@[0-9a-f]{40}|\./.*|docker://.+@sha256:[0-9a-f]{64}")


def check(workflow: Workflow, root: Path, fault_of: Callable[[list[str]], str]) -> Iterator[Finding]:
    """The findings on a workflow. `fault_of` says what is wrong with the words of an `aml` command, or nothing."""
    yield from _place(workflow, root)
    key = "run" if workflow.system == "github" else "script"
    for job in workflow.jobs:
        for step in job.steps:
            for words in aml_commands(step.command):
                if fault := fault_of(words):
                    yield Finding.at(workflow.document, (*step.keys, key), f"aml {shlex.join(words)}: {fault}")
        if job.runs_for_pull_requests:
            yield from _secrets(workflow, job)
    if workflow.system == "github":
        yield from _pins(workflow)


def aml_commands(script: str) -> list[list[str]]:
    """The words after `aml` of each command of a step, which may stand behind `then` or `&&`."""
    found = []
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=JOINTS)
        lexer.whitespace_split = True
        with contextlib.suppress(ValueError):  # a quotation that goes on in the next line
            parts = itertools.groupby(list(lexer), lambda word: set(word) <= set(JOINTS))
            commands = [
                list(itertools.dropwhile(KEYWORDS.__contains__, part)) for is_joint, part in parts if not is_joint
            ]
            found += [words[1:] for words in commands if words[:1] == ["aml"]]
    return found


def _place(workflow: Workflow, root: Path) -> Iterator[Finding]:
    document, above = workflow.document, top(root)
    is_there = (above / workflow.folder).resolve() == root.resolve()
    if workflow.system == "github" and document.path.parent != above / WORKFLOWS:
        yield Finding(document.name, 1, "GitHub does not read this file", "aml ci setup puts it where GitHub looks")
    elif not is_there:
        key = ("env", "FOLDER") if workflow.system == "github" else ("variables", "folder")
        yield Finding.at(document, key, f"{workflow.folder} is not the folder of this model", "aml ci setup sets it")


def _secrets(workflow: Workflow, job: Job) -> Iterator[Finding]:
    """What lets the code of a pull request, which nobody has read yet, act for its reader."""
    document = workflow.document
    data = document.data
    for key in job.keys:
        data = data[key]

    def finding(keys: Keys, what: str, fix: str) -> Finding:
        return Finding.at(document, keys, f"a pull request gets {what}", fix)

    if workflow.system == "github":
        if "pull_request_target" in workflow.triggers:
            yield finding(("on",), "the secrets of pull_request_target", "write pull_request")
        permissions = data.get("permissions", document.data.get("permissions", "write-all"))
        if isinstance(permissions, dict):
            permissions = ", ".join(sorted(name for name, value in permissions.items() if value == "write"))
        if permissions not in ("", "read-all"):
            yield finding((*job.keys, "permissions"), f"the permission {permissions}", "contents: read is enough")
        if "environment" in data:
            yield finding((*job.keys, "environment"), "an environment", "remove it")
    for keys, text in _texts(data, job.keys):
        if named := SECRET.search(text):
            yield finding(keys, named[0], "remove it: whoever opens one could read it")


def _texts(value: object, keys: Keys) -> Iterator[tuple[Keys, str]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield (*keys, key), str(key)
            yield from _texts(entry, (*keys, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _texts(entry, (*keys, index))
    else:
        yield keys, str(value)


def _pins(workflow: Workflow) -> Iterator[Finding]:
    for job in workflow.jobs:
        for step in job.steps:
            data = workflow.document.data["jobs"][job.name]["steps"][step.keys[-1]]
            if "uses" in data and not PINNED.fullmatch(str(data["uses"])):
                problem = f"{data['uses']}: a tag can be moved to other code"
                yield Finding.at(
                    workflow.document, (*step.keys, "uses"), problem, "name the commit, @<40 digits> # v1.2.3"
                )
