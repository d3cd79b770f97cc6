"""The sockets: one port that is proxy, certificate and service at once, and the log of what was asked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time
import traceback
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from . import (
    assets,
    batches,
    cloud,
    computes,
    datastores,
    endpoints,
    jobs,
    login,
    mlflow,
    operations,
    registries,
    routes,
    runhistory,
    storage,
)
from .certificates import Certificates
from .faults import Faults, Rule
from .wire import Request, Response, Router, ServiceError

CONTROL_PLANE = "management.azure.com"
#: The address of a region's data plane; docs: how-to-access-azureml-behind-firewall.md.
DATA_PLANE = f"{cloud.LOCATION}.api.azureml.ms"
#: What answers for the workspace.
ROUTERS = {
    CONTROL_PLANE: (
        *(cloud.router, computes.router, datastores.router, assets.router, jobs.router),
        *(endpoints.router, batches.router, operations.router),
    ),
    DATA_PLANE: (runhistory.router, mlflow.router, registries.router, batches.jobs_router),
}
#: Answered without a token.
_PUBLIC = ("/discovery", "/metadata/endpoints")
SignIn = Literal["az", "client-secret", "federated", "managed-identity", "github", "azure-devops", "none"]


@dataclass(frozen=True)
class Call:
    """One request, as it was answered. `status` 0: the connection was broken instead."""

    started: float
    seconds: float
    method: str
    host: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    fault: str | None
    agent: str

    @property
    def kind(self) -> str:
        """control, data, blob, scoring, login or other."""
        if self.host == CONTROL_PLANE:
            return "control"
        if self.host == DATA_PLANE:
            return "data"
        if self.host == storage.HOST:
            return "blob"
        if self.host.endswith(endpoints.SCORING_DOMAIN):
            return "scoring"
        return "login" if self.host in (login.LOGIN_HOST, login.IMDS_HOST, "127.0.0.1") else "other"

    def __str__(self) -> str:
        broken = f" !{self.fault}" if self.fault else ""
        return f"{self.status} {self.method} {self.host}{self.path} {self.query.get('api-version', '')}{broken}"


class StandIn:
    """The service. Start it, give a process `environment()`, look at `calls`, `violations` and `cloud` afterwards."""

    def __init__(self, cache: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aml-standin-"))
        self.cache = cache or storage.cache_folder()
        self.certificates = Certificates(self.folder)
        self.storage = storage.Storage(self.folder, self.cache, self.certificates)
        self.faults = Faults()
        #: Seconds that every answer is late, as on a long line.
        self.latency = 0.0
        #: For benchmarks: HTTPS to the blob host goes to Azurite as it is, at next to no cost on this side. `latency`
        #: holds for it, as a line's round trip; these requests are neither in `calls` nor do they meet with `faults`.
        self.direct_storage = False
        #: How many entries a page of a list has.
        self.page_size = 100
        #: How many requests are told that run history does not know a job yet that was just submitted.
        self.history_lag = 0
        #: Status and code with which the list of permissions is refused; empty where it is given.
        self.permissions = ""
        self.calls: list[Call] = []
        #: Requests that went against the published contract, or for what no client asks for, in words.
        self.violations: list[str] = []
        #: Addresses that answers named: next pages, operations to ask for.
        self._handed_out: set[str] = set()
        #: A proxy of the machine's own, for addresses that aren't the stand-in's.
        self.upstream = urllib.request.getproxies().get("https", "")
        self.login = login.Login()
        self._lock = threading.Lock()
        self._in_progress = 0
        self._idle = threading.Condition(self._lock)
        self._tls = self.certificates.server_context()
        self._server = _Server(self)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="stand-in", daemon=True).start()
        self._az = login.write_az(self.folder / "bin", self.port)
        self.cloud = cloud.Cloud(self)
        self._routes = {
            **{plane: _joined(*routers) for plane, routers in ROUTERS.items()},
            login.LOGIN_HOST: login.router,
            "127.0.0.1": login.router,
            login.IMDS_HOST: login.imds_router,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.cloud.close()
        self._server.shutdown()
        self._server.server_close()
        self.storage.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def reset(self) -> None:
        """As if just started: one empty workspace, no faults, an empty log."""
        self.cloud.close()
        with self._idle:  # a slow answer, for which its client has not waited, belongs to the log that ends here
            self._idle.wait_for(lambda: self._in_progress == 0, timeout=30)
        self.faults.clear()
        self.latency = 0.0
        self.direct_storage = False
        self.page_size = 100
        self.history_lag = 0
        self.permissions = ""
        self.calls.clear()
        self.violations.clear()
        self._handed_out.clear()
        self.login = login.Login()
        self.cloud = cloud.Cloud(self)

    def environment(self, sign_in: SignIn = "az", **more: str) -> dict[str, str]:
        """The variables for a process that is to meet the stand-in, signed in through az or as `sign_in` says.

        "federated" is a token in a file, as workload identity gives; "managed-identity" is that of a compute instance
        of Azure ML; "github" and "azure-devops" are a job there, of which `login.ci_subject` is said.
        """
        ci = ("ACTIONS_", "GITHUB_", "SYSTEM_")
        identity = ("MSI_", "IDENTITY_", "DEFAULT_IDENTITY_", "ARM_CLOUD_METADATA_URL")
        dropped = ("AZURE_", "AZUREML_", "MLFLOW_", *identity, *ci)
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(dropped) and not name.upper().endswith("_PROXY")
        }
        proxy = f"http://127.0.0.1:{self.port}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            variables[name] = variables[name.lower()] = proxy
        variables["NO_PROXY"] = variables["no_proxy"] = "localhost,127.0.0.1"
        bundle = str(self.certificates.bundle)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT"):
            variables[name] = bundle
        variables.pop("SSL_CERT_DIR", None)
        if sign_in == "az":
            variables["PATH"] = f"{self._az}{os.pathsep}{variables.get('PATH', '')}"
        elif sign_in == "client-secret":
            variables["AZURE_TENANT_ID"] = login.TENANT
            variables["AZURE_CLIENT_ID"] = login.CLIENT_ID
            variables["AZURE_CLIENT_SECRET"] = self.login.client_secret
        elif sign_in == "federated":
            file = self.folder / "federated-token"
            file.write_text(self.login.federated_token)
            variables["AZURE_TENANT_ID"] = login.TENANT
            variables["AZURE_CLIENT_ID"] = login.CLIENT_ID
            variables["AZURE_FEDERATED_TOKEN_FILE"] = str(file)
        elif sign_in == "managed-identity":
            variables["MSI_ENDPOINT"] = f"http://127.0.0.1:{self.port}/MSI/auth"
            variables["MSI_SECRET"] = self.login.msi_secret
            variables["DEFAULT_IDENTITY_CLIENT_ID"] = login.CLIENT_ID
        elif sign_in == "github":
            variables |= {"GITHUB_ACTIONS": "true", "AZURE_TENANT_ID": login.TENANT, "AZURE_CLIENT_ID": login.CLIENT_ID}
            variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"http://127.0.0.1:{self.port}/standin/github?api-version=2.0"
            variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = self.login.ci_token
        elif sign_in == "azure-devops":
            variables |= {"AZURE_TENANT_ID": login.TENANT, "AZURE_CLIENT_ID": login.CLIENT_ID}
            variables["AZURE_SERVICE_CONNECTION_ID"] = login.SERVICE_CONNECTION
            variables["SYSTEM_OIDCREQUESTURI"] = f"http://127.0.0.1:{self.port}/standin/azure-devops"
            variables["SYSTEM_ACCESSTOKEN"] = self.login.ci_token
        return {**variables, **more}

    def count(self, kind: str = "") -> int:
        """How many requests there were, of one kind or of all."""
        return sum(not kind or call.kind == kind for call in self.calls)

    @contextlib.contextmanager
    def watch(self) -> Iterator[list[Call]]:
        """The calls made within a with block."""
        before = len(self.calls)
        seen: list[Call] = []
        yield seen
        seen.extend(self.calls[before:])

    @contextlib.contextmanager
    def in_progress(self) -> Iterator[None]:
        """Count a request as being answered, for `reset` to wait for it."""
        with self._lock:
            self._in_progress += 1
        try:
            yield
        finally:
            with self._idle:
                self._in_progress -= 1
                self._idle.notify_all()

    def record(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)

    def answers_for(self, host: str) -> bool:
        return host in self._routes or host == storage.HOST or host.endswith(endpoints.SCORING_DOMAIN)

    def handle(self, request: Request) -> Response:
        """Answer one request; faults aside."""
        if request.host == storage.HOST:
            return self.storage.forward(request)
        if request.host.endswith(endpoints.SCORING_DOMAIN):
            return endpoints.score(request)
        try:
            found = self._routes[request.host].find(request.method, request.path)
            if request.host in (CONTROL_PLANE, DATA_PLANE):
                if request.path not in _PUBLIC:
                    request.claims = self.login.claims(request)
                self._check_address(request)
            if request.host == CONTROL_PLANE:
                cloud.admit(request)
            if found is None:
                return self._no_such_address(request, "the stand-in does not answer it").response()
            handler, request.names = found
            with self.cloud.lock:
                answer = handler(request)
            self._handed_out.update(_addresses([answer.body, answer.headers]))
            return answer  # noqa: TRY300
        except ServiceError as error:
            return error.response()
        except Exception as error:
            traceback.print_exc()
            self.violations.append(f"{request.method} {request.host}{request.path}: {error!r} in the stand-in")
            return ServiceError(500, "InternalServerError", f"the stand-in failed: {error!r}").response()

    def _check_address(self, request: Request) -> None:
        """404 for an address or a field that no client of Microsoft's sends: tests find it in `violations`.

        What lies below MLflow's address has its fields in the query or in the body.
        """
        if f"https://{request.host}{request.target}" in self._handed_out:
            return
        given = set(request.query)
        if "/mlflow/" in request.path and request.method != "GET":
            given |= request.json.keys()
        if wrong := routes.problems(request.method, request.path, sorted(given)):
            raise self._no_such_address(request, "; ".join(wrong))

    def _no_such_address(self, request: Request, why: str) -> ServiceError:
        self.violations.append(f"{request.method} {request.host}{request.path}: {why}")
        return ServiceError(404, "NotFound", f"{request.method} {request.path}: {why}")


def _addresses(answer: Any) -> Iterator[str]:
    """The addresses in an answer of JSON."""
    if isinstance(answer, dict | list):
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from _addresses(part)
    elif isinstance(answer, str) and answer.startswith("https://"):
        yield answer


def _relay(client: socket.socket, server: socket.socket, late: Callable[[], float] = lambda: 0.0) -> None:
    """Pass bytes on both ways until one side ends.

    Those of the server reach the client `late` seconds after they came, in order; meanwhile further ones may be under
    way, so that a long line is no narrow one.
    """
    line: deque[tuple[float, bytes]] = deque()
    open_sides = [client, server]
    while True:
        wait = max(0.0, line[0][0] - time.monotonic()) if line else 300.0
        ready = select.select(open_sides, [], [], wait)[0]
        if not ready and not line:
            return
        for side in ready:
            _acknowledge_at_once(side)
            data = side.recv(262144)
            if side is server:
                line.append((time.monotonic() + late(), data))
                if not data:
                    open_sides.remove(server)
            elif data:
                server.sendall(data)
            else:
                return
        while line and line[0][0] <= time.monotonic():
            _, data = line.popleft()
            if not data:
                return
            client.sendall(data)


def _acknowledge_at_once(connection: socket.socket) -> None:
    """urllib3 leaves Nagle's algorithm on towards a proxy: a body waits for the acknowledgement of its head, 40 ms."""
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _joined(*routers: Router) -> Router:
    joined = Router()
    for router in routers:
        joined.routes.extend(router.routes)
    return joined


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: StandIn) -> None:
        self.service = service
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of the stand-in's business."""


