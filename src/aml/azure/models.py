"""Registered models of the workspace."""

import contextlib
import functools
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aml.azure import assets, blobs, runs, sdk
from aml.azure.workspace_client import WorkspaceClient
from aml.errors import UserError
from aml.gate import (
    CHAMPION,
    COMPARISON,
    RESERVED,
    VERDICT,
    Gate,
    Registration,
    Verdict,
    Version,
    find_champion,
    user_tags,
)
from aml.run import MLMODEL
from aml.uris import shorten_datastore_path

ORIGIN = "aml.copied_from"  # property of a version that was copied here: its id in its own workspace
OF_CHAMPION = (CHAMPION, COMPARISON)  # how properties begin that tell what a version was compared with
STORED = "azureml://datastores/<datastore>/paths/<path>"  # a model, in a dry run
TYPES = ("custom_model", "mlflow_model", "triton_model")


def register(
    client: WorkspaceClient,
    name: str,
    source: Callable[[], tuple[str, str]],
    tags: dict[str, str],
    properties: dict[str, str],
    gate: Gate,
) -> Registration:
    """Register in the workspace what `source` gives the address and the type of, if the gate lets it through.

    The run and path among the properties make one version, with its tags brought up to date. When somebody else
    registers a version meanwhile, the model is judged again: against that version, if it is the champion now.
    """

    def make(version: str) -> Registration:
        versions = assets.versions(client, "models", name)
        for found in versions:
            known_tags, known = found["properties"]["tags"] or {}, found["properties"]["properties"] or {}
            if all(known.get(key) == properties[key] for key in ("aml.run", "aml.path")):
                given = {key: value for key, value in properties.items() if not key.startswith(RESERVED)}
                if changed := [key for key in given if known.get(key) != given[key]]:
                    raise UserError(f"model {name} version {found['name']} has other properties: {', '.join(changed)}")
                if tags.items() - known_tags.items():
                    set_tags(client, name, found, {**known_tags, **tags})
                return Registration(str(found["name"]), False, Verdict.from_tags(known))
        verdict = gate(find_champion(map(version_of, versions)))
        if not verdict.may_register:
            return Registration(None, True, verdict)
        path, kind = source()
        kept = properties | verdict.to_tags()
        _put(client, name=name, version=version, path=path, type=kind, tags=tags, properties=kept)
        return Registration(version, True, verdict)

    return assets.create(client, "models", name, make)


def _put(client: WorkspaceClient, **parts: Any) -> None:
    """Make a version of what azure-ai-ml's Model takes."""
    ml = sdk.ml_client(client)
    from azure.ai.ml.entities import Model

    with sdk.translate_azure_errors(client):
        ml.models.create_or_update(Model(**parts))


def copy(source: WorkspaceClient, name: str, version: str, target: WorkspaceClient) -> str:
    """Copy a version into another workspace, unless it is there; returns its number there.

    It keeps its metrics and the verdict of the gate, but not the champion that it was compared with, which is none of
    that workspace's. The property ORIGIN says where it came from.
    """
    found = source.get(f"/models/{name}/versions/{version}")["properties"]
    origin = f"azureml:/{source.scope}/models/{name}/versions/{version}"
    own = {key: value for key, value in (found.get("properties") or {}).items() if not key.startswith(OF_CHAMPION)}

    def make(number: str) -> str:
        for there in assets.versions(target, "models", name):
            if version_of(there).kept.get(ORIGIN) == origin:
                return str(there["name"])
        parts = {"name": name, "version": number, "type": found.get("modelType"), "properties": {**own, ORIGIN: origin}}
        with tempfile.TemporaryDirectory(prefix="aml-model-") as folder:
            model = download(source, name, version, Path(folder))
            path = STORED if source.dry_run else blobs.upload(target, model)
        tags = user_tags(found.get("tags") or {})
        _put(target, path=path, tags=tags, description=found.get("description"), **parts)
        return number

    return assets.create(target, "models", name, make)


class Registry:
    """A registry, to share models in. Raises UserError when it is not there."""

    def __init__(self, client: WorkspaceClient, name: str) -> None:
        self._client = client
        self._role = f"AzureML Registry User of registry {name}"
        with sdk.translate_azure_errors(client, self._role):
            self._ml = sdk.ml_client(client, name)  # which looks it up

    def share(self, name: str, version: str) -> bool:
        """Share a version of the workspace, under the same name and number; False when the registry has one already.

        It does what models.share of azure-ai-ml 1.35 does, which takes no transport: a dry run would be sent.
        """
        from azure.ai.ml.entities import WorkspaceModelReference
        from azure.core.exceptions import ResourceNotFoundError

        workspace = self._client.workspace
        place = f"locations/{workspace['location']}/workspaces/{workspace['properties']['workspaceId']}"
        asset = f"azureml://{place}/models/{name}/versions/{version}"
        with sdk.translate_azure_errors(self._client, self._role):
            try:
                self._ml.models.get(name, version)
            except ResourceNotFoundError:
                not_made = (ResourceNotFoundError,) if self._client.dry_run else ()
                with contextlib.suppress(*not_made):
                    reference = WorkspaceModelReference(name=name, version=version, asset_id=asset)
                    self._ml.models.create_or_update(reference)
                return True
        return False


