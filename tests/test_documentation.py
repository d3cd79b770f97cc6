"""Every command of README.md, docs/ and the generated README is run as written, or is on a list with its reason.

An indented block is commands, one a line. A fenced block is something else, except for the lines of ```console that
begin with `$ `. Each document is a scenario: it begins as SCENARIOS says, then its commands run one after the other.
The addresses on GitHub mean this template by git's `insteadOf`, Azure is the stand-in, and pip is uv's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from uv import find_uv_bin

from adopt.sources import laid_out
from aml.cli import main as command_line
from standin import cloud
from standin.server import StandIn
from standin.storage import ACCOUNT
from support import ENVIRONMENT, GENERATED, TEMPLATE

BIN = "Scripts" if os.name == "nt" else "bin"
SETUP = ["python -m venv .venv", ". .venv/bin/activate", "pip install -e ."]
GENERATE = ["pip install cookiecutter", "cookiecutter gh:org/aml-template", "cd demo-model"]
COMMIT = ["git init", "git add --all", 'git commit --message "Generated"']

# What comes before the first command of each document.
SCENARIOS: dict[str, list[str]] = {
    "README.md": [],
    "docs/training.md": [],
    "docs/azure.md": [*GENERATE, *SETUP],
    "docs/ci.md": [*GENERATE, *SETUP, *COMMIT, "git branch -M main"],
    "docs/codebase.md": ["pip install cookiecutter"],
    "docs/adopting.md": [],
    "docs/serving.md": [*GENERATE, *SETUP],
    "docs/updating.md": [*GENERATE, *SETUP],
    "generated README.md": GENERATE,
}
# Commands that no test runs as they are written, and why.
NOT_RUN = {
    "aml ci setup": "changes a tenant of Microsoft Entra ID and a repository of GitHub",
    "az login": "signs in to Azure itself, in a browser",
    "aml submit -c train-amlcompute --local --docker": "pulls an image of 2 GB from mcr.microsoft.com",
    "python dev.py test": "runs this test",
}
PLACEHOLDERS = {
    "SUBSCRIPTION/GROUP/WORKSPACE": f"{cloud.SUBSCRIPTION}/{cloud.GROUP}/aml-prod",
    "REGISTRY": "team-models",
    "SUBSCRIPTION": cloud.SUBSCRIPTION,
    "RESOURCE_GROUP": cloud.GROUP,
    "WORKSPACE": cloud.WORKSPACE,
    "ACCOUNT": ACCOUNT,
    "CONTAINER": "raw-data",
    "PATH/TO/YOUR/DATA": (GENERATED / "sample-data").as_posix(),
}
TYPED = {"cookiecutter": "\n" * 12}
PROGRAMS = {"aml", "cd", "cookiecutter", "cruft", "git", "pip", "pytest", "python", "uvx", ".", "az"}


def read(document: str) -> str:
    path = GENERATED / "README.md" if document.startswith("generated") else TEMPLATE / document
    text = re.sub(r"^{%.*%}\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"{{ cookiecutter\.(__model|project_slug) }}", "demo-model", text)


def commands(document: str) -> list[str]:
    """The commands of a document in their order, without their comments."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    typed = re.compile(r"^(?:\$ (.*)|.*)$", re.MULTILINE)

    def commands_of(block: re.Match[str]) -> str:
        return typed.sub(r"    \1", block[2]) if block[1] == "console" else ""

    text = fenced.sub(commands_of, read(document))
    lines = re.findall(r"^    (.*\S)", text, re.MULTILINE)
    return [re.sub(r"\s+# .*$", "", line) for line in lines]


def inline(document: str) -> list[str]:
    """The commands of `aml` within sentences and tables."""
    found = re.findall(r"`(aml [a-z][^`]*)`", read(document))
    return [line for line in found if not re.search(r"[…|]|COMMAND", line)]


def everywhere() -> list[tuple[str, str]]:
    return [(document, line) for document in SCENARIOS for line in commands(document)]


# The quick tests: nothing is overlooked.


