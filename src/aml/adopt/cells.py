"""The cells of a notebook that are plain Python, for what is only looked at; aml.adopt.notebook converts them all."""

import json
from pathlib import Path
from typing import Any

from aml.adopt.closure import UNREADABLE, parse


def cells(path: Path) -> list[tuple[int, str]]:
    """The number and the text of each. Raises OSError, and ValueError when the file is no JSON."""
    notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(notebook, dict):
        return []
    sheets = _list(notebook.get("worksheets")) or [notebook]  # the format's third version has them
    every = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    found = []
    for number, cell in enumerate(every, 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", "")) or ""
        text = source if isinstance(source, str) else "".join(map(str, source))
        plain = "\n".join("" if line.startswith(("%", "!")) else line for line in text.split("\n"))
        try:
            parse(plain)
        except UNREADABLE:
            continue
        found.append((number, plain))
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
