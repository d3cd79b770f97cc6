"""`aml check`: validate the configuration, offline."""

import argparse
import re

from aml.checks.repository import check
from aml.jobfile.repository import find_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--run-configuration-name", dest="name", metavar="NAME",
                        help="only this runconfig, a name in aml_config/ or a path, and what it refers to")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    findings = sorted(set(check(root, args.name)), key=_place)
    print("\n".join([*findings, f"{args.name or 'aml_config/'}: {len(findings) or 'nothing'} to fix"]))
    return 1 if findings else 0


def _place(finding: str) -> tuple[str, int, str]:
    file, line = re.match(r"(.*?)(?::(\d+))?: ", finding).groups()  # type: ignore[union-attr]
    return file, int(line or 0), finding
