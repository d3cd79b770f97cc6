"""`aml workspace`: show, confirm or change the workspace settings."""

import argparse
import importlib.util
import shutil
import threading
from pathlib import Path

from aml.azure.confirm import look_up
from aml.errors import UserError
from aml.jobfile.repository import find_root
from aml.jobfile.settings import ATTACH, SETTINGS, Finding, attach, confirm, read


def report(root: Path, seconds: float = 60) -> tuple[list[str], str]:
    """The lines that `aml workspace` prints, and the worst of their states; "well-formed" for what nobody looked up.

    The service is asked when the settings are well-formed and azure-identity or the az command is at hand; it gets
    `seconds` to answer.
    """
    findings = confirm(root)
    confirmed = "well-formed"
    if all(finding.state == "confirmed" for finding in findings[1:]) and can_authenticate():
        states = dict.fromkeys(
            SETTINGS, ("not confirmed", f"no answer within {seconds:g} s: aml workspace tries again")
        )
        asking = threading.Thread(target=lambda: states.update(look_up(read(root))), daemon=True)
        asking.start()
        asking.join(seconds)
        findings[1:] = [Finding(setting, value, *states[setting]) for setting, value, _, _ in findings[1:]]
        confirmed = "confirmed"
    width = max(len(finding.value) for finding in findings[1:])
    lines = [f"Workspace settings, {findings[0].value}", f"  {findings[0].state}: {findings[0].why}"]
    for setting, value, state, why in findings[1:]:
        lines.append(f"  {setting:<15}  {value:<{width}}  {state}{': ' if why else ''}{why}")
    found = {finding.state for finding in findings}
    if "not set" in found:
        lines += ["Everything on this machine works without them. To set them:", f"  {ATTACH}"]
    return lines, next((state for state in ("not confirmed", "not set") if state in found), confirmed)


def can_authenticate() -> bool:
    try:
        return bool(importlib.util.find_spec("azure.identity") or shutil.which("az"))
    except ModuleNotFoundError:  # not even azure
        return bool(shutil.which("az"))


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
    print("\n".join(lines))
    return 1 if state == "not confirmed" else 0
