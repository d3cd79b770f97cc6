"""A module that is rewritten: what its names mean, what is to change, and what is told of it."""

from collections.abc import Callable, Mapping
from typing import Any

import libcst as cst
from packaging.requirements import Requirement

from aml.adopt import Note
from aml.adopt.packages.retired.tables import Row, today
from aml.adopt.private import hide
from aml.adopt.python.edits import add_import, without
from aml.adopt.python.frames import Frames
from aml.adopt.python.syntax import Tree, expression, keyword, lines_of, literal, names_in

Versions = Mapping[str, str]  # "scikit-learn" -> "1.1.3"; "python" -> "3.11"
Edit = Callable[[Any], Any]


class Work:
    """What the handlers of nodes share."""

    def __init__(self, tree: Tree, file: str, versions: Versions, original: str | None) -> None:
        self.tree, self.file, self.versions = tree, file, versions
        self.source_line = lines_of(original, tree.module.code) if original is not None else lambda line: line
        self.notes: list[Note] = []
        self.edits: dict[cst.CSTNode, list[Edit]] = {}
        self.imports: set[str] = set()  # statements to add
        self.uses: dict[tuple[str, str], str] = {}  # (full name, name in the module) -> what to write for it
        self.used = names_in(tree.module)
        self.frames = Frames(tree, self.meant)
        modules = [alias.evaluated_name for node in tree.all(cst.Import) for alias in node.names]
        modules += [tree.code(node.module) for node in tree.all(cst.ImportFrom) if node.module and not node.relative]
        self.roots = {name.split(".")[0] for name in modules}

    def note(self, kind: Any, node: cst.CSTNode, text: str) -> None:
        """Tell something of a node."""
        note = Note(kind, f"{self.file}:{self.source_line(self.tree.line(node))}", hide(text), "old-name")
        if note not in self.notes:
            self.notes.append(note)

    def decide(self, node: cst.CSTNode, what: str, row: Row) -> None:
        """Tell what the owner has to change, where the versions have it no more."""
        if self.holds(row.needs):
            self.note("decide", node, f"{what} is gone since {row.gone}: {row.advice}")

    def renamed(self, node: cst.CSTNode, old: str, new: str, gone: str) -> None:
        """Tell what a node is called now."""
        self.note("changed", node, f"{old} -> {new}: {gone} has the old name no more")

    def edit(self, node: cst.CSTNode, new: Edit) -> None:
        """Change a node when all are looked at."""
        self.edits.setdefault(node, []).append(new)

    def done(self) -> cst.Module:
        """The module with its changes; orders the notes."""
        self.notes.sort(key=lambda note: int(note.where.rpartition(":")[2] or 0))
        module = self.tree.module
        if self.edits:
            module = module.visit(_Apply(self.edits))
            for wanted in sorted(self.imports):
                module = add_import(module, wanted)
        return module

    def holds(self, needs: str) -> bool:
        """Whether the repository has what a row needs."""
        if not needs:
            return True
        requirement = Requirement(needs)
        names = [requirement.name, "xgboost-cpu"] if requirement.name == "xgboost" else [requirement.name]
        found = [self.versions[name] for name in names if name in self.versions]
        return bool(found) and requirement.specifier.contains(found[0], prereleases=True)

    def short(self, node: cst.CSTNode) -> str:
        """The code of a node for a note."""
        return self.tree.short(node, 50)

    def meant(self, node: cst.CSTNode) -> str:
        """What a name is called today, such as sklearn.ensemble.RandomForestClassifier; "" for what is not imported."""
        return today(self.tree.qualified(node))[0]

    def values(self, node: cst.BaseExpression) -> list[cst.BaseExpression | None]:
        """What a variable is given; None for what is not known."""
        key = self.tree.key(node) if isinstance(node, cst.Name) else None
        return self.tree.bindings.get(key, []) if key else []

    def made(self, node: cst.BaseExpression, depth: int = 3) -> str:
        """The class of an object, such as sklearn.svm.SVC, or ""."""
        if isinstance(node, cst.Call):
            return self.meant(node.func)
        values = self.values(node) if depth else []
        classes = {self.made(value, depth - 1) if value and value is not node else "" for value in values}
        return classes.pop() if len(classes) == 1 else ""

    def method(self, call: cst.Call, new: str, why: str) -> None:
        """Call a method by another name."""
        func = cst.ensure_type(call.func, cst.Attribute)
        self.edit(func, lambda old: old.with_changes(attr=cst.Name(new)))
        self.note("changed", call, f".{func.attr.value}() -> .{new}(): {why}")


class _Apply(cst.CSTTransformer):
    def __init__(self, edits: dict[cst.CSTNode, list[Edit]]) -> None:
        super().__init__()
        self.edits = edits

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        new = updated_node
        for edit in self.edits.get(original_node, ()):
            new = edit(new)
        return new if new is not updated_node else super().on_leave(original_node, updated_node)


def become(new: cst.BaseExpression) -> Edit:
    """Another expression in the brackets of the old one."""
    return lambda old: new.with_changes(lpar=old.lpar, rpar=old.rpar)


def drop(name: str) -> Edit:
    """A call without an argument."""
    return lambda call: call.with_changes(args=without(call.args, filter(None, [keyword(call, name)])))


def equals(node: cst.BaseExpression, code: str) -> bool:
    """Whether an expression is this literal."""
    wanted = expression(code)
    if (text := literal(wanted)) is not None:
        return literal(node) == text
    return node.deep_equals(wanted)
