"""azure-ai-ml: its client of the workspace, its errors in a line or two, and its notices left out."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aml.azure.workspace_client import DATA_SCIENTIST, WorkspaceClient, explain, log, sentence
from aml.errors import UserError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def client(service: WorkspaceClient) -> "MLClient":
    """azure-ai-ml's client. Its import takes two seconds."""
    if not log.isEnabledFor(logging.DEBUG):
        warnings.simplefilter("ignore")
    from azure.ai.ml import MLClient

    return MLClient(
        service.credential,
        service.settings["subscription_id"],
        service.settings["resource_group"],
        service.settings["workspace_name"],
        show_progress=False,
        enable_telemetry=False,
        transport=service.transport,
    )


@contextlib.contextmanager
def translate_azure_errors(service: WorkspaceClient, role: str = DATA_SCIENTIST) -> Iterator[None]:
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
