"""Sign-in without a stored secret in CI: GitHub or Azure DevOps vouches for a job, and Microsoft Entra ID believes it.

It is asked again whenever a token is needed: what it gives lives five to ten minutes, and a training lasts longer.
"""

import os

import requests
from azure.core.credentials import TokenCredential
from azure.identity import AzurePipelinesCredential, ClientAssertionCredential

from aml.azure.transport import STORAGE_RETRIES, TIMEOUT, Adapter
from aml.errors import ServiceError, UserError

AUDIENCE = "api://AzureADTokenExchange"
# https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
GITHUB_URL, GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # names of variables
# What Azure Pipelines sets for each job, and what a step has to be given:
# https://learn.microsoft.com/azure/devops/pipelines/build/variables
DEVOPS_URL, DEVOPS_TOKEN = "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"
CONNECTION = "AZURE_SERVICE_CONNECTION_ID"
OTHER_WAYS = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")


def credential() -> TokenCredential | None:
    """The credential of a job of GitHub Actions or Azure Pipelines; None elsewhere, and where another one is set up.

    Raises UserError where the job was not given what it needs for it.
    """
    tenant, client = (os.environ.get(name, "") for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"))
    if any(os.environ.get(name) for name in OTHER_WAYS):
        return None
    if os.environ.get("GITHUB_ACTIONS") == "true" and tenant and client:
        if not (os.environ.get(GITHUB_URL) and os.environ.get(GITHUB_TOKEN)):
            raise UserError("this job may not sign in: give it `permissions: id-token: write` in the workflow file")
        return ClientAssertionCredential(tenant, client, ask_github)
    connection = os.environ.get(CONNECTION)
    if os.environ.get(DEVOPS_URL) and tenant and client and connection:
        if not (token := os.environ.get(DEVOPS_TOKEN)):
            raise UserError(f"this step may not sign in: give it `env: {DEVOPS_TOKEN}: $(System.AccessToken)`")
        return AzurePipelinesCredential(
            tenant_id=tenant, client_id=client, service_connection_id=connection, system_access_token=token
        )
    return None


def ask_github() -> str:
    """What GitHub says of this job, as a signed token for Microsoft Entra ID. Raises ServiceError without an answer."""
    address, token = os.environ[GITHUB_URL], os.environ[GITHUB_TOKEN]
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter(STORAGE_RETRIES))
        try:
            answer = session.get(
                address, params={"audience": AUDIENCE}, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT
            )
            if answer.ok:
                return str(answer.json()["value"])
            why = f"{answer.status_code} {answer.reason}"
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            why = type(error).__name__
    raise ServiceError(f"GitHub gave this job no token to sign in with ({why}): run the job again", 0, "Unreachable")
