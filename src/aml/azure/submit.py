"""A job on a cluster: what it needs is looked up, its files are uploaded, and it is submitted once."""

import functools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aml.azure import assets, blobs, code, follow, runs
from aml.azure.data import require_datastore
from aml.azure.once import once
from aml.azure.sdk import load, ml_client, translate_azure_errors
from aml.azure.workspace_client import WorkspaceClient
from aml.console import say
from aml.errors import FileError, Place
from aml.jobfile.job import Job
from aml.run import new_id, write_record
from aml.uris import REGISTRY_ENVIRONMENT, REMOTE_CODE, REMOTE_URI, datastore_of, name_and_version


def submit(root: Path, client: WorkspaceClient, job: Job, record: Path | None, wait: bool) -> int:
    """Submit the job, and follow it if `wait`; returns the exit status. `record` gets what later steps need to know.

    Raises UserError, before anything is uploaded, when the job cannot run there.
    """
    with ThreadPoolExecutor(1 if client.dry_run else 8) as pool:  # meanwhile azure-ai-ml is imported
        requirements = [pool.submit(require) for require in _requirements(client, job)]
        ml = ml_client(client)
        for requirement in requirements:
            requirement.result()
    body = {"experiment_name": root.name, **job.data}
    from azure.ai.ml import load_job

    load(load_job, job.document, body)
    uploads: list[Callable[[], object]] = []
    for name in job.data_inputs():
        if not REMOTE_URI.match(str(job.at("inputs", name, "path"))):
            address, upload_data = blobs.destination(client, job.local_path("inputs", name, "path"))
            body["inputs"][name]["path"] = address
            uploads.append(upload_data)
    if job.has_remote_code:
        body["code"] = _code_id(client, body["code"])
    elif job.code:
        identifier, upload_code = code.snapshot(client, job.code)
        body["code"] = f"azureml:{identifier}"
        uploads.append(upload_code)

    def create(run_id: str) -> None:
        for upload in uploads:
            upload()
        _create(client, ml, job, {**body, "name": run_id})

    if client.dry_run:
        create(_new_name(client, job))
        return 0
    with once(root, [client.scope, body], lambda: _new_name(client, job)) as (run_id, again, forget):
        if again and runs.job(client, run_id) is not None:
            say(f"going on with run {run_id}, which this command began")
        else:
            create(run_id)
        where = str(body.get("compute", "serverless")).removeprefix("azureml:")
        if record:
            write_record(record, run_id, body["experiment_name"], where)
        say(f"run {run_id}, experiment {body['experiment_name']}, on {where}\n{client.studio(run_id)}")
        if wait:
            return follow.watch(client, run_id, lambda _: forget())
        say(f"to look at it later: aml runs --azure follow {run_id}")
        forget()
        return 0


def _requirements(client: WorkspaceClient, job: Job) -> Iterator[Callable[[], None]]:
    """A function for all that has to be in the workspace before anything is uploaded: it raises UserError otherwise."""
    if job.cluster:
        what = f"/computes/{job.cluster}", job.where("compute"), f"cluster {job.cluster}", "aml create-compute"
        yield functools.partial(_require, client, *what)
    for name in job.data_inputs():
        yield functools.partial(_find_data, client, job, name)
    for kind in ("inputs", "outputs"):
        for name in job.section(kind):
            if datastore := datastore_of(str(job.at(kind, name, "path"))):
                yield functools.partial(require_datastore, client, datastore, job.where(kind, name, "path"))
    environment = job.data.get("environment")
    if isinstance(environment, str):
        yield functools.partial(_find_environment, client, environment, job.where("environment"))


def _find_environment(client: WorkspaceClient, environment: str, where: Place) -> None:
    if curated := REGISTRY_ENVIRONMENT.fullmatch(environment):
        _require_curated(client, curated, where)
        return
    name, version = name_and_version(environment)
    path = f"/environments/{name}" + (f"/versions/{version}" if version else "")
    if environment.startswith("azureml:/"):  # the id of a resource
        path = environment.removeprefix("azureml:")
    _require(client, path, where, f"environment {name}", "`az ml environment list` has those that are")


def _require_curated(client: WorkspaceClient, environment: re.Match[str], where: Place) -> None:
    """Look an environment up in its registry, as azure-ai-ml 1.35 does (_utils/_registry_utils.py)."""
    registry, name, version = environment.groups()
    found = client.find(f"{client.data_plane}/registrymanagement/v1.0/registries/{registry}/discovery")
    if found:
        path = (
            f"{found['primaryRegionResourceProviderUri']}mferp/managementfrontend/subscriptions/{found['subscriptionId']}"
            f"/resourceGroups/{found['resourceGroup']}/providers/Microsoft.MachineLearningServices/registries/{registry}"
            f"/environments/{name}" + (f"/versions/{version}" if version else "")
        )
        found = client.find(path, **{"api-version": "2021-10-01-dataplanepreview"})
    if not found:
        listed = f"`az ml environment list --registry-name {registry}` has those that are"
        raise FileError(where, f"environment {name} is not in registry {registry}", listed)


def _find_data(client: WorkspaceClient, job: Job, name: str) -> None:
    """Let a data input name the version that there is: what was looked up is what the job gets."""
    address, where = str(job.at("inputs", name, "path")), job.where("inputs", name, "path")
    if not re.match(r"azureml:[^/]", address):
        return
    asset, version = name_and_version(address)
    if version is None:
        version = assets.latest(client, "data", asset)
        if version:
            job.data["inputs"][name]["path"] = f"azureml:{asset}:{version}"
            return
    path = f"/data/{asset}/versions/{version}" if version else f"/data/{asset}"
    _require(client, path, where, f"data {asset}{':' if version else ''}{version or ''}", "aml register-data")


def _code_id(client: WorkspaceClient, reference: str) -> str:
    """Code that is not on this machine, as azure-ai-ml sends it; it would look for azureml:NAME:VERSION here."""
    found = REMOTE_CODE.fullmatch(reference)
    if found and found["name"]:
        return f"azureml:{client.scope}/codes/{found['name']}/versions/{found['version']}"
    return reference


def _require(client: WorkspaceClient, path: str, where: Place, what: str, fix: str) -> None:
    if client.find(path) is None:
        raise FileError(where, f"{what} is not in workspace {client.name}", fix)


def _new_name(client: WorkspaceClient, job: Job) -> str:
    """The run id of a submission. Raises UserError for a job whose own name is taken.

    The service would answer a job that is there with that job, as if it had just been submitted.
    """
    if not (name := job.data.get("name")):
        return "<run id>" if client.dry_run else new_id()
    if runs.job(client, str(name)) is not None and not client.dry_run:
        what = f"a job named {name} is in workspace {client.name} already"
        raise FileError(job.where("name"), what, "take the line out, and each submission gets a new name")
    return str(name)


def _create(client: WorkspaceClient, ml: Any, job: Job, body: dict[str, Any]) -> None:
    from azure.ai.ml import load_job

    with translate_azure_errors(client):
        ml.jobs.create_or_update(load(load_job, job.document, body))
