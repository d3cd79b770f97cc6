"""`aml workspace`: show, confirm or change the workspace settings.

Standard library only, so that it works before anything is installed.
"""

import argparse
import difflib
import importlib.util
import json
import os
import re
import shutil
import threading
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from aml import Refusal, find_root, shown
from aml.names import NOT_SET, RULES
from aml.service import RESOURCE_MANAGER, Service, ServiceError
from aml.sign_in import user

SETTINGS = ("subscription_id", "resource_group", "workspace_name")
ATTACH = "aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE"
SCOPE = re.compile(  # as v1's `az ml folder attach` wrote it
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace_name>[^/]+)",
    re.IGNORECASE,
)
WRONG = {"SubscriptionNotFound": 0, "InvalidSubscriptionId": 0, "ResourceGroupNotFound": 1}  # which of SETTINGS
TO_TRAIN = "Microsoft.MachineLearningServices/workspaces/jobs/write"


class Finding(NamedTuple):
    setting: str
    value: str
    state: str  # "confirmed", "not set" or "not confirmed"
    why: str


def own_file(root: Path) -> Path:
    return root / "aml_config" / "config.json"


def shared_file(root: Path) -> Path | None:
    """The settings that a codebase has for all of its models: the nearest .azureml/config.json here or above.

    It is where `MLClient.from_config()` without a path looks first, and where v1's `attach` wrote.
    """
    files = (folder / ".azureml" / "config.json" for folder in (root, *root.parents))
    return next((file for file in files if file.is_file()), None)


def settings_file(root: Path) -> Path:
    """The file that counts: aml_config/config.json, or the shared one when that is missing or names no subscription."""
    own, shared = own_file(root), shared_file(root)
    if shared is None or (own.is_file() and _read(own).get("subscription_id") not in (None, "", NOT_SET)):
        return own
    return shared


def read(root: Path) -> dict[str, str]:
    """The settings that count. Raises Refusal when their file is missing or not what it should be."""
    return _read(settings_file(root))


def _read(path: Path) -> dict[str, str]:
    file = shown(path)
    mend = f"mend it with: {ATTACH}"
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}; {mend}") from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise Refusal(f"{file}:{line}: not JSON ({error}); {mend}") from None
    if not isinstance(settings, dict):
        raise Refusal(f"{file}:1: should be a mapping of {', '.join(SETTINGS)}; {mend}")
    if v1 := SCOPE.match(str(settings.get("Scope"))):
        settings |= v1.groupdict()
    return settings


def confirm(root: Path) -> list[Finding]:
    """What can be said of the settings without a network: a finding for the file, then one a setting, in order.

    Raises Refusal when the file cannot be read.
    """
    settings = read(root)
    file, shared = settings_file(root), shared_file(root)
    findings = [Finding("config.json", shown(file), "confirmed", "readable")]
    # MLClient.from_config() without a path looks for .azureml/config.json in every parent folder before it
    # looks for aml_config/config.json (azure-ai-ml 1.35, _ml_client.py); aml itself always passes its own path.
    if shared and shared != file:
        why = f"shadowed: MLClient.from_config() without a path reads {shared} (aml reads its own)"
        findings[0] = findings[0]._replace(state="not confirmed", why=why)
    for name in SETTINGS:
        value = settings.get(name, "")
        if value in ("", NOT_SET):
            findings.append(Finding(name, str(value), "not set", ""))
        elif not RULES[name].accepts(value):
            findings.append(Finding(name, str(value), "not confirmed", f"should be {RULES[name].says}"))
        else:
            findings.append(Finding(name, value, "confirmed", "in form only, not looked up in Azure"))
    return findings


def service(root: Path, dry: bool = False) -> Service:
    """The workspace of the settings, to send requests to. Raises Refusal unless they are set and well-formed."""
    settings = read(root)
    for name, value, state, why in confirm(root)[1:]:
        if state == "not confirmed" or (state == "not set" and not dry):
            raise Refusal(f"{shown(settings_file(root))}: {name} {value!r} {why or 'is not set'}: {ATTACH}")
    return Service(settings, dry)


