"""`aml register-model`: register the model of a run, here with MLflow's own client, in the workspace with the SDK."""

import argparse
import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path

from aml import policy
from aml.cli import main as cli
from aml.cli import verdicts
from aml.console import print_safely, say
from aml.errors import UserError
from aml.gate import RESERVED, Champion, Registration, Verdict
from aml.jobfile.names import RULES, TAG_KEY
from aml.jobfile.repository import find_root
from aml.local import models as local_models
from aml.local.runs import LocalRun, find, has, last_finished
from aml.run import MLMODEL, read_record, top_outputs

DEFAULT = "outputs/model.pkl"
OWN_KEYS = (*RESERVED, "aml.", "property.")  # of tags and properties that aml writes
NO_MODEL = re.compile(r"(?i).+\.(png|jpe?g|gif|svg|webp|pdf|html|csv|tsv|json|txt|md|log)")  # by itself
TYPES = ("custom_model", "mlflow_model", "triton_model")  # of a model in the workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", help="name of the model (default: the experiment of the run)")
    parser.add_argument("--asset-path", metavar="PATH",
                        help="file or folder that the run made, or the name of a model that MLflow logged "
                             f"(default: {DEFAULT}, else the only thing in outputs/)")  # fmt: skip
    parser.add_argument("--type", choices=TYPES, help="of the model in the workspace (default: mlflow_model for a "
                        "folder that MLflow wrote, custom_model for others)")  # fmt: skip
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-f", "--run-metadata-file", type=Path, metavar="FILE",
                       help="the run that aml submit -t wrote to this file (default: the last run here)")  # fmt: skip
    which.add_argument("--run", dest="run_id", metavar="ID",
                       help="a run of this machine, by a part of its id; with --to azure also one there")  # fmt: skip
    parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="can be changed later")
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help="cannot be changed later")
    parser.add_argument("--to", choices=["azure"], help="register in the workspace, also a run of this machine")
    parser.add_argument("--dry-run", action="store_true",
                        help="register nothing: print the verdict, and the requests to the workspace")  # fmt: skip
    verdicts.add_arguments(parser, policy.MODEL)


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """The verb as a program of its own, for the script of the repository `root`; returns the exit status."""
    return cli.main(["register-model", *(sys.argv[1:] if argv is None else argv)], root)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    if args.name is not None:
        RULES["asset"].require(args.name, "-n")
    tags, properties = _parse("--tag", args.tag), _parse("--property", args.property)
    verdicts.check_report(args)
    run_id, compute = args.run_id, "local"
    if args.run_metadata_file:
        run_id, experiment, compute = read_record(args.run_metadata_file)
        args.name = args.name or experiment
    trained = None
    if compute == "local" and not (args.to and run_id and not has(root, run_id)):
        if run_id and not has(root, run_id):
            raise UserError(
                f"run {run_id}: no such run here (aml runs lists them); for one of the workspace: --to azure"
            )
        trained = find(root, run_id)
        run_id = trained.id
        args.name = args.name or trained.experiment
        if trained.status != "finished":
            last = last_finished(root)
            which = f"the last one that finished with --run {last.id}" if last else "one that finished with --run"
            raise UserError(f"run {run_id} {trained.status}: name {which} (aml runs lists them)")
    if not args.name:
        raise UserError("-n: name the model, for it is not known here which experiment that run is of")
    RULES["asset"].require(args.name, "-n")
    if trained:
        args.asset_path, asset = find_asset(root, trained, args.asset_path)
        register = _upload if args.to else _register_here
        done = register(root, args, trained, asset, tags, properties)
    else:
        done = _register_job(root, args, run_id, tags, properties)
    return _show(args, run_id, done)


def _register_here(
    root: Path,
    args: argparse.Namespace,
    trained: LocalRun,
    asset: Path,
    tags: dict[str, str],
    properties: dict[str, str],
) -> Registration:
    tags |= {f"property.{key}": value for key, value in properties.items()}  # MLflow has no properties
    gate = _gate_here(root, trained, args.force, functools.partial(local_models.find_model, root, args.name))
    return local_models.register(root, args.name, trained, asset, tags, gate, args.dry_run)


def _gate_here(root: Path, run: LocalRun, force: bool, find_model: Callable[[str, Path], Path]) -> policy.ModelGate:
    """The gate for a run of this machine; `find_model` gives the model of the champion."""
    read_metrics = functools.partial(local_models.read_metrics, run)
    return policy.ModelGate(root, read_metrics, force, functools.partial(local_models.find_file, run), find_model)


def _upload(
    root: Path,
    args: argparse.Namespace,
    trained: LocalRun,
    asset: Path,
    tags: dict[str, str],
    properties: dict[str, str],
) -> Registration:
    """Register in the workspace what a run of this machine made."""
    from aml import local_runs_in_azure
    from aml.azure import models
    from aml.azure.workspace_client import connect

    client = connect(root, args.dry_run)
    if args.dry_run and policy.script_exists(root, policy.MODEL):
        say("a dry run does not read the champion of the workspace: the gate is asked as for a first version")
    properties |= {"aml.run": trained.id, "aml.path": args.asset_path}
    gate = _gate_here(root, trained, args.force, functools.partial(models.download, client, args.name))
    kind = args.type or ("mlflow_model" if (asset / MLMODEL).is_file() else "custom_model")
    return local_runs_in_azure.register_model(client, args.name, trained, asset, kind, tags, properties, gate)


