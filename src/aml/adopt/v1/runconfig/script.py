"""What the code of a run uses, as far as its imports lead within the project. It is read, never run."""

import ast
from collections.abc import Iterator
from pathlib import Path


def reachable(script: Path | None, folder: Path) -> list[ast.AST]:
    """The script and the modules beside it that it imports; all of `folder` when there is no such script."""
    if script is None or not script.is_file():
        waiting = sorted(folder.glob("*.py"))
    else:
        waiting, folder = [script], script.parent
    trees: dict[Path, ast.AST] = {}
    while waiting:
        path = waiting.pop()
        if path in trees:
            continue
        try:
            trees[path] = ast.parse(path.read_text(encoding="utf-8-sig"))
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue  # contract.py reports what cannot be read
        for name in imports(trees[path]):
            beside = folder.joinpath(*name.split("."))
            waiting += [one for one in (beside.with_suffix(".py"), beside / "__init__.py") if one.is_file()]
    return list(trees.values())


def imports(tree: ast.AST) -> Iterator[str]:
    """The names of the modules that a module imports, and of what may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            yield from ([node.module] if node.module else [])
            yield from (prefix + alias.name for alias in node.names if alias.name != "*")


def variables(tree: ast.AST) -> Iterator[str]:
    """The environment variables that a module reads."""
    calls = ("os.getenv", "getenv", "os.environ.get", "environ.get", "os.environ.pop")
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("os.environ", "environ"):
            key = node.slice
        elif isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in calls:
            key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value
