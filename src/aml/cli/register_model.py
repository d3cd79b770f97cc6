"""`aml register-model`: register the model of a run, here with MLflow's own client, in the workspace with the SDK."""

import argparse
import functools
import re
import sys
from pathlib import Path

from aml.cli import main as cli
from aml.errors import UserError
from aml.jobfile.names import RULES, TAG_KEY
from aml.jobfile.repository import find_root
from aml.local.runs import LocalRun, find, has
from aml.run import read_record


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


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """The verb as a program of its own, for the script of the repository `root`; returns the exit status."""
    return cli.main(["register-model", *(sys.argv[1:] if argv is None else argv)], root)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    RULES["asset"].require(args.name, "-n")
    tags, properties = _parse("--tag", args.tag), _parse("--property", args.property)
    run_id, compute = args.run_id, "local"
    if args.run_metadata_file:
        run_id, compute = read_record(args.run_metadata_file)
    is_here = compute == "local" and not (args.to and run_id and not has(root, run_id))
    if is_here:
        trained = find(root, run_id)
        run_id = trained.id
        if trained.status != "finished":
            raise UserError(f"run {run_id} {trained.status}: name one that finished with --run (aml runs lists them)")
        asset = _find_asset(trained, args.asset_path)
    if is_here and not args.to:
        if args.dry_run:
            raise UserError("--dry-run is for the workspace: add --to azure")
        tags |= {f"property.{key}": value for key, value in properties.items()}
        from aml.local import models as local_models

        version, new = local_models.register(root, args.name, trained, asset, tags)
    else:
        from aml import local_runs_in_azure
        from aml.azure import models
        from aml.azure.workspace_client import connect

        client = connect(root, args.dry_run)
        properties |= {"aml.run": run_id, "aml.path": args.asset_path}
        if is_here:
            version, new = local_runs_in_azure.register_model(client, args.name, trained, asset, tags, properties)
        else:
            source = functools.partial(models.job_output, client, run_id, args.asset_path)
            version, new = models.register(client, args.name, source, tags, properties)
        if args.dry_run:
            return 0
    known = "" if new else " (registered before)"
    print(f"model {args.name}, version {version}: {args.asset_path} of run {run_id}{known}")
    return 0


def _find_asset(run: LocalRun, asset_path: str) -> Path:
    """What the run made at that path. Raises UserError with what it made instead."""
    folder = run.folder.resolve()
    asset = (folder / asset_path).resolve()
    if not asset.is_relative_to(folder) or not asset.exists():
        made = sorted(file.relative_to(folder).as_posix() for file in (folder / "outputs").rglob("*") if file.is_file())
        raise UserError(
            f"--asset-path {asset_path}: run {run.id} made no such file; {', '.join(made) or 'none at all'}"
        )
    return asset


def _parse(flag: str, assignments: list[str]) -> dict[str, str]:
    for assignment in assignments:
        if not re.fullmatch(TAG_KEY + "=.*", assignment, re.DOTALL):
            raise UserError(f"{flag} {assignment}: write {flag} KEY=VALUE, the key of letters, digits and _ - . /")
    return dict(assignment.split("=", 1) for assignment in assignments)
