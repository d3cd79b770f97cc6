"""`aml runs`: list, sort and compare runs, here or in the workspace; show, follow or cancel one, download its files."""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

from aml import comparison
from aml.cli.tables import pairs, table
from aml.console import display_path, one_line, print_safely
from aml.errors import UserError
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root
from aml.local.runs import NO_RUNS, RUNNER, all_runs, find
from aml.run import Run, read_record

NEWEST = 50  # runs of a workspace that are listed
ID = "its id, a part of it, or its id here when it was tracked"
LONGEST = 200  # lines of a difference that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--azure", action="store_true", help=f"of the workspace: the newest {NEWEST}")
    parser.add_argument("-e", "--experiment-name", help="only of this experiment")
    parser.add_argument("--sort", metavar="METRIC", help="the highest value of this metric first")
    parser.add_argument("--ascending", action="store_true", help="with --sort: the lowest value first")
    actions = parser.add_subparsers(dest="action", metavar="show|follow|compare|cancel|download")
    show = actions.add_parser("show", help="show one run")
    show.add_argument("id", nargs="?", help="its id, or a part of it (default: the last run)")
    follow = actions.add_parser("follow", help="show what a job on a cluster prints, to its end")
    follow.add_argument("id", help=ID)
    compare = actions.add_parser("compare", help="show parameters, metrics and code of several runs side by side")
    compare.add_argument("ids", nargs="+", metavar="ID", help="the id of each run, or a part of it")
    compare.add_argument("-o", "--output", type=Path, metavar="FILE",
                         help="where to draw the metrics, as SVG (default: runs/compare.svg)")  # fmt: skip
    cancel = actions.add_parser("cancel", help="end a job on a cluster")
    which = cancel.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help=ID)
    which.add_argument("-f", "--run-metadata-file", type=Path, metavar="FILE",
                       help="the run that aml submit -t wrote to this file")  # fmt: skip
    cancel.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")
    download = actions.add_parser("download", help="fetch what a run in the workspace left")
    download.add_argument("id", help=ID)
    download.add_argument("-o", "--output-dir", type=Path, help="default: runs/ID")
    for action in (show, follow, compare, cancel, download):  # behind it as well
        action.add_argument("--azure", action="store_true", default=argparse.SUPPRESS, help="of the workspace")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    if getattr(args, "run_metadata_file", None):
        args.id = read_record(args.run_metadata_file).run_id
    if args.azure:
        return _run_azure(root, args)
    if args.action in ("follow", "cancel", "download"):
        raise UserError(
            f"runs here are in runs/, and Ctrl-C cancels one; in the workspace: aml runs --azure {args.action} ID"
        )
    if args.action == "show":
        print_safely(_describe(find(root, args.id)))
        return 0
    if args.action == "compare":
        return _compare(root, args, [find(root, run_id) for run_id in args.ids])
    everything = [one for one in all_runs(root) if args.experiment_name in (None, one.experiment)]
    if not everything:
        raise _none(args, "aml runs", NO_RUNS)
    print_safely(_listing(_sort(everything, args)))
    return 0


def _run_azure(root: Path, args: argparse.Namespace) -> int:
    from aml.azure import blobs, follow, runs
    from aml.azure.workspace_client import connect

    client = connect(root, getattr(args, "dry_run", False))
    named = getattr(args, "ids", None) or [getattr(args, "id", None)]
    for run_id in filter(None, named):
        RULES["run"].require(run_id, "run")
    if not any(named):
        found = runs.list_runs(client, args.experiment_name, 1 if args.action == "show" else NEWEST)
        if not found:
            raise _none(
                args, "aml runs --azure", f"no runs in workspace {client.name} yet: aml submit -c train-amlcompute"
            )
        if args.action != "show":
            print_safely(_listing(_sort(found, args)))
            return 0
    else:
        found = [runs.find(client, run_id) for run_id in named]
    if args.action == "compare":
        return _compare(root, args, found)
    (run,) = found
    if args.action == "follow":
        return follow.watch(client, run.id)
    if args.action == "cancel":
        ended = runs.cancel(client, args.id if client.dry_run else run.id)
        if not client.dry_run:
            what = f"{ended} before; nothing was cancelled" if ended else "its end was asked for"
            print_safely(f"run {run.id}: {what}")
    elif args.action == "download":
        folder = args.output_dir or root / "runs" / run.id
        files = blobs.download_run(client, run.id, folder)
        print_safely(f"run {run.id}: {len(files)} files in {display_path(folder)}")
    else:
        print_safely(_describe(run, reason=run.reason(), studio=client.studio(run.id)))
    return 0


