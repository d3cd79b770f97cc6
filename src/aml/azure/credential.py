"""Who you are on Azure: tokens from azure-identity's DefaultAzureCredential."""

import base64
import json
import os
import threading
import time
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from aml.errors import UserError

NOT_SIGNED_IN = "not signed in to Azure: run `az login`, or set AZURE_CLIENT_ID and its companions as in CI"
REFRESH = 300  # seconds before its end at which a token is fetched anew, as azure-core does


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
        """Fetch tokens anew: the service does not take one any more, whatever its time."""
        with self._lock:
            self._tokens.clear()

    def _fetch(self, scope: str, **options: Any) -> Any:
        try:
            return self._credential.get_token(scope, **options)
        except AzureError as error:
            lines = [line.strip("\t -") for line in str(error).splitlines()]
            why = next((line for line in lines if "AADSTS" in line), "")  # else: a list of all that was tried
            raise UserError(why.partition(" Trace ID")[0] or NOT_SIGNED_IN) from error


def user(token: str) -> str:
    """The name in a token: a person's address, or an application's id. The token is not checked."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims.get("upn") or claims.get("unique_name") or claims.get("appid") or claims.get("oid"))


def _credential() -> TokenCredential:
    """DefaultAzureCredential, without managed identity where there is none: that takes 25 s."""
    options: dict[str, Any] = {"managed_identity_client_id": os.environ.get("DEFAULT_IDENTITY_CLIENT_ID")}
    if not {"MSI_ENDPOINT", "IDENTITY_ENDPOINT", "AZURE_TOKEN_CREDENTIALS"} & os.environ.keys():
        options["exclude_managed_identity_credential"] = True
    return DefaultAzureCredential(**options)
