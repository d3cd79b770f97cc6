"""`aml submit`: run a training job."""

import argparse
from pathlib import Path

from aml import Refusal, find_root, job, local, say, shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--run-configuration-name", dest="name", required=True, metavar="NAME",
                        help="runconfig in aml_config/, or the path of any v2 command job file")  # fmt: skip
    parser.add_argument("-e", "--experiment-name", help="experiment to run in (default: the runconfig's)")
    parser.add_argument("-t", "--output-metadata-file", type=Path, metavar="FILE",
                        help="what later steps need of the run, such as run.json")  # fmt: skip
    parser.add_argument("--data", action="append", default=[], metavar="[NAME=]PATH",
                        help="data of this machine in place of the runconfig's")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change a value of the runconfig, such as inputs.max_iter=200")  # fmt: skip
    parser.add_argument("--local", action="store_true", help="run on this machine what is meant for a cluster")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--here", action="store_true", help="in the present Python environment")
    how.add_argument("--docker", action="store_true", help="in the job's image, with docker or podman")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    asked_for = job.load(args.name, root, args.set)
    if args.experiment_name:
        asked_for.data["experiment_name"] = args.experiment_name
    compute = asked_for.data.get("compute")
    if not args.local and compute != "local":
        raise Refusal(
            f"{asked_for.where('compute')}: compute {compute or 'none'} is not this machine: "
            f"aml submit -c {args.name} --local runs the same file here"
        )
    ended, status = local.run(root, asked_for, args.data, args.here, args.docker, args.output_metadata_file)
    how = f" with exit status {status}" if ended.status == "failed" else ""
    say(f"run {ended.id} {ended.status}{how} after {ended.duration:.1f} s: {shown(ended.folder)}")
    return status
