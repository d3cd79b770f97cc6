"""The cells of a notebook that are plain Python, for what is only looked at; notebooks.notebook converts them all."""

import json
import re
from pathlib import Path
from typing import Any

from aml.adopt.python.closure import UNREADABLE, parse

# Magics of a cell behind which its Python runs all the same.
WRAPPERS = ("capture", "memit", "prun", "time", "timeit")


def raw_cells(path: Path) -> list[tuple[int, str]]:
    """The number and the text of each code cell. Raises OSError, and ValueError when the file is no JSON."""
    notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(notebook, dict):
        return []
    sheets = _list(notebook.get("worksheets")) or [notebook]  # the format's third version has them
    every = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    found = []
    for number, cell in enumerate(every, 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", "")) or ""
            found.append((number, source if isinstance(source, str) else "".join(map(str, source))))
    return found


def is_magic(line: str) -> bool:
    """Whether a line is for IPython, not for Python."""
    return line.startswith(("%", "!"))


def cells(path: Path) -> list[tuple[int, str]]:
    """The number and the text of each that is Python. Raises as raw_cells() does."""
    found = []
    for number, text in raw_cells(path):
        magic = re.match(r"\s*%%(\w+)", text)
        if magic and magic[1] not in WRAPPERS:
            continue  # a file, or another language
        plain = "\n".join("" if is_magic(line) else line for line in text.split("\n"))
        try:
            parse(plain)
        except UNREADABLE:
            continue
        found.append((number, plain))
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