class WorkspaceVersions:
    """The versions of a model of the workspace, to promote one: Versions of aml.promotion."""

    def __init__(self, client: WorkspaceClient, name: str) -> None:
        self._client = client
        self._name = name
        self._resources: list[Any] = []

    def read(self) -> list[Version]:
        """All of them, the newest first."""
        self._resources = assets.versions(self._client, "models", self._name)
        return [version_of(one) for one in self._resources]

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        """Give a version that was read these tags in the place of its own."""
        resource = next(one for one in self._resources if str(one["name"]) == version.name)
        set_tags(self._client, self._name, resource, tags)
        if self._client.dry_run:
            resource["properties"]["tags"] = dict(tags)
            self._pretend()

    def pretend(self, version: str | None) -> None:
        """Let a dry run find one version, which passed the gate and never was promoted."""
        properties = {"modelUri": STORED, "tags": {}, "properties": {VERDICT: "passed"}}
        self._resources = [{"name": version or "<newest that passed>", "properties": properties}]
        self._pretend()

    def _pretend(self) -> None:
        if self._client.printer:
            path = f"{self._client.scope}/models/{self._name}/versions"
            self._client.printer.pretend(path, {"value": self._resources})


def version_of(resource: Any) -> Version:
    """A version of a model as the gate sees it."""
    properties = resource["properties"]
    return Version(str(resource["name"]), properties.get("properties") or {}, properties.get("tags") or {})


def set_tags(client: WorkspaceClient, name: str, resource: Any, tags: Mapping[str, str]) -> None:
    """Give a version, as it was read, these tags in the place of its own. All else is sent as it came."""
    own = {key: value for key, value in resource["properties"].items() if key != "provisioningState"}
    client.send("PUT", f"/models/{name}/versions/{resource['name']}", {"properties": {**own, "tags": dict(tags)}})


def download(client: WorkspaceClient, name: str, version: str, folder: Path) -> Path:
    """Download a registered model, as a file or folder of its own name in `folder`, which is returned.

    Raises UserError when nothing is there.
    """
    uri = str(client.get(f"/models/{name}/versions/{version}")["properties"]["modelUri"])
    found = re.fullmatch(r"azureml://.*?datastores/([^/]+)/paths/(.*?)/?", uri)
    if not found:
        raise UserError(f"model {name}:{version}: {uri} is on no datastore of the workspace")
    files = blobs.datastore(client, found[1]).download(found[2], folder, own_name=True)
    if not files and not client.dry_run:
        raise UserError(f"model {name}:{version}: there is nothing at {shorten_datastore_path(uri)}")
    return folder / found[2].rpartition("/")[2]


@functools.cache  # what has finished stays as it is
def _finished_job(client: WorkspaceClient, run_id: str) -> Any:
    """The properties of a job that finished. Raises UserError for any other one."""
    found = runs.require_job(client, run_id)
    status = found["properties"].get("status")
    if status != "Completed":
        raise UserError(
            f"run {run_id} is {status}: only what finished can be registered; aml runs --azure show {run_id}"
        )
    return found["properties"]


@functools.cache
def _artifacts(client: WorkspaceClient, run_id: str) -> list[str]:
    return runs.artifacts(client, _finished_job(client, run_id)["experimentName"], run_id)


def fetch_file(client: WorkspaceClient, run_id: str, path: str, folder: Path) -> Path | None:
    """Download the file that a job left at that path of outputs/ into the folder; None when it left none."""
    if path not in _artifacts(client, run_id):
        return None
    place = f"ExperimentRun/dcid.{run_id}/{path}"  # as blobs.download_run has it
    blobs.datastore(client, blobs.ARTIFACTS).download(place, folder, own_name=True)
    return folder / path.rpartition("/")[2]


def job_outputs(client: WorkspaceClient, run_id: str) -> list[str]:
    """The paths of the files that a job left in outputs/. Raises UserError for a job that did not finish."""
    return [file for file in _artifacts(client, run_id) if file.startswith("outputs/")]


def job_output(client: WorkspaceClient, run_id: str, asset_path: str) -> tuple[str, str]:
    """The address of what a job made, and which type of model it is. Raises UserError.

    The path is one in outputs/, or in a named output as named-outputs/NAME/PATH.
    """
    job = _finished_job(client, run_id)
    output, path = "artifacts", asset_path
    if asset_path.startswith("named-outputs/"):
        output, _, path = asset_path.removeprefix("named-outputs/").partition("/")
        kind = (job.get("outputs") or {}).get(output, {}).get("jobOutputType", "")
    else:  # of a folder that MLflow wrote
        files = _artifacts(client, run_id)
        has_flavour = f"{path.rstrip('/')}/{MLMODEL}" in files
        kind = "mlflow_model" if has_flavour else ""
    return f"azureml://jobs/{run_id}/outputs/{output}/paths/{path}", kind if kind in TYPES else "custom_model"
