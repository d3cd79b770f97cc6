"""Who may not do something learns the true cause and what helps: every identity with every verb."""

from __future__ import annotations

import re
from collections.abc import Callable

import certifi
import pytest

from aml.azure.workspace_client import STORAGE_FIXES, explain_storage
from standin import batches, endpoints
from standin.contents import BATCH_ENDPOINT, DATA, ENDPOINT, batch_quickly, run_here, serve_quickly
from standin.fixtures import Attached

NO_PATH = {"PATH": "/usr/bin:/bin"}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
VERBS: dict[str, list[str]] = {
    "workspace": ["workspace"],
    "runs": ["runs", "--azure"],
    "runs show": ["runs", "--azure", "show", "nobody"],
    "models": ["models", "--azure"],
    "data": ["data"],
    "create-compute": ["create-compute"],
    "register-data": ["register-data"],
    "register-datastore": ["register-datastore", "-n", "birds", "--account", "another", "--container", "birds"],
    "submit": ["submit", "-c", "job.yml", "--no-wait"],
    "register-model": ["register-model", "-n", "birds", "--to", "azure", "--run", "HERE"],
    "promote": ["promote", "demo-model:1", "--azure"],
    "deploy": ["deploy"],
    "deploy --rollback": ["deploy", "--rollback"],
    "deploy --delete": ["deploy", "--delete", "demo-model-1"],
    "deploy, batch": ["deploy", "-c", "batch-deployment"],
    "deploy --delete, batch": ["deploy", "-c", "batch-deployment", "--delete", BATCH_ENDPOINT],
    "endpoints": ["endpoints"],
    "endpoints show": ["endpoints", "show", "nobody"],
    "invoke": ["invoke"],
    "invoke, batch": ["invoke", "-c", "batch-deployment", "--data", "sample-data"],
}
READS = ("workspace", "runs", "runs show", "models", "data", "endpoints", "endpoints show")


def _with_secret(repository: Attached, **more: str) -> dict[str, str]:
    return repository.environment("client-secret", **NO_PATH, **more)


#: The variables of somebody who cannot sign in, and what every verb then says.
STRANGERS: dict[str, tuple[Callable[[Attached], dict[str, str]], str]] = {
    "nobody": (
        lambda repository: repository.environment("none", **NO_PATH),
        r"not signed in to Azure: run `az login`, or set AZURE_CLIENT_ID and its companions as in CI",
    ),
    "a wrong secret": (
        lambda repository: _with_secret(repository, AZURE_CLIENT_SECRET="wrong"),
        r"AADSTS7000215: Invalid client secret provided: AZURE_CLIENT_SECRET is not that of AZURE_CLIENT_ID",
    ),
    "an unknown tenant": (
        lambda repository: _with_secret(repository, AZURE_TENANT_ID="99999999-2222-3333-4444-555555555555"),
        r"AADSTS90002: Tenant not found.*: AZURE_TENANT_ID names no tenant: `az account show --query tenantId`",
    ),
    "an empty secret": (
        lambda repository: _with_secret(repository, AZURE_CLIENT_SECRET=""),
        r"AZURE_CLIENT_SECRET: empty; give it a value, or unset it",
    ),
    "no secret": (
        lambda repository: {k: v for k, v in _with_secret(repository).items() if k != "AZURE_CLIENT_SECRET"},
        r"AZURE_TENANT_ID and AZURE_CLIENT_ID without AZURE_CLIENT_SECRET, or AZURE_FEDERATED_TOKEN_FILE",
    ),
    "no federated token": (
        lambda repository: repository.environment("federated", **NO_PATH, AZURE_FEDERATED_TOKEN_FILE="/nowhere"),
        r"sign-in with WorkloadIdentityCredential failed: .*No such file.*nowhere",
    ),
    "offline": (
        lambda repository: _with_secret(repository, **dict.fromkeys(PROXIES, "http://127.0.0.1:9")),
        r"login.microsoftonline.com cannot be reached: \[Errno",
    ),
    "offline, signed in": (
        lambda repository: repository.environment("az", **dict.fromkeys(PROXIES, "http://127.0.0.1:9")),
        r"management.azure.com cannot be reached: \[Errno",
    ),
    "a wrong authority": (
        lambda repository: _with_secret(repository, REQUESTS_CA_BUNDLE=certifi.where(), CURL_CA_BUNDLE=certifi.where()),
        r"login.microsoftonline.com cannot be reached: its certificate is not trusted here \(REQUESTS_CA_BUNDLE names",
    ),
}


