"""Blobs of a datastore: folders go up and come down, many files at a time, and go on where they were cut off."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aml.azure.sdk import translate_azure_errors
from aml.azure.workspace_client import CONNECTIONS, WorkspaceClient
from aml.errors import UserError
from aml.jobfile import snapshot

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

THREADS = CONNECTIONS  # each waits for the line most of the time; azure-ai-ml uses 2 for each core
BLOCK = 8 * 2**20  # bytes; a larger file goes up in blocks of this size
DEFAULT = "workspaceblobstore"  # where it keeps named outputs
ARTIFACTS = "workspaceartifactstore"  # where the service keeps what runs leave


class Container:
    """The blob container at `url`; `credential` is an account key, a signature, or who you are."""

    def __init__(self, client: WorkspaceClient, url: str, credential: Any, datastore: str = "") -> None:
        self.client = client
        self.url = url
        self.datastore = datastore
        self._credential = credential

    def upload(self, files: dict[str, Path]) -> int:
        """Upload `files`, blob name to path, and return how many bytes that took.

        A blob of the same size that is there already is not sent again, so names should depend on the content.
        """
        from azure.storage.blob import BlobBlock

        with translate_azure_errors(self.client), self._open() as container:
            prefix = os.path.commonprefix(list(files))  # noqa: RUF071  # of names of blobs, which have no folders
            there = {blob.name: blob.size for blob in container.list_blobs(prefix)}
            missing = {name: path for name, path in files.items() if there.get(name) != path.stat().st_size}
            total = sum(path.stat().st_size for path in missing.values())
            steps: list[Callable[[], int]] = []
            for name, path in missing.items():
                steps += _upload_steps(container.get_blob_client(name), path)
            _perform("uploading", steps, total)
            for name, path in missing.items():
                if path.stat().st_size > BLOCK:
                    blocks = [BlobBlock(block_id=block) for block in _blocks(path)]
                    container.get_blob_client(name).commit_block_list(blocks)
        return total

    def download(self, prefix: str, folder: Path) -> list[Path]:
        """Download what is below `prefix` into `folder`; returns the files. Those of the right size are not fetched."""
        with translate_azure_errors(self.client), self._open() as container:
            blobs = {blob.name: blob.size for blob in container.list_blobs(prefix)}
            files = {name: folder / name.removeprefix(prefix) for name in blobs}
            if any(not path.resolve().is_relative_to(folder.resolve()) for path in files.values()):
                raise UserError(f"{prefix}: has names that lead out of {folder}")
            missing = [name for name, path in files.items() if not path.is_file() or path.stat().st_size != blobs[name]]
            steps = [partial(_get, container.get_blob_client(name), files[name]) for name in missing]
            _perform("downloading", steps, sum(blobs[name] for name in missing))
        return sorted(files.values())

    def _open(self) -> "ContainerClient":
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_container_url(
            self.url,
            credential=self._credential,
            max_single_put_size=BLOCK,
            initial_backoff=1,  # 15 s by default
            retry_total=5,
            transport=self.client.transport,
        )


def datastore(client: WorkspaceClient, name: str | None = None) -> Container:
    """The container of a datastore; of the workspace's default one for None."""
    if name:
        found = {"name": name, **client.get(f"/datastores/{name}")}
    else:
        found = client.get("/datastores", isDefault="true")["value"][0]
    properties = found["properties"]
    container = properties.get("containerName") or properties["filesystem"]  # the latter of Data Lake Gen2
    url = f"https://{properties['accountName']}.blob.{properties['endpoint']}/{container}"
    credential: Any = client.credential
    if properties["credentials"]["credentialsType"] != "None":
        secrets = client.send("POST", f"/datastores/{found['name']}/listSecrets")
        credential = secrets.get("key") or secrets.get("sasToken")
    return Container(client, url, credential, found["name"])


