"""Sign-in: what login.microsoftonline.com, the az command and a machine's managed identity answer.

Sources: azure-identity 1.27 (`_credentials/azure_cli.py`, `client_secret.py`, `workload_identity.py`, `imds.py`,
`azure_ml.py`) and msal for what is asked; the error texts are those of Microsoft Entra ID (AADSTS codes) and of the
Azure CLI.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .wire import Json, Request, Response, Router, ServiceError

LOGIN_HOST = "login.microsoftonline.com"
IMDS_HOST = "169.254.169.254"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "22222222-3333-4444-5555-666666666666"
OBJECT_ID = "33333333-4444-5555-6666-777777777777"
USER = "someone@example.com"

FEDERATED_AUDIENCE = "api://AzureADTokenExchange"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
#: docs: devops/pipelines/release/automate-service-connections: the issuer of connections made today
AZURE_DEVOPS_ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
SERVICE_CONNECTION = "33333333-cccc-4ccc-8ccc-cccccccccccc"

router = Router()
imds_router = Router()


@dataclass
class Login:
    """Who may sign in, and the tokens they get."""

    #: Seconds. Make it small to see tokens run out.
    token_lifetime: float = 3600
    #: False: the az command says "Please run 'az login'".
    az_signed_in: bool = True
    #: How long the az command takes, in seconds.
    az_seconds: float = 0.0
    #: What a virtual machine answers on the address of its managed identity. A compute instance of Azure ML has
    #: another one, which is there with environment("managed-identity").
    managed_identity: Literal["absent", "present"] = "absent"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    #: What proves a workload to be the application, as a CI system hands it out.
    federated_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    #: What a process on a compute instance shows to its managed identity.
    msi_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    #: The issuer and the subject of each federated credential of the application.
    federated_credentials: set[tuple[str, str]] = field(default_factory=set)
    #: What the CI system says of the job that asks.
    ci_subject: str = ""
    #: Seconds for which what the CI system says is valid.
    ci_lifetime: float = 300
    #: What a job shows to its CI system.
    ci_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def token(self, audience: str, name: str = USER, **claims: object) -> str:
        now = int(time.time())
        payload = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now - 300,
            "exp": now + int(self.token_lifetime),
            "oid": OBJECT_ID,
            "tid": TENANT,
            "upn": name,
            "unique_name": name,
            "jti": uuid.uuid4().hex,
            **claims,
        }
        return self._signed(payload)

    def assertion(self, issuer: str, audience: str) -> str:
        """What the CI system gives the job that asks: a token for Microsoft Entra ID."""
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + int(self.ci_lifetime)}
        return self._signed({"iss": issuer, "sub": self.ci_subject, "aud": audience, **times, "jti": uuid.uuid4().hex})

    def reason_against(self, assertion: str) -> str | None:
        """Why Microsoft Entra ID does not take what a CI system says of a job; None when it does.

        The messages are those that users report (Azure/login#482, #515); learn.microsoft.com/entra/identity-platform/
        reference-error-codes has AADSTS700024.
        """
        if assertion == self.federated_token:
            return None
        parts = assertion.split(".")
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "==")) if len(parts) == 3 else {}
        if self._signed(claims) != assertion:
            return "AADSTS700213: No matching federated identity record found for presented assertion."
        found = [(issuer, subject) for issuer, subject in self.federated_credentials if issuer == claims["iss"]]
        check = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
        if (claims["iss"], claims["sub"]) not in found or claims["aud"] != FEDERATED_AUDIENCE:
            message = f"No matching federated identity record found for presented assertion subject '{claims['sub']}'."
            if claims["sub"].lower() in [subject.lower() for _, subject in found]:
                matches = (
                    "The subject matches with case-insensitive comparison, but not with case-sensitive comparison."
                )
                return f"AADSTS7002138: {message} {matches} {check}"
            return f"AADSTS700213: {message} {check}"
        if claims["exp"] < time.time():
            return "AADSTS700024: Client assertion is not within its valid time range."
        return None

    def _signed(self, payload: Json) -> str:
        parts = [_encode(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, payload)]
        signature = hmac.new(self._key, ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, _encode(signature)])

    def expiry(self, token: str) -> int:
        """When a token runs out, in seconds since 1970."""
        return int(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["exp"])

    def claims(self, request: Request) -> Json:
        """The claims of a request's token, or 401 in Azure Resource Manager's words."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.count(".") != 2:
            raise ServiceError(
                401,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing or has an invalid format.",
                WWW_Authenticate=_challenge("invalid_request", "no token"),
            )
        head, payload, signature = token.split(".")
        if not hmac.compare_digest(
            _encode(hmac.new(self._key, f"{head}.{payload}".encode(), hashlib.sha256).digest()), signature
        ):
            raise ServiceError(
                401,
                "InvalidAuthenticationToken",
                "The access token is invalid.",
                WWW_Authenticate=_challenge("invalid_token", "Could not validate the signature."),
            )
        claims: Json = json.loads(base64.urlsafe_b64decode(payload + "=="))
        if claims["exp"] < time.time():
            raise expired_token()
        return claims


def expired_token() -> ServiceError:
    return ServiceError(
        401,
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time is earlier than current UTC time.",
        WWW_Authenticate=_challenge("invalid_token", "The access token is expired."),
    )


def _challenge(error: str, description: str) -> str:
    return (
        f'Bearer authorization_uri="https://{LOGIN_HOST}/{TENANT}", error="{error}", error_description="{description}"'
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@router.on("GET", "/common/discovery/instance")
def discover_instance(request: Request) -> Response:
    return Response(
        200,
        {
            "tenant_discovery_endpoint": f"https://{LOGIN_HOST}/{TENANT}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [
                {
                    "preferred_network": LOGIN_HOST,
                    "preferred_cache": "login.windows.net",
                    "aliases": [LOGIN_HOST, "login.windows.net"],
                }
            ],
        },
    )


@router.on("GET", "/{tenant}(?:/v2.0)?/.well-known/openid-configuration")
def openid_configuration(request: Request) -> Response:
    tenant = request.names["tenant"]
    return Response(
        200,
        {
            "token_endpoint": f"https://{LOGIN_HOST}/{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"https://{LOGIN_HOST}/{tenant}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"https://{LOGIN_HOST}/{tenant}/oauth2/v2.0/devicecode",
            "issuer": f"https://{LOGIN_HOST}/{TENANT}/v2.0",
        },
    )


@router.on("POST", "/{tenant}/oauth2/v2.0/token")
def issue_token(request: Request) -> Response:
    """Client secret, and federated token (workload identity, as OIDC in CI gives)."""
    form, login = request.form, request.service.login
    if request.names["tenant"] != TENANT:
        return _refused("invalid_request", "AADSTS90002: Tenant not found. Check the tenant ID and try again.")
    if form.get("client_id") != CLIENT_ID:
        return _refused("unauthorized_client", f"AADSTS700016: Application '{form.get('client_id')}' was not found.")
    if "client_assertion" in form:
        if reason := login.reason_against(form["client_assertion"]):
            return _refused("invalid_client", reason, status=401)
    elif form.get("client_secret") != login.client_secret:
        return _refused("invalid_client", "AADSTS7000215: Invalid client secret provided.", status=401)
    audience = form.get("scope", "").split(" ")[0].removesuffix("/.default")
    token = login.token(audience, name=CLIENT_ID, appid=CLIENT_ID, idtyp="app")
    lifetime = int(login.token_lifetime)
    return Response(
        200, {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}
    )


def _refused(error: str, description: str, status: int = 400) -> Response:
    return Response(status, {"error": error, "error_description": description, "error_codes": []})


@router.on("GET", "/standin/az")
def az_token(request: Request) -> Response:
    """What the stand-in's az command asks for, once for each time it is started; it prints the answer."""
    login = request.service.login
    if request.query["command"] == "version":
        return Response(200, {"azure-cli": "2.79.0"}, delay=login.az_seconds)
    if not login.az_signed_in:
        return Response(401, "ERROR: Please run 'az login' to setup account.", delay=login.az_seconds)
    expires = int(time.time() + login.token_lifetime)
    return Response(
        200,
        {
            "accessToken": login.token(request.query["resource"]),
            "expiresOn": time.strftime("%Y-%m-%d %H:%M:%S.000000", time.localtime(expires)),
            "expires_on": expires,
            "subscription": request.service.cloud.subscription,
            "tenant": TENANT,
            "tokenType": "Bearer",
        },
        delay=login.az_seconds,
    )


@router.on("GET", "/standin/github")
def github_token(request: Request) -> Response:
    """docs.github.com/actions/reference/security/oidc: an address of its own for each job, its token, an audience."""
    if request.headers.get("Authorization", "").lower() != f"bearer {request.service.login.ci_token}".lower():
        return Response(401, {"message": "Unauthorized"})
    return Response(200, {"value": request.service.login.assertion(GITHUB_ISSUER, request.query["audience"])})


@router.on("POST", "/standin/azure-devops")
def azure_devops_token(request: Request) -> Response:
    """As azure-identity 1.27 asks for it (`_credentials/azure_pipelines.py`); the audience is always that one."""
    if request.headers.get("Authorization") != f"Bearer {request.service.login.ci_token}":
        return Response(401, {"message": "TF400813: The user is not authorized to access this resource."})
    if request.query["serviceconnectionid"] != SERVICE_CONNECTION:
        return Response(404, {"message": "The service connection does not exist."})
    return Response(200, {"oidcToken": request.service.login.assertion(AZURE_DEVOPS_ISSUER, FEDERATED_AUDIENCE)})


@imds_router.on("GET", "/metadata/identity/oauth2/token")
def managed_identity_token(request: Request) -> Response:
    if request.headers.get("Metadata") != "true":
        return Response(
            400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
        )
    return _identity_token(request)


@router.on("GET", "/MSI/auth")
def compute_instance_token(request: Request) -> Response:
    """The managed identity of a compute instance; azure-identity's `azure_ml.py`, for want of documentation."""
    if request.headers.get("secret") != request.service.login.msi_secret:
        return Response(401, {"error": "unauthorized", "error_description": "The secret header is missing or wrong"})
    if request.query.get("clientid", CLIENT_ID) != CLIENT_ID:
        return Response(400, {"error": "invalid_request", "error_description": "Identity not found"})
    return _identity_token(request)


def _identity_token(request: Request) -> Response:
    login = request.service.login
    return Response(
        200,
        {
            "access_token": login.token(request.query.get("resource", ""), name=CLIENT_ID),
            "expires_in": str(int(login.token_lifetime)),
            "expires_on": str(int(time.time() + login.token_lifetime)),
            "resource": request.query.get("resource", ""),
            "token_type": "Bearer",
        },
    )


_AZ = '''\
"""az, as far as AzureCliCredential, a person checking a sign-in and the template's hook need it."""
import json, sys, urllib.error, urllib.parse, urllib.request
arguments = sys.argv[1:]
def option(*names):
    return next((arguments[i + 1] for i, a in enumerate(arguments[:-1]) if a in names), "")
command = "version" if arguments[:1] in (["version"], ["--version"]) else " ".join(arguments[:2])
if arguments[:1] == ["rest"]:
    command = "rest"
elif command not in ("version", "account get-access-token", "account show"):
    sys.exit(f"ERROR: '{' '.join(arguments)}' is not an az command of the stand-in.")
resource = option("--resource") or option("--scope").removesuffix("/.default") or "https://management.core.windows.net/"
url = "http://127.0.0.1:%(port)d/standin/az?" + urllib.parse.urlencode({"command": command, "resource": resource})
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        said = json.load(answer)
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
except ValueError:
    sys.exit("ERROR: The answer of the login service was cut short.")
except OSError as error:  # as azure.cli.core.util.handle_exception of azure-cli 2.91 says it
    print("ERROR: The command failed with an unexpected error. Here is the traceback:", file=sys.stderr)
    print(f"ERROR: ('Connection aborted.', {getattr(error, 'reason', error)!r})", file=sys.stderr)
    raise
if command == "rest":
    # Only what is asked of a workspace, in the words of azure-cli 2.91: a --query of two values as --output tsv.
    address = "https://management.azure.com" + option("--url", "--uri")
    request = urllib.request.Request(address, headers={"Authorization": "Bearer " + said["accessToken"]})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"ERROR: {error.reason}({error.read().decode()})")
    sys.exit(print(found["location"], found["properties"]["storageAccount"], sep="\\n"))
if command == "account show":
    said = {"id": said["subscription"], "tenantId": said["tenant"], "user": {"name": "%(user)s"}}
print(json.dumps(said))
'''


def write_az(folder: Path, port: int) -> Path:
    """An `az` executable (`az.cmd` on Windows) in a folder for the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "az.py"
    script.write_text(_AZ % {"port": port, "user": USER}, encoding="utf-8")
    if os.name == "nt":
        (folder / "az.cmd").write_text(f'@"{sys.executable}" -I "{script}" %*\r\n', encoding="utf-8")
    else:
        command = folder / "az"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{script}" "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    return folder
