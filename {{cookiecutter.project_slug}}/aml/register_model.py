"""`aml register-model`: register the model of a run, here with MLflow's own client, in the workspace with the SDK."""

import argparse
import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aml import Refusal, find_root, lock, tracking, workspace
from aml.names import RULES

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from aml.service import Service


def registry(root: Path) -> "MlflowClient":
    """MLflow's client of this repository's registry. The import takes two seconds."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=(root / "mlruns").as_uri(), registry_uri=(root / "mlruns").as_uri())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", required=True, help="name of the model")
    parser.add_argument("--asset-path", default="outputs/model.pkl", metavar="PATH",
                        help="file or folder that the run made (default: %(default)s)")  # fmt: skip
    parser.add_argument("-f", "--run-metadata-file", type=Path, metavar="FILE",
                        help="what aml submit -t wrote (default: the last run here)")  # fmt: skip
    parser.add_argument("--run", dest="run_id", metavar="ID", help="a run by its id, here also by a part of it")
    parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="can be changed later")
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help="cannot be changed later")
    parser.add_argument("--to", choices=["azure"], help="in the workspace, also what was trained on this machine")
    parser.add_argument("--dry-run", action="store_true", help="print the requests that would be sent to the workspace")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    RULES["asset"].require(args.name, "-n")
    tags, properties = _parse("--tag", args.tag), _parse("--property", args.property)
    run_id, compute = args.run_id, "local"
    if args.run_metadata_file:
        run_id, compute = tracking.read_record(args.run_metadata_file)
    is_here = compute == "local" and not (args.to and run_id and not tracking.has(root, run_id))
    if is_here:
        trained = tracking.find(root, run_id)
        run_id = trained.id
        if trained.status != "finished":
            raise Refusal(f"run {run_id} {trained.status}: name one that finished with --run (aml runs lists them)")
        asset = _find_asset(trained, args.asset_path)
    if is_here and not args.to:
        if args.dry_run:
            raise Refusal("--dry-run is for the workspace: add --to azure")
        tags |= {f"property.{key}": value for key, value in properties.items()}
        version, new = register(root, args.name, trained, asset, tags)
    else:
        service = workspace.service(root, args.dry_run)
        if is_here:
            properties |= _origin(trained)
            source = functools.partial(_upload, service, asset)
        else:
            source = functools.partial(_job_output, service, run_id, args.asset_path)
        properties |= {"aml.run": run_id, "aml.path": args.asset_path}
        version, new = register_azure(service, args.name, source, tags, properties)
        if args.dry_run:
            return 0
    known = "" if new else " (registered before)"
    print(f"model {args.name}, version {version}: {args.asset_path} of run {run_id}{known}")
    return 0


def _find_asset(run: tracking.Run, asset_path: str) -> Path:
    """What the run made at that path. Raises Refusal with what it made instead."""
    folder = run.folder.resolve()
    asset = (folder / asset_path).resolve()
    if not asset.is_relative_to(folder) or not asset.exists():
        made = sorted(file.relative_to(folder).as_posix() for file in (folder / "outputs").rglob("*") if file.is_file())
        raise Refusal(f"--asset-path {asset_path}: run {run.id} made no such file; {', '.join(made) or 'none at all'}")
    return asset


def _origin(run: tracking.Run) -> dict[str, str]:
    """What the workspace should know of a run that was not its own."""
    known = {key: run.tags().get(key) for key in ("mlflow.source.git.commit", "azureml.git.dirty", tracking.AZURE_RUN)}
    metrics = {f"metric.{key}": f"{value:g}" for key, value in run.metrics().items()}
    return {"aml.trained_on": "this machine", **metrics, **{key: value for key, value in known.items() if value}}


def _upload(service: "Service", asset: Path) -> str:
    from aml import storage

    return storage.upload(service, asset)


def _job_output(service: "Service", run_id: str, asset_path: str) -> str:
    """The address of what a job made: of outputs/, or of a named output as named-outputs/NAME. Raises Refusal."""
    from aml import history

    found = history.job(service, run_id)
    if found is None:
        raise Refusal(f"run {run_id}: no such job in workspace {service.name}; aml runs --azure lists them")
    status = found["properties"].get("status")
    if not service.dry and status != "Completed":
        raise Refusal(f"run {run_id} is {status}: only what finished can be registered; aml runs --azure show {run_id}")
    output, path = "artifacts", asset_path
    if asset_path.startswith("named-outputs/"):
        output, _, path = asset_path.removeprefix("named-outputs/").partition("/")
    return f"azureml://jobs/{run_id}/outputs/{output}/paths/{path}"


def register_azure(
    service: "Service", name: str, source: Callable[[], str], tags: dict[str, str], properties: dict[str, str]
) -> tuple[str, bool]:
    """Register in the workspace what `source` leads to; returns the version, and whether it is new.

    The run and path among the properties make one version, with its tags brought up to date.
    """
    from aml import assets, sdk

    def put(version: str, path: str, tags: dict[str, str]) -> None:
        ml = sdk.client(service)
        from azure.ai.ml.entities import Model

        model = Model(name=name, version=version, path=path, type="custom_model", tags=tags, properties=properties)
        with sdk.plainly(service):
            ml.models.create_or_update(model)

    def make(version: str) -> tuple[str, bool]:
        for found in assets.versions(service, "models", name):
            known_tags, known = found["properties"]["tags"] or {}, found["properties"]["properties"] or {}
            if all(known.get(key) == properties[key] for key in ("aml.run", "aml.path")):
                if changed := [key for key in properties if known.get(key) != properties[key]]:
                    raise Refusal(f"model {name} version {found['name']} has other properties: {', '.join(changed)}")
                if tags.items() - known_tags.items():
                    put(found["name"], found["properties"]["modelUri"], {**known_tags, **tags})
                return str(found["name"]), False
        put(version, source(), tags)
        return version, True

    return assets.create(service, "models", name, make)


def register(root: Path, name: str, run: tracking.Run, asset: Path, tags: dict[str, str]) -> tuple[str, bool]:
    """Register here what the run made at `asset`; returns the version, and whether it is new.

    The same run and path give the same version, with its tags brought up to date. Raises Refusal when a tag that
    stands for a property would change.
    """
    source = asset.relative_to(root.resolve()).as_posix()  # relative, so that the repository can be moved
    client = registry(root)
    with lock.held(root / "mlruns" / ".register.lock"):
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        for version in client.search_model_versions(f"name = '{name}'"):
            if version.run_id == run.id and version.source == source:
                fixed = [key for key in tags if key.startswith("property.") and version.tags.get(key) != tags[key]]
                if fixed:
                    names = ", ".join(key.removeprefix("property.") for key in fixed)
                    raise Refusal(f"model {name} version {version.version} has other properties: {names}")
                for key, value in tags.items():
                    client.set_model_version_tag(name, str(version.version), key, value)
                return str(version.version), False
        made_now = client.create_model_version(name, source, run_id=run.id, tags=tags)
    return str(made_now.version), True


def _parse(flag: str, assignments: list[str]) -> dict[str, str]:
    for assignment in assignments:
        if not re.fullmatch(tracking.TAG + "=.*", assignment, re.DOTALL):
            raise Refusal(f"{flag} {assignment}: write {flag} KEY=VALUE, the key of letters, digits and _ - . /")
    return dict(assignment.split("=", 1) for assignment in assignments)
