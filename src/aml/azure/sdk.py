"""azure-ai-ml: its client of the workspace, its errors in a line or two, and its notices left out."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aml.azure import dry_run
from aml.azure.workspace_client import TO_TRAIN, WorkspaceClient, explain, log, sentence
from aml.errors import UserError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def client(service: WorkspaceClient) -> "MLClient":
    """azure-ai-ml's client. Its import takes two seconds."""
    if not log.isEnabledFor(logging.DEBUG):
        warnings.simplefilter("ignore")
    from azure.ai.ml import MLClient

    options: dict[str, Any] = {"show_progress": False, "enable_telemetry": False}
    if service.dry:
        options["transport"] = _dry_transport()
    return MLClient(
        service.sign_in,  # type: ignore[arg-type]
        service.settings["subscription_id"],
        service.settings["resource_group"],
        service.settings["workspace_name"],
        **options,
    )


@contextlib.contextmanager
def translate_azure_errors(service: WorkspaceClient, role: str = TO_TRAIN) -> Iterator[None]:
    """What azure-ai-ml and azure-storage-blob raise in here, as a UserError of one or two lines.

    `role` is the one to ask for where the service says that you may not.
    """
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError as refused:
        status, code = refused.status_code or 0, str(getattr(refused.error, "code", "") or refused.reason)
        message = getattr(refused.error, "message", "") or refused.message
        raise explain(status, code, message, service, role) from refused
    except AzureError as error:  # azure-ai-ml's own are among them: a message begins with blank lines, or is a page
        raise UserError(f"workspace {service.name}: {sentence(str(error.message or error))}") from error


def _dry_transport() -> Any:
    """What takes the place of the network under azure-ai-ml's clients in a dry run."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport

    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            body = json.loads(request.body) if isinstance(request.body, bytes | str) else None
            status, content = dry_run.answer(str(request.method), str(request.url), body)
            response = requests.Response()
            response.status_code, response.request, response.url = status, request, str(request.url)
            response.headers["Content-Type"] = "application/json"
            response.raw = io.BytesIO(json.dumps(content).encode())
            return response

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount("https://", Adapter())
    return RequestsTransport(session=session, session_owner=False)
