"""`aml runs`: list runs, or show one."""

import argparse
import time

from aml import Refusal, find_root, shown, tracking
from aml.table import pairs, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="show")
    show = actions.add_parser("show", help="show one run")
    show.add_argument("id", nargs="?", help="its id, or a part of it (default: the last run)")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    if args.action == "show":
        print(_describe(tracking.find(root, args.id)))
    elif not (everything := tracking.runs(root)):
        raise Refusal(tracking.NO_RUNS)
    else:
        rows = [
            (one.id, one.experiment, one.status, _clock(one.start), _length(one.duration), pairs(one.metrics()))
            for one in everything
        ]
        print(table(("RUN", "EXPERIMENT", "STATUS", "STARTED", "DURATION", "METRICS"), rows))
    return 0


def _describe(run: tracking.Run) -> str:
    sections = {
        "metrics": [f"{key} = {value}" for key, value in run.metrics().items()],
        "params": [f"{key} = {value}" for key, value in run.params().items()],
        "tags": [
            f"{key} = {value}" for key, value in run.tags().items() if key not in (tracking.RUNNER, "mlflow.runName")
        ],
        "files": [shown(file) for file in run.files()],
    }
    lines = [f"{run.id}  {run.status}", f"  started  {_clock(run.start)}, {_length(run.duration)}"]
    lines += [f"  name     {run.name}", f"  in       experiment {run.experiment}"]
    for title, entries in sections.items():
        lines += [f"  {'' if index else title:<7}  {entry}" for index, entry in enumerate(entries)]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _length(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{rest:.1f} s" if minutes < 1 else f"{int(minutes // 60)}:{int(minutes % 60):02}:{int(rest):02}"
