"""Where code breaks the contract of a cloud job: data by inputs, results below outputs/, nobody at the keyboard."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcst as cst

from aml.adopt import DataInput, Note
from aml.adopt.convert import credentials, inputs, keyboard, results, tracking
from aml.adopt.convert.work import Work
from aml.adopt.private import hide
from aml.adopt.python.static import Modules
from aml.adopt.python.syntax import TIGHT, Sweep, Tree, add_import, imports_end, insert, quoted, space


@dataclass
class Checked:
    """A module that keeps the contract, what was done to it, and the data that it gets by options."""

    text: str
    notes: list[Note]
    inputs: list[DataInput]
    model: str | None  # below the run's folder
    travels: list[tuple[Path, str]] = field(default_factory=list)  # files to copy, and where to, from the code's folder
    given: dict[str, str] = field(default_factory=dict)  # options for results, with what the job's command is to give
    results: dict[str, str] = field(default_factory=dict)  # all options for results, with where these go by themselves


def check(
    text: str, file: str, is_entry: bool, modules: Modules, original: str | None = None, *, paths: bool = True
) -> Checked:
    """Check one module, and fix what is certain.

    `file` is its path in the source, `original` the text whose lines the notes are to name when the text was rewritten
    before. Without `paths` the code reads and writes where it did.
    """
    try:
        tree = Tree(text)
    except (SyntaxError, ValueError, cst.ParserSyntaxError) as error:
        line = getattr(error, "lineno", None) or getattr(error, "raw_line", 1)
        reason = str(getattr(error, "msg", "") or "does not parse").rstrip(".")
        advice = "fix it; for Python 2 code: 2to3 -w FILE (up to Python 3.12), or modernize"
        return Checked(
            text, [Note("blocked", f"{file}:{line}", f"is not Python 3: {hide(reason)}: {advice}")], [], None
        )
    work = Work(tree, file, is_entry, modules, original)
    new = tree.text_of(_run(work, paths))
    return Checked(new, work.notes, work.inputs, work.model, work.travels, work.given, work.results)


def _run(work: Work, paths: bool) -> cst.Module:
    credentials.take_out(work)
    keyboard.leave_alone(work)
    tracking.leave_to_job(work)
    options = inputs.take_from_options(work, results.lead_below_outputs(work)) if paths else None
    module = work.tree.module.visit(_Replace(work.new, work.makes)).visit(Sweep())
    module = _finish(work, module)
    if options:
        module = options.apply(module)
    work.notes.sort(key=lambda note: int(note.where.rpartition(":")[2] or 0))
    return module


def _finish(work: Work, module: cst.Module) -> cst.Module:
    deepest = sorted(made for made in set(work.folders) if not any(f.startswith(f"{made}/") for f in work.folders))
    lines = [f"os.makedirs({quoted(made).value}, exist_ok=True)\n" for made in deepest]
    lines = [line for line in lines if line.strip() not in module.code]
    if lines:
        module = insert(module, imports_end(module), "\n" + "".join(lines))
        module = space(module, imports_end(module) + len(lines))
        work.imports.append("import os")
    for wanted in sorted(set(work.imports)):
        module = add_import(module, wanted)
    return module


class _Replace(cst.CSTTransformer):
    def __init__(self, new: dict[cst.CSTNode, Any], makes: set[cst.CSTNode]) -> None:
        super().__init__()
        self.new, self.makes = new, makes

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        new = self.new.get(original_node)
        if original_node in self.makes:
            function = updated_node.func
            if (
                function.attr.value == "mkdir" and getattr(function.value, "value", "") == "os"
            ):  # which takes no exist_ok
                function = function.with_changes(attr=cst.Name("makedirs"))
            allows = cst.Arg(cst.Name("True"), keyword=cst.Name("exist_ok"), equal=TIGHT)
            return updated_node.with_changes(func=function, args=[*updated_node.args, allows])
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
