"""`aml check`: validate the configuration, offline."""

import argparse
from pathlib import Path

from aml.checks.packages import repair
from aml.checks.repository import check
from aml.console import say
from aml.errors import UserError
from aml.jobfile.repository import find_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the verb."""
    parser.add_argument("-c", "--run-configuration-name", dest="name", metavar="NAME",
                        help="only this runconfig, a name in aml_config/ or a path, and what it refers to")  # fmt: skip
    parser.add_argument("--fix", action="store_true",
                        help="repeat the training packages of train-conda.yml in pyproject.toml")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print the findings, in the order of files and lines, then the notices; returns 1 for findings, 0 otherwise."""
    root = find_root(args.start)
    if args.fix:
        _repair(root)
    findings = sorted(set(check(root, args.name)), key=lambda finding: (finding.is_notice, finding))
    errors = sum(not finding.is_notice for finding in findings)
    print("\n".join([*map(str, findings), f"{args.name or 'aml_config/'}: {errors or 'nothing'} to fix"]))
    return 1 if errors else 0


def _repair(root: Path) -> None:
    """Repair what can be repaired, and say what was repaired, or why it was not."""
    try:
        repaired = repair(root)
    except UserError as refusal:
        say(f"aml: not repaired: {refusal}")
        return
    for finding in repaired:
        print(f"repaired: {finding._replace(fix='')}")
    if repaired:
        print("to install them: pip install -e .")
