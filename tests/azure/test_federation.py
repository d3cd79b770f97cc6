"""Sign-in without a stored secret, as a job of GitHub Actions or Azure Pipelines does it."""

from __future__ import annotations

import pytest

from standin.fixtures import Attached
from standin.login import AZURE_DEVOPS_ISSUER, GITHUB_ISSUER
from standin.server import SignIn

CLASSIC = "repo:org/demo-model:environment:development"
WITH_IDS = "repo:org@1234/demo-model@5678:environment:development"
CONNECTION = "/eid1/c/pub/t/AAAA/a/BBBB/sc/1234/5678"
WAYS: list[tuple[SignIn, str, str]] = [
    ("github", GITHUB_ISSUER, CLASSIC),
    ("github", GITHUB_ISSUER, WITH_IDS),
    ("azure-devops", AZURE_DEVOPS_ISSUER, CONNECTION),
]


@pytest.mark.parametrize(("sign_in", "issuer", "subject"), WAYS)
def test_a_job_outlasts_its_tokens(attached: Attached, sign_in: SignIn, issuer: str, subject: str) -> None:
    """What CI says of the job is asked for again with each token: it is valid for seconds here."""
    login = attached.service.login
    login.federated_credentials, login.ci_subject = {(issuer, subject)}, subject
    login.token_lifetime, login.ci_lifetime = 2, 3
    name = attached.job("echo begun; sleep 6; echo done", code="src")
    done = attached.aml("submit", "-c", name, env=attached.environment(sign_in))
    assert done.stdout == "begun\ndone\n"
    asked = attached.calls(path=f"/standin/{sign_in}")
    assert len(asked) > 1 and all(call.status == 200 for call in asked)


@pytest.mark.parametrize(("sign_in", "issuer", "subject"), WAYS)
def test_another_repository_or_environment_is_refused(
    attached: Attached, sign_in: SignIn, issuer: str, subject: str
) -> None:
    login = attached.service.login
    login.federated_credentials = {(issuer, subject)}
    for presented in (subject + "s", "repo:org/other:environment:development"):
        login.ci_subject = presented
        said = attached.aml("models", "--azure", status=2, env=attached.environment(sign_in)).stderr
        assert "AADSTS700213: No matching federated identity record found" in said and f"'{presented}'" in said
        assert "`aml ci setup --print` shows the federated credentials" in said and len(said.splitlines()) == 1
    login.ci_subject = subject.upper()
    assert "AADSTS7002138" in attached.aml("models", "--azure", status=2, env=attached.environment(sign_in)).stderr


def test_an_application_of_another_ci_is_refused(attached: Attached) -> None:
    login = attached.service.login
    login.federated_credentials, login.ci_subject = {(AZURE_DEVOPS_ISSUER, CLASSIC)}, CLASSIC
    assert "AADSTS700213" in attached.aml("models", "--azure", status=2, env=attached.environment("github")).stderr


@pytest.mark.parametrize(
    ("sign_in", "missing", "says"),
    [
        ("github", "ACTIONS_ID_TOKEN_REQUEST_URL", "this job may not sign in: give it `permissions: id-token: write`"),
        ("github", "AZURE_CLIENT_ID", "AZURE_TENANT_ID without AZURE_CLIENT_ID: set both"),
        ("azure-devops", "SYSTEM_ACCESSTOKEN", "this step may not sign in: give it `env: SYSTEM_ACCESSTOKEN:"),
    ],
)
def test_what_a_job_was_not_given(attached: Attached, sign_in: SignIn, missing: str, says: str) -> None:
    variables = attached.environment(sign_in, PATH="/usr/bin:/bin")
    variables.pop(missing)
    said = attached.aml("models", "--azure", status=2, env=variables).stderr
    assert said.startswith(f"aml: {says}") and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("sign_in", "says"),
    [
        ("github", "GitHub gave this job no token to sign in with (401 Unauthorized)"),
        ("azure-devops", "this job cannot sign in: TF400813: The user is not authorized to access this resource."),
    ],
)
def test_a_ci_system_that_does_not_vouch(attached: Attached, sign_in: SignIn, says: str) -> None:
    variables = attached.environment(sign_in)
    variables |= dict.fromkeys(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SYSTEM_ACCESSTOKEN"), "x")
    said = attached.aml("models", "--azure", status=2, env=variables).stderr
    assert said.startswith(f"aml: {says}") and len(said.splitlines()) == 1, said
