"""Where the aml package that runs was installed from: an adopted repository takes it from the same place."""

import importlib.metadata
import json
import re
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from aml.errors import UserError

NAME = "aml-template"


def package(installed: Distribution | None = None) -> str:
    """The answer to the template's question `package`: the place that `installed` (default: this package) came from.

    A git address with its commit, a folder, a wheel, or a requirement such as aml-template==1.2 where it came from an
    index. Raises UserError when it came from a folder or file that is not there any more.
    """
    installed = installed or importlib.metadata.distribution(NAME)
    record = _record(installed)
    if record is None:
        return f"{NAME}=={installed.version}"
    url: str = record["url"]
    if git := record.get("vcs_info"):
        folder = f"#subdirectory={record['subdirectory']}" if record.get("subdirectory") else ""
        return f"{git['vcs']}+{url}@{git['commit_id']}{folder}"
    if not url.startswith("file:"):
        return url
    path = Path(url2pathname(url.removeprefix("file:")))
    if not path.exists():
        raise UserError(
            f"aml was installed from {path}, which is gone: install it again from a git address or an index"
        )
    return str(path)


def commit(installed: Distribution | None = None) -> tuple[str, str] | None:
    """The git address and the commit that `installed` (default: this package) came from; None for other places."""
    record = _record(installed or importlib.metadata.distribution(NAME)) or {}
    return (record["url"], record["vcs_info"]["commit_id"]) if "vcs_info" in record else None


def _record(installed: Distribution) -> dict[str, Any] | None:
    """What pip and uv wrote down; None when it came from an index.

    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    text = installed.read_text("direct_url.json")
    record: dict[str, Any] | None = json.loads(text) if text else None
    return record


def requirement(extra: str) -> str:
    """What pip installs to add an extra to this package."""
    place = package()
    if place.startswith(f"{NAME}=="):
        return place.replace(NAME, f"{NAME}[{extra}]")
    return f"{NAME}[{extra}] @ {place if re.match(r'[a-z+]{3,}:', place) else Path(place).as_uri()}"


def own_dependencies() -> list[str]:
    """The requirements of this package, without those of its extras."""
    return [line for line in importlib.metadata.requires(NAME) or [] if "extra ==" not in line]


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    lines = [line for line in importlib.metadata.requires(NAME) or [] if re.search(rf"extra == ['\"]{extra}\b", line)]
    names = [re.split(r"[^\w.-]", line)[0] for line in lines]
    return [name for name in names if not [*importlib.metadata.distributions(name=name)]]
