"""Where code breaks the contract of a job, whatever it reads: secrets, nobody at the keyboard, MLflow led elsewhere."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import libcst as cst

from aml.adopt import Note
from aml.adopt.convert import credentials, keyboard, tracking
from aml.adopt.convert.work import Work
from aml.adopt.private import hide
from aml.adopt.python.edits import Sweep, add_import, imports_end, insert, space
from aml.adopt.python.syntax import Tree

OUTPUTS = 'os.makedirs("outputs", exist_ok=True)'


class Checked(NamedTuple):
    """A module that keeps the contract, and what was done to it."""

    text: str
    notes: list[Note]
    model: str | None  # below the run's folder
    experiment: str = ""  # that the code set


def check(text: str, file: str, original: str | None = None) -> Checked:
    """Check one module, and fix what is certain.

    `file` is its path in the source, `original` the text whose lines the notes are to name when the text was rewritten
    before.
    """
    try:
        tree = Tree(text)
    except (SyntaxError, ValueError, cst.ParserSyntaxError) as error:
        line = getattr(error, "lineno", None) or getattr(error, "raw_line", 1)
        reason = str(getattr(error, "msg", "") or "does not parse").rstrip(".")
        advice = "fix it; for Python 2 code: 2to3 -w FILE (up to Python 3.12), or modernize"
        return Checked(text, [Note("blocked", f"{file}:{line}", f"is not Python 3: {hide(reason)}: {advice}")], None)
    work = Work(tree, file, original)
    credentials.take_out(work)
    keyboard.leave_alone(work)
    tracking.leave_to_job(work)
    module = _finish(work, tree.module.visit(Replace(work.new)).visit(Sweep()))
    work.notes.sort(key=lambda note: int(note.where.rpartition(":")[2] or 0))
    return Checked(tree.text_of(module), work.notes, work.model, work.experiment)


def _finish(work: Work, module: cst.Module) -> cst.Module:
    if work.writes and OUTPUTS not in module.code:
        module = insert(module, imports_end(module), f"\n{OUTPUTS}\n")
        module = space(module, imports_end(module) + 1)
        work.imports.append("import os")
    for wanted in sorted(set(work.imports)):
        module = add_import(module, wanted)
    return module


class Replace(cst.CSTTransformer):
    """Puts other nodes in the place of some."""

    def __init__(self, new: Mapping[cst.CSTNode, Any]) -> None:
        super().__init__()
        self.new = new

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        new = self.new.get(original_node)
        if new is None:
            return super().on_leave(original_node, updated_node)
        if isinstance(new, cst.FlattenSentinel):
            return cst.FlattenSentinel(
                [
                    updated_node.with_changes(leading_lines=n.leading_lines)
                    if n.deep_equals(original_node.with_changes(leading_lines=[]))
                    else n
                    for n in new
                ]
            )
        return new