def look_up(settings: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What the service knows of the settings: for each, its state and why. Takes a second; never raises."""
    service = Service(settings, patience=(1,))
    states = {name: ("confirmed", "") for name in SETTINGS}
    try:
        resource = service.workspace
        account = resource["properties"]["storageAccount"].rpartition("/")[2]
        who = user(service.sign_in.get_token(f"{RESOURCE_MANAGER}/.default").token)
        may = "may submit jobs" if _allowed(service, TO_TRAIN) else "may only look: ask for AzureML Data Scientist"
        states["workspace_name"] = "confirmed", f"in {resource['location']}, storage {account}; {who} {may}"
    except ServiceError as error:
        wrong = WRONG.get(error.code, 2 if error.status in (403, 404) else 0)
        why = _visible(service, wrong) if error.status == 404 else str(error)
        for name in SETTINGS[wrong:]:
            states[name] = "not confirmed", why if name == SETTINGS[wrong] else "see above"
    except Refusal as refusal:
        return {name: ("not confirmed", str(refusal) if name == SETTINGS[0] else "see above") for name in SETTINGS}
    return states


def _allowed(service: Service, action: str) -> bool:
    """Whether you may do `action` in the workspace. Reading that list needs no permission of its own."""
    path = f"{service.scope}/providers/Microsoft.Authorization/permissions"

    def covers(patterns: list[str]) -> bool:
        return any(fnmatch(action.lower(), pattern.lower()) for pattern in patterns)

    entries = service.all(path, api="2022-04-01")
    return any(covers(entry["actions"]) and not covers(entry["notActions"]) for entry in entries)


def _visible(service: Service, wrong: int) -> str:
    """What you can see in place of a subscription, group or workspace that is not there, the nearest name first."""
    try:
        if wrong == 0:
            found = service.all("/subscriptions", api="2022-12-01")
            names = [f"{entry['subscriptionId']} ({entry['displayName']})" for entry in found]
        else:
            path = f"{service.subscription}/providers/Microsoft.MachineLearningServices/workspaces"
            ids = [entry["id"].split("/") for entry in service.all(path)]
            names = [f"{parts[-1]} (group {parts[4]})" for parts in ids]
    except Refusal:
        names = []
    wanted = service.settings[SETTINGS[wrong]] if wrong != 1 else service.name
    names.sort(key=lambda name: -difflib.SequenceMatcher(None, wanted, name.split(" ")[0]).ratio())
    what = "subscriptions" if wrong == 0 else "workspaces"
    seen = f"the {what} you can see: {', '.join(names[:5])}" if names else f"you can see no {what} here: az login"
    return f"not found, or not yours; {seen}"


def report(root: Path, seconds: float = 60) -> tuple[list[str], str]:
    """The lines that `aml workspace` prints, and the worst of their states; "well-formed" for what nobody looked up.

    The service is asked when the settings are well-formed and azure-identity or the az command is at hand; it gets
    `seconds` to answer.
    """
    findings = confirm(root)
    confirmed = "well-formed"
    if all(finding.state == "confirmed" for finding in findings[1:]) and _at_hand():
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


def _at_hand() -> bool:
    try:
        return bool(importlib.util.find_spec("azure.identity") or shutil.which("az"))
    except ModuleNotFoundError:  # not even azure
        return bool(shutil.which("az"))


def attach(root: Path, changes: dict[str, str]) -> None:
    """Write the settings that count, with `changes`, into aml_config/config.json, keeping what else is there.

    Raises Refusal on a malformed value.
    """
    for name, value in changes.items():
        RULES[name].require(value, name)
    path = own_file(root)
    try:
        counting = read(root)
        settings = {
            **(_read(path) if path.is_file() else {}),
            **{key: counting[key] for key in SETTINGS if key in counting},
        }
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
    lines, state = report(root)
    print("\n".join(lines))
    return 1 if state == "not confirmed" else 0