def _register_job(
    root: Path, args: argparse.Namespace, run_id: str, tags: dict[str, str], properties: dict[str, str]
) -> Registration:
    """Register in the workspace what a job there made."""
    from aml.azure import models, runs
    from aml.azure.workspace_client import connect

    client = connect(root, args.dry_run)
    if args.asset_path is None:
        files = _without_test_data(root, models.job_outputs(client, run_id))
        args.asset_path = DEFAULT if DEFAULT in files or args.dry_run else _choose(run_id, top_outputs(files), files)
    properties |= {"aml.run": run_id, "aml.path": args.asset_path}

    def source() -> tuple[str, str]:
        address, kind = models.job_output(client, run_id, args.asset_path)
        return address, args.type or kind

    def read_metrics() -> dict[str, float]:
        return runs.find(client, run_id).metrics()

    def judge(champion: Champion | None) -> Verdict:
        source()  # raises UserError for a job that did not complete
        if args.dry_run and policy.script_exists(root, policy.MODEL):
            read_metrics()
            reason = "a dry run does not read the metrics of the workspace"
            say(f"the gate is not asked: {reason}")
            return Verdict("not asked", reasons=[reason])
        find_test_data = functools.partial(models.fetch_file, client, run_id)
        find_model = functools.partial(models.download, client, args.name)
        return policy.ModelGate(root, read_metrics, args.force, find_test_data, find_model)(champion)

    return models.register(client, args.name, source, tags, properties, judge)


def _show(args: argparse.Namespace, run_id: str, done: Registration) -> int:
    """Say what was registered, and what the gate says of what is new; returns the exit status."""
    what = f"{args.asset_path} of run {run_id}"
    if done.version and not args.dry_run:
        print_safely(f"model {args.name}, version {done.version}: {what}{'' if done.new else ' (registered before)'}")
    elif done.verdict.may_register:
        say(f"model {args.name}: {what} would be registered" if done.new else f"{what} is version {done.version}")
    subject = {"model": args.name, "version": None if args.dry_run and done.new else done.version, "run": run_id}
    return verdicts.show(args, f"model {args.name}, {what}", policy.MODEL, done.verdict, done.new, **subject)


def find_asset(root: Path, run: LocalRun, asset_path: str | None) -> tuple[str, Path]:
    """What the run made at that path, and the path as messages name it. Raises UserError with what it made instead."""
    folder, models = run.folder.resolve(), run.stored.logged_models()
    path = asset_path or DEFAULT
    asset = (folder / path).resolve()
    if asset.is_relative_to(folder) and asset.exists():
        return path, asset
    if path in models:
        return path, models[path].resolve()
    found = (file for file in (folder / "outputs").rglob("*") if file.is_file())
    files = sorted(file.relative_to(folder).as_posix() for file in found)
    made = [*files, *models]
    if asset_path:
        raise UserError(f"--asset-path {path}: run {run.id} has no such file; it has {', '.join(made) or 'none'}")
    path = _choose(run.id, [*top_outputs(_without_test_data(root, files)), *models], made)
    return path, models.get(path, folder / path).resolve()


def _without_test_data(root: Path, files: list[str]) -> list[str]:
    """The files of a run that may be its model: not the rows that the gate compares models on."""
    return [file for file in files if file != policy.find_test_data(root)]


def _choose(run_id: str, found: list[str], made: list[str]) -> str:
    """The only thing that a run made, where it did not make the default. Raises UserError with what it made instead."""
    if len(found) != 1 or NO_MODEL.fullmatch(found[0]):
        others = ", ".join(file for file in made if not NO_MODEL.fullmatch(file))
        if made and not others:
            raise UserError(f"run {run_id} made no {DEFAULT}, nor another model: let the code save one below outputs/")
        others = others or "nothing in outputs/"
        raise UserError(f"run {run_id} made no {DEFAULT}, but {others}: name one with --asset-path")
    say(f"run {run_id} made no {DEFAULT}: registering {found[0]}, the only model there is")
    return found[0]


def _parse(flag: str, assignments: list[str]) -> dict[str, str]:
    for assignment in assignments:
        if not re.fullmatch(TAG_KEY + "=.*", assignment, re.DOTALL):
            raise UserError(f"{flag} {assignment}: write {flag} KEY=VALUE, the key of letters, digits and _ - . /")
        if assignment.startswith(OWN_KEYS):
            raise UserError(f"{flag} {assignment}: keys that begin with {', '.join(OWN_KEYS)} are reserved")
    return dict(assignment.split("=", 1) for assignment in assignments)