def _none(args: argparse.Namespace, lists: str, none: str) -> UserError:
    name = args.experiment_name
    return UserError(f"experiment {name}: it has no runs; {lists} lists those of all experiments" if name else none)


def _sort(runs: Sequence[Run], args: argparse.Namespace) -> Sequence[Run]:
    """The runs by the metric of --sort; those that lack it, or have no number there, stay behind all others."""
    if not args.sort:
        return runs
    values = {run.id: run.metrics().get(args.sort, math.nan) for run in runs}
    if all(math.isnan(value) for value in values.values()):
        known = sorted({key for run in runs for key in run.metrics()})
        raise UserError(f"--sort {args.sort}: no run has this metric; there are {', '.join(known) or 'none'}")
    sign = 1 if args.ascending else -1
    return sorted(runs, key=lambda run: (math.isnan(values[run.id]), sign * values[run.id]))


def _compare(root: Path, args: argparse.Namespace, runs: Sequence[Run]) -> int:
    """Print the runs side by side, with how the code of each differs from that of the first, and draw their metrics."""
    if len({run.id for run in runs}) < 2:
        raise UserError("compare what? name two runs or more: aml runs lists them")
    lines = []
    for name, cells in comparison.rows(runs):
        differs = name.startswith(("param ", "git ")) and len(set(cells)) > 1  # of metrics, the differences are shown
        lines.append((name, *cells, "differs" if differs else ""))
    print_safely(table(("", *(run.id for run in runs), ""), lines))
    first, *others = [root / "runs" / run.id / "code" for run in runs]
    for other in others:
        print_safely(f"\ncode of {other.parent.name}, compared with {first.parent.name}:")
        print_safely("\n".join(_code(first, other)))
    path = args.output or root / "runs" / "compare.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(comparison.bar_chart(runs), encoding="utf-8", newline="\n")
    print_safely(f"\nmetrics, drawn: {display_path(path)}")
    return 0


def _code(first: Path, other: Path) -> list[str]:
    missing = [folder.parent.name for folder in (first, other) if not folder.is_dir()]
    if missing:
        return [f"the code of {' and '.join(missing)} is not on this machine"]
    lines = list(comparison.code_differences(first, other))
    if len(lines) <= LONGEST:
        return lines or ["the same"]
    rest = f"git diff --no-index {display_path(first)} {display_path(other)}"
    return [*lines[:LONGEST], f"… and {len(lines) - LONGEST} lines more: {rest}"]


def _listing(runs: Sequence[Run]) -> str:
    rows = [
        (one.id, one.experiment, one.status, _clock(one.start), _length(one.duration), pairs(one.metrics()))
        for one in runs
    ]
    return table(("RUN", "EXPERIMENT", "STATUS", "STARTED", "DURATION", "METRICS"), rows)


def _describe(run: Run, **more: str) -> str:
    """A run in lines; `more` is what there is to say of one in the workspace, as far as it is not empty."""
    sections = {
        "metrics": [f"{key} = {value}" for key, value in run.metrics().items()],
        "params": [f"{key} = {value}" for key, value in run.params().items()],
        "tags": [f"{key} = {value}" for key, value in run.tags().items() if key not in (RUNNER, "mlflow.runName")],
        "files": [display_path(file) if isinstance(file, Path) else file for file in run.files()],
    }
    lines = [f"{run.id}  {run.status}", f"  started  {_clock(run.start)}, {_length(run.duration)}"]
    lines += [f"  name     {one_line(run.name)}", f"  in       experiment {one_line(run.experiment)}"]
    lines += [f"  {title:<7}  {one_line(text)}" for title, text in more.items() if text]
    for title, entries in sections.items():
        lines += [f"  {'' if index else title:<7}  {one_line(entry)}" for index, entry in enumerate(entries)]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _length(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{rest:.1f} s" if minutes < 1 else f"{int(minutes // 60)}:{int(minutes % 60):02}:{int(rest):02}"