def test_every_document_with_commands_is_a_scenario() -> None:
    found = {path.relative_to(TEMPLATE).as_posix() for path in [TEMPLATE / "README.md", *TEMPLATE.glob("docs/*.md")]}
    assert {name for name in found if commands(name)} == SCENARIOS.keys() - {"generated README.md"}


def test_what_is_not_run_is_written_somewhere() -> None:
    assert NOT_RUN.keys() <= {line for _, line in everywhere()}


@pytest.mark.parametrize("document", SCENARIOS)
def test_indented_blocks_are_commands_that_can_be_run(document: str) -> None:
    assert {line.split()[0] for line in commands(document)} <= PROGRAMS


@pytest.mark.parametrize("document", [*SCENARIOS, "docs/design.md"])
def test_options_of_aml_are_those_that_there_are(
    document: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also within sentences, where a command is not run."""
    for line in [line for line in commands(document) if line.startswith("aml ")] + inline(document):
        words = shlex.split(line)[1:]
        monkeypatch.setattr(sys, "argv", ["aml", *words])
        try:
            command_line.build_parser(words[0]).parse_args(words)
        except SystemExit:
            said = capsys.readouterr().err
            # `aml adopt` or `aml register-model` in a sentence names the verb without what it needs
            assert re.search("arguments (are|.* is) required", said), f"{document}: {line}\n{said}"


@pytest.mark.parametrize("document", [*SCENARIOS, "docs/design.md"])
def test_links_lead_to_files(document: str) -> None:
    folder = (TEMPLATE / document).parent
    links = re.findall(r"\]\(([^)#:]+)\)", read(document))
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_readmes_stay_short() -> None:
    assert len(read("README.md").splitlines()) <= 150
    assert len(read("generated README.md").splitlines()) <= 70


# The slow test: every command runs.


@dataclass
class Shell:
    """A user's shell, whose commands are run one by one."""

    folder: Path
    environment: Path  # the virtual environment that is active
    service: StandIn
    variables: dict[str, str] = field(default_factory=dict)
    placeholders: dict[str, str] = field(default_factory=lambda: dict(PLACEHOLDERS))

    def run(self, line: str) -> None:
        """Run a line as written, with its placeholders filled in, and assert that it succeeds."""
        for name, value in self.placeholders.items():
            line = re.sub(rf"(?<![\w/]){re.escape(name)}(?!\w)", value, line)
        if "RUN_ID" in line:
            record = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            line = line.replace("RUN_ID", record["run_id"])
        program, *words = shlex.split(line)
        if program == "cd":
            self.folder = (self.folder / words[0]).resolve(strict=True)
        elif program == ".":
            self.environment = (self.folder / words[0]).parent.parent.resolve(strict=True)
        elif line == "aml ui":
            self.look_at_ui()
        elif line == "aml serve":
            self.look_at_server()
        else:
            if program == "pip":
                program, words = find_uv_bin(), ["pip", *words, "--python", str(self.environment / BIN)]
                words[-1] = str(self.environment)
            self.finish(line, [program, *words])

    def variables_for(self, line: str) -> dict[str, str]:
        path = [str(self.environment / BIN), ENVIRONMENT["PATH"], str(Path(find_uv_bin()).parent)]
        if re.match("aml |python scripts", line):
            service = self.service.environment()
            az = service["PATH"].split(os.pathsep)[0]
            return {**service, **self.variables, "PATH": os.pathsep.join([az, *path])}
        return {**ENVIRONMENT, **self.variables, "PATH": os.pathsep.join(path)}

    def finish(self, line: str, command: list[str]) -> None:
        variables = self.variables_for(line)
        found = shutil.which(command[0], path=variables["PATH"])
        assert found, f"{command[0]} is not on PATH"
        done = subprocess.run(
            [found, *command[1:]],
            cwd=self.folder,
            env=variables,
            input=TYPED.get(line.split(maxsplit=1)[0], ""),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"

    def look_at_ui(self) -> None:
        """`aml ui` on a free port and without a browser, until it says its address."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        aml = shutil.which("aml", path=str(self.environment / BIN))
        command = [str(aml), "ui", "--no-browser", "--port", str(port)]
        variables = {**ENVIRONMENT, **self.variables}
        with subprocess.Popen(
            command, cwd=self.folder, env=variables, stdout=subprocess.PIPE, encoding="utf-8"
        ) as server:
            assert server.stdout
            said = server.stdout.readline()
            server.send_signal(signal.SIGTERM)
        assert f"http://127.0.0.1:{port}" in said

    def look_at_server(self) -> None:
        """`aml serve` on a free port, until it is ready."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        aml = shutil.which("aml", path=str(self.environment / BIN))
        command = [str(aml), "serve", "--port", str(port)]
        variables = {**ENVIRONMENT, **self.variables}
        with subprocess.Popen(
            command, cwd=self.folder, env=variables, stdout=subprocess.PIPE, encoding="utf-8"
        ) as server:
            assert server.stdout
            said = next(line for line in server.stdout if line.startswith("ready after"))
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
        assert f"http://127.0.0.1:{port}/score" in said and server.returncode == 0


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, with what is not committed yet, as a git repository named org/aml-template.git."""
    folder = tmp_path_factory.mktemp("published")
    checkout = folder / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TEMPLATE,
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    for name in listed.stdout.split("\0"):
        if name and (TEMPLATE / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TEMPLATE / name, checkout / name)
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all", "--force")
    git(checkout, "commit", "--quiet", "--message", "template")
    (folder / "org").mkdir()
    git(folder, "clone", "--quiet", "--bare", "checkout", "org/aml-template.git")
    return folder


@pytest.fixture
def shell(tmp_path: Path, published: Path, service: StandIn, workspace: cloud.Workspace) -> Shell:
    """A shell in an empty folder; its Python has nothing installed."""
    settings = tmp_path / "gitconfig"
    lines = [f'[url "{published.as_uri()}/org/"]', "insteadOf = https://github.com/org/"]
    settings.write_text("\n".join([*lines, "[user]", "name = x", "email = x@y", ""]), encoding="utf-8")
    choices = {"cookiecutters_dir": str(tmp_path / "cookiecutters"), "replay_dir": str(tmp_path / "replay")}
    (tmp_path / "cookiecutter.yml").write_text(json.dumps(choices), encoding="utf-8")
    own = tmp_path / "python"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(own)], check=True)
    (tmp_path / "work").mkdir()
    variables = {
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_CONFIG_NOSYSTEM": "1",
        "COOKIECUTTER_CONFIG": str(tmp_path / "cookiecutter.yml"),
        "PYTHONUTF8": "1",
    }
    return Shell(tmp_path / "work", own, service, variables)


@pytest.mark.slow
@pytest.mark.parametrize("document", SCENARIOS)
def test_the_commands_run_as_written(document: str, shell: Shell, published: Path) -> None:
    code = laid_out("plain-script", "data/credit.csv", shell.folder / "risk")
    notebook = laid_out("notebook", "credit.csv", shell.folder / "notebook")
    shell.placeholders |= {"PATH/TO/YOUR/CODE": code.as_posix(), "PATH/TO/YOUR/NOTEBOOK": notebook.as_posix()}
    shell.service.cloud.add_workspace("aml-prod")
    shell.service.cloud.registries["team-models"] = {}
    for line in SCENARIOS[document]:
        shell.run(line)
    if document == "docs/updating.md":  # a later version of the template
        ignore = published / "checkout" / "{{cookiecutter.project_slug}}" / ".gitignore"
        ignore.write_text(ignore.read_text(encoding="utf-8") + "later\n", encoding="utf-8")
        git(published / "checkout", "commit", "--quiet", "--all", "--message", "later")
        git(published / "checkout", "push", "--quiet", str(published / "org" / "aml-template.git"), "HEAD")
    for line in commands(document):
        if line == "aml check" and document == "docs/serving.md":
            for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", read(document), re.MULTILINE | re.DOTALL):
                (shell.folder / name).write_text(text, encoding="utf-8")
        if line == "aml check" and document == "docs/codebase.md":
            shell.run("cd models/penguin-sex")  # "in `models/penguin-sex`, set up as its README says"
            for first in SETUP:
                shell.run(first)
        if line not in NOT_RUN:
            shell.run(line)
