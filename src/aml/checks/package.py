"""Whether the installed aml package is the one that pyproject.toml names."""

import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aml.checks.finding import Finding
from aml.console import display_path

DISTRIBUTION = "aml-template"


def check_package(root: Path) -> Iterator[Finding]:
    """A finding when this Python has another aml than the line of `root`/pyproject.toml names.

    What pip and uv note of an installation: https://packaging.python.org/specifications/direct-url/. An editable one is
    somebody's work on the package itself, and not compared, nor is anything where no line names the package.
    """
    file = root / "pyproject.toml"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    pin = re.search(rf"""^\s*["']{DISTRIBUTION}(?:\[[^]]*\])?(?![\w.-])([^"'\n]*)["']""", text, re.MULTILINE)
    try:
        installed = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:  # run from its source
        return
    source = json.loads(installed.read_text("direct_url.json") or "{}")
    if pin is None or source.get("dir_info", {}).get("editable"):
        return
    line = text.count("\n", 0, pin.start(1)) + 1
    if "post_gen_project-did-not-run" in pin[1]:
        problem = "the template's hooks did not run, so nothing names the package"
        yield Finding(display_path(file), line, problem, "generate it again with hooks")
    elif not _same(pin[1].strip(), source, installed.version):
        present = _describe(source, installed.version)
        problem = f"names another {DISTRIBUTION} than is installed ({present})"
        yield Finding(display_path(file), line, problem, "run pip install -e . (or uv pip install -e .)")


def _same(pin: str, source: dict[str, Any], version: str) -> bool:
    """Whether what was installed from `source`, or from an index, is what the requirement with the end `pin` names."""
    if not pin.startswith("@"):  # of an index; exact versions only, for the others pip and uv have judged
        exact = re.fullmatch(r"== *([\w.+!]+)", pin)
        return not source and (exact is None or exact[1] == version)
    address = _without_user(pin.removeprefix("@").strip().partition("#")[0])
    url = _without_user(source.get("url", ""))
    if git := re.fullmatch(r"git\+([^@]+)(?:@(.+))?", address):
        known = source.get("vcs_info", {})
        return url == git[1] and git[2] in {None, known.get("commit_id"), known.get("requested_revision")}
    return url == address


def _describe(source: dict[str, Any], version: str) -> str:
    """Where what is installed came from."""
    commit = source.get("vcs_info", {}).get("commit_id", "")
    return f"{_without_user(source['url'])}{'@' if commit else ''}{commit}" if source else f"{version} of an index"


def _without_user(url: str) -> str:
    """The address as it can be compared: pip leaves out who signs in, in ssh's addresses all but git."""
    return re.sub(r"//[^/@]*@", "//", unquote(url)).rstrip("/")
