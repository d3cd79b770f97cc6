"""What the expressions of a script or notebook that may submit jobs by SDK v1 are worth: read, never run."""

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import libcst as cst

from aml.adopt import Note
from aml.adopt.private import hide
from aml.adopt.python.arguments import Parsers
from aml.adopt.python.cells import cells
from aml.adopt.python.closure import CODE_LIMIT, read_code
from aml.adopt.python.static import DEPTH, Modules, Values
from aml.adopt.python.syntax import UNPARSED, Key, Tree, nodes_in
from aml.adopt.tree import by_end, shown

Expression = cst.BaseExpression
Place = tuple[Key, str]  # a variable, and the attributes below it: (src, "run_config.target")
POSITIONS = {  # the signatures of azureml-core 1.61 and azureml-train-core 1.61
    "ScriptRunConfig": ("source_directory", "script", "arguments", "run_config"),
    "PythonScriptStep": ("script_name", "name", "arguments", "compute_target", "runconfig"),
    **dict.fromkeys(("Estimator", "SKLearn", "PyTorch", "TensorFlow"), ("source_directory",)),
    **dict.fromkeys(("Experiment", "ComputeTarget", "AmlCompute", "get"), ("workspace", "name")),
    "create": ("workspace", "name", "provisioning_configuration"),
    "provisioning_configuration": ("vm_size",),
    **dict.fromkeys(("from_conda_specification", "from_pip_requirements"), ("name", "file_path")),
    "Environment": ("name",),
    "CondaDependencies": ("conda_dependencies_file_path",),
    "add_conda_package": ("conda_package",),
    "add_pip_package": ("pip_package",),
    "set_python_version": ("python_version",),
    "register_model": ("model_name", "model_path"),
    "register": ("workspace", "model_path", "model_name"),
    "upload": ("src_dir",),
    "upload_files": ("files",),
    "PipelineParameter": ("name", "default_value"),
    "MpiConfiguration": ("process_count_per_node", "node_count"),
    "PyTorchConfiguration": ("communication_backend", "process_count", "node_count"),
    "TensorflowConfiguration": ("worker_count", "parameter_server_count"),
}


def last(node: cst.CSTNode | None) -> str:
    """The last part of a dotted name; of a call, of the name of what is called; else ""."""
    node = node.func if isinstance(node, cst.Call) else node
    node = node.attr if isinstance(node, cst.Attribute) else node
    return node.value if isinstance(node, cst.Name) else ""