def _said(repository: Attached, verb: str, variables: dict[str, str] | None = None) -> str:
    """What a verb says that is refused: `aml workspace` on stdout, and with status 1; the others in two lines."""
    arguments = VERBS[verb]
    if "HERE" in arguments:
        run_here(repository)
        here = repository.aml("runs", "show").stdout.split()[0]
        arguments = [here if word == "HERE" else word for word in arguments]
        arguments += ["--asset-path", "outputs/model.pkl"]
    if verb.endswith(", batch"):
        batch_quickly(repository)
        batches.store(repository.workspace, BATCH_ENDPOINT, "demo-model-1", "demo-model:1")
    if verb in ("promote", "deploy", "deploy --rollback", "deploy --delete", "invoke"):
        serve_quickly(repository)
    if verb in ("deploy --rollback", "deploy --delete", "invoke"):
        endpoint = endpoints.store(repository.workspace, ENDPOINT, traffic={"demo-model-2": 100})
        endpoint.resource["tags"] = {"aml.traffic-before": "demo-model-1=100"}
        for version in ("1", "2"):
            name = f"demo-model-{version}"
            endpoints.store_deployment(repository.workspace, endpoint, name, f"demo-model:{version}")
    repository.job("true")
    options = {} if variables is None else {"env": variables}
    if verb == "workspace":
        return repository.aml(*arguments, status=1, **options).stdout
    return repository.refused(*arguments, lines=3, **options)


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("verb", VERBS)
def test_who_cannot_sign_in(attached: Attached, verb: str, who: str) -> None:
    variables, says = STRANGERS[who]
    assert re.search(says, _said(attached, verb, variables(attached)))
    assert not attached.changes()


@pytest.mark.parametrize("verb", VERBS)
def test_who_has_no_role(attached: Attached, verb: str) -> None:
    attached.workspace.role = "none"
    assert "you may not do this (AuthorizationFailed): ask its owner for the role Azure" in _said(attached, verb)
    assert not attached.workspace.jobs and attached.workspace.assets.keys() <= {"models"}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in READS])
def test_who_may_only_look(attached: Attached, verb: str) -> None:
    attached.workspace.computes.pop("cpu-cluster") if verb == "create-compute" else None
    attached.workspace.role = "Reader"
    role = "AzureML Compute Operator" if verb == "create-compute" else "AzureML Data Scientist"
    said = _said(attached, verb)
    assert f"you may not do this (AuthorizationFailed): ask its owner for the role {role}" in said
    assert not attached.workspace.jobs and DATA not in attached.workspace.assets.get("data", {})


def test_a_key_that_storage_does_not_take(attached: Attached, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a matter of the workspace's roles.

    Of a signature by a wrong key Azurite says AuthorizationFailure, Azure AuthenticationFailed: the next test has both.
    """
    monkeypatch.setattr(attached.service.storage, "key", "bm90IHRoZSBrZXk=")
    said = attached.refused("register-data", lines=1)
    assert re.match(r"standinstorage\.blob\.core\.windows\.net: storage refuses this \(403 Auth\w+\): ", said)
    assert "workspace" not in said


@pytest.mark.parametrize("code", STORAGE_FIXES)
def test_what_storage_refuses(code: str) -> None:
    said = str(explain_storage("a.blob.core.windows.net", 403, code))
    assert said == f"a.blob.core.windows.net: storage refuses this (403 {code}): {STORAGE_FIXES[code]}"


def test_a_storage_account_that_is_busy_is_asked_again(attached: Attached) -> None:
    attached.service.faults.add("429", path=r"blob\.core", times=3, seconds=0)
    attached.aml("register-data")
    calls = [call for call in attached.calls(kind="blob") if call.fault]
    assert len(calls) == 3


def test_the_details_of_the_service_are_said(attached: Attached) -> None:
    attached.submit("true", "-t", "run.json")
    said = attached.refused("register-model", "-n", "birds", "-f", "run.json", "--asset-path", "outputs/nope.pkl")
    assert "The request is invalid: No artifacts matching outputs/nope.pkl found from Job" in said


def test_a_run_of_the_workspace_that_is_looked_for_here(attached: Attached) -> None:
    attached.submit("true")
    said = attached.refused("register-model", "-n", "birds", "--run", attached.last_job.name)
    assert said.endswith("no such run here (aml runs lists them); for one of the workspace: --to azure\n")
