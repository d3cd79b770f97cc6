"""The workspace settings of a repository: which file holds them, whether they are well-formed, changing them."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from aml.console import display_path
from aml.errors import FileError, Place, UserError
from aml.files import write_atomically
from aml.jobfile.names import NOT_SET, RULES

SETTINGS = ("subscription_id", "resource_group", "workspace_name")
ATTACH = "aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE"
SCOPE = re.compile(  # as v1's `az ml folder attach` wrote it
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace_name>[^/]+)",
    re.IGNORECASE,
)


class Finding(NamedTuple):
    """What is known of a setting, or of the file that holds them."""

    setting: str
    value: str
    state: str  # "confirmed", "not set" or "not confirmed"
    why: str


def own_file(root: Path) -> Path:
    """The settings of this repository alone."""
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
    """The settings that count. Raises UserError when their file is missing or not what it should be."""
    return _read(settings_file(root))


def resource_id(settings: dict[str, str]) -> str:
    """The id of the workspace in Azure, as role assignments and addresses name it."""
    return (
        f"/subscriptions/{settings['subscription_id']}/resourceGroups/{settings['resource_group']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings['workspace_name']}"
    )


def _read(path: Path) -> dict[str, str]:
    file = display_path(path)
    fix = f"fix it with: {ATTACH}"
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FileError(Place(file), str(error.strerror), fix) from None
    except ValueError as error:
        raise FileError(Place(file, getattr(error, "lineno", 1)), f"not JSON ({error})", fix) from None
    if not isinstance(settings, dict):
        raise FileError(Place(file, 1), f"should be a mapping of {', '.join(SETTINGS)}", fix)
    if v1 := SCOPE.match(str(settings.get("Scope"))):
        settings |= v1.groupdict()
    return settings


def confirm(root: Path) -> list[Finding]:
    """What can be said of the settings without a network: a finding for the file, then one a setting, in order.

    Raises UserError when the file cannot be read.
    """
    settings = read(root)
    file, shared = settings_file(root), shared_file(root)
    findings = [Finding("config.json", display_path(file), "confirmed", "readable")]
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


def attach(root: Path, changes: dict[str, str]) -> None:
    """Write the settings that count, with `changes`, into aml_config/config.json, keeping what else is there.

    Raises UserError on a malformed value.
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
    except UserError:
        if changes.keys() != set(SETTINGS):
            everything = "-s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE"
            raise UserError(f"{display_path(path)} cannot be read, so name all settings: {everything}") from None
        settings = {}
    write_atomically(path, json.dumps({**settings, **changes}, indent=2, ensure_ascii=False) + "\n")
