"""`aml workspace`: show, confirm or change the workspace settings.

Standard library only, so that it works before anything is installed.
"""

import argparse
import json
import os
from pathlib import Path
from typing import NamedTuple

from aml import Refusal, find_root, shown
from aml.names import NOT_SET, RULES

SETTINGS = ("subscription_id", "resource_group", "workspace_name")


class Finding(NamedTuple):
    setting: str
    value: str
    state: str  # "confirmed", "not set" or "not confirmed"
    why: str


def settings_file(root: Path) -> Path:
    return root / "aml_config" / "config.json"


def read(root: Path) -> dict[str, str]:
    """The settings of aml_config/config.json. Raises Refusal when the file is missing or not what it should be."""
    path = settings_file(root)
    file = shown(path)
    mend = "mend it with: aml workspace attach -s SUBSCRIPTION -g GROUP -w WORKSPACE"
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}; {mend}") from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise Refusal(f"{file}:{line}: not JSON ({error}); {mend}") from None
    if not isinstance(settings, dict):
        raise Refusal(f"{file}:1: should be a mapping of {', '.join(SETTINGS)}; {mend}")
    return settings


def confirm(root: Path) -> list[Finding]:
    """What can be said of the settings without a network: a finding for the file, then one a setting, in order.

    Raises Refusal when the file cannot be read.
    """
    settings = read(root)
    findings = [Finding("config.json", shown(settings_file(root)), "confirmed", "readable")]
    # MLClient.from_config() without a path looks for .azureml/config.json in every parent folder before it
    # looks for aml_config/config.json (azure-ai-ml 1.35, _ml_client.py); aml itself always passes its own path.
    for folder in (root, *root.parents):
        shadow = folder / ".azureml" / "config.json"
        if shadow.is_file():
            why = f"shadowed: MLClient.from_config() without a path reads {shadow} (aml reads its own)"
            findings[0] = findings[0]._replace(state="not confirmed", why=why)
            break
    for name in SETTINGS:
        value = settings.get(name, "")
        if value in ("", NOT_SET):
            findings.append(Finding(name, str(value), "not set", ""))
        elif not RULES[name].accepts(value):
            findings.append(Finding(name, str(value), "not confirmed", f"should be {RULES[name].says}"))
        else:
            findings.append(Finding(name, value, "confirmed", "in form only, not looked up in Azure"))
    return findings


def report(root: Path) -> tuple[list[str], bool]:
    """The lines that `aml workspace` prints, and whether nothing is wrong (`not set` is not wrong)."""
    findings = confirm(root)
    width = max(len(finding.value) for finding in findings[1:])
    lines = [f"Workspace settings, {findings[0].value}", f"  {findings[0].state}: {findings[0].why}"]
    for setting, value, state, why in findings[1:]:
        lines.append(f"  {setting:<15}  {value:<{width}}  {state}{': ' if why else ''}{why}")
    if any(finding.state == "not set" for finding in findings):
        lines += [
            "Everything on this machine works without them. To set them:",
            "  aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE",
        ]
    return lines, all(finding.state != "not confirmed" for finding in findings)


def attach(root: Path, changes: dict[str, str]) -> None:
    """Write `changes` into aml_config/config.json, keeping what else is there. Raises Refusal on a malformed value."""
    for name, value in changes.items():
        RULES[name].require(value, name)
    path = settings_file(root)
    try:
        settings = read(root)
    except Refusal:
        if changes.keys() != set(SETTINGS):
            raise Refusal(
                f"{shown(path)} cannot be read, so name all settings: -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE"
            ) from None
        settings = {}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**settings, **changes}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="attach")
    changes = actions.add_parser("attach", help="change the settings")
    changes.add_argument("-s", "--subscription", dest="subscription_id", help="Azure subscription id")
    changes.add_argument("-g", "--resource-group", help="resource group of the workspace")
    changes.add_argument("-w", "--workspace-name", help="name of the workspace")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    if args.action == "attach":
        changes = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
        if not changes:
            raise Refusal("attach what? Name at least one of -s SUBSCRIPTION, -g RESOURCE_GROUP, -w WORKSPACE")
        attach(root, changes)
    lines, fine = report(root)
    print("\n".join(lines))
    return 0 if fine else 1
