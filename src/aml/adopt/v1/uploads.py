"""The files that a script or notebook of SDK v1 uploads and registers as one dataset: read, never run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aml.adopt.python.cells import cells
from aml.adopt.python.closure import UNREADABLE, parse, read_code
from aml.adopt.tree import TABLES, files_below, folders, listing, shown


class Upload(NamedTuple):
    """Tables that are one dataset."""

    where: str  # "01-register-dataset.py:6"
    files: tuple[Path, ...]


def together(root: Path) -> Upload | None:
    """The tables that are uploaded as one dataset; None where there are none, or several such datasets."""
    found = [one for name in listing(root)[0] for one in _of(root, root / name)]
    return found[0] if len({one.files for one in found}) == 1 else None


def _of(root: Path, path: Path) -> Iterator[Upload]:
    try:
        if path.suffix == ".py":
            tree = parse(read_code(path))
        elif path.suffix == ".ipynb":
            tree = ast.Module([part for _, text in cells(path) for part in parse(text).body], [])
        else:
            return
    except UNREADABLE:
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    reads = [call for call in calls if getattr(call.func, "attr", "") == "from_delimited_files"]
    if len(reads) != 1 or any(text.lower().endswith(TABLES) and "*" not in text for text in _texts(reads[0])):
        return  # it reads certain files of what is uploaded
    for call in calls:
        method = getattr(call.func, "attr", "")
        wanted = {"upload_files": "files", "upload": "src_dir"}.get(method)
        given = next((one.value for one in call.keywords if one.arg == wanted), next(iter(call.args), None))
        if wanted is None or given is None:
            continue
        places = [
            next((place for folder in folders(root, path.parent) if (place := folder / text).exists()), None)
            for text in _texts(given)
        ]
        files = {one for place in places if place for one in (files_below(place) if place.is_dir() else [place])}
        tables = tuple(sorted(one.resolve() for one in files if one.suffix.lower() in TABLES))
        if len(tables) > 1 and all(table.is_relative_to(root) for table in tables):
            yield Upload(f"{shown(root, path)}:{call.lineno}" if path.suffix == ".py" else shown(root, path), tables)


def _texts(node: ast.AST) -> list[str]:
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
