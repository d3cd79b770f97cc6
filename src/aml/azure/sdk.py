"""azure-ai-ml: its client of the workspace, its errors in a line or two, and its notices left out."""

import contextlib
import logging
import urllib.parse
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aml.azure.workspace_client import DATA_SCIENTIST_ROLE, WorkspaceClient, explain, explain_storage, log, sentence
from aml.errors import UserError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def ml_client(client: WorkspaceClient) -> "MLClient":
    """azure-ai-ml's client. Its import takes two seconds."""
    if not log.isEnabledFor(logging.DEBUG):
        warnings.simplefilter("ignore")
    from azure.ai.ml import MLClient

    return MLClient(
        client.credential,
        client.settings["subscription_id"],
        client.settings["resource_group"],
        client.settings["workspace_name"],
        show_progress=False,
        enable_telemetry=False,
        transport=client.transport,
    )


@contextlib.contextmanager
def translate_azure_errors(client: WorkspaceClient, role: str = DATA_SCIENTIST_ROLE) -> Iterator[None]:
    """What azure-ai-ml and azure-storage-blob raise in here, as a UserError of one or two lines.

    `role` is the one to ask for where the service says that you may not.
    """
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError as refused:
        status, code = refused.status_code or 0, str(getattr(refused.error, "code", "") or refused.reason)
        response: Any = refused.response
        host = urllib.parse.urlsplit(response.request.url).netloc if response else ""
        if ".blob." in host:
            raise explain_storage(host, status, response.headers.get("x-ms-error-code") or code) from refused
        details = getattr(refused.error, "details", None) or []
        messages = [getattr(refused.error, "message", "") or refused.message, *(part.message or "" for part in details)]
        raise explain(status, code, messages, client, role) from refused
    except AzureError as error:  # azure-ai-ml's own are among them: a message begins with blank lines, or is a page
        raise UserError(f"workspace {client.name}: {sentence(str(error.message or error))}") from error
