"""Notes are found by what they are, not by their wording, and every text of the report is one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import TEMPLATE

MODULES = [*(TEMPLATE / "src" / "aml" / "adopt").rglob("*.py"), TEMPLATE / "src" / "aml" / "cli" / "adopt.py"]


def looks(tree: ast.AST) -> Iterator[int]:
    """The lines that look into the text of a note: compare it, or ask a method or a pattern about it."""
    for node in ast.walk(tree):
        inner: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            inner = [node.left, *node.comparators]
        elif isinstance(node, ast.Call):
            asks = isinstance(node.func, ast.Attribute) and node.func.attr in (
                "match",
                "fullmatch",
                "search",
                "findall",
            )
            inner = [*([node.func.value] if isinstance(node.func, ast.Attribute) else []), *(node.args if asks else [])]
        elif isinstance(node, ast.Subscript):
            inner = [node.value]
        for one in inner:
            if isinstance(one, ast.Attribute) and one.attr == "text" and "note" in ast.unparse(one.value).lower():
                yield getattr(node, "lineno", 0)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_module_looks_into_a_note_s_text(path: Path) -> None:
    assert [*looks(ast.parse(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize(
    "code",
    ["note.text.startswith('x')", "note.text == old", "'x' in note.text", "re.search('x', note.text)", "note.text[:3]",
     "any(known.startswith(note.text) or notes[0].text != 1 for known in x)"],
)  # fmt: skip
def test_the_test_finds_what_it_looks_for(code: str) -> None:
    assert [*looks(ast.parse(code))] == [1]
