"""`aml register-model`: register the model of a run, with MLflow's own client."""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from aml import Refusal, find_root, tracking
from aml.names import RULES

if TYPE_CHECKING:
    from mlflow import MlflowClient


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
                        help="what aml submit -t wrote (default: the last run)")  # fmt: skip
    parser.add_argument("--run", dest="run_id", metavar="ID", help="a run by its id, or a part of it")
    parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="can be changed later")
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help="cannot be changed later")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    RULES["asset"].require(args.name, "-n")
    tags = _parse("--tag", args.tag)
    properties = {f"property.{key}": value for key, value in _parse("--property", args.property).items()}
    if args.run_metadata_file:
        trained = tracking.read_record(args.run_metadata_file, root)
    else:
        trained = tracking.find(root, args.run_id)
    if trained.status != "finished":
        raise Refusal(f"run {trained.id} {trained.status}: name one that finished with --run (aml runs lists them)")
    version, new = register(root, args.name, trained, args.asset_path, tags, properties)
    known = "" if new else " (registered before)"
    print(f"model {args.name}, version {version}: {args.asset_path} of run {trained.id}{known}")
    return 0


def register(
    root: Path, name: str, run: tracking.Run, asset_path: str, tags: dict[str, str], properties: dict[str, str]
) -> tuple[str, bool]:
    """Register what the run made at `asset_path`; returns the version, and whether it is new.

    The same run and path give the same version, with its tags brought up to date. Raises Refusal when there is
    nothing at the path, or a property would change.
    """
    folder = run.folder.resolve()
    asset = (folder / asset_path).resolve()
    if not asset.is_relative_to(folder) or not asset.exists():
        made = sorted(file.relative_to(folder).as_posix() for file in (folder / "outputs").rglob("*") if file.is_file())
        raise Refusal(f"--asset-path {asset_path}: run {run.id} made no such file; {', '.join(made) or 'none at all'}")
    source = asset.relative_to(root.resolve()).as_posix()  # relative, so that the repository can be moved
    client = registry(root)
    with FileLock(root / "mlruns" / ".register.lock"):
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        for version in client.search_model_versions(f"name = '{name}'"):
            if version.run_id == run.id and version.source == source:
                changed = [key for key in properties if version.tags.get(key) != properties[key]]
                if changed:
                    raise Refusal(f"model {name} version {version.version} has other properties: {', '.join(changed)}")
                for key, value in tags.items():
                    client.set_model_version_tag(name, str(version.version), key, value)
                return str(version.version), False
        made_now = client.create_model_version(name, source, run_id=run.id, tags={**tags, **properties})
    return str(made_now.version), True


def _parse(flag: str, assignments: list[str]) -> dict[str, str]:
    for assignment in assignments:
        if not re.fullmatch(tracking.TAG + "=.*", assignment, re.DOTALL):
            raise Refusal(f"{flag} {assignment}: write {flag} KEY=VALUE, the key of letters, digits and _ - . /")
    return dict(assignment.split("=", 1) for assignment in assignments)
