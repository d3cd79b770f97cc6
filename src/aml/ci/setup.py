"""The commands that connect a repository's workflow with Azure: no secret is stored anywhere.

An application of Microsoft Entra ID gets the role that training needs in one workspace. It believes what GitHub, or
Azure DevOps, says of the jobs of one environment, or of one service connection: a federated credential.
"""

import json
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aml.azure.federation import AUDIENCE
from aml.azure.workspace_client import DATA_SCIENTIST_ROLE as ROLE
from aml.errors import UserError

# https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust
ISSUER = "https://token.actions.githubusercontent.com"
ENVIRONMENTS = ("development", "production")  # of the jobs `train` and `promote`
# Repositories made, renamed or moved since 2026-07-15 have numbers in the subject of their tokens:
# https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/
FORMS = {"": "repo:{OWNER}/{REPOSITORY}", "-ids": "repo:{OWNER}@{OWNER_ID}/{REPOSITORY}@{REPOSITORY_ID}"}
# What means something to a POSIX shell in a here-document, and between double quotes.
IN_DOCUMENT, IN_QUOTES = "$`\\", '$`\\"'
NAME = re.compile(r"\{([A-Z_]+)\}")  # in a word or a document: the place of a value


@dataclass(frozen=True)
class Action:
    """A command, and how to see whether it is needed.

    Attributes:
        purpose: What it is for, in a few words.
        make: Its words. {NAME} stands for a value that an earlier action gave, {FILE} for a file with `document`.
        look: The words of a command that prints something when it was done before.
        gives: The name of the value that `look` or `make` prints.
        document: What {FILE} holds, as JSON.

    """

    purpose: str
    make: list[str]
    look: list[str] | None = None
    gives: str = ""
    document: Any = None


def application(name: str, scope: str) -> list[Action]:
    """An application with a role in a workspace, whose id is `scope`."""
    of_principal = ["--assignee", "{CLIENT_ID}", "--role", ROLE, "--scope", scope]
    return [
        Action("the tenant", ["az", "account", "show", "--query", "tenantId", "-o", "tsv"], gives="TENANT_ID"),
        Action(
            "an application",
            ["az", "ad", "app", "create", "--display-name", name, "--query", "appId", "-o", "tsv"],
            ["az", "ad", "app", "list", "--display-name", name, "--query", "[0].appId", "-o", "tsv"],
            "CLIENT_ID",
        ),
        Action(
            "its identity in the tenant",
            ["az", "ad", "sp", "create", "--id", "{CLIENT_ID}", "--query", "id", "-o", "tsv"],
            ["az", "ad", "sp", "list", "--filter", "appId eq '{CLIENT_ID}'", "--query", "[0].id", "-o", "tsv"],
            "PRINCIPAL_ID",
        ),
        Action(
            f"the role {ROLE}, in this workspace alone",
            ["az", "role", "assignment", "create", "--assignee-object-id", "{PRINCIPAL_ID}",
             "--assignee-principal-type", "ServicePrincipal", "--role", ROLE, "--scope", scope],
            ["az", "role", "assignment", "list", *of_principal, "--query", "[0].id", "-o", "tsv"],
        ),
    ]  # fmt: skip


def federated(purpose: str, name: str, issuer: str, subject: str) -> Action:
    """A federated credential of the application."""
    query = f"[?subject=='{subject}'].id"
    return Action(
        purpose,
        ["az", "ad", "app", "federated-credential", "create", "--id", "{CLIENT_ID}", "--parameters", "{FILE}"],
        ["az", "ad", "app", "federated-credential", "list", "--id", "{CLIENT_ID}", "--query", query, "-o", "tsv"],
        document={"name": name, "issuer": issuer, "subject": subject, "audiences": [AUDIENCE]},
    )


