"""Rules for clusters, data assets, and the paths of data."""

import re
from collections.abc import Iterator
from typing import Any

from aml.checks.shapes import COMPUTE, DATA, check_shape
from aml.jobfile.document import Document
from aml.uris import ASSET


def check_compute(document: Document) -> Iterator[str]:
    yield from check_shape(document, {"name": "", "type": "", "size": "", **document.data}, COMPUTE)
    low, high = document.data.get("min_instances", 0), document.data.get("max_instances", 4)
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield f"{document.where('min_instances')}: min_instances {low} is more than max_instances {high}"


def check_data(document: Document) -> Iterator[str]:
    yield from check_shape(document, {"name": "", **document.data}, DATA)
    yield from check_path(document, document.data)


def check_path(document: Document, entry: dict[str, Any], *keys: str) -> Iterator[str]:
    """Whether the path of an input or of a data asset leads somewhere, as far as this machine can know."""
    path, kind, where = str(entry.get("path") or ""), entry.get("type", "uri_folder"), document.where(*keys, "path")
    local = (document.path.parent / path.removeprefix("file:")).resolve()
    if not path:
        yield f"{where}: no path"
    elif path.startswith("azureml:"):
        if not re.fullmatch(ASSET, path):
            yield f"{where}: {path} has no version: write {path}:1 or {path}@latest"
    elif re.match(r"(https?|wasbs?|abfss?):", path):
        return
    elif re.match(r"[a-z][a-z0-9]+://", path) and not path.startswith("file:"):
        yield f"{where}: {path}: Azure ML does not read such addresses: copy the data to a datastore"
    elif not local.exists():
        yield f"{where}: {path} does not exist: fix the path (it is relative to the file)"
    elif kind in ("uri_file", "uri_folder") and local.is_dir() != (kind == "uri_folder"):
        yield f"{where}: {path} is a {'folder' if local.is_dir() else 'file'}, but the type is {kind}: fix one of them"