def download_run(client: WorkspaceClient, run_id: str, folder: Path) -> list[Path]:
    """What a run left, as it would lie here: outputs/, user_logs/ and pictures, and its named outputs.

    Raises UserError when there is nothing. jobs.download of azure-ai-ml 1.35 fails on named outputs that are models.
    """
    files = datastore(client, ARTIFACTS).download(f"ExperimentRun/dcid.{run_id}/", folder)
    found = client.find(f"/jobs/{run_id}")
    for name, output in ((found or {}).get("properties", {}).get("outputs") or {}).items():
        address = output.get("uri") or f"azureml://datastores/{DEFAULT}/paths/azureml/{run_id}/{name}/"
        location = re.fullmatch(r"azureml://.*?datastores/([^/]+)/paths/(.*)", address.replace("${{name}}", run_id))
        if name != "default" and location:
            files += datastore(client, location[1]).download(
                location[2].rstrip("/") + "/", folder / "named-outputs" / name
            )
    if not files:
        raise UserError(f"run {run_id}: nothing to download from workspace {client.name}; aml runs --azure lists runs")
    return files


def content(path: Path) -> tuple[dict[str, Path], str]:
    """The files of a folder that travel, or the one file, by the name that they keep; and a hash of all that."""
    names = {str(file.as_posix()): path / file for file in snapshot.files(path)} if path.is_dir() else {path.name: path}
    if not names:
        raise UserError(f"{path}: has no file that travels")
    whole = hashlib.sha256()
    for name, file in sorted(names.items()):
        with file.open("rb") as stream:
            digest = hashlib.sha256()
            while part := stream.read(2**20):
                digest.update(part)
        whole.update(f"{name}\0{digest.hexdigest()}\n".encode())
    return names, whole.hexdigest()


def destination(client: WorkspaceClient, path: Path) -> tuple[str, Callable[[], int]]:
    """The address on the default datastore for a file or folder, and a function that uploads it there.

    The address follows from the content, as azure-ai-ml's does, so the same content is one upload.
    """
    files, digest = content(path)
    container = datastore(client)
    prefix = f"LocalUpload/{digest}" + (f"/{path.name}" if path.is_dir() else "")
    upload = partial(container.upload, {f"{prefix}/{name}": file for name, file in files.items()})
    end = "/" if path.is_dir() else f"/{path.name}"
    return f"azureml://datastores/{container.datastore}/paths/{prefix}{end}", upload


def upload(client: WorkspaceClient, path: Path) -> str:
    """Upload a file or folder to the default datastore; returns its address there."""
    address, send = destination(client, path)
    send()
    return address


def _perform(what: str, steps: Sequence[Callable[[], int]], total: int) -> None:
    """Take all steps, each of which returns how many bytes it moved, with a progress bar on a terminal."""
    from tqdm import tqdm

    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(total=total, unit="B", unit_scale=True, desc=what, disable=not (total and sys.stderr.isatty())) as bar,
    ):
        futures = [pool.submit(step) for step in steps]
        try:
            for future in as_completed(futures):
                bar.update(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _upload_steps(blob: "BlobClient", path: Path) -> list[Callable[[], int]]:
    """One step for a small file; one for each block of a large one that the service does not hold yet."""
    if path.stat().st_size <= BLOCK:
        return [partial(_put, blob, path)]
    from azure.core.exceptions import ResourceNotFoundError

    try:
        held = {block.id for block in blob.get_block_list("uncommitted")[1]}
    except ResourceNotFoundError:
        held = set()
    return [partial(_put_block, blob, path, name, start) for name, start in _blocks(path).items() if name not in held]


def _blocks(path: Path) -> dict[str, int]:
    """The blocks of a large file: id, and where in the file it begins."""
    return {f"{start:015}": start for start in range(0, path.stat().st_size, BLOCK)}


def _put(blob: "BlobClient", path: Path) -> int:
    with path.open("rb") as stream:
        blob.upload_blob(stream, overwrite=True, length=path.stat().st_size)
    return path.stat().st_size


def _put_block(blob: "BlobClient", path: Path, name: str, start: int) -> int:
    with path.open("rb") as stream:
        stream.seek(start)
        part = stream.read(BLOCK)
    blob.stage_block(name, part)
    return len(part)


def _get(blob: "BlobClient", path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as stream:
        size = blob.download_blob().readinto(stream)
    unfinished.replace(path)
    return size
