"""`aml submit`: run a training job, here or on a cluster, as its runconfig says."""

import argparse
from pathlib import Path

from aml.checks.finding import require_none
from aml.checks.jobs import check_job
from aml.console import display_path, say
from aml.errors import UserError
from aml.jobfile import job
from aml.jobfile.repository import find_root
from aml.local import runner
from aml.uris import REMOTE_URI


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--run-configuration-name", dest="name", required=True, metavar="NAME",
                        help="runconfig in aml_config/, or the path of any v2 command job file")  # fmt: skip
    parser.add_argument("-e", "--experiment-name", help="experiment to run in (default: the runconfig's)")
    parser.add_argument("-t", "--output-metadata-file", type=Path, metavar="FILE",
                        help="what later steps need of the run, such as run.json")  # fmt: skip
    parser.add_argument("--data", action="append", default=[], metavar="[NAME=]PATH",
                        help="other data: a path of this machine, or azureml:NAME:VERSION on a cluster")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change a value of the runconfig, such as inputs.max_iter=200")  # fmt: skip
    here = parser.add_argument_group("on this machine")
    here.add_argument("--local", action="store_true", help="run here what is meant for a cluster")
    here.add_argument("--track", choices=["azure"], help="let the run show in the workspace")
    how = here.add_mutually_exclusive_group()
    how.add_argument("--here", action="store_true", help="in the present Python environment")
    how.add_argument("--docker", action="store_true", help="in the job's image, with docker or podman")
    there = parser.add_argument_group("on a cluster")
    there.add_argument("--no-wait", action="store_true", help="submit, and do not follow")
    there.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    if args.output_metadata_file and not args.output_metadata_file.absolute().parent.is_dir():
        folder = display_path(args.output_metadata_file.absolute().parent)
        raise UserError(f"-t {args.output_metadata_file}: there is no folder {folder}: make it first")
    asked_for = job.load(args.name, root, args.set)
    if args.experiment_name:
        asked_for.data["experiment_name"] = args.experiment_name
    is_local = args.local or asked_for.data.get("compute") == "local"
    for option in ("no_wait", "dry_run") if is_local else ("track", "here", "docker"):
        if getattr(args, option):
            where = "on a cluster" if is_local else "on this machine, with compute: local or --local"
            raise UserError(f"--{option.replace('_', '-')} is for a run {where}")
    if is_local:
        return _run_here(root, asked_for, args)
    from aml.azure import submit
    from aml.azure.workspace_client import connect

    for name, path in asked_for.choose_data(args.data).items():
        known = REMOTE_URI.match(path)
        asked_for.data["inputs"][name]["path"] = path if known else str(Path(path).resolve())
    try:
        client = connect(root, args.dry_run)
    except UserError as refusal:
        raise UserError(f"{refusal}\n     on this machine: aml submit -c {args.name} --local") from None
    require_none(asked_for.document.name, check_job(asked_for))
    return submit.submit(root, client, asked_for, args.output_metadata_file, not args.no_wait)


def _run_here(root: Path, asked_for: job.Job, args: argparse.Namespace) -> int:
    tracker = None
    if args.track:
        from aml.azure.workspace_client import connect
        from aml.local_runs_in_azure import AzureTracker

        client = connect(root)
        if args.docker:
            raise UserError("--track azure and --docker: your sign-in stays outside of a container; take one of them")
        client.workspace  # noqa: B018  # is it there? Before anything is written
        tracker = AzureTracker(client, root)
    ended, status = runner.run(root, asked_for, args.data, args.here, args.docker, args.output_metadata_file, tracker)
    how = f" with exit status {status}" if ended.status == "failed" else ""
    say(f"run {ended.id} {ended.status}{how} after {ended.duration:.1f} s: {display_path(ended.folder)}")
    return status
