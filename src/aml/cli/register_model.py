"""`aml register-model`: register the model of a run, here with MLflow's own client, in the workspace with the SDK."""

import argparse
import functools
import re
import sys
from pathlib import Path

from aml import policy
from aml.cli import main as cli
from aml.cli import verdicts
from aml.console import say
from aml.errors import UserError
from aml.gate import RESERVED, Champion, Registration, Verdict
from aml.jobfile.names import RULES, TAG_KEY
from aml.jobfile.repository import find_root
from aml.local import models as local_models
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
    parser.add_argument("--dry-run", action="store_true",
                        help="register nothing: say the verdict, and print the requests to the workspace")  # fmt: skip
    verdicts.add_arguments(parser, policy.MODEL)


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """The verb as a program of its own, for the script of the repository `root`; returns the exit status."""
    return cli.main(["register-model", *(sys.argv[1:] if argv is None else argv)], root)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    RULES["asset"].require(args.name, "-n")
    tags, properties = _parse("--tag", args.tag), _parse("--property", args.property)
    verdicts.check_report(args)
    run_id, compute = args.run_id, "local"
    if args.run_metadata_file:
        run_id, compute = read_record(args.run_metadata_file)
    trained = None
    if compute == "local" and not (args.to and run_id and not has(root, run_id)):
        if run_id and not has(root, run_id):
            raise UserError(
                f"run {run_id}: no such run here (aml runs lists them); for one of the workspace: --to azure"
            )
        trained = find(root, run_id)
        run_id = trained.id
        if trained.status != "finished":
            raise UserError(f"run {run_id} {trained.status}: name one that finished with --run (aml runs lists them)")
    if trained:
        register = _upload if args.to else _register_here
        done = register(root, args, trained, tags, properties)
    else:
        done = _register_job(root, args, run_id, tags, properties)
    return _show(args, run_id, done)


def _register_here(
    root: Path, args: argparse.Namespace, trained: LocalRun, tags: dict[str, str], properties: dict[str, str]
) -> Registration:
    asset = _find_asset(trained, args.asset_path)
    tags |= {f"property.{key}": value for key, value in properties.items()}  # MLflow has no properties
    gate = policy.ModelGate(root, functools.partial(local_models.read_metrics, trained), args.force)
    return local_models.register(root, args.name, trained, asset, tags, gate, args.dry_run)


def _upload(
    root: Path, args: argparse.Namespace, trained: LocalRun, tags: dict[str, str], properties: dict[str, str]
) -> Registration:
    """Register in the workspace what a run of this machine made."""
    from aml import local_runs_in_azure
    from aml.azure.workspace_client import connect

    asset = _find_asset(trained, args.asset_path)
    client = connect(root, args.dry_run)
    if args.dry_run and policy.script_exists(root, policy.MODEL):
        say("a dry run looks nothing up: the gate is asked as for a first version")
    properties |= {"aml.run": trained.id, "aml.path": args.asset_path}
    gate = policy.ModelGate(root, functools.partial(local_models.read_metrics, trained), args.force)
    return local_runs_in_azure.register_model(client, args.name, trained, asset, tags, properties, gate)


def _register_job(
    root: Path, args: argparse.Namespace, run_id: str, tags: dict[str, str], properties: dict[str, str]
) -> Registration:
    """Register in the workspace what a job there made."""
    from aml.azure import models, runs
    from aml.azure.workspace_client import connect

    client = connect(root, args.dry_run)
    properties |= {"aml.run": run_id, "aml.path": args.asset_path}

    @functools.cache
    def source() -> str:
        return models.job_output(client, run_id, args.asset_path)

    def read_metrics() -> dict[str, float]:
        return runs.find(client, run_id).metrics()

    def judge(champion: Champion | None) -> Verdict:
        source()  # a job that failed is refused in its own words
        if args.dry_run and policy.script_exists(root, policy.MODEL):
            read_metrics()
            say("a dry run looks nothing up: the gate is not asked, for the workspace has the metrics")
            return Verdict()
        return policy.ModelGate(root, read_metrics, args.force)(champion)

    return models.register(client, args.name, source, tags, properties, judge)


def _show(args: argparse.Namespace, run_id: str, done: Registration) -> int:
    """Say what was registered, and what the gate says of what is new; returns the exit status."""
    what = f"{args.asset_path} of run {run_id}"
    if done.version and not args.dry_run:
        print(f"model {args.name}, version {done.version}: {what}{'' if done.new else ' (registered before)'}")
    elif done.verdict.may_register:
        say(f"model {args.name}: {what} would be registered" if done.new else f"{what} is version {done.version}")
    subject = {"model": args.name, "version": None if args.dry_run and done.new else done.version, "run": run_id}
    return verdicts.show(args, f"model {args.name}, {what}", policy.MODEL, done.verdict, done.new, **subject)


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
        if assignment.startswith(RESERVED):
            raise UserError(f"{flag} {assignment}: the gate writes what begins with {' or '.join(RESERVED)}")
    return dict(assignment.split("=", 1) for assignment in assignments)
