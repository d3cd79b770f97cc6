"""Code in the workspace: a snapshot of a folder, which its content names, so that the same code goes up once."""

from collections.abc import Callable
from pathlib import Path

from aml.azure import blobs
from aml.azure.workspace_client import WorkspaceClient
from aml.errors import ServiceError


def snapshot(client: WorkspaceClient, folder: Path) -> tuple[str, Callable[[], None]]:
    """The id of the snapshot of a folder, and a function that uploads it unless it is there: its content names it."""
    files, digest = blobs.content(folder)
    path = f"/codes/{digest[:32]}/versions/1"

    def upload() -> None:
        if client.find(path) is not None:
            return
        pending = client.send("POST", f"{path}/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"})
        reference = pending["blobReferenceForConsumption"]
        signature = reference["credential"]["sasUri"].partition("?")[2]
        blobs.Container(client, reference["blobUri"], signature).upload(
            {f"{folder.name}/{name}": file for name, file in files.items()}
        )
        properties = {"codeUri": f"{reference['blobUri']}/{folder.name}", "isAnonymous": True}
        try:
            client.send("PUT", path, {"properties": properties})
        except ServiceError as error:
            if error.status != 409:  # somebody else has just registered the same content
                raise

    return client.scope + path, upload
