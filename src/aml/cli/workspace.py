"""`aml workspace`: show, confirm or change the workspace settings."""

import argparse
from pathlib import Path

from aml.azure.confirm import look_up
from aml.console import print_safely
from aml.errors import UserError
from aml.jobfile.repository import find_root
from aml.jobfile.settings import ATTACH, SETTINGS, Finding, attach, confirm, read


def report(root: Path) -> tuple[list[str], str]:
    """The lines that `aml workspace` prints, and the worst of their states.

    The service is asked when the settings are well-formed. Raises UserError when they cannot be read.
    """
    findings = confirm(root)
    if all(finding.state == "confirmed" for finding in findings[1:]):
        states = look_up(read(root))
        findings[1:] = [Finding(setting, value, *states[setting]) for setting, value, _, _ in findings[1:]]
    width = max(len(finding.value) for finding in findings[1:])
    lines = [f"Workspace settings, {findings[0].value}", f"  {findings[0].state}: {findings[0].why}"]
    for setting, value, state, why in findings[1:]:
        lines.append(f"  {setting:<15}  {value:<{width}}  {state}{': ' if why else ''}{why}")
    found = {finding.state for finding in findings}
    if "not set" in found:
        lines += ["Everything on this machine works without them. To set them:", f"  {ATTACH}"]
    return lines, next((state for state in ("not confirmed", "not set") if state in found), "confirmed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="attach")
    changes = actions.add_parser("attach", help="change the settings")
    changes.add_argument("-s", "--subscription", dest="subscription_id", help="Azure subscription id")
    changes.add_argument("-g", "--resource-group", help="resource group of the workspace")
    changes.add_argument("-w", "--workspace-name", help="name of the workspace")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    if args.action == "attach":
        changes = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
        if not changes:
            raise UserError("attach what? Name at least one of -s SUBSCRIPTION, -g RESOURCE_GROUP, -w WORKSPACE")
        attach(root, changes)
    lines, state = report(root)
    print_safely("\n".join(lines))
    return 1 if state == "not confirmed" else 0
