"""Check of the aml package: what is installed against what pyproject.toml pins."""

import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml.checks.finding import Finding
from aml.jobfile.pyproject import Pyproject

DISTRIBUTION = "aml-template"
FIX = "pip install -e ."


def check_pin(root: Path, installed: dict[str, Any] | None = None) -> Iterator[Finding]:
    """The finding that another package is installed than the repository's pyproject.toml pins.

    `installed` is what pip and uv note of where a package came from, direct_url.json (PEP 610); by default that of this
    package. An editable installation is somebody's own work on the package, and is not compared. Raises UserError when
    pyproject.toml is not TOML.
    """
    if not (root / "pyproject.toml").is_file():
        return
    pyproject = Pyproject(root / "pyproject.toml")
    dependencies = pyproject.data.get("project", {}).get("dependencies") or []
    pin = next((text for text in dependencies if re.match(rf"{DISTRIBUTION}\b(?!-)", str(text))), None)
    installed = _direct_url() if installed is None else installed
    if pin is None or installed.get("dir_info", {}).get("editable"):
        return
    wanted, present = _pinned(pin), _source(installed)
    if wanted != present and not _is_at(wanted, installed):
        place = pyproject.text.find(pin)
        problem = f"{DISTRIBUTION} is installed from {present or 'an index'}, not from {wanted or 'an index'}"
        yield Finding(pyproject.name, pyproject.line(max(place, 0)), problem, FIX)


def _direct_url() -> dict[str, Any]:
    text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    return dict(json.loads(text)) if text else {}


def _pinned(requirement: str) -> str:
    """The address that a requirement names; nothing for one that an index answers."""
    _, at, address = requirement.partition("@")
    return address.partition(";")[0].strip() if at else ""


def _source(installed: dict[str, Any]) -> str:
    """The same address, as pip and uv noted it: git's with its commit."""
    url, vcs = str(installed.get("url") or ""), installed.get("vcs_info")
    return f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url


def _is_at(wanted: str, installed: dict[str, Any]) -> bool:
    """Whether a git address names the branch or tag that was asked for, or the beginning of the commit."""
    vcs = installed.get("vcs_info") or {}
    address, _, revision = wanted.removeprefix(f"{vcs.get('vcs')}+").partition("#")[0].rpartition("@")
    same = address == installed.get("url") or f"{address}@{revision}" == installed.get("url")
    named = revision and (revision == vcs.get("requested_revision") or str(vcs.get("commit_id")).startswith(revision))
    return bool(vcs and same and (named or not address or address.endswith("/")))