def is_none(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


class File:
    """A module, and what its expressions are worth. `starts`: the lines where the cells of a notebook begin."""

    def __init__(self, root: Path, path: Path, files: list[str], text: str, starts: list[tuple[int, str]]) -> None:
        self.root, self.path, self.files, self.starts = root, path, files, starts
        self.tree = Tree(text)
        beside = {one.name: one for one in path.parent.glob("*.py")}
        self.values = Values(self.tree, path, Modules(beside, root, path.parent))
        self.calls = list(self.tree.all(cst.Call))
        self._set = [(self._place(target), value) for target, value in self.tree.assigned()]
        self._methods = [(self._place(call.func), call) for call in self.calls]
        self.notes: list[Note] = []

    @cached_property
    def parsers(self) -> Parsers:
        """The options of the file itself."""
        return Parsers(self.tree)

    def _place(self, node: Expression) -> Place | None:
        """The place that an attribute is; None for other expressions."""
        names: list[str] = []
        while isinstance(node, cst.Attribute):
            names.insert(0, node.attr.value)
            node = node.value
        key = self.tree.key(node) if names and isinstance(node, cst.Name) else None
        return (key, ".".join(names)) if key else None

    def set_at(self, places: list[Place]) -> list[Expression]:
        """What is assigned to attributes, such as `src.run_config.target = ...`."""
        return [value for place, value in self._set if place in places]

    def called_on(self, places: list[Place]) -> list[cst.Call]:
        """The calls of methods of what is at these places."""
        return [call for place, call in self._methods if place and (place[0], place[1].rpartition(".")[0]) in places]

    def where(self, node: cst.CSTNode) -> str:
        line = self.tree.line(node)
        name = shown(self.root, self.path)
        cell = next((place for first, place in reversed(self.starts) if first <= line), None)
        return f"{name}:{line}" if cell is None else name + cell

    def note(self, kind: Any, node: cst.CSTNode, text: str) -> None:
        note = Note(kind, self.where(node), hide(text), "job")
        if note not in self.notes:
            self.notes.append(note)

    def code(self, node: cst.CSTNode) -> str:
        return self.tree.short(node)

    def by_end(self, name: str) -> Path | None:
        """The only file of the source whose path ends so."""
        found = by_end(self.root, self.root, name, self.files)
        return found[0] if len(found) == 1 else None

    # What names are

    def _key(self, node: Expression | None) -> Key | None:
        return self.tree.key(node) if isinstance(node, cst.Name) else None

    def every(self, node: Expression | None) -> list[Expression]:
        """What an expression may be: of a variable, all that is assigned to it."""
        found: list[Expression] = []
        waiting, seen = [node], {node}
        while waiting:
            one = waiting.pop(0)
            key = self._key(one)
            values = [value for value in self.tree.bindings.get(key, []) if value is not None] if key else []
            waiting += [value for value in values if value not in seen]
            seen.update(values)
            if one is not None and not values:
                found.append(one)
        return found

    def one(self, node: Expression | None) -> Expression | None:
        """The same where it is certain."""
        for _ in range(DEPTH):
            values = self.values.bound(self._key(node))
            value = values[0] if len(values) == 1 else self._latest(node, values)
            if node is None or value is None:
                return node
            node = value
        return None

    def _latest(self, node: Expression | None, values: list[Expression]) -> Expression | None:
        """Of several values, as the cells of a notebook give them to one name, the one that holds at this place."""
        literals = [value for value in values if isinstance(value, cst.SimpleString | cst.Integer)]
        if values and len(literals) == len(values) and len({self.values.of(value) for value in values}) == 1:
            return values[0]
        if node not in self.tree.parents or self.tree.around(node, cst.FunctionDef, cst.Lambda):
            return None
        lines = [self.tree.around(value, cst.SimpleStatementLine) for value in values]
        if not all(line and isinstance(self.tree.parents[line], cst.Module) for line in lines):
            return None
        before = [value for value in values if self.tree.line(value) < self.tree.line(node)]
        return max(before, key=self.tree.line, default=None)

    def keys(self, node: Expression | None) -> list[Key]:
        """The variables that hold an expression, by whatever names."""
        nodes = [node, *self.every(node)]
        found = [self._key(one) for one in nodes]
        for target, value in self.tree.assigned():
            if value in nodes or (isinstance(value, cst.Name) and self._key(value) in found):
                found.append(self._key(target))
        return [key for key in dict.fromkeys(found) if key]

    def holds(self, node: Expression, call: cst.Call) -> bool:
        """Whether an expression is the call, or a variable that holds it."""
        return node is call or self._key(node) in self.keys(call)

    def calls_in(self, node: cst.CSTNode) -> Iterator[cst.Call]:
        """The calls in an expression, and in what its variables are."""
        waiting: list[tuple[cst.CSTNode, int]] = [(node, 4)]
        seen = {node}
        while waiting:
            current, depth = waiting.pop(0)
            for part in (current, *nodes_in(current)):
                if isinstance(part, cst.Call):
                    yield part
                values = self.every(part) if isinstance(part, cst.Name) and depth else []
                waiting += [(value, depth - 1) for value in values if value not in seen]
                seen.update(values)

    def named(self, *names: str) -> list[cst.Call]:
        """The calls of functions, methods or classes of these names."""
        return [call for call in self.calls if last(call) in names]

    # What expressions are

    def text(self, node: Expression | None) -> str | None:
        """The text of a literal, or of a name that is only ever one; of an option of the file, its default."""
        node = self.one(node)
        if isinstance(node, cst.Call) and self.tree.qualified(node.func) == "builtins.str" and len(node.args) == 1:
            node = self.one(node.args[0].value)
        if isinstance(node, cst.Attribute) and (option := self.parsers.option(node)):
            node = option.default
        if isinstance(node, cst.Call) and last(node) == "PipelineParameter":
            return self.text(self.given(node).get("default_value"))
        node = (self._imported(node) if isinstance(node, cst.Name) else None) or node
        value = self.values.of(node)
        if value is None and isinstance(node, cst.Float | cst.UnaryOperation | cst.Name):
            try:
                value = ast.literal_eval(cst.Module([]).code_for_node(node))
            except (ValueError, SyntaxError):
                return None
        return str(value) if isinstance(value, str | int | float | Path) else None

    def _imported(self, node: cst.Name) -> Expression | None:
        """What a module beside the file gives to a name, where that is certain."""
        found = self.values.modules.values(self.values.qualified(node))
        assigned = found[0].tree.assigned() if found else ()
        values = [value for target, value in assigned if found and getattr(target, "value", "") == found[1]]
        return values[0] if len(values) == 1 else None

    def given(self, call: cst.Call) -> dict[str, Expression]:
        """The arguments of a call by their names."""
        positions = POSITIONS.get(last(call), ())
        found: dict[str, Expression] = {}
        for position, arg in enumerate(call.args):
            keywords = self.one(arg.value) if arg.star == "**" else None
            if isinstance(keywords, cst.Dict):
                found |= {text: value for text, value in self.pairs(keywords) if text}
            elif arg.keyword:
                found[arg.keyword.value] = arg.value
            elif not arg.star and position < len(positions):
                found[positions[position]] = arg.value
        return found

    def pairs(self, node: cst.Dict) -> list[tuple[str | None, Expression]]:
        """The keys and values of a mapping; None for a key that is no text, and for what ** adds."""
        return [(self.text(getattr(element, "key", None)), element.value) for element in node.elements]

    def items(self, node: Expression | None) -> list[Expression]:
        """The elements of a list; the expression itself where it is none."""
        found = self.one(node)
        if isinstance(found, cst.BinaryOperation) and isinstance(found.operator, cst.Add):
            both = [self.one(found.left), self.one(found.right)]
            if all(isinstance(one, cst.List | cst.Tuple | cst.BinaryOperation) for one in both):
                return [*self.items(found.left), *self.items(found.right)]
        if not isinstance(found, cst.List | cst.Tuple):
            return [found] if found is not None else []
        items: list[Expression] = []
        for element in found.elements:
            items += self.items(element.value) if isinstance(element, cst.StarredElement) else [element.value]
        return items


def opened(root: Path, path: Path, files: list[str], *patterns: str) -> File | None:
    """A script or notebook; None where its code has not what is looked for, or cannot be read."""
    try:
        if path.stat().st_size > (20 if path.suffix == ".ipynb" else 1) * CODE_LIMIT:
            return None
        starts, text = _text(path)
        return File(root, path, files, text, starts) if all(re.search(one, text) for one in patterns) else None
    except UNPARSED:
        return None


def _text(path: Path) -> tuple[list[tuple[int, str]], str]:
    """The code of a file; of a notebook, with the lines where its cells begin."""
    if path.suffix == ".py":
        return [], read_code(path)
    starts, lines = [], [""]
    for number, text in cells(path):
        starts.append((len(lines), f" cell {number}"))
        lines += text.split("\n")
    return starts, "\n".join(lines[1:]) + "\n"