def github(repository: str, scope: str) -> list[Action]:
    """The actions for a repository of GitHub, OWNER/NAME. All models of a codebase share them."""
    owner, _, name = repository.partition("/")
    api = ["gh", "api", f"repos/{repository}"]
    actions = [
        Action("the owner's number", [*api, "--jq", ".owner.id"], gives="OWNER_ID"),
        Action("the repository's number", [*api, "--jq", ".id"], gives="REPOSITORY_ID"),
        *application(f"aml-ci-{owner}-{name}", scope),
    ]
    for environment in ENVIRONMENTS:
        for suffix, form in FORMS.items():
            subject = form.replace("{OWNER}", owner).replace("{REPOSITORY}", name) + f":environment:{environment}"
            kind = "its numbers" if suffix else "its name"
            purpose = f"trust in the jobs of environment {environment}, of a repository that GitHub knows by {kind}"
            actions.append(federated(purpose, f"{environment}{suffix}", ISSUER, subject))
    for environment in ENVIRONMENTS:
        place = f"repos/{repository}/environments/{environment}"
        policy = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
        actions += [
            Action(
                f"the environment {environment}",
                ["gh", "api", "--method", "PUT", place, "--input", "{FILE}"],
                ["gh", "api", f"repos/{repository}/environments", "--jq",
                 f'.environments[] | select(.name == "{environment}") | .id'],
                document=policy,
            ),
            Action(
                f"jobs of {environment} from main alone",
                ["gh", "api", "--method", "POST", f"{place}/deployment-branch-policies", "-f", "name=main"],
                ["gh", "api", f"{place}/deployment-branch-policies", "--jq",
                 '.branch_policies[] | select(.name == "main") | .id'],
            ),
        ]  # fmt: skip
    for variable, value in (("AZURE_CLIENT_ID", "{CLIENT_ID}"), ("AZURE_TENANT_ID", "{TENANT_ID}")):
        actions.append(
            Action(
                f"the variable {variable}: an id, no secret",
                ["gh", "variable", "set", variable, "--body", value, "--repo", repository],
            )
        )
    return actions


def azure_devops(organization: str, project: str, repository: str, model: str, scope: str, file: str) -> list[Action]:
    """The actions for a repository of Azure DevOps. `file` is the model's pipeline, from the top of the repository."""
    where = ["--organization", organization, "--project", project]
    connection, subscription = f"aml-{repository}", scope.split("/")[2]
    parameters = "authorization.parameters.workloadIdentityFederation"

    def of_connection(query: str) -> list[str]:
        shown = f"[?name=='{connection}'].{query} | [0]"
        return ["az", "devops", "service-endpoint", "list", *where, "--query", shown, "-o", "tsv"]

    # https://learn.microsoft.com/azure/devops/pipelines/release/automate-service-connections
    endpoint = {
        "name": connection,
        "type": "AzureRM",
        "url": "https://management.azure.com/",
        "data": {"subscriptionId": subscription, "subscriptionName": "{SUBSCRIPTION}", "environment": "AzureCloud",
                 "scopeLevel": "Subscription", "creationMode": "Manual"},
        "authorization": {"scheme": "WorkloadIdentityFederation",
                          "parameters": {"tenantid": "{TENANT_ID}", "serviceprincipalid": "{CLIENT_ID}"}},
        "isShared": False,
        "isReady": True,
        "serviceEndpointProjectReferences": [
            {"projectReference": {"id": "{PROJECT_ID}", "name": project}, "name": connection}
        ],
    }  # fmt: skip
    actions = [
        Action("the project's id", ["az", "devops", "project", "show", "--organization", organization, "--project",
                                    project, "--query", "id", "-o", "tsv"], gives="PROJECT_ID"),
        Action("the subscription's name", ["az", "account", "show", "--subscription", subscription, "--query", "name",
                                           "-o", "tsv"], gives="SUBSCRIPTION"),
        *application(f"aml-ci-{project}-{repository}", scope),
        Action(
            f"the service connection {connection}",
            ["az", "devops", "service-endpoint", "create", "--service-endpoint-configuration", "{FILE}", *where,
             "--query", "id", "-o", "tsv"],
            of_connection("id"),
            "CONNECTION_ID",
            endpoint,
        ),
        Action("who vouches for its jobs", of_connection(f"{parameters}Issuer"), gives="ISSUER"),
        Action("what it says of them", of_connection(f"{parameters}Subject"), gives="SUBJECT"),
        federated("trust in the jobs that use the connection", connection, "{ISSUER}", "{SUBJECT}"),
        Action(
            "the connection for the pipelines of this project",
            ["az", "devops", "service-endpoint", "update", "--id", "{CONNECTION_ID}", "--enable-for-all", "true",
             *where],
        ),
        Action(
            "the pipeline",
            ["az", "pipelines", "create", "--name", model, "--yml-path", file, "--branch", "main", "--skip-first-run",
             "true", *where],
            ["az", "pipelines", "list", "--name", model, *where, "--query", "[0].id", "-o", "tsv"],
        ),
    ]  # fmt: skip
    values = {"CLIENT_ID": "{CLIENT_ID}", "TENANT_ID": "{TENANT_ID}", "SERVICE_CONNECTION_ID": "{CONNECTION_ID}"}
    for variable, value in values.items():
        name = ["--name", f"AZURE_{variable}", "--pipeline-name", model]
        query = f'"AZURE_{variable}".value'
        actions.append(
            Action(
                f"the variable AZURE_{variable}: an id, no secret",
                ["az", "pipelines", "variable", "create", *name, "--value", value, *where],
                [
                    "az",
                    "pipelines",
                    "variable",
                    "list",
                    "--pipeline-name",
                    model,
                    *where,
                    "--query",
                    query,
                    "-o",
                    "tsv",
                ],
            )
        )
    return actions


