"""Blobs of a datastore: folders go up and come down, many files at a time, and go on where they were cut off."""

import datetime
import hashlib
import os
import re
import sys
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aml.azure.sdk import translate_azure_errors
from aml.azure.transport import CONNECTIONS, transport
from aml.azure.workspace_client import WorkspaceClient, explain_storage
from aml.console import say
from aml.errors import UserError
from aml.files import inside, is_of_git
from aml.jobfile import snapshot
from aml.jobfile.names import RULES

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobClient, ContainerClient

THREADS = CONNECTIONS  # each waits for the line most of the time; azure-ai-ml uses 2 for each core
BLOCK = 8 * 2**20  # bytes; a larger file goes up in blocks of this size
DEFAULT = "workspaceblobstore"  # where it keeps named outputs
ARTIFACTS = "workspaceartifactstore"  # where the service keeps what runs leave


VERSION = "2021-12-02"  # of the REST interface of storage, for Put Blob
KEPT = datetime.timedelta(days=1)  # how long a signature that is made here is valid


class Container:
    """The blob container at `url`; `credential` is a shared access signature, who you are, or None."""

    def __init__(
        self, client: WorkspaceClient, url: str, credential: "str | TokenCredential | None", datastore: str = ""
    ) -> None:
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
                steps += self._upload_steps(container.get_blob_client(name), path)
            _perform("uploading", steps, total)
            for name, path in missing.items():
                if path.stat().st_size > BLOCK:
                    blocks = [BlobBlock(block_id=block) for block in _blocks(path)]
                    container.get_blob_client(name).commit_block_list(blocks)
        return total

    def download(self, prefix: str, folder: Path, *, own_name: bool = False) -> list[Path]:
        """Download what is below `prefix` into `folder`; returns the files. Those of the right size are not fetched.

        With `own_name`, the prefix is one file, or one folder, which keeps its name.
        Raises UserError, before anything is written, for names that lead out of the folder. What git would take for
        its own is left out, for git runs the hooks that are in there.
        """
        with translate_azure_errors(self.client), self._open() as container:
            blobs = {blob.name: blob.size for blob in container.list_blobs(prefix)}
            if own_name:
                blobs = {name: size for name, size in blobs.items() if f"{name}/".startswith(f"{prefix}/")}
                prefix = prefix[: prefix.rfind("/") + 1]
            if of_git := [name for name in blobs if is_of_git(name.removeprefix(prefix))]:
                say(f"left out: {len(of_git)} files of git's own, such as {of_git[0].removeprefix(prefix)!r}")
            files = {name: inside(folder, name.removeprefix(prefix)) for name in blobs if name not in of_git}
            missing = [name for name, path in files.items() if not path.is_file() or path.stat().st_size != blobs[name]]
            steps = [partial(_get, container.get_blob_client(name), files[name], blobs[name]) for name in missing]
            _perform("downloading", steps, sum(blobs[name] for name in missing))
        return sorted(files.values())

    def _open(self) -> "ContainerClient":
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_container_url(
            self.url,
            credential=self._credential,
            retry_total=0,
            transport=transport(self.client.storage),
        )

    def _upload_steps(self, blob: "BlobClient", path: Path) -> list[Callable[[], int]]:
        """One step for a small file; one for each block of a large one that the service does not hold yet."""
        if path.stat().st_size <= BLOCK:
            return [partial(self._put, blob.blob_name, path)]
        from azure.core.exceptions import ResourceNotFoundError

        try:
            held = {block.id for block in blob.get_block_list("uncommitted")[1]}
        except ResourceNotFoundError:
            held = set()
        blocks = _blocks(path)
        return [partial(_put_block, blob, path, name, start) for name, start in blocks.items() if name not in held]

    def _put(self, name: str, path: Path) -> int:
        """Put a blob (learn.microsoft.com/rest/api/storageservices/put-blob), with a new token if one is refused."""
        content = path.read_bytes()
        signature = f"?{self._credential}" if isinstance(self._credential, str) else ""
        address = f"{self.url}/{urllib.parse.quote(name)}{signature}"
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": VERSION, "Content-Type": "application/octet-stream"}
        for _ in range(2):
            if self._credential and not signature:
                token = self.client.credential.get_token("https://storage.azure.com/.default").token
                headers["Authorization"] = f"Bearer {token}"
            status, code = self.client.storage.put(address, headers, content)
            if status != 401 or signature:
                break
            self.client.credential.forget()
        if status >= 400:
            raise explain_storage(urllib.parse.urlsplit(self.url).netloc, status, code)
        return len(content)


def datastore(client: WorkspaceClient, name: str | None = None) -> Container:
    """The container of a datastore; of the workspace's default one for None."""
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

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
        key, credential = secrets.get("key"), secrets.get("sasToken")
        if key:
            credential = generate_container_sas(
                properties["accountName"],
                container,
                account_key=key,
                permission=ContainerSasPermissions(read=True, write=True, create=True, list=True),
                expiry=datetime.datetime.now(datetime.UTC) + KEPT,
            )
    return Container(client, url, credential, found["name"])


def download_run(client: WorkspaceClient, run_id: str, folder: Path) -> list[Path]:
    """What a run left, as it would lie here: outputs/, user_logs/ and pictures, and its named outputs.

    Raises UserError when there is nothing. jobs.download of azure-ai-ml 1.35 fails on named outputs that are models.
    """
    RULES["run"].require(run_id, "run")
    found = client.find(f"/jobs/{run_id}")
    sources = [(ARTIFACTS, f"ExperimentRun/dcid.{run_id}/", folder)]
    for name, output in ((found or {}).get("properties", {}).get("outputs") or {}).items():
        address = output.get("uri") or f"azureml://datastores/{DEFAULT}/paths/azureml/{run_id}/{name}/"
        location = re.fullmatch(r"azureml://.*?datastores/([^/]+)/paths/(.*)", address.replace("${{name}}", run_id))
        if name != "default" and location:
            RULES["input"].require(name, f"run {run_id}: named output")
            sources.append((location[1], location[2].rstrip("/") + "/", inside(folder, f"named-outputs/{name}")))
    files = [file for store, prefix, below in sources for file in datastore(client, store).download(prefix, below)]
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


def _blocks(path: Path) -> dict[str, int]:
    """The blocks of a large file: id, and where in the file it begins."""
    return {f"{start:015}": start for start in range(0, path.stat().st_size, BLOCK)}


def _put_block(blob: "BlobClient", path: Path, name: str, start: int) -> int:
    with path.open("rb") as stream:
        stream.seek(start)
        part = stream.read(BLOCK)
    blob.stage_block(name, part)
    return len(part)


def _get(blob: "BlobClient", path: Path, size: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as stream:
        written = blob.download_blob().readinto(stream)
    if written != size:
        raise UserError(f"{path.name}: {written} of {size} bytes came: run it again")
    unfinished.replace(path)
    return size
