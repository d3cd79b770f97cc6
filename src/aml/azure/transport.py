"""The connections of all clients of a verb: certificates, proxies, answers that are cut short, blobs."""

import functools
import json
import re
import ssl
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import requests
import urllib3
from azure.core.pipeline.transport import RequestsTransport
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from aml.errors import ServiceError, UserError

TIMEOUT = 60  # seconds without an answer
CONNECTIONS = 32
CUT_SHORT = "its answer was cut short"
RETRYABLE = (408, 429, 500, 502, 503, 504)
# For storage, in place of azure-storage-blob's own policy, which does not try again after 429. Nothing "other" is tried
# again: a certificate that is not trusted now will not be.
STORAGE_RETRIES = urllib3.Retry(
    5, status_forcelist=RETRYABLE, allowed_methods=None, backoff_factor=0.5, raise_on_status=False, redirect=0, other=0
)
_loading = threading.Lock()


def transport(adapter: requests.adapters.BaseAdapter) -> RequestsTransport:
    """azure-core's transport over an adapter of requests: one for all clients of a verb."""
    session = requests.Session()
    session.mount("https://", adapter)
    return RequestsTransport(session=session, session_owner=False, connection_timeout=TIMEOUT, read_timeout=TIMEOUT)


class Adapter(requests.adapters.HTTPAdapter):
    """As many connections as there are threads, and one TLS context for all of them.

    requests reads the file of certificates once for each connection, which takes 0.06 s of processor time.
    """

    def __init__(self, retries: urllib3.Retry | int = 0) -> None:
        super().__init__(pool_maxsize=CONNECTIONS, max_retries=retries)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What requests keeps connections apart by: with our TLS context in place of its file of certificates."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify:
            authorities = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
            pool = {key: value for key, value in pool.items() if key not in ("ca_certs", "ca_cert_dir")}
            with _loading:
                pool["ssl_context"] = _tls_context(str(authorities))
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: the TLS context has the certificates."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """The answer, if it is whole.

        Raises ServiceError where a certificate is not trusted: no retry policy should try that again.
        """
        try:
            response = super().send(request, *args, **options)
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise
            raise unreachable(str(request.url), error) from error
        if "json" in response.headers.get("Content-Type", "") and ".blob." not in str(request.url) and response.content:
            try:
                json.loads(response.content)
            except ValueError:  # azure-core tries again after this error what may be tried again
                broken = urllib3.exceptions.ProtocolError(CUT_SHORT)
                raise requests.exceptions.ConnectionError(broken, request=request) from None
        return response

    def put(self, address: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        """Put a blob; returns the status, and the service's word for an error. Raises ServiceError for no answer.

        azure-storage-blob and requests take six times the processor time for it.
        """
        parts = urllib.parse.urlsplit(address)
        pool, target = self._pool(f"{parts.scheme}://{parts.netloc}/"), f"{parts.path}?{parts.query}"
        try:
            answer = pool.urlopen("PUT", target, body, headers, self.max_retries, timeout=TIMEOUT)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(address, error) from error
        return answer.status, answer.headers.get("x-ms-error-code") or str(answer.reason)

    @functools.cache  # noqa: B019  # an adapter lives as long as the verb
    def _pool(self, address: str) -> urllib3.HTTPConnectionPool:
        """The connections to a host, through the proxy and with the certificates of the environment."""
        with requests.Session() as session:
            settings = session.merge_environment_settings(address, {}, None, None, None)
        request = requests.Request("PUT", address).prepare()
        return self.get_connection_with_tls_context(request, settings["verify"], settings["proxies"])


def cause(error: BaseException) -> str:
    """What happened at the socket, without the layers of requests and urllib3 around it."""
    inner = (getattr(error, "inner_exception", None), getattr(error, "reason", None), *reversed(error.args))
    for one in (*inner, error.__cause__):
        if isinstance(one, Exception):
            return cause(one)
    return re.sub("^HTTPSConnection.*?: ", "", str(error)) or type(error).__name__


def unreachable(address: str, error: Exception) -> ServiceError:
    """That the host of an address did not answer, and why."""
    host, why = urllib.parse.urlsplit(address).netloc, cause(error)
    if "CERTIFICATE_VERIFY_FAILED" in why:
        why = "its certificate is not trusted here (REQUESTS_CA_BUNDLE names others)"
    if why == CUT_SHORT:
        return ServiceError(f"{host}: {why}: run it again", 0, "Truncated")
    return ServiceError(f"{host} cannot be reached: {why}", 0, "Unreachable")


@functools.cache
def _tls_context(authorities: str) -> ssl.SSLContext:
    """A context that trusts the certificates in a file or folder."""
    context = urllib3.util.ssl_.create_urllib3_context()
    path = Path(authorities)
    try:
        context.load_verify_locations(*((None, authorities) if path.is_dir() else (authorities,)))
    except OSError as error:
        raise UserError(f"{authorities}: no certificates ({error.strerror}): REQUESTS_CA_BUNDLE names it") from error
    return context
