"""Who you are on Azure: tokens from azure-identity, in a job of CI or from its DefaultAzureCredential."""

import base64
import json
import os
import re
import threading
import time
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from aml.azure import federation
from aml.errors import ServiceError, UserError

HOST = "login.microsoftonline.com"
NOT_SIGNED_IN = "not signed in to Azure: run `az login`, or set AZURE_CLIENT_ID and its companions as in CI"
REFRESH = 300  # seconds before its end at which a token is fetched anew, as azure-core does
AZ_TIMEOUT = 60  # seconds for `az`, which takes more than azure-identity's 10 on a slow machine or line
VARIABLES = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE")
# What helps with an error of Microsoft Entra ID (learn.microsoft.com/entra/identity-platform/reference-error-codes)
FIXES = {
    "AADSTS7000215": "AZURE_CLIENT_SECRET is not that of AZURE_CLIENT_ID: set the secret's value, not its id",
    "AADSTS7000222": "AZURE_CLIENT_SECRET ran out: make a new one in Microsoft Entra ID",
    "AADSTS90002": "AZURE_TENANT_ID names no tenant: `az account show --query tenantId` prints yours",
    "AADSTS900023": "AZURE_TENANT_ID names no tenant: `az account show --query tenantId` prints yours",
    "AADSTS700016": "AZURE_CLIENT_ID names no application of the tenant AZURE_TENANT_ID: set both anew",
    **dict.fromkeys(
        ("AADSTS700213", "AADSTS7002138", "AADSTS700211", "AADSTS700212", "AADSTS70021"),
        "`aml ci setup --print` shows the federated credentials that the application needs",
    ),
    "AADSTS700024": "the token by which CI vouches for this job ran out: run the job again",
}


class Credential:
    """A credential for every client of one verb: each token is fetched once, however many clients ask.

    Without it one submission launches `az` seven times (azure-ai-ml 1.35). azure-identity is imported at once: in a
    thread, while another one imports azure-ai-ml, both would fail at azure-core's circular imports.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, AccessToken] = {}
        self._lock = threading.Lock()
        self._credential = _credential()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for the scope, as azure-core's clients ask for it. Raises UserError when nobody is signed in."""
        scope = scopes[0]
        with self._lock:
            known = self._tokens.get(scope)
            if known is None or known.expires_on < time.time() + REFRESH or options.get("claims"):
                fetched = self._fetch(scope, **{key: options[key] for key in ("claims", "tenant_id") if key in options})
                known = self._tokens[scope] = AccessToken(fetched.token, fetched.expires_on)
        return known

    def forget(self) -> None:
        """Fetch tokens anew: the service does not take one any more, even if it has not run out."""
        with self._lock:
            self._tokens.clear()

    def _fetch(self, scope: str, **options: Any) -> Any:
        try:
            return self._credential.get_token(scope, **options)
        except AzureError as error:
            raise _explain(str(error)) from error


def _explain(message: str) -> UserError:
    """Why nobody is signed in, and what helps. `message` is DefaultAzureCredential's: each way that it tried.

    A way begins with a tab. The last one is that which is set up but failed, or the last of all.
    """
    tried = re.findall(r"^\t(\w+): (.*)", message, re.MULTILINE)
    name, why = tried[-1] if tried else ("", message)
    # An error that `az` did not foresee is announced by one such line, said in the next, and followed by a traceback.
    errors = re.findall(r"^(?:\tAzureCliCredential: )?ERROR: (.*)", message, re.MULTILINE)
    az = errors[-1] if errors else dict(tried).get("AzureCliCredential", "")
    if code := re.search(r"AADSTS\d+", message):
        said = re.search(rf"{code[0]}: (.*?)( Trace ID|$)", message, re.MULTILINE)
        text = f"{code[0]}: {said[1].rstrip('.')}" if said else code[0]
        return UserError(f"Microsoft Entra ID refuses the sign-in: {text}: {FIXES.get(code[0], '`az login`')}")
    if "CERTIFICATE_VERIFY_FAILED" in message:
        text = f"{HOST} cannot be reached: its certificate is not trusted here (REQUESTS_CA_BUNDLE names others)"
        return ServiceError(text, 0, "Unreachable")
    for text in (why, az):
        if re.search("connect|resolve|proxy|timed out", text, re.IGNORECASE):
            found = re.search(r"\[Errno -?\d+\] [^\"')]+|Connection [^\"')]+", text)
            return ServiceError(f"{HOST} cannot be reached: {found[0] if found else text}", 0, "Unreachable")
    if not tried:  # a job of CI: what GitHub or Azure Pipelines says, for Microsoft Entra ID has a code
        return UserError(f"this job cannot sign in: {message.removeprefix('(None) ').splitlines()[0]}")
    if name in ("EnvironmentCredential", "WorkloadIdentityCredential", "ManagedIdentityCredential"):
        return UserError(f"sign-in with {name} failed: {why}")
    if az and not re.search("az login|not found on path", az):  # `az` says why, or was not done in time
        return UserError(f"`az` gave no token ({az.rstrip('.')}): `az account get-access-token` shows why")
    if missing := [one for one in VARIABLES[:2] if not os.environ.get(one)]:
        given = [one for one in VARIABLES if os.environ.get(one)]
        return UserError(f"{' and '.join(given)} without {' and '.join(missing)}: set both" if given else NOT_SIGNED_IN)
    secrets = "AZURE_CLIENT_SECRET, or AZURE_FEDERATED_TOKEN_FILE"
    return UserError(f"AZURE_TENANT_ID and AZURE_CLIENT_ID without {secrets}: set one of them")


def user(token: str) -> str:
    """The name in a token: a person's address, or an application's id. The token is not checked."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims.get("upn") or claims.get("unique_name") or claims.get("appid") or claims.get("oid"))


def _credential() -> TokenCredential:
    """That of a job of CI, else DefaultAzureCredential, without managed identity where there is none: that takes 25 s.

    Raises UserError.
    """
    if in_ci := federation.credential():
        return in_ci
    options: dict[str, Any] = {"managed_identity_client_id": os.environ.get("DEFAULT_IDENTITY_CLIENT_ID")}
    options["process_timeout"] = AZ_TIMEOUT
    if not {"MSI_ENDPOINT", "IDENTITY_ENDPOINT", "AZURE_TOKEN_CREDENTIALS"} & os.environ.keys():
        options["exclude_managed_identity_credential"] = True
    try:
        return DefaultAzureCredential(**options)
    except ValueError as error:  # of a variable; CI leaves one empty whose secret it does not have
        empty = [name for name in VARIABLES if os.environ.get(name) == ""]
        raise UserError(
            f"{' and '.join(empty)}: empty; give it a value, or unset it" if empty else str(error)
        ) from None
