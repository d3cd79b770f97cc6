"""`aml ci setup`: the commands that it prints and runs, with programs in the place of `az` and `gh` that keep a state.

What is asked of them is judged by their documentation (learn.microsoft.com/cli/azure/ad/app, .../role/assignment,
.../devops/service-endpoint, .../pipelines; docs.github.com/rest/deployments/environments, cli.github.com/manual); they
answer as those pages show it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.ci import setup
from support import ENVIRONMENT

pytestmark = pytest.mark.slow
SCOPE = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/mlws"  # noqa: E501  # an address
VALUES = {
    "account show --query tenantId": "tenant-1",
    "account show --subscription": "Our Subscription",
    "ad app create": "client-1",
    "ad sp create": "principal-1",
    "role assignment create": "assignment-1",
    "ad app federated-credential create": "credential-1",
    "devops project show": "project-1",
    "devops service-endpoint create": "connection-1",
    "pipelines create": "7",
    "api repos/org/demo-model --jq .owner.id": "1234",
    "api repos/org/demo-model --jq .id": "5678",
}
# It writes down its arguments, and the content of a file among them; what was created is listed from then on.
PROGRAM = """
import json, pathlib, re, sys

here, words = pathlib.Path(__file__).parent, sys.argv[1:]
values, line = json.loads((here / "values.json").read_text()), " ".join(sys.argv[1:])
if (here / "refuse").exists() and re.search((here / "refuse").read_text(), line):
    print("WARNING: something\\nERROR: Insufficient privileges to complete the operation.", file=sys.stderr)
    sys.exit(1)
file = next((word for word in words if word.endswith("document.json")), None)
document = json.loads(pathlib.Path(file).read_text()) if file else None
with (here / "log.jsonl").open("a") as log:
    log.write(json.dumps([pathlib.Path(sys.argv[0]).stem, words, document]) + "\\n")
made = here / "made.json"
state = json.loads(made.read_text()) if made.exists() else []
given = str((document or {}).get("subject", ""))
subject = next((word for word in words if word.startswith("[?subject")), given)
subject = subject.removeprefix("[?subject=='").removesuffix("'].id")
kinds = ("federated-credential", "assignment", "app", "sp", "service-endpoint")
kind = next((word for word in kinds if word in words), "")
if "workloadIdentityFederationIssuer" in line:
    print("https://login.microsoftonline.com/tenant-1/v2.0")
elif "workloadIdentityFederationSubject" in line:
    print("/eid1/c/pub/t/A/a/B/sc/1/2")
elif "list" in words and kind:
    print("\\n".join(found for name, found in state if name == [kind, subject]))
elif found := next((value for start, value in values.items() if line.startswith(start)), ""):
    if "create" in words:
        made.write_text(json.dumps([*state, [[kind, subject], found]]))
    print(found)
"""


class Programs:
    """`az` and `gh` on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "values.json").write_text(json.dumps(VALUES))
        for name in ("az", "gh"):
            (folder / f"{name}.py").write_text(PROGRAM)
            if os.name == "nt":
                (folder / f"{name}.cmd").write_text(f'@"{sys.executable}" "{folder / name}.py" %*\r\n')
            else:
                (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / name}.py" "$@"\n')
                (folder / name).chmod(0o755)

    def calls(self, start: str = "") -> list[tuple[list[str], dict[str, object]]]:
        lines = (self.folder / "log.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        return [(words, document) for name, words, document in found if f"{name} {' '.join(words)}".startswith(start)]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "programs")


def aml(root: Path, programs: Programs | None, *arguments: str, status: int = 0) -> str:
    path = str(programs.folder) + os.pathsep + ENVIRONMENT["PATH"] if programs else ENVIRONMENT["PATH"]
    command = [sys.executable, "-m", "aml", "ci", *arguments]
    done = subprocess.run(command, cwd=root, env={**ENVIRONMENT, "PATH": path}, capture_output=True, encoding="utf-8")
    assert done.returncode == status and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def repository(bake: Callable[..., Path]) -> Callable[[str, str], Path]:
    def _repository(ci: str, origin: str) -> Path:
        answers = {"resource_group": "ml", "workspace_name": "mlws", "ci": ci}
        root = bake(subscription_id="11111111-2222-3333-4444-555555555555", **answers)
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=root, check=True)
        return root

    return _repository


