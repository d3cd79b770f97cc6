"""Changes to a tree of Python source: lines that go or come, imports, arguments."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import libcst as cst
import libcst.helpers

from aml.adopt.python.syntax import literal

Statements = Sequence[cst.BaseStatement | cst.BaseSmallStatement]


def without(args: Sequence[cst.Arg], dropped: Iterable[cst.Arg]) -> list[cst.Arg]:
    """Arguments without some; the last one ends as the last one did, so that a call on many lines stays one."""
    gone = list(dropped)
    kept = [arg for arg in args if not any(arg is other for other in gone)]
    if kept and kept[-1] is not args[-1]:
        kept[-1] = kept[-1].with_changes(comma=args[-1].comma, whitespace_after_arg=args[-1].whitespace_after_arg)
    return kept


TIGHT = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))  # of a keyword argument
GONE = cst.Name("__gone__")  # as an expression statement: take this line out


class Sweep(cst.CSTTransformer):
    """Takes out the statements that a transformer marked with GONE; their comments stay, an empty block gets pass."""

    def _swept(self, body: Statements) -> tuple[list[Any], list[cst.EmptyLine]]:
        kept: list[Any] = []
        comments: list[cst.EmptyLine] = []
        for statement in body:
            left = statement
            if isinstance(statement, cst.SimpleStatementLine):
                parts = [part for part in statement.body if not _is_gone(part)]
                if parts and len(parts) < len(statement.body):
                    parts[-1] = parts[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
                    left = statement.with_changes(body=parts)
                elif not parts:
                    comments += [line for line in statement.leading_lines if line.comment]
                    if comment := statement.trailing_whitespace.comment:
                        comments.append(cst.EmptyLine(indent=True, comment=comment))
                    if not kept and not comments:
                        comments += statement.leading_lines
                    continue
            if comments and hasattr(left, "leading_lines"):
                left = left.with_changes(leading_lines=[*comments, *left.leading_lines])
                comments = []
            kept.append(left)
        return kept, comments

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        body, comments = self._swept(updated_node.body)
        return updated_node.with_changes(body=body, footer=[*comments, *updated_node.footer])

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        body, comments = self._swept(updated_node.body)
        body = body or [cst.SimpleStatementLine([cst.Pass()])]
        return updated_node.with_changes(body=body, footer=[*comments, *updated_node.footer])

    def leave_SimpleStatementSuite(
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> cst.SimpleStatementSuite:
        parts = [part for part in updated_node.body if not _is_gone(part)] or [cst.Pass()]
        if len(parts) < len(updated_node.body):
            parts[-1] = parts[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(body=parts)


def _is_gone(part: cst.CSTNode) -> bool:
    return isinstance(part, cst.Expr) and isinstance(part.value, cst.Name) and part.value.value == GONE.value


def is_import(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(part, cst.Import | cst.ImportFrom) for part in statement.body
    )


def header_end(module: cst.Module) -> int:
    """Where the docstring and the __future__ imports end."""
    end = 0
    for position, statement in enumerate(module.body):
        part = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and statement.body else None
        docstring = position == 0 and isinstance(part, cst.Expr) and literal(part.value) is not None
        future = isinstance(part, cst.ImportFrom) and getattr(part.module, "value", "") == "__future__"
        if not docstring and not future:
            break
        end = position + 1
    return end


def imports_end(module: cst.Module) -> int:
    """Where the first block of imports ends; settings such as matplotlib.use("Agg") may stand within."""
    end = position = header_end(module)
    while position < len(module.body) and (is_import(module.body[position]) or _is_setting(module.body[position])):
        position += 1
        if is_import(module.body[position - 1]):
            end = position
    return end


def _is_setting(statement: cst.CSTNode) -> bool:
    part = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    call = part.value if isinstance(part, cst.Expr) else None
    name = cst.helpers.get_full_name_for_node(call.func) if isinstance(call, cst.Call) else None
    return (name or "").startswith(("matplotlib.use", "mpl.use", "warnings.", "sys.path.", "os.environ.setdefault"))


def statements(module: cst.Module, code: str) -> list[cst.SimpleStatementLine | cst.BaseCompoundStatement]:
    parsed = cst.parse_module(code, config=module.config_for_parsing)
    first: Any = parsed.body[0]
    return [first.with_changes(leading_lines=[*parsed.header, *first.leading_lines]), *parsed.body[1:]]


def insert(module: cst.Module, position: int, code: str) -> cst.Module:
    body = [*module.body[:position], *statements(module, code), *module.body[position:]]
    return module.with_changes(body=body)


def has_import(module: cst.Module, wanted: str) -> bool:
    """Whether the module's own level has exactly this import, such as `import pandas as pd`."""
    return any(
        f"import {module.code_for_node(alias.with_changes(comma=cst.MaybeSentinel.DEFAULT)).strip()}" == wanted
        for statement in module.body
        if isinstance(statement, cst.SimpleStatementLine)
        for part in statement.body
        if isinstance(part, cst.Import)
        for alias in part.names
    )


def add_import(module: cst.Module, wanted: str) -> cst.Module:
    """The module with an import: with its like, after docstring and __future__ imports."""
    start, end = header_end(module), imports_end(module)
    if has_import(module.with_changes(body=module.body[:end]), wanted):
        return module
    position = end
    name = wanted.split()[1]
    if name.split(".")[0] in sys.stdlib_module_names:
        others = (at for at in range(start, end) if not "" < _standard(module.body[at]) < name)
        position = next(others, end)
    module = insert(module, position, wanted + "\n")
    added = module.body[position]
    after = module.body[position + 1] if position + 1 < len(module.body) else None
    if position == 0 and after is not None and not is_import(after) and not _spaced(after):
        module = _lead(module, position + 1)
    return _lead(module, position) if position and position == start and not _spaced(added) else module


def _standard(statement: cst.CSTNode) -> str:
    """The standard library's module that an import names, or ""."""
    part = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    name: cst.CSTNode | None = None
    if isinstance(part, cst.Import):
        name = part.names[0].name
    elif isinstance(part, cst.ImportFrom) and not part.relative:
        name = part.module
    full = cst.helpers.get_full_name_for_node(name) if name else None
    return full if full and full.split(".")[0] in sys.stdlib_module_names else ""


def _spaced(statement: cst.CSTNode) -> bool:
    return any(line.comment is None for line in getattr(statement, "leading_lines", ()))


def _lead(module: cst.Module, position: int) -> cst.Module:
    """The module with an empty line above a statement."""
    statement: Any = module.body[position]
    spaced = statement.with_changes(leading_lines=[cst.EmptyLine(indent=False), *statement.leading_lines])
    return module.with_changes(body=[*module.body[:position], spaced, *module.body[position + 1 :]])


def space(module: cst.Module, position: int) -> cst.Module:
    """The module with the statement at this position after empty lines."""
    if position >= len(module.body):
        return module
    lines = getattr(module.body[position], "leading_lines", ())
    return module if lines and lines[0].comment is None else _lead(module, position)
