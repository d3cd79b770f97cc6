"""The files that a script or notebook of SDK v1 uploads and registers as one dataset: read, never run."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aml.adopt.python.syntax import literal, nodes_in
from aml.adopt.tree import TABLES, files_below, listing
from aml.adopt.v1.expressions import File, opened


class Upload(NamedTuple):
    """Tables that are one dataset."""

    where: str  # "01-register-dataset.py:6"
    files: tuple[Path, ...]


def together(root: Path) -> Upload | None:
    """The tables that are uploaded as one dataset; None where there are none, or several such datasets."""
    names = [name for name in listing(root)[0] if name.endswith((".py", ".ipynb"))]
    files = [opened(root, root / name, names, r"\bfrom_delimited_files\b", r"\bupload(_files)?\b") for name in names]
    found = [one for file in files if file for one in _of(file)]
    return found[0] if len({one.files for one in found}) == 1 else None


def _of(file: File) -> Iterator[Upload]:
    reads = file.named("from_delimited_files")
    texts = [text for call in reads for node in nodes_in(call) if (text := literal(node))]
    if len(reads) != 1 or any(text.lower().endswith(TABLES) and "*" not in text for text in texts):
        return  # it reads certain files of what is uploaded
    for call in file.named("upload", "upload_files"):
        given = file.given(call)
        named = [file.text(one) for one in file.items(given.get("files") or given.get("src_dir"))]
        places = [place for text in named if text and (place := file.values.locate(text))]
        files = {one for place in places for one in (files_below(place) if place.is_dir() else [place])}
        tables = tuple(sorted(one.resolve() for one in files if one.suffix.lower() in TABLES))
        if len(tables) > 1 and all(table.is_relative_to(file.root) for table in tables):
            yield Upload(file.where(call), tables)
