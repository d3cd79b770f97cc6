"""`aml ci`: connect a repository's workflow with Azure, check it, compare a change with what it starts from."""

import argparse
import contextlib
import io
import math
import os
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from aml.cli import main as cli
from aml.cli.tables import table
from aml.console import display_path, one_line, print_safely, say
from aml.errors import UserError
from aml.files import write_atomically
from aml.jobfile import deployment, job, settings
from aml.jobfile.names import NOT_SET
from aml.jobfile.repository import find_root
from aml.local import git
from aml.run import read_record

if TYPE_CHECKING:
    from aml.ci.workflow import Workflow

SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that GitHub shows with a job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="setup|check|compare", required=True)
    setup = actions.add_parser("setup", help="connect the workflow with Azure, without a stored secret")
    setup.add_argument("--print", action="store_true", dest="show", help="print the commands, and run none")
    actions.add_parser("check", help="validate the workflow: linters, its commands, no secret for pull requests")
    compare = actions.add_parser("compare", help="train what this branch starts from, and show both metrics")
    compare.add_argument("-f", "--run-metadata-file", type=Path, required=True, metavar="FILE",
                         help="the run that aml submit -t wrote to this file")  # fmt: skip
    compare.add_argument("--base", metavar="BRANCH",
                         help="what to compare with (default: a pull request's target, else origin/HEAD)")  # fmt: skip
    compare.add_argument("-c", "--run-configuration-name", dest="name", default="train-local", metavar="NAME",
                         help="runconfig to train that with (default: train-local)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    return {"setup": _setup, "check": _check, "compare": _compare}[args.action](root, args)


def _check(root: Path, _args: argparse.Namespace) -> int:
    """Print the findings on the workflow, then what the linters say; returns 1 for any."""
    from aml.ci import check, linters, workflow

    found = workflow.find(root)
    findings = sorted(set(check.check(found, root, lambda words: _fault(words, root))))
    for finding in findings:
        print_safely(str(finding))
    said = linters.lint(found.system, found.document.path)
    for name, text in said.items():
        print_safely(f"{name} says:\n{text}")
    total = len(findings) + len(said)
    print_safely(f"{found.document.name}: {total or 'nothing'} to fix")
    return 1 if total else 0


def _fault(words: list[str], root: Path) -> str:
    """What is wrong with the words of an `aml` command; empty for nothing."""
    verb = words[0] if words else ""
    if verb not in cli.VERBS:
        return f"there is no verb {verb}"
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            args = cli.build_parser(verb).parse_args(words)
        if verb == "submit":
            job.load(args.name, root)
        elif verb == "deploy" and (root / "aml_config" / f"{args.file}.yml").exists():
            deployment.load(args.file, root)
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
    except UserError as error:
        return str(error)
    return ""


def _compare(root: Path, args: argparse.Namespace) -> int:
    """Show the metrics of a run of this machine beside those of what the branch starts from."""
    from aml.ci import base
    from aml.local.runs import find

    here = find(root, read_record(args.run_metadata_file).run_id)
    commit = base.merge_base(root, args.base or base.reference())
    say(f"training what this branch starts from, commit {commit[:7]}")
    before: dict[str, float] = {}
    note = ""
    try:
        before = base.train(root, commit, args.name)
    except UserError as reason:
        note = f"commit {commit[:7]} was not trained: {reason}"
    metrics = here.metrics()
    rows: list[tuple[str, ...]] = [
        (name, *_cells(metrics.get(name), before.get(name))) for name in sorted({*metrics, *before})
    ]
    header = ("metric", "this change", f"commit {commit[:7]}", "difference")
    print_safely(table(header, rows) + (f"\n{note}" if note else ""))
    _summarise(header, rows, note)
    return 0


def _cells(now: float | None, before: float | None) -> tuple[str, str, str]:
    """A value, the one before, and the difference."""
    shown = ["-" if value is None else f"{value:.4g}" for value in (now, before)]
    change = math.nan if now is None or before is None else now - before
    return shown[0], shown[1], f"{change:+.4g}" if math.isfinite(change) else "-"


def _summarise(header: tuple[str, ...], rows: list[tuple[str, ...]], note: str) -> None:
    """Add the table to what GitHub or Azure Pipelines shows with the job; nothing elsewhere."""

    def markdown(text: str) -> str:
        return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", one_line(text))

    lines = [[markdown(cell) for cell in line] for line in (header, *rows)]
    lines.insert(1, ["---"] * len(header))
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines) + (f"\n\n{markdown(note)}" if note else "")
    if file := os.environ.get(SUMMARY):
        with Path(file).open("a", encoding="utf-8", newline="\n") as summary:
            summary.write(f"\n### Metrics\n\n{text}\n")
    elif os.environ.get("TF_BUILD") and (folder := os.environ.get("AGENT_TEMPDIRECTORY")):
        # https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
        path = Path(folder) / "metrics.md"
        path.write_text(f"### Metrics\n\n{text}\n", encoding="utf-8", newline="\n")
        print_safely(f"##vso[task.uploadsummary]{path}")


