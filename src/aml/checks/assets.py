"""Checks of clusters, data assets, and the paths of data."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aml.checks.fields import COMPUTE, DATA
from aml.checks.finding import Finding
from aml.checks.shapes import check_shape, whole
from aml.jobfile.document import Document
from aml.uris import DATA_REFERENCE, DATA_URI, REMOTE_URI


def check_compute(document: Document) -> Iterator[Finding]:
    """The findings on the description of a cluster."""
    data = document.data
    yield from check_shape(document, data, COMPUTE)
    low, high = data.get("min_instances", 0), data.get("max_instances", 4)
    if not (whole(low) or whole(high)) and int(low) > int(high):
        problem = f"min_instances {low} is more than max_instances {high}"
        yield Finding.at(document, ("min_instances",), problem, rule="count")
    if "size" not in data:
        yield Finding.at(document, (), "no size", "azure-ai-ml takes Standard_DS3_v2", "size")


def check_data(document: Document, path: Path | None = None) -> Iterator[Finding]:
    """The findings on the description of a data asset; `path` is of this machine, and takes the place of its own."""
    data = document.data | ({"path": str(path)} if path else {})
    yield from check_shape(document, data, DATA)
    if path:
        where = f"--path {path}"
        problems = _judge_local(path, where, str(data.get("type", "uri_folder")))
        yield from (Finding.at(document, ("type",), *problem) for problem in problems)
    elif isinstance(data.get("path"), str):
        yield from check_path(document, data)


def check_path(document: Document, entry: dict[str, Any], *keys: str) -> Iterator[Finding]:
    """The findings on the path, a text, of an input or of a data asset: `entry`, which stands at `keys`.

    Whether an address in Azure exists, only `aml submit` asks.
    """
    path, kind = entry["path"], str(entry.get("type", "uri_folder")).lower()
    problems: Iterable[tuple[str, str, str]] = ()
    if not path:
        problems = [("no path", "give it one", "path")]
    elif path.startswith("azureml:"):
        if not DATA_REFERENCE.fullmatch(path):
            problems = [(*_wrong_reference(path), "address")]
    elif REMOTE_URI.match(path):
        if not DATA_URI.match(path):
            problems = [(f"{path}: Azure ML does not read such addresses", "copy the data to a datastore", "address")]
    else:
        problems = _judge_local((document.path.parent / path.removeprefix("file:")).resolve(), path, kind)
    for problem, fix, rule in problems:
        yield Finding.at(document, (*keys, "path"), problem, fix, rule)


def _judge_local(path: Path, shown: str, kind: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a path of this machine for data of this kind: the problem, the fix, and the rule."""
    if not path.exists():
        yield f"{shown} does not exist", "fix the path", "path"
    elif kind in ("uri_file", "uri_folder") and path.is_dir() != (kind == "uri_folder"):
        yield f"{shown} is a {'folder' if path.is_dir() else 'file'}, but the type is {kind}", "fix one of them", "path"
    elif kind == "mltable" and not (path / "MLTable").is_file():
        yield f"{shown} has no file MLTable", "add it, or take the type uri_folder", "mltable"


def _wrong_reference(path: str) -> tuple[str, str]:
    """What is wrong with a path that begins with azureml:, and what to write."""
    if inside := re.fullmatch(r"(azureml:[^:@/]+(?::[^:@/]+|@[^:@/]+))(/.*)", path):
        return f"{path} is inside of a data asset", f"write {inside[1]}, and add {inside[2]} in the command"
    if re.fullmatch(r"azureml:[^:@/]+", path):
        return f"{path} has no version", f"write {path}:1 or {path}@latest"
    return f"{path} is no reference", "write azureml:NAME:VERSION, azureml:NAME@latest or the id of a resource"