@pytest.mark.parametrize("origin", ["https://github.com/org/demo-model.git", "git@github.com:org/demo-model.git"])
def test_github(origin: str, repository: Callable[[str, str], Path], programs: Programs) -> None:
    said = aml(repository("github", origin), programs, "setup")
    credentials = [document for _, document in programs.calls("az ad app federated-credential create")]
    assert {str(document["subject"]) for document in credentials} == {
        f"{repository}:environment:{environment}"
        for repository in ("repo:org/demo-model", "repo:org@1234/demo-model@5678")
        for environment in ("development", "production")
    }
    for document in credentials:
        assert document["issuer"] == "https://token.actions.githubusercontent.com"
        assert document["audiences"] == ["api://AzureADTokenExchange"]
    ((role, _),) = programs.calls("az role assignment create")
    given = dict(zip(role[3::2], role[4::2], strict=True))
    assert given["--role"] == "AzureML Data Scientist" and given["--scope"] == SCOPE
    assert given["--assignee-object-id"] == "principal-1"
    policies = [words for words, _ in programs.calls("gh api --method POST")]
    assert [words[-1] for words in policies] == ["name=main", "name=main"]
    variables = {words[2]: words[4] for words, _ in programs.calls("gh variable set")}
    assert variables == {"AZURE_CLIENT_ID": "client-1", "AZURE_TENANT_ID": "tenant-1"}
    assert "pull_request" not in json.dumps(credentials)
    assert said.splitlines()[-1].startswith("by hand, in the repository's settings: reviewers")


def test_azure_devops(repository: Callable[[str, str], Path], programs: Programs) -> None:
    root = repository("azure-devops", "https://someone@dev.azure.com/org/A%20Project/_git/demo-model")
    aml(root, programs, "setup")
    ((_, endpoint),) = programs.calls("az devops service-endpoint create")
    text = json.dumps(endpoint)
    assert '"scheme": "WorkloadIdentityFederation"' in text and '"creationMode": "Manual"' in text
    assert '"tenantid": "tenant-1", "serviceprincipalid": "client-1"' in text and '"id": "project-1"' in text
    ((_, credential),) = programs.calls("az ad app federated-credential create")
    assert credential["subject"] == "/eid1/c/pub/t/A/a/B/sc/1/2"
    assert credential["issuer"] == "https://login.microsoftonline.com/tenant-1/v2.0"
    variables = [words for words, _ in programs.calls("az pipelines variable create")]
    assert {words[4]: words[8] for words in variables} == {
        "AZURE_CLIENT_ID": "client-1",
        "AZURE_TENANT_ID": "tenant-1",
        "AZURE_SERVICE_CONNECTION_ID": "connection-1",
    }
    assert all("A Project" in words and "https://dev.azure.com/org" in words for words in variables)


def test_again_it_makes_nothing_twice_and_goes_on(repository: Callable[[str, str], Path], programs: Programs) -> None:
    root = repository("github", "https://github.com/org/demo-model")
    (programs.folder / "refuse").write_text("role assignment create")
    said = aml(root, programs, "setup", status=2)
    assert said.splitlines()[-1].endswith("failed: Insufficient privileges to complete the operation.")
    assert not programs.calls("az ad app federated-credential create")
    (programs.folder / "refuse").unlink()
    aml(root, programs, "setup")
    said = aml(root, programs, "setup")
    assert len(programs.calls("az ad app create")) == len(programs.calls("az role assignment create")) == 1
    assert len(programs.calls("az ad app federated-credential create")) == 4
    assert "there already: an application" in said


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no POSIX shell")
@pytest.mark.parametrize(
    ("ci", "origin"),
    [
        ("github", "https://github.com/org/demo-model"),
        ("azure-devops", "https://dev.azure.com/org/A%20Project/_git/demo-model"),
    ],
)
def test_what_is_printed_does_the_same(
    ci: str, origin: str, repository: Callable[[str, str], Path], programs: Programs, tmp_path: Path
) -> None:
    root = repository(ci, origin)
    script = aml(root, None, "setup", "--print").partition("by hand, ")[0]
    assert not (programs.folder / "log.jsonl").exists()
    path = str(programs.folder) + os.pathsep + ENVIRONMENT["PATH"]
    script = re.sub(r"\b(\d+)\.json\b", r"\1-document.json", script)
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env={**ENVIRONMENT, "PATH": path})
    assert done.returncode == 0
    printed = [call for call in programs.calls() if "list" not in call[0]]
    (programs.folder / "log.jsonl").unlink()
    (programs.folder / "made.json").unlink()
    aml(root, programs, "setup")
    ran = [call for call in programs.calls() if "list" not in call[0] and not re.search("select", " ".join(call[0]))]

    def without_file(calls: list[tuple[list[str], dict[str, object]]]) -> list[object]:
        return [[[word for word in words if not word.endswith("document.json")], document] for words, document in calls]

    def of_shell(calls: list[object]) -> list[object]:
        return [call for call in calls if "workloadIdentity" not in json.dumps(call)]

    assert of_shell(without_file(printed)) == of_shell(without_file(ran))


