"""Python source as a libcst tree that comes back byte for byte: what sdk.py and contract.py both do to one."""

import ast
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import libcst as cst
import libcst.helpers
from libcst.metadata import MetadataWrapper, PositionProvider, QualifiedNameProvider, ScopeProvider
from libcst.metadata.scope_provider import Scope

from aml.adopt.python.closure import UNREADABLE, parse

UNPARSED = (*UNREADABLE, cst.ParserSyntaxError)  # what reading a file and making a Tree of it may raise
DEEPEST = 1000  # levels of nesting; some thousands more make libcst end the process
Key = tuple[Scope, str]  # a variable


class Tree:
    """A parsed module, and what its names mean.

    Raises SyntaxError, ValueError, cst.ParserSyntaxError (newer Python than libcst knows), and RecursionError or
    MemoryError where it is nested too deeply; so do the functions that change a tree.
    """

    def __init__(self, text: str) -> None:
        _refuse_deep(parse(text.removeprefix("\ufeff")))
        self._text = text
        self.wrapper = MetadataWrapper(cst.parse_module(text.removeprefix("\ufeff")))
        self.module = self.wrapper.module
        self.scopes = self.wrapper.resolve(ScopeProvider)
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.nodes: list[cst.CSTNode] = []
        self._walk(self.module)
        self.classes = {made.name.value for made in self.all(cst.ClassDef)}
        self.functions: dict[str, list[cst.FunctionDef]] = {}
        for function in self.all(cst.FunctionDef):
            self.functions.setdefault(function.name.value, []).append(function)
        self.bindings: dict[Key, list[cst.BaseExpression | None]] = {}  # None: bound by something else than `=`
        self._bind()

    def text_of(self, changed: cst.Module) -> str:
        """The text of the module after changes; where there are none, to the letter what it was made of."""
        if changed.code == self.module.code:
            return self._text
        return ("\ufeff" if self._text.startswith("\ufeff") else "") + changed.code

    @cached_property
    def positions(self) -> Mapping[cst.CSTNode, Any]:
        return self.wrapper.resolve(PositionProvider)

    @cached_property
    def names(self) -> Mapping[cst.CSTNode, Any]:
        return self.wrapper.resolve(QualifiedNameProvider)

    def _walk(self, root: cst.CSTNode) -> None:
        stack = [root]
        while stack:
            node = stack.pop()
            self.nodes.append(node)
            children = list(node.children)
            self.parents.update(dict.fromkeys(children, node))
            stack.extend(reversed(children))

    def _bind(self) -> None:
        plain: set[cst.CSTNode] = set()
        for target, value in self.assigned():
            if isinstance(target, cst.Name) and (key := self.key(target)):
                self.bindings.setdefault(key, []).append(value)
                plain.add(target)
        for scope in {scope for scope in self.scopes.values() if scope}:
            for assignment in scope.assignments:
                node = getattr(assignment, "node", None)
                if node not in plain and not self._is_plain_target(node, plain):
                    self.bindings.setdefault((assignment.scope, assignment.name), []).append(None)

    def _is_plain_target(self, node: cst.CSTNode | None, plain: set[cst.CSTNode]) -> bool:
        return isinstance(node, cst.AssignTarget | cst.AnnAssign | cst.NamedExpr) and node.target in plain

    def all(self, kind: Any) -> Iterator[Any]:
        """The nodes of a kind, in the order of the source."""
        return (node for node in self.nodes if isinstance(node, kind))

    def line(self, node: cst.CSTNode) -> int:
        return int(self.positions[node].start.line)

    def code(self, node: cst.CSTNode) -> str:
        return self.module.code_for_node(node)

    def short(self, node: cst.CSTNode, longest: int = 2**16) -> str:
        """The code of a node in one line, for messages."""
        code = " ".join(self.code(node).split())
        return code if len(code) <= longest else f"{code[: longest - 3]}..."

    def up(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around this one, from the inside."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def around(self, node: cst.CSTNode, *kinds: Any) -> Any:
        """The innermost node of these kinds around this one, or None."""
        return next((parent for parent in self.up(node) if isinstance(parent, kinds)), None)

    def key(self, name: cst.Name) -> Key | None:
        """The variable that a name stands for, or None when nothing in the module binds it."""
        scope = self.scopes.get(name)
        found = list(scope[name.value]) if scope else []
        return (found[0].scope, name.value) if found else None

    def qualified(self, node: cst.CSTNode) -> str:
        """What a name or attribute was imported as, such as sklearn.metrics.accuracy_score, or ""."""
        base = node
        while isinstance(base, cst.Attribute):
            base = base.value
        found = self.names.get(node) if isinstance(base, cst.Name) else None
        if callable(found):
            found = found()
        return min((name.name for name in found or () if name.source.name in ("IMPORT", "BUILTIN")), default="")

    def assigned(self) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
        """Each target with what `=`, `:=` or `with ... as` gives it; a tuple with a tuple, pair by pair."""
        for node in self.nodes:
            if isinstance(node, cst.Assign):
                for target in node.targets:
                    yield from _pairs(target.target, node.value)
            elif isinstance(node, cst.AnnAssign | cst.NamedExpr) and node.value:
                yield node.target, node.value
            elif isinstance(node, cst.WithItem) and node.asname:
                yield node.asname.name, node.item

    def constant(self, node: cst.BaseExpression, depth: int = 3) -> str | None:
        """The text that an expression certainly is: a literal, or a variable that is only ever that."""
        if isinstance(node, cst.Name) and depth and (key := self.key(node)):
            values = self.bindings.get(key, [])
            if len(values) == 1 and values[0] is not None and values[0] is not node:
                return self.constant(values[0], depth - 1)
        return literal(node)

    def parameters(self, call: cst.Call) -> Iterator[tuple[cst.Param, cst.BaseExpression]]:
        """The parameters of functions of this module that a call fills, with their values, be these their defaults."""
        name = method_of(call) or getattr(call.func, "value", "")
        functions = self.functions.get(str(name), [])
        for made in self.all(cst.ClassDef) if name in self.classes else ():
            if made.name.value == name:
                functions = [f for f in self.functions.get("__init__", []) if self.around(f, cst.ClassDef) is made]
        for function in functions:
            params = list(function.params.posonly_params) + list(function.params.params)
            if params and params[0].name.value in ("self", "cls"):
                params = params[1:]
            named = {param.name.value: param for param in [*params, *function.params.kwonly_params]}
            for position, arg in enumerate(call.args):
                if arg.star:
                    break
                param = named.pop(arg.keyword.value, None) if arg.keyword else None
                if not arg.keyword and position < len(params):
                    param = named.pop(params[position].name.value, None)
                if param:
                    yield param, arg.value
            else:
                yield from ((param, param.default) for param in named.values() if param.default)


def _refuse_deep(tree: ast.Module) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise RecursionError


def _pairs(
    target: cst.BaseExpression, value: cst.BaseExpression
) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    both = cst.Tuple | cst.List
    if isinstance(target, both) and isinstance(value, both) and len(target.elements) == len(value.elements):
        for one, other in zip(target.elements, value.elements, strict=True):
            yield from _pairs(one.value, other.value)
    else:
        yield target, value


def literal(node: cst.CSTNode | None) -> str | None:
    """The text of a string literal, or None."""
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None


def method_of(call: cst.Call) -> str:
    """The last name of what is called by a dotted one, such as read_csv of pandas.read_csv(...), or ""."""
    return call.func.attr.value if isinstance(call.func, cst.Attribute) else ""


def keyword(call: cst.Call, *names: str) -> cst.Arg | None:
    """The argument that a call gives by one of these names."""
    return next((arg for arg in call.args if arg.keyword and arg.keyword.value in names), None)


def nodes_in(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes in this one, in the order of the source."""
    waiting = [*reversed(node.children)]
    while waiting:
        yield (found := waiting.pop())
        waiting += reversed(found.children)


def quoted(text: str, like: cst.CSTNode | None = None) -> cst.SimpleString:
    """A string literal, with the quotes of the literal that it replaces."""
    quote = like.quote[0] if isinstance(like, cst.SimpleString) else '"'
    body = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    body = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in body)
    return cst.SimpleString(quote + body + quote)


def expression(code: str, **parts: cst.BaseExpression) -> cst.BaseExpression:
    """The tree of an expression; a name in capitals stands for a part."""

    class Fill(cst.CSTTransformer):
        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
            return parts.get(original_node.value, updated_node)

    filled = cst.parse_expression(code).visit(Fill())
    assert isinstance(filled, cst.BaseExpression)
    return filled


def arguments(call: cst.Call, names: Sequence[str]) -> dict[str, cst.Arg] | None:
    """The arguments of a call by the names of its parameters, or None when * or ** hides them."""
    found = {}
    for position, arg in enumerate(call.args):
        if arg.star or (not arg.keyword and position >= len(names)):
            return None
        found[arg.keyword.value if arg.keyword else names[position]] = arg
    return found


def names_in(module: cst.Module) -> set[str]:
    """Every name that the module uses for anything."""
    used: set[str] = set()

    class Names(cst.CSTVisitor):
        def visit_Name(self, node: cst.Name) -> None:
            used.add(node.value)

    module.visit(Names())
    return used


def free(module: cst.Module, *wanted: str) -> str:
    """The first of these names that the module does not use."""
    used = names_in(module)
    return next(name for name in (*wanted, *(f"{wanted[-1]}_{n}" for n in range(2, 99))) if name not in used)


def lines_of(original: str, changed: str) -> Callable[[int], int]:
    """A function from a line of `changed` to the line of `original` that it was."""
    before, after = original.split("\n"), changed.split("\n")  # at a form feed no line of Python ends
    lines = [1]
    for _, start, end, new_start, new_end in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        lines += [min(start + step, max(end - 1, start)) + 1 for step in range(new_end - new_start)]
    return lambda line: min(lines[min(line, len(lines) - 1)], max(len(before), 1))
