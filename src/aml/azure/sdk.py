"""azure-ai-ml: its client of the workspace, its errors in a line or two, and its notices left out."""

import contextlib
import io
import json
import logging
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import yaml

from aml.azure.transport import unreachable
from aml.azure.workspace_client import DATA_SCIENTIST_ROLE, WorkspaceClient, explain, explain_storage, log, sentence
from aml.errors import FileError, UserError
from aml.jobfile.document import Document

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def ml_client(client: WorkspaceClient, registry: str | None = None) -> "MLClient":
    """azure-ai-ml's client of the workspace, or of a registry. Its import takes two seconds."""
    if not log.isEnabledFor(logging.DEBUG):
        warnings.simplefilter("ignore")
    from azure.ai.ml import MLClient
    from azure.ai.ml._utils._azureml_polling import AzureMLPolling
    from azure.mgmt.core.polling.arm_polling import ARMPolling

    AzureMLPolling.update_status = ARMPolling.update_status  # type: ignore[method-assign]  # its own prints a dot
    own = client.settings
    place: dict[str, Any] = {
        "subscription_id": own["subscription_id"],
        "resource_group_name": own["resource_group"],
        "workspace_name": own["workspace_name"],
    }
    return MLClient(
        client.credential,
        **({"registry_name": registry} if registry else place),
        show_progress=False,
        enable_telemetry=False,
        transport=client.transport,
    )


@contextlib.contextmanager
def translate_azure_errors(client: WorkspaceClient, role: str = DATA_SCIENTIST_ROLE) -> Iterator[None]:
    """What azure-ai-ml and azure-storage-blob raise in here, as a UserError of one or two lines.

    `role` is the one to ask for where the service says that you may not.
    """
    from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

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
    except (ServiceRequestError, ServiceResponseError) as error:
        request = getattr(error.inner_exception, "request", None)  # of requests, which knows the address
        raise unreachable(str(getattr(request, "url", "")), error) from error
    except AzureError as error:  # azure-ai-ml's own are among them: a message begins with blank lines, or is a page
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error.message or error))
        raise UserError(f"workspace {client.name}: {sentence(plain)}") from error


def load(loader: Callable[..., Any], document: Document, data: dict[str, Any]) -> Any:
    """What a loader of azure-ai-ml makes of `data`, which is the content of the document or has taken its place.

    Raises UserError with the line that it refuses. An error of Python inside of it is a refusal as well.
    """
    text = io.StringIO(yaml.safe_dump(data, allow_unicode=True))
    try:
        return loader(text, relative_origin=str(document.path))
    except Exception as refusal:
        keys, message = _reason(str(refusal))
        raise FileError(document.where(*keys), f"azure-ai-ml refuses {'.'.join(keys) or 'it'}: {message}") from refusal


def _reason(text: str) -> tuple[list[str], str]:
    """The keys and the first reason of a refusal, which azure-ai-ml writes as JSON into a text of many lines."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    except ValueError:
        return [], sentence(text)
    keys: list[str] = []
    if errors := found.get("errors") if isinstance(found, dict) else None:
        keys = [key for key in str(errors[0].get("path")).split(".") if key != "*"]
        inner = str(errors[0].get("message"))
        return (keys, sentence(inner)) if "{" not in inner else _reason(inner)
    while isinstance(found, dict | list) and found:
        if isinstance(found, list):
            found = found[0]
        else:
            key, found = next(iter(found.items()))
            keys += [key] if key not in ("_schema", "value") and not key.isdigit() else []
    return keys, sentence(re.sub(r"\s+", " ", str(found)))