@pytest.mark.parametrize("program", ["az", "gh"])
def test_a_program_that_is_missing(program: str, repository: Callable[[str, str], Path], programs: Programs) -> None:
    for file in programs.folder.glob(f"{program}*"):
        file.unlink()
    root = repository("github", "https://github.com/org/demo-model")
    if shutil.which(program):
        pytest.skip(f"{program} is installed here")
    assert f"`{program}` is not installed" in aml(root, programs, "setup", status=2)


@pytest.mark.parametrize(
    ("ci", "origin", "says"),
    [
        ("github", "https://example.com/org/x", "the remote origin is https://example.com/org/x: push to GitHub first"),
        ("azure-devops", "https://github.com/org/x", "push to Azure Repos first"),
    ],
)
def test_another_remote(ci: str, origin: str, says: str, repository: Callable[[str, str], Path]) -> None:
    assert says in aml(repository(ci, origin), None, "setup", "--print", status=2)


def test_a_token_in_the_remote_is_not_shown(repository: Callable[[str, str], Path]) -> None:
    said = aml(repository("github", "https://x:ghp_secret@example.com/org/x"), None, "setup", status=2)
    assert "ghp_secret" not in said


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no POSIX shell")
@given(
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    words=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=3),
)
def test_nothing_of_a_name_means_something_to_the_shell(name: str, words: list[str]) -> None:
    """What a remote is called is data: the shell gives each word, and each document, as it is."""
    made = setup.Action("x", ["printf", "%s\\0", "{GIVEN}" + name, *words])
    shown = setup.Action("x", ["cat", "{FILE}"], document={"name": name, "given": "{GIVEN}"})
    text = setup.script([made, shown]).replace("cat > 2.json", "cat")
    script = "GIVEN=value\n" + text.rpartition("\n")[0]
    done = subprocess.run(["bash", "-c", script], capture_output=True)
    given, _, document = done.stdout.decode().rpartition("\0")
    if "{" not in name + "".join(words):
        assert given.split("\0") == ["value" + name, *words]
        assert json.loads(document) == {"name": name, "given": "value"}


@pytest.mark.parametrize(
    ("ci", "before", "after", "line", "origin"),
    [
        ("github", "models/demo-model/.github/workflows/model.yml", ".github/workflows/demo-model.yml",
         "FOLDER: models/demo-model # of this model", "https://github.com/org/demo-model"),
        ("azure-devops", "models/demo-model/azure-pipelines.yml", "models/demo-model/azure-pipelines.yml",
         "folder: models/demo-model # of this model", "https://dev.azure.com/org/P/_git/demo-model"),
    ],
)  # fmt: skip
def test_in_a_codebase(
    ci: str, before: str, after: str, line: str, origin: str,
    repository: Callable[[str, str], Path], programs: Programs, tmp_path: Path,
) -> None:  # fmt: skip
    """The workflow goes where it is read, with the model's folder in it; the second time there is nothing to do."""
    codebase = tmp_path / "codebase"
    root = codebase / "models" / "demo-model"
    shutil.copytree(repository(ci, origin), root, ignore=shutil.ignore_patterns(".git"))
    subprocess.run(["git", "init", "--quiet"], cwd=codebase, check=True)
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=codebase, check=True)
    generated = (codebase / before).read_text(encoding="utf-8")
    aml(root, programs, "setup")
    text = (codebase / after).read_text(encoding="utf-8")
    assert line in text and text.replace("models/demo-model #", ". #") == generated
    assert not (codebase / before).exists() or before == after
    said = aml(root, programs, "setup")
    assert "the workflow, with folder" not in said and (codebase / after).read_text(encoding="utf-8") == text
    if ci == "azure-devops":
        ((words, _),) = programs.calls("az pipelines create")[:1]
        assert words[words.index("--yml-path") + 1] == after
