"""Checks of clusters, data assets, and the paths of data."""

import re
from collections.abc import Iterator
from typing import Any

from aml.checks.finding import Finding
from aml.checks.shapes import COMPUTE, DATA, check_shape
from aml.jobfile.document import Document
from aml.uris import ASSET


def check_compute(document: Document) -> Iterator[Finding]:
    """The findings on the description of a cluster."""
    required = {"name": "", "type": "", "size": ""}
    yield from check_shape(document, {**required, **document.data}, COMPUTE)
    low, high = document.data.get("min_instances", 0), document.data.get("max_instances", 4)
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield Finding.at(document, ("min_instances",), f"min_instances {low} is more than max_instances {high}")


def check_data(document: Document) -> Iterator[Finding]:
    """The findings on the description of a data asset."""
    yield from check_shape(document, {"name": "", **document.data}, DATA)
    yield from check_path(document, document.data)


def check_path(document: Document, entry: dict[str, Any], *keys: str) -> Iterator[Finding]:
    """The findings on the path of an input or of a data asset: `entry`, which stands at `keys`.

    Whether an address in Azure exists, only `aml submit` asks.
    """
    path, kind = str(entry.get("path") or ""), entry.get("type", "uri_folder")
    local = (document.path.parent / path.removeprefix("file:")).resolve()
    problem, fix = "", ""
    if not path:
        problem = "no path"
    elif path.startswith("azureml:"):
        if not ASSET.fullmatch(path):
            problem, fix = f"{path} has no version", f"write {path}:1 or {path}@latest"
    elif re.match(r"(https?|wasbs?|abfss?):", path):
        pass
    elif re.match(r"[a-z][a-z0-9]+://", path) and not path.startswith("file:"):
        problem, fix = f"{path}: Azure ML does not read such addresses", "copy the data to a datastore"
    elif not local.exists():
        problem, fix = f"{path} does not exist", "fix the path (it is relative to the file)"
    elif kind in ("uri_file", "uri_folder") and local.is_dir() != (kind == "uri_folder"):
        problem = f"{path} is a {'folder' if local.is_dir() else 'file'}, but the type is {kind}"
        fix = "fix one of them"
    if problem:
        yield Finding.at(document, (*keys, "path"), problem, fix)
