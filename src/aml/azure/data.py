"""Data assets of the workspace."""

from collections.abc import Callable
from typing import Any

from aml.azure import assets
from aml.azure.workspace_client import WorkspaceClient
from aml.errors import FileError, Place
from aml.jobfile.document import Document
from aml.uris import shorten_datastore_path


def upload_nothing() -> int:
    """The upload of data that lies in Azure already."""
    return 0


def require_datastore(client: WorkspaceClient, name: str, where: Place) -> None:
    """Raise UserError, which begins with `where`, when the workspace has no datastore of this name."""
    if client.find(f"/datastores/{name}") is None and not client.dry_run:
        raise FileError(where, f"datastore {name} is not in workspace {client.name}", "aml register-datastore")


def register(
    client: WorkspaceClient,
    document: Document,
    data: dict[str, Any],
    address: str,
    upload: Callable[[], int],
    properties: dict[str, str],
) -> tuple[str, str]:
    """Upload, and register the address as the next version, with `properties`, unless the newest has it.

    Returns the version and what was done. Raises UserError, before anything is uploaded, when the version that the
    description names is another path's.
    """
    name, fixed = data["name"], data.get("version")
    tags = {key: str(value) for key, value in (data.get("tags") or {}).items() if value is not None}  # dates, numbers
    described: dict[str, Any] = {"description": data.get("description"), "tags": tags}

    def put(version: str, properties: dict[str, str]) -> None:  # not with azure-ai-ml: its import takes two seconds
        body = {"dataType": data["type"], "dataUri": address, **described}
        body |= {"properties": properties} if properties else {}
        client.send("PUT", f"/data/{name}/versions/{version}", {"properties": body})

    def is_here(found: Any) -> bool:
        return found is not None and shorten_datastore_path(found["properties"]["dataUri"]) == shorten_datastore_path(
            address
        )

    def make(found: Any, version: str) -> tuple[str, str]:
        if not is_here(found):
            put(version, properties)
            return version, "registered"
        if all((found["properties"].get(key) or {}) == (value or {}) for key, value in described.items()):
            return found["name"], "unchanged"
        put(found["name"], found["properties"].get("properties") or {})
        return found["name"], "description changed"

    if not fixed:
        upload()  # also when it is registered: that sends what is not there any more
        return assets.create(client, "data", name, lambda version: make(assets.newest(client, "data", name), version))
    found = client.find(f"/data/{name}/versions/{fixed}")
    if found and not is_here(found) and not client.dry_run:
        where = document.where("version")
        raise FileError(where, f"data {name}, version {fixed} has another path", "write another version, or none")
    upload()
    return make(found, str(fixed))