class _Handler(BaseHTTPRequestHandler):
    """A proxy's side: CONNECT to a name of ours is answered here, with our certificate; to another one, tunnelled."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    #: The host of a CONNECT, once inside its TLS.
    inside: str = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own name
        """No log on stderr: `StandIn.calls` is the log."""

    def do_CONNECT(self) -> None:
        host, _, port = self.path.partition(":")
        service = self.server.service
        if host == storage.HOST and service.direct_storage:
            time.sleep(service.latency)  # opening a connection takes a round trip too
            self._tunnel("127.0.0.1", service.storage.port, late=lambda: service.latency)
            return
        if not service.answers_for(host):
            upstream = urlsplit(service.upstream)
            if upstream.hostname:  # it answers for itself
                greeting = f"CONNECT {self.path} HTTP/1.1\r\nHost: {self.path}\r\n\r\n"
                self._tunnel(upstream.hostname, upstream.port or int(port), greeting)
            else:
                self._tunnel(host, int(port))
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        try:
            self.connection = service._tls.wrap_socket(self.connection, server_side=True)
        except (OSError, ssl.SSLError):
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.inside = host
        self.close_connection = False
        while not self.close_connection:
            self.handle_one_request()

    def _tunnel(self, host: str, port: int, greeting: str = "", late: Callable[[], float] = lambda: 0.0) -> None:
        """Lead the client there. With a greeting, say that and leave it to the other side to answer the CONNECT."""
        self.close_connection = True
        try:
            other = socket.create_connection((host, port), timeout=20)
        except OSError:
            self.send_error(502)
            return
        with other:
            other.settimeout(None)
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if greeting:
                other.sendall(greeting.encode())
            else:
                self.send_response(200, "Connection established")
                self.end_headers()
            _relay(self.connection, other, late)

    def _answer(self) -> None:
        with self.server.service.in_progress():
            self._answer_now()

    def _answer_now(self) -> None:
        service = self.server.service
        started = time.monotonic()
        target = self.path
        host = self.inside or self.headers.get("Host", "").split(":")[0]
        if target.startswith("http://"):
            parts = urlsplit(target)
            host, target = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = Request(service, self.command, host, target, self.headers, self._body())
        if not service.answers_for(host):
            self._send(Response(502, f"the stand-in does not answer for {host}"))
            return
        rule = service.faults.meet(request.method, host, request.path)
        if host == login.IMDS_HOST and service.login.managed_identity == "absent":
            time.sleep(rule.seconds if rule else 0)  # as where a proxy or a firewall swallows the address
            self._break(request, started, rule)
            return
        if service.latency:
            time.sleep(service.latency)
        response = self._with_fault(request, rule)
        if response is None:
            self._break(request, started, rule)
            return
        time.sleep(response.delay)
        self._record(request, response.status, started, rule)
        self._send(response)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def _with_fault(self, request: Request, rule: Rule | None) -> Response | None:
        """The answer to a request that meets with a fault; None: break the connection."""
        service = self.server.service
        place = request.host + request.path
        if service.faults.is_hidden(request.method, place):
            return ServiceError(404, "ResourceNotFound", f"The Resource '{request.path}' was not found.").response()
        if rule is None:
            return service.handle(request)
        if rule.kind == "404-after-create":
            service.faults.hide(place)
            return service.handle(request)
        if rule.kind == "slow":
            answer = service.handle(request)
            time.sleep(rule.seconds)
            return answer
        if rule.kind == "reset":
            return None
        if rule.kind == "truncated":
            answer = service.handle(request)
            data, media_type = answer.payload()
            headers = {**answer.headers, "Content-Type": media_type} if media_type else answer.headers
            return replace(answer, body=data[: len(data) // 2], headers=headers)
        if rule.kind in ("reset-after", "crash-after"):
            service.handle(request)
            if rule.action:
                rule.action()
            return None
        return _faulty(request, rule)

    def _body(self) -> bytes:
        _acknowledge_at_once(self.connection)
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, response: Response) -> None:
        data, media_type = response.payload()
        self.send_response(response.status)
        length = str(len(data))
        for name, value in response.headers.items():
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in ("content-type", "date", "server"):
                self.send_header(name, value)
        if media_type:
            self.send_header("Content-Type", media_type)
        if response.status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(data)

    def _break(self, request: Request, started: float, rule: Rule | None) -> None:
        """Reset the connection: close with SO_LINGER 0 sends RST."""
        self._record(request, 0, started, rule)
        self.close_connection = True
        with contextlib.suppress(OSError):
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            # detach, because the streams on a socket keep it open
            socket.socket(fileno=self.connection.detach()).close()

    def _record(self, request: Request, status: int, started: float, rule: Rule | None) -> None:
        body: Any = None
        if request.body and request.host != storage.HOST:
            try:
                body = json.loads(request.body)
            except ValueError:
                body = "(not JSON)"  # a form with a secret, say: not for a log
        call = Call(
            started,
            time.monotonic() - started,
            request.method,
            request.host,
            request.path,
            {k: v for k, v in request.query.items() if k not in ("sig", "token")},
            body,
            status,
            rule.kind if rule else None,
            request.headers.get("User-Agent", ""),
        )
        self.server.service.record(call)


def _faulty(request: Request, rule: Rule) -> Response:
    """An error in the shape of the service that was asked."""
    if rule.kind == "401-expired":
        error = login.expired_token()
    elif rule.kind == "429":
        error = ServiceError(429, "TooManyRequests", "The request is being throttled.")
    elif rule.kind == "503":
        error = ServiceError(503, "ServerTimeout", "The service is temporarily unavailable, retry later.")
    else:
        error = ServiceError(500, "InternalServerError", "An internal error occurred. Please retry.")
    if rule.kind in ("429", "503"):
        error.headers["Retry-After"] = f"{rule.seconds:g}"
    if request.host == storage.HOST:
        codes = {"429": "TooManyRequests", "503": "ServerBusy", "500": "InternalError"}
        code = codes.get(rule.kind, "InvalidAuthenticationInfo")
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{error.message}</Message></Error>'
        headers = {**error.headers, "x-ms-error-code": code, "Content-Type": "application/xml"}
        return Response(error.status, text.encode(), headers)
    if request.host == login.LOGIN_HOST:
        body = {"error": "temporarily_unavailable", "error_description": f"AADSTS90033: {error.message}"}
        return Response(error.status, body, error.headers)
    return error.response()