def script(actions: list[Action]) -> str:
    """The actions as lines of a POSIX shell, to read or to run."""
    lines = []
    for number, action in enumerate(actions, 1):
        lines.append(f"# {action.purpose}")
        if action.document is not None:
            lines.append(f"cat > {number}.json <<END\n{_expanded(json.dumps(action.document), IN_DOCUMENT)}\nEND")
        words = (word.replace("{FILE}", f"{number}.json") for word in action.make)
        line = " ".join(f'"{_expanded(word, IN_QUOTES)}"' if NAME.search(word) else shlex.quote(word) for word in words)
        lines.append(f"{action.gives}=$({line})" if action.gives else line)
    return "\n".join(lines)


def _expanded(text: str, special: str) -> str:
    """The text with ${NAME} for {NAME}, where a shell would give a meaning to the letters `special`, too."""
    return NAME.sub(r"${\1}", re.sub(f"([{re.escape(special)}])", r"\\\1", text))


def _fill(text: str, values: Mapping[str, str]) -> str:
    return NAME.sub(lambda name: values.get(name[1], name[0]), text)


def carry_out(actions: list[Action], tell: Callable[[str], None]) -> None:
    """Run the actions that are still needed, in their order; `tell` gets a line for each.

    Raises UserError at the first that fails; run again, it goes on there.
    """
    values: dict[str, str] = {}
    for program in sorted({action.make[0] for action in actions}):
        if not shutil.which(program):
            raise UserError(f"`{program}` is not installed: install it and sign in, or let --print show the commands")
    with tempfile.TemporaryDirectory(prefix="aml-ci-", ignore_cleanup_errors=True) as folder:
        for action in actions:
            there = _run([_fill(word, values) for word in action.look]) if action.look else ""
            if action.document is not None:
                file = Path(folder) / "document.json"
                file.write_text(json.dumps(_filled(action.document, values)), encoding="utf-8")
                values["FILE"] = str(file)
            said = there or _run([_fill(word, values) for word in action.make])
            if action.gives:
                if not said:
                    raise UserError(f"{action.purpose}: `{shlex.join(action.make)}` printed nothing")
                values[action.gives] = said.splitlines()[0]
            tell(f"{'there already' if there else 'done'}: {action.purpose}")


def _filled(document: Any, values: Mapping[str, str]) -> Any:
    if isinstance(document, dict):
        return {key: _filled(value, values) for key, value in document.items()}
    if isinstance(document, list):
        return [_filled(value, values) for value in document]
    return _fill(document, values) if isinstance(document, str) else document


def _run(words: list[str]) -> str:
    """What a command prints. Raises UserError with the reason that it gives."""
    program = shutil.which(words[0]) or words[0]  # az is az.cmd on Windows
    done = subprocess.run(
        [program, *words[1:]], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("ERROR:", "gh:"))] or lines or [f"{done.returncode}"]
        raise UserError(f"`{shlex.join(words)}` failed: {errors[0].removeprefix('ERROR: ')}")
    return done.stdout.strip()