def _setup(root: Path, args: argparse.Namespace) -> int:
    """Put the workflow where it is read, and run the commands that connect it with Azure, or print them."""
    from aml.ci import setup, workflow

    found = workflow.find(root)
    _place(root, found, args.show)
    values = settings.read(root)
    if values["subscription_id"] == NOT_SET:
        raise UserError(f"there is no workspace yet: {settings.ATTACH}")
    scope, address = settings.resource_id(values), git.origin(root)
    if found.system == "github":
        match = re.search(r"github\.[\w.]+[:/]+([\w.-]+)/([\w.-]+?)(?:\.git)?/?$", address)
        if not match:
            raise UserError(f"the remote origin is {address or 'not set'}: push to GitHub first")
        actions = setup.github(f"{match[1]}/{match[2]}", scope)
    else:
        match = re.search(r"dev\.azure\.com[:/](?:v3/)?([^/]+)/([^/]+)/(?:_git/)?([^/]+)$", address)
        if not match:
            raise UserError(f"the remote origin is {address or 'not set'}: push to Azure Repos first")
        organization, project, repository = map(urllib.parse.unquote, match.groups())
        file = (root.resolve().relative_to(git.top(root)) / workflow.PIPELINE).as_posix()
        url = f"https://dev.azure.com/{organization}"
        actions = setup.azure_devops(url, project, repository, root.resolve().name, scope, file)
    if args.show:
        print_safely(setup.script(actions))
    else:
        setup.carry_out(actions, print_safely)
    _tell_rest(found)
    return 0


def _tell_rest(found: "Workflow") -> None:
    """Say what no command can do."""
    if found.system == "github":
        say("by hand, in the repository's settings: reviewers for the environment production; the check pull-request")
    else:
        say(
            "by hand, in the project's settings: an approval for the environment production; for the service connection"
        )
        say("a branch control check, refs/heads/main; for the branch main a build validation with this pipeline")


def _place(root: Path, found: "Workflow", show: bool) -> None:
    """Let the workflow of a model in a codebase lie where it is read, with the model's folder in it."""
    from aml.ci import workflow

    above = git.top(root)
    folder = root.resolve().relative_to(above.resolve()).as_posix()
    source = found.document.path
    target = above / workflow.WORKFLOWS / f"{root.resolve().name}.yml"
    if found.system == "azure-devops" or source.parent == above / workflow.WORKFLOWS:
        target = source
    text = source.read_text(encoding="utf-8")
    changed = re.sub(r"^(  (?:FOLDER|folder): )\S+", lambda key: key[1] + folder, text, flags=re.MULTILINE)
    if target == source and changed == text:
        return
    if target != source and target.exists():
        raise UserError(
            f"{display_path(target)} is there already, and {display_path(source)} as well: delete one of them"
        )
    if show:
        say(f"{display_path(source)} would be written to {display_path(target)}, with folder {folder}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, changed)
    if target != source:
        source.unlink()
    say(f"{display_path(target)}: the workflow, with folder {folder}")
