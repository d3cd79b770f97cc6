"""The Python in the cells of a notebook, as its compiler sees it."""

import ast
import warnings
from collections.abc import Iterable

from aml.adopt.python.closure import UNREADABLE


def parse(code: str) -> ast.Module:
    """The syntax tree of a cell, which may await. Raises SyntaxError or ValueError."""
    with warnings.catch_warnings():  # of escapes and the like, which are the code's own affair
        warnings.simplefilter("ignore")
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(code, "cell", "exec", flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def parses(code: str) -> bool:
    """Whether a text is Python 3."""
    try:
        parse(code)
    except UNREADABLE:  # ValueError: NUL and lone surrogates
        return False
    return True


def bound(codes: Iterable[str], without: tuple[str, ...] = ()) -> set[str]:
    """All names that the code binds in any scope; "*" when it imports names that are not told.

    What it imports from a module below one of `without` does not count.
    """
    names: set[str | None] = set()
    for node in (node for code in codes for node in _nodes(code, tuple(f"{name}." for name in without))):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                names.add(name)
            case ast.MatchMapping(rest=name) | ast.arg(arg=name):
                names.add(name)
            case ast.alias():
                names.add(node.asname or node.name.split(".")[0])
    return {name for name in names if name}


def _nodes(code: str, without: tuple[str, ...]) -> Iterable[ast.AST]:
    waiting: list[ast.AST] = [parse(code)]
    while waiting:
        node = waiting.pop()
        if not (isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(without)):
            yield node
            waiting += ast.iter_child_nodes(node)
